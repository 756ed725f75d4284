import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import types

import pytest

from headrace.types import ProgressReport, StageReport, Status
from headrace.widgets import progress


def report(done=5, stage="words", **more):
    stages = (StageReport("words", Status.RUNNING, 10, done, 0, 0), StageReport("sum", Status.PENDING))
    bars = {"words": done / 10, "sum": 0.0}
    return ProgressReport(stage, done, 10, 2.0, 3.0, 2.5, stage_progress=bars, stages=stages, **more)


class Screen(io.StringIO):
    def isatty(self):
        return True


def look(monkeypatch):
    """Replace stderr by a terminal; from inside the test, as pytest sets stderr before each."""
    monkeypatch.setattr(sys, "stderr", Screen())
    return sys.stderr


def test_a_terminal_gets_a_bar(monkeypatch):
    screen = look(monkeypatch)
    with progress.display("auto", "count") as show:
        show(report())
        show(report(6, errors=2))
    last = screen.getvalue().split("\r")[-1]
    assert last.startswith("count:  60%|")
    assert "6/10, words, 2.5/s, 2.0 s, 3.0 s left, 2 errors" in last


def test_nobody_looking_means_nothing_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.display("auto", "count") as show:
        show(report())
    assert sys.stderr.getvalue() == ""
    with progress.display(True, "count") as show:
        show(report())
    assert "50%" in sys.stderr.getvalue()


def test_false_shows_nothing(monkeypatch):
    screen = look(monkeypatch)
    with progress.display(False, "count") as show:
        show(report())
    assert screen.getvalue() == ""


def test_drawing_is_throttled_and_the_last_state_is_drawn(monkeypatch):
    screen = look(monkeypatch)
    monkeypatch.setattr(progress._Terminal, "interval", 1000.0)
    with progress.display(True, "count") as show:
        for done in range(10):
            show(report(done))
    drawn = screen.getvalue()
    assert "0/10" in drawn
    assert "9/10" in drawn
    assert "5/10" not in drawn


@pytest.mark.parametrize("columns", [0, 60])
def test_a_terminal_that_does_not_say_how_wide_it_is_gets_a_bar_too(monkeypatch, columns):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.display("auto", "count") as show:
            show(report(6))
        terminal.flush()
        os.set_blocking(ours, False)
        drawn = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(ours, 10_000):
                drawn += part
    os.close(ours)
    drawn = drawn.decode()
    assert "60%" in drawn
    assert max(len(line.rstrip("\n")) for line in re.split(r"[\r\n]+", drawn)) <= (columns or 80)


def test_the_bar_is_closed_when_the_run_fails(monkeypatch):
    screen = look(monkeypatch)
    with pytest.raises(KeyboardInterrupt), progress.display(True, "count") as show:
        show(report())
        raise KeyboardInterrupt
    assert screen.getvalue().endswith("\n")


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, content, raw):
        assert raw
        self.shown.append(content)


@pytest.fixture
def notebook(monkeypatch):
    """A kernel's side of IPython, as far as progress uses it."""
    shown = []

    def show(content, raw, display_id):
        assert raw
        assert display_id
        shown.append(content)
        return Handle(shown)

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = show
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.setattr(progress._Notebook, "interval", 0.0)
    return shown


def test_a_notebook_gets_one_display_with_html_and_text(notebook):
    with progress.display("auto", "count") as show:
        show(report())
        show(report(10, None))
    assert len(notebook) == 3
    assert "50%" in notebook[0]["text/html"]
    last = notebook[-1]
    assert last["text/plain"].splitlines() == [
        "count: 10/10 units (100%), 2.5/s, 2.0 s",
        "  words  running            10/10  10 executed",
        "  sum    pending              0/0",
    ]
    assert "<script" not in last["text/html"]
    assert "count" in last["text/html"]


def test_without_a_kernel_there_is_no_notebook():
    assert not progress.in_notebook()
