"""Reading and writing fitted models."""

from __future__ import annotations

import os
from pathlib import Path

from headrace.errors import StorageError

__all__ = ["read", "write_private"]


def write_private(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file (0600) whole or not at all.

    Raises:
        StorageError: It can't be written.
    """
    target = Path(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"can't write {target}: {error.strerror}") from error


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        StorageError: It can't be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror}") from error
