"""Objects of classes as records: a class's name and the fields of one object; and back, for known classes only."""

from __future__ import annotations

import enum
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from headrace._internal.introspect import reachable, unwrap, uses_of

__all__ = ["KINDS", "Record", "advice", "build", "describe", "is_secret", "known_types", "type_name"]

KINDS = frozenset({"data", "model", "named", "enum"})
"""``data``: dataclasses and attrs classes; ``model``: pydantic; ``named``: named tuples; ``enum``."""


class Record(dict[str, Any]):
    """What is left of an object whose class is not at hand: its fields, as a dict and as attributes.

    ``type_name`` is ``module:Class``; a record encodes to exactly what it was decoded from.
    """

    __slots__ = ("extra", "kind", "type_name")

    def __init__(
        self, type_name: str, fields: Mapping[str, Any], kind: str = "data", extra: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(fields)
        self.type_name = type_name
        self.kind = kind
        self.extra = extra

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a record of {self.type_name} has no field {name!r}") from None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return self.type_name == other.type_name and dict.__eq__(self, other)
        return dict.__eq__(self, other)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.type_name, *sorted(self)))  # an object may have been a key or an element of a set

    def __repr__(self) -> str:
        return f"Record<{self.type_name}>({', '.join(f'{k}={v!r}' for k, v in self.items())})"


def type_name(cls: type) -> str:
    """The name under which a class is stored: ``module:Class``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def is_secret(value: Any) -> bool:
    """Whether ``value`` is one of pydantic's secrets, or acts like one."""
    return callable(getattr(type(value), "get_secret_value", None))


def is_record_class(cls: type) -> bool:
    """Whether objects of ``cls`` can be stored as records."""
    return _describer(cls) is not None


def describe(value: Any) -> Record | None:
    """Return the record of an object, its fields not encoded yet; None where there is none."""
    if isinstance(value, Record):
        return value
    describer = _describer(type(value))
    return None if describer is None else describer(value)


def _describer(cls: type) -> Callable[[Any], Record] | None:
    if issubclass(cls, enum.Enum):
        return _describe_member
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        return _describe_named
    if cls.__new__ is not object.__new__:
        return _describe_model if _is_model(cls) else None
    if hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__"):
        return _describe_data
    return _describe_model if _is_model(cls) else None


def _is_model(cls: type) -> bool:
    return hasattr(cls, "__pydantic_validator__") and hasattr(cls, "model_fields")


def field_names(cls: Any) -> list[str]:
    """The names of the fields of a dataclass or an attrs class, in their order."""
    if hasattr(cls, "__dataclass_fields__"):
        return [f.name for f in cls.__dataclass_fields__.values() if f._field_type.name == "_FIELD"]
    return [a.name for a in cls.__attrs_attrs__]


def _describe_member(value: enum.Enum) -> Record:
    simple = value.value if type(value.value) in (str, int, float, bool, type(None)) else None
    name = None if isinstance(value, enum.Flag) else value.name
    return Record(type_name(type(value)), {"name": name, "value": simple}, "enum")


def _describe_named(value: Any) -> Record:
    return Record(type_name(type(value)), dict(zip(value._fields, value, strict=True)), "named")


def _describe_data(value: Any) -> Record:
    cls = type(value)
    fields = {name: getattr(value, name) for name in field_names(cls) if hasattr(value, name)}
    return Record(type_name(cls), fields)


def _describe_model(value: Any) -> Record:
    extra = (sorted(value.__pydantic_fields_set__), value.__pydantic_extra__, value.__pydantic_private__)
    return Record(type_name(type(value)), value.__dict__, "model", extra)


def build(kind: str, name: str, fields: dict[str, Any], extra: tuple[Any, ...], known: Mapping[str, type]) -> Any:
    """Return the object that a record stands for, made without running its class's code; a Record if unknown."""
    cls: Any = known.get(name)
    if cls is not None and is_record_class(cls):
        built = _BUILDERS[kind](cls, fields, extra)
        if built is not None:
            return built
    return Record(name, fields, kind, extra)


def _build_member(cls: Any, fields: dict[str, Any], extra: tuple[Any, ...]) -> Any:
    if not issubclass(cls, enum.Enum):
        return None
    if fields["name"] is None:
        return cls(fields["value"])
    return cls.__members__.get(fields["name"])


def _build_named(cls: Any, fields: dict[str, Any], extra: tuple[Any, ...]) -> Any:
    if not issubclass(cls, tuple) or tuple(fields) != cls._fields:
        return None
    return tuple.__new__(cls, fields.values())


