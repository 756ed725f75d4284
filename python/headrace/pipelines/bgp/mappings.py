"""Which router talks to which AS, as YAML that people can read and compare, with its history."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from headrace.pipelines.bgp.asn import classify
from headrace.pipelines.bgp.errors import ConfigurationError, ResourceError
from headrace.pipelines.bgp.files import write_atomic
from headrace.pipelines.bgp.models import RouterProfile

__all__ = ["YAMLGenerator", "load_mappings", "routers_by_as"]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|\d+\.\d+\.\d+\.\d+", re.ASCII)
_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}  # plain, they would not be texts
_HISTORY_NAME = re.compile(r"bgp-mappings\.\d{8}T\d{6}\.\d{6}Z\.yaml")


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ResourceError("YAML mappings need PyYAML: pip install 'headrace[bgp]'") from None
    return yaml


def routers_by_as(routers: Mapping[str, Iterable[int]]) -> dict[int, list[str]]:
    """Turn "host name -> its AS numbers" round; AS numbers ascending, host names in the order given."""
    found: dict[int, list[str]] = {}
    for hostname, numbers in routers.items():
        for number in dict.fromkeys(numbers):
            found.setdefault(number, []).append(hostname)
    return dict(sorted(found.items()))


class YAMLGenerator:
    """Builds the mappings and keeps them under ``output_dir/discovered``: the present ones and the last ``keep``."""

    def __init__(self, output_dir: Path, keep: int = 30) -> None:
        self.folder = Path(output_dir) / "discovered"
        self.keep = keep

    def generate_mappings(self, profiles: Iterable[RouterProfile]) -> dict[str, Any]:
        """Return ``as_to_routers`` (AS -> host names), ``routers`` (host name -> AS numbers, groups) and
        ``as_kinds`` (AS -> public, private, ...)."""
        known = sorted(profiles, key=lambda profile: profile.hostname)
        routers = {profile.hostname: _router(profile) for profile in known}
        as_to_routers = routers_by_as({profile.hostname: profile.discovered_as_numbers for profile in known})
        return {
            "as_to_routers": as_to_routers,
            "as_kinds": {n: str(classify(n)) for n in as_to_routers},
            "routers": routers,
        }

    def save_with_history(self, mappings: Mapping[str, Any], output_dir: Path | None = None) -> Path:
        """Write ``bgp-mappings.yaml``; what it replaces, if different, goes into ``history/`` first."""
        folder = self.folder if output_dir is None else Path(output_dir) / "discovered"
        path = folder / "bgp-mappings.yaml"
        text = "".join(_lines(mappings, ""))
        before = path.read_text(encoding="utf-8") if path.exists() else None
        if before == text:
            return path
        if before is not None:
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
            write_atomic(folder / "history" / f"bgp-mappings.{stamp}.yaml", before)
            self._prune(folder / "history")
        write_atomic(path, text)
        return path

    def _prune(self, history: Path) -> None:
        ours = sorted(entry for entry in history.iterdir() if _HISTORY_NAME.fullmatch(entry.name))
        for old in ours[: -self.keep]:
            old.unlink()


def _lines(mapping: Mapping[Any, Any], indent: str) -> Iterator[str]:
    """The YAML of nested mappings of numbers, texts and lists of these. PyYAML takes fifty times as long."""
    for key in sorted(mapping):
        value = mapping[key]
        if isinstance(value, Mapping):
            yield f"{indent}{_scalar(key)}:\n" if value else f"{indent}{_scalar(key)}: {{}}\n"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{_scalar(key)}:\n" if value else f"{indent}{_scalar(key)}: []\n"
            yield "".join([f"{indent}- {entry if type(entry) is int else _scalar(entry)}\n" for entry in value])
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return "null" if value is None else str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in value) + '"'


def _router(profile: RouterProfile) -> dict[str, Any]:
    groups = {
        f"{group.instance}/{group.name}" if group.instance != "default" else group.name: {
            "type": group.type,
            "as_numbers": list(group.as_numbers),
            "neighbors": [neighbor.address for neighbor in group.neighbors],
        }
        for group in profile.bgp_groups
    }
    return {
        "address": profile.address,
        "platform": profile.platform,
        "local_as": list(profile.local_as),
        "as_numbers": list(profile.discovered_as_numbers),
        "bgp_groups": groups,
    }


def load_mappings(path: Path) -> dict[str, Any]:
    """Return the mappings in ``path``, read with the safe loader; ConfigurationError where they are none."""
    yaml = _yaml()
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict) or not isinstance(value.get("as_to_routers"), dict):
        raise ConfigurationError(f"{path}: no BGP mappings: the key 'as_to_routers' is missing")
    return value
