"""The names of requirement 000, as programs written against it use them."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

import headrace as hr
from headrace.pipelines import bgp
from headrace.pipelines.bgp import WorkflowOrchestrator
from headrace.pipelines.bgp.errors import StageExecutionError

CONTEXT = {
    "collection_results": [], "router_profiles": [], "discovery_mappings": {}, "as_extraction_results": {},
    "policy_results": [], "application_results": [], "current_stage": "initialized", "stage_timings": {}, "errors": [],
    "warnings": [], "failed_devices": [], "config": {}, "autonomous_config": {}, "safety_manager": None,
    "email_notifications_sent": 0, "output_dir": Path("output"), "parallel_workers": 5,
}  # fmt: skip
APPLICATION = {
    "autonomous": False, "policies_applied": 0, "commit_id": None, "error_message": None, "rollback_attempted": False,
    "email_notifications_sent": 0, "risk_level": "unknown", "manual_approval_required": False,
}  # fmt: skip


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_context_has_every_field_and_its_default() -> None:
    context = bgp.PipelineContext(devices=[bgp.DeviceInfo(address="192.0.2.1", hostname="r1")])
    assert {name: plain(getattr(context, name)) for name in CONTEXT} == CONTEXT
    assert len(context.execution_id) == 36
    assert context.start_time.year > 2000
    changed = dataclasses.replace(context, current_stage="collection_complete", warnings=[*context.warnings, "w"])
    assert (changed.current_stage, list(changed.warnings)) == ("collection_complete", ["w"])
    assert context.current_stage == "initialized"


def test_application_result_has_every_field_and_its_default() -> None:
    result = bgp.ApplicationResult(router="r1", success=False)
    assert {name: getattr(result, name) for name in APPLICATION} == APPLICATION


@pytest.mark.parametrize("stage", ["collection", "discovery", "processing", "generation", "application"])
def test_every_stage_takes_a_context_and_returns_one(stage: str) -> None:
    method = getattr(WorkflowOrchestrator, f"execute_{stage}_stage")
    assert list(inspect.signature(method).parameters) == ["self", "context"]


def test_exceptions() -> None:
    cause = OSError("gone")
    error = StageExecutionError("collection", "nothing came", cause)
    assert (error.stage, error.original_error) == ("collection", cause)
    assert str(error) == "Stage 'collection' failed: nothing came"
    for kind in (StageExecutionError, bgp.ResourceError, bgp.ConfigurationError):
        assert issubclass(kind, bgp.PipelineExecutionError)
    assert issubclass(bgp.PipelineExecutionError, hr.PipelineError)


def test_what_may_go_on_after_a_failure() -> None:
    orchestrator = WorkflowOrchestrator()
    nothing = bgp.PipelineContext()
    read = bgp.PipelineContext(router_profiles=[bgp.RouterProfile("r1")])
    good = bgp.PipelineContext(policy_results=[bgp.PolicyResult(3333, "ok", "AS3333", ("193.0.0.0/21",))])
    held = bgp.PipelineContext(policy_results=[bgp.PolicyResult(3333, "held", "AS3333")])
    error = RuntimeError("it broke")
    for stage, context, viable in (
        ("collection", nothing, False), ("collection", read, True), ("discovery", nothing, True),
        ("generation", good, True), ("generation", held, False), ("application", nothing, True),
    ):  # fmt: skip
        assert orchestrator.assess_continuation_viability(context, stage, error) is viable, (stage, context)
    degraded = orchestrator.handle_stage_failure(read, "discovery", error)
    assert degraded.current_stage == "discovery_failed_continuing"
    assert list(degraded.errors) == ["discovery: it broke"]
    assert list(degraded.warnings) == ["Pipeline continuing with degraded functionality"]
    with pytest.raises(bgp.PipelineExecutionError, match="Critical failure in generation: it broke"):
        orchestrator.handle_stage_failure(held, "generation", error)


def test_status_before_anything_runs() -> None:
    assert WorkflowOrchestrator().get_status()["stage"] == "idle"
    reporter = bgp.ProgressReporter(total_devices=4)
    reporter.update_stage("collection")
    reporter.update_device_progress(1)
    status = reporter.get_status()
    assert status["stage"] == "collection"
    assert status["progress"] == {"completed_devices": 1, "total_devices": 4, "percentage": 25.0}
    assert {"elapsed_seconds", "start_time"} <= set(status["timing"])
