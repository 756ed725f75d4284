"""Runs the BGP pipeline: one engine run, folded stage by stage into a context and a result."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import headrace as hr
from headrace._internal.failures import redact
from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.devices import check_devices
from headrace.pipelines.bgp.errors import PipelineExecutionError, StageExecutionError
from headrace.pipelines.bgp.folding import StageFailed, fold
from headrace.pipelines.bgp.job import BgpJob
from headrace.pipelines.bgp.models import DeviceInfo, PipelineContext
from headrace.pipelines.bgp.progress import monitor_pipeline_performance
from headrace.pipelines.bgp.result import PipelineResult
from headrace.pipelines.bgp.safety import UnifiedSafetyManager
from headrace.pipelines.bgp.stages import STAGES, build_pipeline, known_runs
from headrace.store import StoredRun

__all__ = ["WorkflowOrchestrator"]

logger = logging.getLogger("headrace.bgp")

RESUME_SECONDS = 6 * 3600.0
"""An execution that stopped longer ago is not gone on with: what it read from routers and registries is too old."""


class WorkflowOrchestrator:
    """Runs executions of the pipeline, one at a time. ``get_status`` may be called from any thread meanwhile."""

    def __init__(self) -> None:
        self._jobs: dict[str, BgpJob] = {}
        self._run: hr.Run | None = None
        self._current: BgpJob | None = None

    def execute_pipeline(
        self,
        devices: Iterable[DeviceInfo],
        config: Mapping[str, Any] | None = None,
        output_dir: str | os.PathLike[str] = "./output",
        *,
        resume: bool = True,
        progress: bool | Literal["auto"] = False,
    ) -> PipelineResult:
        """Run everything and return what it came to; an execution that was killed is gone on with (``resume``).

        Raises ConfigurationError before anything is touched, RunActiveError where another process is at it,
        StorageError. Whatever else goes wrong is in the result.
        """
        context = self._begin(list(devices), config or {}, Path(output_dir), resume)
        job = self._jobs[context.execution_id]
        try:
            self._run = build_pipeline(job).run(self._params(job), self._store(job), progress=progress)
            for stage in STAGES:
                context = self._fold(stage, context, self._run, job)
            return self.compile_results(context)
        except PipelineExecutionError as error:
            return self.handle_pipeline_failure(context, error)
        finally:
            self.cleanup_resources(context)

    # --- one execution

    def _begin(
        self, devices: list[DeviceInfo], config: Mapping[str, Any], output_dir: Path, resume: bool
    ) -> PipelineContext:
        settings = BgpConfig.from_mapping(config)
        check_devices(devices)
        job = BgpJob(devices, settings, output_dir, str(uuid.uuid4()))
        if resume and (stopped := self._unfinished(job)) is not None:
            known = stopped.params["execution_id"]
            asked = [entry["number"] for entry in stopped.results("as_numbers").values()]
            job = BgpJob(devices, settings, output_dir, known, stopped.results("collection"), asked)
            logger.info("going on with execution %s", known)
        self._jobs[job.execution_id] = self._current = job
        autonomous = config.get("autonomous_mode") or {"enabled": settings.mode == "autonomous"}
        return PipelineContext(
            devices=devices, execution_id=job.execution_id, config=redact(dict(config)), output_dir=output_dir,
            autonomous_config=autonomous, parallel_workers=settings.parallel_workers,
            safety_manager=UnifiedSafetyManager(settings.guardrails),
        )  # fmt: skip

    @staticmethod
    def _params(job: BgpJob) -> dict[str, Any]:
        return {
            "execution_id": job.execution_id,
            "mode": job.config.mode,
            "dry_run": job.config.dry_run,
            "devices": [f"{d.hostname} {d.address} {d.platform} {d.port}" for d in job.devices],
        }

    @staticmethod
    def _store(job: BgpJob) -> Path:
        job.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return job.state_dir / "runs.db"

    def _unfinished(self, job: BgpJob) -> StoredRun | None:
        """Return the run of the execution that was killed or cancelled, not too long ago, with the same devices."""
        runs = known_runs(job.state_dir / "runs.db")
        if not runs or (runs[0].finished_at is not None and runs[0].status is not hr.Status.CANCELLED):
            return None
        known = runs[0].params
        same = {**self._params(job), "execution_id": known.get("execution_id")} == known
        return runs[0] if same and time.time() - runs[0].started_at < RESUME_SECONDS else None

    def _fold(self, stage: str, context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
        try:
            return fold(stage, context, run, job)
        except StageFailed as failed:
            return self.handle_stage_failure(failed.context, stage, failed.error)

    # --- stage by stage

    def execute_collection_stage(self, context: PipelineContext) -> PipelineContext:
        """Read the configurations of ``context.devices``."""
        return self._until("collection", context, "collection")

    def execute_discovery_stage(self, context: PipelineContext) -> PipelineContext:
        """Find BGP groups and AS numbers."""
        return self._until("discovery", context, "discovery")

    def execute_processing_stage(self, context: PipelineContext) -> PipelineContext:
        """Map AS numbers to routers, write that down, and tell apart which ones a registry can know."""
        return self._until("processing", context, "mappings")

    def execute_generation_stage(self, context: PipelineContext) -> PipelineContext:
        """Look up the prefixes, pass them through the guardrails, write the policy files."""
        return self._until("generation", context, "policies")

    def execute_application_stage(self, context: PipelineContext) -> PipelineContext:
        """Apply, in the way that the mode allows."""
        return self._until("application", context, None)

    def _until(self, stage: str, context: PipelineContext, engine_stage: str | None) -> PipelineContext:
        """Run the engine up to a stage; what is recorded of this execution is not run again."""
        job = self._jobs.get(context.execution_id)
        if job is None:
            check_devices(context.devices)
            config = BgpConfig.from_mapping({"parallel_workers": context.parallel_workers, **context.config})
            job = BgpJob(tuple(context.devices), config, Path(context.output_dir), context.execution_id)
            self._jobs[context.execution_id] = job
        self._current = job
        self._run = build_pipeline(job).run(self._params(job), self._store(job), until=engine_stage)
        return self._fold(stage, context, self._run, job)

    # --- ends

    def compile_results(self, context: PipelineContext) -> PipelineResult:
        """Return the result that ``context`` amounts to."""
        run, job = self._run, self._jobs.get(context.execution_id)
        files = job.policy_files if job is not None else None
        if files is None:
            found = run.results("policies") if run is not None and "policies" in run.pipeline.stages else None
            files = tuple(found["files"]) if found else ()
        return PipelineResult.of(context, run.id if run else "", files)

    def handle_pipeline_failure(self, context: PipelineContext, error: PipelineExecutionError) -> PipelineResult:
        """Return the result of an execution that could not go on, with everything that it found."""
        logger.error("pipeline failed: %s", error)
        failed = getattr(error, "context", context).but(errors=[str(error)])
        job = self._jobs.get(context.execution_id)
        if self._run is not None and job is not None:
            with contextlib.suppress(StageFailed):
                failed = fold("compilation", failed, self._run, job).but(current_stage=failed.current_stage)
        return self.compile_results(failed)

    def handle_stage_failure(self, context: PipelineContext, stage: str, error: Exception) -> PipelineContext:
        """Go on with what there is where that makes sense; PipelineExecutionError where it does not."""
        logger.error("stage '%s' failed: %s", stage, error)
        if not self.assess_continuation_viability(context, stage, error):
            critical = PipelineExecutionError(f"Critical failure in {stage}: {_message(error)}")
            critical.context = context  # type: ignore[attr-defined]
            raise critical from error
        return context.but(
            current_stage=f"{stage}_failed_continuing",
            errors=[f"{stage}: {_message(error)}"],
            warnings=["Pipeline continuing with degraded functionality"],
        )

    def assess_continuation_viability(self, context: PipelineContext, stage: str, error: Exception) -> bool:
        """Whether anything useful can come after ``stage`` failed."""
        if stage == "collection" and not context.router_profiles:
            return False
        if stage == "generation":
            return any(policy.success for policy in context.policy_results)
        return True

    def cleanup_resources(self, context: PipelineContext) -> None:
        """End what still collects, send what mails wait, forget the job."""
        job = self._jobs.pop(context.execution_id, None)
        if job is not None:
            job.collector.close()
            job.trail.flush()

    # --- looking

    def get_status(self) -> dict[str, Any]:
        """Return stage, progress (devices) and timing of the execution at work, or of the last one."""
        if self._current is None:
            return {"stage": "idle", "progress": {}, "timing": {}}
        return {"execution_id": self._current.execution_id, **self._current.progress.get_status()}

    def monitor_pipeline_performance(self, context: PipelineContext) -> dict[str, Any]:
        """Return what was processed, each stage's seconds and share, and the throughput."""
        return monitor_pipeline_performance(context)

    # --- rollback on demand

    def rollback(
        self, device: DeviceInfo, config: Mapping[str, Any], output_dir: str | os.PathLike[str], by: str
    ) -> Any:
        """Give a router back the lists that it had before our last change on it; return the ApplicationResult.

        It is a change like any other: confirmed commit, health check, audit. What is taken back is not applied again
        until somebody decides so. ConfigurationError where there is nothing to take back.
        """
        from headrace.pipelines.bgp.rollback import roll_back

        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        job = BgpJob([device], BgpConfig.from_mapping(config), Path(output_dir), f"rollback-{stamp}")
        return roll_back(job, device, by)


def _message(error: Exception) -> str:
    return error.message if isinstance(error, StageExecutionError) else str(error)
