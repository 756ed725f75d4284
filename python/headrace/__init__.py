"""headrace: crash-safe pipelines for notebooks and scripts, at C++ speed."""

import importlib
from typing import Any

from headrace import errors
from headrace._core import __version__
from headrace.errors import *  # noqa: F403 - the error tree is part of the public API

__all__ = ["__version__", *errors.__all__]


def __getattr__(name: str) -> Any:
    """The parts that cost something to import come when they are first used."""
    if name in {"text", "embed", "collect"}:
        return importlib.import_module(f"headrace.{name}")
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")
