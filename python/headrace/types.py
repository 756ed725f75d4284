"""The value types of the public contract: what a pipeline is told, and what a run answers.

Times are seconds (float) unless a name says otherwise; sizes are numbers of items.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar

from headrace.errors import ConfigurationError

__all__ = [
    "Codec",
    "Empty",
    "Failed",
    "Failure",
    "Guard",
    "Item",
    "Key",
    "Lookup",
    "Ok",
    "PlanEntry",
    "ProgressReport",
    "Retry",
    "StageReport",
    "Status",
]

T_co = TypeVar("T_co", covariant=True)

Key = str | int | tuple[Any, ...]
"""An item's key: a string, an integer, or a tuple of keys (children of a ``flat_map``)."""


class Status(str, enum.Enum):
    """Where a run or a stage stands. A string too: ``Status.SUCCEEDED == "succeeded"``."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARTIAL = "partial"
    """Finished, but some items are dead letters."""
    SKIPPED = "skipped"
    """Of a stage: it did not run, because of its trigger, the stages chosen, or a failure before it."""

    __str__ = str.__str__

    def __repr__(self) -> str:
        return f"Status.{self.name}"

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (Status.PENDING, Status.RUNNING)


class RandomSource(Protocol):
    """What draws the jitter: a NumPy generator or a ``random.Random``."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


def _number(owner: str, name: str, value: Any, low: float, high: float = math.inf) -> None:
    valid = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not valid:
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise ConfigurationError(f"{owner}({name}={value!r}): {name} must be a number, at least {low:g}{upper}")


@dataclass(frozen=True)
class Retry:
    """How often, how fast and on which errors a unit is tried again.

    ``attempts`` counts all tries (1: no retry). ``delay`` is the pause in seconds before the second try; each
    further pause is ``multiplier`` times longer, never more than ``max_delay`` seconds. ``jitter`` (0 to 1) is
    the share by which a pause varies at random in both directions. ``on``: the exception classes worth a retry; of an
    effect without ``reconcile=``, those that mean that nothing has happened.
    """

    attempts: int = 1
    delay: float = 0.0
    multiplier: float = 2.0
    jitter: float = 0.0
    on: tuple[type[BaseException], ...] = (Exception,)
    max_delay: float = 300.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigurationError(f"Retry(attempts={self.attempts!r}): attempts must be a whole number, at least 1")
        _number("Retry", "delay", self.delay, 0)
        _number("Retry", "multiplier", self.multiplier, 1)
        _number("Retry", "jitter", self.jitter, 0, 1)
        _number("Retry", "max_delay", self.max_delay, 0)
        object.__setattr__(self, "on", _exception_classes(self.on))

    @property
    def on_anything(self) -> bool:
        """Whether every exception is worth a retry."""
        return any(issubclass(Exception, kind) for kind in self.on)

    def applies_to(self, error: BaseException) -> bool:
        """Whether ``error`` is one of those worth a retry."""
        return isinstance(error, self.on)

    def delay_before(self, attempt: int, rng: RandomSource | None = None) -> float:
        """Seconds to wait before try number ``attempt`` (the first is 1 and never waits)."""
        if attempt <= 1 or self.delay == 0:
            return 0.0
        exponent = min(attempt - 2, 1000)
        try:
            pause = min(self.delay * self.multiplier**exponent, self.max_delay)
        except OverflowError:
            pause = self.max_delay
        if self.jitter and rng is not None:
            pause *= 1 + self.jitter * (2 * rng.random() - 1)
        return float(min(pause, self.max_delay))


def _exception_classes(on: Any) -> tuple[type[BaseException], ...]:
    classes = tuple(on) if isinstance(on, (tuple, list, set, frozenset)) else (on,)
    for entry in classes:
        if not (isinstance(entry, type) and issubclass(entry, BaseException)):
            raise ConfigurationError(f"Retry(on=...): {entry!r} is not an exception class")
    return classes


