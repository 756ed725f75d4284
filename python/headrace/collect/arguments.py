"""Arguments that all collectors have in common, checked and put into the form that the core takes."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, Protocol

from headrace.errors import ConfigurationError

__all__ = ["MAX_OUTPUT", "RetryLike"]

MAX_OUTPUT = 64 << 20
"""Bytes of one target's answer that are kept unless ``max_output`` says otherwise."""

_UNBOUNDED = 1 << 62


class RetryLike(Protocol):
    """What ``retry=`` takes: :class:`headrace.Retry`, or anything with these attributes."""

    @property
    def attempts(self) -> int:
        """All tries, the first included."""

    @property
    def delay(self) -> float:
        """Seconds before the second try."""

    @property
    def multiplier(self) -> float:
        """Each further pause is so many times longer."""

    @property
    def jitter(self) -> float:
        """0 to 1: the share by which a pause varies."""


Limits = tuple[int, float, int, tuple[int, float, float, float, float]]


def limits(workers: Any, timeout: Any, max_output: Any, retry: RetryLike | None) -> Limits:
    """(workers, timeout, max_output, (attempts, delay, multiplier, jitter, max_delay)). Raises ConfigurationError."""
    return (
        whole("workers", workers),
        number("timeout", timeout),
        whole("max_output", max_output),
        _retry(retry),
    )


def capacity(workers: int, stream: bool) -> int:
    """How many outcomes may wait to be read."""
    return min(max(2 * workers, 64), _UNBOUNDED) if stream else _UNBOUNDED


def whole(name: str, value: Any) -> int:
    """``value`` as a whole number. Raises ConfigurationError."""
    try:
        return max(-_UNBOUNDED, min(operator.index(value), _UNBOUNDED))
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number, not {value!r}") from None


def number(name: str, value: Any) -> float:
    """``value`` as a finite number. Raises ConfigurationError."""
    try:
        converted = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        converted = math.nan
    if not math.isfinite(converted):
        raise ConfigurationError(f"{name} must be a number, not {value!r}")
    return converted


def string(name: str, value: Any) -> str:
    """``value``, a string that can be encoded. Raises ConfigurationError."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name}: {value!r} cannot be encoded") from None
    return value


def strings(name: str, values: Any) -> list[str]:
    """``values`` as a list of strings. Raises ConfigurationError, also for a single string in place of a list."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ConfigurationError(f"{name} must be a list of strings, not {values!r}")
    return [string(name, value) for value in values]


def octets(name: str, value: Any) -> bytes | None:
    """``value`` (None, text or bytes) as bytes. Raises ConfigurationError."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise ConfigurationError(f"{name} must be bytes or a string, not {type(value).__name__}")


def _retry(retry: RetryLike | None) -> tuple[int, float, float, float, float]:
    if retry is None:
        return (1, 0.0, 1.0, 0.0, 0.0)
    try:
        parts = [getattr(retry, name) for name in ("attempts", "delay", "multiplier", "jitter")]
    except AttributeError as error:
        raise ConfigurationError(f"retry must be a headrace.Retry: {error}") from None
    longest = getattr(retry, "max_delay", 300.0)
    attempts = min(whole("retry.attempts", parts[0]), 1 << 30)
    return (
        attempts,
        number("retry.delay", parts[1]),
        number("retry.multiplier", parts[2]),
        number("retry.jitter", parts[3]),
        number("retry.max_delay", longest),
    )
