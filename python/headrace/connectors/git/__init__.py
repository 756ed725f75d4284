"""A git repository as a source of documents: any address that git can clone."""

from headrace.connectors.git._repository import Repository, looks_like_repository

__all__ = ["Repository", "looks_like_repository"]