class Codec(Protocol):
    """How one stage's results are stored, given to it as ``codec=``; ``codec="pickle"`` is the one that comes along.

    ``name`` is stored beside the bytes: only a pipeline that has a codec of that name decodes them. Without it they
    come back as a record of ``data``, so that looking into a store never runs code of whoever wrote it.
    """

    name: str

    def dumps(self, value: Any) -> bytes:
        """The bytes of a result. Equal results must give equal bytes, or later stages run again."""

    def loads(self, data: bytes) -> Any:
        """The result of those bytes."""


@dataclass(frozen=True)
class Guard:
    """Refuses to pass on a stage's output whose size collapsed or exploded.

    ``min`` and ``max`` bound the number of items. ``max_shrink`` and ``max_grow`` are fractions of the last good
    run's size (0.2: at most 20 % fewer, or more). ``empty="fail"`` refuses an output of no items at all.
    """

    min: int | None = None
    max: int | None = None
    max_shrink: float | None = None
    max_grow: float | None = None
    empty: Literal["fail", "pass"] = "fail"

    def __post_init__(self) -> None:
        for name in ("min", "max", "max_grow"):
            if getattr(self, name) is not None:
                _number("Guard", name, getattr(self, name), 0)
        if self.max_shrink is not None:
            _number("Guard", "max_shrink", self.max_shrink, 0, 1)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ConfigurationError(f"Guard(min={self.min}, max={self.max}): min is larger than max")
        if self.empty not in ("fail", "pass"):
            raise ConfigurationError(f"Guard(empty={self.empty!r}): empty must be 'fail' or 'pass'")

    def check(self, size: int, last_good: int | None) -> str | None:
        """Return why an output of ``size`` items must not pass, or None. ``last_good``: the size to compare with."""
        if size == 0:
            return "the output is empty" if self.empty == "fail" else None
        if self.min is not None and size < self.min:
            return f"{size} items, fewer than the minimum of {self.min}"
        if self.max is not None and size > self.max:
            return f"{size} items, more than the maximum of {self.max}"
        return self._compare(size, last_good) if last_good else None

    def _compare(self, size: int, last_good: int) -> str | None:
        change = (size - last_good) / last_good
        shown = f"{size} items against {last_good} in the last good run ({change:+.1%})"
        if self.max_shrink is not None and -change > self.max_shrink:
            return f"{shown}, a loss of more than {self.max_shrink:.1%}"
        if self.max_grow is not None and change > self.max_grow:
            return f"{shown}, a growth of more than {self.max_grow:.1%}"
        return None


@dataclass(slots=True)
class Item:
    """One item of a source: a stable key and a value.

    ``version`` (a hash, an etag, a modification time): an item whose version is already recorded is skipped
    without being loaded. ``load`` is called with no argument, only when the value is needed; give either
    ``value`` or ``load``.
    """

    key: Key
    value: Any = None
    version: str | int | float | None = None
    load: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        if type(self.key) is not str:
            _check_key(self.key)
        if self.load is not None:
            if self.value is not None:
                raise ConfigurationError(f"Item({self.key!r}): give either value= or load=, not both")
            if not callable(self.load):
                raise ConfigurationError(f"Item({self.key!r}, load=...): load must be callable without arguments")


def _check_key(key: Any) -> None:
    if isinstance(key, tuple):
        if not key:
            raise ConfigurationError("Item(key=()): an empty tuple is not a key")
        for part in key:
            _check_key(part)
    elif isinstance(key, bool) or not isinstance(key, (str, int)):
        raise ConfigurationError(
            f"Item(key={key!r}): a key must be a string, an integer or a tuple of them, not {type(key).__name__}"
        )


@dataclass(frozen=True)
class Failure:
    """A dead letter: one unit that failed for good. ``key`` is None for a step.

    ``category`` is one of ``transient``, ``permanent``, ``resource``, ``configuration``, ``code``.
    """

    stage: str
    key: Key | None
    error_type: str
    message: str
    attempts: int = 1
    category: str = "permanent"

    def __repr__(self) -> str:
        where = self.stage if self.key is None else f"{self.stage}[{self.key!r}]"
        tries = f"{self.attempts} attempt" + ("" if self.attempts == 1 else "s")
        return f"<Failure {where}: {self.error_type}: {self.message} ({self.category}, {tries})>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import failures_table

        return failures_table([self])


