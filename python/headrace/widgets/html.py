"""HTML of reports for notebooks: pure functions from the public dataclasses to strings.

No script, no outside resource: the output survives a reload, a conversion and a sanitiser. Colours are the
notebook's own (``inherit``, ``currentColor``) with accents that read on light and dark grounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Protocol

from headrace.types import Failure, PlanEntry, ProgressReport, StageReport, Status

__all__ = [
    "failures_table",
    "plan_groups_table",
    "plan_table",
    "progress_view",
    "rate_text",
    "run_view",
    "runs_table",
    "seconds_text",
    "stages_table",
    "table",
]

ACCENTS = {
    "succeeded": "#2e9e5b",
    "running": "#3b82d6",
    "pending": "#8a8f98",
    "failed": "#d64545",
    "partial": "#c98a1b",
    "cancelled": "#9a6fb0",
    "execute": "#3b82d6",
    "skip": "#8a8f98",
    "maybe": "#c98a1b",
}
"""Mid-tone colours: at least 3:1 against white and against a dark notebook."""

_TABLE = "border-collapse:collapse;font-size:90%;margin:.3em 0"
_HEAD = "text-align:{align};padding:.2em .7em;border-bottom:1px solid #8a8f98;font-weight:600"
_CELL = "text-align:{align};padding:.2em .7em;border-bottom:1px solid rgba(138,143,152,.3);vertical-align:top"

_LONG = "max-width:44em;overflow-wrap:anywhere"
"""A message may hold words longer than any page: paths, addresses, hashes."""


def key_text(key: Any) -> str:
    """Return an item's key as people read it: ``a.txt``, ``a.txt / 0``, and nothing for a step."""
    if key is None:
        return ""
    return " / ".join(key_text(part) for part in key) if isinstance(key, tuple) else str(key)


def seconds_text(seconds: float | None) -> str:
    """Return a duration as people read it: ``850 us``, ``12 ms``, ``3.2 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds is None:
        return ""
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def rate_text(rate: float) -> str:
    """Return a number a second as people read it: ``0.25``, ``2.5``, ``6,190``."""
    return f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.3g}"


def counted(count: int, what: str) -> str:
    """Return a number of things as people read it: ``1 dead letter``, ``1,200 dead letters``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def badge(word: str) -> str:
    """Return a status or an action as a coloured word."""
    colour = ACCENTS.get(word, "currentColor")
    return f'<span style="color:{colour};font-weight:600">{escape(word)}</span>'


def _cell(align: str) -> str:
    return _CELL.format(align=align) + (";white-space:nowrap" if align == "right" else "")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[int] = (),
    caption: str = "",
    limit: int = 200,
) -> str:
    """Return an HTML table. Cells are HTML already; ``numeric`` columns align right; beyond ``limit`` rows: a count."""
    aligned = ["right" if n in numeric else "left" for n in range(len(head))]
    body: list[str] = []
    left_out = 0
    for row in rows:
        if len(body) == limit:
            left_out += 1
            continue
        cells = "".join(f'<td style="{_cell(a)}">{c}</td>' for a, c in zip(aligned, row, strict=True))
        body.append(f"<tr>{cells}</tr>")
    top = "".join(f'<th style="{_HEAD.format(align=a)}">{escape(h)}</th>' for a, h in zip(aligned, head, strict=True))
    title = f'<caption style="text-align:left;font-weight:600">{escape(caption)}</caption>' if caption else ""
    note = f'<div style="opacity:.7;font-size:85%">and {left_out} more</div>' if left_out else ""
    return f'<table style="{_TABLE}">{title}<thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table>{note}'


def _latency_text(seconds: float | None) -> str:
    """A unit's time, as HTML: measured in whole microseconds."""
    return "&lt; 1 us" if seconds == 0 else seconds_text(seconds)


def stages_table(stages: Iterable[StageReport], caption: str = "") -> str:
    """Return what each stage did as a table."""
    head = ["stage", "status", "units", "executed", "skipped", "failed", "retries", "time", "p50", "p95"]
    rows = [
        [
            escape(s.name),
            badge(str(s.status)),
            *(f"{n:,}" for n in (s.total, s.executed, s.skipped, s.failed, s.retries)),
            seconds_text(s.seconds or None),
            *("" if s.form == "source" else _latency_text(t) for t in (s.p50, s.p95)),
        ]
        for s in stages
    ]
    return table(head, rows, numeric=range(2, 10), caption=caption)


def failures_table(failures: Iterable[Failure], caption: str = "", limit: int = 200) -> str:
    """Return the dead letters as a table."""
    head = ["stage", "item", "error", "message", "category", "attempts"]
    rows = [
        [
            *(escape(t) for t in (f.stage, key_text(f.key), f.error_type)),
            f'<div style="{_LONG}">{escape(f.message)}</div>',
            escape(f.category),
            str(f.attempts),
        ]
        for f in failures
    ]
    return table(head, rows, numeric=[5], caption=caption, limit=limit)


def plan_table(entries: Iterable[PlanEntry], caption: str = "") -> str:
    """Return a dry run as a table."""
    rows = [[escape(e.stage), escape(key_text(e.key)), badge(e.action), escape(e.reason)] for e in entries]
    return table(["stage", "item", "action", "why"], rows, caption=caption)


