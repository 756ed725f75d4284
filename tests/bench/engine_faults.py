"""What the engine keeps when its process is killed, and what it finds when a bit of its store has flipped."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from table import Row

import headrace as hr

HERE = Path(__file__).resolve().parent


def logged_run(folder: str, items: int) -> None:
    """Two stages whose every execution is a line in a log that survives a kill."""
    log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    pipe = hr.Pipeline("killed")

    @pipe.source
    def numbers(ctx):
        for i in range(items):
            yield f"item-{i:07d}", i

    @pipe.map(over=numbers)
    def double(ctx, number):
        os.write(log, f"double {ctx.key}\n".encode())
        return 2 * number

    @pipe.map(over=double)
    def plus(ctx, number):
        os.write(log, f"plus {ctx.key}\n".encode())
        return number + 1

    pipe.run(store=f"{folder}/runs.db")


def kills(quick: bool) -> list[Row]:
    """SIGKILL at random moments of one run, each time started again."""
    items, times = (4_000, 3) if quick else (60_000, 10)
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        killed = 0
        for _ in range(times):
            process = _start(folder, items)
            time.sleep(dice.uniform(0.15, 0.6))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        assert _start(folder, items).wait() == 0
        runs = Counter(Path(folder, "log").read_text().splitlines())
        stored = hr.open_store(f"{folder}/runs.db")
        right = stored.runs()[0].results("plus") == {f"item-{i:07d}": 2 * i + 1 for i in range(items)}
    again = sum(runs.values()) - len(runs)
    return [
        Row("engine", f"{killed} SIGKILLs: units lost", 2 * items - len(runs), "units", "0"),
        Row("engine", f"{killed} SIGKILLs: results wrong", float(not right), "", "0"),
        Row("engine", "units of microseconds run again a kill", again / max(1, killed), "units", "<= 1600"),
    ]


def _start(folder: str, items: int) -> subprocess.Popen[bytes]:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import engine_faults as e; e.logged_run({folder!r}, {items})"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def flips(quick: bool) -> list[Row]:
    """One flipped bit at random places of a closed store and of a hand-written table: silent wrong answers."""
    count = 60 if quick else 600
    dice = random.Random(11)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _small_pipeline().run(store=folder / "runs.db")
        right = hr.open_store(folder / "runs.db").runs()[0].results("text")
        plain = sqlite3.connect(folder / "loop.db")
        plain.execute("create table r(item text primary key, value text)")
        plain.executemany("insert into r values(?, ?)", right.items())
        plain.commit()
        plain.close()
        ours = sum(_flipped_store(folder, right, dice) for _ in range(count))
        loops = sum(_flipped_loop(folder, right, dice) for _ in range(count))
    what = f"{count} flipped bits: wrong results without an error"
    return [Row("engine", what, ours, "", "0", "hand-written sqlite3", loops)]


def _small_pipeline() -> hr.Pipeline:
    pipe = hr.Pipeline("flipped")

    @pipe.step
    def numbers(ctx):
        return {f"item-{i:03d}": i for i in range(100)}

    @pipe.map(over=numbers)
    def text(ctx, number):
        return f"the value of {number} " * 8

    return pipe


def _flip(source: Path, target: Path, dice: random.Random) -> None:
    shutil.copy(source, target)
    with target.open("r+b") as file:
        at = dice.randrange(source.stat().st_size)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << dice.randrange(8))]))


def _flipped_store(folder: Path, right: object, dice: random.Random) -> bool:
    _flip(folder / "runs.db", folder / "flipped.db", dice)
    try:
        store = hr.open_store(folder / "flipped.db")
        if store.verify():
            return False
        return store.runs()[0].results("text") != right
    except (hr.HeadraceError, IndexError):
        return False


def _flipped_loop(folder: Path, right: object, dice: random.Random) -> bool:
    _flip(folder / "loop.db", folder / "flipped-loop.db", dice)
    try:
        plain = sqlite3.connect(folder / "flipped-loop.db")
        found = dict(plain.execute("select item, value from r"))
        plain.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return found != right
