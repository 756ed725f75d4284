"""The store as others see it: live progress, rights, secrets, files of another kind, disks that refuse."""

import base64
import gc
import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
import scripts

SLOW = """
    import threading, time
    import headrace as hr

    pipe = hr.Pipeline("slow")

    @pipe.step
    def items(ctx):
        return list(range(400))

    @pipe.map(over=items, workers=2)
    def wait(ctx, n):
        time.sleep(0.01)
        if n == 5:
            ctx.warn("five")
        return n

    pipe.run(store="runs.db")
"""


def simple(name: str = "simple") -> hr.Pipeline:
    pipe = hr.Pipeline(name)

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        return {"a": 1, "b": 2}

    @pipe.map(over=items)
    def double(ctx: Any, n: int) -> int:
        return 2 * n

    return pipe


def has_progress(store: Path) -> bool:
    try:
        runs = hr.open_store(store).runs()
    except hr.StorageError:  # not made yet
        return False
    return bool(runs and runs[0].progress().done > 20)


def test_progress_from_another_process_while_a_run_is_on(tmp_path: Path) -> None:
    process = scripts.start(tmp_path, SLOW)
    try:
        scripts.until(lambda: has_progress(tmp_path / "runs.db"))
        run = hr.open_store(tmp_path / "runs.db").runs()[0]
        assert run.status is hr.Status.RUNNING
        progress = run.progress()
        assert progress.current_stage == "wait"
        assert 20 < progress.done < progress.total
        assert progress.total == 401
        assert progress.rate > 0
        assert progress.estimated_remaining is not None
        assert 0 < progress.stage_progress["wait"] < 1
        assert run.results("wait")["3"] == 3
        plain = sqlite3.connect(tmp_path / "runs.db")
        assert plain.execute("SELECT count(*) FROM results WHERE stage='wait'").fetchone()[0] > 20
        plain.close()
    finally:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    run = hr.open_store(tmp_path / "runs.db").runs()[0]
    assert run.status is hr.Status.SUCCEEDED
    assert run.progress().fraction == 1
    assert run.progress().warnings == 1
    assert run.samples[0]["rss_bytes"] > 0


def test_a_run_whose_process_died_is_not_shown_as_running(tmp_path: Path) -> None:
    process = scripts.start(tmp_path, SLOW)
    scripts.until(lambda: has_progress(tmp_path / "runs.db"))
    process.kill()
    process.communicate(timeout=30)
    run = hr.open_store(tmp_path / "runs.db").runs()[0]
    assert run.status is hr.Status.FAILED
    assert "died" in run.message
    assert run.results("wait")


