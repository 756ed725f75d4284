"""The pipeline that the fault tests kill, and how they run it in real processes.

It uses every stage form, random draws, values in blobs and an effect. Each execution of a unit is noted in a file
before its work is done (one short O_APPEND write: it survives a SIGKILL), so that what ran is known whatever the
store says.
"""

import json
import os
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import headrace as hr

ITEMS = 24
MINUTES = float(os.environ.get("HEADRACE_SOAK_MINUTES", "0"))
"""0: the short form. Else each point of the disk's is taken, and the random kills go on for so many minutes."""


def note(stage: str, key: Any) -> None:
    """Say in the log that a unit is executed. The log and the pace come out of the environment: what a stage closes
    over is part of its code."""
    if log := os.environ.get("CRASH_LOG"):
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, (json.dumps([stage, key]) + "\n").encode())
        os.close(file)


def pipeline() -> hr.Pipeline:
    """The pipeline."""
    pipe = hr.Pipeline("crash")

    @pipe.source(version=1)
    def numbers(ctx: Any) -> Any:
        for number in range(ctx.params["items"]):
            yield hr.Item(f"k{number:03}", number)

    @pipe.map(over=numbers, version=1)
    def draw(ctx: Any, n: int) -> float:
        note("draw", ctx.key)
        return n + float(ctx.rng.random())

    @pipe.map(over=draw, version=1, workers=2)
    def slow(ctx: Any, x: float) -> bytes:
        note("slow", ctx.key)
        time.sleep(float(os.environ.get("CRASH_SECONDS", "0")))
        size = 70_000 if ctx.key.endswith("7") else 30  # above 64 KiB a value is a blob
        return bytes(ctx.rng.bytes(size)) + str(x).encode()

    @pipe.flat_map(over=slow, version=1)
    def parts(ctx: Any, data: bytes) -> dict[str, int]:
        note("parts", ctx.key)
        return {"size": len(data), "sum": sum(data)}

    @pipe.batch(over=parts, size=5, version=1)
    def double(ctx: Any, values: list[int]) -> list[int]:
        return [2 * value for value in values]

    @pipe.group(over=double, by=numbers, effect=True, reconcile=lambda ctx, parts: None, version=1)
    def publish(ctx: Any, values: list[Any]) -> list[int]:
        note("publish", ctx.key)
        return [value for _, value in values]

    @pipe.step(after=publish, version=1)
    def total(ctx: Any) -> int:
        note("total", None)
        return sum(sum(values) for values in ctx.results(publish).values())

    return pipe


def work(store: Path, log: Path | None = None, seconds: float = 0.0, items: int = ITEMS, seed: int = 11) -> hr.Run:
    """One run of the pipeline; a unit of its stage ``slow`` takes ``seconds``."""
    os.environ.update(CRASH_LOG=str(log or ""), CRASH_SECONDS=str(seconds))
    return pipeline().run({"items": items}, store, seed=seed)


def in_child(target: Callable[[], Any], **environment: str) -> int:
    """Run ``target`` in a forked process; its pid. It exits with 0, or with 1 and a traceback."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(environment)
        target()
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int) -> int:
    """Exit code of a child; negative: the signal that ended it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def contents(store: Path) -> list[tuple[Any, ...]]:
    """All results, as a reader with plain SQL sees them, without the run's number and times."""
    db = sqlite3.connect(store)
    rows = db.execute(
        "SELECT stage, key, CASE WHEN typeof(value)='integer' THEN NULL ELSE value END FROM results"
    ).fetchall()
    digests = db.execute("SELECT hex(digest), size FROM blob").fetchall()
    db.close()
    return sorted(rows, key=repr) + sorted(digests, key=repr)


def values(run: Any) -> dict[str, Any]:
    """All results by stage, read back through the API (each record is checked against its seal)."""
    return {stage: run.results(stage) for stage in ("draw", "slow", "parts", "double", "publish", "total")}


def executions(log: Path) -> list[tuple[str, str | None]]:
    """What was executed, in order."""
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


BEFORE = {"slow": "draw", "parts": "slow", "publish": "parts"}
"""The stage whose result of the same key a stage has seen."""


def lost(ran: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Units that were executed again after something downstream had seen their result."""
    seen: set[tuple[str, str | None]] = set()
    found = []
    for stage, key in ran:
        if (stage, key) in seen:
            found.append((stage, key))
        if stage in BEFORE:
            seen.add((BEFORE[stage], key))
        if stage == "total":
            seen.update(("publish", name) for at, name in ran if at == "publish")
    return found


def report(what: str, **counts: object) -> None:
    """One line of what a test has counted; `make soak` shows it."""
    print(f"\n{what}: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()))


def repeated(ran: Iterable[tuple[str, str | None]]) -> int:
    """How many executions were not the first of their unit."""
    return sum(count - 1 for count in Counter(ran).values())
