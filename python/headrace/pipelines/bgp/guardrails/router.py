"""The rules before a router is touched: the stop switch and the maintenance window."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.files import write_atomic

__all__ = ["HaltSwitch", "MaintenanceWindow"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class HaltSwitch:
    """A file: while it is there, nothing is applied. Anybody can make it, with ``touch`` too."""

    path: Path

    def engage(self, reason: str) -> None:
        """Stop all application from now on, in every process that looks at this file."""
        write_atomic(self.path, reason.strip() + "\n")

    def release(self) -> bool:
        """Allow application again; False where it was not stopped."""
        with suppress(FileNotFoundError):
            self.path.unlink()
            return True
        return False

    def reason(self) -> str | None:
        """Return why application is stopped, or None. A file that cannot be read stops it too."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"the stop switch {self.path} cannot be read: {error.strerror}"
        return f"stopped by {self.path}: {text or 'no reason given'}"


@dataclass(frozen=True)
class MaintenanceWindow:
    """The hours in which routers may be changed, in ``zone``. One that ends before it starts crosses midnight.

    ``days`` are those on which it starts.
    """

    start: time
    end: time
    days: tuple[int, ...] = tuple(range(7))
    zone: tzinfo = timezone.utc

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MaintenanceWindow:
        """Build from ``{"start": "01:00", "end": "05:00", "days": ["sat", "sun"], "timezone": "Europe/Berlin"}``."""
        unknown = set(config) - {"start", "end", "days", "timezone"}
        if unknown or "start" not in config or "end" not in config:
            raise ConfigurationError("maintenance_window: needs 'start' and 'end'; 'days' and 'timezone' may be there")
        start, end = _clock(config["start"]), _clock(config["end"])
        if start == end:
            raise ConfigurationError("maintenance_window: start and end are the same; leave it out for 'always'")
        return cls(start, end, _days(config.get("days", DAYS)), _zone(config.get("timezone", "UTC")))

    def seconds_left(self, now: datetime) -> float:
        """Return how long the window stays open at ``now`` (with a time zone); 0 where it is closed."""
        local = now.astimezone(self.zone)
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            opens = datetime.combine(day, self.start, self.zone)
            closes = datetime.combine(day + timedelta(days=self.end <= self.start), self.end, self.zone)
            if day.weekday() in self.days and opens <= local < closes:
                return closes.timestamp() - now.timestamp()
        return 0.0

    def refusal(self, now: datetime, needed: float) -> str | None:
        """Return why a change that takes up to ``needed`` seconds must not begin at ``now``, or None."""
        left = self.seconds_left(now)
        if left >= needed:
            return None
        span = f"{self.start:%H:%M} to {self.end:%H:%M} {self.zone}, on {', '.join(DAYS[day] for day in self.days)}"
        state = f"closes in {left:.0f} s, a change takes up to {needed:.0f} s" if left else "is closed"
        return f"the maintenance window ({span}) {state}"


def _clock(text: Any) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(text), re.ASCII)
    if match is None:
        raise ConfigurationError(f"maintenance_window: {text!r} is not a time such as 01:30")
    return time(int(match[1]), int(match[2]))


def _days(names: Any) -> tuple[int, ...]:
    words = [str(name).lower()[:3] for name in (names.split(",") if isinstance(names, str) else names)]
    for word in words:
        if word not in DAYS:
            raise ConfigurationError(f"maintenance_window: {word!r} is not one of {', '.join(DAYS)}")
    if not words:
        raise ConfigurationError("maintenance_window: no days; leave 'days' out for all of them")
    return tuple(sorted({DAYS.index(word) for word in words}))


def _zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(f"maintenance_window: time zone {name!r} is not known here") from None
