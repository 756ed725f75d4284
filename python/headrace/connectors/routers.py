"""What every router connector offers: one driver, whatever the router speaks.

The order is always: ``open``, ``lock``, ``load``, ``diff``, ``validate``, ``commit_confirmed``, ``confirm`` (or
``cancel``), ``unlock``, ``close``. All times are seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.errors import PipelineError

__all__ = [
    "CommitState",
    "EventHook",
    "PeerHealth",
    "PrefixLists",
    "RouterDriver",
    "RouterError",
    "RouterLockedError",
    "RouterRejectedError",
    "RouterUnreachableError",
    "lists_diff",
    "no_events",
    "same_lists",
]

PrefixLists = Mapping[str, Sequence[str] | None]
"""Prefix lists by name; None: there is no such list, or it is to be removed."""

EventHook = Callable[[str, Mapping[str, Any]], None]
"""Told of every event on the router: its name (``connected``, ``preview``, ``committed``, ...) and details."""


def no_events(event: str, details: Mapping[str, Any]) -> None:
    """Tell nobody."""


def same_lists(one: PrefixLists, other: PrefixLists) -> bool:
    """Whether both hold the same lists; the order of the prefixes does not matter."""
    return {n: None if p is None else set(p) for n, p in one.items()} == {
        n: None if p is None else set(p) for n, p in other.items()
    }


def lists_diff(before: PrefixLists, after: PrefixLists) -> str:
    """Return what changes from ``before`` to ``after`` as text, a line for each prefix; empty for nothing."""
    lines: list[str] = []
    for name in after:
        old, new = before.get(name), after[name]
        if (old is None) != (new is None) or set(old or ()) != set(new or ()):
            lines.append(f"{'-' if new is None else '+' if old is None else ' '} prefix-list {name}")
            lines.extend(f"-  {prefix}" for prefix in sorted(set(old or ()) - set(new or ())))
            lines.extend(f"+  {prefix}" for prefix in sorted(set(new or ()) - set(old or ())))
    return "\n".join(lines)


class RouterError(PipelineError):
    """Something went wrong with one router. Attribute: ``router`` (its name)."""

    def __init__(self, router: str, message: str) -> None:
        self.router = router
        self.message = message
        super().__init__(router, message)

    def __str__(self) -> str:
        return f"{self.router}: {self.message}"


class RouterUnreachableError(RouterError):
    """There is no connection, or it was lost: what the router did last is not known."""


class RouterLockedError(RouterError):
    """Somebody else holds the router's configuration."""


class RouterRejectedError(RouterError):
    """The router refused what was loaded or committed."""


class CommitState(str, enum.Enum):
    """What became of a confirmed commit, asked of the router itself."""

    ABSENT = "absent"
    """The router never committed it."""
    PENDING = "pending"
    """In effect; it rolls back unless it is confirmed."""
    CONFIRMED = "confirmed"
    """In effect for good."""
    ROLLED_BACK = "rolled_back"
    """Taken back."""

    __str__ = str.__str__


@dataclass(frozen=True)
class PeerHealth:
    """One BGP session. ``received``: prefixes the peer announces; ``accepted``: those that its filter lets in."""

    peer: str
    established: bool
    received: int = 0
    accepted: int = 0


class RouterDriver(Protocol):
    """One router. Not to be shared between threads. Every method may raise a ``RouterError``."""

    router: str

    def open(self) -> None:
        """Connect. The router's host key is checked."""

    def close(self) -> None:
        """Disconnect; never raises. A pending commit stays pending."""

    def lock(self) -> None:
        """Take the configuration for ourselves; RouterLockedError where somebody else has it."""

    def unlock(self) -> None:
        """Give it back; what was loaded and not committed is dropped."""

    def read_lists(self, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        """Return the prefixes of the lists as the router has them in effect, sorted as text; None: no such list."""

    def load(self, lists: PrefixLists) -> None:
        """Put ``lists`` into the candidate configuration; each replaces the list of its name."""

    def diff(self) -> str:
        """Return what the candidate changes, as text; empty where it changes nothing."""

    def validate(self) -> None:
        """Have the router check the candidate; RouterRejectedError with its message."""

    def commit_confirmed(self, seconds: int, token: str) -> None:
        """Put the candidate into effect; the router takes it back by itself after ``seconds`` without ``confirm``.

        ``token`` names this commit: a later process can ask for it.
        """

    def confirm(self, token: str) -> None:
        """Make the pending commit permanent; RouterRejectedError where it is not pending any more."""

    def cancel(self, token: str) -> None:
        """Take the pending commit back now; nothing happens where it was taken back already."""

    def commit_state(self, token: str, lists: PrefixLists) -> CommitState:
        """Return what became of the commit ``token``, which put ``lists`` into effect."""

    def health(self) -> dict[str, PeerHealth]:
        """Return the BGP sessions by peer address."""
