"""The pipeline over time, and what more documents would cost: questions put to the journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError
from headrace.store import open_store
from headrace.widgets.html import badge, counted, moment_text, rate_text, seconds_text, table

__all__ = ["Forecast", "History", "RunFigures", "forecast", "history"]

_DAY = 86400.0
ROUGH_BELOW = 1000
"""Documents: the start of the embedder and what the stores take in advance weigh too much below it."""
_QUERY = """
SELECT r.id, p.name AS pipeline, r.status, r.started_ms, r.finished_ms, s.name, s.total, s.executed, s.skipped, s.failed
FROM run r JOIN pipeline p ON p.id=r.pipeline JOIN run_stage s ON s.run=r.number
WHERE p.name LIKE 'documents:%' AND r.finished_ms IS NOT NULL ORDER BY r.number
"""


@dataclass(frozen=True)
class RunFigures:
    """One run in numbers: of documents, and of chunks that were embedded. Times: Unix time, seconds."""

    run: str
    pipeline: str
    status: str
    started_at: float
    seconds: float
    documents: int
    converted: int
    unchanged: int
    failed: int
    chunks: int

    @property
    def documents_per_second(self) -> float:
        """Documents that were converted, a second of the run."""
        return self.converted / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class History:
    """The runs of a store, oldest first."""

    runs: tuple[RunFigures, ...]

    @property
    def documents_a_day(self) -> float:
        """How fast the sources grow: documents a day, by a straight line through all whole runs; 0: not known."""
        grown = 0.0
        for name in {run.pipeline for run in self.runs}:
            points = [(run.started_at / _DAY, run.documents) for run in self._whole(name)]
            grown += _slope(points)
        return grown

    @property
    def documents(self) -> int:
        """Documents of all sources, by their last whole runs."""
        return sum(self._whole(name)[-1].documents for name in {run.pipeline for run in self.runs} if self._whole(name))

    def _whole(self, pipeline: str) -> list[RunFigures]:
        return [run for run in self.runs if run.pipeline == pipeline and run.status in ("succeeded", "partial")]

    def _repr_html_(self) -> str:
        head = ["started", "pipeline", "status", "documents", "converted", "unchanged", "failed", "time", "a second"]
        return table(head, [_row(run) for run in reversed(self.runs)], numeric=range(3, 9), limit=50)

    def __str__(self) -> str:
        lines = [f"{'started':<20}{'documents':>10}{'converted':>10}{'failed':>8}{'time':>14}{'a second':>10}"]
        lines += [
            f"{moment_text(run.started_at):<20}{run.documents:>10,}{run.converted:>10,}{run.failed:>8,}"
            f"{seconds_text(run.seconds):>14}{rate_text(run.documents_per_second):>10}"
            for run in self.runs
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Forecast:
    """What N documents would take, from what those that are recorded took.

    Attributes:
        documents: N.
        seconds: Of a first run over all of them.
        store_bytes: Of the run store, with its blobs.
        vector_bytes: Of the vector store, where it is a folder; None for a server.
        days_until: Until the sources have that many, as they grow now; None: not known, or never.
        measured: The documents that this rests on; the fewer, the rougher.
    """

    documents: int
    seconds: float
    store_bytes: int
    vector_bytes: int | None
    days_until: float | None
    measured: int

    @property
    def rough(self) -> bool:
        """Whether too few documents were measured to tell more than the order of magnitude."""
        return self.measured < ROUGH_BELOW

    def __str__(self) -> str:
        disk = f"{_size(self.store_bytes)} of run store"
        if self.vector_bytes is not None:
            disk += f", {_size(self.vector_bytes)} of vectors"
        when = "" if self.days_until is None else f"; reached in {self.days_until:,.0f} days as the sources grow now"
        took = f"{self.documents:,} documents: {seconds_text(self.seconds)}, {disk}"
        rough = f"; only a rough figure, from less than {ROUGH_BELOW:,}" if self.rough else ""
        return f"{took}{when} (from {counted(self.measured, 'document')} measured{rough})"


def history(store: str = "headrace.db") -> History:
    """The documents runs of a run store, oldest first.

    Raises:
        StorageError: There is no such store.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in open_store(store).sql(_QUERY):
        run = found.setdefault(row["id"], {**row, "stages": {}})
        run["stages"][row["name"]] = row
    return History(tuple(_figures(run) for run in found.values()))


def forecast(documents: int, store: str = "headrace.db", vectors: str = "vectors") -> Forecast:
    """What ``documents`` documents would take in time and disk.

    Raises:
        ConfigurationError: No documents were converted in any run, so that there is nothing to go by.
        StorageError: There is no such store.
    """
    past = history(store)
    converted, seconds = sum(run.converted for run in past.runs), sum(run.seconds for run in past.runs if run.converted)
    present = past.documents
    if not converted or not present:
        raise ConfigurationError(f"{store} has no finished run that converted documents: nothing to go by")
    growth = past.documents_a_day
    missing = documents - present
    return Forecast(
        documents=documents,
        seconds=seconds / converted * documents,
        store_bytes=_scaled(_store_size(Path(open_store(store).location)), present, documents),
        vector_bytes=None if "://" in vectors else _scaled(_folder_size(Path(vectors)), present, documents),
        days_until=missing / growth if growth > 0 and missing > 0 else None,
        measured=converted,
    )


def _figures(run: dict[str, Any]) -> RunFigures:
    stages = run["stages"]

    def number(stage: str, what: str) -> int:
        return int(stages[stage][what]) if stage in stages else 0

    return RunFigures(
        run=run["id"],
        pipeline=run["pipeline"],
        status=run["status"],
        started_at=run["started_ms"] / 1000,
        seconds=(run["finished_ms"] - run["started_ms"]) / 1000,
        documents=number("documents", "total"),
        converted=number("convert", "executed"),
        unchanged=number("convert", "skipped"),
        failed=number("convert", "failed") + number("embed", "failed"),
        chunks=number("embed", "executed"),
    )


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line that fits best; 0 where the points lie within an hour."""
    if not points or points[-1][0] - points[0][0] < 1 / 24:
        return 0.0
    middle = (sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points))
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread


def _row(run: RunFigures) -> list[str]:
    counts = (run.documents, run.converted, run.unchanged, run.failed)
    times = [seconds_text(run.seconds), rate_text(run.documents_per_second)]
    return [
        moment_text(run.started_at),
        run.pipeline,
        badge(run.status),
        *(f"{number:,}" for number in counts),
        *times,
    ]


def _scaled(size: int, present: int, wanted: int) -> int:
    return round(size * max(1.0, wanted / present))


def _store_size(store: Path) -> int:
    return sum(_folder_size(Path(f"{store}{ending}")) for ending in ("", "-wal", "-shm", "-blobs"))


def _folder_size(path: Path) -> int:
    """Bytes that a file, or all in a folder, takes on the disk."""
    if not path.is_dir():
        return path.stat().st_blocks * 512 if path.exists() else 0
    return sum(_folder_size(Path(entry.path)) for entry in os.scandir(path) if not entry.is_symlink())


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