def test_many_readers_never_meet_a_lock(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    pipe = hr.Pipeline("busy")

    @pipe.step
    def items(ctx: Any) -> list[int]:
        return list(range(20_000))

    @pipe.map(over=items)
    def same(ctx: Any, n: int) -> int:
        return n

    hr.Pipeline("other")
    errors: list[BaseException] = []
    stop = threading.Event()
    simple().run(store=store)

    def look() -> None:
        try:
            last = 0
            while not stop.is_set():
                opened = hr.open_store(store)
                rows = opened.sql("SELECT count(*) AS n FROM results WHERE pipeline='busy' AND stage='same'")
                assert rows[0]["n"] >= last
                last = rows[0]["n"]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    run = pipe.run(store=store)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert run.status is hr.Status.SUCCEEDED


def test_pipelines_share_a_store_at_the_same_time(tmp_path: Path) -> None:
    source = """
        import sys
        import headrace as hr

        pipe = hr.Pipeline(sys.argv[1])

        @pipe.step
        def items(ctx):
            return list(range(500))

        @pipe.map(over=items)
        def square(ctx, n):
            return n * n

        for number in range(3):
            run = pipe.run(store="runs.db", fresh=True)
            assert run.results(square)["20"] == 400
    """
    processes = [scripts.start(tmp_path, source, f"p{n}", name=f"p{n}") for n in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    opened = hr.open_store(tmp_path / "runs.db")
    assert [run.status for run in opened.runs()] == [hr.Status.SUCCEEDED] * 9
    assert opened.verify() == []


def test_all_files_are_0600(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pipe = hr.Pipeline("rights")

        @pipe.step
        def large(ctx: Any) -> bytes:
            assert {path.name for path in tmp_path.iterdir()} >= {"runs.db", "runs.db-wal"}
            ctx.warn("now")
            return b"x" * 200_000

        modes = set()

        @pipe.step(after=large)
        def look(ctx: Any) -> None:
            for path in tmp_path.rglob("*"):
                modes.add((path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode))))

        run = pipe.run(store=tmp_path / "runs.db")
        assert run.failures == []
    finally:
        os.umask(before)
    assert modes == {(False, "0o600"), (True, "0o700")}
    assert list((tmp_path / "runs.db-blobs").rglob("*"))


CANARIES = ("canary-alpha-8d1f", "canary-beta-77c2", "canary-gamma-19aa", "canary-delta-5b0e")


def store_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_secrets_reach_no_byte_of_the_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import pydantic

    alpha, beta, gamma, delta = CANARIES
    pipe = hr.Pipeline("secrets")

    @pipe.step
    def connect(ctx: Any) -> dict[str, str]:
        assert ctx.params["password"] == alpha  # the stage itself gets the real one
        assert ctx.config["gitlab_token"].get_secret_value() == beta
        ctx.warn(f"logging in with {alpha}")
        ctx.log.warning("connected")
        return {"one": "1", "two": "2"}

    @pipe.map(over=connect)
    def fails(ctx: Any, text: str) -> str:
        secret = ctx.config["gitlab_token"].get_secret_value()
        raise ConnectionError(
            f"https://user:{gamma}@host refused: password={delta} token {secret} {ctx.params['password']}"
        )

    @pipe.step(after=fails)
    def unstorable(ctx: Any) -> Any:
        return ctx.config["gitlab_token"]

    run = pipe.run(
        {"password": alpha, "nested": {"api_key": gamma}}, tmp_path / "runs.db",
        config={"gitlab_token": pydantic.SecretStr(beta), "url": f"https://me:{delta}@host/x"},
    )  # fmt: skip
    shown = repr(run) + run._repr_html_() + repr(run.failures) + caplog.text
    held = store_bytes(tmp_path)
    for canary in CANARIES:
        for form in (canary, base64.b64encode(canary.encode()).decode()):
            assert form not in shown
            assert form.encode() not in held
    assert {failure.stage for failure in run.failures} == {"fails", "unstorable"}
    assert hr.open_store(tmp_path / "runs.db").run(run.id).params == {"password": "***", "nested": {"api_key": "***"}}


def test_secrets_inside_objects_are_masked_by_type_and_by_name(tmp_path: Path) -> None:
    import dataclasses
    import typing

    import pydantic

    alpha, beta, gamma, delta = CANARIES

    class Login(pydantic.BaseModel):
        user: str
        password: str
        token: pydantic.SecretStr

    @dataclasses.dataclass
    class Server:
        host: str
        login: Login
        api_key: str
        more: list[Login]

    class Pair(typing.NamedTuple):
        name: str
        secret: str

    def server(secret: str) -> Server:
        login = Login(user="ann", password=alpha, token=pydantic.SecretStr(secret))
        return Server("h", login, gamma, [login])

    pipe = hr.Pipeline("secrets")
    calls: list[str] = []

    @pipe.step
    def connect(ctx: Any) -> str:
        calls.append(ctx.config["server"].login.token.get_secret_value())
        ctx.warn(f"logged in with {alpha} and {gamma}")
        return str(ctx.config["server"].host)

    config = {"server": server(beta), "pair": Pair("n", delta)}
    run = pipe.run(store=tmp_path / "runs.db", config=config)
    assert run.status is hr.Status.SUCCEEDED
    assert calls == [beta]  # the stage itself gets the real one
    held = store_bytes(tmp_path)
    for canary in CANARIES:
        assert canary.encode() not in held
    for shown in (b'"host":"h"', b'"user":"ann"', b'"password":"***"', b'"token":"***"', b'"api_key":"***"'):
        assert shown in held.replace(b": ", b":")
    with pytest.raises(hr.ConfigurationError, match="was given secrets, which are not stored"):
        pipe.run(store=tmp_path / "runs.db", resume=run.id)
    pipe.run(store=tmp_path / "runs.db", config={**config, "server": server("another secret")})
    assert len(calls) == 1  # a secret is no part of the identity


def test_a_secret_in_a_field_that_a_model_does_not_name_is_masked_too(tmp_path: Path) -> None:
    import pydantic

    class Settings(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        host: str

    secrets = {"api_key": "extra-canary-7731", "more": {"password": "extra-canary-7732"}}
    pipe = hr.Pipeline("extra")

    @pipe.step
    def connect(ctx: Any) -> None:
        settings = ctx.config["settings"]
        raise ConnectionError(f"the server said no to {settings.api_key} and {settings.more['password']}")

    config = {"settings": Settings.model_validate({"host": "h", **secrets})}
    run = pipe.run(store=tmp_path / "runs.db", config=config)
    assert run.failures[0].message == "the server said no to *** and ***"
    assert b"extra-canary" not in store_bytes(tmp_path)


def test_text_that_is_not_text_is_damage_in_one_line(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    simple().run(store=store)
    opened = hr.open_store(store)  # opening it later would find the damage at once
    db = sqlite3.connect(store)
    db.execute("UPDATE event SET detail=CAST(x'7bff7d' AS TEXT)")
    db.commit()
    db.close()
    with pytest.raises(hr.CheckpointCorruptionError, match=r"column 'detail' holds a text that is not UTF-8"):
        opened.sql("SELECT detail FROM event")
    with pytest.raises(hr.CheckpointCorruptionError, match="headrace verify"):
        opened.events(opened.runs()[0].id)
    assert opened.verify()
    with pytest.raises(hr.ConfigurationError, match="a query takes None, numbers, strings and bytes"):
        opened.sql("SELECT ?", object())


def test_a_query_takes_whatever_is_a_whole_number(tmp_path: Path) -> None:
    simple().run(store=tmp_path / "runs.db")
    opened = hr.open_store(tmp_path / "runs.db")
    for number in (3, np.int64(3), np.uint8(3), np.array(3)):
        assert opened.sql("SELECT ? AS n, typeof(?1) AS t", number) == [{"n": 3, "t": "integer"}]
    assert opened.sql("SELECT ? AS n, ? AS m", True, np.float64(0.5)) == [{"n": 1, "m": 0.5}]
    for other in (np.arange(2), [3], object()):
        with pytest.raises(hr.ConfigurationError, match="a query takes None, numbers, strings and bytes, not"):
            opened.sql("SELECT ?", other)


def test_home_folders_stay_out_of_messages(tmp_path: Path) -> None:
    pipe = hr.Pipeline("home")

    @pipe.step
    def read(ctx: Any) -> str:
        return (Path.home() / "nothing-here.txt").read_text()

    run = pipe.run(store=tmp_path / "runs.db")
    assert str(Path.home()) + "/" not in run.failures[0].message


def test_a_store_of_a_newer_version(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    simple().run(store=store)
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version=999")
    db.close()
    for attempt in (lambda: hr.open_store(store), lambda: simple().run(store=store)):
        with pytest.raises(hr.StorageError, match=r"format 999.*upgrade headrace"):
            attempt()


def test_files_that_are_not_stores(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes, and there are many of them\n" * 100)
    other = tmp_path / "other.sqlite"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine(x)")
    db.commit()
    db.close()
    kept = text.read_bytes(), other.read_bytes()
    for path in (text, other):
        with pytest.raises(hr.StorageError, match="not a headrace store"):
            simple().run(store=path)
        with pytest.raises(hr.StorageError, match="not a headrace store"):
            hr.open_store(path)
    assert (text.read_bytes(), other.read_bytes()) == kept
    with pytest.raises(hr.StorageError, match="is a folder"):
        simple().run(store=tmp_path)
    with pytest.raises(hr.StorageError, match="there is no store"):
        hr.open_store(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(hr.StorageError, match="No such file"):
        simple().run(store=tmp_path / "no" / "folder" / "runs.db")
    with pytest.raises(hr.ConfigurationError, match="neither the path"):
        simple().run(store=5)  # type: ignore[arg-type]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of four megabytes; the test may fill it or make it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_disk(mounted: Path) -> None:
    store = mounted / "runs.db"
    simple().run(store=store)
    gc.collect()  # a run that nobody holds lets go of its files
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    with pytest.raises(hr.StorageError, match=r"(?i)read-only"):
        simple().run(store=store, fresh=True)
    with pytest.raises(hr.StorageError, match="Read-only"):
        simple().run(store=mounted / "new.db")
    subprocess.run(["mount", "-o", "remount,rw", str(mounted)], check=True)
    assert simple().run(store=store).results("double") == {"a": 2, "b": 4}
    assert hr.open_store(store).verify() == []


def filling() -> hr.Pipeline:
    pipe = hr.Pipeline("filling")

    @pipe.step
    def items(ctx: Any) -> list[int]:
        return list(range(1200))

    @pipe.map(over=items, timeout=20)
    def fill(ctx: Any, n: int) -> str:
        return f"{n:05}" * 1000

    return pipe


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(mounted: Path, tmp_path: Path) -> None:
    store = mounted / "runs.db"
    with pytest.raises(hr.StorageError, match="disk is full"):
        filling().run(store=store)
    subprocess.run(["mount", "-o", "remount,size=40m", str(mounted)], check=True)
    kept = hr.open_store(store).sql("SELECT count(*) AS n FROM results WHERE stage='fill'")[0]["n"]
    run = filling().run(store=store)
    assert run.resumed
    assert run.status is hr.Status.SUCCEEDED
    report = next(stage for stage in run.stages if stage.name == "fill")
    assert (report.executed, report.skipped) == (1200 - kept, kept)
    assert run.results("fill") == filling().run(store=tmp_path / "whole.db").results("fill")
    assert hr.open_store(store).verify() == []


def test_reports_show_themselves_in_a_notebook(tmp_path: Path) -> None:
    pipe = simple()
    run = pipe.run(store=tmp_path / "runs.db")
    opened = hr.open_store(tmp_path / "runs.db")
    for shown in (run, opened, opened.runs()[0], run.progress(), pipe, pipe.graph(), run.stages[0]):
        assert "<" in shown._repr_html_()
    assert "2 units" in repr(run.stages[1])


def test_a_worker_process_leaves_alone_what_its_parent_had_open(tmp_path: Path) -> None:
    pipe = hr.Pipeline("forked")

    @pipe.step(isolation="process", timeout=20)
    def collects(ctx: Any) -> int:
        gc.unfreeze()  # an open store of the parent's, whose threads don't exist here, is garbage now
        return int(gc.collect() > 0)

    gc.disable()
    try:
        knot: list[Any] = [simple().run(store=tmp_path / "other.db")]
        knot.append(knot)
        del knot
        run = pipe.run(store=tmp_path / "runs.db")
    finally:
        gc.enable()
    assert run.failures == []
    assert run.results(collects) == 1
