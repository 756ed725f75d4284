"""headrace: crash-safe pipelines for notebooks and scripts, at C++ speed."""

import importlib
from typing import TYPE_CHECKING, Any

from headrace import errors, types
from headrace._core import __version__
from headrace.context import Context
from headrace.errors import *  # noqa: F403 - the error tree is part of the public API
from headrace.pipeline import Pipeline
from headrace.run import Run
from headrace.stage import Stage
from headrace.store import Store, open_store
from headrace.types import *  # noqa: F403 - so are the value types

if TYPE_CHECKING:
    from headrace import collect, embed, text

__all__ = [  # noqa: PLE0604 - the last two are lists of names
    "Context",
    "Pipeline",
    "Run",
    "Stage",
    "Store",
    "__version__",
    "collect",
    "embed",
    "open_store",
    "text",
    *errors.__all__,
    *types.__all__,
]


def __getattr__(name: str) -> Any:
    """The parts that cost something to import come when they are first used."""
    if name in {"text", "embed", "collect"}:
        return importlib.import_module(f"headrace.{name}")
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")
