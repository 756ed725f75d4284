"""The tagged objects of the JSON form: one function a type to write it, one to read it."""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import fractions
import json
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from headrace._internal import blobs, records
from headrace.errors import CheckpointCorruptionError, ConfigurationError

__all__ = ["Decoder", "Encoder"]

Place = tuple[Any, str] | None  # where a value lies: (the place around it, how it is reached from there)

MAX_PLAIN_BITS = 4096  # Python refuses to read much longer decimal numbers
STORABLE = "str, numbers, list, tuple, dict, set, bytes, dates, NumPy arrays, dataclasses, pydantic models"


class Encoder:
    """Turns a value into what ``json`` writes."""

    def __init__(self, seen: MutableMapping[str, type], what: str, max_depth: int):
        self.seen = seen
        self.what = what
        self.max_depth = max_depth

    def encode(self, value: Any, place: Place = None, depth: int = 0) -> Any:
        """Return the JSON structure for ``value``; ``place`` and ``depth`` say where it lies."""
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if depth > self.max_depth:
            raise self._error(place, f"lies in more than {self.max_depth} containers, or contains itself", "flatten it")
        write = _WRITERS.get(kind)
        if write is not None:
            return write(self, value, place, depth + 1)
        return self._other(value, place, depth + 1)

    def _other(self, value: Any, place: Place, depth: int) -> Any:
        array = blobs.encode_inline(value)
        if array is not None:
            tag, parts, elements = array
            return {tag: parts if elements is None else [*parts, self.all(elements, place, depth)]}
        if records.is_secret(value):
            raise self._error(place, "is a secret, which is never stored", "pass a reference to it instead")
        record = records.describe(value)
        if record is None:
            raise self._unknown(value, place)
        if not isinstance(value, records.Record):
            self.seen[record.type_name] = type(value)
        fields = {name: self.encode(item, (place, f".{name}"), depth) for name, item in dict.items(record)}
        return {f"${record.kind}": [record.type_name, fields, *self.all(record.extra, place, depth)]}

    def all(self, values: Any, place: Place, depth: int) -> list[Any]:
        """Return the structures for each of ``values``."""
        return [self.encode(value, (place, f"[{number}]"), depth) for number, value in enumerate(values)]

    def sorted(self, values: Any, place: Place, depth: int) -> list[Any]:
        """Return the structures of a set's elements in an order that every process finds."""
        encoded = [self.encode(value, (place, "{...}"), depth) for value in values]
        return sorted(encoded, key=json.dumps)

    def pairs(self, values: Any, place: Place, depth: int) -> list[Any]:
        """Return ``[key, value]`` for each item of a mapping."""
        return [
            [self.encode(key, (place, f" key {key!r:.80}"), depth), self.encode(item, (place, f"[{key!r:.80}]"), depth)]
            for key, item in values.items()
        ]

    def _path(self, place: Place) -> str:
        steps: list[str] = []
        while place is not None:
            place, step = place
            steps.append(step)
        return self.what + "".join(steps[:-9:-1]) + ("..." if len(steps) > 8 else "")

    def _error(self, place: Place, fault: str, cure: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path(place)} {fault}: {cure}")

    def _unknown(self, value: Any, place: Place) -> ConfigurationError:
        kind = type(value)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        article = "an" if name[0] in "aeiouAEIOU" else "a"
        plain = next((base for base in kind.__mro__ if base in _PLAIN_BASES), None)
        cure = (
            f"make it a plain {plain.__name__}" if plain else records.advice(value) or f"return plain data ({STORABLE})"
        )
        return self._error(place, f"is {article} {name}, which no codec can store", cure)


Writer = Callable[[Encoder, Any, Place, int], Any]
_PLAIN_BASES = (str, bytes, int, float, dict, list, tuple, set, frozenset, datetime.datetime, datetime.date)


def _int(encoder: Encoder, value: int, place: Place, depth: int) -> Any:
    return value if value.bit_length() <= MAX_PLAIN_BITS else {"$int": hex(value)}


def _float(encoder: Encoder, value: float, place: Place, depth: int) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


def _list(encoder: Encoder, value: list[Any], place: Place, depth: int) -> Any:
    return encoder.all(value, place, depth)


def _dict(encoder: Encoder, value: dict[Any, Any], place: Place, depth: int) -> Any:
    if not {str}.issuperset(map(type, value)):
        return {"$map": encoder.pairs(value, place, depth)}
    fields = {key: encoder.encode(item, (place, f"[{key!r:.80}]"), depth) for key, item in value.items()}
    if len(fields) == 1 and next(iter(fields)).startswith("$"):
        return {f"${key}": item for key, item in fields.items()}
    return fields


def _defaultdict(encoder: Encoder, value: collections.defaultdict[Any, Any], place: Place, depth: int) -> Any:
    factory = value.default_factory
    name = next((name for name, known in FACTORIES.items() if known is factory), None)
    if name is None:
        raise encoder._error(place, f"is a defaultdict over {factory!r:.80}", "make it a plain dict")
    return {"$defaultdict": [name, encoder.pairs(value, place, depth)]}


def _zone(encoder: Encoder, zone: datetime.tzinfo | None, place: Place) -> Any:
    if zone is None:
        return None
    if zone is datetime.timezone.utc:
        return "UTC"
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None)
        named = zone.tzname(None) if zone != datetime.timezone(offset) or "UTC" not in zone.tzname(None) else None
        return [offset.days, offset.seconds, offset.microseconds, named]
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return zone.key
    kind = type(zone)
    raise encoder._error(
        place, f"has a time zone of type {kind.__module__}.{kind.__qualname__}", "use zoneinfo.ZoneInfo"
    )


