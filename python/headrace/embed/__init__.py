"""Texts to vectors: embedders, batching, and the arithmetic around them."""

from headrace.embed.hashed import HashedEmbedder
from headrace.embed.vectors import (
    dequantise_int8,
    l2_normalise,
    mean_pool,
    quantise_binary,
    quantise_int8,
    top_k,
    top_k_kernels,
)

__all__ = [
    "HashedEmbedder",
    "dequantise_int8",
    "l2_normalise",
    "mean_pool",
    "quantise_binary",
    "quantise_int8",
    "top_k",
    "top_k_kernels",
]
