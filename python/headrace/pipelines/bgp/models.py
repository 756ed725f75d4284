"""The values that pass between the stages of the BGP pipeline. All of them are immutable."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headrace.pipelines.bgp.errors import ConfigurationError

if TYPE_CHECKING:
    from headrace.pipelines.bgp.safety import UnifiedSafetyManager

__all__ = [
    "ApplicationResult",
    "BgpGroup",
    "BgpNeighbor",
    "DeviceCollectionResult",
    "DeviceInfo",
    "DiscoveryResult",
    "PipelineContext",
    "PolicyResult",
    "RouterProfile",
]

PLATFORMS = ("junos", "frr", "netconf")
_HOSTNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?", re.ASCII)
_MUTABLE = (list, set, frozenset, dict)


def _freeze(instance: Any) -> None:
    """Turn lists into tuples and dicts into read-only views, so that a frozen instance is frozen all through."""
    changing = [(name, value) for name, value in vars(instance).items() if isinstance(value, _MUTABLE)]
    for name, value in changing:
        if isinstance(value, list):
            object.__setattr__(instance, name, tuple(value))
        elif isinstance(value, (set, frozenset)):
            object.__setattr__(instance, name, tuple(sorted(value)))
        else:
            object.__setattr__(instance, name, MappingProxyType(dict(value)))


@dataclass(frozen=True)
class DeviceInfo:
    """A router to collect from.

    ``hostname`` names it everywhere (it is also a folder name); ``address`` is an IPv4 or IPv6 address; ``port``
    is its SSH port and ``netconf_port`` its NETCONF port. ``platform``: ``junos``, ``frr`` or ``netconf`` (any router
    with the OpenConfig routing policy model).
    """

    address: str
    hostname: str
    platform: str = "junos"
    port: int = 22
    netconf_port: int = 830

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.address)
        except ValueError:
            raise ConfigurationError(f"device {self.hostname!r}: {self.address!r} is not an IP address") from None
        if not _HOSTNAME.fullmatch(self.hostname) or ".." in self.hostname:
            raise ConfigurationError(
                f"device {self.address}: {self.hostname!r} is not a host name (letters, digits, '.', '_' and '-')"
            )
        if self.platform not in PLATFORMS:
            known = ", ".join(PLATFORMS)
            raise ConfigurationError(f"device {self.hostname}: platform {self.platform!r} is not one of {known}")
        for name in ("port", "netconf_port"):
            if not 0 < getattr(self, name) < 65536:
                raise ConfigurationError(f"device {self.hostname}: {name} {getattr(self, name)} is not 1 to 65535")

    def to_router_profile(self, bgp_config: str = "") -> RouterProfile:
        """Return the profile that discovery starts from."""
        return RouterProfile(self.hostname, self.address, self.platform, bgp_config, device=self)


@dataclass(frozen=True)
class DeviceCollectionResult:
    """What came from one device. ``error_type`` is that of ``hr.collect`` ('unreachable', 'host_key', ...)."""

    device: DeviceInfo
    success: bool
    bgp_data: str = ""
    error_type: str = ""
    error_message: str = ""
    seconds: float = 0.0
    attempts: int = 1


@dataclass(frozen=True)
class BgpNeighbor:
    """A neighbor: ``peer_as`` is None where the configuration gives no number ('external')."""

    address: str
    peer_as: int | None = None
    prefix_lists: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True)
class BgpGroup:
    """A group (Junos) or peer group (FRR). ``type`` is ``external`` or ``internal``."""

    name: str
    type: str = "external"
    peer_as: int | None = None
    neighbors: tuple[BgpNeighbor, ...] = ()
    instance: str = "default"

    def __post_init__(self) -> None:
        _freeze(self)

    @property
    def as_numbers(self) -> tuple[int, ...]:
        """The AS numbers of its external peers, ascending. An internal group has none."""
        if self.type == "internal":
            return ()
        numbers = {n.peer_as for n in self.neighbors if n.peer_as is not None}
        if self.peer_as is not None:
            numbers.add(self.peer_as)
        return tuple(sorted(numbers))


@dataclass(frozen=True)
class RouterProfile:
    """A router and what is known of it so far."""

    hostname: str
    address: str = ""
    platform: str = "junos"
    bgp_config: str = ""
    discovered_as_numbers: tuple[int, ...] = ()
    bgp_groups: tuple[BgpGroup, ...] = ()
    local_as: tuple[int, ...] = ()
    device: DeviceInfo | None = None

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True)
class DiscoveryResult:
    """What a configuration says: all AS numbers of external peers, the groups, and what was odd."""

    as_numbers: tuple[int, ...] = ()
    bgp_groups: tuple[BgpGroup, ...] = ()
    local_as: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self)

    def profile(self, device: DeviceInfo, bgp_config: str = "") -> RouterProfile:
        """Return the profile of the router that said so."""
        return RouterProfile(
            device.hostname, device.address, device.platform, bgp_config, self.as_numbers, self.bgp_groups,
            self.local_as, device,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        groups = [
            {**vars(group), "neighbors": [{**vars(n), "prefix_lists": list(n.prefix_lists)} for n in group.neighbors]}
            for group in self.bgp_groups
        ]
        return {
            "as_numbers": list(self.as_numbers),
            "bgp_groups": groups,
            "local_as": list(self.local_as),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> DiscoveryResult:
        """Read what ``to_dict`` wrote."""
        groups = [
            BgpGroup(**{**group, "neighbors": [BgpNeighbor(**neighbor) for neighbor in group["neighbors"]]})
            for group in value["bgp_groups"]
        ]
        return cls(value["as_numbers"], tuple(groups), value["local_as"], value["warnings"])


@dataclass(frozen=True)
class PolicyResult:
    """The prefix list of one AS.

    ``status``: ``ok`` (looked up and passed every guard), ``held`` (a guard refused it), ``empty``, ``failed`` or
    ``skipped`` (an AS number that no registry can know). ``success`` is true for ``ok`` alone. ``prefixes`` is what
    was looked up; ``last_good`` what stays in place where ``success`` is false; ``reasons`` says why.
    ``approved``: a guard held exactly this list, and a person let it pass.
    """

    as_number: int
    status: str
    name: str
    prefixes: tuple[str, ...] = ()
    last_good: tuple[str, ...] | None = None
    reasons: tuple[str, ...] = ()
    error_message: str = ""
    risk_level: str = "low"
    seconds: float = 0.0
    approved: bool = False

    def __post_init__(self) -> None:
        _freeze(self)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        last_good = None if self.last_good is None else list(self.last_good)
        return {
            **vars(self), "prefixes": list(self.prefixes), "last_good": last_good, "reasons": list(self.reasons)
        }  # fmt: skip

    @property
    def success(self) -> bool:
        """Whether this list may be used."""
        return self.status == "ok"

    @property
    def effective_prefixes(self) -> tuple[str, ...] | None:
        """What belongs into a policy file: the new list, else the last good one, else None."""
        return self.prefixes if self.success else self.last_good


@dataclass(frozen=True)
class ApplicationResult:
    """What happened to one router.

    ``outcome``: ``confirmed``, ``unchanged``, ``dry_run``, ``queued`` (waits for approval), ``refused`` (a guard),
    ``rolled_back``, ``failed``, ``manual`` or ``skipped``. ``success`` is true only where the router has now what it
    should have and that is confirmed.
    """

    router: str
    success: bool
    autonomous: bool = False
    policies_applied: int = 0
    commit_id: str | None = None
    error_message: str | None = None
    rollback_attempted: bool = False
    email_notifications_sent: int = 0
    risk_level: str = "unknown"
    manual_approval_required: bool = False
    reason: str | None = None
    outcome: str = "failed"
    diff: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class PipelineContext:
    """What a stage sees, and what it answers with: always a new one."""

    devices: Sequence[DeviceInfo] = ()

    collection_results: Sequence[DeviceCollectionResult] = ()
    router_profiles: Sequence[RouterProfile] = ()
    discovery_mappings: Mapping[str, Any] = field(default_factory=dict)
    as_extraction_results: Mapping[str, Any] = field(default_factory=dict)
    policy_results: Sequence[PolicyResult] = ()
    application_results: Sequence[ApplicationResult] = ()

    current_stage: str = "initialized"
    execution_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    start_time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    stage_timings: Mapping[str, float] = field(default_factory=dict)

    errors: Sequence[str] = ()
    warnings: Sequence[str] = ()
    failed_devices: Sequence[str] = ()

    config: Mapping[str, Any] = field(default_factory=dict)
    autonomous_config: Mapping[str, Any] = field(default_factory=dict)
    safety_manager: UnifiedSafetyManager | None = None
    email_notifications_sent: int = 0
    output_dir: Path = Path("./output")
    parallel_workers: int = 5

    def __post_init__(self) -> None:
        _freeze(self)

    def but(self, **changes: Any) -> PipelineContext:
        """Return a copy with ``changes``; ``warnings``, ``errors`` and ``failed_devices`` are added, not replaced."""
        for name in ("warnings", "errors", "failed_devices"):
            if name in changes:
                changes[name] = (*getattr(self, name), *changes[name])
        if "stage_timings" in changes:
            changes["stage_timings"] = {**self.stage_timings, **changes["stage_timings"]}
        return dataclasses.replace(self, **changes)
