"""One row of the benchmark table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Row:
    """A figure of ours, its goal, and a peer's figure for the same work where there is one."""

    topic: str
    what: str
    ours: float
    unit: str
    goal: str
    peer: str = ""
    peer_value: float | None = None
