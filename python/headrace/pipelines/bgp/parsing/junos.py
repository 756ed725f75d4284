"""BGP groups, neighbors and AS numbers of a Junos configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from headrace.pipelines.bgp.asn import parse_as_number
from headrace.pipelines.bgp.models import BgpGroup, BgpNeighbor, DiscoveryResult
from headrace.pipelines.bgp.parsing.junos_text import Path

__all__ = ["discover"]

_BGP_WORDS = {"group", "neighbor", "type", "peer-as", "local-as"}


@dataclass
class _Group:
    type: str | None = None
    peer_as: int | None = None
    neighbors: dict[str, int | None] = field(default_factory=dict)


@dataclass
class _Reader:
    groups: dict[tuple[str, str], _Group] = field(default_factory=dict)
    local_as: set[int] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    def read(self, path: Path) -> None:
        if path[0] == "groups":
            return
        if "autonomous-system" in path and "routing-options" in path and path[-1] != "autonomous-system":
            self._local(path[path.index("autonomous-system") + 1])
            return
        instance, words = _inside_bgp(path)
        kind, name = words[:2] if len(words) > 1 else ("", "")
        if kind == "local-as":
            self._local(name)
        elif kind == "group":
            self._group_statement(self._group(instance, name), name, words[2:])
        elif kind == "neighbor":
            self._neighbor_statement(self._group(instance, ""), "", words[1:])

    def _group(self, instance: str, name: str) -> _Group:
        group = self.groups.get((instance, name))
        if group is None:
            group = self.groups[instance, name] = _Group()
        return group

    def _group_statement(self, group: _Group, name: str, words: Path) -> None:
        kind = words[0] if words else ""
        if kind in ("apply-groups", "peer-as-list"):
            self.warnings.append(f"group {name}: {kind} is not followed; collect with '| display inheritance'")
        if len(words) < 2:
            return
        if kind == "neighbor":
            self._neighbor_statement(group, name, words[1:])
        elif kind == "type":
            group.type = words[1]
        elif kind == "peer-as":
            group.peer_as = self._number(words[1], f"group {name}")
        elif kind == "local-as":
            self._local(words[1])

    def _neighbor_statement(self, group: _Group, name: str, words: Path) -> None:
        address = words[0]
        group.neighbors.setdefault(address, None)
        if words[1:2] == ("peer-as",) and len(words) > 2:
            group.neighbors[address] = self._number(words[2], f"group {name}, neighbor {address}")
        elif words[1:2] == ("local-as",) and len(words) > 2:
            self._local(words[2])

    def _local(self, word: str) -> None:
        number = self._number(word, "local AS")
        if number is not None:
            self.local_as.add(number)

    def _number(self, word: str, where: str) -> int | None:
        try:
            return parse_as_number(word)
        except ValueError as error:
            self.warnings.append(f"{where}: {error}")
            return None

    def finish(self) -> DiscoveryResult:
        groups = tuple(self._finished(key, group) for key, group in self.groups.items())
        numbers = {number for group in groups for number in group.as_numbers}
        return DiscoveryResult(
            as_numbers=tuple(sorted(numbers)),
            bgp_groups=groups,
            local_as=tuple(sorted(self.local_as)),
            warnings=tuple(self.warnings),
        )

    def _finished(self, key: tuple[str, str], group: _Group) -> BgpGroup:
        instance, name = key
        neighbors = tuple(
            BgpNeighbor(address, group.peer_as if peer is None else peer) for address, peer in group.neighbors.items()
        )
        peers = {n.peer_as for n in neighbors} | {group.peer_as}
        if group.type is None and peers - {None} and peers - {None} <= self.local_as:
            group.type = "internal"
        if group.type != "internal" and any(n.peer_as is None for n in neighbors):
            self.warnings.append(f"group {name}: a neighbor has no peer-as")
        return BgpGroup(name or "ungrouped", group.type or "external", group.peer_as, neighbors, instance)


def _inside_bgp(path: Path) -> tuple[str, Path]:
    """Return the routing instance and the words below ``protocols bgp``; a bare BGP hierarchy counts as such."""
    if path[:2] == ("protocols", "bgp"):
        return "default", path[2:]
    instance = "default"
    if "routing-instances" in path[:-1]:
        instance = path[path.index("routing-instances") + 1]
    for index in range(len(path) - 1):
        if path[index : index + 2] == ("protocols", "bgp"):
            return instance, path[index + 2 :]
    if path[:1] == ("bgp",):
        return instance, path[1:]
    return instance, path if path[0] in _BGP_WORDS else ()


def discover(paths: Iterable[Path]) -> DiscoveryResult:
    """Return groups and AS numbers. Own AS numbers, internal groups and as-path patterns are no peers."""
    reader = _Reader()
    for path in paths:
        if path:
            reader.read(path)
    return reader.finish()
