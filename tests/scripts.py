"""Real child processes for tests: a script in a file, started with this interpreter."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path


def start(
    folder: Path, source: str, *arguments: object, name: str = "script", **environment: str
) -> "subprocess.Popen[str]":
    """Start ``source`` as a program of its own; its output and errors are pipes of text."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    return subprocess.Popen(
        [sys.executable, str(path), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}, cwd=folder,
    )  # fmt: skip


def run(folder: Path, source: str, *arguments: object, name: str = "script", **environment: str) -> str:
    """Run ``source`` to its end and return what it printed; AssertionError with its errors where it failed."""
    process = start(folder, source, *arguments, name=name, **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def headrace(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command ``headrace`` in a folder: its exit code, what it printed, and its errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "from headrace.cli import main; raise SystemExit(main())", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until ``condition()`` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)
