"""Real processes, killed anywhere: nothing is lost, nothing is there twice, what was finished stays untouched."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from documents_shelf import Shelf

import headrace as hr

COMMAND = [sys.executable, "-m", "headrace", "documents", "run"]


def write_documents(shelf: Shelf, count: int) -> None:
    shelf.folder.mkdir(exist_ok=True)
    for number in range(count):
        text = "\n\n".join(f"## Part {part}\n\nText {number}/{part} of many words." * 3 for part in range(number % 5))
        (shelf.folder / f"{number:03}.md").write_text(f"# Document {number}\n\nIt begins.\n\n{text}")


def start(shelf: Shelf, *more: str) -> subprocess.Popen[str]:
    command = [*COMMAND, str(shelf.folder), "--store", shelf.store, "--vectors", shelf.vectors, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def executions(shelf: Shelf) -> dict[str, int]:
    """How often each stage executed units, over all runs."""
    query = "SELECT name, sum(executed) AS n FROM run_stage GROUP BY name"
    return {row["name"]: row["n"] for row in hr.open_store(shelf.store).sql(query)}


@pytest.fixture
def uninterrupted(tmp_path: Path) -> dict[str, list[str]]:
    other = Shelf(tmp_path / "uninterrupted")
    other.home.mkdir()
    write_documents(other, 120)
    other.run(chunk_size=150)
    return other.stored()


def test_killed_again_and_again(tmp_path: Path, uninterrupted: dict[str, list[str]]) -> None:
    shelf = Shelf(tmp_path)
    write_documents(shelf, 120)
    random_ = random.Random(20260302)
    killed = 0
    for _ in range(20):
        process = start(shelf, "--chunk-size", "150", "--quiet")
        try:
            process.wait(random_.uniform(0.25, 0.9))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        _, told = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told
    else:
        shelf.run(chunk_size=150)
    assert killed >= 1
    assert shelf.stored() == uninterrupted
    done = executions(shelf)
    assert shelf.run(chunk_size=150).counts["executed"] == 0
    assert executions(shelf)["publish"] == done["publish"]


def wait_for_publishing(shelf: Shelf, least: int) -> None:
    """Until the journal says that so many documents are published."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if executions(shelf).get("publish", 0) >= least:
                return
        except hr.HeadraceError:
            pass  # no store yet
        time.sleep(0.02)
    raise AssertionError("nothing was published in time")


def test_what_was_finished_is_not_done_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    write_documents(shelf, 5000)
    process = start(shelf, "--quiet")
    wait_for_publishing(shelf, 50)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    seen = executions(shelf)
    assert 50 <= seen["publish"] < 5000
    done = shelf.run()
    assert done.run.resumed
    assert len(shelf.stored()) == 5000
    for stage in ("convert", "chunk", "embed", "publish"):
        counts = done.summary["stages"][stage]
        assert counts["skipped"] >= seen[stage]
        units = len(done.run.results("chunk")) if stage == "embed" else 5000
        assert counts["executed"] + counts["skipped"] == units


def test_ctrl_c_says_how_to_go_on_and_is_quick(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    write_documents(shelf, 5000)
    process = start(shelf)
    wait_for_publishing(shelf, 20)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert time.monotonic() - began < 1.5  # a second, and the end of an interpreter on a busy machine
    assert process.returncode == 130
    assert "what had finished is recorded, the same command goes on from there" in told
    assert "Traceback" not in told
    done = shelf.run()
    assert done.counts["skipped"] > 0
    assert len(shelf.stored()) == 5000
