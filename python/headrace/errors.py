"""The errors of headrace: one tree, the same names as in C++.

Every message is one line that names what is wrong and how to mend it.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

__all__ = [
    "CancelledError",
    "CheckpointCorruptionError",
    "ConfigurationError",
    "EmbeddingError",
    "GuardError",
    "HeadraceError",
    "PipelineError",
    "ResourceError",
    "RunActiveError",
    "StageError",
    "StateInconsistencyError",
    "StorageError",
    "TimeoutError",
    "WorkflowValidationError",
]


class HeadraceError(Exception):
    """Root of all errors that headrace raises."""


class PipelineError(HeadraceError):
    """A pipeline could not be defined, run, resumed or read."""


class StageError(PipelineError):
    """A stage's own code failed on one unit.

    Attributes: ``stage`` (name), ``key`` (the item's key, None for a step), ``original_error`` (the
    exception, None where only its text survived a restart).
    """

    def __init__(self, stage: str, key: Any = None, original_error: BaseException | None = None, message: str = ""):
        self.stage = stage
        self.key = key
        self.original_error = original_error
        self.message = message or str(original_error or "failed")
        super().__init__(stage, key, original_error, message)

    def __str__(self) -> str:
        where = f"stage '{self.stage}'" + ("" if self.key is None else f", item {self.key!r}")
        what = f"{type(self.original_error).__name__}: " if self.original_error is not None else ""
        return f"{where}: {what}{self.message}"


class TimeoutError(PipelineError, builtins.TimeoutError):
    """A unit did not finish in its time. Also the built-in ``TimeoutError``."""


class ConfigurationError(PipelineError, ValueError):
    """A setting, a parameter or an argument is wrong."""


class WorkflowValidationError(PipelineError):
    """The pipeline itself is wrong: a cycle, an unknown name, a name used twice."""


class CheckpointCorruptionError(PipelineError):
    """What was read back from the store is not what was written."""


class StateInconsistencyError(PipelineError):
    """What is recorded and what the outside world says do not agree."""


class GuardError(PipelineError):
    """A stage's output collapsed or exploded against the last good run; nothing was passed on."""


class EmbeddingError(PipelineError):
    """Texts could not be embedded. Attributes: ``indices`` (of the texts), ``original_error``."""

    def __init__(
        self, message: str = "", indices: Sequence[int] = (), original_error: BaseException | None = None
    ) -> None:
        self.indices = tuple(indices)
        self.original_error = original_error
        super().__init__(message, self.indices, original_error)

    def __str__(self) -> str:
        return str(self.args[0])


class StorageError(PipelineError):
    """The store can't be read or written: disk full, read-only, locked, newer, or not one of ours."""


class RunActiveError(PipelineError):
    """The same run is being worked on by another live process."""


class ResourceError(PipelineError):
    """A limit of memory, time or disk was reached."""


class CancelledError(PipelineError):
    """The run was cancelled; what had finished is recorded."""
