"""Stages that change the world, and stages whose output must not collapse: what is wrapped around their functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from headrace._internal import codecs
from headrace.errors import GuardError, StateInconsistencyError
from headrace.types import Empty, Ok

if TYPE_CHECKING:
    from headrace._internal.glue import RunScope
    from headrace.context import Context
    from headrace.stage import Stage
    from headrace.types import Guard

__all__ = ["guarded", "reconciled"]

Function = Callable[..., Any]


def reconciled(stage: Stage, function: Function) -> Function:
    """Asks ``reconcile`` before an effect whose intent was recorded, but not its outcome.

    ``reconcile(ctx)`` or ``reconcile(ctx, value)`` returns the effect's result where it has happened, None where it
    has not (then it is done), and raises where nobody can tell.
    """
    if not stage.policy.effect:
        return function
    reconcile = stage.policy.reconcile

    def effect(ctx: Context, *value: Any) -> Any:
        if ctx._view.reconcile:
            if reconcile is None:
                raise StateInconsistencyError(
                    "it was begun and its outcome is not known, so it is not repeated: give the stage reconcile=, "
                    "or see to it by hand and call store.settle(stage, key)"
                )
            outcome = _call(reconcile, ctx, value)
            if outcome is not None:
                return outcome
        return function(ctx, *value)

    return effect


def _call(reconcile: Function, ctx: Context, value: tuple[Any, ...]) -> Any:
    try:
        inspect.signature(reconcile).bind(ctx, *value)
    except TypeError:
        return reconcile(ctx)
    return reconcile(ctx, *value)


def guarded(stage: Stage, function: Function, scope: RunScope) -> Function:
    """Checks the size of what the stage returned against its last good size; see ``hr.Guard``."""
    guard = stage.policy.guard
    if guard is None:
        return function
    if stage.form == "source":
        return lambda ctx: _whole(function(ctx), guard, stage.name, scope)

    def checked(ctx: Context, *value: Any) -> Any:
        answer = function(ctx, *value)
        size = _size(answer)
        if size is not None:
            previous = ctx._view.previous
            last = None if previous is None else _size(codecs.loads(previous, scope.known))
            _check(guard, scope, stage.name, ctx._view.key or "", size, last)
        return answer

    return checked


def _whole(items: Iterable[Any], guard: Guard, stage: str, scope: RunScope) -> Iterator[Any]:
    """A guarded source passes nothing on before it has listed everything."""
    listed = list(items)
    last = scope.recall(f"size:{stage}")
    _check(guard, scope, stage, "", len(listed), None if last is None else int(last))
    scope.remember(f"size:{stage}", len(listed))
    yield from listed


def _size(answer: Any) -> int | None:
    if isinstance(answer, Empty):
        return 0
    if isinstance(answer, Ok):
        answer = answer.value
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer
    return len(answer) if hasattr(answer, "__len__") and not isinstance(answer, (str, bytes)) else None


def _where(scope: RunScope) -> str:
    return "" if scope.location in ("", "headrace.db") else f" --store {scope.location}"


def _check(guard: Guard, scope: RunScope, stage: str, key: str, size: int, last: int | None) -> None:
    reason = guard.check(size, last)
    if reason is None or scope.approved(stage, key) == size:
        return
    scope.remember(f"refused:{stage}:{key}", size)
    raise GuardError(
        f"{reason}; if that is right, approve it: `headrace approve {scope.pipeline} {stage}{_where(scope)}`"
    )
