"""What a function does, as a number: the same in every process, another as soon as the code is another.

Counted: the bytecode without names of locals, line numbers, file names and docstrings; defaults; what the function
closes over; the globals it uses, through user functions and classes, recursively; constants and data by content.
Not counted: what is only memory (see ``state``), objects of ordinary classes beyond their class's code, and
installed packages beyond their names and versions. The answer belongs to one minor version of Python.
"""

from __future__ import annotations

import datetime
import decimal
import dis
import enum
import fractions
import functools
import hashlib
import pathlib
import re
import struct
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from headrace._internal.bytecode import Import, Ref
from headrace._internal.introspect import (
    CONTAINERS,
    MISSING,
    SPECIAL_NAMES,
    data_fields,
    is_builtin,
    is_installed_file,
    is_installed_module,
    own_fingerprint,
    package_version,
    resolve,
    unwrap,
    uses_of,
    vars_of,
)
from headrace._internal.modules import absolute_name, user_module_code
from headrace._internal.reads import Reads, reads
from headrace._internal.state import State, find_state
from headrace.errors import ConfigurationError

__all__ = ["Reads", "code_fingerprint", "reads"]

SHOWN_BY_REPR = (
    decimal.Decimal,
    fractions.Fraction,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    pathlib.PurePath,
    uuid.UUID,
    range,
    slice,
)
CODE_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200  # *args, **kwargs, generator, coroutine, their mixtures
# What a class statement stores that is no behaviour: texts, and since 3.13 the line number.
UNIMPORTANT = frozenset(
    (
        "__doc__ __qualname__ __module__ __firstlineno__ __static_attributes__ __dict__ __weakref__ _abc_impl "
        "__signature__ __class_vars__ __private_attributes__ __annotate__ __annotate_func__ __annotations_cache__ "
        "__conditional_annotations__ __dataclass_fields__ __dataclass_params__ __subclasshook__ __orig_bases__ "
        "_member_map_ _member_names_ _value2member_map_ _hashable_values_ _unhashable_values_ _unhashable_values_map_"
    ).split()
)


def code_fingerprint(function: Callable[..., Any], peers: Iterable[Callable[..., Any]] = ()) -> str:
    """Return the fingerprint of ``function`` in hexadecimal. ``peers``: functions whose memory is memory here too."""
    walker = _Walker(find_state([function, *peers]))
    try:
        return walker.digest(function).hex()
    except RecursionError:
        name = getattr(function, "__qualname__", repr(function))
        raise ConfigurationError(
            f"{name}: what it closes over is nested too deeply to fingerprint; put it in a file or give version="
        ) from None


