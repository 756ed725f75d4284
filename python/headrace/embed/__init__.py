"""Texts to vectors: embedders, batching, and the arithmetic around them."""

from headrace.embed.batcher import Batcher, BatchStats, cache_key, estimate_tokens
from headrace.embed.hashed import HashedEmbedder
from headrace.embed.protocol import Embedder, EmbeddingCache
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
    "BatchStats",
    "Batcher",
    "Embedder",
    "EmbeddingCache",
    "HashedEmbedder",
    "cache_key",
    "dequantise_int8",
    "estimate_tokens",
    "l2_normalise",
    "mean_pool",
    "quantise_binary",
    "quantise_int8",
    "top_k",
    "top_k_kernels",
]
