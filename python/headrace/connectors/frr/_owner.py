"""Who holds a lock on a router: a process on some machine, which may have died."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

__all__ = ["dead_owner", "new_owner"]


def _here() -> str:
    """Where a process id means what it means to us: the machine and its process namespace."""
    return f"{socket.gethostname()}:{Path('/proc/self/ns/pid').stat().st_ino}"


def new_owner() -> str:
    """Return a name for one owner in this process."""
    return f"{_here()}:{os.getpid()}:{secrets.token_hex(4)}"


def dead_owner(text: str) -> str | None:
    """Return the owner named in ``text``, if it was a process here and that is gone; None where nobody can tell."""
    found = re.search(re.escape(_here()) + r":(\d+):[0-9a-f]{8}", text)
    if found is None or Path(f"/proc/{found[1]}").exists():
        return None
    return found[0]
