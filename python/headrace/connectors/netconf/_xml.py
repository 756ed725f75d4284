"""The XML of OpenConfig's prefix sets and BGP neighbors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.connectors.routers import PeerHealth, PrefixLists

__all__ = ["NEIGHBORS_FILTER", "edit", "parse_neighbors", "parse_sets", "sets_filter"]

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
POLICY = "http://openconfig.net/yang/routing-policy"
INSTANCE = "http://openconfig.net/yang/network-instance"

NEIGHBORS_FILTER = (
    f'<network-instances xmlns="{INSTANCE}"><network-instance><protocols><protocol><bgp><neighbors/>'
    "</bgp></protocol></protocols></network-instance></network-instances>"
)


def _node(parent: Any, name: str, text: str | None = None) -> Any:
    from lxml import etree

    node = etree.SubElement(parent, f"{{{POLICY}}}{name}")
    node.text = text
    return node


def _sets_root() -> tuple[Any, Any]:
    from lxml import etree

    root = etree.Element(f"{{{POLICY}}}routing-policy", nsmap={None: POLICY, "nc": BASE})
    return root, _node(_node(root, "defined-sets"), "prefix-sets")


def sets_filter(names: Iterable[str]) -> Any:
    """Return a subtree filter for the sets of these names."""
    root, sets = _sets_root()
    for name in names:
        _node(_node(sets, "prefix-set"), "name", name)
    return root


def edit(lists: PrefixLists) -> Any:
    """Return the ``<config>`` that replaces each list, or removes it."""
    from lxml import etree

    config = etree.Element(f"{{{BASE}}}config", nsmap={"nc": BASE})
    root, sets = _sets_root()
    for name, prefixes in lists.items():
        entry = _node(sets, "prefix-set")
        entry.set(f"{{{BASE}}}operation", "remove" if prefixes is None else "replace")
        _node(entry, "name", name)
        if prefixes is not None:
            _fill(entry, name, prefixes)
    config.append(root)
    return config


def _fill(entry: Any, name: str, prefixes: Iterable[str]) -> None:
    _node(_node(entry, "config"), "name", name)
    members = _node(entry, "prefixes")
    for prefix in prefixes:
        member = _node(members, "prefix")
        _keys(member, prefix)
        _keys(_node(member, "config"), prefix)


def _keys(node: Any, prefix: str) -> None:
    _node(node, "ip-prefix", prefix)
    _node(node, "masklength-range", "exact")


def _tree(data_xml: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    return etree.fromstring(data_xml.encode(), parser)


def parse_sets(data_xml: str) -> dict[str, tuple[str, ...]]:
    """Return the prefixes of each set. One with a range of lengths is shown with it, so that it equals none of ours."""
    found = {}
    for entry in _tree(data_xml).iter(f"{{{POLICY}}}prefix-set"):
        if len(entry) < 2:  # only the name that was asked for: some servers echo it where there is no such set
            continue
        prefixes = [_member(member) for member in entry.iter(f"{{{POLICY}}}prefix")]
        found[entry.findtext(f"{{{POLICY}}}name", "").strip()] = tuple(sorted(prefixes))
    return found


def _member(member: Any) -> str:
    prefix = member.findtext(f"{{{POLICY}}}ip-prefix", "").strip()
    lengths = member.findtext(f"{{{POLICY}}}masklength-range", "").strip()
    return prefix if lengths == "exact" else f"{prefix} {lengths}"


def _number(node: Any, path: str) -> int:
    return sum(int((found.text or "0").strip()) for found in node.iterfind(path))


def parse_neighbors(data_xml: str) -> dict[str, PeerHealth]:
    """Return every BGP neighbor's state; prefixes are summed over the address families."""
    peers = {}
    counts = f"{{{INSTANCE}}}afi-safis/{{{INSTANCE}}}afi-safi/{{{INSTANCE}}}state/{{{INSTANCE}}}prefixes/{{{INSTANCE}}}"
    for node in _tree(data_xml).iter(f"{{{INSTANCE}}}neighbor"):
        peer = node.findtext(f"{{{INSTANCE}}}neighbor-address", "").strip()
        state = node.findtext(f"{{{INSTANCE}}}state/{{{INSTANCE}}}session-state", "").strip()
        received, accepted = _number(node, counts + "received-pre-policy"), _number(node, counts + "received")
        peers[peer] = PeerHealth(peer, state == "ESTABLISHED", received, accepted)
    return peers
