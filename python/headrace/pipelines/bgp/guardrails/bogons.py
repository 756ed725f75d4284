"""Address space that must never be in a filter for a peer on the Internet."""

from __future__ import annotations

from headrace.pipelines.bgp.guardrails.prefix import Prefix

__all__ = ["bogon_containing"]

# RFC 6890 and its updates; IPv6: what is inside 2000::/3 and not for the Internet. The rest of IPv6 is a bogon too.
_BOGONS_V4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
_BOGONS_V6 = ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
_GLOBAL_V6 = Prefix.parse("2000::/3")


def _table(prefixes: tuple[str, ...]) -> dict[int, dict[int, Prefix]]:
    table: dict[int, dict[int, Prefix]] = {}
    for prefix in map(Prefix.parse, prefixes):
        table.setdefault(prefix.length, {})[prefix.top()] = prefix
    return table


_TABLES = {4: _table(_BOGONS_V4), 6: _table(_BOGONS_V6)}


def bogon_containing(prefix: Prefix) -> Prefix | str | None:
    """Return the bogon that ``prefix`` lies in, or None."""
    for length, entries in _TABLES[prefix.version].items():
        if prefix.length >= length:
            found = entries.get(prefix.top(length))
            if found is not None:
                return found
    if prefix.version == 6 and prefix.length >= 3 and not prefix.inside(_GLOBAL_V6):
        return f"outside {_GLOBAL_V6}"
    return None
