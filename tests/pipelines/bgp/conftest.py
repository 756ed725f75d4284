"""A small network for the tests of the BGP pipeline: Junos-like routers, a registry, a mail server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headrace.pipelines.bgp import DeviceInfo, PipelineResult, WorkflowOrchestrator
from servers.irr_server import IrrServer
from servers.junos import JunosLab
from servers.junos_netconf import Device
from servers.mail import MailSink

ROUTES = {3333: ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"], 1299: ["62.115.0.0/16"], 174: []}
OLD = {"AS3333": ["193.0.0.0/21", "193.0.10.0/23"]}
PEER = {"192.0.2.2": {"list": "AS3333", "announces": ["193.0.0.0/21", "193.0.10.0/23", "193.0.99.0/24"]}}


def junos_config(*numbers: int) -> str:
    """The BGP hierarchy of a router with these peers."""
    peers = "".join(
        f"    neighbor 192.0.2.{index} {{\n        peer-as {number};\n    }}\n"
        for index, number in enumerate(numbers, 2)
    )
    return f'group PEERS {{\n    type external;\n    authentication-key "$9$s3cr3t"; ## SECRET-DATA\n{peers}}}\n'


@dataclass
class Net:
    """The parts, and the settings with which the pipeline reaches them."""

    lab: JunosLab
    irr: IrrServer
    mail: MailSink
    folder: Path
    routers: dict[str, Device] = field(default_factory=dict)
    devices: list[DeviceInfo] = field(default_factory=list)

    def router(self, number: int, as_numbers: Sequence[int] = (3333,), **state: Any) -> Device:
        """Add the router r<number> at 127.0.1.<number>."""
        settings: dict[str, Any] = {"running": OLD, "peers": PEER, **state}
        device = self.lab.router(number, **settings)
        self.lab.ssh.set_answer("show configuration protocols bgp", junos_config(*as_numbers), f"127.0.1.{number}")
        port = self.lab.ssh.port
        self.devices.append(DeviceInfo(f"127.0.1.{number}", f"r{number}", port=port, netconf_port=port))
        self.routers[f"r{number}"] = device
        return device

    def config(self, **changes: Any) -> dict[str, Any]:
        """Settings for these parts, quick ones."""
        return {
            "ssh_username": self.lab.ssh.username,
            "ssh_key_path": str(self.lab.ssh.key),
            "known_hosts": str(self.lab.ssh.known_hosts),
            "connection_timeout": 10,
            "bgpq4_host": self.irr.host,
            "bgpq4_sources": ["TEST"],
            "bgpq4_mode": "native",
            "bgpq4_timeout": 10,
            "health": {"settle": 0.2, "timeout": 3, "interval": 0.05},
            **changes,
        }

    def autonomous(self, **changes: Any) -> dict[str, Any]:
        """Settings of autonomous mode, with mail."""
        return self.config(autonomous_mode={"enabled": True}, email=self.mail.config(), **changes)

    def run(self, config: dict[str, Any]) -> PipelineResult:
        """Run the pipeline on all routers."""
        return WorkflowOrchestrator().execute_pipeline(self.devices, config, self.folder / "out")

    @property
    def state(self) -> Path:
        """Where the run keeps its state."""
        return self.folder / "out" / "state"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JunosLab]:
    with JunosLab(tmp_path_factory.mktemp("routers")) as lab:
        yield lab


@pytest.fixture(scope="session")
def irr() -> Iterator[IrrServer]:
    with IrrServer({}) as irr:
        yield irr


@pytest.fixture(scope="session")
def mail() -> Iterator[MailSink]:
    with MailSink() as mail:
        yield mail


@pytest.fixture
def net(lab: JunosLab, irr: IrrServer, mail: MailSink, tmp_path: Path) -> Net:
    irr.routes = {number: list(prefixes) for number, prefixes in ROUTES.items()}
    irr.faults.clear()
    irr.queries.clear()
    mail.received.clear()
    mail.answers.clear()
    for number in range(1, 10):  # a test that failed may have left one
        lab.ssh.set_latency(0, f"127.0.1.{number}")
    return Net(lab, irr, mail, tmp_path)
