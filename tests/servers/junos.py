"""Junos-like routers on 127.0.1.1 and up: a CLI for collection, NETCONF for changes, behind one OpenSSH server."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from servers.junos_netconf import Device
from servers.sshd import Sshd

__all__ = ["JunosLab"]

SCRIPT = Path(__file__).parent / "junos_netconf.py"


class JunosLab:
    """The routers. ``ssh`` is the server, ready to be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "netconf"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPT} "$1"\n')
        program.chmod(0o755)
        self.ssh = Sshd(folder / "ssh", netconf=str(program))

    def __enter__(self) -> JunosLab:
        self.ssh.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ssh.__exit__(kind, error, traceback)

    def router(self, number: int, **state: Any) -> Device:
        """Make a fresh router at 127.0.1.``number`` with parts of its state set: running, peers, fault.

        ``seconds_a_minute``: how long one minute of a confirm time takes on it.
        """
        device = Device(self.ssh.devices / f"127.0.1.{number}")
        with device.state() as known:
            known.clear()
            known.update(Device.fresh(), **state)
        return device
