"""Exact chunking of text, at the speed of the hardware.

A chunker turns a text into :class:`Chunks`: a sequence of :class:`Chunk` with positions in code points, so that
``source[chunk.start:chunk.end] == chunk.text``. No chunk is over the limit, every character that is not a blank is in
a chunk, and no grapheme cluster (UAX #29, Unicode :data:`UNICODE_VERSION`) is cut, unless one alone exceeds the limit.

Every chunker takes ``size`` (the limit of a chunk), ``overlap`` (at most so much of a chunk is repeated at the start of
the next) and ``unit`` (``"chars"``: code points, ``"bytes"``: of UTF-8), and raises ConfigurationError where one is
wrong. ``chunk(text)`` gives the :class:`Chunks` of one string, ``chunk_many(texts, threads=0)`` a list of them, made
on several threads (0: all processors) with the GIL released; the result does not depend on their number.
"""

from __future__ import annotations

import operator
from typing import Any

from headrace import _core
from headrace._core import UNICODE_VERSION, Chunk, Chunks, sentence_boundaries
from headrace.errors import ConfigurationError

__all__ = [
    "UNICODE_VERSION",
    "Chunk",
    "Chunks",
    "MarkdownChunker",
    "RecursiveChunker",
    "SentenceChunker",
    "sentence_boundaries",
]


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, not {value!r}") from None


def _least(value: Any) -> int | None:
    return None if value is None else _whole("min_size", value)


class RecursiveChunker(_core.RecursiveChunker):
    """Cuts at the end of a paragraph where the limit allows it, else of a line, a sentence, a word, a cluster.

    ``min_size``: a chunk at least this long ends at the best break that follows (default: a quarter of ``size``).
    """

    def __init__(self, size: int = 1000, overlap: int = 0, unit: str = "chars", *, min_size: int | None = None):
        super().__init__(_whole("size", size), _whole("overlap", overlap), unit, _least(min_size))


class SentenceChunker(_core.SentenceChunker):
    """As many whole sentences (UAX #29) in a chunk as the limit allows; a longer one is cut as RecursiveChunker cuts.

    ``abbreviations``: no sentence ends after a known Portuguese or English abbreviation or an initial.
    ``wrapped``: a single line feed is a blank, for text wrapped at a fixed width; UAX #29 ends a sentence there.
    An overlap is made of whole sentences too, so that it may be none.
    """

    def __init__(
        self,
        size: int = 1000,
        overlap: int = 0,
        unit: str = "chars",
        *,
        abbreviations: bool = True,
        wrapped: bool = False,
    ):
        super().__init__(_whole("size", size), _whole("overlap", overlap), unit, abbreviations, wrapped)


class MarkdownChunker(_core.MarkdownChunker):
    """Cuts Markdown along its structure: a heading begins a new chunk, blocks and list items stay whole if they fit.

    ``chunk.metadata["heading_path"]`` is the list of headings that a chunk stands under, its own among them; ``"code"``
    the info string of the code fence it begins in, ``"front_matter"`` true for front matter. A table that doesn't fit
    is cut between rows; ``chunk.context`` (also ``metadata["table_header"]``) is then the header, which is not part of
    ``chunk.text`` but counts against the limit: ``chunk.context + chunk.text`` is what an embedder should see.

    ``min_section``: sections smaller than so many characters share a chunk with what follows. ``min_size``: see
    :class:`RecursiveChunker`.
    """

    def __init__(
        self,
        size: int = 1000,
        overlap: int = 0,
        unit: str = "chars",
        *,
        min_size: int | None = None,
        min_section: int = 0,
    ):
        least = _least(min_size)
        super().__init__(
            _whole("size", size), _whole("overlap", overlap), unit, least, _whole("min_section", min_section)
        )
