"""When the next request may go out."""

from __future__ import annotations

import email.utils
import json
import os
import threading
import time
from pathlib import Path

from headrace.embed.files import write_private
from headrace.errors import CancelledError

__all__ = ["Cooldown", "Pace", "retry_after"]


class Cooldown:
    """Until when a server wants to be left alone, in a file: a process that is killed meanwhile doesn't forget it.

    Args:
        file: Where it is kept; None: nowhere.
        server: Its address.
    """

    def __init__(self, file: str | os.PathLike[str] | None, server: str) -> None:
        self._file = None if file is None else Path(file)
        self._server = server

    def left(self) -> float:
        """Seconds that are left of it; 0: none."""
        until = self._read().get(self._server)
        return max(0.0, until - time.time()) if isinstance(until, (int, float)) else 0.0

    def begin(self, seconds: float) -> None:
        """The server asked for so many seconds from now."""
        if self._file is not None:
            now = time.time()
            others = {name: until for name, until in self._read().items() if until > now}
            write_private(self._file, json.dumps({**others, self._server: now + seconds}).encode())

    def _read(self) -> dict[str, float]:
        try:
            known = {} if self._file is None else json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}  # none yet, or half a file: the server will say it again
        return known if isinstance(known, dict) else {}


class Pace:
    """Rate limits and pauses that all threads share."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._per_request = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._per_token = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._next = 0.0  # monotonic time from which a request may go out
        self._condition = threading.Condition()
        self._interruptions = 0

    def begin(self) -> int:
        """What a call hands to :meth:`wait_for_turn`: an interrupt from now on ends its waits, even later ones."""
        with self._condition:
            return self._interruptions

    def wait_for_turn(self, tokens: int, begun: int) -> None:
        """Wait until a request may go out, and book it.

        Raises:
            CancelledError: :meth:`interrupt` was called since the call began.
        """
        with self._condition:
            while (pause := self._next - time.monotonic()) > 0:
                if self._interruptions != begun:
                    raise CancelledError("interrupted while waiting for the embedding server")
                self._condition.wait(min(pause, 1.0))
            self._next = time.monotonic() + max(self._per_request, self._per_token * tokens)

    def hold(self, seconds: float) -> None:
        """Let no request go out for so long."""
        with self._condition:
            self._next = max(self._next, time.monotonic() + seconds)

    def interrupt(self) -> None:
        """End the waits of all calls that have begun."""
        with self._condition:
            self._interruptions += 1
            self._condition.notify_all()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number, or a date); None when it says nothing sensible."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
