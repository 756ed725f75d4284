"""The audit trail of a run: every event on disk, sealed, and by mail where that is asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.connectors.smtp import MailQueue, MailServer
from headrace.pipelines.bgp.audit import AuditLog

__all__ = ["AuditTrail"]

SUBJECTS = {
    "connected": "connection established",
    "connection_failed": "connection failed",
    "preview": "configuration preview",
    "committed": "committed, to be confirmed",
    "confirmed": "commit confirmed",
    "commit_failed": "commit failed",
    "rolled_back": "rolled back",
    "disconnected": "disconnected",
}


class AuditTrail:
    """Records events under ``state_dir``. Safe to use from several threads."""

    def __init__(self, state_dir: Path, server: MailServer | None) -> None:
        self.log = AuditLog(state_dir / "audit.jsonl")
        self.mails = None if server is None else MailQueue(state_dir / "mail", server)
        self._queued: dict[str, int] = {}
        self._lock = threading.Lock()

    def event(self, subject: str, event: str, details: Mapping[str, Any]) -> None:
        """Record one event of a router (or ``pipeline``); a mail about it is on disk when this returns."""
        entry = self.log.record(event, subject, **details)
        if self.mails is None:
            return
        text = "".join(f"{name}: {value}\n" for name, value in _lines(entry["details"]))
        body = f"event: {event}\nrouter: {subject}\ntime: {entry['at']}\n{text}seal: {entry['hash']}\n"
        self.mails.put(f"[headrace bgp] {subject}: {SUBJECTS.get(event, event)}", body)
        with self._lock:
            self._queued[subject] = self._queued.get(subject, 0) + 1

    def notifications(self, subject: str) -> int:
        """Return how many mails about ``subject`` this run has queued. They are sent, or wait on disk to be."""
        with self._lock:
            return self._queued.get(subject, 0)

    def total_notifications(self) -> int:
        """Return how many mails this run has queued."""
        with self._lock:
            return sum(self._queued.values())

    def flush(self) -> int:
        """Send what waits and is due; return how many were sent."""
        return 0 if self.mails is None else self.mails.flush()

    def refusal(self) -> str | None:
        """Return why nobody would read of a change, or None."""
        if self.mails is None:
            return "no e-mail audit is configured (setting 'email')"
        if (reason := self.mails.server.refusal()) is not None:
            return reason
        return None


def _lines(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    shown = []
    for name, value in details.items():
        text = value if isinstance(value, str) else json.dumps(value)
        shown.append((name, f"\n{text}" if "\n" in text else text))
    return shown
