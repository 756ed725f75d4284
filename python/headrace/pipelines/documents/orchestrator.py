"""The pipeline behind one object: configured once, run, watched, checkpointed.

The engine's journal is what resuming rests on; a checkpoint file only marks a moment, so that somebody can hold it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from headrace._internal.failures import categorise, redact, sanitise
from headrace.connectors.qdrant import document_id
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.analytics import Forecast, History, forecast, history
from headrace.pipelines.documents.briefs import briefs
from headrace.pipelines.documents.results import (
    ErrorResponse,
    FileMetadata,
    PipelineResult,
    PipelineStage,
    ProcessingResult,
    ProcessingStatus,
    ProgressReport,
)
from headrace.pipelines.documents.run import DocumentsRun, run
from headrace.pipelines.documents.settings import Settings
from headrace.pipelines.documents.sources import open_source

if TYPE_CHECKING:
    from headrace import Run
    from headrace.pipelines.documents.configuration import ConfigurationManager

__all__ = ["PipelineOrchestrator", "create_pipeline_orchestrator"]

_STAGES = {
    "documents": PipelineStage.GITLAB_INGESTION,
    "convert": PipelineStage.DOCUMENT_PROCESSING,
    "chunk": PipelineStage.TEXT_CHUNKING,
    "embed": PipelineStage.EMBEDDING_GENERATION,
    "publish": PipelineStage.VECTOR_STORAGE,
    "finalise": PipelineStage.FINALIZATION,
}
_ORDER = list(_STAGES.values())
_ACTIONS = {
    "transient": (True, "try again: run the pipeline once more, it goes on from where it was"),
    "resource": (True, "make room (disk, memory, limits) and run the pipeline again"),
    "configuration": (False, "mend the configuration or the credentials, then run the pipeline again"),
    "permanent": (False, "mend or leave out the document; the others are not held up by it"),
    "code": (False, "this is a fault of the program: report it with its message"),
}


class PipelineOrchestrator:
    """Runs the documents pipeline as a configuration says.

    Raises:
        ConfigurationError: The configuration names no source.
    """

    def __init__(self, config_manager: ConfigurationManager) -> None:
        self.config_manager = config_manager
        self.logger = logging.getLogger("headrace.documents")
        self.checkpoint_dir = Path(config_manager.config.pipeline.checkpoint_dir)
        self._run: Run | None = None
        self._document: str | None = None  # whose conversion began last
        self._lock = threading.Lock()

    def run_full_pipeline(
        self, target_folder: str = "30-Aprovados", checkpoint_file: str | None = None
    ) -> PipelineResult:
        """Brings the vector store up to date with a folder of the source.

        A run that was interrupted goes on by itself. ``checkpoint_file``: a checkpoint that must belong to this
        configuration.

        Raises what :func:`headrace.pipelines.documents.run` raises; a document's own failure is in the result.
        """
        if checkpoint_file is not None and not self.resume_from_checkpoint(checkpoint_file):
            raise ConfigurationError(f"{checkpoint_file} is no checkpoint of this configuration")
        done = self._start(target_folder)
        result = self._result(done)
        self._write_summary(done, result)
        return result

    def process_documents(self, documents: Sequence[FileMetadata]) -> list[ProcessingResult]:
        """Just these documents of the source, whatever folder they are in."""
        paths = [document.path for document in documents]
        if not paths:
            return []
        return self._document_results(self._start("", paths), set(paths))

    def list_documents(self, target_folder: str = "30-Aprovados") -> list[FileMetadata]:
        """The documents of a folder of the source."""
        source = open_source(self._settings(target_folder))
        try:
            return [
                FileMetadata(file.path, PurePosixPath(file.path).name, file.version, file.size)
                for file in source.files()
            ]
        finally:
            source.close()

    def monitor_progress(self) -> ProgressReport:
        """How far the run is, from any thread; after a run: how it ended."""
        with self._lock:
            run_ = self._run
        if run_ is None:
            return ProgressReport(PipelineStage.INITIALIZATION, 0, 0)
        report = run_.progress()
        stages = {stage.name: stage for stage in report.stages}
        return ProgressReport(
            current_stage=_STAGES.get(report.current_stage or "", PipelineStage.FINALIZATION),
            documents_processed=stages["publish"].done + stages["convert"].failed,
            total_documents=stages["documents"].total,
            current_document=self._document if report.current_stage else None,
            elapsed_time=report.elapsed,
            estimated_remaining=report.estimated_remaining or 0.0,
            processing_rate=stages["publish"].done / report.elapsed if report.elapsed else 0.0,
            errors_count=report.errors,
            warnings_count=report.warnings,
            stage_progress={_STAGES[name].value: done for name, done in report.stage_progress.items()},
        )

    def performance_history(self) -> History:
        """The runs of this configuration's run store over time."""
        return history(self.config_manager.config.pipeline.store)

    def plan_capacity(self, documents: int) -> Forecast:
        """What so many documents would take in time and disk, by the runs so far."""
        config = self.config_manager.config
        return forecast(documents, config.pipeline.store, config.qdrant.location)

    def handle_pipeline_errors(self, error: Exception, context: Mapping[str, Any]) -> ErrorResponse:
        """What an error means and what to do about it; without secrets."""
        category = str(categorise(error))
        retryable, action = _ACTIONS[category]
        response = ErrorResponse(category, sanitise(str(error)), retryable, action, dict(redact(dict(context))))
        self.logger.error("%s error: %s", category, response.message)
        return response

    def create_checkpoint(self, stage: str, data: Mapping[str, Any]) -> bool:
        """Writes a checkpoint file (JSON, checksummed, 0600), whole or not at all; False where it can't."""
        body = {
            "stage": PipelineStage(stage).value,
            "data": redact(dict(data)),
            "config_hash": self.config_manager.config_hash,
            "run": None if self._run is None else self._run.id,
            "created_at": time.time(),
        }
        try:
            text = json.dumps(body, sort_keys=True, ensure_ascii=False)
            self.checkpoint_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            target = self.checkpoint_dir / f"pipeline_checkpoint_{time.strftime('%Y%m%d_%H%M%S')}_{stage}.json"
            _write(target, json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "checkpoint": body}))
        except (OSError, TypeError) as error:
            self.logger.warning("no checkpoint was written: %s", error)
            return False
        return True

    def resume_from_checkpoint(self, checkpoint_file: str) -> bool:
        """Whether a checkpoint is whole and of this configuration, so that a run goes on from what is recorded."""
        try:
            written = json.loads(Path(checkpoint_file).read_text(encoding="utf-8"))
            body = written["checkpoint"]
            text = json.dumps(body, sort_keys=True, ensure_ascii=False)
            whole: bool = written["sha256"] == hashlib.sha256(text.encode()).hexdigest()
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.logger.error("%s is no checkpoint: %s", checkpoint_file, error)
            return False
        if not whole:
            self.logger.error("%s was altered: its checksum doesn't fit", checkpoint_file)
        elif body["config_hash"] != self.config_manager.config_hash:
            self.logger.error("%s belongs to another configuration", checkpoint_file)
            whole = False
        return whole

    def _settings(self, folder: str) -> Settings:
        return Settings(**self._options(folder))

    def _options(self, folder: str) -> dict[str, Any]:
        config = self.config_manager.config
        gitlab, pipeline = config.gitlab, config.pipeline
        source = gitlab.source
        if not source:
            if not (gitlab.url and gitlab.project_path):
                raise ConfigurationError("the configuration names no source: set gitlab.url and gitlab.project_path")
            source = f"gitlab+{gitlab.url.rstrip('/')}/{gitlab.project_path.strip('/')}"
        return {
            "source": source,
            "branch": gitlab.branch,
            "folder": folder,
            "extensions": tuple(gitlab.supported_extensions),
            "token": gitlab.access_token.get_secret_value() if gitlab.access_token else None,
            "store": pipeline.store,
            "vectors": config.qdrant.location,
            "collection": config.qdrant.collection_name,
            "optimize": config.qdrant.optimize_collection,
            "chunk_size": config.chunking.target_chunk_size,
            "chunk_overlap": config.chunking.overlap,
            "embedder": config.embedding.model_name,
            "embedder_options": config.embedding.options,
            "embedder_key": config.embedding.api_key,
            "workers": pipeline.max_concurrent_documents,
            "timeout": config.docling.timeout,
            "memory": config.docling.memory,
            "max_size": config.docling.max_size,
            **({"artifacts": config.docling.artifacts} if config.docling.artifacts else {}),
        }

    def _start(self, folder: str, only: Sequence[str] | None = None) -> DocumentsRun:
        def watch(started: Run) -> None:
            with self._lock:
                self._run = started

        def begins(path: str) -> None:
            self._document = path

        options = self._options(folder)
        return run(options.pop("source"), progress=False, only=only, on_start=watch, on_document=begins, **options)

    def _result(self, done: DocumentsRun) -> PipelineResult:
        documents = self._document_results(done)
        by_status = {status: [r for r in documents if r.status is status] for status in ProcessingStatus}
        ready = by_status[ProcessingStatus.COMPLETED]
        result = PipelineResult(
            total_documents=len(documents),
            processed_successfully=len(ready),
            failed_documents=len(by_status[ProcessingStatus.FAILED]),
            skipped_documents=len(by_status[ProcessingStatus.SKIPPED]),
            total_processing_time=done.summary["seconds"],
            total_chunks=sum(r.chunks_generated for r in ready),
            total_embeddings=sum(r.embeddings_created for r in ready),
            total_vectors_stored=sum(r.vectors_stored for r in ready),
            stage_timings={_STAGES[name].value: stage["seconds"] for name, stage in done.summary["stages"].items()},
            document_results=documents,
            errors=[f"{failure['document']}: {failure['message']}" for failure in done.summary["failures"]],
        )
        result.performance_metrics = _metrics(result)
        return result

    def _document_results(self, done: DocumentsRun, only: set[str] | None = None) -> list[ProcessingResult]:
        converted, published = briefs(done.run), done.run.results("publish")
        failed = {failure["document"]: failure for failure in done.summary["failures"]}
        paths = sorted(only if only is not None else {*converted, *failed} - {None})
        return [
            _document(path, done, converted.get(path, {}), published.get(path, {}), failed.get(path)) for path in paths
        ]

    def _write_summary(self, done: DocumentsRun, result: PipelineResult) -> None:
        config = self.config_manager.config
        summary = {
            "execution_timestamp": done.summary["finished_at"],
            "pipeline_version": config.pipeline.processing_pipeline_version,
            "configuration": {
                "environment": self.config_manager.environment,
                "gitlab_branch": config.gitlab.branch,
                "chunk_size": config.chunking.target_chunk_size,
                "embedding_model": config.embedding.model_name,
                "qdrant_collection": config.qdrant.collection_name,
            },
            "results": {
                "total_documents": result.total_documents,
                "processed_successfully": result.processed_successfully,
                "failed_documents": result.failed_documents,
                "skipped_documents": result.skipped_documents,
                "total_chunks": result.total_chunks,
                "total_vectors_stored": result.total_vectors_stored,
                "processing_time": result.total_processing_time,
            },
            "performance_metrics": result.performance_metrics,
        }
        folder = Path(config.pipeline.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"pipeline_summary_{time.strftime('%Y%m%d_%H%M%S')}.json", json.dumps(summary, indent=2))


