"""Which kind of store an address means."""

from __future__ import annotations

import os
import re

from headrace.connectors.qdrant._store import VectorStore
from headrace.errors import ConfigurationError

__all__ = ["is_server", "open_store"]

_SERVER = re.compile(r"https?://[^/\s]+")
_NAME = re.compile(r"[\w][\w. -]{0,99}")


def is_server(location: str) -> bool:
    """Whether this is the address of a server, not a folder."""
    return "://" in location


def open_store(
    location: str, collection: str = "documents", *, dim: int | None = None, embedder: str | None = None
) -> VectorStore:
    """Opens a collection, and makes it if ``dim`` and ``embedder`` are given.

    A server's key is taken from the environment variable ``QDRANT_API_KEY``.

    Args:
        location: A folder, or the address of a Qdrant server (``http://host:6333``).
        collection: The collection's name.
        dim: Columns of the vectors.
        embedder: The embedder's ``model_id``. Another one than before gets a collection of its own beside the one that
            searches see, until :meth:`VectorStore.make_current`.

    Raises:
        ConfigurationError: The name or the address is wrong, there is no such collection, or it is not one of ours.
        StorageError: It can't be read or reached.
    """
    if not _NAME.fullmatch(collection):
        raise ConfigurationError(f"{collection!r} can't be the name of a collection: use letters, digits, '-' and '_'")
    if not is_server(location):
        from headrace.connectors.qdrant._edge import EdgeStore

        return EdgeStore(location, collection, dim, embedder)
    if not _SERVER.match(location):
        raise ConfigurationError(f"{location!r} is not the address of a Qdrant server: write http://host:6333")
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise ConfigurationError("a Qdrant server needs qdrant-client: pip install 'headrace[qdrant-server]'") from None
    from headrace.connectors.qdrant._server import ServerStore

    key = os.environ.get("QDRANT_API_KEY") or None
    client = QdrantClient(url=location, api_key=key, timeout=30, check_compatibility=False)
    return ServerStore(client, collection, dim, embedder, location)
