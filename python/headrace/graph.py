"""The DAG of a pipeline, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Graph"]


@dataclass(frozen=True)
class Graph:
    """Stages as (name, form, names of the stages before it), in the order they were added."""

    name: str
    stages: tuple[tuple[str, str, Sequence[str]], ...]

    def __str__(self) -> str:
        lines = [f"pipeline {self.name}"]
        for name, form, after in self.stages:
            lines.append(f"  {name} ({form})" + (f" <- {', '.join(after)}" if after else ""))
        return "\n".join(lines)

    def _repr_svg_(self) -> str:
        from headrace.widgets.svg import dag

        return dag(self.stages)

    def _repr_html_(self) -> str:
        return self._repr_svg_()
