import asyncio
import csv
import datetime
import functools
import glob
import json
import os
import random
import socket
import subprocess
import threading
import time
import urllib.request
import uuid
from datetime import datetime as moment
from os import environ
from os.path import lexists
from pathlib import Path

import numpy as np
import pytest

from headrace._internal.world import Watch, unchanged, unfollowable

TABLE = {"a": 1}
LOCK = threading.Lock()


def documents(ctx):
    return {p.name: p.read_text() for p in sorted(Path(ctx.params["folder"]).glob("*.txt"))}


def rows(ctx):
    with open(os.path.join(ctx.params["folder"], "a.csv"), newline="") as file, LOCK:
        return [dict(row, total=helper(row)) for row in csv.DictReader(file)]


def helper(row):
    return np.sqrt(float(row["n"])) + TABLE["a"] + datetime.timedelta(days=1).days


def listed(ctx):
    return [json.loads(Path(ctx.params["folder"], name).read_bytes()) for name in os.listdir(ctx.params["folder"])]


def constant(ctx):
    return list(range(10))


class Reader:
    def __init__(self, suffix):
        self.suffix = suffix

    def __call__(self, ctx):
        return [p.name for p in Path(ctx.params["folder"]).iterdir() if p.name.endswith(self.suffix)]


@pytest.mark.parametrize("function", [documents, rows, listed, constant, Reader(".txt"), functools.partial(documents)])
def test_functions_that_can_be_followed(function):
    assert unfollowable(function) is None


def clock(ctx):
    return moment.now()


def clock_in_a_helper(ctx):
    return inner_clock()


def inner_clock():
    return time.time()


def chance(ctx):
    return random.random()


def numpy_chance(ctx):
    return np.random.default_rng().random()


def environment(ctx):
    return os.environ["X"]


def fetched(ctx):
    return urllib.request.urlopen("http://x").read()


def existing(ctx):
    return Path("x").exists()


def imported(ctx):
    import requests

    return requests.get("x")


def own_import(ctx):
    from test_types import Status

    return Status


async def asynchronous(ctx):
    return 1


def evaluated(ctx):
    return eval("1")


def process(ctx):
    return subprocess.run(["true"], check=True)


class Client:
    def get(self):
        return socket.create_connection(("x", 1))


CLIENT = Client()


def through_a_method(ctx):
    return CLIENT.get()


def through_a_class(ctx):
    return Client().get()


def chance_by_id(ctx):
    return uuid.uuid4()


def threads(ctx):
    threading.Thread(target=print).start()


def environment_by_name(ctx):
    return environ["X"]


def exists_by_name(ctx):
    return lexists("x")


def from_os(ctx):
    from os import getpid

    return getpid()


@pytest.mark.parametrize(
    "function, reason",
    [
        (clock, "now"),
        (clock_in_a_helper, "time"),
        (chance, "random"),
        (numpy_chance, "default_rng"),
        (environment, "environ"),
        (fetched, "urllib"),
        (existing, "exists"),
        (imported, "requests"),
        (own_import, "imports test_types"),
        (asynchronous, "asynchronous"),
        (evaluated, "eval"),
        (process, "subprocess"),
        (through_a_method, "socket"),
        (through_a_class, "socket"),
        (chance_by_id, "uuid4"),
        (threads, "Thread"),
        (environment_by_name, "_Environ"),
        (exists_by_name, "lexists"),
        (from_os, "getpid"),
        (len, "no Python code"),
        (asyncio.run, "asyncio"),
    ],
)
def test_functions_that_can_not_be_followed(function, reason):
    assert reason in unfollowable(function)
    watch = Watch(function)
    with watch:
        pass
    assert watch.snapshot() is None


@pytest.fixture
def folder(tmp_path):
    for name, text in (("a.txt", "one"), ("b.txt", "two"), ("c.md", "three")):
        (tmp_path / name).write_text(text)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.txt").write_text("four")
    return tmp_path


def age(*paths):
    """Give files a time stamp that is old enough to be trusted."""
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))


def watched(function):
    watch = Watch()
    with watch:
        function()
    assert watch.opaque is None, watch.opaque
    snapshot = json.loads(json.dumps(watch.snapshot()))
    assert unchanged(snapshot)
    return snapshot


def read_all(folder):
    return {p.name: p.read_text() for p in sorted(folder.glob("*.txt"))}


