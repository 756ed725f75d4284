"""BGP groups, neighbors and AS numbers of an FRR configuration (`show running-config`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.pipelines.bgp.asn import parse_as_number
from headrace.pipelines.bgp.errors import IncompleteConfigurationError
from headrace.pipelines.bgp.models import BgpGroup, BgpNeighbor, DiscoveryResult

__all__ = ["discover"]


@dataclass
class _Peer:
    peer_as: int | None = None
    type: str | None = None
    group: str | None = None
    is_group: bool = False
    prefix_lists: list[str] = field(default_factory=list)


@dataclass
class _Instance:
    name: str
    local_as: int | None
    peers: dict[str, _Peer] = field(default_factory=dict)


@dataclass
class _Reader:
    instances: list[_Instance] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    current: _Instance | None = None

    def read(self, line: str) -> None:
        words = line.split()
        if line[:1] not in (" ", "\t"):
            self.current = None
            if words[:2] == ["router", "bgp"]:
                self._router(words[2:])
        elif self.current is not None and words[:1] == ["neighbor"] and len(words) > 2:
            self._neighbor(self.current.peers.setdefault(words[1], _Peer()), words)

    def _router(self, words: list[str]) -> None:
        name = words[words.index("vrf") + 1] if "vrf" in words[:-1] else "default"
        number = self._number(words[0], "router bgp") if words and words[0] not in ("vrf", "view") else None
        self.current = _Instance(name, number)
        self.instances.append(self.current)

    def _neighbor(self, peer: _Peer, words: list[str]) -> None:
        handlers: dict[str, Callable[[_Peer, list[str]], None]] = {
            "remote-as": self._remote_as,
            "peer-group": self._peer_group,
            "interface": self._interface,
            "prefix-list": self._prefix_list,
        }
        handler = handlers.get(words[2])
        if handler is not None:
            handler(peer, words[3:])

    def _remote_as(self, peer: _Peer, words: list[str]) -> None:
        word = words[0] if words else ""
        if word in ("internal", "external", "auto"):
            peer.type = "internal" if word == "internal" else "external"
        else:
            peer.peer_as = self._number(word, "remote-as")

    def _peer_group(self, peer: _Peer, words: list[str]) -> None:
        if words:
            peer.group = words[0]
        else:
            peer.is_group = True

    def _interface(self, peer: _Peer, words: list[str]) -> None:
        if words[:1] == ["remote-as"]:
            self._remote_as(peer, words[1:])
        elif words[:1] == ["peer-group"]:
            self._peer_group(peer, words[1:])

    @staticmethod
    def _prefix_list(peer: _Peer, words: list[str]) -> None:
        if len(words) == 2 and words[1] == "in" and words[0] not in peer.prefix_lists:
            peer.prefix_lists.append(words[0])

    def _number(self, word: str, where: str) -> int | None:
        try:
            return parse_as_number(word)
        except ValueError as error:
            self.warnings.append(f"{where}: {error}")
            return None

    def finish(self) -> DiscoveryResult:
        groups = tuple(group for instance in self.instances for group in self._groups(instance))
        return DiscoveryResult(
            as_numbers=tuple(sorted({number for group in groups for number in group.as_numbers})),
            bgp_groups=groups,
            local_as=tuple(sorted({i.local_as for i in self.instances if i.local_as is not None})),
            warnings=tuple(self.warnings),
        )

    def _groups(self, instance: _Instance) -> list[BgpGroup]:
        members: dict[str, list[tuple[str, _Peer]]] = {n: [] for n, p in instance.peers.items() if p.is_group}
        for address, peer in instance.peers.items():
            if not peer.is_group:
                members.setdefault(peer.group or "ungrouped", []).append((address, peer))
        return [built for name in members for built in self._built(instance, name, members[name])]

    def _built(self, instance: _Instance, name: str, members: list[tuple[str, _Peer]]) -> list[BgpGroup]:
        """One group, or two of the same name where internal and external peers share it."""
        own = instance.peers.get(name, _Peer())
        sorted_in: dict[str, list[BgpNeighbor]] = {}
        for address, peer in members:
            number = peer.peer_as if peer.peer_as is not None else own.peer_as
            kind = _kind(instance, number, peer.type or own.type)
            if number is None and kind == "external":
                self.warnings.append(f"neighbor {address}: its AS number is not in the configuration")
            lists = tuple(dict.fromkeys((*own.prefix_lists, *peer.prefix_lists)))
            sorted_in.setdefault(kind, []).append(BgpNeighbor(address, number, lists))
        if not members:
            sorted_in[_kind(instance, own.peer_as, own.type)] = []
        return [BgpGroup(name, kind, own.peer_as, tuple(n), instance.name) for kind, n in sorted_in.items()]


def _kind(instance: _Instance, number: int | None, declared: str | None) -> str:
    if number is None:
        return declared or "external"
    return "internal" if number == instance.local_as else "external"


def discover(text: str) -> DiscoveryResult:
    """Return groups and AS numbers.

    IncompleteConfigurationError where vtysh's heading is there but not its last line, ``end``.
    """
    lines = text.splitlines()
    if "Current configuration:" in text and not any(line.strip() == "end" for line in lines[-3:]):
        raise IncompleteConfigurationError("the configuration was cut off: vtysh's last line, 'end', is missing")
    reader = _Reader()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("!"):
            reader.read(line)
    return reader.finish()
