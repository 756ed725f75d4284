"""The embedder that a setting names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from headrace.embed import Embedder

__all__ = ["open_embedder"]


def open_embedder(name: str) -> Embedder:
    """The embedder.

    ``hashed`` or ``hashed:DIM``: words and parts of words, hashed; needs no model and no network. It is not fitted: how
    rare a word is comes from the vector store at the time of the search, so that documents can arrive one by one.

    Raises:
        ConfigurationError: There is no such embedder.
    """
    from headrace.embed import HashedEmbedder

    found = re.fullmatch(r"hashed(?::(\d+))?", name)
    if not found:
        raise ConfigurationError(f"there is no embedder '{name}': use hashed or hashed:DIM")
    return HashedEmbedder(int(found[1])) if found[1] else HashedEmbedder()
