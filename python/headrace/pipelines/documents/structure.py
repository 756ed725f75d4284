"""From a converted document to chunks that say where they stand, none over what the embedding model takes."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import headrace as hr

if TYPE_CHECKING:
    from headrace.embed import Embedder

__all__ = ["Chunking", "page_of"]

MIN_SECTION = 200
"""Sections shorter than this share a chunk with what follows."""


def page_of(position: int, pages: Sequence[int]) -> int | None:
    """The page that a position is on, counted from 1; ``pages``: where each begins, none at all for no pages."""
    return bisect.bisect_right(pages, position) or 1 if pages else None


class Chunking:
    """Cuts documents by their structure.

    What is embedded is a chunk under what it stands under (title, headings, the header of a table that goes on): a
    table says little without its heading. Where that is more than the model takes, the outermost of it is left out
    first; where the text alone is more, it is cut in two, until all of it fits.

    Args:
        size: Most characters of a chunk.
        overlap: Characters that a chunk repeats of the one before.
        embedder: Counts the tokens; its ``max_tokens`` is the limit.
    """

    def __init__(self, size: int, overlap: int, embedder: Embedder) -> None:
        self._chunker = hr.text.MarkdownChunker(size, overlap, min_section=MIN_SECTION)
        self._limit = embedder.max_tokens
        self._count: Callable[[Sequence[str]], list[int]] = embedder.count_tokens
        self.identity = f"{size}/{overlap}" + (f"/{embedder.model_id}" if self._limit else "")

    def chunks(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks of a converted document: JSON objects; ``before`` is what is embedded before ``text``."""
        about = {name: document[name] for name in ("version", "title", "format")}
        pieces: hr.text.Chunks = self._chunker.chunk(document["text"])
        parts = [self._part(about, pieces[index]) for index in range(len(pieces))]
        return [
            {**part, "index": index, "page": page_of(part["start"], document["pages"])}
            for index, part in enumerate(self._fitting(parts))
        ]

    def _part(self, about: dict[str, str], piece: hr.text.Chunk) -> dict[str, Any]:
        heading = list(piece.metadata["heading_path"])
        part = {"text": piece.text, "start": piece.start, "end": piece.end, "context": piece.context}
        above = [title for title in dict.fromkeys([about["title"], *heading]) if title not in piece.text]
        return {**about, **part, "heading": heading, "before": _lines(above) + piece.context}

    def _fitting(self, parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if self._limit is None:
            yield from parts
            return
        counts = self._count([part["before"] + part["text"] for part in parts])
        for part, count in zip(parts, counts, strict=True):
            if count <= self._limit:
                yield part
            else:
                yield from self._shortened(part)

    def _shortened(self, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        text, shorter = part["text"], list(_less_and_less(part))
        counts = self._count([before + text for before in shorter])
        fits = next((before for before, n in zip(shorter, counts, strict=True) if n <= (self._limit or n)), None)
        if fits is not None or len(text) == 1:  # one letter of too many tokens: the embedder will say so
            yield {**part, "before": fits or ""}
            return
        cutter = hr.text.RecursiveChunker((len(text) + 1) // 2)
        pieces: hr.text.Chunks = cutter.chunk(text)
        for index in range(len(pieces)):
            piece = pieces[index]
            at = {"start": part["start"] + piece.start, "end": part["start"] + piece.end, "text": piece.text}
            yield from self._fitting([{**part, **at}])


def _lines(above: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in above)


def _less_and_less(part: dict[str, Any]) -> Iterator[str]:
    """What may stand before a text, the most first."""
    context = part["context"]
    above = part["before"].removesuffix(context).splitlines()
    for first in range(1, len(above) + 1):
        yield _lines(above[first:]) + context
    yield context
    yield ""