def _document(
    path: str, done: DocumentsRun, converted: Mapping[str, Any], published: Mapping[str, Any], failure: Any
) -> ProcessingResult:
    if failure:
        status = ProcessingStatus.FAILED
    else:
        status = ProcessingStatus.COMPLETED if path in done.converted else ProcessingStatus.SKIPPED
    reached = _ORDER.index(_STAGES[failure["stage"]]) if failure else _ORDER.index(PipelineStage.FINALIZATION)
    stored = int(published.get("stored", 0))
    return ProcessingResult(
        document_id=document_id(done.source, path),
        file_path=path,
        status=status,
        processing_time=done.converted.get(path, 0.0),
        stages_completed=_ORDER[:reached],
        chunks_generated=stored,
        embeddings_created=stored,
        vectors_stored=stored,
        errors=[failure["message"]] if failure else [],
        warnings=list(converted.get("warnings", ())),
        metadata={name: converted[name] for name in ("title", "format", "version") if name in converted},
    )


def _metrics(result: PipelineResult) -> dict[str, Any]:
    seconds, ready = result.total_processing_time, result.processed_successfully
    times = [document.processing_time for document in result.document_results if document.processing_time]
    fine = ready + result.skipped_documents
    return {
        "documents_per_second": ready / seconds if seconds else 0.0,
        "chunks_per_document": result.total_chunks / ready if ready else 0.0,
        "embeddings_per_second": result.total_embeddings / seconds if seconds else 0.0,
        "success_rate": fine / result.total_documents if result.total_documents else 0.0,
        "average_processing_time": sum(times) / len(times) if times else 0.0,
        "stage_timings": dict(result.stage_timings),
    }


def _write(target: Path, text: str) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(target)


def create_pipeline_orchestrator(config_manager: ConfigurationManager) -> PipelineOrchestrator:
    """The orchestrator of a configuration."""
    return PipelineOrchestrator(config_manager)
