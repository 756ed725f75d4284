"""What both kinds of store do in the same way: publish, remove, search, list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.connectors.qdrant._model import Chunk, Document, Hit, Point, Published, chunk_points, document_point
from headrace.connectors.qdrant._sparse import query_words, text_words

__all__ = ["INDEXED", "Conditions", "VectorStore"]

Conditions = Mapping[str, str | Sequence[str]]
"""Payload fields and the values (any of them) that they must have."""

INDEXED = ("kind", "document", "source", "format")
"""The payload fields with an index."""

_BATCH = 256  # points in one request


class VectorStore(ABC):
    """A collection of documents.

    A document's chunks are stored under a *generation*. Which one is live stands in the document's own point, and a
    search drops the chunks of all others: writing that one point makes a new version visible, whole. Publishing the
    same again changes nothing, so that it may be repeated after a crash at any place.

    Threads may share a store.
    """

    dim: int
    """Columns of the vectors."""

    embedder: str
    """Who made them: the ``model_id`` of the embedder."""

    id: str
    """Another one as soon as the collection is another one, even of the same name."""

    def publish(self, document: Document, chunks: Sequence[Chunk], vectors: Any) -> Published:
        """Makes this version of a document the one that is found, and removes any other.

        Args:
            document: The document.
            chunks: Its chunks; none at all is a document that nothing finds.
            vectors: float32 (len(chunks), dim).

        Raises:
            StorageError: The store can't be written. What was live before still is.
        """
        generation = document.generation(self.embedder, chunks)
        points = chunk_points(document, generation, chunks, vectors, [text_words(chunk.text) for chunk in chunks])
        for begin in range(0, len(points), _BATCH):
            self._upsert(points[begin : begin + _BATCH])
        self._upsert([document_point(document, generation, len(points))])
        stale = {"kind": "chunk", "document": document.id}
        removed = self._count(stale) - len(points)
        if removed:
            self._delete(stale, {"generation": generation})
        return Published(len(points), removed)

    def remove(self, document: str) -> int:
        """Removes a document by its id, at once and whole; the number of chunks that it had."""
        self._delete({"kind": "document", "document": document})
        chunks = {"kind": "chunk", "document": document}
        count = self._count(chunks)
        if count:
            self._delete(chunks)
        return count

    def remove_stale(self, document: str) -> None:
        """Removes the chunks of a document that don't belong to its live generation."""
        live = self._live({document})
        if live:
            self._delete({"kind": "chunk", "document": document}, {"generation": live[document]})

    def search(
        self, vector: Any, text: str | None = None, limit: int = 5, where: Conditions | None = None
    ) -> list[Hit]:
        """The chunks nearest to a query, best first.

        Args:
            vector: float32 (dim,).
            text: The query's words: ranks by the vector and by the words (BM25) are joined. None: vector only.
            limit: Most hits.
            where: Restricts the hits, e.g. ``{"format": ["docx", "pdf"]}``.
        """
        words = query_words(text) if text else None
        conditions = {**(where or {}), "kind": "chunk"}
        fetch = limit + 8
        while True:
            found = self._query([float(x) for x in vector], words, fetch, conditions)
            live = self._live({payload["document"] for _, payload in found})
            hits = [Hit.of(score, p) for score, p in found if live.get(p["document"]) == p["generation"]]
            if len(hits) >= limit or len(found) < fetch:
                return hits[:limit]
            fetch *= 2  # old generations took the places: look further

    def _live(self, documents: set[str]) -> dict[str, str]:
        return {name: payload["generation"] for name, payload in self._retrieve(sorted(documents)).items()}

    def documents(self) -> Iterator[dict[str, Any]]:
        """The payload of each document's own point: path, version, generation, number of chunks, ..."""
        return (payload for _, payload in self._scroll({"kind": "document"}))

    def chunks(self, document: str | None = None) -> Iterator[dict[str, Any]]:
        """The payloads of all stored chunks, or of one document's, live or not."""
        wanted = {"kind": "chunk"} if document is None else {"kind": "chunk", "document": document}
        return (payload for _, payload in self._scroll(wanted))

    def count(self, where: Conditions | None = None) -> int:
        """The number of stored chunks."""
        return self._count({**(where or {}), "kind": "chunk"})

    def __enter__(self) -> VectorStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def optimize(self) -> None:
        """Merges segments, builds the index, brings everything to the disk."""

    @abstractmethod
    def make_current(self) -> None:
        """Lets searches see this collection, if its embedder replaced another one, and drops that one's."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the store. What was published stays."""

    @abstractmethod
    def _upsert(self, points: Sequence[Point]) -> None: ...

    @abstractmethod
    def _delete(self, where: Conditions, other_than: Conditions | None = None) -> None: ...

    @abstractmethod
    def _count(self, where: Conditions) -> int: ...

    @abstractmethod
    def _retrieve(self, ids: list[str]) -> dict[str, dict[str, Any]]: ...

    @abstractmethod
    def _scroll(self, where: Conditions) -> Iterator[tuple[str, dict[str, Any]]]: ...

    @abstractmethod
    def _query(
        self, vector: list[float], words: tuple[list[int], list[float]] | None, limit: int, where: Conditions
    ) -> list[tuple[float, dict[str, Any]]]: ...
