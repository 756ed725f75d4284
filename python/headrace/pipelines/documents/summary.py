"""What a run did, as JSON."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.pipelines.documents.briefs import briefs

if TYPE_CHECKING:
    from headrace import Run
    from headrace.connectors.qdrant import VectorStore
    from headrace.pipelines.documents.settings import Settings

__all__ = ["summarise", "summary_path", "write_summary"]


def summarise(run: Run, settings: Settings, source: str, vectors: VectorStore, removed: list[str]) -> dict[str, Any]:
    """The summary of a run that has ended."""
    stages = {stage.name: stage for stage in run.stages}
    convert, progress = stages["convert"], run.progress()
    failures = [
        {
            "stage": f.stage,
            "document": _path(f.key),
            "error": f.error_type,
            "message": f.message,
            "category": f.category,
        }
        for f in run.failures
    ]
    finalised = run.results("finalise") or {}
    counts = {
        "total": stages["documents"].total,
        "executed": convert.executed,
        "skipped": convert.skipped,
        "failed": len({failure["document"] for failure in failures}),
        "removed": len(removed),
        "chunks": finalised.get("chunks", 0),
    }
    return {
        "run": run.id,
        "pipeline": run.pipeline.name,
        "status": str(run.status),
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(progress.elapsed, 3),
        "documents_per_second": round(counts["executed"] / progress.elapsed, 3) if progress.elapsed else 0.0,
        "source": source,
        "folder": settings.folder,
        "collection": settings.collection,
        "embedder": vectors.embedder,
        "dimensions": vectors.dim,
        "counts": counts,
        "stages": {
            name: {
                "executed": stage.executed,
                "skipped": stage.skipped,
                "failed": stage.failed,
                "seconds": round(stage.seconds, 3),
            }
            for name, stage in stages.items()
        },
        "failures": failures,
        "warnings": _warnings(run),
        "removed": sorted(removed),
    }


def _path(key: Any) -> str | None:
    while isinstance(key, tuple):
        key = key[0]
    return None if key is None else str(key)


def _warnings(run: Run) -> list[str]:
    """The warnings of all documents as they are now, not only of those that this run converted."""
    return [f"{path}: {warning}" for path, brief in sorted(briefs(run).items()) for warning in brief["warnings"]]


def summary_path(settings: Settings) -> Path:
    """Where the summary is written: beside the run store."""
    return Path(settings.store).with_suffix(".summary.json")


def write_summary(settings: Settings, summary: dict[str, Any]) -> None:
    """Writes the summary, whole or not at all."""
    target = summary_path(settings)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1, ensure_ascii=False)
    partial.replace(target)
