"""From what the engine recorded to the context of each stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import headrace as hr
from headrace.pipelines.bgp.errors import StageExecutionError
from headrace.pipelines.bgp.job import BgpJob
from headrace.pipelines.bgp.mappings import routers_by_as
from headrace.pipelines.bgp.models import ApplicationResult, DeviceCollectionResult, PipelineContext
from headrace.pipelines.bgp.stages import policies_from

__all__ = ["StageFailed", "fold"]


class StageFailed(Exception):  # noqa: N818 - not an error of the run: the orchestrator decides what it means
    """A stage failed as a whole. Attributes: ``context`` (with what it found nevertheless), ``error``."""

    def __init__(self, context: PipelineContext, error: StageExecutionError) -> None:
        self.context = context
        self.error = error
        super().__init__(str(error))


def fold(stage: str, context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    """Return ``context`` with what ``stage`` came to in ``run``; StageFailed where the stage as such failed."""
    timed = context.but(stage_timings={stage: job.clock.seconds(stage)})
    try:
        return _FOLDS[stage](timed, run, job)
    except StageExecutionError as error:
        raise StageFailed(timed, error) from error


def _failures(run: hr.Run, stage: str) -> dict[Any, hr.Failure]:
    return {failure.key: failure for failure in run.failures if failure.stage == stage}


def _step_failure(run: hr.Run, *stages: str) -> None:
    for stage in stages:
        failure = _failures(run, stage).get(None)
        if failure is not None:
            raise StageExecutionError(stage, f"{failure.error_type}: {failure.message}")


def _collection(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    _step_failure(run, "devices")
    done: Mapping[str, Any] = run.results("collection") or {}
    failed = _failures(run, "collection")
    results, profiles, warnings = [], [], []
    for device in job.devices:
        entry = done.get(device.hostname)
        if entry is not None:
            text, seconds = entry["bgp_data"], entry["seconds"]
            results.append(DeviceCollectionResult(device, True, text, seconds=seconds, attempts=entry["attempts"]))
            profiles.append(device.to_router_profile(text))
            continue
        failure = failed.get(device.hostname)
        message = failure.message if failure else "it was not collected: the run was stopped"
        known = failure is not None and failure.error_type == "CollectionError"
        kind = message.partition(":")[0].removesuffix(" failed") if known else "protocol"
        results.append(DeviceCollectionResult(device, False, error_type=kind, error_message=message))
        warnings.append(f"Collection failed for: {device.hostname} ({message})")
    bad = tuple(result.device.hostname for result in results if not result.success)
    folded = context.but(
        collection_results=tuple(results), router_profiles=tuple(profiles), failed_devices=bad, warnings=warnings,
        current_stage="collection_complete",
    )  # fmt: skip
    if not profiles:
        raise StageFailed(folded, StageExecutionError("collection", "no device could be read"))
    return folded


def _discovery(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    if not context.router_profiles:
        return context.but(
            current_stage="discovery_skipped", warnings=["Discovery skipped - no successful collections"]
        )
    found = job.discovered(lambda: run.results("discovery") or {})
    failed = _failures(run, "discovery")
    profiles, warnings, bad = [], [], []
    for profile in context.router_profiles:
        entry = found.get(profile.hostname)
        if entry is None:
            reason = failed[profile.hostname].message if profile.hostname in failed else "it was not inspected"
            warnings.append(f"Discovery errors: {profile.hostname}: {reason}")
            profiles.append(profile)
            bad.append(profile.hostname)
            continue
        warnings += [f"{profile.hostname}: {text}" for text in entry.warnings]
        profiles.append(entry.profile(job.by_name[profile.hostname], profile.bgp_config))
    folded = context.but(
        router_profiles=tuple(profiles), current_stage="discovery_complete", warnings=warnings, failed_devices=bad
    )
    if len(bad) == len(profiles):
        raise StageFailed(folded, StageExecutionError("discovery", "no configuration is whole"))
    return folded


def _processing(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    _step_failure(run, "processing")
    found = run.results("processing")
    if not found:
        return context.but(current_stage="processing_skipped", warnings=["Processing skipped - nothing discovered"])
    kinds: dict[str, list[int]] = {}
    for number, kind in found["kinds"].items():
        kinds.setdefault(kind, []).append(int(number))
    extraction = {"by_router": found["routers"], "by_kind": kinds, "eligible": found["eligible"]}
    left_out = sorted(set(map(int, found["kinds"])) - set(found["eligible"]))
    warnings = [f"AS{number} is a {found['kinds'][str(number)]} AS number: no policy" for number in left_out]
    folded = context.but(
        as_extraction_results=extraction,
        discovery_mappings={"as_to_routers": routers_by_as(found["routers"]), "routers": found["routers"]},
        current_stage="processing_complete",
        warnings=warnings,
    )
    if (failure := _failures(run, "mappings").get(None)) is not None:
        raise StageFailed(folded, StageExecutionError("mappings", f"{failure.error_type}: {failure.message}"))
    return folded


def _generation(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    _step_failure(run, "policies")
    if job.policies is None or run.status is hr.Status.CANCELLED:  # what this process judged need not be read back
        found = run.results("policies")
        policies = tuple(policies_from(found["policies"]).values()) if found else ()
    else:
        policies = tuple(job.policies.values())
    if not policies:
        return context.but(
            current_stage="generation_skipped", warnings=["Generation skipped - no AS numbers discovered"]
        )
    bad = [policy for policy in policies if not policy.success]
    warnings = [f"Policy generation failed for AS: {_why(policy)}" for policy in bad]
    folded = context.but(policy_results=policies, current_stage="generation_complete", warnings=warnings)
    if len(bad) == len(policies):
        raise StageFailed(folded, StageExecutionError("generation", f"no policy is good: AS{_why(bad[0])}"))
    return folded


def _why(policy: Any) -> str:
    reason = "; ".join((*policy.reasons, policy.error_message)).strip("; ")
    kept = "no list is known" if policy.last_good is None else "the last good list stays"
    return f"{policy.as_number} ({policy.status}: {reason}; {kept})"


def _application(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    if not any(policy.success for policy in context.policy_results):
        return context.but(
            current_stage="application_skipped", warnings=["Application skipped - no successful policies"]
        )
    if job.config.mode == "user" and not job.config.dry_run:
        return context.but(current_stage="application_manual", warnings=["Manual policy application required"])
    results = []
    for name in run.pipeline.stages:
        if name.startswith("application_"):
            results += [ApplicationResult(**entry) for entry in (run.results(name) or {}).values()]
            results += [_of_failure(failure) for failure in _failures(run, name).values()]
        elif name.startswith("wave_"):
            _step_failure(run, name)
    warnings = [f"{r.router}: {r.outcome}: {r.reason}" for r in results if r.outcome in ("queued", "skipped")]
    return context.but(
        application_results=tuple(results),
        email_notifications_sent=job.trail.total_notifications(),
        current_stage="application_complete",
        errors=_problems(results),
        warnings=warnings,
    )


def _of_failure(failure: hr.Failure) -> ApplicationResult:
    text = f"{failure.error_type}: {failure.message}"
    return ApplicationResult(str(failure.key), False, error_message=text, reason=text, outcome="failed")


def _compilation(context: PipelineContext, run: hr.Run, job: BgpJob) -> PipelineContext:
    _step_failure(run, "compilation")
    stage = context.current_stage
    keep = stage if stage.endswith(("_manual", "_skipped", "_failed_continuing")) else "compilation_complete"
    settled = tuple(ApplicationResult(**entry) for entry in (run.results("compilation") or {}).get("settled", ()))
    return context.but(
        current_stage=keep,
        application_results=(*context.application_results, *settled),
        errors=_problems(settled),
    )


def _problems(results: Iterable[ApplicationResult]) -> list[str]:
    return [
        f"{r.router}: {r.outcome}: {r.reason}" for r in results if r.outcome in ("failed", "rolled_back", "refused")
    ]


_FOLDS = {
    "collection": _collection,
    "discovery": _discovery,
    "processing": _processing,
    "generation": _generation,
    "application": _application,
    "compilation": _compilation,
}
