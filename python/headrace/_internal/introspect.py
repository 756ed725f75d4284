"""Whose code is it, and what does it reach: the common ground of fingerprints, type collection and watching."""

from __future__ import annotations

import builtins
import functools
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from headrace._internal.bytecode import Ref, Uses, trace

__all__ = [
    "MISSING",
    "arguments",
    "children",
    "data_fields",
    "is_installed_file",
    "is_installed_module",
    "own_fingerprint",
    "package_version",
    "reachable",
    "resolve",
    "unwrap",
    "uses_of",
    "vars_of",
]

MISSING: Any = object()
CONTAINERS = (list, tuple, set, frozenset, deque)
SCALARS = (str, bytes, int, float, complex, type(None), type(...))
SPECIAL_NAMES = frozenset({"__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__", "__builtins__"})


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[name].rstrip("/") + "/" for name in ("stdlib", "platstdlib")})


@functools.cache
def is_installed_file(path: str) -> bool:
    """Whether a source file belongs to Python itself or to an installed package."""
    if path.startswith("<"):
        return path.startswith("<frozen ")
    return "/site-packages/" in path or "/dist-packages/" in path or path.startswith(_library_roots())


def is_installed_module(name: str | None) -> bool:
    """Whether a module is part of Python, of headrace or of an installed package, rather than the user's own."""
    if not name or name == "__main__":
        return False
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", "headrace"):
        return True
    module = sys.modules.get(name) or sys.modules.get(top)
    if module is None:
        return False
    path = getattr(module, "__file__", None)
    if path is None:  # a namespace package, or one that is compiled in
        return name in sys.builtin_module_names or any(
            is_installed_file(f"{p}/") for p in getattr(module, "__path__", ())
        )
    return is_installed_file(path)


@functools.cache
def package_version(module_name: str) -> str:
    """The version of the package that a module belongs to; Python's own for the standard library, '' if unknown."""
    top = module_name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "builtins":
        return f"{sys.version_info[0]}.{sys.version_info[1]}"
    parts = module_name.split(".")
    for depth in range(1, len(parts) + 1):
        version = vars(sys.modules.get(".".join(parts[:depth]), MISSING_MODULE)).get("__version__")
        if isinstance(version, str):
            return version
    from importlib import metadata  # costs as much as all the rest of the import

    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        return ""


MISSING_MODULE = types.ModuleType("missing")


def vars_of(value: Any) -> dict[str, Any]:
    """The instance dictionary of an object, or an empty one. Runs no code of the object's class."""
    try:
        fields = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def unwrap(function: Any) -> tuple[types.FunctionType | None, int]:
    """The plain function behind a callable, and how many of its first arguments are bound already."""
    bound = 0
    for _ in range(32):
        if isinstance(function, types.FunctionType):
            return function, bound
        if isinstance(function, functools.partial):
            bound += len(function.args)
            function = function.func
        elif isinstance(function, types.MethodType):
            bound += 1
            function = function.__func__
        elif isinstance(function, (staticmethod, classmethod)):
            function = function.__func__
        elif isinstance(function, type) or not callable(function):
            return None, 0
        elif isinstance(inner := vars_of(function).get("__wrapped__"), types.FunctionType):
            function = inner  # functools.lru_cache and its like
        else:
            call = getattr(type(function), "__call__", None)  # noqa: B004 - the method is wanted, not the answer
            if not isinstance(call, types.FunctionType):
                return None, 0
            bound += 1
            function = call
    return None, 0


def arguments(code: types.CodeType) -> tuple[str, ...]:
    """The names of a function's positional arguments."""
    return code.co_varnames[: code.co_argcount]


@functools.lru_cache(maxsize=4096)
def uses_of(code: types.CodeType) -> Uses:
    """What a function's code does; its arguments are references of scope ``arg``."""
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return trace(code, {name: frozenset({Ref("arg", name)}) for name in names})


def _root(function: types.FunctionType, ref: Ref) -> Any:
    if ref.scope == "global":
        if ref.name in SPECIAL_NAMES:
            return MISSING
        return function.__globals__.get(ref.name, MISSING)
    if ref.scope == "free" and ref.name in function.__code__.co_freevars:
        cell = (function.__closure__ or ())[function.__code__.co_freevars.index(ref.name)]
        try:
            return cell.cell_contents
        except ValueError:
            return MISSING
    return MISSING


