"""Who owns a run: ten starters at once, dead owners, children that outlive them."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import headrace as hr
import scripts
from crash import rig

STARTER = """
    import sys, time
    from pathlib import Path
    import headrace as hr
    from crash import rig

    print("ready", flush=True)
    while not Path("go").exists():
        time.sleep(0.001)
    began = time.monotonic()
    try:
        run = rig.work(Path("runs.db"), Path("log"), 0.05)
        print("worked", run.status.value)
    except hr.RunActiveError as error:
        print("refused", time.monotonic() - began, error)
"""


def starter(folder: Path, number: int) -> Any:
    tests = Path(__file__).resolve().parent.parent
    return scripts.start(folder, STARTER, name=f"starter{number}", PYTHONPATH=str(tests))


def test_of_ten_starters_at_once_one_works(tmp_path: Path) -> None:
    processes = [starter(tmp_path, number) for number in range(10)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        said.append(out)
    assert sum(out.startswith("worked succeeded") for out in said) == 1, said
    refused = [out for out in said if out.startswith("refused")]
    assert len(refused) == 9
    assert all("is being run by process" in out for out in refused)
    assert rig.repeated(rig.executions(tmp_path / "log")) == 0
    opened = hr.open_store(tmp_path / "runs.db")
    assert len(opened.runs()) == 1
    assert opened.verify() == []


def test_a_dead_owners_run_is_taken_over_at_once(tmp_path: Path) -> None:
    store, log = tmp_path / "runs.db", tmp_path / "log"
    pid = rig.in_child(lambda: rig.work(store, log, 0.05))
    scripts.until(lambda: len(rig.executions(log)) > 20)
    refused = False
    try:
        rig.work(store)
    except hr.RunActiveError as error:
        refused = str(pid) in str(error)
    assert refused
    os.kill(pid, signal.SIGKILL)
    rig.wait(pid)
    began = time.monotonic()
    run = rig.work(store, log)
    assert time.monotonic() - began < 5
    assert run.resumed
    assert run.status is hr.Status.SUCCEEDED


def test_a_stale_owner_is_refused(tmp_path: Path) -> None:
    """Somebody removes the lock file: two processes work at once, and only the newer one may write."""
    store, log = tmp_path / "runs.db", tmp_path / "log"

    def own() -> None:
        try:
            rig.work(store, tmp_path / "stale", 0.05)
        except hr.StateInconsistencyError as error:
            (tmp_path / "told").write_text(str(error))

    pid = rig.in_child(own)
    scripts.until(lambda: len(rig.executions(tmp_path / "stale")) > 20)
    os.unlink(f"{store}-lease")
    run = rig.work(store, log)
    assert run.status is hr.Status.SUCCEEDED
    assert rig.wait(pid) == 0
    assert "taken over" in (tmp_path / "told").read_text()
    calm = tmp_path / "calm.db"
    rig.work(calm)
    assert rig.contents(store) == rig.contents(calm)
    assert rig.repeated(rig.executions(log)) == 0
    assert run.store.verify() == []


def test_a_child_that_outlives_its_owner_holds_nothing(tmp_path: Path) -> None:
    """A stage forks and leaves the child behind; the owner is killed. The run is free all the same."""
    store = tmp_path / "runs.db"

    def build(forks: bool) -> hr.Pipeline:
        pipe = hr.Pipeline("forks")

        @pipe.step(version=1)
        def leave(ctx: Any) -> int:
            if ctx.config["forks"]:
                child = os.fork()
                if child == 0:
                    time.sleep(60)
                    os._exit(0)
                (tmp_path / "child").write_text(str(child))
            time.sleep(60 if ctx.config["forks"] else 0)
            return 1

        pipe.config = {"forks": forks}  # type: ignore[attr-defined]
        return pipe

    owner = rig.in_child(lambda: build(True).run(store=store, config={"forks": True}))
    scripts.until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    os.kill(owner, signal.SIGKILL)
    rig.wait(owner)
    try:
        os.kill(child, 0)  # it is alive
        assert build(False).run(store=store, config={"forks": False}).status is hr.Status.SUCCEEDED
    finally:
        os.kill(child, signal.SIGKILL)
