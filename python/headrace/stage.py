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
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "step": ("ctx",),
    "source": ("ctx",),
    "map": ("ctx", "value"),
    "flat_map": ("ctx", "value"),
    "batch": ("ctx", "values"),
    "group": ("ctx", "parts"),
}
"""What the function of each form is called with."""
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
        if self.effect and self.reconcile is None and self.retry.attempts > 1 and self.retry.on_anything:
            raise ConfigurationError(
                f"stage '{stage}': retry= would repeat an effect that may have happened: give it reconcile=, which is "
                "asked between attempts, or name in hr.Retry(on=) only errors that mean that nothing has happened"
            )


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
        if policy.effect and form == "source":
            raise ConfigurationError(f"source '{name}': effect= can't be had: make the change in a step or a map")
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
        self._check_calls()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it was written."""
        return self.function(*args, **kwargs)

    def _check_calls(self) -> None:
        """Raise WorkflowValidationError where a function can't be called with what it will be given."""
        arguments = _ARGUMENTS[self.form]
        where = f"{self.form} '{self.name}'"
        _check_call(where, self.function, arguments)
        if self.removed is not None:
            _check_call(f"removed= of {where}", self.removed, ("ctx", "key"))
        reconcile = self.policy.reconcile
        if reconcile is not None and _why_not(reconcile, arguments):
            _check_call(f"reconcile= of {where}", reconcile, ("ctx",))
        if reconcile is not None and is_coroutine(reconcile) and not self.is_async:
            raise WorkflowValidationError(f"reconcile= of {where} can't be an async def, as the stage is none")

    @property
    def is_async(self) -> bool:
        """Whether the function is an ``async def``."""
        return is_coroutine(self.function)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the stages it depends on directly."""
        return tuple(dict.fromkeys(name for name in (self.over, self.by, *self.after) if name))

    def __repr__(self) -> str:
        place = f" over '{self.over}'" if self.over else ""
        return f"<{self.form} '{self.name}'{place}>"


def is_coroutine(function: Any) -> bool:
    """Whether a callable is an ``async def``, or an object that is called by one."""
    call = getattr(function, "__call__", None)  # noqa: B004 - a callable instance may be async too
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def signature_of(function: Any) -> inspect.Signature | None:
    """What a callable takes; None: nobody can tell.

    Not what it wraps takes, as a wrapper may add arguments or leave some out; only where it is no Python code itself
    (``functools.lru_cache``) it is taken for passing on what it is given.
    """
    for follow in (False, True):
        try:
            return inspect.signature(function, follow_wrapped=follow)
        except (TypeError, ValueError):  # a builtin may have none
            continue
    return None


def _check_call(where: str, function: Any, arguments: tuple[str, ...]) -> None:
    why = _why_not(function, arguments)
    if why:
        given = ", ".join(arguments)
        raise WorkflowValidationError(f"{where} {why}, but is called with ({given}): give it these parameters")


def _why_not(function: Any, arguments: tuple[str, ...]) -> str:
    """What keeps a function from being called with so many arguments; empty: nothing, or nobody can tell."""
    if not callable(function):
        return "" if hasattr(function, "native") else "is no function"
    signature = signature_of(function)
    if signature is None:
        return ""
    try:
        signature.bind(*arguments)
    except TypeError:
        bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
        return f"takes {inspect.Signature(bare)}"
    return ""


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
