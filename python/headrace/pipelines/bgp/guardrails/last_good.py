"""The last good prefix list of every AS: what new ones are compared with, and what stays when they are refused."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import CheckpointCorruptionError, StorageError

__all__ = ["LastGoodLists", "digest_of"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS last_good(as_number INTEGER PRIMARY KEY, prefixes TEXT NOT NULL, digest TEXT NOT NULL, "
    "execution_id TEXT NOT NULL) WITHOUT ROWID"
)
_PUT = "INSERT OR REPLACE INTO last_good VALUES(?, ?, ?, ?)"


def digest_of(prefixes: Iterable[str]) -> str:
    """Return the SHA-256 of a list; the order does not matter."""
    return hashlib.sha256("\n".join(sorted(prefixes)).encode()).hexdigest()


@dataclass(frozen=True)
class LastGoodLists:
    """One SQLite file, mode 0600: a row an AS (prefixes as a JSON list), each with the digest of its list.

    Safe to use from several threads and processes. CheckpointCorruptionError where a list, or the file, was altered.
    """

    path: Path

    def get(self, as_number: int) -> tuple[str, ...] | None:
        """Return the last good list, None where there was never one; CheckpointCorruptionError where it was altered."""
        found = self.get_many([as_number]).get(as_number)
        if isinstance(found, CheckpointCorruptionError):
            raise found
        return found

    def get_many(self, as_numbers: Iterable[int]) -> dict[int, tuple[str, ...] | CheckpointCorruptionError]:
        """Return the last good lists of those that have one; in place of an altered one, the error that says so."""
        if not self.path.exists():
            return {}
        with self._open() as database:
            query = "SELECT prefixes, digest FROM last_good WHERE as_number=?"
            rows = {number: database.execute(query, (number,)).fetchone() for number in as_numbers}
        return {number: self._list(number, *row) for number, row in rows.items() if row is not None}

    def put(self, as_number: int, prefixes: tuple[str, ...], execution_id: str) -> None:
        """Make ``prefixes`` the last good list. An empty one is never good."""
        self.put_many({as_number: prefixes}, execution_id)

    def put_many(self, lists: Mapping[int, tuple[str, ...]], execution_id: str) -> None:
        """Make ``lists`` the last good ones: all of them, or, where we are killed, none."""
        for as_number, prefixes in lists.items():
            if not prefixes:
                raise ValueError(f"AS{as_number}: an empty list is never a good one")
        if not lists:
            return
        rows = [(n, json.dumps(prefixes), digest_of(prefixes), execution_id) for n, prefixes in lists.items()]
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as database, database:
            database.executemany(_PUT, rows)

    def forget(self, as_number: int) -> bool:
        """Forget the list of one AS, altered or not; return whether there was one."""
        if not self.path.exists():
            return False
        with self._open() as database, database:
            return database.execute("DELETE FROM last_good WHERE as_number=?", (as_number,)).rowcount > 0

    def _list(self, as_number: int, text: object, digest: object) -> tuple[str, ...] | CheckpointCorruptionError:
        try:
            prefixes = json.loads(text)  # type: ignore[arg-type]
            if isinstance(prefixes, list) and digest == digest_of(prefixes):
                return tuple(prefixes)
        except (TypeError, ValueError):
            pass
        return CheckpointCorruptionError(
            f"{self.path}: the last good list of AS{as_number} was altered; after a look at what the registry says, "
            f"'headrace bgp forget AS{as_number}' begins anew"
        )

    def _create(self) -> None:
        """Make the file for the owner alone. One that is there is not opened: to close it would drop SQLite's locks."""
        if not self.path.exists():
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._create()
            with closing(sqlite3.connect(self.path, timeout=30.0)) as database:
                database.execute("PRAGMA synchronous=FULL")
                database.execute(_TABLE)
                yield database
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise StorageError(f"{self.path}: cannot be used: {error}") from error
            raise CheckpointCorruptionError(f"{self.path}: damaged ({error}); restore it from a copy") from error
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be opened: {error.strerror or error}") from error
