"""RPKI origin validation (RFC 6811) against an export of validated ROAs, as Routinator and rpki-client write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from headrace.pipelines.bgp.asn import parse_as_number
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.guardrails.prefix import Prefix

__all__ = ["RpkiTable"]

_Entries = dict[tuple[int, int, int], list[tuple[int, int]]]


@dataclass(frozen=True)
class RpkiTable:
    """Validated ROAs by (IP version, length, network bits), each (AS number, longest length). ``generated_at``: Unix
    time at which the validator wrote them."""

    entries: _Entries
    generated_at: float

    @classmethod
    def load(cls, path: Path) -> RpkiTable:
        """Read the export at ``path``; ConfigurationError where it is missing, not whole, undated or holds nothing."""
        try:
            text = Path(path).read_text(encoding="utf-8")
            content = json.loads(text)
        except OSError as error:
            raise ConfigurationError(f"RPKI export {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise ConfigurationError(f"RPKI export {path}: not whole JSON: {error}") from error
        roas = content.get("roas") if isinstance(content, dict) else None
        if not isinstance(roas, list) or not roas:
            raise ConfigurationError(f"RPKI export {path}: no validated ROAs in it; check the validator")
        return cls(_entries(Path(path), roas), _generated_at(Path(path), content.get("metadata")))

    def age(self, now: float) -> float:
        """Return how many seconds ago the export was made."""
        return now - self.generated_at

    def state(self, prefix: Prefix, as_number: int) -> str:
        """Return ``valid``, ``invalid`` or ``not-found`` for ``prefix`` announced by ``as_number``."""
        covered = False
        for length in range(prefix.length + 1):
            for asn, longest in self.entries.get((prefix.version, length, prefix.top(length)), ()):
                if asn == as_number and prefix.length <= longest:
                    return "valid"
                covered = True
        return "invalid" if covered else "not-found"


def _entries(path: Path, roas: list[Any]) -> _Entries:
    entries: _Entries = {}
    for number, roa in enumerate(roas, start=1):
        try:
            prefix = Prefix.parse(roa["prefix"])
            entries.setdefault((prefix.version, prefix.length, prefix.top()), []).append(
                (parse_as_number(roa["asn"]), int(roa["maxLength"]))
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"RPKI export {path}: entry {number} is no ROA ({error!r})") from error
    return entries


def _generated_at(path: Path, metadata: Any) -> float:
    """The time inside the file: a copy of a stale export has a fresh modification time."""
    if isinstance(metadata, Mapping):
        if isinstance(metadata.get("generated"), (int, float)):
            return float(metadata["generated"])
        for name in ("buildtime", "generatedTime"):
            if isinstance(metadata.get(name), str):
                try:
                    moment = datetime.fromisoformat(metadata[name].replace("Z", "+00:00"))
                except ValueError:
                    break
                return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    raise ConfigurationError(
        f"RPKI export {path}: its metadata has no 'generated' or 'buildtime', so its age is unknown"
    )
