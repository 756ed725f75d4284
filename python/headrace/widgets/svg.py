"""Pictures as SVG text: the DAG of a pipeline, a run's timeline, its throughput and its errors.

Pure functions. Lines and texts take the colour of the page (``currentColor``), so that they read on light and dark
grounds; fills are mid-tones with the meaning also written, never by colour alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from headrace.types import Failure, StageReport
from headrace.widgets.html import ACCENTS, rate_text, seconds_text

__all__ = ["dag", "errors", "throughput", "timeline"]

Node = tuple[str, str, Sequence[str]]  # name, form, names of the stages before it

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,sans-serif"
CHARACTER = 7.2  # pixels, on average, at 13 px
BOLD_CHARACTER = 7.8
FORM_COLOURS = {
    "step": "#8a8f98",
    "source": "#2e9e5b",
    "map": "#3b82d6",
    "flat_map": "#3b82d6",
    "batch": "#9a6fb0",
    "group": "#c98a1b",
}


def _picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%;height:auto;color:inherit" '
        f'font-family="{FONT}" font-size="13"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, content: str, anchor: str = "start", opacity: float = 1.0, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" '
        f'fill-opacity="{opacity:g}" font-weight="{weight}">{escape(content)}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, fill: str, title: str = "", opacity: float = 1.0) -> str:
    hint = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="3" '
        f'fill="{fill}" fill-opacity="{opacity:g}">{hint}</rect>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, opacity: float = 0.25) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" stroke-opacity="{opacity:g}"/>'
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- the DAG ------------------------------------------------------------------------------------------------------


def dag(stages: Sequence[Node], reports: Mapping[str, StageReport] | None = None) -> str:
    """Return the graph of a pipeline's stages, from left to right; with ``reports``, their states and counts."""
    layout = _Layout(stages, {name: _below(form, (reports or {}).get(name)) for name, form, _ in stages})
    edges = [layout.edge(before, name) for name, _, after in stages for before in after if before in layout.columns]
    boxes = [_box(layout, name, form, (reports or {}).get(name)) for name, form, _ in stages]
    title = "stages: " + ", ".join(name for name, _, _ in stages)
    return _picture(layout.width, layout.height, title, [*edges, *boxes])


def _below(form: str, report: StageReport | None) -> str:
    return f"{report.done:,}/{report.total:,} {report.status}" if report else form


Place = tuple[float, float, float, float]  # x, y, width, height

BOX_HEIGHT, PASS_HEIGHT, GAP_X, GAP_Y, MARGIN = 46.0, 10.0, 46.0, 14.0, 8.0


class _Layout:
    """Where everything lies. A stage's column is the length of the longest way to it; in a column, each is near the
    middle of what it depends on. Where an edge passes a column, a gap is kept for it."""

    def __init__(self, stages: Sequence[Node], below: Mapping[str, str]):
        self.columns = _columns(stages)
        self.below = below
        self.passes: dict[tuple[str, str], list[str]] = {}  # edge -> the gaps it goes through
        rows: list[list[str]] = [[] for _ in range(max(self.columns.values(), default=-1) + 1)]
        before: dict[str, list[str]] = {}
        for name, _, after in stages:
            rows[self.columns[name]].append(name)
            before[name] = [self._gaps(rows, before, b, name) for b in after if b in self.columns]
        self.places: dict[str, Place] = {}
        self.width, self.height = self._place(rows, before)

    def _gaps(self, rows: list[list[str]], before: dict[str, list[str]], start: str, end: str) -> str:
        """Reserve the gaps of an edge; the answer is the last thing before its end."""
        last = start
        gaps = []
        for column in range(self.columns[start] + 1, self.columns[end]):
            gap = f"{start}\0{end}\0{column}"
            rows[column].append(gap)
            before[gap] = [last]
            gaps.append(gap)
            last = gap
        self.passes[start, end] = gaps
        return last

    def _place(self, rows: list[list[str]], before: dict[str, list[str]]) -> tuple[float, float]:
        heights = [sum(self._size(name)[1] + GAP_Y for name in row) - GAP_Y for row in rows]
        tallest = max([BOX_HEIGHT, *heights])
        x = MARGIN
        for row, height in zip(rows, heights, strict=True):
            middles = {name: _mean([self._middle(b) for b in before[name] if b in self.places]) for name in row}
            row.sort(key=lambda name: middles[name])
            width = max((self._size(name)[0] for name in row), default=0.0)
            y = MARGIN + (tallest - height) / 2
            for name in row:
                self.places[name] = (x, y, width, self._size(name)[1])
                y += self._size(name)[1] + GAP_Y
            x += width + GAP_X
        return max(x - GAP_X, MARGIN) + MARGIN, tallest + 2 * MARGIN

    def _size(self, name: str) -> tuple[float, float]:
        if "\0" in name:
            return 0.0, PASS_HEIGHT
        longest = max(len(_short(name, 28)) * BOLD_CHARACTER, len(_short(self.below[name], 30)) * CHARACTER)
        return max(96.0, longest + 24), BOX_HEIGHT

    def _middle(self, name: str) -> float:
        return self.places[name][1] + self.places[name][3] / 2

    def edge(self, start: str, end: str) -> str:
        """The line from one stage to the next, through its gaps, with an arrow at its end."""
        x, y = self.places[start][0] + self.places[start][2], self._middle(start)
        way = [f"M{x:.1f} {y:.1f}"]
        for name in [*self.passes[start, end], end]:
            left, middle = self.places[name][0], self._middle(name)
            bend = max((left - x) / 2, 18)
            way.append(f"C{x + bend:.1f} {y:.1f} {left - bend:.1f} {middle:.1f} {left:.1f} {middle:.1f}")
            x, y = left, middle
            if name != end:
                x += self.places[name][2]
                way.append(f"L{x:.1f} {y:.1f}")
        line = f'<path class="edge" d="{"".join(way)}" fill="none" stroke="currentColor" stroke-opacity="0.55"/>'
        return (
            line + f'<path d="M{x - 7:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - 7:.1f} {y + 4:.1f}z" fill="currentColor"/>'
        )


