"""What is stored: points of chunks, and one point for each document that says which of them are live."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["SCHEMA", "Chunk", "Document", "Hit", "Point", "Published", "document_id"]

SCHEMA = 1
"""Version of the payloads."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://headrace.invalid/documents")


def document_id(source: str, path: str) -> str:
    """The id of a document, and of its point: the same in every run, and of no other source's document."""
    return str(uuid.uuid5(_NAMESPACE, f"{source}\n{path}"))


@dataclass(frozen=True)
class Chunk:
    """A piece of a document's text.

    ``start`` and ``end`` are code points in the converted text; ``heading`` is the path of headings above it;
    ``page`` counts from 1, None for formats without pages; ``context`` is what a text needs to be
    understood and is no part of it: the header of the table that it goes on with.
    """

    text: str
    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    context: str = ""


@dataclass(frozen=True)
class Document:
    """A document as the store knows it.

    Attributes:
        source: The name of its source.
        path: Its path there.
        version: The source's version of the content.
        title: For people.
        format: ``docx``, ``pdf``, ...
        metadata: Any JSON values, kept in every point under ``metadata``.
    """

    source: str
    path: str
    version: str
    title: str = ""
    format: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id."""
        return document_id(self.source, self.path)

    def generation(self, embedder: str, chunks: Sequence[Chunk]) -> str:
        """Names exactly this content, embedded by exactly this embedder: the same again gives the same points."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (SCHEMA, embedder, asdict(self), [asdict(chunk) for chunk in chunks]):
            digest.update(json.dumps(part, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        return digest.hexdigest()

    def payload(self, generation: str) -> dict[str, Any]:
        """What its own point and the points of its chunks share."""
        return {
            "schema": SCHEMA,
            "document": self.id,
            "generation": generation,
            "source": self.source,
            "path": self.path,
            "version": self.version,
            "title": self.title,
            "format": self.format,
            "metadata": self.metadata,
        }


@dataclass(frozen=True)
class Point:
    """One point of a collection, whichever way it is stored. ``sparse``: indices and values."""

    id: str
    payload: dict[str, Any]
    dense: list[float] | None = None
    sparse: tuple[list[int], list[float]] | None = None


@dataclass(frozen=True)
class Published:
    """What publishing a document did, in points of chunks."""

    stored: int
    removed: int


@dataclass(frozen=True)
class Hit:
    """A chunk that a search found, best first."""

    score: float
    text: str
    path: str
    title: str
    source: str
    document: str
    chunk: int
    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    format: str = ""
    context: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, score: float, payload: dict[str, Any]) -> Hit:
        """The hit for a point's payload."""
        names = (
            "text",
            "path",
            "title",
            "source",
            "document",
            "chunk",
            "start",
            "end",
            "page",
            "format",
            "metadata",
            "context",
        )
        return cls(score, heading=tuple(payload["heading"]), **{name: payload[name] for name in names})


def chunk_points(
    document: Document, generation: str, chunks: Sequence[Chunk], dense: Any, sparse: Sequence[Any]
) -> list[Point]:
    """The points of a document's chunks; ``dense`` has one row for each."""
    shared = {**document.payload(generation), "kind": "chunk"}
    points = []
    for index, (chunk, row, words) in enumerate(zip(chunks, dense, sparse, strict=True)):
        name = str(uuid.uuid5(_NAMESPACE, f"{document.id}\n{generation}\n{index}"))
        payload = {**shared, "chunk": index, **asdict(chunk), "heading": list(chunk.heading)}
        points.append(Point(name, payload, row.tolist(), words))
    return points


def document_point(document: Document, generation: str, chunks: int) -> Point:
    """The point that makes a generation of a document the live one."""
    return Point(document.id, {**document.payload(generation), "kind": "document", "chunks": chunks})
