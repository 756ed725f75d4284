"""A prefix as three numbers: what the rules look at, at a tenth of the cost of the module ipaddress."""

from __future__ import annotations

import socket
from typing import NamedTuple

__all__ = ["Prefix"]

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_BITS = {4: 32, 6: 128}


class Prefix(NamedTuple):
    """``version`` is 4 or 6, ``address`` the network address as a number, ``length`` in bits."""

    version: int
    address: int
    length: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read ``192.0.2.0/24`` or ``2001:db8::/32``; ValueError where it is none or has host bits set."""
        address, _, digits = text.partition("/")
        version = 6 if ":" in address else 4
        bits = _BITS[version]
        try:
            value = int.from_bytes(socket.inet_pton(_FAMILIES[version], address), "big")
        except OSError:
            raise ValueError(f"{text!r:.80} is no prefix") from None
        if not (digits.isascii() and digits.isdigit()) or int(digits) > bits:
            raise ValueError(f"{text!r:.80} has no length of 0 to {bits}")
        length = int(digits)
        if value & ((1 << (bits - length)) - 1):
            raise ValueError(f"{text!r:.80} has host bits set")
        return cls(version, value, length, text)

    def inside(self, other: Prefix) -> bool:
        """Whether all of it lies in ``other``."""
        return self.version == other.version and self.length >= other.length and self.top(other.length) == other.top()

    def top(self, length: int | None = None) -> int:
        """The first ``length`` bits of the address, by default those of the network."""
        return self.address >> (_BITS[self.version] - (self.length if length is None else length))

    def __str__(self) -> str:
        return self.text
