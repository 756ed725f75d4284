"""The model's own tokenizer, with nothing cut off."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace._internal import tokenizers
from headrace.errors import ConfigurationError, EmbeddingError

__all__ = ["Tokenizer", "listed", "refuse_too_long"]

_KEPT_TOKENS = 1_000_000  # ids kept between counting and embedding


class Tokenizer:
    """A ``tokenizer.json``. Truncation and padding that the file asks for are switched off; special tokens stay.

    Run in C++ where the kind is known (WordPiece of BERT, byte-level BPE of GPT-2) and gives what the `tokenizers`
    package gives; else by that package, and ``reason`` says why. May be used from several threads at once.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = file = Path(path)
        if not file.is_file():
            raise ConfigurationError(f"there is no tokenizer at {file}")
        try:
            text = file.read_text(encoding="utf-8")
            self._core, self.reason = tokenizers.core_of(text)
        except (ConfigurationError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} is not a tokenizer that can be used here: {error}") from error
        self._package = _Package(text) if self.reason else None
        self._before, self._after = ([], []) if self._package else _special_ids(text, self._core.special_tokens)

    @property
    def native(self) -> bool:
        """Whether it runs in C++, without the GIL."""
        return self._package is None

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        return self._core.count(texts, 1) if self._package is None else self._package.count(texts)

    def __repr__(self) -> str:
        return f"<Tokenizer {str(self.path)!r}: {'native' if self.native else self.reason}>"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, special tokens included."""
        if self._package is not None:
            return self._package.encode(texts)
        _refuse_surrogates(texts)
        return [[*self._before, *self._core.encode(text)[0].tolist(), *self._after] for text in texts]


class _Package:
    """The `tokenizers` package. Texts are tokenised once: ids that :meth:`count` made are kept, within bounds, until
    :meth:`encode` takes them."""

    def __init__(self, json_text: str) -> None:
        self._tokenizer: Any = tokenizers.package_of(json_text)
        self._lock = threading.Lock()
        self._kept: dict[str, list[int]] = {}
        self._kept_tokens = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        encoded = self._encode(texts)
        with self._lock:
            for text, ids in zip(texts, encoded, strict=True):
                if text not in self._kept and self._kept_tokens + len(ids) <= _KEPT_TOKENS:
                    self._kept[text] = ids
                    self._kept_tokens += len(ids)
        return [len(ids) for ids in encoded]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        with self._lock:
            known = [self._kept.pop(text, None) for text in texts]
            self._kept_tokens -= sum(len(ids) for ids in known if ids is not None)
        unknown = iter(self._encode([text for text, ids in zip(texts, known, strict=True) if ids is None]))
        return [next(unknown) if ids is None else ids for ids in known]

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))] if texts else []


def _special_ids(text: str, count: int) -> tuple[list[int], list[int]]:
    """The ids that the model wants before and after a text's own, as the file's post-processor says."""
    processor = json.loads(text).get("post_processor") or {}
    parts = processor.get("processors", [processor])
    for part in parts:
        if part.get("type") in ("BertProcessing", "RobertaProcessing"):
            before, after = [int(part["cls"][1])], [int(part["sep"][1])]
        elif part.get("type") == "TemplateProcessing":
            before, after = _template_ids(part)
        else:
            continue
        if len(before) + len(after) == count:
            return before, after
    if count:
        raise ConfigurationError("its post-processor is of an unknown kind")
    return [], []


def _template_ids(processor: dict[str, Any]) -> tuple[list[int], list[int]]:
    sides: tuple[list[int], list[int]] = ([], [])
    seen = 0
    for piece in processor["single"]:
        if "Sequence" in piece:
            seen = 1
        else:
            sides[seen].extend(map(int, processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]))
    return sides


def _refuse_surrogates(texts: Sequence[str]) -> None:
    for index, text in enumerate(texts):
        try:
            text.isascii() or text.encode()
        except UnicodeEncodeError:
            raise EmbeddingError(f"text {index} holds lone surrogates, which are no text", [index]) from None


def listed(texts: Sequence[str]) -> list[str]:
    """The texts as a list. Raises ConfigurationError where one is none, or a single string was given."""
    if isinstance(texts, (str, bytes)):
        raise ConfigurationError("texts must be a list of strings, not a single one: write [text]")
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise ConfigurationError(f"text {index} is not a string but a {type(text).__name__}")
    return found


def refuse_too_long(counts: Sequence[int], limit: int | None) -> None:
    """Raise EmbeddingError, naming the texts, where a count is over the limit: the model would truncate them."""
    indices = [i for i, count in enumerate(counts) if limit is not None and count > limit]
    if indices:
        raise EmbeddingError(
            f"text {indices[0]} has {counts[indices[0]]} tokens, the model takes {limit}: cut it into smaller chunks "
            "(it would be truncated)",
            indices,
        )