def plan_groups_table(groups: Iterable[Any], caption: str = "") -> str:
    """Return a dry run as a table: a row for the items of a stage that would be treated alike."""
    rows = [
        [
            escape(group.stage),
            "" if group.keys[0] is None else f"{len(group.keys):,}",
            badge(group.action),
            escape(group.reason),
            "" if group.keys[0] is None else escape(group.first_keys),
        ]
        for group in groups
    ]
    if not any(row[-1] for row in rows):
        return table(["stage", "action", "why"], [[row[0], *row[2:4]] for row in rows], caption=caption)
    return table(["stage", "items", "action", "why", "which"], rows, numeric=[1], caption=caption)


def bar(fraction: float, colour: str = ACCENTS["running"]) -> str:
    """Return a progress bar of ``fraction`` (0 to 1)."""
    width = 100 * min(max(fraction, 0.0), 1.0)
    filled = f"width:{width:.1f}%;height:100%;background:{colour};border-radius:3px"
    return (
        '<div style="display:inline-block;vertical-align:middle;width:14em;height:.7em;border-radius:3px;'
        f'background:rgba(138,143,152,.3)"><div style="{filled}"></div></div>'
    )


def progress_view(report: ProgressReport, title: str = "") -> str:
    """Return how far a run is: a bar, the numbers, and a bar for each stage."""
    over = report.current_stage is None
    state = _state(report)
    colour = ACCENTS["partial" if report.errors and state == "finished" else _COLOURS.get(state, "running")]
    remaining = None if over else report.estimated_remaining
    left = "" if remaining is None else f", about {seconds_text(remaining)} left"
    counts = f"{report.done:,} of {report.total:,} units ({report.fraction:.0%}), {rate_text(report.rate)} a second"
    faults = "".join(f", {counted(n, w)}" for n, w in ((report.errors, "error"), (report.warnings, "warning")) if n)
    name = f'<div style="font-weight:600">{escape(title)}</div>' if title else ""
    first = (
        f"{name}<div>{bar(report.fraction, colour)} <b>{escape(state)}</b> "
        f"{counts}, {seconds_text(report.elapsed)}{left}{faults}</div>"
    )
    return first + _stage_bars(report)


_COLOURS = {"finished": "succeeded", "stopped": "cancelled", "failed": "failed"}


def _state(report: ProgressReport) -> str:
    """The stage that works; or how it ended."""
    if report.current_stage is not None:
        return report.current_stage
    ends = {str(stage.status) for stage in report.stages}
    return "stopped" if "cancelled" in ends else "failed" if "failed" in ends else "finished"


def _stage_bars(report: ProgressReport) -> str:
    known = {stage.name: stage for stage in report.stages}
    rows = []
    for name, part in report.stage_progress.items():
        stage = known.get(name)
        listing = stage is not None and stage.form == "source" and not stage.status.finished  # of how many is not known
        counts = f"{stage.done:,}" + (" so far" if listing else f" / {stage.total:,}") if stage else ""
        colour = ACCENTS.get(str(stage.status), ACCENTS["running"]) if stage else ACCENTS["running"]
        done = "" if listing else f"{part:.0%}"
        shown = "" if listing else bar(part, colour)
        rows.append([escape(name), shown, done, counts, badge(str(stage.status)) if stage else ""])
    return table(["stage", "", "done", "units", ""], rows, numeric=[2, 3]) if rows else ""


class RunLike(Protocol):
    """What a view needs of a run: of one in this process, or out of a store."""

    @property
    def id(self) -> str:
        """The run's id."""

    @property
    def status(self) -> Status:
        """How the run stands."""

    @property
    def stages(self) -> Sequence[StageReport]:
        """One report a stage."""

    @property
    def failures(self) -> Sequence[Failure]:
        """The dead letters."""


def run_view(run: RunLike) -> str:
    """Return a run: its state, what each stage did, and its dead letters."""
    pipeline = getattr(run, "pipeline", "")
    name = str(getattr(pipeline, "name", pipeline))
    message = str(getattr(run, "message", "") or "")
    head = f"<div><b>{escape(name)}</b> run <code>{escape(run.id)}</code>: {badge(str(run.status))}"
    said = f' <span style="opacity:.8">{escape(message)}</span></div>' if message else "</div>"
    failures = list(run.failures)
    letters = failures_table(failures, counted(len(failures), "dead letter"), limit=20) if failures else ""
    return head + said + stages_table(run.stages) + letters


def runs_table(runs: Iterable[Any], limit: int = 50, link: Callable[[Any], str] | None = None) -> str:
    """Return runs out of a store, as they come (newest first). ``link``: the address of a run's own page."""
    rows = (
        [
            f"<code>{_linked(run, link)}</code>",
            escape(str(run.pipeline)),
            badge(str(run.status)),
            moment_text(run.started_at),
            "" if run.finished_at is None else seconds_text(run.finished_at - run.started_at),
            escape(run.message or ""),
        ]
        for run in runs
    )
    return table(["run", "pipeline", "status", "started", "time", ""], rows, numeric=[4], limit=limit)


def _linked(run: Any, link: Callable[[Any], str] | None) -> str:
    return escape(run.id) if link is None else f'<a href="{escape(link(run))}">{escape(run.id)}</a>'


def moment_text(unix_seconds: float) -> str:
    """Return a moment in local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_seconds))
