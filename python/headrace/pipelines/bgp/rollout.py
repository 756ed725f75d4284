"""Staged rollout: a few routers first, the rest only when those went well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from headrace.pipelines.bgp.errors import ConfigurationError

__all__ = ["check_waves", "split_waves"]

T = TypeVar("T")


def check_waves(waves: Sequence[float]) -> tuple[float, ...]:
    """Return ``waves``, or ConfigurationError: whole numbers are routers, fractions below 1 a share of all of them."""
    if not waves:
        raise ConfigurationError("rollout: no waves; [1, 0.25] changes one router, then a quarter, then the rest")
    for size in waves:
        valid = not isinstance(size, bool) and isinstance(size, (int, float))
        if not valid or size <= 0 or (size > 1 and size != int(size)):
            raise ConfigurationError(f"rollout: {size!r} is neither a number of routers nor a fraction of them")
    return tuple(waves)


def split_waves(routers: Sequence[T], waves: Sequence[float]) -> list[list[T]]:
    """Return the routers of each wave, in order; the last wave takes what is left. No wave is empty.

    ``1`` is one router; ``0.25`` a quarter of all, rounded up; ``1.0`` as a float means all.
    """
    left = list(routers)
    parts = []
    for size in check_waves(waves):
        everything = isinstance(size, float) and size == 1.0
        count = len(left) if everything else math.ceil(size * len(routers)) if size < 1 else int(size)
        parts.append(left[:count])
        left = left[count:]
    parts.append(left)
    return [part for part in parts if part]