def _moment(tag: str) -> Writer:
    def write(encoder: Encoder, value: Any, place: Place, depth: int) -> Any:
        text = value.replace(tzinfo=None, fold=0).isoformat()
        zone = _zone(encoder, value.tzinfo, place)
        return {tag: text if zone is None and not value.fold else [text, zone, value.fold]}

    return write


def _simple(tag: str, write: Callable[[Any], Any]) -> Writer:
    return lambda encoder, value, place, depth: {tag: write(value)}


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


_WRITERS: dict[type, Writer] = {
    int: _int,
    float: _float,
    list: _list,
    dict: _dict,
    tuple: lambda e, v, p, d: {"$tuple": e.all(v, p, d)},
    set: lambda e, v, p, d: {"$set": e.sorted(v, p, d)},
    frozenset: lambda e, v, p, d: {"$frozenset": e.sorted(v, p, d)},
    collections.deque: lambda e, v, p, d: {"$deque": [v.maxlen, e.all(v, p, d)]},
    collections.OrderedDict: lambda e, v, p, d: {"$ordereddict": e.pairs(v, p, d)},
    collections.Counter: lambda e, v, p, d: {"$counter": e.pairs(v, p, d)},
    collections.defaultdict: _defaultdict,
    bytes: _simple("$bytes", _base64),
    bytearray: _simple("$bytearray", _base64),
    complex: _simple("$complex", lambda v: [repr(v.real), repr(v.imag)]),
    decimal.Decimal: _simple("$decimal", str),
    fractions.Fraction: lambda e, v, p, d: {"$fraction": [_int(e, v.numerator, p, d), _int(e, v.denominator, p, d)]},
    range: lambda e, v, p, d: {"$range": [_int(e, n, p, d) for n in (v.start, v.stop, v.step)]},
    uuid.UUID: _simple("$uuid", str),
    datetime.datetime: _moment("$datetime"),
    datetime.time: _moment("$time"),
    datetime.date: _simple("$date", datetime.date.isoformat),
    datetime.timedelta: _simple("$timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    type(pathlib.Path()): _simple("$path", str),
    pathlib.PurePosixPath: _simple("$posixpath", str),
    pathlib.PureWindowsPath: _simple("$windowspath", str),
}

FACTORIES: dict[str, Any] = {
    "none": None,
    **{kind.__name__: kind for kind in (list, dict, set, int, float, str, bool, tuple, bytes, collections.Counter)},
}


class Decoder:
    """Turns tagged objects back; the ``object_hook`` of a JSON reader, which meets the inner ones first."""

    def __init__(self, known: Mapping[str, type]):
        self.known = known

    def decode(self, fields: dict[str, Any]) -> Any:
        """Return the value that a JSON object stands for."""
        if len(fields) != 1:
            return fields
        (tag, content), *_ = fields.items()
        if not tag.startswith("$"):
            return fields
        if tag.startswith("$$"):
            return {tag[1:]: content}
        try:
            read = _READERS.get(tag)
            if read is not None:
                return read(content)
            if tag[1:] in records.KINDS:
                return records.build(tag[1:], content[0], content[1], tuple(content[2:]), self.known)
        except ConfigurationError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
            raise CheckpointCorruptionError(f"a recorded {tag} can't be read: {error}") from None
        raise CheckpointCorruptionError(f"a recorded value has the unknown type {tag}: a newer headrace wrote it")


def _read_zone(zone: Any) -> datetime.tzinfo | None:
    if zone is None:
        return None
    if zone == "UTC":
        return datetime.timezone.utc
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    days, seconds, microseconds, name = zone
    offset = datetime.timedelta(days, seconds, microseconds)
    return datetime.timezone(offset) if name is None else datetime.timezone(offset, name)


def _read_moment(kind: Any) -> Callable[[Any], Any]:
    def read(content: Any) -> Any:
        text, zone, fold = (content, None, 0) if isinstance(content, str) else content
        return kind.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)

    return read


def _read_defaultdict(content: Any) -> Any:
    return collections.defaultdict(FACTORIES[content[0]], content[1])


def _read_counter(content: Any) -> Any:
    counter: collections.Counter[Any] = collections.Counter()
    dict.update(counter, content)
    return counter


_READERS: dict[str, Callable[[Any], Any]] = {
    "$int": lambda c: int(c, 16),
    "$float": float,
    "$map": dict,
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$deque": lambda c: collections.deque(c[1], c[0]),
    "$ordereddict": collections.OrderedDict,
    "$counter": _read_counter,
    "$defaultdict": _read_defaultdict,
    "$bytes": lambda c: base64.b64decode(c, validate=True),
    "$bytearray": lambda c: bytearray(base64.b64decode(c, validate=True)),
    "$complex": lambda c: complex(float(c[0]), float(c[1])),
    "$decimal": decimal.Decimal,
    "$fraction": lambda c: fractions.Fraction(*c),
    "$range": lambda c: range(*c),
    "$uuid": uuid.UUID,
    "$datetime": _read_moment(datetime.datetime),
    "$time": _read_moment(datetime.time),
    "$date": datetime.date.fromisoformat,
    "$timedelta": lambda c: datetime.timedelta(*c),
    "$path": pathlib.Path,
    "$posixpath": pathlib.PurePosixPath,
    "$windowspath": pathlib.PureWindowsPath,
    **blobs.INLINE_READERS,
}
