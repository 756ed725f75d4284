"""The BGP pipeline: prefix lists for every external peer, from the routing registries onto the routers, and safely."""

from headrace.pipelines.bgp.devices import load_devices_from_csv
from headrace.pipelines.bgp.errors import (
    ConfigurationError,
    PipelineExecutionError,
    ResourceError,
    StageExecutionError,
)
from headrace.pipelines.bgp.models import (
    ApplicationResult,
    DeviceInfo,
    PipelineContext,
    PolicyResult,
    RouterProfile,
)
from headrace.pipelines.bgp.progress import ProgressReporter
from headrace.pipelines.bgp.result import PipelineResult
from headrace.pipelines.bgp.safety import UnifiedSafetyManager
from headrace.pipelines.bgp.workflow import WorkflowOrchestrator

__all__ = [
    "ApplicationResult",
    "ConfigurationError",
    "DeviceInfo",
    "PipelineContext",
    "PipelineExecutionError",
    "PipelineResult",
    "PolicyResult",
    "ProgressReporter",
    "ResourceError",
    "RouterProfile",
    "StageExecutionError",
    "UnifiedSafetyManager",
    "WorkflowOrchestrator",
    "load_devices_from_csv",
]
