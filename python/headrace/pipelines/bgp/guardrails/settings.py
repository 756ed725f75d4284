"""The limits of the guardrails. The defaults are meant to be kept."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from headrace.pipelines.bgp.errors import ConfigurationError

__all__ = ["GuardrailSettings"]


@dataclass(frozen=True)
class GuardrailSettings:
    """What the rules compare with.

    ``max_prefixes`` (one AS) and ``max_total_prefixes`` (all together) are absolute. ``max_shrink`` and ``max_grow``
    are fractions of the last good list; a change of at most ``slack`` prefixes passes them, unless nothing is left.
    ``max_length_*``: more specific prefixes are refused; ``min_length_*``: so are broader ones.
    ``allow_prefixes``: networks in which the bogon and length rules don't hold (a lab, a customer's own space).
    ``allow_private_as``: private AS numbers may be looked up. ``rpki_file``: a validated-ROA export in JSON, not
    older than ``rpki_max_age`` seconds.
    """

    max_prefixes: int = 100_000
    max_total_prefixes: int = 500_000
    max_shrink: float = 0.25
    max_grow: float = 1.0
    slack: int = 1
    max_length_v4: int = 24
    max_length_v6: int = 48
    min_length_v4: int = 8
    min_length_v6: int = 16
    allow_prefixes: tuple[str, ...] = ()
    allow_private_as: bool = False
    rpki_file: Path | None = None
    rpki_max_age: float = 4 * 3600.0

    def __post_init__(self) -> None:
        for name in ("max_prefixes", "max_total_prefixes", "slack", "max_length_v4", "max_length_v6"):
            self._at_least(name, 0)
        for name in ("max_shrink", "max_grow", "rpki_max_age", "min_length_v4", "min_length_v6"):
            self._at_least(name, 0)
        if self.max_shrink > 1:
            raise ConfigurationError(f"guardrails: max_shrink is a fraction, 0 to 1, not {self.max_shrink}")
        try:
            allowed = tuple(str(ipaddress.ip_network(prefix)) for prefix in self.allow_prefixes)
        except ValueError as error:
            raise ConfigurationError(f"guardrails: allow_prefixes: {error}") from None
        object.__setattr__(self, "allow_prefixes", allowed)
        if self.rpki_file is not None:
            object.__setattr__(self, "rpki_file", Path(self.rpki_file))

    def _at_least(self, name: str, low: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= low:
            raise ConfigurationError(f"guardrails: {name} must be a number, at least {low:g}, not {value!r}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> GuardrailSettings:
        """Build from a mapping; ConfigurationError for a name that is none of ours, so that a typo guards nothing."""
        known = {entry.name for entry in fields(cls)}
        for name in config:
            if name not in known:
                raise ConfigurationError(f"guardrails: unknown setting '{name}'; known: {', '.join(sorted(known))}")
        return cls(**config)
