"""The child's side of ``isolation="process"``: the nursery that forks workers, and a worker's loop."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from headrace._internal import codecs
from headrace._internal.wire import receive, send
from headrace.context import Context

if TYPE_CHECKING:
    from headrace._internal.glue import StageGlue
    from headrace._internal.process import Nursery
    from headrace.stage import Stage

__all__ = ["keep_nursery"]

_PR_SET_PDEATHSIG = 1


@dataclass
class RemoteView:
    """What a context in a worker knows of its unit."""

    key: str | None
    attempt: int
    cancelled: bool = False
    reconcile: bool = False
    previous: None = None


def keep_nursery(control: socket.socket, nursery: Nursery) -> NoReturn:
    """Fork a worker for each socket that comes, until the run has gone; never returns."""
    try:
        gc.freeze()  # what the run's process has is not collected here: its threads, its files are not ours
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's business
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                break
            if os.fork() == 0:
                control.close()
                _work(socket.socket(fileno=descriptors[0]), nursery)
            os.close(descriptors[0])
    finally:
        os._exit(0)


def _work(channel: socket.socket, nursery: Nursery) -> NoReturn:
    try:
        os.setsid()  # a group of its own, so that all it starts can be killed with it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        send(channel, {"pid": os.getpid()})
        scope = nursery.scope
        scope.warn = lambda stage, key, text: send(channel, {"warn": text})
        scope.results = lambda asking, stage: _ask(channel, stage)
        while True:
            send(channel, _answer(receive(channel), nursery))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        os._exit(0)


def _ask(channel: socket.socket, stage: str) -> Any:
    send(channel, {"results": stage})
    return codecs.loads(receive(channel)["results"])


def _answer(request: dict[str, Any], nursery: Nursery) -> dict[str, Any]:
    stage, glue = nursery.stages[request["stage"]]
    ctx = Context(nursery.scope, request["stage"], RemoteView(request["key"], request["attempt"]))  # type: ignore[arg-type]
    try:
        values = [glue.decode(value) for value in request["values"]]
        return _call(stage, glue, ctx, values)
    except BaseException as error:
        return {"error": glue.describe(error)}


def _call(stage: Stage, glue: StageGlue, ctx: Context, values: list[Any]) -> dict[str, Any]:
    """What the function returns, each value in it that is recorded by itself encoded by itself."""
    if stage.form == "batch":
        return {"batch": [_result(glue, answer) for answer in glue.batch(stage.function, ctx, values[0])]}
    answer = stage.function(ctx, *values)
    if stage.form == "flat_map":
        return {"children": [(key, glue.encode(value)) for key, _, value, _ in glue.children(answer)]}
    return {"value": glue.encode(answer)}


def _result(glue: StageGlue, answer: Any) -> tuple[bool, Any]:
    """(True, the result) or (False, why it can't be recorded): the other values of the batch have theirs."""
    try:
        return True, glue.encode(answer)
    except Exception as error:
        return False, glue.describe(error)
