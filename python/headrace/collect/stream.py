"""Outcomes as they finish, and all of them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from headrace import _core
from headrace.collect.outcome import CommandOutput, Outcome

__all__ = ["OutcomeIterator"]

# The interpreter handles signals between two calls: the longest time that Ctrl-C goes unnoticed.
_POLL_S = 0.05
# Who reads none before the last is there need not be woken for each.
_AT_ONCE = 256


class OutcomeIterator:
    """Yields outcomes as their targets finish; work goes on meanwhile, at most a few outcomes ahead of the reader.

    ``close()`` (also at the end of a ``with`` block, or when the iterator is dropped) ends everything that is under
    way within 250 ms. ``cancel()``, from any thread, lets the iteration end by itself: every target that is not
    finished comes out with the error type ``cancelled``.
    """

    def __init__(self, stream: _core.OutcomeStream, targets: Sequence[Any]):
        self._stream = stream
        self._targets = targets
        self._ready: deque[Outcome] = deque()

    def __iter__(self) -> OutcomeIterator:
        return self

    def __next__(self) -> Outcome:
        while not self._ready:
            taken = self._stream.take(_POLL_S)
            if not taken and self._stream.exhausted():
                raise StopIteration
            self._ready.extend(outcome for _, outcome in _outcomes(taken, self._targets))
        return self._ready.popleft()

    def cancel(self) -> None:
        """Start nothing more and end what is under way; the rest comes out as ``cancelled``."""
        self._stream.cancel()

    def close(self) -> None:
        """Cancel, wait for the end, and forget what was not read."""
        self._stream.close()
        self._ready.clear()

    def __enter__(self) -> OutcomeIterator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def in_order(stream: _core.OutcomeStream, targets: Sequence[Any]) -> list[Outcome]:
    """Wait for all outcomes; they come in the order of the targets."""
    outcomes: dict[int, Outcome] = {}
    try:
        while not stream.exhausted():
            outcomes.update(_outcomes(stream.take(_POLL_S, _AT_ONCE), targets))
    finally:
        stream.close()
    return [outcomes[index] for index in range(len(targets))]


def _outcomes(taken: list[tuple[Any, ...]], targets: Sequence[Any]) -> list[tuple[int, Outcome]]:
    return [(fields[0], _outcome(targets[fields[0]], *fields[1:])) for fields in taken]


def _outcome(target: Any, *fields: Any) -> Outcome:
    ok, stdout, stderr, exit_code, error_type, message, seconds, attempts, commands, headers = fields
    parts = tuple(CommandOutput(*part) for part in commands)
    return Outcome(
        target, ok, stdout, stderr, exit_code, error_type, message, seconds, attempts, parts, _merged(headers)
    )


def _merged(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Repeated fields joined by commas, as RFC 9110 has it."""
    merged: dict[str, str] = {}
    for name, value in headers:
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return merged
