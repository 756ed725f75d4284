"""SIGKILL, at random and at every write. Nothing lost, nothing wrong, nothing run twice but what was in flight."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

import headrace as hr
from crash import rig

IN_FLIGHT = 1536 + 64  # units executed but not durable yet (kUndurable), and a slice


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[object, ...]], dict[str, object]]:
    """The results of a run that nobody disturbed."""
    store = tmp_path_factory.mktemp("reference") / "runs.db"
    pid = rig.in_child(lambda: rig.work(store))
    assert rig.wait(pid) == 0
    return rig.contents(store), rig.values(hr.open_store(store).runs()[0])


def finish(store: Path, log: Path) -> None:
    """Resume in a process of its own, to the end."""

    def resume() -> None:
        run = rig.work(store, log)
        assert run.status is hr.Status.SUCCEEDED, (run.status, run.failures)
        assert run.store.verify() == []

    assert rig.wait(rig.in_child(resume)) == 0


@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_killed_at_every_write(tmp_path: Path, reference: tuple[object, object], kind: str) -> None:
    step = 1 if rig.MINUTES else 17 if kind == "kill" else 41
    point, kills, repeats = 1, 0, 0
    while True:
        folder = tmp_path / f"at{point}"
        folder.mkdir()
        store, log = folder / "runs.db", folder / "log"
        code = rig.wait(
            rig.in_child(lambda store=store, log=log: rig.work(store, log), HEADRACE_FAULT=f"{kind}:{point}")
        )
        assert code in (0, -signal.SIGKILL)
        if code == 0:
            break
        kills += 1
        finish(store, log)
        ran = rig.executions(log)
        assert rig.lost(ran) == [], point
        assert rig.repeated(ran) <= IN_FLIGHT
        repeats += rig.repeated(ran)
        assert (rig.contents(store), rig.values(hr.open_store(store).runs()[0])) == reference, point
        shutil.rmtree(folder)
        point += step
    assert kills > 100 / step
    rig.report(f"{kind} at every {step}. write", kills=kills, lost=0, wrong=0, run_twice=repeats)


def test_killed_at_random_again_and_again(tmp_path: Path) -> None:
    end = time.monotonic() + 60 * rig.MINUTES
    seed, kills, repeats = 20, 0, 0
    while True:
        folder = tmp_path / str(seed)
        folder.mkdir()
        most = kill_at_random(folder, random.Random(seed))
        kills, repeats, seed = kills + len(most), max([repeats, *most]), seed + 1
        shutil.rmtree(folder)
        if time.monotonic() >= end:
            break
    rig.report("killed at random", kills=kills, lost=0, wrong=0, most_run_twice_after_one=repeats)


def kill_at_random(folder: Path, chance: random.Random) -> list[int]:
    """Ten kills of one run, then its end; how many units each kill made run twice."""
    items = 300
    calm, store, log = folder / "calm.db", folder / "runs.db", folder / "log"
    assert rig.wait(rig.in_child(lambda: rig.work(calm, items=items))) == 0
    repeats = []
    for _ in range(10):
        before = rig.repeated(rig.executions(log))
        pid = rig.in_child(lambda: rig.work(store, log, 0.004, items))
        time.sleep(chance.uniform(0.02, 0.25))
        os.kill(pid, signal.SIGKILL)
        if rig.wait(pid) == 0:
            break
        repeats.append(rig.repeated(rig.executions(log)) - before)
    assert rig.wait(rig.in_child(lambda: rig.work(store, log, 0.0, items))) == 0
    assert rig.lost(rig.executions(log)) == []
    assert rig.contents(store) == rig.contents(calm)
    assert max(repeats) <= IN_FLIGHT
    assert hr.open_store(store).runs()[0].status is hr.Status.SUCCEEDED
    assert hr.open_store(store).verify() == []
    return repeats


def test_a_clock_that_goes_back_at_every_look(tmp_path: Path, reference: tuple[object, object]) -> None:
    """Ten seconds back each time somebody asks for the time, a kill in the middle, and the run is what it should be."""
    store, log = tmp_path / "runs.db", tmp_path / "log"
    back = {"HEADRACE_CLOCK_BACK_MS": "10000"}
    pid = rig.in_child(lambda: rig.work(store, log, 0.01), **back)
    while len(rig.executions(log)) < 10:
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    rig.wait(pid)

    def resume() -> None:
        for _ in range(2):
            run = rig.work(store, log)
            assert run.status is hr.Status.SUCCEEDED, run.failures
            assert run.progress().elapsed >= 0

    assert rig.wait(rig.in_child(resume, **back)) == 0
    opened = hr.open_store(store)
    first = opened.runs()[-1]
    assert first.finished_at is not None
    assert first.finished_at < first.started_at
    assert first.progress().elapsed == 0
    assert rig.lost(rig.executions(log)) == []
    assert (rig.contents(store), rig.values(opened.runs()[0])) == reference
    assert [run.number for run in opened.runs()] == [2, 1]
    assert opened.verify() == []


def test_of_slow_units_only_those_in_work_run_twice(tmp_path: Path) -> None:
    """Units of 30 ms on two workers: at most the two in work and the two just finished."""
    store, log = tmp_path / "runs.db", tmp_path / "log"
    for number in range(4):
        pid = rig.in_child(lambda: rig.work(store, log, 0.03))
        time.sleep(0.25 + 0.037 * number)
        os.kill(pid, signal.SIGKILL)
        rig.wait(pid)
        before = rig.executions(log)
        assert rig.lost(before) == []
    assert rig.wait(rig.in_child(lambda: rig.work(store, log))) == 0
    slow = [entry for entry in rig.executions(log) if entry[0] == "slow"]
    assert rig.repeated(slow) <= 4 * 4


def test_a_finished_result_that_was_returned_survives(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"

    def run_and_die() -> None:
        run = rig.work(store)
        (tmp_path / "shown").write_text(repr(run.results("total")))
        os.kill(os.getpid(), signal.SIGKILL)

    assert rig.wait(rig.in_child(run_and_die)) == -signal.SIGKILL
    opened = hr.open_store(store)
    assert repr(opened.runs()[0].results("total")) == (tmp_path / "shown").read_text()
    assert opened.runs()[0].status is hr.Status.SUCCEEDED
    assert opened.verify() == []
