"""Where a chunk stands in its document."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

__all__ = ["page_of"]


def page_of(position: int, pages: Sequence[int]) -> int | None:
    """The page that a position is on, counted from 1; ``pages``: where each begins, none at all for no pages."""
    return bisect.bisect_right(pages, position) or 1 if pages else None
