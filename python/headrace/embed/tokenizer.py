"""The model's own tokenizer, with nothing cut off."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError, EmbeddingError

__all__ = ["Tokenizer", "refuse_too_long"]

_KEPT_TOKENS = 1_000_000  # ids kept between counting and embedding


class Tokenizer:
    """A ``tokenizer.json``. Truncation and padding that the file asks for are switched off; special tokens stay.

    Texts are tokenised once: ids that :meth:`count` made are kept, within bounds, until :meth:`encode` takes them.
    May be used from several threads at once.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise ConfigurationError(
                "this embedder needs the package tokenizers: pip install 'headrace[onnx]'"
            ) from error
        if not Path(path).is_file():
            raise ConfigurationError(f"there is no tokenizer at {path}")
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            raise ConfigurationError(f"{path} is not a tokenizer: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._lock = threading.Lock()
        self._kept: dict[str, list[int]] = {}
        self._kept_tokens = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        encoded = self._encode(texts)
        with self._lock:
            for text, ids in zip(texts, encoded, strict=True):
                if text not in self._kept and self._kept_tokens + len(ids) <= _KEPT_TOKENS:
                    self._kept[text] = ids
                    self._kept_tokens += len(ids)
        return [len(ids) for ids in encoded]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, special tokens included."""
        with self._lock:
            known = [self._kept.pop(text, None) for text in texts]
            self._kept_tokens -= sum(len(ids) for ids in known if ids is not None)
        unknown = iter(self._encode([text for text, ids in zip(texts, known, strict=True) if ids is None]))
        return [next(unknown) if ids is None else ids for ids in known]

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))] if texts else []


def refuse_too_long(counts: Sequence[int], limit: int | None) -> None:
    """Raise EmbeddingError, naming the texts, where a count is over the limit: the model would truncate them."""
    indices = [i for i, count in enumerate(counts) if limit is not None and count > limit]
    if indices:
        raise EmbeddingError(
            f"text {indices[0]} has {counts[indices[0]]} tokens, the model takes {limit}: cut it into smaller chunks "
            "(it would be truncated)",
            indices,
        )
