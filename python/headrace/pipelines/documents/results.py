"""The orchestrator's enums and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = [
    "ErrorResponse",
    "FileMetadata",
    "PipelineResult",
    "PipelineStage",
    "ProcessingResult",
    "ProcessingStatus",
    "ProgressReport",
]


class PipelineStage(Enum):
    """Stages of the pipeline."""

    INITIALIZATION = "initialization"
    GITLAB_INGESTION = "gitlab_ingestion"
    DOCUMENT_PROCESSING = "document_processing"
    TEXT_CHUNKING = "text_chunking"
    EMBEDDING_GENERATION = "embedding_generation"
    VECTOR_STORAGE = "vector_storage"
    FINALIZATION = "finalization"


class ProcessingStatus(Enum):
    """How a document stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass
class FileMetadata:
    """A document of the source: its path there, its file name, its version and size in bytes."""

    path: str
    name: str = ""
    version: str = ""
    size: int | None = None


@dataclass
class ProcessingResult:
    """One document. ``processing_time``: seconds of its conversion; ``document_id``: the id in the vector store."""

    document_id: str
    file_path: str
    status: ProcessingStatus
    processing_time: float
    stages_completed: list[PipelineStage]
    chunks_generated: int = 0
    embeddings_created: int = 0
    vectors_stored: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class PipelineResult:
    """A whole run. Times are seconds."""

    total_documents: int
    processed_successfully: int
    failed_documents: int
    skipped_documents: int
    total_processing_time: float
    total_chunks: int
    total_embeddings: int
    total_vectors_stored: int
    stage_timings: dict[str, float] = field(default_factory=dict)
    document_results: list[ProcessingResult] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    performance_metrics: dict[str, Any] = field(default_factory=dict)


@dataclass
class ProgressReport:
    """How far a run is. Times are seconds; ``stage_progress`` maps a stage's value to its fraction done."""

    current_stage: PipelineStage
    documents_processed: int
    total_documents: int
    current_document: str | None = None
    elapsed_time: float = 0.0
    estimated_remaining: float = 0.0
    processing_rate: float = 0.0
    errors_count: int = 0
    warnings_count: int = 0
    stage_progress: dict[str, float] = field(default_factory=dict)


@dataclass
class ErrorResponse:
    """What an error means: its category, one clean line, whether trying again may help, and what to do."""

    category: str
    message: str
    retryable: bool
    action: str
    context: dict[str, Any] = field(default_factory=dict)
