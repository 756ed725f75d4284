"""Walks a folder without ever leaving it."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from headrace.connectors import SourceFile, has_extension
from headrace.errors import ConfigurationError, StorageError

_BLOCK = 1 << 20


def list_files(folder: str | os.PathLike[str], extensions: tuple[str, ...] | None = None) -> Iterator[SourceFile]:
    """All files below a folder, sorted by path; the version is the SHA-256 of the content.

    Hidden files and folders are left out, and so are symbolic links that lead out of the folder. A file that
    can't be read is listed all the same (its ``load`` raises), so that it doesn't look deleted.

    Args:
        folder: Where to look.
        extensions: Endings with the dot, in lower case; None for all files.

    Raises:
        ConfigurationError: There is no such folder.
        StorageError: A folder below it can't be listed.
    """
    root = Path(folder)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "doesn't exist"
        raise ConfigurationError(f"the folder {root} {what}")
    inside = root.resolve()
    paths = (path for path in _walk(root) if has_extension(path.name, extensions) and _stays_in(path, inside))
    for path in sorted(paths, key=lambda path: path.relative_to(root).as_posix()):
        try:
            version, size = _digest(path), path.stat().st_size
        except FileNotFoundError:  # it went away while we were looking
            continue
        except OSError as error:
            version, size = f"unreadable:{error.errno}", None
        yield SourceFile(path.relative_to(root).as_posix(), version, functools.partial(_read, path), size)


def _walk(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise StorageError(f"can't list the folder {error.filename}: {error.strerror}") from error

    for where, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(where, name) for name in names if not name.startswith("."))


def _stays_in(path: Path, inside: Path) -> bool:
    if not path.is_symlink():
        return path.is_file()
    target = path.resolve()
    return target.is_relative_to(inside) and target.is_file()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror}") from error
