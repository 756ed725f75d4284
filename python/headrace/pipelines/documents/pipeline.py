"""The pipeline itself."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import headrace as hr
from headrace.connectors import SourceFile
from headrace.connectors.docling import Converter
from headrace.connectors.qdrant import Chunk, Document, VectorStore, document_id, is_server
from headrace.pipelines.documents.embedders import BatchedEmbedder
from headrace.pipelines.documents.settings import Settings
from headrace.pipelines.documents.structure import Chunking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headrace.embed import Embedder

__all__ = ["CONVERT", "Built", "build", "unpack"]

CONVERT = "1"
"""Version of the conversion: a new one converts every document again."""
CHUNK = "2"
"""Version of the chunking."""


@dataclass(frozen=True)
class Built:
    """A pipeline, and what it tells while it runs.

    ``removed``: paths of removed documents; ``converted``: seconds that each conversion took, by path; ``embedder``:
    says why nothing could be embedded any more, if so.
    """

    pipeline: hr.Pipeline
    removed: list[str]
    converted: dict[str, float]
    embedder: BatchedEmbedder


class _Listener:
    """Who is told of documents: an object, since a function would count as code of the stage that calls it."""

    def __init__(self, on_document: Callable[[str], None] | None) -> None:
        self._on_document = on_document

    def begins(self, path: str) -> None:
        """The conversion of this document begins."""
        if self._on_document is not None:
            self._on_document(path)


_PASSING = (OSError, hr.StorageError)  # errors that may go away


def build(
    settings: Settings,
    *,
    source: str,
    files: Sequence[SourceFile],
    converter: Converter,
    embedder: Embedder,
    vectors: VectorStore,
    on_document: Callable[[str], None] | None = None,
) -> Built:
    """The pipeline for one run; ``on_document`` is told the path of each document whose conversion begins.

    What a stage depends on beside its input stands in its version, so that a change of a setting runs again just what
    it touches: the chunk size re-chunks, another embedder re-embeds, another collection is filled from the records.
    """
    removed: list[str] = []
    seconds: dict[str, float] = {}
    pipe = hr.Pipeline(settings.pipeline_name(source))
    chunking = Chunking(settings.chunk_size, settings.chunk_overlap, embedder)
    batched = BatchedEmbedder(embedder, settings.store)
    listener = _Listener(on_document)
    guard = None if settings.max_shrink is None else hr.Guard(max_shrink=settings.max_shrink)

    def list_documents(ctx: hr.Context) -> Iterator[hr.Item]:
        for file in files:
            yield hr.Item(file.path, version=file.version, load=functools.partial(_load, file, converter))

    def convert(ctx: hr.Context, loaded: tuple[str, bytes]) -> dict[str, Any]:
        began = time.monotonic()
        listener.begins(str(ctx.key))
        version, data = loaded
        name = PurePosixPath(str(ctx.key)).name
        converted = converter.convert(name, data, cancelled=lambda: ctx.cancelled)
        seconds[str(ctx.key)] = time.monotonic() - began
        for warning in converted.warnings:
            ctx.warn(f"{ctx.key}: {warning}")
        return {"version": version, **asdict(converted)}

    def chunk(ctx: hr.Context, document: dict[str, Any]) -> list[dict[str, Any]]:
        return chunking.chunks(document)

    def embed(ctx: hr.Context, chunks: list[dict[str, Any]]) -> list[bytes]:
        rows = batched.embed([part["before"] + part["text"] for part in chunks], lambda: ctx.cancelled)
        return [_pack(part, row.tobytes()) for part, row in zip(chunks, rows, strict=True)]

    def publish(ctx: hr.Context, parts: list[tuple[Any, bytes]]) -> dict[str, int]:
        """Publishing the same again changes nothing, so it may be repeated after a crash."""
        path = str(ctx.key)
        if not parts:
            return {"stored": 0, "removed": vectors.remove(document_id(source, path))}
        document, chunks, rows = unpack(source, path, [data for _, data in parts], vectors.dim)
        done = vectors.publish(document, chunks, rows)
        return {"stored": done.stored, "removed": done.removed}

    def drop(ctx: hr.Context, key: Any) -> None:
        vectors.remove(document_id(source, str(key)))
        removed.append(str(key))

    def finalise(ctx: hr.Context) -> dict[str, int]:
        vectors.make_current()
        if settings.optimize:
            vectors.optimize()
        return {"chunks": vectors.count()}

    retry = hr.Retry(attempts=3, delay=1.0, on=_PASSING)
    pipe.source(list_documents, name="documents", version="1", guard=guard)
    converted_by = f"{CONVERT}/models" if settings.artifacts else CONVERT
    pipe.map(convert, over="documents", version=converted_by, workers=settings.workers, retry=retry)
    pipe.flat_map(chunk, over="convert", version=f"{CHUNK}/{chunking.identity}")
    pipe.batch(embed, over="chunk", size=256, version=embedder.model_id, workers=1)
    pipe.group(
        publish,
        over="embed",
        by="documents",
        removed=drop,
        version=vectors.id,
        workers=4 if is_server(settings.vectors) else 1,
        retry=hr.Retry(attempts=5, delay=0.5, on=_PASSING),
        on_error="stop",  # a store that is gone is gone for all documents
    )
    pipe.step(finalise, after="publish", version=vectors.id, trigger="always")
    return Built(pipe, removed, seconds, batched)


def _load(file: SourceFile, converter: Converter) -> tuple[str, bytes]:
    if file.size is not None:
        converter.check_size(file.size)
    return file.version, file.load()


def _pack(part: dict[str, Any], row: bytes) -> bytes:
    kept = {name: value for name, value in part.items() if name != "before"}
    return json.dumps(kept, ensure_ascii=False).encode() + b"\n" + row


def unpack(source: str, path: str, packed: list[bytes], dim: int) -> tuple[Document, list[Chunk], Any]:
    """A document, its chunks and their vectors out of what the stage ``embed`` has recorded of it."""
    import numpy as np

    parts = sorted(
        ((json.loads(head), row) for head, _, row in (data.partition(b"\n") for data in packed)),
        key=lambda part: int(part[0]["index"]),
    )
    first = parts[0][0]
    document = Document(source, path, first["version"], first["title"], first["format"])
    chunks = [
        Chunk(part["text"], part["start"], part["end"], tuple(part["heading"]), part["page"], part["context"])
        for part, _ in parts
    ]
    rows = np.frombuffer(b"".join(row for _, row in parts), np.float32).reshape(len(parts), dim)
    return document, chunks, rows
