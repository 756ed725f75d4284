"""Exact chunking of text, at the speed of the hardware.

A chunker turns a text into :class:`Chunks`: a sequence of :class:`Chunk` with positions in code points, so that
``source[chunk.start:chunk.end] == chunk.text``. No chunk is over the limit, every character that is not a blank is in
a chunk, and no grapheme cluster (UAX #29, Unicode :data:`UNICODE_VERSION`) is cut, unless one alone exceeds the limit.

Every chunker takes

- ``size``: the limit of a chunk, in ``unit``: ``"chars"`` (code points), ``"bytes"`` (of UTF-8) or ``"tokens"``;
- ``overlap``: at most so much of a chunk is repeated at the start of the next;
- ``tokenizer``, for tokens: a :class:`Tokenizer`, the path of a ``tokenizer.json``, or an object of the `tokenizers`
  package. The special tokens that the model adds are counted, and the file's truncation is ignored, so that no model
  of ``size`` tokens ever truncates a chunk. ``prefix``: text that will be put before each chunk; it is counted too;
- ``stable``: of the places that are equally good to cut at, the one is taken that the text around it chooses, not the
  last. A document that changes in one place keeps its other chunks; they are a sixth to a third smaller;

and raises ConfigurationError where one is wrong. ``chunk(text)`` gives the :class:`Chunks` of one string,
``chunk_many(texts, threads=0)`` a list of them, made on several threads (0: all processors) with the GIL released; the
result does not depend on their number.
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
import reprlib
from collections.abc import Iterable
from typing import Any, ClassVar, SupportsIndex, SupportsInt

from headrace import _core
from headrace._core import UNICODE_VERSION, Chunk, Chunks, sentence_boundaries
from headrace._internal import tokenizers as _tokenizers
from headrace._internal.native import NativeStage, digest
from headrace.errors import ConfigurationError

__all__ = [
    "UNICODE_VERSION",
    "Chunk",
    "ChunkStage",
    "Chunks",
    "MarkdownChunker",
    "RecursiveChunker",
    "SentenceChunker",
    "TokenChunker",
    "Tokenizer",
    "sentence_boundaries",
]


class Tokenizer:
    """The tokenizer of a model: natively run where its kind is known (WordPiece of BERT, byte-level BPE of GPT-2).

    ``native`` says whether it is; ``reason`` why not. Then the `tokenizers` package runs it. Where that package is
    installed, both are compared when the tokenizer is made, and any difference makes the package be used.
    """

    def __init__(self, core: _core.Tokenizer, reason: str = "", json: str = ""):
        if not isinstance(core, _core.Tokenizer):
            raise ConfigurationError("a tokenizer is made by Tokenizer.from_file(path) or Tokenizer.of(object)")
        self._core = core
        self._json = json
        self.reason = reason

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Of a ``tokenizer.json``, or of the folder it lies in."""
        return cls(*_tokenizers.from_file(path))

    @classmethod
    def from_json(cls, json: str) -> Tokenizer:
        """Of the text of a ``tokenizer.json``."""
        return cls(*_tokenizers.from_json(json))

    @classmethod
    def of(cls, tokenizer: Any) -> Tokenizer:
        """Of whatever a chunker takes as its ``tokenizer``."""
        if isinstance(tokenizer, Tokenizer):
            return tokenizer
        if isinstance(tokenizer, (str, os.PathLike)):
            return cls.from_file(tokenizer)
        return cls(*_tokenizers.from_object(tokenizer))

    @property
    def native(self) -> bool:
        """Whether it runs in C++, without the GIL."""
        return not self.reason

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to a text."""
        return self._core.special_tokens

    def encode(self, text: str) -> tuple[Any, Any]:
        """``(ids, offsets)`` of a text: int32 arrays (n,) and (n, 2), in code points; no special tokens."""
        return self._core.encode(text)

    def count(self, texts: Iterable[str], threads: int = 0) -> list[int]:
        """How many tokens the model sees for each text, special tokens included."""
        return self._core.count(_texts(texts), _whole("threads", threads))

    def __reduce__(self) -> Any:
        return Tokenizer.from_json, (self._json,)

    def __repr__(self) -> str:
        return f"<Tokenizer: {'native' if self.native else self.reason}>"


def _whole(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
        if isinstance(value, bool):
            raise TypeError
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, not {reprlib.repr(value)}") from None
    if not -(2**63) <= number < 2**63:
        raise ConfigurationError(f"{name} must fit into 64 bits, not {number}")
    return number


def _texts(texts: Any) -> Any:
    if isinstance(texts, Iterable):
        return texts
    raise ConfigurationError(f"texts must be a list of strings, not {type(texts).__name__}")


class _Chunker:
    """What chunkers show of themselves, and how they get into another process."""

    settings: dict[str, Any]  #: what it was made with, defaults included

    def chunk_many(self, texts: Iterable[str], threads: SupportsInt | SupportsIndex = 0) -> list[Chunks]:
        """The :class:`Chunks` of each text, made on ``threads`` threads (0: all processors), the GIL released."""
        number = _whole("threads", threads)
        if number > 1024:
            raise ConfigurationError(f"threads must be at most 1024, not {number}")
        # The core's own, which a chunker derives from beside this class.
        found: list[Chunks] = super().chunk_many(_texts(texts), number)  # type: ignore[misc]
        return found

    @property
    def _made_by(self) -> Any:
        """The class of this module whose settings it has, also where it is a class derived from that."""
        return next(each for each in type(self).__mro__ if each.__module__ == __name__)

    def __reduce__(self) -> Any:
        if type(self) is not self._made_by:
            raise TypeError(f"a {type(self).__name__} can't be pickled: send its settings, and make it there")
        return functools.partial(type(self), **self.settings), ()

    def __repr__(self) -> str:
        parameters = inspect.signature(self._made_by).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.settings.items()
            if name in ("size", "overlap", "unit") or value != parameters[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _settings(size: Any, overlap: Any, unit: Any, tokenizer: Any, **more: Any) -> _core.ChunkSettings:
    """What all chunkers take; ``more``: prefix, min_size, stable."""
    if tokenizer is not None and unit != "tokens":
        raise ConfigurationError(f"a tokenizer was given, but unit is {unit!r}: give unit='tokens', or no tokenizer")
    return _checked(size, overlap, unit, tokenizer, **more)


def _checked(
    size: Any, overlap: Any, unit: Any, tokenizer: Any, *, prefix: Any, min_size: Any = None, stable: Any = False
) -> _core.ChunkSettings:
    if not isinstance(prefix, str):
        raise ConfigurationError(f"prefix must be a str, not {prefix!r}")
    core: Any = None if tokenizer is None else Tokenizer.of(tokenizer)._core
    least = None if min_size is None else _whole("min_size", min_size)
    if least is not None and least < 0:
        raise ConfigurationError(f"min_size must be between 0 and size, not {least}")
    if not isinstance(stable, bool):
        raise ConfigurationError(f"stable must be True or False, not {stable!r}")
    whole = _whole("size", size), _whole("overlap", overlap)
    return _core.ChunkSettings(*whole, str(unit), core, prefix, least, stable)


class RecursiveChunker(_Chunker, _core.RecursiveChunker):
    """Cuts at the end of a paragraph where the limit allows it, else of a line, a sentence, a word, a cluster.

    ``min_size``: a chunk at least this long ends at the best break that follows (default: a quarter of ``size``).
    """

    def __init__(
        self,
        size: int = 1000,
        overlap: int = 0,
        unit: str = "chars",
        tokenizer: Any = None,
        *,
        prefix: str = "",
        min_size: int | None = None,
        stable: bool = False,
    ):
        common: dict[str, Any] = {
            "size": size, "overlap": overlap, "unit": unit, "tokenizer": tokenizer, "prefix": prefix,
            "min_size": min_size, "stable": stable,
        }  # fmt: skip
        super().__init__(_settings(**common))
        self.settings = common


class SentenceChunker(_Chunker, _core.SentenceChunker):
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
        tokenizer: Any = None,
        *,
        prefix: str = "",
        abbreviations: bool = True,
        wrapped: bool = False,
        stable: bool = False,
    ):
        common: dict[str, Any] = {
            "size": size, "overlap": overlap, "unit": unit, "tokenizer": tokenizer, "prefix": prefix, "stable": stable,
        }  # fmt: skip
        super().__init__(_settings(**common), abbreviations, wrapped)
        self.settings = {**common, "abbreviations": abbreviations, "wrapped": wrapped}


class MarkdownChunker(_Chunker, _core.MarkdownChunker):
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
        tokenizer: Any = None,
        *,
        prefix: str = "",
        min_size: int | None = None,
        min_section: int = 0,
        stable: bool = False,
    ):
        common: dict[str, Any] = {
            "size": size, "overlap": overlap, "unit": unit, "tokenizer": tokenizer, "prefix": prefix,
            "min_size": min_size, "stable": stable,
        }  # fmt: skip
        super().__init__(_settings(**common), _whole("min_section", min_section))
        self.settings = {**common, "min_section": min_section}


class TokenChunker(_Chunker, _core.TokenChunker):
    """As many tokens in a chunk as the limit allows: cut where a word of the tokenizer begins, whatever it means.

    With ``unit="chars"`` or ``"bytes"`` the limit is in those, and the cuts are still where a word begins.
    """

    def __init__(
        self,
        size: int = 256,
        overlap: int = 0,
        unit: str = "tokens",
        tokenizer: Any = None,
        *,
        prefix: str = "",
        stable: bool = False,
    ):
        if tokenizer is None:
            other = "" if isinstance(unit, str) else f" (the third argument is unit, not {reprlib.repr(unit)})"
            raise ConfigurationError(f"TokenChunker needs a tokenizer: give tokenizer={other}")
        common: dict[str, Any] = {
            "size": size, "overlap": overlap, "unit": unit, "tokenizer": tokenizer, "prefix": prefix, "stable": stable,
        }  # fmt: skip
        super().__init__(_checked(**common))
        self.settings = common


class ChunkStage(NativeStage):
    """Cuts the text of every item into chunks, with no line of Python run.

    ``chunks = pipe.flat_map(hr.text.ChunkStage(hr.text.MarkdownChunker, size=1000), over=documents)``: an item's value
    is a text, or a mapping or object with a field ``text``. Its children, numbered "0", "1", ..., are dicts with
    ``text``, ``start`` and ``end`` (code points) and, of Markdown, ``heading_path``.

    ``chunker``: a class of this module; ``settings`` are its arguments. ``name`` is the stage's, unless the decorator
    is given one. Raises ConfigurationError.
    """

    forms: ClassVar[tuple[str, ...]] = ("flat_map",)

    def __init__(self, chunker: Any, *, field: str = "text", name: str = "chunks", **settings: Any) -> None:
        super().__init__(name)
        if not (isinstance(chunker, type) and issubclass(chunker, _Chunker)):
            raise ConfigurationError(f"chunker must be a class such as hr.text.RecursiveChunker, not {chunker!r}")
        if not isinstance(field, str) or not field:
            raise ConfigurationError(f"field must be a string, not {field!r}")
        self._chunker: Any = chunker(**settings)
        self._field = field
        tokenizer = settings.pop("tokenizer", None)
        vocabulary = None if tokenizer is None else _tokenizers.fingerprint(Tokenizer.of(tokenizer)._core)
        self._identity = digest(
            "chunks", chunker=chunker.__qualname__, unicode=UNICODE_VERSION, field=field, settings=settings,
            tokenizer=vocabulary,
        )  # fmt: skip

    def native(self, name: str, identity: str) -> _core.Stage:
        """The stage as the core runs it."""
        return _core.chunk_stage(name, identity, self._chunker, self._field)

    def identity(self) -> str:
        """The chunker's class and settings, what its tokenizer makes of some probes, and the field."""
        return self._identity
