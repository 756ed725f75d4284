"""Documents in, searchable vectors out.

A source (folder, git repository, GitLab project, addresses) -> convert -> chunk -> embed -> publish -> finalise.
Run it again and only what has changed is touched; kill it and run it again, and it goes on from where it was.
"""

import importlib
from typing import TYPE_CHECKING, Any

from headrace.pipelines.documents.analytics import Forecast, History, forecast, history
from headrace.pipelines.documents.audit import Audit, audit
from headrace.pipelines.documents.run import DocumentsRun, run
from headrace.pipelines.documents.search import search
from headrace.pipelines.documents.search_box import search_box
from headrace.pipelines.documents.settings import Settings

if TYPE_CHECKING:
    from headrace.pipelines.documents.configuration import ConfigurationManager
    from headrace.pipelines.documents.orchestrator import PipelineOrchestrator, create_pipeline_orchestrator
    from headrace.pipelines.documents.results import (
        ErrorResponse,
        FileMetadata,
        PipelineResult,
        PipelineStage,
        ProcessingResult,
        ProcessingStatus,
        ProgressReport,
    )
    from headrace.pipelines.documents.schema import NICSchemaManager

__all__ = [
    "Audit",
    "ConfigurationManager",
    "DocumentsRun",
    "ErrorResponse",
    "FileMetadata",
    "Forecast",
    "History",
    "NICSchemaManager",
    "PipelineOrchestrator",
    "PipelineResult",
    "PipelineStage",
    "ProcessingResult",
    "ProcessingStatus",
    "ProgressReport",
    "Settings",
    "audit",
    "create_pipeline_orchestrator",
    "forecast",
    "history",
    "run",
    "search",
    "search_box",
]

_MODULES = {
    "ConfigurationManager": "configuration",
    "NICSchemaManager": "schema",
    "PipelineOrchestrator": "orchestrator",
    "create_pipeline_orchestrator": "orchestrator",
}


def __getattr__(name: str) -> Any:
    """What needs pydantic, and what only the orchestrator needs, comes when it is first used."""
    if name in __all__:
        module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'results')}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
