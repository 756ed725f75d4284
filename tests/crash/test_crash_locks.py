"""Locked stores, and readers while others write and prune."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import headrace as hr
import scripts
from crash import rig

READER = """
    import sqlite3, sys, time
    from pathlib import Path
    import headrace as hr

    looks = 0
    print("ready", flush=True)
    while not Path("stop").exists():
        for run in hr.open_store("runs.db").runs():
            run.progress()
            try:
                run.results("slow")
                run.results("total")
            except hr.HeadraceError as error:
                if run.id in [other.id for other in hr.open_store("runs.db").runs()]:
                    raise  # a run that has been pruned meanwhile may say so
        db = sqlite3.connect("runs.db")
        db.execute("SELECT count(value) FROM results").fetchall()
        db.close()
        looks += 1
    print(looks)
"""


def locked(store: Path) -> sqlite3.Connection:
    """A connection that holds the store's write lock."""
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_store_that_stays_locked_is_a_clear_error(tmp_path: Path) -> None:
    store, log = tmp_path / "runs.db", tmp_path / "log"
    rig.work(store, log)
    other = locked(store)

    def run() -> None:
        began = time.monotonic()
        try:
            rig.work(store, log)
        except hr.StorageError as error:
            assert "locked by another process" in str(error)
            assert time.monotonic() - began < 3
            (tmp_path / "told").touch()

    assert rig.wait(rig.in_child(run, HEADRACE_BUSY_MS="300")) == 0
    assert (tmp_path / "told").exists()
    other.execute("ROLLBACK")
    other.close()
    assert rig.work(store, log).status is hr.Status.SUCCEEDED
    assert rig.repeated(rig.executions(log)) == 0
    assert hr.open_store(store).verify() == []


def test_a_lock_in_the_middle_of_a_run_loses_nothing(tmp_path: Path) -> None:
    """Short: the run waits. For ever: it stops with StorageError, and goes on later."""
    store, log = tmp_path / "runs.db", tmp_path / "log"

    def run() -> None:
        try:
            rig.work(store, log, 0.1)
        except hr.StorageError:
            (tmp_path / "told").touch()

    pid = rig.in_child(run, HEADRACE_BUSY_MS="1000")
    scripts.until(lambda: len(rig.executions(log)) > 26)
    other = locked(store)
    time.sleep(0.2)
    other.execute("ROLLBACK")
    scripts.until(lambda: len(rig.executions(log)) > 32)
    assert not (tmp_path / "told").exists()
    other.execute("BEGIN IMMEDIATE")
    assert rig.wait(pid) == 0
    assert (tmp_path / "told").exists()
    other.execute("ROLLBACK")
    other.close()
    run_again = rig.work(store, log)
    assert run_again.status is hr.Status.SUCCEEDED
    assert rig.lost(rig.executions(log)) == []
    calm = tmp_path / "calm.db"
    rig.work(calm)
    assert rig.contents(store) == rig.contents(calm)
    assert hr.open_store(store).verify() == []


def test_readers_while_runs_write_and_prune(tmp_path: Path) -> None:
    """Nobody is told that the store is locked or damaged, whatever they look at."""
    store = tmp_path / "runs.db"
    rig.work(store)
    readers = [scripts.start(tmp_path, READER, name=f"reader{number}") for number in range(3)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    failed: list[BaseException] = []

    def prune() -> None:
        opened = hr.open_store(store)
        try:
            while not (tmp_path / "stop").exists():
                opened.prune(keep_last=1)
                time.sleep(0.02)
        except BaseException as error:
            failed.append(error)

    pruner = threading.Thread(target=prune)
    pruner.start()
    end = time.monotonic() + (60 * rig.MINUTES / 4 if rig.MINUTES else 3)
    runs = 0
    while time.monotonic() < end:
        run: Any = rig.work(store, items=rig.ITEMS + runs % 8, seed=runs)
        assert run.status is hr.Status.SUCCEEDED
        runs += 1
    (tmp_path / "stop").touch()
    pruner.join()
    looks = 0
    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err
        looks += int(out)
    assert not failed
    assert runs >= 2
    assert looks > 3
    opened = hr.open_store(store)
    opened.prune(keep_last=1)
    opened.prune(keep_last=1)
    files = sum(path.is_file() for path in (tmp_path / "runs.db-blobs").rglob("*"))
    assert files == opened.sql("SELECT count(*) AS n FROM blob")[0]["n"]
    assert opened.verify() == []
    rig.report("readers beside runs and prunes", runs=runs, looks=looks, errors=0)
