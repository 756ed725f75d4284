"""Runs the pipeline over a source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from headrace import widgets
from headrace._internal.compile import modes_of
from headrace.connectors import redact_url
from headrace.connectors.docling import Converter
from headrace.connectors.qdrant import open_store
from headrace.errors import CancelledError, ConfigurationError, PipelineError, StageError
from headrace.pipelines.documents.pipeline import build
from headrace.pipelines.documents.sampling import Sampler
from headrace.pipelines.documents.settings import Settings
from headrace.pipelines.documents.sources import open_source
from headrace.pipelines.documents.summary import summarise, write_summary
from headrace.run import start

if TYPE_CHECKING:
    from headrace import Failure, Key, Run, Status
    from headrace.connectors import SourceFile
    from headrace.pipelines.documents.embedders import BatchedEmbedder
    from headrace.widgets import Picture

__all__ = ["DocumentsRun", "run"]


@dataclass(frozen=True)
class DocumentsRun:
    """What a run did.

    Attributes:
        run: The run itself.
        source: The full name of the source.
        summary: What stands in the summary file: numbers, dead letters, warnings, seconds of each stage.
        converted: Seconds that each conversion of this run took, by path.
        samples: (seconds since the start, documents worked on so far), in order.
    """

    run: Run = field(repr=False)
    source: str
    summary: Mapping[str, Any] = field(repr=False)
    converted: Mapping[str, float] = field(repr=False, default_factory=dict)
    samples: Sequence[tuple[float, float]] = field(repr=False, default=())

    @property
    def status(self) -> Status:
        """How the run ended; ``PARTIAL`` with dead letters."""
        return self.run.status

    @property
    def failures(self) -> list[Failure]:
        """The dead letters."""
        return self.run.failures

    @property
    def counts(self) -> Mapping[str, int]:
        """Numbers of documents: ``total``, ``executed``, ``skipped``, ``failed``, ``removed``; and of ``chunks``."""
        counts: Mapping[str, int] = self.summary["counts"]
        return counts

    def stages(self) -> Picture:
        """The stages as a picture, with what each did."""
        return widgets.stages(self.run)

    def timeline(self) -> Picture:
        """When each stage worked, as a picture."""
        return widgets.timeline(self.run)

    def throughput(self) -> Picture:
        """Documents a second over the time of the run, as a picture."""
        return widgets.throughput(self.samples)

    def errors(self) -> Picture:
        """Dead letters by category, as a picture."""
        return widgets.errors(self.run)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()


def run(
    source: str,
    *,
    progress: bool | Literal["auto"] = "auto",
    only: Iterable[str] | None = None,
    on_start: Callable[[Run], None] | None = None,
    on_document: Callable[[str], None] | None = None,
    **settings: Any,
) -> DocumentsRun:
    """Brings a vector store up to date with a source of documents.

    What is unchanged since the last run is skipped, what has gone is removed. After a crash or Ctrl-C the same call
    goes on from where it was.

    Args:
        source: A folder, a git repository, a GitLab project (see :class:`Settings`).
        progress: Whether a bar is shown; "auto": where somebody looks.
        only: Just the documents of these paths; no other one is looked at, or removed.
        on_start: Called with the run as soon as it works: to watch its progress from another thread, or to cancel it.
        on_document: Called with the path of each document whose conversion begins, from any thread.
        settings: See :class:`Settings`.

    Raises:
        ConfigurationError: A setting is wrong; the source or the collection is not there, or not what it should be.
        StorageError: The vector store or the run store can't be used.
        StageError: The vector store failed half-way, or the source shrank too much. What was done is recorded.
    """
    given = Settings(str(source), **settings)
    embedder = given.open_embedder()
    with contextlib.ExitStack() as opened:
        origin = open_source(given)
        opened.callback(origin.close)
        files = _listed(given, origin.files())
        vectors = open_store(given.vectors, given.collection, dim=embedder.dim, embedder=embedder.model_id)
        opened.enter_context(vectors)
        converter = opened.enter_context(_converter(given))
        parts: dict[str, Any] = {"converter": converter, "embedder": embedder, "vectors": vectors}
        built = build(given, source=origin.name, files=files, on_document=on_document, **parts)
        params = {"source": redact_url(given.source), "folder": given.folder, "collection": given.collection}
        keys: set[Key] | None = None if only is None else set(only)
        modes = modes_of(built.pipeline, None, None, None)
        done = start(built.pipeline, params, given.store, modes=modes, only_keys=keys)
        built.embedder.on_down = done.cancel
        if built.embedder.down is not None:
            done.cancel()
        if on_start is not None:
            on_start(done)
        with Sampler(done) as sampler:
            _join(done, progress, built.embedder)
        summary = summarise(done, given, origin.name, vectors, built.removed)
    write_summary(given, summary)
    _raise_where_failed(done)
    return DocumentsRun(done, origin.name, summary, built.converted, sampler.samples)


def _converter(given: Settings) -> Converter:
    return Converter(
        given.workers,
        timeout=given.timeout,
        memory=given.memory << 20,
        max_size=given.max_size << 20,
        artifacts=given.artifacts,
    )


def _join(run: Run, progress: bool | Literal["auto"], embedder: BatchedEmbedder) -> None:
    """Until the end; where nothing can be embedded any more, the run stops there, and goes on when it is run again."""
    try:
        run.join(progress)
    except CancelledError:
        if embedder.down is None:
            raise
    if embedder.down is not None:
        raise StageError("embed", None, embedder.down, str(embedder.down)) from embedder.down


def _raise_where_failed(run: Run) -> None:
    if run.status == "failed":
        first = run.failures[0] if run.failures else None
        if first is None:
            raise PipelineError(run.message or "the run failed")
        raise StageError(first.stage, first.key, None, first.message)


def _listed(settings: Settings, files: Any) -> list[SourceFile]:
    """The files of the source. None at all is an error: it is no reason to remove everything."""
    listed = list(files)
    if not listed:
        where = redact_url(settings.source) + (f"/{settings.folder}" if settings.folder else "")
        raise ConfigurationError(f"there are no documents in {where} ({', '.join(settings.extensions)})")
    return listed
