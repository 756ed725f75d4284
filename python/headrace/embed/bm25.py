"""Sparse vectors of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace import _core
from headrace.embed.fitted import Fitted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BM25", "SparseRows"]


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Sparse vectors one after the other: a sequence of (indices, values), the arrays of compressed sparse rows."""

    starts: NDArray[np.int64]  #: (n + 1,): row i has the entries starts[i] to starts[i + 1]
    indices: NDArray[np.uint32]  #: rising inside a row
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        entries = slice(self.starts[row % len(self)], self.starts[row % len(self) + 1])
        return self.indices[entries], self.values[entries]

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
        return (self[row] for row in range(len(self)))


class BM25(Fitted):
    """BM25 as sparse vectors: the dot product of a query's and a document's vector is the BM25 score.

    An index is the 32-bit hash of a word (case and accents don't matter), so there is no vocabulary to keep. A
    document's vector holds its saturated word counts; a query's holds the idf of its words, 1 for all unless
    :meth:`fit` has been called. Leave it unfitted where the store brings the idf (Qdrant's ``modifier="idf"``):
    then no stored vector ever has to change.

    Args:
        k1: How soon repeating a word stops helping.
        b: How much long texts are marked down, 0 to 1.
        average_length: Words of a text on average, until :meth:`fit` knows better.

    Raises:
        ConfigurationError: A setting is out of range.
    """

    _core_class = _core.BM25

    def __init__(self, k1: float = 1.2, b: float = 0.75, average_length: float = 128) -> None:
        self._core: _core.BM25 = _core.BM25(k1, b, average_length)

    @property
    def average_length(self) -> float:
        """Words of a text on average."""
        return self._core.average_length

    def fit(self, texts: Iterable[str]) -> BM25:
        """Take document frequencies and average length from these texts (any iterable); returns itself."""
        return self._fit(texts)

    def embed_documents(self, texts: Sequence[str]) -> SparseRows:
        """Vectors to store."""
        return SparseRows(*self._core.embed_documents(texts))

    def embed_queries(self, texts: Sequence[str]) -> SparseRows:
        """Vectors to search with."""
        return SparseRows(*self._core.embed_queries(texts))

    def __repr__(self) -> str:
        fitted = f"fitted on {self.documents} texts" if self.documents else "unfitted"
        return f"BM25({fitted}, average_length={self.average_length:.1f})"
