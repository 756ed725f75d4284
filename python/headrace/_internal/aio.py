"""Stages that are ``async def``: one event loop in a thread of its own, shared by all runs of the process."""

from __future__ import annotations

import asyncio
import builtins
import threading
from collections.abc import Callable, Sequence
from typing import Any

from headrace.errors import CancelledError, TimeoutError

__all__ = ["in_slices"]

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop a process, made when first needed
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="headrace-async", daemon=True).start()
        return _loop


def in_slices(function: Callable[..., Any], form: str, timeout: float | None) -> Callable[..., Any]:
    """The coroutine function as one that takes the contexts and values of a slice and runs them side by side.

    Returns a list of (True, result) and (False, error). A unit that takes too long is really cancelled.
    """

    async def one(ctx: Any, value: Any) -> tuple[bool, Any]:
        arguments = (ctx,) if form == "step" else (ctx, value)
        try:
            return await asyncio.wait_for(_outcome(function, arguments, ctx), timeout)
        except builtins.TimeoutError:  # not the work's own: what it raises is an outcome
            return False, TimeoutError(f"did not finish in {timeout:g} s; it was cancelled")

    async def all_of(contexts: Sequence[Any], values: Sequence[Any]) -> list[tuple[bool, Any]]:
        return list(await asyncio.gather(*(one(ctx, value) for ctx, value in zip(contexts, values, strict=True))))

    def run(contexts: Sequence[Any], values: Sequence[Any]) -> list[tuple[bool, Any]]:
        return asyncio.run_coroutine_threadsafe(all_of(contexts, values), _running_loop()).result()

    return run


async def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...], ctx: Any) -> tuple[bool, Any]:
    """Waits for the work, and gives it up soon after the run is cancelled."""
    task: asyncio.Future[Any] | None = None
    try:
        task = asyncio.ensure_future(function(*arguments))
        while not (await asyncio.wait({task}, timeout=0.1))[0]:
            if ctx.cancelled:
                raise CancelledError("the run was stopped while it was waiting")
        return True, task.result()
    except Exception as error:
        return False, error
    finally:
        if task is not None and not task.done():
            task.cancel()
