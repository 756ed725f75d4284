"""The engine's figures: a durable unit, calling Python, restart, memory, size; a hand-written sqlite3 loop beside.

Keys are sequential: with random ones the hand-written loop collapses (24 us), and the comparison says nothing.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import engine_faults
import engine_peers
from engine_peers import PEERS  # noqa: F401 - what run.py installs
from table import Row

import headrace as hr

STAGES = 3


def work(ctx: object, text: str) -> str:
    """192 bytes out of any text."""
    return (hashlib.sha256(text.encode()).hexdigest() * 3)[:192]


def pipeline(items: int) -> hr.Pipeline:
    """A source and three stages, one callable each."""
    pipe = hr.Pipeline("bench")

    @pipe.source
    def numbers(ctx):
        for i in range(items):
            yield f"item-{i:07d}", f"value {i}"

    before = numbers
    for name in ("a", "b", "c"):
        before = pipe.map(work, over=before, name=name)
    return pipe


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def hand_written_loop(folder: Path, items: int) -> None:
    """What a careful user writes: one table, WAL, synchronous FULL, a commit every 100 items."""
    db = sqlite3.connect(folder / "loop.db", isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute("create table r(item text, stage text, value text, primary key(item, stage)) without rowid")
    db.execute("begin")
    for i in range(items):
        key, value = f"item-{i:07d}", f"value {i}"
        for stage in ("a", "b", "c"):
            value = work(None, value)
            db.execute("insert into r values(?, ?, ?)", (key, stage, value))
        if i % 100 == 99:
            db.execute("commit")
            db.execute("begin")
    db.execute("commit")
    db.close()


def memory_loop(folder: Path, items: int) -> None:
    """joblib.Memory, one file a result."""
    import joblib

    cached = joblib.Memory(folder / "joblib", verbose=0).cache(work, ignore=["ctx"])
    for i in range(items):
        value = f"value {i}"
        for _ in range(STAGES):
            value = cached(None, value)


def per_unit(call: Callable[[Path, int], object], items: int) -> float:
    """Microseconds a unit, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return timed(lambda: call(Path(folder), items)) / (items * STAGES) * 1e6


def ours(folder: Path, items: int) -> None:
    run = pipeline(items).run(store=folder / "runs.db")
    assert run.status == hr.Status.SUCCEEDED


def durable_unit(quick: bool) -> list[Row]:
    items, rounds = (3_000, 3) if quick else (33_334, 7)
    pairs = [(per_unit(ours, items), per_unit(hand_written_loop, items)) for _ in range(rounds)]
    mine, loop = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    memory = per_unit(memory_loop, items // 30)
    others = {
        name: engine_peers.measured(name, n) for name, n in (("cocoindex", items // 10), ("dbos", 40), ("prefect", 20))
    }
    return [
        Row(
            "engine",
            "durable item-stage, Python callable, power-loss safe",
            mine,
            "us",
            "<= 2.0",
            "sqlite3 loop, commit per 100",
            loop,
        ),
        Row("engine", "the same, ratio pair by pair", ratio, "x", "<= 0.6"),
        Row("engine", "the same", mine, "us", "", "joblib.Memory", memory),
        *(Row("engine", "the same", mine, "us", "", name, figure) for name, figure in others.items()),
    ]


def calling_python(quick: bool) -> list[Row]:
    """What a worker adds to a Python no-op: context, decoding, encoding, clock, the GIL; in slices of 64."""
    from headrace import _core
    from headrace._internal.glue import RunScope, StageGlue

    count = 19_200 if quick else 192_000
    glue = StageGlue("nothing", RunScope("bench", {}, {}, 0), hr.Retry())
    stage = _core.PythonStage("nothing", _core.Form.map, lambda ctx, value: None, glue, "{}")
    loop = statistics.median(_plain_calls(count) for _ in range(5))
    slices = statistics.median(stage.time_slices(count) for _ in range(5))
    return [Row("engine", "calling a Python no-op from a worker, beside the call itself", slices - loop, "ns", "<= 60")]


def _plain_calls(count: int) -> float:
    def nothing(ctx: object, value: object) -> None: ...

    began = time.perf_counter_ns()
    for _ in range(count):
        nothing(None, None)
    return (time.perf_counter_ns() - began) / count


def restart(quick: bool) -> list[Row]:
    """From the start of a process to its first new unit, over a store of 100,000 finished units."""
    items = 3_334 if quick else 33_334
    folder = Path(tempfile.mkdtemp())
    try:
        ours(folder, items)
        size = (folder / "runs.db").stat().st_size / (items * STAGES)
        code = "import sys; sys.path[:0] = sys.argv[1:2]; import bench_engine as b; b.one_more(*sys.argv[2:])"
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(folder / "runs.db"), str(items)]
        whole, seconds = map(statistics.median, zip(*(_started(command) for _ in range(7)), strict=True))
        fresh = [sys.executable, "-c", code, str(Path(__file__).parent), str(folder / "new.db"), "0"]
        first = statistics.median(_started(fresh)[0] for _ in range(5))
    finally:
        shutil.rmtree(folder)
    return [
        Row("engine", "restart over 100,000 finished units, to the first new one", seconds, "s", "<= 0.3"),
        Row("engine", "the same, to the end of the process: all 100,000 looked up", whole, "s", ""),
        Row("engine", "import to the end of the first unit", first, "s", "<= 0.25"),
        Row("engine", "a unit of 192 bytes on disk, closed", size, "bytes", "<= 260"),
    ]


def _started(command: list[str]) -> tuple[float, float]:
    """Seconds from the start of a process to its end, and to the moment that it prints."""
    began = time.time()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.time() - began, float(output) - began


def one_more(store: str, items: str) -> None:
    """The same pipeline with one item more, which comes first; prints when that is begun."""
    pipe = pipeline(int(items))
    numbers = pipe.stages["numbers"].function

    def begin():
        print(time.time(), flush=True)
        return "first"

    def more(ctx):
        yield hr.Item(f"new-{os.getpid()}", version="1", load=begin)
        yield from numbers(ctx)

    pipe.stages["numbers"].function = more
    pipe.run(store=store)


def million(quick: bool) -> list[Row]:
    items = 20_000 if quick else 1_000_000
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import bench_engine as b; b.measure_memory({items})"
    grown = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    return [Row("engine", f"{items:,} items through three stages: growth of resident memory", grown, "MB", "<= 150")]


def measure_memory(items: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        ours(Path(folder), items)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def wavefront(quick: bool) -> list[Row]:
    program = Path(__file__).resolve().parents[2] / "build/dev/tests/bench/wavefront"
    rows = []
    for threads in (1, 2):
        output = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True).stdout
        run_ns, build_ns = map(float, output.split())
        rows.append(
            Row("engine", f"native no-op node, 100 x 100 wavefront, {threads} threads, run", run_ns, "ns", "<= 60")
        )
        rows.append(Row("engine", f"the same with building, {threads} threads", build_ns, "ns", "<= 200"))
    return rows


def run(quick: bool) -> list[Row]:
    """All rows of the topic."""
    rows: list[Row] = []
    for topic in (durable_unit, calling_python, restart, million, wavefront, engine_faults.kills, engine_faults.flips):
        rows += topic(quick)
    return rows
