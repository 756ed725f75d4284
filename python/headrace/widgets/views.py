"""Pictures of a run for a notebook: its stages, its timeline, its throughput, its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.widgets import svg

__all__ = ["Picture", "errors", "stages", "throughput", "timeline"]


@dataclass(frozen=True)
class Picture:
    """An SVG picture: the last value of a cell draws itself; ``svg`` is its text."""

    svg: str = field(repr=False)
    title: str = ""

    def _repr_html_(self) -> str:
        """Inside the page, not as an image of its own: lines and texts take the colours of the notebook."""
        return f"<div>{self.svg}</div>"


def stages(run: Any) -> Picture:
    """The DAG of a run (one in this process, or out of a store), with the state and the counts of each stage."""
    reports = {stage.name: stage for stage in run.stages}
    nodes = [(stage.name, stage.form, tuple(stage.after)) for stage in run.stages]
    return Picture(svg.dag(nodes, reports), "stages")


def timeline(run: Any) -> Picture:
    """When each stage of a run worked (a Gantt chart)."""
    recorded = run.store.run(run.id)  # the times stand in the journal
    return Picture(svg.timeline(recorded.stages), "timeline")


def throughput(samples: Sequence[tuple[float, float]]) -> Picture:
    """Units a second over time. ``samples``: (seconds since the start, units done so far), in order."""
    return Picture(svg.throughput(samples), "throughput")


def errors(run: Any) -> Picture:
    """How many failures of a run there are of each category and type."""
    return Picture(svg.errors(run.failures), "errors")