CHANGES = {
    "content of the same length": lambda f: (f / "a.txt").write_text("eno"),
    "longer": lambda f: (f / "a.txt").write_text("longer"),
    "new": lambda f: (f / "new.txt").write_text("x"),
    "gone": lambda f: (f / "a.txt").unlink(),
    "renamed": lambda f: (f / "a.txt").rename(f / "z.txt"),
    "replaced": lambda f: ((f / "t").write_text("eno"), (f / "t").replace(f / "a.txt")),
    "folder gone": lambda f: f.rename(f.parent / f"{f.name}-moved"),
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_noticed(folder, name, old):
    if old:
        age(*folder.iterdir(), folder)
    snapshot = watched(lambda: read_all(folder))
    CHANGES[name](folder)
    assert not unchanged(snapshot)


def test_a_time_stamp_put_back_is_noticed(folder):
    age(*folder.iterdir(), folder)
    snapshot = watched(lambda: read_all(folder))
    (folder / "a.txt").write_text("eno")
    age(*folder.iterdir(), folder)
    assert not unchanged(snapshot)


def test_what_was_not_seen_may_change(folder):
    snapshot = watched((folder / "a.txt").read_text)
    (folder / "b.txt").write_text("x")
    (folder / "new.txt").write_text("x")
    assert unchanged(snapshot)


def missing(path):
    with pytest.raises(FileNotFoundError):
        path.read_text()


LOOKS = {
    "glob": lambda f: list(f.glob("*.txt")),
    "rglob": lambda f: list(f.rglob("*.txt")),
    "glob deep": lambda f: list(f.glob("**/d.txt")),
    "iterdir": lambda f: list(f.iterdir()),
    "walk": lambda f: list(os.walk(f)),
    "glob module": lambda f: glob.glob(str(f / "*.txt")),
    "glob module, root": lambda f: glob.glob("*.txt", root_dir=f),
    "glob module, deep": lambda f: glob.glob("**/*.txt", root_dir=f, recursive=True),
    "precise": lambda f: list(f.glob("new.txt")),
    "precise module": lambda f: glob.glob(str(f / "new.txt")),
    "missing": lambda f: missing(f / "new.txt"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_ways_to_look_are_followed(folder, name):
    snapshot = watched(lambda: LOOKS[name](folder))
    (folder / "new.txt").write_text("x")
    assert not unchanged(snapshot)


@pytest.mark.parametrize("name", ["rglob", "glob deep", "walk", "glob module, deep"])
def test_deep_looks_see_deep_changes(folder, name):
    snapshot = watched(lambda: LOOKS[name](folder))
    (folder / "sub" / "new.txt").write_text("x")
    assert not unchanged(snapshot)


def test_a_missing_folder_that_comes_is_noticed(folder):
    snapshot = watched(lambda: list((folder / "later").glob("*.txt")))
    (folder / "later").mkdir()
    assert not unchanged(snapshot)


def connect(folder):
    with socket.socket() as s:
        s.connect_ex(("127.0.0.1", 9))


@pytest.mark.parametrize(
    "look, reason",
    [
        (lambda f: subprocess.run(["true"], check=True), "subprocess"),
        (connect, "socket"),
        (lambda f: (f / "out").write_text("x"), "writes"),
        (lambda f: Path("/proc/self/stat").read_text(), "/proc/self/stat"),
        (lambda f: list(f.glob("*/d.txt")), "looks for d.txt"),
        (lambda f: os.listdir(os.open(f, os.O_RDONLY)), "file descriptor"),
        (lambda f: (f / "a.txt").unlink(), "os.remove"),
    ],
)
def test_other_looks_are_opaque(folder, look, reason):
    watch = Watch()
    with watch:
        look(folder)
    assert reason in watch.opaque
    assert watch.snapshot() is None


def test_changes_while_it_looks_are_noticed(folder):
    watch = Watch()
    with watch:
        read_all(folder)
    (folder / "a.txt").write_text("changed")
    assert watch.snapshot() is None


def test_the_working_directory_counts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    snapshot = watched(lambda: Path("a.txt").read_text())
    monkeypatch.chdir(folder / "sub")
    assert not unchanged(snapshot)
    monkeypatch.chdir(folder)
    assert unchanged(snapshot)


def test_a_watch_sees_its_own_thread_only(folder):
    watch = Watch()
    with watch:
        pass
    (folder / "a.txt").read_text()
    done = threading.Thread(target=(folder / "a.txt").read_text)
    done.start()
    done.join()
    assert watch.seen == {}
    with watch, Watch() as inner:
        (folder / "b.txt").read_text()
    with watch:
        (folder / "c.md").read_text()
    assert list(inner.seen) == [str(folder / "b.txt")]
    assert list(watch.seen) == [str(folder / "c.md")]


def test_imports_are_no_looks(folder):
    watch = Watch()
    with watch:
        import colorsys  # noqa: F401 - a module that nothing else imports
    assert watch.opaque is None
    assert watch.seen == {}


@pytest.mark.parametrize("snapshot", [None, {}, {"version": 2}, {"version": 1}, {"version": 1, "seen": [[1]]}])
def test_doubt_is_a_change(snapshot):
    assert not unchanged(snapshot)
