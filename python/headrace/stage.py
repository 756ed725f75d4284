"""A stage as a script defines it: a function, its place in the pipeline, its policy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.errors import ConfigurationError, WorkflowValidationError
from headrace.types import Guard, Retry

__all__ = ["Policy", "Stage"]

Form = Literal["step", "source", "map", "flat_map", "batch", "group"]
_CHOICES = {
    "trigger": ("on_success", "on_failure", "always"),
    "on_error": ("collect", "stop", None),
    "isolation": ("thread", "process", None),
}


@dataclass(frozen=True)
class Policy:
    """What every stage form takes beside its function. Times are seconds.

    ``on_error`` and ``isolation`` None: as the run says. ``workers`` None: as many units at once as there are cores.
    """

    version: str | int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    trigger: Literal["on_success", "on_failure", "always"] = "on_success"
    on_error: Literal["collect", "stop"] | None = None
    workers: int | None = None
    isolation: Literal["thread", "process"] | None = None
    guard: Guard | None = None
    effect: bool = False
    reconcile: Callable[..., Any] | None = None
    codec: Any = None

    def check(self, stage: str) -> None:
        """Raise ConfigurationError, naming the stage and the setting, where something can't be."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                known = ", ".join(repr(choice) for choice in allowed if choice)
                raise ConfigurationError(f"stage '{stage}': {name}={getattr(self, name)!r} is not one of {known}")
        if not isinstance(self.retry, Retry):
            raise ConfigurationError(f"stage '{stage}': retry={self.retry!r} is not an hr.Retry")
        if self.timeout is not None and not (isinstance(self.timeout, (int, float)) and self.timeout > 0):
            raise ConfigurationError(f"stage '{stage}': timeout={self.timeout!r} must be a number of seconds above 0")
        if self.workers is not None and not (isinstance(self.workers, int) and self.workers >= 1):
            raise ConfigurationError(f"stage '{stage}': workers={self.workers!r} must be a whole number, at least 1")
        if self.reconcile is not None and not self.effect:
            raise ConfigurationError(f"stage '{stage}': reconcile= only means something with effect=True")


class Stage:
    """A named stage. Calling it calls its function, so that it can be tried out by itself."""

    def __init__(
        self,
        name: str,
        form: Form,
        function: Callable[..., Any],
        policy: Policy,
        *,
        over: str = "",
        by: str = "",
        after: tuple[str, ...] = (),
        size: int = 64,
        removed: Callable[..., Any] | None = None,
    ) -> None:
        if not name or not isinstance(name, str):
            raise WorkflowValidationError("a stage needs a name: give name=")
        policy.check(name)
        if form == "batch" and (not isinstance(size, int) or size < 1):
            raise ConfigurationError(f"batch '{name}': size={size!r} must be a whole number, at least 1")
        self.name = name
        self.form: Form = form
        self.function = function
        self.policy = policy
        self.over = over
        self.by = by
        self.after = after
        self.size = size
        self.removed = removed
        if callable(function) and hasattr(function, "__name__"):
            functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it was written."""
        return self.function(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether the function is an ``async def``."""
        call = getattr(self.function, "__call__", None)  # noqa: B004 - a callable instance may be async too
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(call)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the stages it depends on directly."""
        return tuple(dict.fromkeys(name for name in (self.over, self.by, *self.after) if name))

    def __repr__(self) -> str:
        place = f" over '{self.over}'" if self.over else ""
        return f"<{self.form} '{self.name}'{place}>"


def stage_name(stage: Any) -> str:
    """The name of a stage, given it or its name."""
    if isinstance(stage, str):
        return stage
    if isinstance(stage, Stage):
        return stage.name
    raise WorkflowValidationError(f"{stage!r} is not a stage: pass what the decorator returned, or the stage's name")


def stage_names(stages: Any) -> tuple[str, ...]:
    """Names of one stage or of several."""
    if stages is None:
        return ()
    if isinstance(stages, (str, Stage)):
        return (stage_name(stages),)
    if isinstance(stages, Iterable):
        return tuple(stage_name(stage) for stage in stages)
    return (stage_name(stages),)
