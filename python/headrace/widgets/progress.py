"""Progress while a run goes on: a bar in a terminal, one display in a notebook, nothing where nobody looks.

``display`` is a context manager; what it gives is called with every new ProgressReport and draws no more often than
is useful. In a notebook the last state stays as plain HTML and text, which survive a reload of the page.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from headrace.types import ProgressReport, StageReport
from headrace.widgets.html import counted, progress_view, rate_text, seconds_text

__all__ = ["display", "in_notebook", "progress_text"]

TERMINAL_INTERVAL = 0.1  # seconds between two drawings
NOTEBOOK_INTERVAL = 0.5
UNKNOWN_WIDTH, UNKNOWN_HEIGHT = 80, 24  # of a terminal that doesn't say


class Display(Protocol):
    """Something that shows a report, and what is left of it in the end."""

    interval: float

    def show(self, report: ProgressReport) -> None:
        """Draw ``report`` in the place of the one before."""

    def end(self, report: ProgressReport | None) -> None:
        """Draw for the last time."""


@contextlib.contextmanager
def display(progress: bool | Literal["auto"], title: str) -> Iterator[Callable[[ProgressReport], None]]:
    """Give a function that shows a report. ``"auto"``: where somebody looks; True: always; False: never."""
    target = _target(progress, title)
    if target is None:
        yield lambda report: None
        return
    latest: list[ProgressReport] = []
    drawn_at = 0.0

    def show(report: ProgressReport) -> None:
        nonlocal drawn_at
        latest[:] = [report]
        now = time.monotonic()
        if now - drawn_at >= target.interval:
            drawn_at = now
            target.show(report)

    try:
        yield show
    finally:
        target.end(latest[0] if latest else None)


def _target(progress: bool | Literal["auto"], title: str) -> Display | None:
    if not progress:
        return None
    if in_notebook():
        return _Notebook(title)
    looked_at = sys.stderr is not None and sys.stderr.isatty()
    return _Terminal(title) if looked_at or progress is True else None


def in_notebook() -> bool:
    """Whether this is a kernel that shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class _Terminal:
    """A tqdm bar over all units, on stderr."""

    interval = TERMINAL_INTERVAL

    def __init__(self, title: str):
        from tqdm import tqdm

        width = _width(sys.stderr)  # tqdm draws nothing at all on a terminal that says it has no columns
        self._bar: Any = tqdm(
            total=0,
            desc=title,
            unit="unit",
            file=sys.stderr,
            ncols=None if width else UNKNOWN_WIDTH,
            nrows=None if width else UNKNOWN_HEIGHT,
            dynamic_ncols=bool(width),
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}",
        )

    def show(self, report: ProgressReport) -> None:
        self._bar.total = report.total
        self._bar.n = report.done
        self._bar.set_postfix_str(_details(report), refresh=False)
        self._bar.refresh()

    def end(self, report: ProgressReport | None) -> None:
        if report is not None:
            self.show(report)
        self._bar.close()


def _width(stream: Any) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0


class _Notebook:
    """One display that is updated in place."""

    interval = NOTEBOOK_INTERVAL

    def __init__(self, title: str):
        self._title = title
        self._handle: Any = None

    def show(self, report: ProgressReport) -> None:
        from IPython import display as notebook

        show_in_notebook: Any = notebook.display
        content = {"text/plain": progress_text(report, self._title), "text/html": progress_view(report, self._title)}
        if self._handle is None:
            self._handle = show_in_notebook(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def end(self, report: ProgressReport | None) -> None:
        if report is not None:
            self.show(report)


def _details(report: ProgressReport) -> str:
    parts = [] if report.current_stage is None else [report.current_stage]
    parts += [f"{rate_text(report.rate)}/s", seconds_text(report.elapsed)]
    if report.current_stage is not None and report.estimated_remaining is not None:
        parts.append(f"{seconds_text(report.estimated_remaining)} left")
    parts += [counted(n, word) for n, word in ((report.errors, "error"), (report.warnings, "warning")) if n]
    return ", ".join(parts)


def progress_text(report: ProgressReport, title: str = "") -> str:
    """Return a report as lines of text: the whole, then each stage."""
    head = f"{title + ': ' if title else ''}{report.done:,}/{report.total:,} units ({report.fraction:.0%}), "
    width = max((len(stage.name) for stage in report.stages), default=0)
    return "\n".join([head + _details(report), *(f"  {stage_text(stage, width)}" for stage in report.stages)])


def stage_text(stage: StageReport, width: int = 0) -> str:
    """Return one stage as a line: its counts, and its time."""
    counts = f"{stage.done:,}/{stage.total:,}"
    parts = [
        (stage.executed, "executed"),
        (stage.skipped, "skipped"),
        (stage.failed, "failed"),
        (stage.retries, "retries"),
    ]
    said = ", ".join(f"{count:,} {word}" for count, word in parts if count)
    return f"{stage.name:<{width}}  {stage.status:<9}  {counts:>13}  {said}".rstrip()