def _columns(stages: Sequence[Node]) -> dict[str, int]:
    columns = {name: 0 for name, _, _ in stages}
    for _ in stages:  # a cycle, which validation refuses, must not hang a drawing
        for name, _, after in stages:
            column = max((columns[b] + 1 for b in after if b in columns), default=0)
            columns[name] = min(max(column, columns[name]), len(stages) - 1)
    return columns


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _box(layout: _Layout, name: str, form: str, report: StageReport | None) -> str:
    x, y, width, height = layout.places[name]
    colour = ACCENTS.get(str(report.status), "#8a8f98") if report else FORM_COLOURS.get(form, "#8a8f98")
    outline = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" fill="{colour}" '
        f'fill-opacity="0.14" stroke="{colour}" stroke-width="1.5"><title>{escape(f"{name} ({form})")}</title></rect>'
    )
    middle = x + width / 2
    return (
        outline
        + _text(middle, y + 20, _short(name, 28), "middle", weight=600)
        + _text(middle, y + 37, _short(layout.below[name], 30), "middle", 0.7)
    )


# ---- time ---------------------------------------------------------------------------------------------------------

LABELS, CHART, ROW = 150.0, 520.0, 26.0


def timeline(stages: Iterable[StageReport]) -> str:
    """Return when each stage worked, as bars along the time (a Gantt chart)."""
    timed = [s for s in stages if s.started_at is not None]
    if not timed:
        return _picture(320, 30, "no stage has started", [_text(4, 20, "no stage has started", opacity=0.7)])
    start = min(s.started_at or 0.0 for s in timed)
    end = max(max(s.finished_at or s.started_at or 0.0, s.started_at or 0.0) for s in timed)
    span = max(end - start, 1e-6)
    scale = CHART / span
    height = len(timed) * ROW + 30
    parts = []
    for tick in _ticks(span):
        x = LABELS + tick * scale
        parts += [_line(x, 4, x, height - 22), _text(x, height - 6, seconds_text(tick) if tick else "0", "middle", 0.7)]
    for row, stage in enumerate(timed):
        y = 6 + row * ROW
        began = ((stage.started_at or start) - start) * scale
        length = max(((stage.finished_at or end) - (stage.started_at or start)) * scale, 2)
        shown = f"{stage.name}: {seconds_text(length / scale)}, {stage.status}"
        parts += [
            _text(LABELS - 8, y + 14, _short(stage.name, 19), "end"),
            _rect(LABELS + began, y, length, ROW - 8, ACCENTS.get(str(stage.status), "#8a8f98"), shown, 0.85),
        ]
    return _picture(LABELS + CHART + 40, height, f"timeline over {seconds_text(span)}", parts)


def _ticks(span: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to ``span``."""
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [n * step for n in range(int(span / step + 1e-9) + 1)]


def throughput(samples: Sequence[tuple[float, float]]) -> str:
    """Return units a second over time. ``samples``: (seconds since the start, units done so far), in order."""
    rates = [
        (later, (done - before) / (later - earlier))
        for (earlier, before), (later, done) in itertools.pairwise(samples)
        if later > earlier
    ]
    if not rates:
        return _picture(320, 30, "no throughput yet", [_text(4, 20, "no throughput yet", opacity=0.7)])
    left, width, height = 70.0, 600.0, 140.0
    span = max(rates[-1][0] - samples[0][0], 1e-6)
    highest = max(1e-9, *(rate for _, rate in rates))
    parts = []
    for tick in [t for t in _ticks(highest, 3) if t <= highest * 1.05]:
        y = 10 + height * (1 - tick / highest)
        parts += [_line(left, y, left + width, y), _text(left - 8, y + 4, f"{rate_text(tick)}/s", "end", 0.7)]
    for tick in _ticks(span):
        label = seconds_text(tick) if tick else "0"
        parts.append(_text(left + width * tick / span, height + 30, label, "middle", 0.7))
    points = " ".join(
        f"{left + width * (at - samples[0][0]) / span:.1f},{10 + height * (1 - rate / highest):.1f}"
        for at, rate in rates
    )
    parts.append(f'<polyline points="{points}" fill="none" stroke="{ACCENTS["running"]}" stroke-width="2"/>')
    return _picture(left + width + 40, height + 40, f"throughput, at most {rate_text(highest)} units a second", parts)


# ---- errors -------------------------------------------------------------------------------------------------------


def errors(failures: Iterable[Failure]) -> str:
    """Return how many failures there are of each category and type, the most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for failure in failures:
        kind = (failure.category, failure.error_type)
        counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return _picture(320, 30, "no errors", [_text(4, 20, "no errors", opacity=0.7)])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    most, label = ordered[0][1], 250.0
    parts = []
    for row, ((category, error_type), count) in enumerate(ordered):
        y, length = 4 + row * ROW, 340.0 * count / most
        parts += [
            _text(label - 8, y + 14, _short(f"{category}: {error_type}", 33), "end"),
            _rect(label, y, max(length, 2), ROW - 8, ACCENTS["failed"], f"{count:,} x {error_type}", 0.85),
            _text(label + max(length, 2) + 6, y + 14, f"{count:,}", opacity=0.8),
        ]
    return _picture(label + 420, len(ordered) * ROW + 8, "errors by category", parts)
