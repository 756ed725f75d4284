"""Stages with ``isolation="process"``: workers that can be killed when their time is up.

A *nursery* process is forked before the run's threads start, and forks the workers: so functions need no pickling
(lambdas, closures and notebook cells work), and no thread holds a lock in them. Values travel as the bytes that the
journal stores. A worker leads a process group of its own; it dies with its nursery, and the nursery with us.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace._internal.wire import receive, send
from headrace.errors import CancelledError, ResourceError, TimeoutError
from headrace.types import Item

if TYPE_CHECKING:
    from headrace._internal.glue import RunScope, StageGlue
    from headrace.context import Context
    from headrace.stage import Stage

__all__ = ["Nursery", "RemoteError", "in_process"]

UNITS_A_WORKER = 1000
"""A worker is replaced after so many units, so that what a library leaks does not pile up."""


class RemoteError(Exception):
    """An error that a stage raised in a worker, already described there."""

    def __init__(self, described: tuple[Any, ...]) -> None:
        self.described = described
        super().__init__(described[1])


class Worker:
    """A process that runs one unit at a time for us."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.channel = channel
        self.pid = pid
        self.units = 0

    def kill(self) -> None:
        """End the worker and all it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.channel.close()


class Nursery:
    """The process that forks the workers of one run."""

    def __init__(self, scope: RunScope) -> None:
        self.scope = scope
        self.stages: dict[str, tuple[Stage, StageGlue]] = {}
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._pid = 0

    def open(self) -> None:
        """Fork the nursery; before the run's own threads start."""
        ours, theirs = socket.socketpair()
        with warnings.catch_warnings():
            # A notebook's kernel has threads of its own; the nursery uses nothing that they may have locked.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            from headrace._internal.nursery import keep_nursery

            ours.close()
            keep_nursery(theirs, self)
        theirs.close()
        self._control = ours

    def worker(self) -> Worker:
        """An idle worker, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            assert self._control is not None, "the nursery is opened before the run starts"
            ours, theirs = socket.socketpair()
            socket.send_fds(self._control, [b"w"], [theirs.fileno()])
            theirs.close()
        hello = receive(ours)
        return Worker(ours, int(hello["pid"]))

    def give_back(self, worker: Worker) -> None:
        """The worker has done its unit."""
        worker.units += 1
        if worker.units >= UNITS_A_WORKER:
            worker.kill()
            return
        with self._lock:
            self._idle.append(worker)

    def close(self) -> None:
        """End all workers; idempotent."""
        with self._lock:
            for worker in self._idle:
                worker.kill()
            self._idle.clear()
            if self._control is not None:
                self._control.close()
                self._control = None
                os.waitpid(self._pid, 0)


def in_process(stage: Stage, glue: StageGlue, nursery: Nursery) -> Callable[..., Any]:
    """The stage's function as one that runs it in a worker, for at most the stage's timeout (seconds)."""
    nursery.stages[stage.name] = (stage, glue)
    timeout = stage.policy.timeout

    def run(ctx: Context, *value: Any) -> Any:
        worker = nursery.worker()
        try:
            answer = _converse(worker, nursery.scope, ctx, stage.name, [glue.pack(item) for item in value], timeout)
        except BaseException:
            worker.kill()
            raise
        nursery.give_back(worker)
        if "error" in answer:
            raise RemoteError(tuple(answer["error"]))
        return _restored(answer, glue)

    return run


def _restored(answer: dict[str, Any], glue: StageGlue) -> Any:
    """What the function returned: a batch's results and a flat_map's children are encoded one by one."""
    if "batch" in answer:
        return [glue.decode(told) if fine else RemoteError(tuple(told)) for fine, told in answer["batch"]]
    if "children" in answer:
        return [Item(glue.key(key), glue.decode(value)) for key, value in answer["children"]]  # type: ignore[arg-type]
    return glue.decode(answer["value"])


def _converse(
    worker: Worker, scope: RunScope, ctx: Context, stage: str, values: list[Any], timeout: float | None
) -> Any:
    view = ctx._view
    send(worker.channel, {"stage": stage, "key": view.key, "attempt": view.attempt, "values": values})
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        if not select.select([worker.channel], [], [], 0.05)[0]:
            if ctx.cancelled:
                raise CancelledError("the run was stopped; the worker process was ended")
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"did not finish in {timeout:g} s; its process was killed")
            continue
        try:
            message = receive(worker.channel)
        except EOFError:
            raise ResourceError("its process died: it crashed, or was killed (out of memory?)") from None
        if "warn" in message:
            scope.warn(stage, view.key or "", message["warn"])
        elif "results" in message:
            send(worker.channel, {"results": _encoded(scope.results(stage, message["results"]))})
        else:
            return message


def _encoded(results: Any) -> Any:
    from headrace._internal import codecs

    return codecs.dumps(results)
