"""What the C++ side of a Python stage asks of Python: contexts, codecs, errors, keys, items."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from headrace._core import UnitView
from headrace._internal import codecs, failures, given_codecs
from headrace._internal.keys import children_of, key_from_json, key_to_json
from headrace._internal.process import RemoteError
from headrace.context import Context
from headrace.errors import (
    CancelledError,
    ConfigurationError,
    ResourceError,
    StateInconsistencyError,
    TimeoutError,
)
from headrace.types import Codec, Empty, Failed, Item, Key, Ok, Retry

__all__ = ["RunScope", "StageGlue", "results_of_batch"]


_FINAL = (ConfigurationError, StateInconsistencyError)
"""Another try can't help."""
_UNKNOWN = (TimeoutError, ResourceError)
"""The unit was cut off: it ran out of time, or its process died."""


@dataclass
class RunScope:
    """What all stages of one run share."""

    pipeline: str
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    seed: int
    nursery: Any = None
    location: str = ""
    errors: dict[str, BaseException] = field(default_factory=dict)
    run_id: Callable[[], str] = lambda: ""
    warn: Callable[[str, str, str], None] = lambda stage, key, text: None
    results: Callable[[str, str], Any] = lambda asking, stage: {}
    known: dict[str, type] = field(default_factory=dict)
    recall: Callable[[str], Any] = lambda name: None
    remember: Callable[[str, Any], None] = lambda name, value: None
    approved: Callable[[str, str], int | None] = lambda stage, key: None


class _LaterView:
    """What the context of a source's later attempt knows of it."""

    def __init__(self, first: UnitView, attempt: int) -> None:
        self._first = first
        self.attempt = attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._first, name)


class LookupFailedError(RuntimeError):
    """A stage answered ``hr.Failed``: nothing is known, so nothing is passed on."""


