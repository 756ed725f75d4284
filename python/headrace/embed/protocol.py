"""What an embedder is, and where its vectors may be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Embedder", "EmbeddingCache"]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors. Any object with these members is one.

    An embedder never truncates: a text with more than :attr:`max_tokens` tokens is an error.
    It may also have ``workers: int``, how many calls of :meth:`embed` may run at the same time (1 when absent), and
    ``interrupt()``, called from another thread when the work is cancelled: calls that wait should end then.
    """

    @property
    def model_id(self) -> str:
        """Changes with everything that changes a vector: vectors of equal model ids are comparable."""

    @property
    def dim(self) -> int:
        """Columns of the vectors; 0 while that is not known yet."""

    @property
    def max_tokens(self) -> int | None:
        """The most tokens a text may have, special tokens included; None for no limit."""

    @property
    def batch_invariant(self) -> bool:
        """Whether a text's vector is the same, bit for bit, whatever texts share its batch.

        Where it is not (onnxruntime, torch), a resumed run may differ from an uninterrupted one in the last bits.
        """

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text, in their order: float32 (n, dim)."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens that the model sees for each text, special tokens included."""


@runtime_checkable
class EmbeddingCache(Protocol):
    """Keeps rows under keys (64 hexadecimal digits: SHA-256 of model id, a zero byte and the text).

    May be called from several threads at once. Methods ``get_many(keys) -> list of rows or None`` and
    ``put_many(keys, rows)`` are used instead where the object has them. A dict will do too.
    """

    def get(self, key: str) -> ArrayLike | None:
        """The row stored under the key, float32 (dim,), or None."""

    def put(self, key: str, row: NDArray[np.float32]) -> None:
        """Store a row; the same key always gets the same row."""
