"""The errors of the BGP pipeline: the names its users know, inside headrace's own tree."""

from __future__ import annotations

from headrace import errors as base

__all__ = [
    "ConfigurationError",
    "IncompleteConfigurationError",
    "PipelineExecutionError",
    "ResourceError",
    "StageExecutionError",
]


class PipelineExecutionError(base.PipelineError):
    """Base of all errors of a BGP pipeline run."""


class StageExecutionError(PipelineExecutionError):
    """A whole stage failed.

    Attributes: ``stage`` (its name), ``message``, ``original_error`` (the exception behind it, or None).
    """

    def __init__(self, stage: str, message: str, original_error: BaseException | None = None) -> None:
        self.stage = stage
        self.message = message
        self.original_error = original_error
        super().__init__(stage, message, original_error)

    def __str__(self) -> str:
        return f"Stage '{self.stage}' failed: {self.message}"


class ResourceError(PipelineExecutionError, base.ResourceError):
    """Something the pipeline needs is missing or exhausted: a program, a folder, disk space."""


class ConfigurationError(PipelineExecutionError, base.ConfigurationError):
    """A setting, the devices file or an argument is wrong."""


class IncompleteConfigurationError(PipelineExecutionError):
    """A router's configuration arrived, but not whole: it must not be read as if it were."""
