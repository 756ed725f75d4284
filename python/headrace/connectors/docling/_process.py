"""One worker process, seen from the parent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from headrace.errors import CancelledError, ResourceError, TimeoutError

__all__ = ["CrashedError", "Worker"]

_POLL = 0.05  # seconds between two looks at `cancelled`
_PIECE = 1 << 16
START_LIMIT = 120.0
"""Seconds until a process must be ready: it loads the parsers first, which is no document's time."""


class CrashedError(Exception):
    """The process ended by itself."""


class Worker:
    """A process that converts one document at a time. Used by one thread at a time.

    Args:
        memory: Bytes that it may use beyond what the parser itself takes.
    """

    def __init__(self, memory: int) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headrace.connectors.docling._worker", str(os.getpid()), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self.served = 0
        self._ready = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(
        self, request: dict[str, Any], data: bytes, timeout: float, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """The answer to a request. The time starts when the process is ready for it.

        Raises:
            ResourceError: The process didn't get ready.
            TimeoutError: It took longer than ``timeout`` seconds.
            CancelledError: ``cancelled`` said so.
            CrashedError: The process ended.

        After any of them the process is gone.
        """
        try:
            self._wait_until_ready(cancelled)
            self.served += 1
            deadline = time.monotonic() + timeout
            header = json.dumps({**request, "size": len(data)}).encode() + b"\n"
            answer = self._exchange(memoryview(header + data), deadline, cancelled)
            return dict(json.loads(answer))
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, cancelled: Callable[[], bool]) -> None:
        if self._ready:
            return
        try:
            self._exchange(memoryview(b""), time.monotonic() + START_LIMIT, cancelled)
        except TimeoutError:
            raise ResourceError(f"the parser's process was not ready within {START_LIMIT:g} s") from None
        except CrashedError as error:
            raise ResourceError(f"the parser's process ended before it was ready ({error})") from None
        self._ready = True

    def _exchange(self, sending: memoryview, deadline: float, cancelled: Callable[[], bool]) -> bytes:
        answer = bytearray()
        while not answer.endswith(b"\n"):
            if cancelled():
                raise CancelledError("the conversion was stopped")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("out of time")
            readable, writable, _ = select.select([self._out], [self._in] if sending else [], [], min(left, _POLL))
            try:
                if writable:
                    sending = sending[os.write(self._in, sending[:_PIECE]) :]
                if readable:
                    piece = os.read(self._out, _PIECE)
                    if not piece:
                        raise BrokenPipeError
                    answer += piece
            except BrokenPipeError:
                raise CrashedError(self._how_it_ended()) from None
        return bytes(answer)

    def _how_it_ended(self) -> str:
        code = self._process.wait(timeout=5)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """Ends the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
