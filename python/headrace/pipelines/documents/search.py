"""Searches what the pipeline stored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.connectors.qdrant import Hit, open_store
from headrace.errors import ConfigurationError
from headrace.pipelines.documents.embedders import open_embedder

if TYPE_CHECKING:
    from headrace.connectors.qdrant._store import Conditions

__all__ = ["search", "snippet"]


def search(
    query: str,
    *,
    vectors: str = "vectors",
    collection: str = "documents",
    limit: int = 5,
    where: Conditions | None = None,
    embedder: str = "hashed",
    embedder_options: Mapping[str, Any] | None = None,
    embedder_key: Any = None,
) -> list[Hit]:
    """The chunks that answer a query best, best first: by vector and by words (BM25).

    Args:
        query: What to look for, in words.
        vectors: The vector store.
        collection: The collection in it.
        limit: Most hits.
        where: Restricts the hits: payload fields and their values, such as ``{"format": ["pdf", "docx"]}``.
        embedder: The embedder that the collection was made with.
        embedder_options: As they were given to :func:`run`.
        embedder_key: Of an embedding server.

    Raises:
        ConfigurationError: There is no such collection, or another embedder made it.
        StorageError: It can't be read.
    """
    if not query.strip():
        raise ConfigurationError("the query is empty")
    if limit < 1:
        raise ConfigurationError(f"limit must be at least 1, not {limit}")
    chosen = open_embedder(embedder, embedder_options, key=embedder_key)
    with open_store(vectors, collection) as store:
        if store.embedder != chosen.model_id:
            raise ConfigurationError(f"the collection '{collection}' was made with another embedder than '{embedder}'")
        return store.search(chosen.embed([query])[0], query, limit, where)


_RULES = re.compile(r"^\|[ :|-]+\|$", re.MULTILINE)
_MARKS = re.compile(r"^#{1,6} |\*\*|```", re.MULTILINE)


def snippet(text: str, query: str, width: int) -> str:
    """About ``width`` characters of a text, where most of the query's words are, without Markdown's marks."""
    flat = _MARKS.sub("", _RULES.sub("", text)).replace("|", " · ")
    flat = re.sub(r"( ·)+ ", " · ", " ".join(flat.split())).strip("· ")
    if len(flat) <= width:
        return flat
    words = set(_plain(query))
    places = [found.start() for found in re.finditer(r"\S+", flat) if found.start() < len(flat) - width // 2]
    scores = [len(words.intersection(_plain(flat[place : place + width]))) for place in places]
    best = [place for place, score in zip(places, scores, strict=True) if score == max(scores)]
    begin = 0 if best[0] == 0 else best[len(best) // 2]
    cut = flat[begin : begin + width].rsplit(" ", 1)[0].rstrip("· ")
    return ("… " if begin else "") + cut + ("" if begin + width >= len(flat) else " …")


def _plain(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"\w{3,}", "".join(letter for letter in decomposed if not unicodedata.combining(letter)))