def _build_data(cls: Any, fields: dict[str, Any], extra: tuple[Any, ...]) -> Any:
    if not (hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__")):
        return None
    if not set(fields) <= set(field_names(cls)):
        return None
    value = object.__new__(cls)
    for name, item in fields.items():
        object.__setattr__(value, name, item)
    return value


def _build_model(cls: Any, fields: dict[str, Any], extra: tuple[Any, ...]) -> Any:
    if not _is_model(cls) or not set(fields) <= set(cls.model_fields):
        return None
    value = cls.__new__(cls)
    names, unknown, private = extra
    value.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": set(names),
            "__pydantic_extra__": unknown,
            "__pydantic_private__": private,
        }
    )
    return value


_BUILDERS: dict[str, Callable[[Any, dict[str, Any], tuple[Any, ...]], Any]] = {
    "enum": _build_member,
    "named": _build_named,
    "data": _build_data,
    "model": _build_model,
}


_ADVICE = {
    "numpy": "make it a plain array with np.asarray()",
    "torch": "make it an array with .numpy(force=True)",
    "polars": "make it an Arrow table with .to_arrow()",
    "scipy": "return its arrays (data, indices, indptr, shape)",
}


def advice(value: Any) -> str:
    """How to mend a value of a type that is met often and can't be stored; '' for others."""
    if isinstance(value, types.GeneratorType):
        return "return a list, or make the stage a source or a flat_map"
    if isinstance(value, types.CoroutineType):
        return "await it, or make the stage async def"
    return _ADVICE.get(type(value).__module__.partition(".")[0], "")


def known_types(*functions: Callable[..., Any]) -> dict[str, type]:
    """Return the classes that results may be decoded to, by name.

    They are those that ``functions`` reach: in annotations, globals, closures, defaults, and in the fields of those.
    """
    found: dict[str, type] = dict(_own_types())
    waiting = [cls for cls in _classes(functions) if is_record_class(cls)]
    while waiting:
        cls = waiting.pop()
        name = type_name(cls)
        if name in found:
            continue
        found[name] = cls
        namespace = vars(sys.modules.get(cls.__module__, types.ModuleType("")))
        mentioned = _mentioned(getattr(cls, "__annotations__", {}).values(), namespace)
        waiting += [other for other in mentioned if is_record_class(other)]
    return found


def _own_types() -> Iterator[tuple[str, type]]:
    from headrace import types as public

    for cls in vars(public).values():
        if isinstance(cls, type) and cls.__module__ == public.__name__ and is_record_class(cls):
            yield type_name(cls), cls


def _classes(functions: Iterable[Callable[..., Any]]) -> Iterator[type]:
    for value in reachable(*functions):
        if isinstance(value, type):
            yield value
            continue
        function, _ = unwrap(value) if callable(value) else (None, 0)
        if function is None:
            continue
        yield from _mentioned(function.__annotations__.values(), _namespace(function))
        for statement in uses_of(function.__code__).imports:
            module = sys.modules.get(statement.module)
            members = (getattr(module, name, None) for name in statement.names)
            yield from (member for member in members if isinstance(member, type))


def _namespace(function: types.FunctionType) -> dict[str, Any]:
    captured: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            captured[name] = cell.cell_contents
        except ValueError:
            continue
    return {**function.__globals__, **captured}


def _mentioned(annotations: Iterable[Any], namespace: Mapping[str, Any]) -> Iterator[type]:
    """The classes in annotations. A text is not evaluated: the names in it are looked up."""
    waiting = list(annotations)
    for _ in range(10_000):
        if not waiting:
            return
        item = waiting.pop()
        item = getattr(item, "__forward_arg__", item)
        if isinstance(item, str):
            waiting += [value for value in _look_up(item, namespace) if not isinstance(value, str)]
        elif hasattr(item, "__args__"):
            waiting += [item.__origin__] if hasattr(item, "__origin__") else []
            waiting += list(item.__args__)
        elif isinstance(item, type):
            yield item
        elif isinstance(item, (list, tuple)):
            waiting += item


def _look_up(text: str, namespace: Mapping[str, Any]) -> Iterator[Any]:
    for name in re.findall(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", text):
        first, *rest = name.split(".")
        value = namespace.get(first)
        for part in rest:
            value = vars(value).get(part) if isinstance(value, (types.ModuleType, type)) else None
        if value is not None:
            yield value
