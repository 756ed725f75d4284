"""Fixtures of the documents pipeline's tests."""

from documents_shelf import new_shelf, shelf

__all__ = ["new_shelf", "shelf"]