@dataclass(frozen=True)
class StageReport:
    """What one stage did in a run: numbers of units, and seconds of work summed over the workers.

    ``mean``, ``p50``, ``p95``, ``p99`` are seconds a unit; ``share`` is the stage's part (0 to 1) of all seconds
    worked; ``rate`` is units a second of the stage's own span. ``started_at`` and ``finished_at`` are Unix times.
    """

    name: str
    status: Status
    total: int = 0
    executed: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    form: str = "step"
    after: tuple[str, ...] = ()
    retries: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    share: float | None = None
    rate: float | None = None
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def done(self) -> int:
        """Units that need no more work: executed, skipped or failed for good."""
        return self.executed + self.skipped + self.failed

    def __repr__(self) -> str:
        parts = [f"{self.executed} executed", f"{self.skipped} skipped", f"{self.failed} failed"]
        return f"<Stage {self.name}: {self.status}, {self.total} units ({', '.join(parts)}) in {self.seconds:.3g} s>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import stages_table

        return stages_table([self])


@dataclass(frozen=True)
class ProgressReport:
    """How far a run is.

    ``done`` and ``total`` count units over all stages (``total`` grows while a source still yields);
    ``elapsed`` and ``estimated_remaining`` are seconds (None: not known yet); ``rate`` is units a second;
    ``errors`` and ``warnings`` are counts; ``stage_progress`` maps a stage's name to its fraction done, 0 to 1;
    ``stages`` has the numbers behind it.
    """

    current_stage: str | None
    done: int
    total: int
    elapsed: float
    estimated_remaining: float | None = None
    rate: float = 0.0
    errors: int = 0
    warnings: int = 0
    stage_progress: Mapping[str, float] = field(default_factory=dict)
    stages: tuple[StageReport, ...] = ()

    @property
    def fraction(self) -> float:
        """The part that is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    def __repr__(self) -> str:
        left = "" if self.estimated_remaining is None else f", about {self.estimated_remaining:.0f} s left"
        counts = f"{self.done}/{self.total} units ({self.fraction:.0%}), {self.rate:.3g}/s"
        faults = f", {self.errors} errors, {self.warnings} warnings"
        return f"<Progress {self.current_stage or 'finished'}: {counts}, {self.elapsed:.1f} s{left}{faults}>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import progress_view

        return progress_view(self)


@dataclass(frozen=True)
class PlanEntry:
    """What a run would do with one unit, and why.

    ``action`` is ``execute``, ``skip``, or ``maybe`` where that hangs on a stage that would run first; ``key`` is
    None for a whole stage.
    """

    stage: str
    key: Key | None
    action: str
    reason: str

    def __repr__(self) -> str:
        where = self.stage if self.key is None else f"{self.stage}[{self.key!r}]"
        return f"<Plan {where}: {self.action}, {self.reason}>"

    def _repr_html_(self) -> str:
        from headrace.widgets.html import plan_table

        return plan_table([self])


class _TriState:
    def __bool__(self) -> NoReturn:
        raise TypeError("a look-up is neither true nor false: ask isinstance(answer, hr.Ok), hr.Empty or hr.Failed")


@dataclass(frozen=True)
class Ok(_TriState, Generic[T_co]):
    """The look-up worked and there is something: ``value``."""

    value: T_co


@dataclass(frozen=True)
class Empty(_TriState):
    """The look-up worked and there is nothing."""


@dataclass(frozen=True)
class Failed(_TriState):
    """The look-up did not work; nothing is known. ``reason``: one line."""

    reason: str


Lookup = Ok[Any] | Empty | Failed
"""The answer of a look-up: never an empty value where nothing is known."""
