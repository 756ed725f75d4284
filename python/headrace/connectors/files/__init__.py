"""A folder as a source of documents."""

from headrace.connectors.files._folder import list_files

__all__ = ["list_files"]
