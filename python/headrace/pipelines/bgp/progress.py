"""How far a run is, and how fast it was."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from headrace.pipelines.bgp.models import PipelineContext

__all__ = ["ProgressReporter", "StageClock", "monitor_pipeline_performance"]

logger = logging.getLogger("headrace.bgp")


class ProgressReporter:
    """Counts finished devices of the present stage. Safe to use from several threads."""

    def __init__(self, total_devices: int, clock: Callable[[], float] = time.time) -> None:
        self.total_devices = total_devices
        self.current_stage = "initializing"
        self._counts: dict[str, int] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self.start_time = self._stage_start = clock()

    @property
    def completed_devices(self) -> int:
        """How many devices the present stage is done with."""
        return self._counts.get(self.current_stage, 0)

    def update_stage(self, stage: str) -> None:
        """``stage`` begins; nothing happens where it has begun already."""
        with self._lock:
            if stage == self.current_stage:
                return
            self.current_stage = stage
            self._stage_start = self._clock()
        logger.info("Pipeline stage: %s", stage)

    def update_device_progress(self, completed: int) -> None:
        """``completed`` devices of the present stage are done."""
        with self._lock:
            self._counts[self.current_stage] = completed
        self._tell()

    def device_done(self, stage: str) -> None:
        """One more device is through ``stage``, which need not be the present one: stages overlap."""
        with self._lock:
            self._counts[stage] = self._counts.get(stage, 0) + 1
            present = stage == self.current_stage
        if present:
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            stage, done, eta = self.current_stage, self.completed_devices, self._eta()
        share = 100.0 * done / self.total_devices if self.total_devices else 0.0
        left = "" if eta is None else f" - ETA: {eta:.0f}s"
        logger.info("Progress: %s %d/%d devices (%.1f%%)%s", stage, done, self.total_devices, share, left)

    def _eta(self) -> float | None:
        if not self.completed_devices:
            return None
        elapsed = self._clock() - self._stage_start
        return elapsed / self.completed_devices * max(0, self.total_devices - self.completed_devices)

    def get_status(self) -> dict[str, Any]:
        """Return stage, progress and timing; ``eta_seconds`` is for the present stage, None while unknown."""
        with self._lock:
            total, done = self.total_devices, self.completed_devices
            return {
                "stage": self.current_stage,
                "progress": {
                    "completed_devices": done,
                    "total_devices": total,
                    "percentage": 100.0 * done / total if total else 0.0,
                },
                "timing": {
                    "elapsed_seconds": self._clock() - self.start_time,
                    "start_time": self.start_time,
                    "eta_seconds": self._eta(),
                },
            }


class StageClock:
    """Wall time of each stage: from the start of its first unit to the end of its last one. Stages may overlap."""

    def __init__(self) -> None:
        self._spans: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def unit(self, stage: str) -> Iterator[None]:
        """Count what runs inside as one unit of ``stage``."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                first, _ = self._spans.get(stage, (started, started))
                self._spans[stage] = (min(first, started), time.monotonic())

    def seconds(self, stage: str) -> float:
        """Return the wall time of ``stage`` in this process; 0 where it had nothing to do."""
        with self._lock:
            first, last = self._spans.get(stage, (0.0, 0.0))
        return last - first


def _per_second(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def monitor_pipeline_performance(context: PipelineContext) -> dict[str, Any]:
    """Return what was processed, each stage's seconds and share, and the throughput."""
    total = sum(context.stage_timings.values())
    policies = [policy for policy in context.policy_results if policy.success]
    return {
        "execution_summary": {
            "total_time_seconds": total,
            "devices_processed": len(context.router_profiles),
            "as_numbers_discovered": len(context.discovery_mappings.get("as_to_routers", {})),
            "policies_generated": len(policies),
        },
        "stage_performance": {
            stage: {"duration_seconds": seconds, "percentage_of_total": 100.0 * seconds / total if total > 0 else 0.0}
            for stage, seconds in context.stage_timings.items()
        },
        "throughput": {
            "devices_per_second": _per_second(len(context.router_profiles), total),
            "policies_per_second": _per_second(len(policies), total),
        },
    }
