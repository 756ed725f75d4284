"""Compares what the journal says was stored with what the vector store holds, both ways, and mends it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from headrace._internal.compile import modes_of
from headrace.connectors.docling import Converter
from headrace.connectors.qdrant import VectorStore, document_id, open_store
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.embedders import open_embedder
from headrace.pipelines.documents.pipeline import build
from headrace.pipelines.documents.settings import Settings
from headrace.pipelines.documents.sources import open_source
from headrace.run import start
from headrace.store import open_store as open_run_store

if TYPE_CHECKING:
    from headrace.embed import Embedder

__all__ = ["Audit", "audit"]


@dataclass(frozen=True)
class Audit:
    """Paths of the documents that are not as the journal says.

    Attributes:
        missing: Recorded as stored, and not there.
        incomplete: There, but with another number of chunks than recorded.
        stale: There, with chunks of other versions beside them.
        orphans: There, and not recorded.
    """

    missing: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether journal and store agree."""
        return not any(getattr(self, field.name) for field in fields(self))


def audit(source: str, *, repair: bool = False, **settings: Any) -> Audit:
    """What differs between the journal and the vector store for one source; ``repair``: and mends it.

    What is missing is published again from the records, without converting or embedding it again; what should not be
    there is removed. Documents of other sources are not looked at.

    Args:
        source: The source, as it was given to :func:`run`.
        repair: Whether to mend what was found.
        settings: The settings, as they were given to :func:`run`.

    Raises:
        ConfigurationError: No run of this source into this collection is recorded.
    """
    given = Settings(str(source), **settings)
    embedder = open_embedder(given.embedder)
    with contextlib.ExitStack() as opened:
        origin = open_source(given)
        opened.callback(origin.close)
        recorded, failed = _recorded(given, origin.name)
        vectors = opened.enter_context(
            open_store(given.vectors, given.collection, dim=embedder.dim, embedder=embedder.model_id)
        )
        found = _compare(vectors, origin.name, recorded, failed)
        if repair and not found.clean:
            _repair(given, origin.name, embedder, vectors, found)
    return found


def _recorded(settings: Settings, source: str) -> tuple[dict[str, int], set[str]]:
    """Chunks of each document by the journal, and the documents that failed: what is stored of those stays."""
    runs = open_run_store(settings.store).runs(settings.pipeline_name(source))
    if not runs:
        raise ConfigurationError(f"no run of {source} into collection '{settings.collection}' is recorded")
    results: Mapping[str, Any] = runs[0].results("publish") or {}
    failed = {key[0] if isinstance(key, tuple) else key for key in (failure.key for failure in runs[0].failures)}
    return {path: int(result["stored"]) for path, result in results.items()}, {str(key) for key in failed}


def _compare(vectors: VectorStore, source: str, recorded: Mapping[str, int], failed: set[str]) -> Audit:
    documents = {payload["path"]: payload for payload in vectors.documents() if payload["source"] == source}
    counted = Counter((p["path"], p["generation"]) for p in vectors.chunks() if p["source"] == source)
    live = {path: counted[path, payload["generation"]] for path, payload in documents.items()}
    there = {*documents, *(path for path, _ in counted)}
    return Audit(
        missing=tuple(sorted(path for path, count in recorded.items() if count and path not in documents)),
        incomplete=tuple(sorted(path for path in recorded if path in documents and live[path] != recorded[path])),
        stale=tuple(
            sorted({path for path, name in counted if path in documents and documents[path]["generation"] != name})
        ),
        orphans=tuple(sorted(there - {path for path, count in recorded.items() if count} - failed)),
    )


def _repair(settings: Settings, source: str, embedder: Embedder, vectors: VectorStore, found: Audit) -> None:
    for path in found.stale:
        vectors.remove_stale(document_id(source, path))
    for path in found.orphans:
        vectors.remove(document_id(source, path))
    lost = {*found.missing, *found.incomplete}
    if not lost:
        return
    with Converter(1) as converter:
        built = build(settings, source=source, files=[], converter=converter, embedder=embedder, vectors=vectors)
        run = start(
            built.pipeline,
            {"repair": settings.collection},
            settings.store,
            modes=modes_of(built.pipeline, "publish", None, None),
            resume=None,
            skip_existing=False,
        )
        run.join()
