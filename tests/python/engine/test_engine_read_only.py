"""Somebody else's store: readable, not writable; and its folder neither. Looking leaves nothing behind."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts
from headrace import cli

NOBODY = 65534


def pipeline() -> hr.Pipeline:
    pipe = hr.Pipeline("theirs")

    @pipe.step
    def items(ctx: Any) -> dict[str, str]:
        return {"a": "x" * 100_000, "b": "short"}

    @pipe.map(over=items)
    def work(ctx: Any, text: str) -> str:
        if text == ctx.params.get("bad"):
            raise ValueError("it is bad")
        return text * 2

    return pipe


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others can reach, with a store that was closed; pytest's own folders are for one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-read-only-"))
    try:
        pipeline().run({"bad": "short"}, folder / "runs.db")
        folder.chmod(0o755)
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    """What the body does, it does as a user without rights, where these tests are run by root."""
    root = os.geteuid() == 0
    if root:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


@contextlib.contextmanager
def as_a_reader(folder: Path, sidecars: bool = True, writable_folder: bool = False) -> Iterator[None]:
    """What the body does, it does as somebody who may read the store (and the files beside it), and not write it."""
    for path in [*folder.rglob("*")]:
        given = path.name == "runs.db" or sidecars
        path.chmod((0o555 if path.is_dir() else 0o444) if given else (0o500 if path.is_dir() else 0o400))
    folder.chmod(0o777 if writable_folder else 0o555)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    try:
        with _nobody():
            yield
    finally:
        after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        folder.chmod(0o755)
    assert after == before


@pytest.mark.parametrize("writable_folder", [False, True])
def test_a_store_that_may_only_be_read_is_read_whole(folder: Path, writable_folder: bool) -> None:
    with as_a_reader(folder, writable_folder=writable_folder):
        store = hr.open_store(folder / "runs.db")
        (run,) = store.runs()
        assert run.status is hr.Status.PARTIAL
        assert run.results("work") == {"a": "x" * 200_000}
        assert [letter.message for letter in run.failures] == ["it is bad"]
        assert store.sql("SELECT count(*) AS n FROM results")[0]["n"] == 2
        assert len(store.events(run.id)) > 2
        assert store.verify() == []
        assert [entry.action for entry in pipeline().plan({"bad": "short"}, store)] == ["skip", "execute", "skip"]


def test_the_name_of_a_file_is_no_address(folder: Path) -> None:
    odd = folder / "50% a?b=c#d.db"
    pipeline().run({}, odd)
    with as_a_reader(folder):
        assert hr.open_store(odd).verify() == []
        assert hr.open_store(odd).runs()[0].status is hr.Status.SUCCEEDED


def test_the_command_line_looks_at_it_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "runs.db")
    run_id = hr.open_store(path).runs()[0].id
    commands = (["runs"], ["show", run_id], ["events", run_id], ["verify"])
    expected = [(cli.main([*words, "--store", path]), capsys.readouterr()) for words in commands]
    with as_a_reader(folder):
        told = [(cli.main([*words, "--store", path]), capsys.readouterr()) for words in commands]
    assert told == expected
    assert [code for code, _ in told] == [0, 0, 0, 0]


def test_writing_to_it_is_refused_in_one_line(folder: Path) -> None:
    with as_a_reader(folder):
        store = hr.open_store(folder / "runs.db")
        for write in (
            lambda: pipeline().run(store=store),
            lambda: pipeline().run(store=folder / "runs.db"),
            lambda: store.prune(),
            lambda: store.settle("theirs", "work", "a"),
        ):
            with pytest.raises(hr.StorageError, match=r"can't be written .*: the file or its folder is read-only"):
                write()
        with pytest.raises(hr.StorageError, match=r"the file or its folder is read-only for this user$"):
            store.sql("DELETE FROM run")


def test_what_may_not_be_read_is_named(folder: Path) -> None:
    path = folder / "runs.db"
    with as_a_reader(folder, sidecars=False):  # chmod a+r runs.db, and nothing else
        store = hr.open_store(path)
        assert store.runs()[0].status is hr.Status.PARTIAL
        with pytest.raises(hr.StorageError, match=r"blob file .* can't be read by this user: chmod -R a\+rX"):
            store.runs()[0].results("work")
        faults = store.verify()
        assert any("runs.db-mark can't be read by this user" in fault for fault in faults)
    path.chmod(0o000)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(hr.StorageError, match=r"runs.db can't be read by this user: its owner can allow it"):
            hr.open_store(path)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


WRITER = """
    import time
    import headrace as hr

    pipe = hr.Pipeline("theirs")

    @pipe.step
    def wait(ctx):
        print("started", flush=True)
        time.sleep(2)
        return 1

    pipe.run(store="runs.db")
