"""AS numbers: reading every notation, and telling the special ranges apart."""

from __future__ import annotations

import enum
import re

__all__ = ["AsKind", "classify", "parse_as_number", "to_asdot"]

MAX_AS_NUMBER = 2**32 - 1


class AsKind(str, enum.Enum):
    """What an AS number may be used for. Only ``PUBLIC`` ones can be looked up in a routing registry."""

    PUBLIC = "public"
    PRIVATE = "private"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"

    __str__ = str.__str__


_SPECIAL_RANGES = (
    (0, 0, AsKind.RESERVED),  # RFC 7607
    (23456, 23456, AsKind.RESERVED),  # AS_TRANS, RFC 6793
    (64496, 64511, AsKind.DOCUMENTATION),  # RFC 5398
    (64512, 65534, AsKind.PRIVATE),  # RFC 6996
    (65535, 65535, AsKind.RESERVED),  # RFC 7300
    (65536, 65551, AsKind.DOCUMENTATION),  # RFC 5398
    (65552, 131071, AsKind.RESERVED),  # IANA
    (4200000000, 4294967294, AsKind.PRIVATE),  # RFC 6996
    (4294967295, 4294967295, AsKind.RESERVED),  # RFC 7300
)

_PLAIN = re.compile(r"(?:AS)?(\d{1,10})", re.IGNORECASE | re.ASCII)
_ASDOT = re.compile(r"(?:AS)?(\d{1,5})\.(\d{1,5})", re.IGNORECASE | re.ASCII)


def parse_as_number(text: str | int) -> int:
    """Return the AS number that ``text`` writes: plain (``65001``), with ``AS`` before it, or asdot (``1.10``).

    ValueError where it is none of them or beyond 32 bits.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise ValueError(f"{text!r} is not an AS number")
    word = str(text).strip()
    if word.isascii() and word.isdigit() and len(word) <= 10 and int(word) <= MAX_AS_NUMBER:
        return int(word)
    if dotted := _ASDOT.fullmatch(word):
        high, low = int(dotted[1]), int(dotted[2])
        if max(high, low) <= 0xFFFF:
            return high * 65536 + low
    elif (plain := _PLAIN.fullmatch(word)) and int(plain[1]) <= MAX_AS_NUMBER:
        return int(plain[1])
    raise ValueError(f"{word!r} is not an AS number (0 to {MAX_AS_NUMBER}, or asdot such as 1.10)")


def to_asdot(number: int) -> str:
    """Return ``number`` in asdot notation: four-byte numbers as high.low, others plain."""
    return f"{number >> 16}.{number & 0xFFFF}" if number > 0xFFFF else str(number)


def classify(number: int) -> AsKind:
    """Return which range ``number`` belongs to."""
    for low, high, kind in _SPECIAL_RANGES:
        if low <= number <= high:
            return kind
    return AsKind.PUBLIC
