"""Texts to vectors: embedders, batching, and the arithmetic around them."""

from headrace.embed.batcher import Batcher, BatchStats, cache_key, estimate_tokens
from headrace.embed.bm25 import BM25, SparseRows
from headrace.embed.endpoint import HttpEmbedder, ServerUnavailableError
from headrace.embed.hashed import HashedEmbedder
from headrace.embed.onnx import OnnxEmbedder, quantise_onnx
from headrace.embed.protocol import Embedder, EmbeddingCache
from headrace.embed.sentence_transformers import SentenceTransformersEmbedder
from headrace.embed.stage import EmbedStage
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
    "BM25",
    "BatchStats",
    "Batcher",
    "EmbedStage",
    "Embedder",
    "EmbeddingCache",
    "HashedEmbedder",
    "HttpEmbedder",
    "OnnxEmbedder",
    "SentenceTransformersEmbedder",
    "ServerUnavailableError",
    "SparseRows",
    "cache_key",
    "dequantise_int8",
    "estimate_tokens",
    "l2_normalise",
    "mean_pool",
    "quantise_binary",
    "quantise_int8",
    "quantise_onnx",
    "top_k",
    "top_k_kernels",
]
