"""Values to what a store holds, and back: JSON text for almost everything, a binary blob for bulk.

``None``, ``bool``, ``int``, finite ``float``, ``str``, ``list`` and ``dict`` with string keys are plain JSON. All else
is an object of one key that starts with ``$``: ``{"$tuple": [1, 2]}``. A dict of the user's that looks like one gets
one more ``$``. Bytes, arrays and tables at the top are blobs (see ``blobs``). Nothing is ever pickled, and no class is
looked up by a name found in data, except among ``known``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping
from json import encoder as json_encoder
from json import scanner as json_scanner
from typing import Any

from headrace._internal import blobs, given_codecs, tags
from headrace._internal.records import Record, known_types
from headrace.errors import CheckpointCorruptionError, ConfigurationError

__all__ = ["MAX_DEPTH", "Record", "dumps", "known_types", "loads"]

MAX_DEPTH = 200
"""How many containers may lie inside each other."""

ATOMS = frozenset({str, int, float, bool, type(None)})
SMALL = 1 << 63
NESTING = frozenset({list, dict})
KEYS = {str}
NO_TYPES: Mapping[str, type] = {}


def dumps(value: Any, seen: MutableMapping[str, type] | None = None, what: str = "result") -> str | bytes:
    """Encode ``value``: JSON text, or bytes for what is bulk. The same value gives the same answer.

    The classes met (dataclasses, models, enumerations) are added to ``seen`` by name. ``what`` names the value in the
    :class:`ConfigurationError` for a value that can't be stored.
    """
    kind = type(value)
    if kind is str:
        return _portable(_quote(value), value)
    if kind is int and -SMALL < value < SMALL:
        return repr(value)
    try:
        if is_plain(value):
            return _portable(_write(value), value)
    except (ValueError, RecursionError):  # not finite, or a number of too many digits: the long way says which
        pass
    blob = blobs.encode(value)
    if blob is not None:
        return blob
    tagged = tags.Encoder(seen if seen is not None else {}, what, MAX_DEPTH).encode(value)
    return _portable(_write(tagged), tagged)


def loads(data: str | bytes, known: Mapping[str, type] = NO_TYPES) -> Any:
    """Decode what :func:`dumps` made. A class that is not in ``known`` comes back as a :class:`Record`."""
    if not isinstance(data, str):
        return given_codecs.unwrap(data, known) if data[5:11] == b"codec:" else blobs.decode(data)
    try:
        # In JSON text this sequence can't be part of a string: its quote would be escaped.
        return _decoder(known)(data) if '{"$' in data else _read(data)
    except ConfigurationError:
        raise
    except (ValueError, StopIteration, RecursionError) as error:
        raise CheckpointCorruptionError(f"a recorded value is not valid JSON: {error}") from None


def is_plain(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether ``value`` is plain JSON all through, not counting numbers that JSON lacks."""
    kind = type(value)
    if kind is dict:
        if not KEYS.issuperset(map(type, value)) or (len(value) == 1 and next(iter(value)).startswith("$")):
            return False
        inner = value.values()
    elif kind is list:
        inner = value
    else:
        return kind in ATOMS
    others = set(map(type, inner)) - ATOMS
    if not others:
        return True
    if not NESTING.issuperset(others) or not depth:
        return False
    return all(is_plain(item, depth - 1) for item in inner if type(item) in NESTING)


def _refuse(value: Any) -> Any:
    raise ConfigurationError(f"{type(value).__name__} is not JSON")


def _make_writer(quote: Callable[[str], str]) -> Callable[[Any], str]:
    """A compact JSON writer made once: ``json.dumps`` would make one a call."""
    make: Any = getattr(json_encoder, "c_make_encoder", None)
    if make is None:
        ascii_only = quote is json_encoder.encode_basestring_ascii
        return json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":")).encode
    write = make(None, _refuse, quote, None, ":", ",", False, False, False)
    return lambda value: "".join(write(value, 0))


def _make_reader() -> Callable[[str], Any]:
    scan: Any = json_scanner.make_scanner(json.JSONDecoder())  # type: ignore[arg-type]

    def read(text: str) -> Any:
        value, end = scan(text, 0)
        if end != len(text):
            raise ValueError(f"extra text at character {end}")
        return value

    return read


_quote: Callable[[str], str] = json_encoder.encode_basestring
_write = _make_writer(json_encoder.encode_basestring)
_write_ascii = _make_writer(json_encoder.encode_basestring_ascii)
_read = _make_reader()


def _portable(text: str, value: Any) -> str:
    """``text``, or the same in ASCII where it holds lone surrogates, which no UTF-8 can carry."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _write_ascii(value)
    return text


def _decoder(known: Mapping[str, type]) -> Callable[[str], Any]:
    return json.JSONDecoder(object_hook=tags.Decoder(known).decode).decode
