"""Whether a router is as well after a change as it was before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from headrace.connectors.routers import PeerHealth, RouterDriver, RouterRejectedError
from headrace.pipelines.bgp.config import HealthSettings
from headrace.pipelines.bgp.wording import counted

__all__ = ["problems", "wait_until_well"]

Health = Mapping[str, PeerHealth]


def problems(before: Health, after: Health, max_drop: float) -> list[str]:
    """Return what is worse than before, one line each: sessions that went down, or let in too little, or nothing.

    Sessions that were down before do not count.
    """
    found = []
    for name, was in before.items():
        now = after.get(name)
        if not was.established:
            continue
        if now is None or not now.established:
            found.append(f"session {name} was up and is down")
        elif now.accepted < was.accepted and (
            now.accepted == 0 or was.accepted - now.accepted > max(max_drop * was.accepted, 1)
        ):
            found.append(f"session {name} accepted {counted(was.accepted, 'prefix')} and accepts {now.accepted}")
    return found


def _look(driver: RouterDriver, before: Health, max_drop: float) -> list[str]:
    try:
        return problems(before, driver.health(), max_drop)
    except RouterRejectedError as error:
        return [f"its sessions can't be read any more: {error.message}"]


def wait_until_well(
    driver: RouterDriver,
    before: Health,
    settings: HealthSettings,
    *,
    max_drop: float,
    stop: Callable[[], str | None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Look until the router has been well for ``settle`` seconds on end; return what is wrong, empty for nothing.

    ``stop`` gives a reason to give up early, which is then what is wrong.
    """
    deadline = time.monotonic() + settings.timeout
    well_since: float | None = None
    while True:
        if (reason := stop()) is not None:
            return [reason]
        wrong = _look(driver, before, max_drop)
        now = time.monotonic()
        well_since = None if wrong else well_since or now
        if well_since is not None and now - well_since >= settings.settle:
            return []
        if now >= deadline:
            return wrong or [f"not well for {settings.settle:g} s on end within {settings.timeout:g} s"]
        pause(settings.interval if wrong else min(settings.interval, settings.settle - (now - (well_since or now))))
