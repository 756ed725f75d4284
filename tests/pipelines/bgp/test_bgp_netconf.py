"""Platform ``netconf``: the whole pipeline on a real NETCONF server (RFC 6241 confirmed commits, OpenConfig models)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace.connectors.netconf import NetconfDriver, NetconfLogin
from headrace.pipelines.bgp import DeviceInfo, WorkflowOrchestrator
from headrace.pipelines.bgp.audit import AuditLog
from headrace.pipelines.bgp.records import ApplyRecords
from servers.netconfd import netconfd
from servers.sshd import Sshd

from .conftest import OLD, Net, junos_config
from .test_bgp_crash import NEW, QUICK, SLOW, finish, kill_when, outcomes, start

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SESSION_UP = """<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><network-instances
 xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name><protocols><protocol>
 <identifier>BGP</identifier><name>bgp</name><bgp><neighbors><neighbor><neighbor-address>192.0.2.2</neighbor-address>
 <state><session-state>ESTABLISHED</session-state></state><afi-safis><afi-safi><afi-safi-name>V4</afi-safi-name><state>
 <prefixes><received>5</received></prefixes></state></afi-safi></afi-safis></neighbor></neighbors></bgp></protocol>
 </protocols></network-instance></network-instances></config>"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with netconfd(tmp_path_factory.mktemp("netconfd")) as ssh:
        yield ssh


@contextmanager
def session(server: Sshd) -> Iterator[NetconfDriver]:
    login = NetconfLogin(
        "127.0.1.1", server.username, port=server.port, key=str(server.key), known_hosts=str(server.known_hosts)
    )
    driver = NetconfDriver("n1", login)
    driver.open()
    try:
        yield driver
    finally:
        driver.close()


@pytest.fixture
def router(server: Sshd, net: Net) -> Iterator[dict[str, Any]]:
    """A router with the old list and a session that is up; the settings with which the pipeline reaches it."""
    with session(server) as driver:
        driver.lock()
        driver._manager.edit_config(target="candidate", config=SESSION_UP)
        driver.load(OLD)
        driver.commit_confirmed(60, "begin")
        driver.confirm("begin")
        driver.unlock()
    text = net.folder / "n1.conf"
    text.write_text(junos_config(3333))
    net.devices.append(DeviceInfo("127.0.1.1", "n1", "netconf", port=server.port, netconf_port=server.port))
    return net.autonomous(
        ssh_username=server.username, ssh_key_path=str(server.key), known_hosts=str(server.known_hosts),
        collect_commands={"netconf": f"cat {text}"},
    )  # fmt: skip


def lists(server: Sshd) -> dict[str, list[str]]:
    with session(server) as driver:
        return {name: sorted(prefixes or ()) for name, prefixes in driver.read_lists(NEW).items()}


def events(state: Path) -> list[str]:
    return [entry["event"] for entry in AuditLog(state / "audit.jsonl").entries() if entry["subject"] == "n1"]


def test_applied_with_a_confirmed_commit(server: Sshd, net: Net, router: dict[str, Any]) -> None:
    result = WorkflowOrchestrator().execute_pipeline(net.devices, router, net.folder / "out")
    assert result.success, result.to_summary()
    (applied,) = result.application_results
    assert (applied.outcome, applied.autonomous, applied.policies_applied) == ("confirmed", True, 1)
    assert "+  2001:67c:2e8::/48" in applied.diff
    assert lists(server) == {"AS3333": sorted(NEW["AS3333"])}
    told = ["connected", "preview", "committed", "confirmed", "disconnected"]
    assert [event for event in events(net.state) if event in told] == told
    assert applied.email_notifications_sent == len(net.mail.received)


def test_killed_between_commit_and_confirm_the_next_run_confirms_it(
    server: Sshd, net: Net, router: dict[str, Any]
) -> None:
    child = start(net.folder, net.devices, {**router, "health": SLOW})
    kill_when(child, "the commit", lambda: lists(server) != {"AS3333": sorted(OLD["AS3333"])})
    assert ApplyRecords(net.state / "applies").unsettled("n1")
    result = finish(net.folder, net.devices, {**router, "health": QUICK})
    assert result["success"], result
    assert outcomes(result) == {"n1": "confirmed"}
    assert lists(server) == {"AS3333": sorted(NEW["AS3333"])}
    assert events(net.state).count("committed") == 1
    assert not ApplyRecords(net.state / "applies").unsettled("n1")
    with session(server) as driver:
        driver.lock()  # nothing is left pending or locked
        driver.unlock()


def test_killed_and_resumed_after_the_deadline_the_roll_back_is_reported(
    server: Sshd, net: Net, router: dict[str, Any]
) -> None:
    short = {**router, "health": {"settle": 3, "timeout": 4, "interval": 0.05}, "confirm_timeout": 5}
    child = start(net.folder, net.devices, short)
    kill_when(child, "the commit", lambda: lists(server) != {"AS3333": sorted(OLD["AS3333"])})
    time.sleep(6.5)  # netconfd looks at its timer only while nobody asks it anything
    assert lists(server) == {"AS3333": sorted(OLD["AS3333"])}
    result = finish(net.folder, net.devices, short)
    assert not result["success"]
    assert outcomes(result) == {"n1": "rolled_back"}
    assert events(net.state).count("committed") == 1
    assert lists(server) == {"AS3333": sorted(OLD["AS3333"])}
