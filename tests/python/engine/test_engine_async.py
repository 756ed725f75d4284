"""Coroutines as stages, runs in a running loop, and Ctrl-C."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts


def waiting(seconds: float = 0.2) -> hr.Pipeline:
    pipe = hr.Pipeline("waiting")

    @pipe.step
    async def items(ctx: Any) -> list[int]:
        await asyncio.sleep(0)
        return list(range(40))

    @pipe.map(over=items, timeout=5.0)
    async def wait(ctx: Any, n: int) -> int:
        await asyncio.sleep(ctx.params["seconds"])
        if n == 3:
            raise ValueError("three")
        return n * n

    @pipe.group(over=wait, by=items)
    async def whole(ctx: Any, parts: list[Any]) -> int:
        return len(parts)

    return pipe


def test_async_stages(tmp_path: Path) -> None:
    run = waiting().run({"seconds": 0.05}, tmp_path / "runs.db")
    assert run.status is hr.Status.PARTIAL
    assert [failure.key for failure in run.failures] == ["3"]
    assert run.results("wait")["39"] == 1521
    assert len(run.results("wait")) == 39


def test_async_timeouts_and_retries(tmp_path: Path) -> None:
    pipe = hr.Pipeline("retries")
    cancelled: list[int] = []

    @pipe.step(timeout=0.2, retry=hr.Retry(attempts=2))
    async def slow(ctx: Any) -> int:
        try:
            await asyncio.sleep(30 if ctx.attempt == 1 else 0)
        except asyncio.CancelledError:
            cancelled.append(ctx.attempt)
            raise
        return ctx.attempt

    assert pipe.run(store=tmp_path / "runs.db").results(slow) == 2
    assert cancelled == [1]


def test_arun_in_a_running_loop(tmp_path: Path) -> None:
    async def notebook() -> tuple[hr.Run, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        beside = asyncio.create_task(tick())
        run = await waiting().arun({"seconds": 0.2}, tmp_path / "runs.db", only=None)
        beside.cancel()
        return run, ticks

    run, ticks = asyncio.run(notebook())
    assert run.results("wait")["5"] == 25
    assert ticks >= 5  # the loop was free meanwhile


def test_cancelling_arun_stops_cleanly(tmp_path: Path) -> None:
    async def notebook() -> float:
        task = asyncio.create_task(waiting().arun({"seconds": 20}, tmp_path / "runs.db"))
        await asyncio.sleep(1.0)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(notebook()) < 1.0
    assert hr.open_store(tmp_path / "runs.db").runs()[0].status is hr.Status.CANCELLED
    run = waiting().run({"seconds": 20}, tmp_path / "runs.db", max_seconds=0.5)
    assert run.resumed


INTERRUPTED = """
    import pathlib, sys, time
    import headrace as hr

    mode = sys.argv[1]
    pipe = hr.Pipeline("interrupted")

    @pipe.step
    def items(ctx):
        return list(range(100_000))

    @pipe.map(over=items, workers=2)
    def work(ctx, n):
        if n == 20:
            pathlib.Path("ready").touch()
        if mode == "deaf" and n >= 20:
            while True:
                time.sleep(0.05)
        time.sleep(0.005)
        return n

    try:
        pipe.run(store="runs.db")
    except KeyboardInterrupt:
        print("left", time.time(), flush=True)
        sys.exit(3)
"""


def interrupt(folder: Path, mode: str, times: int) -> tuple[float, int, str]:
    """Seconds between the last SIGINT and the end of ``pipe.run``, the exit code, and the errors shown."""
    process = scripts.start(folder, INTERRUPTED, mode)
    scripts.until((folder / "ready").exists)
    sent = 0.0
    for number in range(times):
        time.sleep(0.3 if number else 0.1)
        sent = time.time()
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return float(out.split()[1]) - sent, process.returncode, err


def test_ctrl_c_returns_soon_with_everything_finished_recorded(tmp_path: Path) -> None:
    took, code, err = interrupt(tmp_path, "quick", 1)
    assert code == 3, err
    assert took < 0.25
    opened = hr.open_store(tmp_path / "runs.db")
    (run,) = opened.runs()
    assert run.status is hr.Status.CANCELLED
    assert opened.verify() == []
    report = next(stage for stage in run.stages if stage.name == "work")
    assert len(run.results("work")) == report.executed >= 20


def test_a_second_ctrl_c_is_hard_and_corrupts_nothing(tmp_path: Path) -> None:
    took, code, err = interrupt(tmp_path, "deaf", 2)
    assert code == 3, err
    assert took < 1.0
    opened = hr.open_store(tmp_path / "runs.db")
    assert opened.verify() == []
    assert opened.runs()[0].status is hr.Status.CANCELLED
    assert len(opened.runs()[0].results("work")) >= 15


def test_ctrl_c_ends_the_children_of_processes(tmp_path: Path) -> None:
    source = """
        import pathlib, sys
        import headrace as hr

        pipe = hr.Pipeline("children")

        @pipe.step
        def collect(ctx):
            pathlib.Path("ready").touch()
            return [o.ok for o in hr.collect.processes([["sleep", "77.125"]] * 3, timeout=60)]

        pipe.run(store="runs.db")
    """
    process = scripts.start(tmp_path, source)
    scripts.until((tmp_path / "ready").exists)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    scripts.until(lambda: not sleepers("77.125"), 5)


def sleepers(mark: str) -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            line = Path("/proc", entry, "cmdline").read_bytes() if entry.isdigit() else b""
        except OSError:
            continue
        if mark.encode() in line and b"sleep" in line and Path("/proc", entry).exists():
            found.append(entry)
    return found
