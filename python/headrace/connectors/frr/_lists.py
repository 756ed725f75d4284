"""FRR's prefix lists: read from a running configuration, and the commands from one state to another."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headrace.connectors.routers import PrefixLists

__all__ = ["changes", "parse_lists"]

_LINE = re.compile(r"^(ip|ipv6) prefix-list (\S+) seq (\d+) ((?:permit|deny) \S.*?)\s*$", re.MULTILINE)

Rules = dict[tuple[str, str], dict[int, str]]
"""(``ip`` or ``ipv6``, list name) -> sequence number -> rule, such as ``permit 193.0.0.0/21``."""


def _rules(config: str, names: Iterable[str]) -> Rules:
    wanted = set(names)
    found: Rules = {}
    for word, name, number, rule in _LINE.findall(config):
        if name in wanted:
            found.setdefault((word, name), {})[int(number)] = rule
    return found


def parse_lists(config: str, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Return each list's prefixes as sorted text; None: no such list. Rules that aren't a plain permit stay whole."""
    wanted = list(names)
    found = _rules(config, wanted)
    lists: dict[str, tuple[str, ...] | None] = dict.fromkeys(wanted)
    for (_, name), rules in found.items():
        plain = [rule.removeprefix("permit ") if len(rule.split()) == 2 else rule for rule in rules.values()]
        lists[name] = tuple(sorted((*(lists[name] or ()), *plain)))
    return lists


def changes(config: str, lists: PrefixLists) -> tuple[list[str], list[str]]:
    """Return the commands that make ``lists`` out of ``config``, and those that take them back.

    New rules come before old ones go, so that no list is ever empty, or gone, on the way.
    """
    before = _rules(config, lists)
    after = {key: rules for name in lists for key, rules in _wanted(name, lists[name], before).items()}
    return _steps(before, after), _steps(after, before)


def _wanted(name: str, prefixes: Iterable[str] | None, before: Rules) -> Rules:
    wanted: Rules = {}
    for word in ("ip", "ipv6"):
        known = before.get((word, name), {})
        rules = [f"permit {p}" for p in prefixes or () if (":" in p) == (word == "ipv6")]
        kept = {number: rule for number, rule in known.items() if rule in rules}
        free = max(known, default=0) // 5 * 5 + 5
        added = [rule for rule in dict.fromkeys(rules) if rule not in kept.values()]
        wanted[word, name] = {**kept, **{free + 5 * index: rule for index, rule in enumerate(added)}}
    return wanted


def _steps(before: Rules, after: Rules) -> list[str]:
    add: list[str] = []
    remove: list[str] = []
    for key in {**before, **after}:
        old, new = before.get(key, {}), after.get(key, {})
        head = f"{key[0]} prefix-list {key[1]}"
        add.extend(f"{head} seq {n} {rule}" for n, rule in sorted(new.items()) if old.get(n) != rule)
        remove.extend(f"no {head} seq {n} {rule}" for n, rule in sorted(old.items()) if n not in new)
    return add + remove
