"""FRR over SSH, with the guarantees that it does not have by itself: confirmed commits that roll back on the router."""

from headrace.connectors.frr._driver import FrrDriver
from headrace.connectors.frr._shell import LocalShell, Shell, SshShell

__all__ = ["FrrDriver", "LocalShell", "Shell", "SshShell"]
