"""Qdrant as the vector store: in-process on disk, or a server by its address."""

from headrace.connectors.qdrant._model import Chunk, Document, Hit, Published, document_id
from headrace.connectors.qdrant._open import is_server, open_store
from headrace.connectors.qdrant._store import VectorStore

__all__ = [
    "Chunk",
    "Document",
    "Hit",
    "Published",
    "VectorStore",
    "document_id",
    "is_server",
    "open_store",
]