"""


def test_a_run_of_the_owner_is_watched_while_it_works(folder: Path) -> None:
    process = scripts.start(folder, WRITER)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    sidecars = [folder / f"runs.db{ending}" for ending in ("", "-wal", "-shm")]
    try:
        for path in sidecars:
            path.chmod(0o644)
        with _nobody():
            store = hr.open_store(folder / "runs.db")
            assert store.runs()[0].status is hr.Status.RUNNING  # though the lock may not be seen
            assert store.sql("SELECT 1 AS one") == [{"one": 1}]
            assert [run.status for run in store.runs()] == [hr.Status.RUNNING, hr.Status.PARTIAL]
        os.utime(sidecars[1])  # as if it had just written
        with _nobody(), pytest.raises(hr.StorageError, match="no such table: runs"):
            store.sql("SELECT * FROM runs")  # a mistake of one's own is told as one
        sidecars[2].chmod(0o600)
        if os.geteuid() == 0:
            with _nobody(), pytest.raises(hr.StorageError, match=r"runs.db-shm can't be read by this user: chmod a\+r"):
                hr.open_store(folder / "runs.db")
    finally:
        process.communicate(timeout=30)
    assert hr.open_store(folder / "runs.db").runs()[0].status is hr.Status.SUCCEEDED


def test_what_is_written_while_it_is_read_is_never_mixed(folder: Path) -> None:
    """The owner goes on writing and closing; a reader gets the store of a moment, or is told to try again."""
    path = folder / "runs.db"
    counter = hr.Pipeline("theirs-too")

    @counter.step
    def numbers(ctx: Any) -> list[int]:
        return list(range(200))

    counter.run(store=path)
    writer = scripts.start(
        folder,
        """
        import headrace as hr

        pipe = hr.Pipeline("theirs-too")

        @pipe.step
        def numbers(ctx):
            return list(range(200))

        @pipe.map(over=numbers)
        def work(ctx, n):
            return "x" * 200 + str(n)

        for _ in range(12):
            pipe.run(store="runs.db", fresh=True)
        """,
    )
    good = 0
    while writer.poll() is None:
        for name in ("runs.db", "runs.db-wal", "runs.db-shm", "runs.db-mark"):
            with contextlib.suppress(FileNotFoundError):
                (folder / name).chmod(0o644)
        with _nobody():
            try:
                store = hr.open_store(path)
                runs = store.runs()
                store.sql("SELECT sum(length(value)) FROM results")
                assert len({run.number for run in runs}) == len(runs)
                good += 1
            except hr.StorageError as error:
                assert "try again" in str(error) or "is in use or was left" in str(error), error
    assert writer.communicate() == ("", "")
    assert good > 0
    assert hr.open_store(path).verify() == []


def test_being_disturbed_is_no_damage(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with _nobody():
        store = hr.open_store(folder / "runs.db")
    owner = scripts.start(
        folder,
        """
        import os, time

        print("started", flush=True)
        while os.getppid() != 1:
            os.utime("runs.db-mark")
            time.sleep(0.005)
        """,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "started\n"
        with _nobody():
            scripts.until(lambda: _told_to_try_again(store))  # at once, unless the other process is held up
    finally:
        owner.kill()
        owner.communicate(timeout=30)
    with _nobody():
        assert store.verify() == []


def _told_to_try_again(store: hr.Store) -> bool:
    try:
        assert store.verify() == []
    except hr.StorageError as error:
        assert "was written to while it was read: try again" in str(error)
        return True
    return False


def test_what_a_killed_run_left_is_read_with_its_log(folder: Path) -> None:
    script = WRITER.replace("time.sleep(2)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    process = scripts.start(folder, script)
    process.communicate(timeout=30)
    assert process.returncode == -9
    assert (folder / "runs.db-wal").stat().st_size > 0
    with as_a_reader(folder):
        store = hr.open_store(folder / "runs.db")
        run, before = store.runs()
        assert (run.status, run.message) == (hr.Status.FAILED, "its process died before the end; run again to go on")
        assert before.results("work") == {"a": "x" * 200_000}
        assert store.verify() == []
    (folder / "runs.db-shm").unlink()
    with as_a_reader(folder), pytest.raises(hr.StorageError, match=r"runs.db-shm is missing: its owner must open"):
        hr.open_store(folder / "runs.db")