@dataclass
class StageGlue:
    """One stage of one run, as its C++ half sees it."""

    name: str
    scope: RunScope
    retry: Retry
    known: dict[str, type] = field(default_factory=dict)
    on_removed: Callable[[Context, Key], Any] | None = None
    codec: Codec | None = None
    unchanged: Callable[[int], bool] = lambda run: True
    blind: bool = False
    """An effect without ``reconcile``: it is not tried again where it may have happened."""
    lingers: bool = False
    """An effect that is a coroutine: one whose time ran out may still act, so nothing is begun beside it."""

    def context(self, view: UnitView) -> Context:
        """A context for the unit that ``view`` shows."""
        return Context(self.scope, self.name, view)

    def encode(self, value: Any) -> str | bytes:
        """The journal's form of what the stage returned."""
        if isinstance(value, Ok):
            value = value.value
        elif isinstance(value, Empty):
            value = []
        elif isinstance(value, Failed):
            raise LookupFailedError(value.reason)
        elif isinstance(value, RemoteError):  # what one value of a batch came to in a worker
            raise value
        if self.codec is not None:
            return given_codecs.wrap(self.codec, value)
        return codecs.dumps(value, self.known)

    def pack(self, value: Any) -> str | bytes:
        """A stage's input on its way to a worker process: the codec is for what the stage returns."""
        return codecs.dumps(value, self.known)

    def decode(self, data: str | bytes) -> Any:
        """The value of the journal's form; also of what other stages' codecs wrote."""
        return codecs.loads(data, self.known)

    def key(self, text: str) -> Key | None:
        """An item's key from its JSON."""
        return key_from_json(text)

    def describe(self, error: BaseException) -> tuple[str, str, str, str, bool, bool]:
        """(type, one clean line, traceback, category, worth a retry, stopped with the run) of an exception."""
        if isinstance(error, RemoteError):
            return error.described
        self.scope.errors[self.name] = error
        kind, message = failures.describe(error)
        return (
            kind,
            message,
            failures.traceback_text(error),
            failures.categorise(error),
            self._again(error),
            isinstance(error, CancelledError),
        )

    def children(self, answer: Any) -> Iterable[tuple[str, None, Any, None]]:
        """The children that a flat_map returned."""
        if isinstance(answer, Failed):
            raise LookupFailedError(answer.reason)
        if isinstance(answer, Empty):
            return ()
        return children_of(answer.value if isinstance(answer, Ok) else answer, self.name)

    def split(self, value: Any) -> Iterable[tuple[str, None, Any, None]]:
        """The items of a step's value, for those that map over it."""
        return children_of(value, self.name)

    def items(self, function: Callable[[Context], Iterable[Any]], ctx: Context) -> Iterator[Any]:
        """What a source yields; ``item`` makes sense of each."""
        return iter(function(ctx)) if self.retry.attempts == 1 else self._items_after_retries(function, ctx)

    def _items_after_retries(self, function: Callable[[Context], Iterable[Any]], ctx: Context) -> Iterator[Any]:
        """A listing is repeated as long as it has yielded nothing: what was yielded can't be taken back."""
        jitter = random.Random(f"{self.scope.seed}/{self.name}")  # noqa: S311 - not the run's own: it draws as ever
        view = ctx._view
        for attempt in range(1, self.retry.attempts + 1):
            try:
                items = iter(function(ctx))
                first = next(items)
            except StopIteration:
                return
            except Exception as error:
                if attempt == self.retry.attempts or not self._again(error):
                    raise
                self._pause(self.retry.delay_before(attempt + 1, jitter), ctx)
                ctx = self.context(_LaterView(view, attempt + 1))  # type: ignore[arg-type]
            else:
                yield first
                yield from items
                return

    def _pause(self, seconds: float, ctx: Context) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if ctx.cancelled:
                raise CancelledError("the run was stopped")
            time.sleep(min(left, 0.05))

    def _again(self, error: BaseException) -> bool:
        """Whether another try may help, and does no harm."""
        unknown = _UNKNOWN if self.blind else (TimeoutError,) if self.lingers else ()
        return self.retry.applies_to(error) and not isinstance(error, (*_FINAL, *unknown))

    def item(self, item: Any) -> tuple[Any, ...]:
        """One item of a source, as (key JSON, version, value, loader)."""
        if isinstance(item, Item):
            return _source_item(item)
        if isinstance(item, tuple) and len(item) == 2:
            return key_to_json(item[0]), None, item[1], None
        raise ConfigurationError(
            f"source '{self.name}' yielded {type(item).__name__}: yield hr.Item(key, ...) or (key, value)"
        )

    def batch(self, function: Callable[..., Any], ctx: Context, values: Sequence[Any]) -> list[Any]:
        """The results of one batch, checked to be as many as its values."""
        return results_of_batch(self.name, function(ctx, values), len(values))

    def removed(self, ctx: Context, key: Key) -> None:
        """An item is no more: the stage's own ``removed`` clears up behind it."""
        if self.on_removed is not None:
            self.on_removed(ctx, key)

    def still_valid(self, run: int) -> bool:
        """Whether what a root step saw of the world is unchanged since run number ``run`` recorded its value."""
        return self.unchanged(run)


def results_of_batch(stage: str, answers: Any, count: int) -> list[Any]:
    """What a batch returned for ``count`` values; ConfigurationError where that is not one result a value, in order."""
    unordered = isinstance(answers, (str, bytes, Mapping, Set)) or hasattr(answers, "columns")
    if unordered or not (hasattr(answers, "__len__") or isinstance(answers, Iterator)):
        raise ConfigurationError(
            f"batch '{stage}' returned {type(answers).__name__}: return a list, one result a value"
        )
    results = list(answers)
    if len(results) != count:
        raise ConfigurationError(f"batch '{stage}' returned {len(results)} results for {count} values")
    return results


def _source_item(item: Item) -> tuple[str, str | None, Any, Callable[[], Any] | None]:
    version = None if item.version is None else f"{type(item.version).__name__}:{item.version}"
    if item.load is not None and version is None:
        return key_to_json(item.key), None, item.load(), None
    if item.load is not None:
        return key_to_json(item.key), version, None, item.load
    return key_to_json(item.key), version, item.value, None
