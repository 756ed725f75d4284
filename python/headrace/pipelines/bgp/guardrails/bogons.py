"""Address space that must never be in a filter for a peer on the Internet."""

from __future__ import annotations

import ipaddress

__all__ = ["IPNetwork", "bogon_containing"]

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 6890 and its updates; IPv6: what is inside 2000::/3 and not for the Internet. The rest of IPv6 is a bogon too.
_BOGONS_V4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
_BOGONS_V6 = ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")


def _table(networks: tuple[str, ...]) -> dict[int, dict[int, IPNetwork]]:
    table: dict[int, dict[int, IPNetwork]] = {}
    for network in map(ipaddress.ip_network, networks):
        shift = network.max_prefixlen - network.prefixlen
        table.setdefault(network.prefixlen, {})[int(network.network_address) >> shift] = network
    return table


_TABLES = {4: _table(_BOGONS_V4), 6: _table(_BOGONS_V6)}


def bogon_containing(prefix: IPNetwork) -> IPNetwork | str | None:
    """Return the bogon that ``prefix`` lies in, or None."""
    address = int(prefix.network_address)
    for length, entries in _TABLES[prefix.version].items():
        if prefix.prefixlen >= length:
            found = entries.get(address >> (prefix.max_prefixlen - length))
            if found is not None:
                return found
    if prefix.version == 6 and prefix.prefixlen >= 3 and not prefix.subnet_of(_GLOBAL_V6):
        return f"outside {_GLOBAL_V6}"
    return None
