"""Compares what the journal says was stored with what the vector store holds, both ways, and mends it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from headrace.connectors.qdrant import VectorStore, document_id, open_store
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.pipeline import unpack
from headrace.pipelines.documents.settings import Settings
from headrace.pipelines.documents.sources import open_source
from headrace.store import open_store as open_run_store

if TYPE_CHECKING:
    from headrace.store import StoredRun

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

    def __str__(self) -> str:
        """For the terminal: a line for each document."""
        lines = [f"{what:<11}{path}" for what, paths in asdict(self).items() for path in paths]
        return "\n".join(lines) if lines else "journal and vector store agree"


def audit(source: str, *, repair: bool = False, **settings: Any) -> Audit:
    """What differs between the journal and the vector store for one source; ``repair``: and mends it.

    What is missing is published again from the records, without converting or embedding it again; what should not be
    there is removed. Documents of other sources are not looked at.

    Args:
        source: The source, as it was given to :func:`run`.
        repair: Whether to mend what was found.
        settings: The settings, as they were given to :func:`run`.

    Raises:
        ConfigurationError: No finished run of this source into this collection is recorded, or there is no such
            collection, or another embedder made it.
        StorageError: The run store or the vector store can't be used.
    """
    given = Settings(str(source), **settings)
    with contextlib.ExitStack() as opened:
        origin = open_source(given)
        opened.callback(origin.close)
        last = _last_run(given, origin.name)
        vectors = opened.enter_context(open_store(given.vectors, given.collection))
        if vectors.embedder != given.open_embedder().model_id:
            raise ConfigurationError(
                f"the collection '{given.collection}' was made with another embedder than '{given.embedder}'"
            )
        found = _compare(vectors, origin.name, last)
        if repair and not found.clean:
            _repair(vectors, origin.name, last, found)
    return found


def _last_run(settings: Settings, source: str) -> StoredRun:
    runs = open_run_store(settings.store).runs(settings.pipeline_name(source))
    if not runs:
        raise ConfigurationError(f"no run of {source} into collection '{settings.collection}' is recorded")
    if str(runs[0].status) not in ("succeeded", "partial"):
        raise ConfigurationError(f"the last run of {source} is {runs[0].status}: run it again, then audit")
    return runs[0]


def _compare(vectors: VectorStore, source: str, last: StoredRun) -> Audit:
    recorded = {path: int(done["stored"]) for path, done in (last.results("publish") or {}).items() if done["stored"]}
    failed = {_path(failure.key) for failure in last.failures}  # what is stored of those is their last good version
    documents = {
        payload["path"]: payload["generation"] for payload in vectors.documents() if payload["source"] == source
    }
    counted = Counter((p["path"], p["generation"]) for p in vectors.chunks() if p["source"] == source)
    there = {*documents, *(path for path, _ in counted)}
    lost = {path for path, live in documents.items() if counted[path, live] != recorded.get(path, 0)}
    return Audit(
        missing=tuple(sorted(set(recorded) - set(documents))),
        incomplete=tuple(sorted(lost & set(recorded))),
        stale=tuple(sorted({path for path, live in counted if path in documents and documents[path] != live})),
        orphans=tuple(sorted(there - set(recorded) - failed)),
    )


def _repair(vectors: VectorStore, source: str, last: StoredRun, found: Audit) -> None:
    for path in found.stale:
        vectors.remove_stale(document_id(source, path))
    for path in found.orphans:
        vectors.remove(document_id(source, path))
    lost: dict[str, list[bytes]] = {path: [] for path in (*found.missing, *found.incomplete)}
    for key, packed in (last.results("embed") or {}).items() if lost else ():
        if _path(key) in lost:
            lost[_path(key)].append(packed)
    for path, parts in lost.items():
        if parts:
            vectors.publish(*unpack(source, path, parts, vectors.dim))


def _path(key: Any) -> str:
    while isinstance(key, tuple):
        key = key[0]
    return str(key)
