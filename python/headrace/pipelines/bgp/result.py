"""What a run came to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from headrace.pipelines.bgp.models import (
    ApplicationResult,
    DeviceCollectionResult,
    PipelineContext,
    PolicyResult,
    RouterProfile,
)
from headrace.pipelines.bgp.progress import monitor_pipeline_performance
from headrace.pipelines.bgp.wording import counted

__all__ = ["PipelineResult"]


@dataclass(frozen=True)
class PipelineResult:
    """The result of ``execute_pipeline``. ``success``: nothing went wrong that the run was asked to do.

    Devices that could not be read and lists that were held are ``warnings``: the rest was done, and nothing was applied
    that was not whole. ``seconds``: from start to end; ``stage_timings`` are each stage's own, and stages overlap.
    """

    success: bool
    execution_id: str
    run_id: str = ""
    current_stage: str = ""
    router_profiles: tuple[RouterProfile, ...] = ()
    collection_results: tuple[DeviceCollectionResult, ...] = ()
    policy_results: tuple[PolicyResult, ...] = ()
    application_results: tuple[ApplicationResult, ...] = ()
    discovery_mappings: Mapping[str, Any] = field(default_factory=dict)
    as_extraction_results: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failed_devices: tuple[str, ...] = ()
    stage_timings: Mapping[str, float] = field(default_factory=dict)
    performance: Mapping[str, Any] = field(default_factory=dict)
    email_notifications_sent: int = 0
    start_time: datetime | None = None
    seconds: float = 0.0
    output_dir: Path | None = None
    output_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, context: PipelineContext, run_id: str = "", output_files: tuple[str, ...] = ()) -> PipelineResult:
        """Return the result that ``context`` amounts to."""
        return cls(
            success=not context.errors,
            execution_id=context.execution_id,
            run_id=run_id,
            current_stage=context.current_stage,
            router_profiles=tuple(context.router_profiles),
            collection_results=tuple(context.collection_results),
            policy_results=tuple(context.policy_results),
            application_results=tuple(context.application_results),
            discovery_mappings=context.discovery_mappings,
            as_extraction_results=context.as_extraction_results,
            errors=tuple(context.errors),
            warnings=tuple(context.warnings),
            failed_devices=tuple(context.failed_devices),
            stage_timings=context.stage_timings,
            performance=monitor_pipeline_performance(context),
            email_notifications_sent=context.email_notifications_sent,
            start_time=context.start_time,
            seconds=(datetime.now(timezone.utc) - context.start_time).total_seconds(),
            output_dir=context.output_dir,
            output_files=output_files,
        )

    def get_all_as_numbers(self) -> list[int]:
        """Return every AS number of an external peer on any router, ascending."""
        return sorted({number for profile in self.router_profiles for number in profile.discovered_as_numbers})

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON. Configurations and prefixes are counted, not copied."""
        return {
            "success": self.success,
            "execution_id": self.execution_id,
            "run_id": self.run_id,
            "current_stage": self.current_stage,
            "as_numbers": self.get_all_as_numbers(),
            "routers": [
                {"hostname": p.hostname, "as_numbers": list(p.discovered_as_numbers)} for p in self.router_profiles
            ],
            "failed_devices": list(self.failed_devices),
            "policies": [
                {
                    "as_number": p.as_number,
                    "status": p.status,
                    "prefixes": len(p.prefixes),
                    "reasons": list(p.reasons),
                    "error_message": p.error_message,
                    "risk_level": p.risk_level,
                }
                for p in self.policy_results
            ],
            "applications": [dataclasses.asdict(result) for result in self.application_results],
            "errors": list(self.errors),
            "warnings": list(self.warnings),
            "seconds": self.seconds,
            "stage_timings": dict(self.stage_timings),
            "performance": dict(self.performance),
            "email_notifications_sent": self.email_notifications_sent,
            "output_files": list(self.output_files),
        }

    def to_summary(self) -> str:
        """Return the result as a few lines of text."""
        lines = [
            f"BGP pipeline {'completed' if self.success else 'failed'} (execution {self.execution_id})",
            f"  routers    {len(self.router_profiles)} read, {len(self.failed_devices)} failed",
            f"  AS numbers {len(self.get_all_as_numbers())} discovered",
            f"  policies   {_counts(policy.status for policy in self.policy_results)}",
        ]
        if self.application_results:
            lines.append(f"  routers    {_counts(result.outcome for result in self.application_results)}")
        if self.email_notifications_sent:
            lines.append(f"  e-mail     {counted(self.email_notifications_sent, 'notification')}")
        lines.append(f"  time       {self.seconds:.1f} s ({self._timings()}; stages overlap)")
        lines += [f"  file       {path}" for path in self.output_files[:5]]
        if len(self.output_files) > 5:
            lines.append(f"             and {len(self.output_files) - 5} more under {self.output_dir}")
        lines += [f"  warning: {text}" for text in self.warnings]
        lines += [f"  error: {text}" for text in self.errors]
        return "\n".join(lines)

    def _timings(self) -> str:
        return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in self.stage_timings.items()) or "nothing ran"


def _counts(words: Any) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(Counter(words).items())) or "none"
