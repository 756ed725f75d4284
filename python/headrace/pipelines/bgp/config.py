"""The settings of a run, checked before anything is touched. All times are seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace import errors
from headrace.connectors.bgpq4 import MODES as BGPQ4_MODES
from headrace.connectors.smtp import MailServer
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.guardrails import GuardrailSettings, HaltSwitch, MaintenanceWindow
from headrace.pipelines.bgp.policy import list_name
from headrace.pipelines.bgp.rollout import check_waves

__all__ = ["MODES", "BgpConfig", "HealthSettings"]

MODES = ("user", "system", "autonomous")
"""``user``: generates, never applies. ``system``: applies what a person approved. ``autonomous``: applies low risk by
itself, asks for the rest."""

COLLECT_COMMANDS = {
    "junos": "show configuration protocols bgp | no-more",
    "netconf": "show configuration protocols bgp | no-more",
    "frr": "vtysh -c 'show running-config'",
}


@dataclass(frozen=True)
class HealthSettings:
    """When a router is well after a change, compared with before.

    Every session that was up is up, and none lost more than ``max_prefix_drop`` (a fraction) of its accepted prefixes;
    all that for ``settle`` seconds on end, within ``timeout`` seconds.
    """

    settle: float = 5.0
    timeout: float = 60.0
    max_prefix_drop: float = 0.3
    interval: float = 1.0

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            _number(f"health: {entry.name}", getattr(self, entry.name), 0)
        if self.max_prefix_drop > 1:
            raise ConfigurationError(f"health: max_prefix_drop is a fraction, 0 to 1, not {self.max_prefix_drop}")
        if self.settle >= self.timeout:
            raise ConfigurationError(
                f"health: settle ({self.settle:g} s) must be less than timeout ({self.timeout:g} s)"
            )


def _number(name: str, value: Any, low: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= low:
        raise ConfigurationError(f"{name} must be a number, at least {low:g}, not {value!r}")


@dataclass(frozen=True)
class BgpConfig:
    """Everything that a run can be told. ``from_mapping`` reads it from the configuration's own names."""

    ssh_username: str = "bgp-read"
    ssh_key_path: str | None = None
    ssh_password: str | None = field(default=None, repr=False)
    known_hosts: str = "~/.ssh/known_hosts"
    connection_timeout: float = 30.0
    collect_commands: Mapping[str, str] = field(default_factory=dict)
    collect_attempts: int = 2
    max_config_bytes: int = 32 * 1024 * 1024

    bgpq4_mode: str = "auto"
    bgpq4_timeout: float = 45.0
    bgpq4_host: str | None = None
    bgpq4_sources: Sequence[str] = ()
    bgpq4_workers: int = 16
    families: Sequence[int] = (4, 6)
    list_name: str = "AS{asn}"
    separate_files: bool = False
    parallel_workers: int = 5

    mode: str = "user"
    dry_run: bool = False
    state_dir: Path | None = None
    confirm_timeout: int = 120
    rollout: Sequence[float] = (1, 0.25, 1.0)
    apply_workers: int = 4
    guardrails: GuardrailSettings = field(default_factory=GuardrailSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    maintenance_window: MaintenanceWindow | None = None
    halt_file: Path | None = None
    email: MailServer | None = None
    netconf_username: str | None = None
    vtysh: Sequence[str] = ("vtysh",)
    router_folder: str = "/var/tmp/headrace-bgp"  # noqa: S108 - on the routers; made with mode 0700

    def __post_init__(self) -> None:
        _choice("mode", self.mode, MODES)
        _choice("bgpq4_mode", self.bgpq4_mode, BGPQ4_MODES)
        for name in ("connection_timeout", "bgpq4_timeout"):
            _number(name, getattr(self, name), 0.001)
        for name in ("parallel_workers", "bgpq4_workers", "apply_workers", "collect_attempts", "max_config_bytes"):
            _number(name, getattr(self, name), 1)
        if isinstance(self.confirm_timeout, bool) or not isinstance(self.confirm_timeout, int):
            raise ConfigurationError(f"confirm_timeout is a whole number of seconds, not {self.confirm_timeout!r}")
        if not self.health.timeout < self.confirm_timeout <= 3600:
            raise ConfigurationError(
                f"confirm_timeout is in seconds: {self.confirm_timeout} must be above the health check's timeout "
                f"({self.health.timeout:g} s) and at most 3600"
            )
        check_waves(self.rollout)
        list_name(self.list_name, 64500)
        for platform in self.collect_commands:
            _choice("collect_commands", platform, tuple(COLLECT_COMMANDS))

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> BgpConfig:
        """Read ``config``; ConfigurationError for a name that is none of ours, or a value that cannot be."""
        given = {name: value for name, value in config.items() if value is not None}
        if (autonomous := given.pop("autonomous_mode", None)) is not None:
            given["mode"] = _mode(given.get("mode"), autonomous)
        for name, kind in _NESTED.items():
            if isinstance(given.get(name), Mapping):
                given[name] = _built(kind, given[name])
        for name in ("state_dir", "halt_file"):
            if name in given:
                given[name] = Path(given[name])
        known = {entry.name for entry in dataclasses.fields(cls)}
        if unknown := sorted(set(given) - known):
            raise ConfigurationError(f"unknown setting '{unknown[0]}'; known: {', '.join(sorted(known))}")
        return cls(**given)

    def collect_command(self, platform: str) -> str:
        """Return what to run on a router to read its BGP configuration."""
        return self.collect_commands.get(platform) or COLLECT_COMMANDS[platform]

    def halt_switch(self, state_dir: Path) -> HaltSwitch:
        """Return the stop switch."""
        return HaltSwitch(self.halt_file or state_dir / "HALT")


def _built(kind: Callable[[Mapping[str, Any]], Any], config: Mapping[str, Any]) -> Any:
    try:
        return kind(config)
    except errors.ConfigurationError as error:
        raise ConfigurationError(str(error)) from error


def _choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name} {value!r} is not one of {', '.join(known)}")


def _mode(mode: str | None, autonomous: Any) -> str:
    """``autonomous_mode: {"enabled": true}`` is the same as ``mode: autonomous``; the two must not disagree."""
    if not isinstance(autonomous, Mapping) or not isinstance(autonomous.get("enabled", False), bool):
        raise ConfigurationError(f"autonomous_mode must be like {{'enabled': True}}, not {autonomous!r}")
    enabled = autonomous.get("enabled", False)
    if mode is None:
        return "autonomous" if enabled else "user"
    if enabled != (mode == "autonomous"):
        raise ConfigurationError(f"autonomous_mode.enabled is {enabled}, but mode is {mode!r}")
    return mode


def _health(config: Mapping[str, Any]) -> HealthSettings:
    known = {entry.name for entry in dataclasses.fields(HealthSettings)}
    if unknown := sorted(set(config) - known):
        raise ConfigurationError(f"health: unknown setting '{unknown[0]}'; known: {', '.join(sorted(known))}")
    return HealthSettings(**config)


_NESTED: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "guardrails": GuardrailSettings.from_config,
    "health": _health,
    "maintenance_window": MaintenanceWindow.from_config,
    "email": MailServer.from_config,
}
