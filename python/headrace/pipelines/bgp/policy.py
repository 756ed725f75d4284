"""Prefix lists as text for routers, and the files they go into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.files import write_atomic
from headrace.pipelines.bgp.models import PolicyResult
from headrace.pipelines.bgp.wording import counted

__all__ = ["PolicyCombiner", "check_list_name", "list_name", "render"]

_LIST_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,62}", re.ASCII)


def check_list_name(name: str) -> str:
    """Return ``name``, or ConfigurationError where no router would take it."""
    if not _LIST_NAME.fullmatch(name):
        raise ConfigurationError(f"prefix list name {name!r}: a letter, then letters, digits, '_', '.', ':' or '-'")
    return name


def list_name(template: str, as_number: int) -> str:
    """Return the name of an AS's list: ``{asn}`` in ``template`` is its number."""
    if template.count("{asn}") != 1:
        raise ConfigurationError(f"list_name {template!r}: must hold '{{asn}}' once, as in 'AS{{asn}}'")
    return check_list_name(template.replace("{asn}", str(as_number)))


def render(name: str, prefixes: Sequence[str], platform: str = "junos") -> str:
    """Return one list in the router's own language: ``junos`` (also for ``netconf``) or ``frr``."""
    check_list_name(name)
    if platform == "frr":
        return "".join(_frr_lines(name, prefixes))
    rows = "".join(f"        {prefix};\n" for prefix in prefixes)
    return f"policy-options {{\n    replace:\n    prefix-list {name} {{\n{rows}    }}\n}}\n"


def _frr_lines(name: str, prefixes: Sequence[str]) -> Iterable[str]:
    for version, word in ((4, "ip"), (6, "ipv6")):
        family = [prefix for prefix in prefixes if (":" in prefix) == (version == 6)]
        for index, prefix in enumerate(family, start=1):
            yield f"{word} prefix-list {name} seq {5 * index} permit {prefix}\n"


class PolicyCombiner:
    """Writes policies into files. A list that was refused is there with its last good content, and says why."""

    def __init__(self, platform: str = "junos") -> None:
        self.platform = platform

    def write_separate_files(self, policies: Sequence[PolicyResult], folder: Path) -> list[Path]:
        """Write one file per list into ``folder``; return those that were written."""
        written = []
        for policy in policies:
            text = self._section(policy)
            if policy.effective_prefixes is not None:
                written.append(folder / f"{check_list_name(policy.name)}.txt")
                write_atomic(written[-1], text)
        return written

    def write_combined_file(self, policies: Sequence[PolicyResult], path: Path) -> Path:
        """Write all lists into the file ``path``, ascending by AS number."""
        sections = [self._section(policy) for policy in sorted(policies, key=lambda p: p.as_number)]
        write_atomic(path, "".join(sections))
        return path

    def _section(self, policy: PolicyResult) -> str:
        prefixes = policy.effective_prefixes
        note = ""
        if not policy.success:
            kept = (
                "no list is known"
                if prefixes is None
                else f"the last good list of {counted(len(prefixes), 'prefix')} stays"
            )
            why = "; ".join((*policy.reasons, policy.error_message)).strip("; ") or policy.status
            note = self._comment(f"AS{policy.as_number} {policy.status}: {why}; {kept}")
        return note + (render(policy.name, prefixes, self.platform) if prefixes is not None else "")

    def _comment(self, text: str) -> str:
        line = " ".join(text.replace("*/", "* /").split())
        return f"! {line}\n" if self.platform == "frr" else f"/* {line} */\n"
