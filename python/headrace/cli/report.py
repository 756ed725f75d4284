"""A run as the command line tells of it."""

from __future__ import annotations

from headrace.widgets.html import RunLike, key_text, seconds_text

__all__ = ["print_run"]

SHOWN = 20


def print_run(run: RunLike) -> None:
    """Print a run's status, a line a stage, and its dead letters."""
    pipeline = getattr(run, "pipeline", "")
    message = str(getattr(run, "message", "") or "")
    name = getattr(pipeline, "name", pipeline)
    print(f"{name} {run.id}: {run.status}{': ' + message if message else ''}")
    width = max((len(stage.name) for stage in run.stages), default=0)
    for stage in run.stages:
        counts = f"{stage.executed:>9,} executed {stage.skipped:>9,} skipped {stage.failed:>7,} failed"
        print(f"  {stage.name:<{width}}  {stage.status!s:<9} {counts}  {seconds_text(stage.seconds):>9}")
    failures = list(run.failures)
    for failure in failures[:SHOWN]:
        where = failure.stage if failure.key is None else f"{failure.stage} {key_text(failure.key)}"
        print(f"  ! {where}: {failure.error_type}: {failure.message}")
    if len(failures) > SHOWN:
        print(f"  ... and {len(failures) - SHOWN:,} more dead letters: run.failures has them all")
