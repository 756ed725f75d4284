"""What waits for a person's decision: durable, one file each, bound to exactly what was shown."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from headrace.errors import CheckpointCorruptionError
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.files import read_json, write_json

__all__ = ["Approval", "ApprovalQueue"]

_ID = re.compile(r"[0-9a-f]{10}")


@dataclass(frozen=True)
class Approval:
    """A question and its answer.

    ``kind``: ``list`` (a prefix list that a guardrail held) or ``router`` (an application). ``subject``: the AS or the
    router. ``digest``: of the content; other content is another question. ``state``: pending, approved or rejected.
    """

    id: str
    kind: str
    subject: str
    digest: str
    reason: str
    details: str = ""
    risk_level: str = "unknown"
    created_at: str = ""
    state: str = "pending"
    decided_by: str = ""
    decided_at: str = ""
    note: str = ""


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class ApprovalQueue:
    """Questions under ``folder``. Safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def submit(
        self, kind: str, subject: str, digest: str, reason: str, *, details: str = "", risk_level: str = "unknown"
    ) -> Approval:
        """Ask, or return what was asked before about the same content, with its answer."""
        identity = hashlib.sha256(f"{kind}\0{subject}\0{digest}".encode()).hexdigest()[:10]
        with self._locked():
            known = self._read(identity)
            if known is not None:
                return known
            asked = Approval(identity, kind, subject, digest, reason, details, risk_level, _now())
            self._write(asked)
            return asked

    def find(self, kind: str, subject: str, digest: str) -> Approval | None:
        """Return what was asked about exactly this, or None."""
        return self._read(hashlib.sha256(f"{kind}\0{subject}\0{digest}".encode()).hexdigest()[:10])

    def is_approved(self, kind: str, subject: str, digest: str) -> bool:
        """Whether somebody approved exactly this content."""
        known = self.find(kind, subject, digest)
        return known is not None and known.state == "approved"

    def pending(self) -> list[Approval]:
        """Return what waits, oldest first."""
        return [entry for entry in self.all() if entry.state == "pending"]

    def all(self) -> list[Approval]:
        """Return every question ever asked, oldest first."""
        paths = self.folder.glob("*.json") if self.folder.is_dir() else ()
        found = [self._read(path.stem) for path in paths if _ID.fullmatch(path.stem)]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: (entry.created_at, entry.id))

    def approve(self, identity: str, by: str, note: str = "") -> Approval:
        """Let it pass. ConfigurationError for an unknown id or one that was decided otherwise."""
        return self._decide(identity, "approved", by, note)

    def reject(self, identity: str, by: str, note: str = "") -> Approval:
        """Refuse it for good. ConfigurationError for an unknown id or one that was decided otherwise."""
        return self._decide(identity, "rejected", by, note)

    def _decide(self, identity: str, state: str, by: str, note: str) -> Approval:
        if not by.strip():
            raise ConfigurationError("a decision needs the name of who makes it")
        if not _ID.fullmatch(identity) or not (self.folder / f"{identity}.json").exists():
            raise ConfigurationError(f"nothing with the id '{identity}' waits; 'headrace bgp pending' lists what does")
        with self._locked():
            known = self._read(identity)
            if known is None:
                raise ConfigurationError(f"the question '{identity}' is gone; 'headrace bgp pending' lists what waits")
            if known.state == state:
                return known
            if known.state != "pending":
                raise ConfigurationError(f"approval '{identity}' was {known.state} by {known.decided_by} already")
            decided = replace(known, state=state, decided_by=by.strip(), decided_at=_now(), note=note)
            self._write(decided)
            return decided

    def _read(self, identity: str) -> Approval | None:
        path = self.folder / f"{identity}.json"
        record = read_json(path)
        if record is None:
            return None
        try:
            return Approval(**record)
        except TypeError:
            raise CheckpointCorruptionError(f"{path}: not an approval; remove it after a look at it") from None

    def _write(self, entry: Approval) -> None:
        write_json(self.folder / f"{entry.id}.json", asdict(entry))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
