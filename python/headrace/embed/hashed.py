"""An embedder that needs no model file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from headrace import _core
from headrace.embed.fitted import Fitted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HashedEmbedder"]


class HashedEmbedder(Fitted):
    """Words, runs of words and characters inside words, hashed with signs into ``dim`` columns.

    Deterministic, offline, the same on every machine, tens of megabytes a second a core. It finds texts that
    share words or parts of words (accents and case don't matter), in any language; it knows nothing of
    meaning: "car" and "automobile" are strangers to it.

    Unfitted, a vector depends on its text and these settings alone. :meth:`fit` takes the idf (how rare
    a feature is) from a corpus and makes rare words count more; vectors, and with them :attr:`model_id`, then stay
    the same until the next ``fit``. So fit once for a generation of a collection, not when a document arrives.

    Args:
        dim: Columns, 8 to 65536.
        word_ngrams: Longest run of words that counts as a feature, 1 to 5.
        char_ngrams: Shortest and longest run of characters inside a word (its ends count), or None for none.
        char_share: Weight of the characters' features beside the words', 0 to 1.

    Raises:
        ConfigurationError: A setting is out of range.
    """

    _core_class = _core.HashedEmbedder
    #: A text's vector never depends on the texts beside it.
    batch_invariant = True
    #: There is no limit.
    max_tokens: int | None = None

    def __init__(
        self,
        dim: int = 384,
        *,
        word_ngrams: int = 1,
        char_ngrams: tuple[int, int] | None = (4, 6),
        char_share: float = 0.9,
    ) -> None:
        self._core: _core.HashedEmbedder = _core.HashedEmbedder(
            dim=dim, word_ngrams=word_ngrams, char_ngrams=char_ngrams, char_share=char_share
        )

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return self._core.dim

    def fit(self, texts: Iterable[str], threads: int = 0) -> HashedEmbedder:
        """Take the idf from these texts (any iterable, read once), replacing what was fitted before.

        Not to be called while other threads embed. Returns the embedder itself.
        """
        return self._fit(texts, threads)

    def embed(self, texts: Sequence[str], threads: int = 1) -> NDArray[np.float32]:
        """One row of length 1 for each text: float32 (n, dim), C-contiguous. A text without a word: zeros.

        Args:
            texts: The texts.
            threads: Threads to use, 0 for all cores. The rows don't depend on it.
        """
        return self._core.embed(texts, threads)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return self._core.count_tokens(texts)

    def __repr__(self) -> str:
        fitted = f"fitted on {self.documents} texts" if self.documents else "unfitted"
        return f"HashedEmbedder(dim={self.dim}, {fitted}, model_id={self.model_id!r})"
