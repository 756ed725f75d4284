"""From the counters of the C++ runner, or of the journal, to the reports of the public contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from headrace.types import ProgressReport, StageReport, Status

if TYPE_CHECKING:
    from headrace import _core
    from headrace.pipeline import Pipeline

__all__ = ["progress_report", "stage_reports", "stored_stage", "to_progress"]


def _seconds(micros: float, count: int) -> float | None:
    return micros * 1e-6 if count else None


def stage_reports(pipeline: Pipeline, progress: _core.Progress) -> list[StageReport]:
    """One report a stage."""
    busy = sum(stage.seconds for stage in progress.stages) or 1.0
    reports = []
    for stage in progress.stages:
        timed = stage.executed
        reports.append(
            StageReport(
                stage.name,
                Status(stage.status.name),
                total=stage.total,
                executed=stage.executed,
                skipped=stage.skipped,
                failed=stage.failed,
                seconds=stage.seconds,
                form=stage.form.name,
                after=pipeline.stages[stage.name].dependencies,
                retries=stage.retries,
                mean=_seconds(stage.mean_micros, timed),
                p50=_seconds(stage.p50_micros, timed),
                p95=_seconds(stage.p95_micros, timed),
                p99=_seconds(stage.p99_micros, timed),
                share=stage.seconds / busy,
                rate=stage.executed / stage.seconds if stage.seconds else None,
            )
        )
    return reports


def to_progress(pipeline: Pipeline, progress: _core.Progress) -> ProgressReport:
    """The live progress of a run in this process."""
    return progress_report(stage_reports(pipeline, progress), progress.elapsed, progress.warnings)


def progress_report(stages: Sequence[StageReport], elapsed: float, warnings: int) -> ProgressReport:
    """Progress out of stage reports; the remaining time is that of the slowest stage at its present rate."""
    counted = [stage for stage in stages if stage.form != "source"]
    done = sum(stage.done for stage in counted)
    total = sum(max(stage.total, stage.done) for stage in counted)
    current = next((s.name for s in stages if s.status == Status.RUNNING and s.done < s.total), None)
    if current is None:
        current = next((s.name for s in stages if s.status == Status.RUNNING), None)
    left = [
        _remaining(stage, elapsed) for stage in counted if stage.status == Status.RUNNING and stage.done < stage.total
    ]
    known = [seconds for seconds in left if seconds is not None]
    return ProgressReport(
        current_stage=current,
        done=done,
        total=total,
        elapsed=elapsed,
        estimated_remaining=max(known) if known else (0.0 if current is None else None),
        rate=done / elapsed if elapsed > 0 else 0.0,
        errors=sum(stage.failed for stage in stages),
        warnings=warnings,
        stage_progress={s.name: (s.done / s.total if s.total else float(s.status.finished)) for s in stages},
        stages=tuple(stages),
    )


def _remaining(stage: StageReport, elapsed: float) -> float | None:
    worked = stage.executed + stage.failed
    return (stage.total - stage.done) * elapsed / worked if worked else None


def stored_stage(row: Sequence[Any], after: Iterable[str] = ()) -> StageReport:
    """A report out of a row of the table ``run_stage`` (columns from ``name`` on)."""
    name, form, status, total, executed, skipped, failed, retries, seconds, first_ms, last_ms, latency = row
    micros = json.loads(latency)
    return StageReport(
        name, Status(status), total, executed, skipped, failed, seconds, form, tuple(after), retries,
        mean=_seconds(micros.get("mean", 0), executed), p50=_seconds(micros.get("p50", 0), executed),
        p95=_seconds(micros.get("p95", 0), executed), p99=_seconds(micros.get("p99", 0), executed),
        rate=executed / seconds if seconds else None,
        started_at=first_ms / 1000 if first_ms else None, finished_at=last_ms / 1000 if last_ms else None,
    )  # fmt: skip
