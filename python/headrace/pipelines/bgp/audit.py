"""The audit trail on disk: one line of JSON an event, each sealed with the hash of the one before."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from headrace.errors import CheckpointCorruptionError, StorageError

__all__ = ["AuditLog"]

_START = "0" * 64


@dataclass(frozen=True)
class AuditLog:
    """An append-only file. Several processes may write to it; an event is on disk when ``record`` returns."""

    path: Path

    def record(self, event: str, subject: str, **details: Any) -> dict[str, Any]:
        """Append one event and return it, with its time and hash."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                entry = self._entry(_last_hash(_last_line(file)), event, subject, details)
                file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(f"audit trail {self.path}: {error.strerror or error}") from error
        return entry

    @staticmethod
    def _entry(before: str, event: str, subject: str, details: dict[str, Any]) -> dict[str, Any]:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        entry = {"at": at, "event": event, "subject": subject, "details": details, "before": before}
        return {**entry, "hash": _hash(entry)}

    def entries(self) -> list[dict[str, Any]]:
        """Return all events; CheckpointCorruptionError at the first that was altered, or follows one that is gone."""
        if not self.path.exists():
            return []
        before, found = _START, []
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            try:
                entry = json.loads(line)
                seal = entry.pop("hash")
            except (ValueError, KeyError, AttributeError, TypeError):
                raise CheckpointCorruptionError(f"audit trail {self.path}, line {number}: not an event") from None
            if entry.get("before") != before or _hash(entry) != seal:
                raise CheckpointCorruptionError(
                    f"audit trail {self.path}, line {number}: altered, or one before is gone"
                )
            before = seal
            found.append({**entry, "hash": seal})
        return found


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _last_line(file: BinaryIO) -> bytes:
    """Return the last whole line and leave ``file`` behind it. A line torn by a crash was never recorded: it goes."""
    end = file.seek(0, os.SEEK_END)
    tail = b""
    while end > 0 and tail.count(b"\n") < 2:
        start = max(0, end - 65536)
        file.seek(start)
        tail = file.read(end - start) + tail
        end = start
    whole = tail[: tail.rfind(b"\n") + 1]
    file.seek(len(whole) - len(tail), os.SEEK_END)
    file.truncate()
    return whole[:-1].rpartition(b"\n")[2]


def _last_hash(line: bytes) -> str:
    if not line:
        return _START
    try:
        return str(json.loads(line)["hash"])
    except (ValueError, KeyError, TypeError):
        raise CheckpointCorruptionError("audit trail: its last line is not an event") from None
