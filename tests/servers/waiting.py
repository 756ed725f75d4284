"""Waiting for what another process does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

__all__ = ["wait_for"]


def wait_for(what: str, ready: Callable[[], object], seconds: float = 20.0) -> None:
    """Call ``ready`` until it is true; AssertionError naming ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")