def _join(tag: str, *parts: bytes) -> bytes:
    digest = hashlib.blake2b(tag.encode(), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _type_name(cls: type) -> bytes:
    return _text(f"{cls.__module__}.{cls.__qualname__} {package_version(cls.__module__)}")


class _Walker:
    """One walk over what a function reaches. Cycles count by their position on the way."""

    def __init__(self, state: State):
        self.state = state
        self.known: dict[int, bytes] = {}
        self.kept: list[Any] = []
        self.active: dict[int, int] = {}
        self.modules: set[str] = set()

    def digest(self, value: Any) -> bytes:
        """Return the digest of any object."""
        simple = _scalar(value)
        if simple is not None:
            return simple
        key = id(value)
        if key in self.known:
            return self.known[key]
        if key in self.active:
            return _join("cycle", str(self.active[key]).encode())
        self.active[key] = len(self.active)
        try:
            found = self._object(value)
        finally:
            del self.active[key]
        self.known[key] = found
        self.kept.append(value)
        return found

    def _object(self, value: Any) -> bytes:
        if id(value) in self.state.objects:
            return _join("state", _type_name(type(value)))
        if (token := own_fingerprint(value)) is not None:
            return _join("token", _text(token))
        for kinds, method in _METHODS:
            if isinstance(value, kinds):
                return method(self, value)
        return self._instance(value)

    # ---- code -------------------------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> bytes:
        wrapped = vars_of(function).get("__wrapped__")
        parts = [self.digest(wrapped)] if wrapped is not None else []
        if is_installed_file(function.__code__.co_filename):
            return self._library_function(function, parts)
        parts += [
            self._code(function.__code__),
            self.digest(function.__defaults__),
            self.digest(function.__kwdefaults__),
        ]
        return _join("function", *parts, *self._closure(function), *self._globals(function), *self._imports(function))

    def _library_function(self, function: types.FunctionType, parts: list[bytes]) -> bytes:
        module = function.__globals__.get("__name__", "")
        name = f"{module}.{function.__code__.co_name} {package_version(module)}"
        for cell in function.__closure__ or ():
            held = _content(cell)
            if isinstance(held, (types.FunctionType, types.MethodType, functools.partial, type)):
                parts.append(self.digest(held))
        return _join("library", _text(name), *parts)

    def _closure(self, function: types.FunctionType) -> Iterator[bytes]:
        for cell in function.__closure__ or ():
            if id(cell) in self.state.cells:
                yield _join("state")
                continue
            held = _content(cell)
            yield _join("empty") if held is MISSING else self.digest(held)
        for ref in uses_of(function.__code__).loaded:
            if ref.scope == "free" and ref.path:
                yield from self._through_module(function, ref)

    def _globals(self, function: types.FunctionType) -> Iterator[bytes]:
        seen: set[str] = set()
        for ref in uses_of(function.__code__).loaded:
            if ref.scope != "global" or ref.name in SPECIAL_NAMES:
                continue
            if ref.path:
                yield from self._through_module(function, ref)
            elif ref.name not in seen:
                seen.add(ref.name)
                yield self._global(function, ref.name)

    def _global(self, function: types.FunctionType, name: str) -> bytes:
        if (id(function.__globals__), name) in self.state.names:
            return _join("state", _text(name))
        value = function.__globals__.get(name, MISSING)
        if value is MISSING:
            return _join("builtin" if is_builtin(name) else "undefined", _text(name))
        return _join("global", _text(name), self.digest(value))

    def _through_module(self, function: types.FunctionType, ref: Ref) -> Iterator[bytes]:
        """What ``module.name`` means where the module is the user's own."""
        owner, rest = resolve(function, Ref(ref.scope, ref.name, ref.path[:-1]))
        if rest or not isinstance(owner, types.ModuleType) or is_installed_module(owner.__name__):
            return
        value = vars(owner).get(ref.path[-1], MISSING)
        if value is MISSING or (id(owner), ref.path[-1]) in self.state.attributes:
            yield _join("attribute", _text(ref.path[-1]))
        else:
            yield _join("attribute", _text(ref.path[-1]), self.digest(value))

    def _imports(self, function: types.FunctionType) -> Iterator[bytes]:
        package = str(function.__globals__.get("__package__") or "")
        for name in _imported(uses_of(function.__code__).imports, package):
            yield self._user_module(name)

    def _user_module(self, name: str) -> bytes:
        """The code of a module that is imported inside a function, and of those that it imports."""
        if name in self.modules:
            return _join("import", _text(name))
        self.modules.add(name)
        code = user_module_code(name)
        if code is None:
            return _join("import", _text(name))
        inner = _imported(uses_of(code).imports, name.rpartition(".")[0])
        return _join("import", self._code(code), *(self._user_module(n) for n in inner))

    def _code(self, code: types.CodeType) -> bytes:
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        head = struct.pack(
            "<4I", code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & CODE_FLAGS
        )
        body = list(self._instructions(code))
        return _join("code", head, _text(" ".join(names)), getattr(code, "co_exceptiontable", b""), *body)

    def _instructions(self, code: types.CodeType) -> Iterator[bytes]:
        kept = _meaningful(dis.get_instructions(code))
        places = _Places(kept)
        local = {name: number for number, name in enumerate(code.co_varnames[: code.co_argcount])}
        free = {name: number for number, name in enumerate(code.co_freevars)}
        for instruction in kept:
            operand = self._operand(instruction, places, local, free, code.co_consts)
            yield _text(instruction.opname) + b" " + operand

    def _operand(
        self,
        instruction: dis.Instruction,
        places: _Places,
        local: dict[str, int],
        free: dict[str, int],
        constants: tuple[Any, ...],
    ) -> bytes:
        opcode, value = instruction.opcode, instruction.argval
        if opcode in dis.hasconst:
            return self.digest(value if instruction.opname == "LOAD_SMALL_INT" else constants[instruction.arg or 0])
        if opcode in dis.hasjrel or opcode in dis.hasjabs:
            return str(places.of(value)).encode()
        if opcode in dis.haslocal or opcode in dis.hasfree or "_FAST" in instruction.opname:
            names = value if isinstance(value, tuple) else (value,)
            return b",".join(
                b"free %d" % free[n] if n in free else b"%d" % local.setdefault(n, len(local)) for n in names
            )
        if opcode in dis.hasname:
            return _text(f"{value} {instruction.argrepr}")
        return _text(f"{instruction.arg} {value if isinstance(value, str) else ''}")

    # ---- data -------------------------------------------------------------------------------------------------

    def _items(self, value: Any) -> bytes:
        return _join(type(value).__name__, self.digest(type(value)), *(self.digest(item) for item in list(value)))

    def _set(self, value: Any) -> bytes:
        return _join("set", self.digest(type(value)), *sorted(self.digest(item) for item in list(value)))

    def _mapping(self, value: Any) -> bytes:
        pairs = sorted(_join("pair", self.digest(k), self.digest(v)) for k, v in list(value.items()))
        factory = [self.digest(value.default_factory)] if hasattr(value, "default_factory") else []
        return _join("mapping", self.digest(type(value)), *factory, *pairs)

    def _shown(self, value: Any) -> bytes:
        return _join("shown", _type_name(type(value)), _text(repr(value)))

    def _pattern(self, value: re.Pattern[Any]) -> bytes:
        return _join("pattern", self.digest(value.pattern), str(value.flags).encode())

    def _buffer(self, value: Any) -> bytes:
        return _join("buffer", _type_name(type(value)), bytes(value))

    def _member(self, value: enum.Enum) -> bytes:
        return _join("enum", self.digest(type(value)), _text(str(value.name)), self.digest(value.value))

    def _subclassed(self, value: Any) -> bytes:
        kinds: tuple[Any, ...] = (str, bytes, int, float, complex)
        plain = next(kind(value) for kind in kinds if isinstance(value, kind))
        return _join("scalar", self.digest(type(value)), self.digest(plain))

    def _partial(self, value: functools.partial[Any]) -> bytes:
        return _join("partial", self.digest(value.func), self.digest(value.args), self.digest(value.keywords))

    def _method(self, value: types.MethodType) -> bytes:
        return _join("method", self.digest(value.__func__), self.digest(value.__self__))

    def _descriptor(self, value: Any) -> bytes:
        inner = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (unwrap_descriptor(value),)
        return _join(type(value).__name__, *(self.digest(f) for f in inner))

    def _builtin(self, value: Any) -> bytes:
        owner = getattr(value, "__self__", None)
        of = _type_name(type(owner)) if owner is not None and not isinstance(owner, types.ModuleType) else b""
        module = getattr(value, "__module__", None) or "builtins"
        return _join("builtin", _text(f"{module}.{value.__qualname__} {package_version(module)}"), of)

    def _module(self, value: types.ModuleType) -> bytes:
        return _join("module", _text(value.__name__))

    def _alias(self, value: Any) -> bytes:
        arguments = [a for a in getattr(value, "__args__", ()) if not isinstance(a, str)]
        return _join("alias", self.digest(getattr(value, "__origin__", None)), *(self.digest(a) for a in arguments))

    def _class(self, cls: type) -> bytes:
        if is_installed_module(cls.__module__):
            return _join("library class", _type_name(cls))
        parts = [self.digest(base) for base in cls.__bases__]
        for name, value in sorted(vars(cls).items()):
            if name in UNIMPORTANT or name.startswith("__pydantic_"):
                continue
            if (id(cls), name) in self.state.attributes:
                continue
            parts += [_text(name), self.digest(value)]
        for name, member in getattr(cls, "__members__", {}).items():
            parts += [_text(name), self.digest(member)]
        for name, field in sorted(getattr(cls, "__pydantic_fields__", {}).items()):
            parts += [_text(name), self.digest(field.annotation), self.digest(field.default)]
            parts += [self.digest(field.default_factory), _text(str(field.metadata))]
        return _join("class", *parts)

    def _instance(self, value: Any) -> bytes:
        cls = type(value)
        package = cls.__module__.partition(".")[0]
        if package == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
            return self._array(value)
        if package == "pandas" and hasattr(value, "to_numpy"):
            return self._frame(value)
        if cls.__module__ == "typing":
            return _join("typing", _text(repr(value)))
        if cls.__name__ in ("SecretStr", "SecretBytes"):
            return _join("secret", _type_name(cls))
        fields = data_fields(value)
        if fields is not None and not self._changes_itself(cls):
            return _join("fields", self.digest(cls), *(_join(k, self.digest(v)) for k, v in fields.items()))
        parts = [self.digest(cls)]
        function, _ = unwrap(value)
        if function is not None and is_installed_module(cls.__module__):
            parts.append(self.digest(function))  # lru_cache and its like
        return _join("instance", *parts)

    def _changes_itself(self, cls: type) -> bool:
        return any((id(c), name) in self.state.attributes for c in cls.__mro__ for name in field_names(c))

    def _array(self, value: Any) -> bytes:
        if value.dtype.hasobject:
            return _join("array", _text(str(value.shape)), self.digest(value.tolist()))
        return _join("array", _text(f"{value.dtype.str} {value.dtype.descr} {value.shape}"), value.tobytes())

    def _frame(self, value: Any) -> bytes:
        if hasattr(value, "columns"):
            columns = [self._frame(value[name]) for name in value.columns] if value.columns.is_unique else []
            return _join("frame", self._frame(value.columns), self._frame(value.index), *columns)
        return _join("column", _text(f"{value.dtype} {getattr(value, 'name', '')}"), self._array(value.to_numpy()))


class _Places:
    """From an offset in the bytecode to the number of the first instruction kept at or after it."""

    def __init__(self, kept: list[dis.Instruction]):
        self.offsets = [instruction.offset for instruction in kept]

    def of(self, offset: int) -> int:
        import bisect

        return bisect.bisect_left(self.offsets, offset)


def _meaningful(instructions: Iterator[dis.Instruction]) -> list[dis.Instruction]:
    """Leave out fillers, and the texts and line numbers that a class body stores."""
    kept: list[dis.Instruction] = []
    for instruction in instructions:
        if instruction.opname in ("NOP", "CACHE", "EXTENDED_ARG"):
            continue
        if instruction.opname == "STORE_NAME" and instruction.argval in UNIMPORTANT and kept:
            kept.pop()
            continue
        if instruction.opname == "MAKE_FUNCTION" and sys.version_info < (3, 11):
            kept.pop()  # its qualified name
        kept.append(instruction)
    return kept


def _imported(statements: Iterable[Import], package: str) -> Iterator[str]:
    """The full names of the modules that import statements may load."""
    for statement in statements:
        name = absolute_name(statement.module, statement.level, package)
        yield name
        yield from (f"{name}.{part}" for part in statement.names)


def _scalar(value: Any) -> bytes | None:
    kind = type(value)
    if kind is str:
        return _join("str", _text(value))
    if kind is int or kind is bool or value is None or value is ...:
        return _join(kind.__name__, repr(value).encode())
    if kind is float:
        return _join("float", struct.pack("<d", value))
    if kind is complex:
        return _join("complex", struct.pack("<2d", value.real, value.imag))
    if kind is bytes:
        return _join("bytes", value)
    return None


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def unwrap_descriptor(value: Any) -> Any:
    """The function in a static method, a class method or a cached property."""
    return value.func if isinstance(value, functools.cached_property) else value.__func__


def field_names(cls: type) -> Iterable[str]:
    """The names of the data fields that a class declares."""
    return [*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "__pydantic_fields__", ())]


_METHODS: list[tuple[Any, Callable[[_Walker, Any], bytes]]] = [
    (types.FunctionType, _Walker._function),
    (types.CodeType, _Walker._code),
    ((types.GenericAlias, types.UnionType), _Walker._alias),
    (type, _Walker._class),
    (enum.Enum, _Walker._member),
    (types.MethodType, _Walker._method),
    (types.ModuleType, _Walker._module),
    (functools.partial, _Walker._partial),
    ((staticmethod, classmethod, property, functools.cached_property), _Walker._descriptor),
    ((types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType), _Walker._builtin),
    ((types.ClassMethodDescriptorType, types.MethodWrapperType, types.GetSetDescriptorType), _Walker._builtin),
    (SHOWN_BY_REPR, _Walker._shown),
    (re.Pattern, _Walker._pattern),
    ((bytearray, memoryview), _Walker._buffer),
    ((set, frozenset), _Walker._set),
    ((dict, types.MappingProxyType), _Walker._mapping),
    (CONTAINERS, _Walker._items),
    ((str, bytes, int, float, complex), _Walker._subclassed),
]
