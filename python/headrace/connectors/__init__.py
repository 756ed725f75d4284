"""The one place that talks to each outside system, and what document sources have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

__all__ = ["SourceFile", "has_extension", "is_lfs_pointer", "redact_url"]

_LFS_HEADER = b"version https://git-lfs.github.com/spec/v1"


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, not read yet.

    Attributes:
        path: The path below the source's root, with ``/``; the same in every run.
        version: Changes exactly when the content does.
        load: Reads the content. Called when the file has to be worked on, from any thread.
        size: Bytes, None where the source doesn't say.
        metadata: What else the source knows (author, date, address).
    """

    path: str
    version: str
    load: Callable[[], bytes]
    size: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def has_extension(path: str, extensions: tuple[str, ...] | None) -> bool:
    """Whether the file's ending (any case) is one of these; None means any."""
    return extensions is None or PurePosixPath(path).suffix.lower() in extensions


def is_lfs_pointer(data: bytes) -> bool:
    """Whether this is what git keeps in place of a file that Git LFS holds."""
    return len(data) < 1024 and data.startswith(_LFS_HEADER)


def redact_url(url: str) -> str:
    """The address without user name, password and query: fit for messages, logs and the store."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", url).split("?", 1)[0]
