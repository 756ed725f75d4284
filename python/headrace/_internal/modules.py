"""The user's own modules, found on disk without importing them."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path
from types import CodeType

from headrace._internal.introspect import is_installed_file

__all__ = ["absolute_name", "user_module_code"]


def absolute_name(name: str, level: int, package: str) -> str:
    """The full name of a module that is imported as ``name`` with ``level`` dots from inside ``package``."""
    if not level:
        return name
    base = package.split(".")[: max(len(package.split(".")) - level + 1, 0)]
    return ".".join([*base, *([name] if name else [])])


def user_module_code(name: str) -> CodeType | None:
    """Compile the source of a module of the user's own; None for installed packages and what is not found.

    The answer is the same before and after the module is imported.
    """
    if not name or name.partition(".")[0] in sys.stdlib_module_names:
        return None
    path = _source_of(name)
    if path is None or is_installed_file(str(path)):
        return None
    try:
        return compile(path.read_bytes(), "<module>", "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None


def _source_of(name: str) -> Path | None:
    places: list[str] | None = None
    spec = None
    for depth in range(1, len(name.split(".")) + 1):
        part = ".".join(name.split(".")[:depth])
        try:
            spec = importlib.machinery.PathFinder.find_spec(part, places)
        except (ImportError, OSError, ValueError):
            return None
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
