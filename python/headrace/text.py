"""Exact chunking of text, at the speed of the hardware.

A chunker turns a text into :class:`Chunks`: a sequence of :class:`Chunk` with positions in code points, so that
``source[chunk.start:chunk.end] == chunk.text``. No chunk is over the limit, every character that is not a blank is in
a chunk, and no grapheme cluster (UAX #29, Unicode :data:`UNICODE_VERSION`) is cut, unless one alone exceeds the limit.
"""

from __future__ import annotations

import operator
from typing import Any

from headrace import _core
from headrace._core import UNICODE_VERSION, Chunk, Chunks
from headrace.errors import ConfigurationError

__all__ = ["UNICODE_VERSION", "Chunk", "Chunks", "RecursiveChunker"]


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, not {value!r}") from None


class RecursiveChunker(_core.RecursiveChunker):
    """Cuts at the end of a paragraph where the limit allows it, else of a line, a sentence, a word, a cluster.

    ``size``: the limit of a chunk, in ``unit`` (``"chars"``: code points, ``"bytes"``: of UTF-8). ``overlap``: at most
    so much of a chunk is repeated at the start of the next. ``min_size``: a chunk at least this long ends at the best
    break that follows (default: a quarter of ``size``). Raises ConfigurationError where a setting is wrong.

    ``chunk(text)`` gives the :class:`Chunks` of one string, ``chunk_many(texts, threads=0)`` a list of them, made on
    several threads (0: all processors); the result does not depend on their number.
    """

    def __init__(self, size: int = 1000, overlap: int = 0, unit: str = "chars", *, min_size: int | None = None):
        least = None if min_size is None else _whole("min_size", min_size)
        super().__init__(_whole("size", size), _whole("overlap", overlap), unit, least)