def resolve(function: types.FunctionType, ref: Ref) -> tuple[Any, tuple[str, ...]]:
    """The object that ``ref`` names, and the part of its path that could not be followed without running code."""
    value, path = _root(function, ref), ref.path
    while path and value is not MISSING:
        inner = _attribute(value, path[0])
        if inner is MISSING:
            break
        value, path = inner, path[1:]
    return value, path


def _attribute(value: Any, name: str) -> Any:
    if isinstance(value, types.ModuleType):
        return vars(value).get(name, MISSING)
    if isinstance(value, type):
        found = next((vars(c)[name] for c in value.__mro__ if name in vars(c)), MISSING)
        return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    fields = getattr(value, "__dict__", None)
    return fields.get(name, MISSING) if isinstance(fields, dict) else MISSING


def is_builtin(name: str) -> bool:
    """Whether a global name is Python's own."""
    return hasattr(builtins, name)


def children(value: Any) -> Iterator[Any]:
    """What ``value`` is made of or refers to, as far as code is concerned. Installed code is a leaf."""
    if isinstance(value, types.FunctionType):
        yield from _function_children(value)
    elif isinstance(value, type):
        if not is_installed_module(value.__module__):
            yield from value.__bases__
            yield from vars(value).values()
    elif isinstance(value, functools.partial):
        yield value.func
        yield from value.args
        yield from value.keywords.values()
    elif isinstance(value, types.MethodType):
        yield value.__func__
        yield value.__self__
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, property):
        yield from (f for f in (value.fget, value.fset, value.fdel) if f is not None)
    elif isinstance(value, functools.cached_property):
        yield value.func
    elif not isinstance(value, types.ModuleType):
        yield from _instance_children(value)


def _instance_children(value: Any) -> Iterator[Any]:
    yield type(value)
    if isinstance(value, (dict, types.MappingProxyType)):
        yield from value.values()
    elif isinstance(value, CONTAINERS):
        yield from value
    elif (fields := data_fields(value)) is not None:
        yield from fields.values()
    else:
        wrapped = vars_of(value).get("__wrapped__")
        if isinstance(wrapped, types.FunctionType):
            yield wrapped


def data_fields(value: Any) -> dict[str, Any] | None:
    """The fields of an object that is data: a dataclass, an attrs class, a pydantic model, a namespace."""
    cls = type(value)
    if hasattr(cls, "__dataclass_fields__"):
        names = list(cls.__dataclass_fields__)
    elif hasattr(cls, "__attrs_attrs__"):
        names = [a.name for a in cls.__attrs_attrs__]
    elif hasattr(cls, "__pydantic_fields__"):
        names = [*cls.__pydantic_fields__, *(getattr(value, "__pydantic_extra__", None) or ())]
    elif isinstance(value, (types.SimpleNamespace,)) or (cls.__module__, cls.__name__) == ("argparse", "Namespace"):
        names = sorted(vars(value))
    else:
        return None
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _function_children(function: types.FunctionType) -> Iterator[Any]:
    installed = is_installed_file(function.__code__.co_filename)
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        if not installed or isinstance(value, (types.FunctionType, types.MethodType, functools.partial, type)):
            yield value
    wrapped = vars_of(function).get("__wrapped__")
    if wrapped is not None:
        yield wrapped
    if installed:
        return
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for ref in uses_of(function.__code__).loaded:
        if ref.scope == "global":
            value, rest = resolve(function, ref)
            if value is not MISSING and (not rest or not isinstance(value, types.ModuleType)):
                yield value


def own_fingerprint(value: Any) -> str | None:
    """What an object says that it is, where its class or itself says so: nobody looks inside for it."""
    token = getattr(type(value), "__headrace_fingerprint__", None) or vars_of(value).get("__headrace_fingerprint__")
    return token if isinstance(token, str) else None


def reachable(*roots: Any, limit: int = 100_000, enter: Callable[[Any], bool] = lambda value: True) -> Iterator[Any]:
    """Yield every object that ``roots`` reach through :func:`children`, each once, at most ``limit``.

    Where ``enter`` says no, the object itself is yielded, but nothing that is inside.
    """
    seen: dict[int, Any] = {}
    queue = deque(roots)
    while queue and len(seen) < limit:
        value = queue.popleft()
        if isinstance(value, SCALARS) or id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        try:
            if enter(value):
                queue.extend(children(value))
        except Exception:  # noqa: S112 - somebody's __iter__ or property may do anything
            continue
