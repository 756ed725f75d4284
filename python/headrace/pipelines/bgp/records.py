"""What was done to routers, on disk before it is done: so that the next process knows what to ask them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from headrace.connectors.routers import PeerHealth, PrefixLists
from headrace.errors import CheckpointCorruptionError
from headrace.pipelines.bgp.files import read_json, write_json

__all__ = ["ApplyRecord", "ApplyRecords", "lists_digest", "token_for"]

UNSETTLED = ("committing", "committed")

Lists = dict[str, tuple[str, ...] | None]


def lists_digest(lists: PrefixLists) -> str:
    """Return the SHA-256 of some lists; the order of their prefixes does not matter."""
    text = json.dumps({name: None if p is None else sorted(p) for name, p in lists.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def token_for(execution_id: str, router: str, lists: PrefixLists) -> str:
    """Return the name of a commit: the same execution, router and content give the same one."""
    seed = f"{execution_id}\0{router}\0{lists_digest(lists)}"
    return f"headrace-{hashlib.sha256(seed.encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class ApplyRecord:
    """One commit on one router.

    ``phase``: ``committing`` (the router may have it), ``committed``, ``confirmed``, ``rolled_back``, ``failed`` (the
    router never had it) or ``undone`` (by a later rollback). ``content``: digest of all lists that the router was
    to have. ``deadline``: Unix time by which it rolls back by itself.
    """

    router: str
    token: str
    execution_id: str
    phase: str
    wanted: Lists
    before: Lists
    health: dict[str, PeerHealth] = field(default_factory=dict)
    content: str = ""
    diff: str = ""
    reason: str = ""
    started_at: float = 0.0
    deadline: float = 0.0

    @property
    def unsettled(self) -> bool:
        """Whether only the router knows what became of it."""
        return self.phase in UNSETTLED


class ApplyRecords:
    """The records under ``folder``, by router."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, record: ApplyRecord) -> ApplyRecord:
        """Write ``record``; it is on disk when this returns."""
        write_json(self.folder / record.router / f"{record.token}.json", asdict(record))
        return record

    def settle(self, record: ApplyRecord, phase: str, reason: str = "") -> ApplyRecord:
        """Write what became of it."""
        return self.save(replace(record, phase=phase, reason=reason))

    def get(self, router: str, token: str) -> ApplyRecord | None:
        """Return one record, None where there is none."""
        return self._read(self.folder / router / f"{token}.json")

    def of(self, router: str) -> list[ApplyRecord]:
        """Return the records of a router, oldest first."""
        found = [self._read(path) for path in (self.folder / router).glob("headrace-*.json")]
        return sorted((record for record in found if record is not None), key=lambda record: record.started_at)

    def unsettled(self, router: str) -> list[ApplyRecord]:
        """Return those of which only the router knows what became of them."""
        return [record for record in self.of(router) if record.unsettled]

    def last_confirmed(self, router: str) -> ApplyRecord | None:
        """Return what a rollback on demand takes back."""
        confirmed = [record for record in self.of(router) if record.phase == "confirmed"]
        return confirmed[-1] if confirmed else None

    def note_failure(self, execution_id: str, router: str, reason: str) -> None:
        """Remember that an execution went wrong on a router: its rollout stops. The first one stays."""
        path = self._failure_path(execution_id)
        if read_json(path) is None:
            write_json(path, {"router": router, "reason": reason})

    def failure(self, execution_id: str) -> str | None:
        """Return where an execution went wrong, and why; None where it did not."""
        noted = read_json(self._failure_path(execution_id))
        return None if noted is None else f"{noted['router']}: {noted['reason']}"

    def _failure_path(self, execution_id: str) -> Path:
        return self.folder / f"{hashlib.sha256(execution_id.encode()).hexdigest()[:20]}.stopped.json"

    @staticmethod
    def _read(path: Path) -> ApplyRecord | None:
        value = read_json(path)
        if value is None:
            return None
        try:
            return _from_json(value)
        except (TypeError, KeyError, AttributeError) as error:
            raise CheckpointCorruptionError(f"{path}: not a record of a commit ({error!r})") from error


def _lists(value: Mapping[str, Any]) -> Lists:
    return {name: None if prefixes is None else tuple(prefixes) for name, prefixes in value.items()}


def _from_json(value: dict[str, Any]) -> ApplyRecord:
    health = {name: PeerHealth(**peer) for name, peer in value["health"].items()}
    return ApplyRecord(
        **{**value, "wanted": _lists(value["wanted"]), "before": _lists(value["before"]), "health": health}
    )
