"""Disks that fail: full at any write, one failing write, damage at rest. Clear errors; nothing lost, nothing wrong."""

import random
import shutil
from pathlib import Path

import pytest

import headrace as hr
from crash import rig


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nobody disturbed, closed."""
    folder = tmp_path_factory.mktemp("calm")
    assert rig.wait(rig.in_child(lambda: rig.work(folder / "runs.db"))) == 0
    return folder


@pytest.mark.parametrize("kind", ["full", "ioerr"])
def test_a_disk_that_fails_at_every_write(tmp_path: Path, calm: Path, kind: str) -> None:
    """The run raises StorageError (or got by without the write); a resumed one is complete and right."""
    step = 1 if rig.MINUTES else 53
    reference = rig.contents(calm / "runs.db")
    point, failed = 1, 0
    while True:
        folder = tmp_path / f"at{point}"
        folder.mkdir()
        store, log = folder / "runs.db", folder / "log"

        def run(store: Path = store, log: Path = log) -> None:
            try:
                rig.work(store, log)
            except hr.StorageError as error:
                assert "\n" not in str(error)
                (store.parent / "failed").touch()

        assert rig.wait(rig.in_child(run, HEADRACE_FAULT=f"{kind}:{point}")) == 0, point
        whole = not (folder / "failed").exists()
        failed += not whole

        def resume(store: Path = store, log: Path = log) -> None:
            again = rig.work(store, log)
            assert again.status is hr.Status.SUCCEEDED, again.failures
            assert again.store.verify() == []

        assert rig.wait(rig.in_child(resume)) == 0, point
        assert rig.contents(store) == reference, point
        assert rig.lost(rig.executions(log)) == [], point
        shutil.rmtree(folder)
        if (whole and point > 400) or point > 3000:
            break
        point += step
    assert failed > 100 / step
    rig.report(f"{kind} at every {step}. write", runs_that_failed=failed, lost=0, wrong=0)


def use(folder: Path) -> tuple[bool, bool]:
    """Open, verify, read and run a damaged store; (whether the damage was named, whether a result was wrong)."""
    named = wrong = False
    try:
        opened = hr.open_store(folder / "runs.db")
        named = bool(opened.verify())
        found = rig.values(opened.runs()[0])
        wrong = found != rig.values(hr.open_store(folder.parent / "calm.db").runs()[0])
        run = rig.work(folder / "runs.db")
        wrong = wrong or rig.values(run) != found
    except (hr.CheckpointCorruptionError, hr.StorageError):
        named = True
    return named, wrong


def test_flipped_bits_are_named_or_without_effect(tmp_path: Path, calm: Path) -> None:
    """Through the whole of Python; the C++ tests go through every offset."""
    for path in calm.glob("runs.db*"):
        if path.is_file():
            shutil.copy(path, tmp_path / path.name.replace("runs", "calm"))
    shutil.copytree(calm / "runs.db-blobs", tmp_path / "calm.db-blobs")
    whole = (calm / "runs.db").read_bytes()
    used = [at for at, byte in enumerate(whole) if byte]
    chance = random.Random(4)
    named = 0
    places = chance.sample(used, 600 if rig.MINUTES else 40)
    for at in places:
        folder = tmp_path / "damaged"
        shutil.copytree(calm, folder)
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        (folder / "runs.db").write_bytes(damaged)
        found, wrong = use(folder)
        assert not wrong, at
        named += found
        shutil.rmtree(folder)
    assert named > len(places) * 0.8
    rig.report("one flipped bit", tried=len(places), named=named, without_effect=len(places) - named, wrong=0)
