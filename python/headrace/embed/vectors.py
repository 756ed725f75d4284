"""Arithmetic on vectors: pooling, length, quantisation, exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from headrace import _core
from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["dequantise_int8", "l2_normalise", "mean_pool", "quantise_binary", "quantise_int8", "top_k", "top_k_kernels"]


def mean_pool(tokens: NDArray[np.float32], mask: ArrayLike) -> NDArray[np.float32]:
    """Mean of each text's token vectors.

    Args:
        tokens: float32 (batch, length, dim).
        mask: (batch, length), 0 for padding. A text whose mask is all 0 gives zeros.

    Returns:
        float32 (batch, dim).
    """
    return _core.mean_pool(tokens, mask)


def l2_normalise(rows: NDArray[np.float32]) -> None:
    """Divide each row by its length, in place; rows of zeros stay. ``rows``: float32 (n, dim), C-contiguous."""
    try:
        _core.l2_normalise(rows)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "l2_normalise works in place: rows must be a writable C-contiguous float32 array"
        ) from error


def quantise_int8(rows: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A quarter of the memory: codes int8 (n, dim) and scales float32 (n,), ``rows ~ codes * scales[:, None]``.

    Each row has its own scale (its largest magnitude / 127), so a row's code doesn't depend on other rows.

    Raises:
        ConfigurationError: A row holds NaN or infinity.
    """
    return _core.quantise_int8(rows)


def dequantise_int8(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """``codes * scales[:, None]``: float32 (n, dim)."""
    return _core.dequantise_int8(codes, scales)


def quantise_binary(rows: ArrayLike) -> NDArray[np.uint8]:
    """One bit a value, 1 where it is positive: uint8 (n, ceil(dim / 8)), as ``numpy.packbits(rows > 0, axis=1)``."""
    return _core.quantise_binary(rows)


def top_k(
    queries: ArrayLike,
    rows: ArrayLike,
    k: int = 10,
    *,
    metric: Literal["cosine", "dot"] = "cosine",
    threads: int = 0,
    kernel: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Exact search: the k rows with the highest score for each query, best first.

    Meant for up to a few million rows in memory; nothing is indexed, nothing approximated. Of equal scores
    the lower row number comes first; the result depends on neither threads nor batch.

    Args:
        queries: float32 (q, dim).
        rows: float32 (n, dim); C-contiguous float32 is read as it is, anything else is copied.
        k: Rows wanted; at most n are returned.
        metric: ``cosine`` (a row of zeros has 0) or ``dot``.
        threads: 0 for all cores.
        kernel: One of :func:`top_k_kernels`, for tests; the fastest one when empty.

    Returns:
        Row numbers int64 (q, min(k, n)) and scores float32 of the same shape. Where fewer rows have a score that is a
        number: -1 and -infinity.

    Raises:
        ConfigurationError: Wrong shapes, unequal dim, k < 1, unknown metric.
    """
    if metric not in ("cosine", "dot"):
        raise ConfigurationError(f"metric must be 'cosine' or 'dot', not {metric!r}")
    return _core.top_k(queries, rows, k, metric == "cosine", threads, kernel)


def top_k_kernels() -> list[str]:
    """Names of the kernels that this processor can run, fastest first."""
    return _core.top_k_kernels()
