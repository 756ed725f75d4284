"""Stages that change the world, and stages whose output must not collapse: what is wrapped around their functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from headrace._internal import codecs
from headrace._internal.glue import results_of_batch
from headrace.errors import ConfigurationError, GuardError, StateInconsistencyError
from headrace.stage import signature_of
from headrace.types import Empty, Ok

if TYPE_CHECKING:
    from headrace._internal.glue import RunScope
    from headrace.context import Context
    from headrace.stage import Stage
    from headrace.types import Guard

__all__ = ["guarded", "reconciled"]

Function = Callable[..., Any]


def reconciled(stage: Stage, function: Function) -> Function:
    """Asks ``reconcile`` before an effect that may have happened: its intent has no outcome, or an attempt failed.

    ``reconcile(ctx)`` or ``reconcile(ctx, value)`` returns the effect's result where it has happened, None where it
    has not (then it is done), and raises where nobody can tell. Of a batch: the list of its results, None for each
    that has not happened.
    """
    if not stage.policy.effect:
        return function
    reconcile = stage.policy.reconcile

    def effect(ctx: Context, *value: Any) -> Any:
        outcome = _call(reconcile, ctx, value) if _doubtful(stage, ctx) else None
        if stage.form == "batch" and outcome is not None:
            return _rest_of_batch(stage, function, ctx, value[0], outcome)
        return function(ctx, *value) if outcome is None else outcome

    async def async_effect(ctx: Context, *value: Any) -> Any:
        # Not in the loop: a reconcile that is no coroutine would hold up all other units.
        outcome = await asyncio.to_thread(_call, reconcile, ctx, value) if _doubtful(stage, ctx) else None
        if inspect.isawaitable(outcome):
            outcome = await outcome
        return await function(ctx, *value) if outcome is None else outcome

    return async_effect if stage.is_async else effect


def _doubtful(stage: Stage, ctx: Context) -> bool:
    """Whether the effect may have happened already. StateInconsistencyError where it may, and nobody can be asked."""
    if stage.policy.reconcile is not None:
        return ctx._view.reconcile or ctx.attempt > 1
    if ctx._view.reconcile:
        raise StateInconsistencyError(
            "it was begun and its outcome is not known, so it is not repeated: give the stage reconcile=, "
            "or see to it by hand and call store.settle(pipeline, stage, key)"
        )
    return False  # a second attempt without reconcile= follows on an error that means that nothing has happened


def _call(reconcile: Any, ctx: Context, value: tuple[Any, ...]) -> Any:
    signature = signature_of(reconcile)
    try:
        if signature is not None:
            signature.bind(ctx, *value)
    except TypeError:
        return reconcile(ctx)
    return reconcile(ctx, *value)


def _rest_of_batch(stage: Stage, function: Function, ctx: Context, values: list[Any], known: Any) -> list[Any]:
    """The results of a batch of which a part has happened; the rest is done now."""
    if not isinstance(known, (list, tuple)) or len(known) != len(values):
        raise ConfigurationError(
            f"reconcile of batch '{stage.name}' must return None, or a list of {len(values)}: one result a value, "
            "None for each that has not happened"
        )
    left = [value for value, result in zip(values, known, strict=True) if result is None]
    done = iter(results_of_batch(stage.name, function(ctx, left), len(left)) if left else ())
    return [next(done) if result is None else result for result in known]


def guarded(stage: Stage, function: Function, scope: RunScope) -> Function:
    """Checks the size of what the stage returned against its last good size; see ``hr.Guard``."""
    guard = stage.policy.guard
    if guard is None:
        return function
    if stage.form == "source":
        return lambda ctx: _whole(function(ctx), guard, stage.name, scope)

    def check(ctx: Context, answer: Any) -> Any:
        size = _size(answer)
        if size is not None:
            previous = ctx._view.previous
            last = None if previous is None else _size(codecs.loads(previous, scope.known))
            _check(guard, scope, stage.name, ctx._view.key or "", size, last)
        return answer

    async def async_checked(ctx: Context, *value: Any) -> Any:
        return check(ctx, await function(ctx, *value))

    return async_checked if stage.is_async else lambda ctx, *value: check(ctx, function(ctx, *value))


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
