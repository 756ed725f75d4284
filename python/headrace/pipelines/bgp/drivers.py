"""The driver that fits a router."""

from __future__ import annotations

from headrace.connectors.frr import FrrDriver, SshShell
from headrace.connectors.netconf import JunosDriver, NetconfDriver, NetconfLogin
from headrace.connectors.routers import EventHook, RouterDriver, no_events
from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.models import DeviceInfo

__all__ = ["make_driver"]


def make_driver(device: DeviceInfo, config: BgpConfig, on_event: EventHook = no_events) -> RouterDriver:
    """Return a driver for ``device``, not connected yet."""
    if device.platform == "frr":
        shell = SshShell(
            device.address, config.ssh_username, port=device.port, key=config.ssh_key_path,
            password=config.ssh_password, known_hosts=config.known_hosts, timeout=config.connection_timeout,
        )  # fmt: skip
        return FrrDriver(device.hostname, shell, on_event, vtysh=config.vtysh, folder=config.router_folder)
    login = NetconfLogin(
        device.address, config.netconf_username or config.ssh_username, port=device.netconf_port,
        key=config.ssh_key_path, password=config.ssh_password, known_hosts=config.known_hosts,
        timeout=config.connection_timeout,
    )  # fmt: skip
    kind = JunosDriver if device.platform == "junos" else NetconfDriver
    return kind(device.hostname, login, on_event)
