"""What bgpq4 printed, told apart: prefixes, nothing, or no answer at all.

bgpq4 exits with 0 and an empty list both when a registry knows no routes and when the registry answered with an
error (then there is a line on stderr). So the exit code alone proves nothing.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from headrace.types import Empty, Failed, Ok

__all__ = ["parse_answer"]


def parse_answer(
    exit_code: int | None, stdout: bytes, stderr: bytes, *, name: str, family: int, max_prefixes: int | None = None
) -> Ok[tuple[str, ...]] | Empty | Failed:
    """Return ``Ok(prefixes)``, ``Empty()`` or ``Failed(reason)`` for one run of ``bgpq4 -j -l NAME``.

    ``family`` is 4 or 6. The prefixes are sorted and each is there once. Anything that is not whole is ``Failed``:
    cut JSON, another list, a word that is no prefix, a prefix of the other family, a complaint on stderr. So is an
    answer of more than ``max_prefixes``, before it costs the time and memory to read it.
    """
    complaint = " ".join(stderr.decode("utf-8", "replace").split())
    if exit_code != 0:
        return Failed(f"bgpq4 exited with {exit_code}: {complaint[:200] or 'no message'}")
    if complaint:
        return Failed(f"bgpq4 complained: {complaint[:200]}")
    count = stdout.count(b'"prefix"')
    if max_prefixes is not None and count > max_prefixes:
        return Failed(f"{count} prefixes: an answer of more than {max_prefixes} is not even read")
    try:
        prefixes = _prefixes(_entries(stdout, name), family)
    except (TypeError, ValueError) as error:
        return Failed(f"bgpq4's answer is not whole: {error}")
    return Ok(prefixes) if prefixes else Empty()


def _entries(stdout: bytes, name: str) -> list[Any]:
    try:
        answer = json.loads(stdout)
    except ValueError:
        raise ValueError(f"{len(stdout)} bytes that are no JSON") from None
    entries = answer.get(name) if isinstance(answer, dict) and len(answer) == 1 else None
    if not isinstance(entries, list):
        raise ValueError(f"there is no list '{name}' in it")
    return entries


def _prefixes(entries: list[Any], family: int) -> tuple[str, ...]:
    found: set[tuple[int, int]] = set()
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("exact") is not True:
            raise ValueError(f"{entry!r:.80} is no exact prefix")
        found.add(_network(str(entry.get("prefix")), family))
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    size = 4 if family == 4 else 16
    return tuple(f"{socket.inet_ntop(kind, value.to_bytes(size, 'big'))}/{length}" for value, length in sorted(found))


def _network(text: str, family: int) -> tuple[int, int]:
    """Return address and length of ``text``. The module ipaddress does the same ten times slower."""
    address, _, digits = text.partition("/")
    bits = 32 if family == 4 else 128
    try:
        packed = socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, address)
    except (OSError, ValueError):
        raise ValueError(f"{text!r:.80} where an IPv{family} prefix was asked for") from None
    value = int.from_bytes(packed, "big")
    if not (digits.isascii() and digits.isdigit()) or int(digits) > bits:
        raise ValueError(f"{text!r:.80} has no length of 0 to {bits}")
    if value & ((1 << (bits - int(digits))) - 1):
        raise ValueError(f"{text!r:.80} has host bits set")
    return value, int(digits)
