"""Routers over NETCONF: Junos (PyEZ), and any with OpenConfig's models and confirmed commits (ncclient)."""

from headrace.connectors.netconf._junos import JunosDriver
from headrace.connectors.netconf._login import NetconfLogin
from headrace.connectors.netconf._openconfig import NetconfDriver

__all__ = ["JunosDriver", "NetconfDriver", "NetconfLogin"]
