"""Whether a function, by its code, can look outside only in ways that Python's audit events show."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

from headrace._internal.bytecode import Ref, Uses
from headrace._internal.introspect import (
    is_builtin,
    is_installed_file,
    is_installed_module,
    reachable,
    unwrap,
    uses_of,
)

__all__ = ["unfollowable"]

MODULES = frozenset(
    (
        "abc argparse array ast attr attrs base64 binascii bisect builtins bz2 calendar cmath codecs collections "
        "configparser contextlib copy csv dataclasses datetime decimal difflib enum fnmatch fractions functools "
        "genericpath glob gzip hashlib heapq hmac html io ipaddress itertools json keyword logging lzma math "
        "numbers numpy operator os pathlib posixpath pprint pydantic pydantic_core re reprlib statistics stat "
        "string struct tarfile textwrap threading tokenize tomllib traceback types typing typing_extensions "
        "unicodedata uuid warnings weakref xml yaml zipfile zlib zoneinfo _abc _bisect _bz2 _collections "
        "_collections_abc _csv _datetime _decimal _functools _hashlib _heapq _io _json _lzma _operator _pydecimal "
        "_random _sre _struct _thread _weakref _weakrefset"
    ).split()
)
"""Modules that look outside through audited calls only, apart from the names in ``UNSEEN``."""

HEADRACE = ("headrace.types", "headrace.errors", "headrace.text", "headrace._core")

OS_NAMES = frozenset(
    ("path listdir scandir walk sep altsep pathsep linesep extsep name fspath fsdecode PathLike").split()
)

UNSEEN = frozenset(
    (
        # looks at files that no event shows
        "exists lexists is_file is_dir is_symlink is_mount is_socket is_fifo is_block_device is_char_device "
        "is_junction isfile isdir islink ismount isjunction stat lstat getsize getmtime getctime getatime samefile "
        "owner group access readlink resolve realpath expandvars statvfs disk_usage "
        # other threads, which are not watched
        "Thread Timer start_new_thread _Environ "
        # the time, chance, the machine, the environment
        "now today utcnow time time_ns monotonic perf_counter localtime gmtime environ environb getenv getenvb "
        "urandom random randint choice shuffle sample default_rng uuid1 uuid4 uuid6 uuid7 uuid8 getnode token_hex "
        "token_bytes token_urlsafe getpid getppid getlogin uname cpu_count gethostname stdin memmap "
        # code that can't be seen from here
        "import_module __import__ __globals__ __dict__ __builtins__ __subclasses__ f_globals f_back"
    ).split()
)
"""Attributes that a followed function must not use, whatever they are attributes of."""

FORBIDDEN_BUILTINS = frozenset("input eval exec compile __import__ globals locals vars breakpoint id hash".split())


def unfollowable(function: Callable[..., Any]) -> str | None:
    """Return why ``function`` can't be followed, in one line; None if it can."""
    plain, _ = unwrap(function)
    if plain is None:
        return f"{type(function).__name__} has no Python code to look at"
    for value in reachable(function):
        reason = _reason(value)
        if reason is not None:
            return reason
    return None


def _reason(value: Any) -> str | None:
    if isinstance(value, types.ModuleType):
        return _module_reason(value.__name__)
    if isinstance(value, types.FunctionType):
        if not is_installed_file(value.__code__.co_filename):
            return next(_faults(value), None)
        return _name_reason(value.__code__.co_name) or _module_reason(str(value.__globals__.get("__name__", "")))
    if isinstance(value, (type, types.BuiltinFunctionType)):
        module = value.__module__ if isinstance(value.__module__, str) else ""  # a bound method has none
        listing = module == "posix" and value.__name__ in OS_NAMES
        return None if listing else _name_reason(value.__name__) or _module_reason(module)
    return None


def _module_reason(name: str) -> str | None:
    """Why what belongs to a module can't be followed. The user's own modules are looked at object by object."""
    if not is_installed_module(name) or name.partition(".")[0] in MODULES or name.startswith(HEADRACE):
        return None
    return None if name == "headrace" else f"it uses {name}, which may look outside unseen"


def _name_reason(name: str) -> str | None:
    return f"it uses {name}, which may look outside unseen" if name in UNSEEN else None


def _faults(function: types.FunctionType) -> Iterator[str]:
    code = function.__code__
    if code.co_flags & (0x80 | 0x100 | 0x200):
        yield f"{function.__qualname__} is asynchronous"
    uses = uses_of(code)
    for ref in uses.loaded:
        yield from _ref_faults(function, ref)
    yield from _import_faults(uses)
    yield from (f"it uses {name}, which may look outside unseen" for name in sorted(uses.attributes & UNSEEN))


def _ref_faults(function: types.FunctionType, ref: Ref) -> Iterator[str]:
    if ref.scope == "global" and not ref.path and ref.name in FORBIDDEN_BUILTINS and is_builtin(ref.name):
        yield f"it uses {ref.name}"
    if ref.scope == "global" and ref.path:
        root = function.__globals__.get(ref.name)
        if isinstance(root, types.ModuleType) and root.__name__ == "os" and ref.path[0] not in OS_NAMES:
            yield f"it uses os.{ref.path[0]}"
        if isinstance(root, types.ModuleType) and root.__name__ == "headrace" and ref.path[0] in ("collect", "embed"):
            yield f"it uses headrace.{ref.path[0]}"


def _import_faults(uses: Uses) -> Iterator[str]:
    for statement in uses.imports:
        if statement.level or not is_installed_module(statement.module):
            yield f"it imports {statement.module or 'a module of its own'} while it runs"
            continue
        reason = _module_reason(statement.module)
        if reason is not None:
            yield reason
        names = set(statement.names)
        if statement.module == "os":
            yield from (f"it uses os.{name}" for name in sorted(names - OS_NAMES))
        yield from (f"it uses {name}" for name in sorted(names & UNSEEN))
