"""Texts to vectors: embedders, batching, and the arithmetic around them."""

from headrace.embed.hashed import HashedEmbedder

__all__ = ["HashedEmbedder"]
