"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, word: str) -> str:
    """Return ``1 router``, ``2 routers``, ``2 prefixes``."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}es" if word.endswith("x") else f"{number} {word}s"
