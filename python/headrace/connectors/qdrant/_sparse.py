"""Words as sparse vectors for BM25; the store adds how rare each word is."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections import Counter

__all__ = ["query_words", "text_words"]

_WORD = re.compile(r"\w+")
_K, _B, _AVERAGE = 1.2, 0.75, 120.0  # the usual constants; the average is that of our chunks, in words


@functools.lru_cache(maxsize=1 << 16)
def _index(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "little")


def _words(text: str) -> Counter[int]:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return Counter(map(_index, _WORD.findall(plain)))


def text_words(text: str) -> tuple[list[int], list[float]]:
    """Indices and weights of a text's words, without accents and case."""
    words = _words(text)
    length = _K * (1 - _B + _B * words.total() / _AVERAGE)
    return list(words), [count * (_K + 1) / (count + length) for count in words.values()]


def query_words(text: str) -> tuple[list[int], list[float]]:
    """Indices of a query's words, each of weight 1."""
    words = list(_words(text))
    return words, [1.0] * len(words)
