"""headrace: crash-safe pipelines for notebooks and scripts, at C++ speed."""

from headrace import errors
from headrace._core import __version__
from headrace.errors import *  # noqa: F403 - the error tree is part of the public API

__all__ = ["__version__", *errors.__all__]
