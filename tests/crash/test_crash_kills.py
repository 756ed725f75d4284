"""SIGKILL: at random moments and at every write. Nothing lost, nothing wrong, nothing run twice but what was in flight."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import headrace as hr
import pytest

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
@pytest.mark.parametrize("soak", [pytest.param(False, id="short"), pytest.param(True, id="long", marks=pytest.mark.soak)])
def test_killed_at_every_write(tmp_path: Path, reference: tuple[object, object], kind: str, soak: bool) -> None:
    step = 1 if soak else 9 if kind == "kill" else 23
    point, kills = 1, 0
    while True:
        folder = tmp_path / f"at{point}"
        folder.mkdir()
        store, log = folder / "runs.db", folder / "log"
        code = rig.wait(rig.in_child(lambda store=store, log=log: rig.work(store, log), HEADRACE_FAULT=f"{kind}:{point}"))
        assert code in (0, -signal.SIGKILL)
        if code == 0:
            break
        kills += 1
        finish(store, log)
        ran = rig.executions(log)
        assert rig.lost(ran) == [], point
        assert rig.repeated(ran) <= IN_FLIGHT
        assert (rig.contents(store), rig.values(hr.open_store(store).runs()[0])) == reference, point
        shutil.rmtree(folder)
        point += step
    assert kills > 100 / step


@pytest.mark.parametrize("soak", [pytest.param(False, id="short"), pytest.param(True, id="long", marks=pytest.mark.soak)])
def test_killed_at_random_again_and_again(tmp_path: Path, soak: bool) -> None:
    items, seconds, kills = (2000, 0.002, 60) if soak else (300, 0.004, 10)
    chance = random.Random(20)
    calm = tmp_path / "calm.db"
    assert rig.wait(rig.in_child(lambda: rig.work(calm, items=items))) == 0
    store, log = tmp_path / "runs.db", tmp_path / "log"
    repeats = []
    for _ in range(kills):
        before = rig.repeated(rig.executions(log))
        pid = rig.in_child(lambda: rig.work(store, log, seconds, items))
        time.sleep(chance.uniform(0.02, 0.25))
        os.kill(pid, signal.SIGKILL)
        if rig.wait(pid) == 0:
            break
        repeats.append(rig.repeated(rig.executions(log)) - before)
    pid = rig.in_child(lambda: rig.work(store, log, 0.0, items))
    assert rig.wait(pid) == 0
    ran = rig.executions(log)
    assert rig.lost(ran) == []
    assert rig.contents(store) == rig.contents(calm)
    assert max(repeats) <= IN_FLIGHT
    run = hr.open_store(store).runs()[0]
    assert run.status is hr.Status.SUCCEEDED
    assert hr.open_store(store).verify() == []


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
