"""SIGKILL between commit and confirm: the next run asks the router, finishes or reports, and never commits twice."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.pipelines.bgp import DeviceInfo
from headrace.pipelines.bgp.audit import AuditLog
from headrace.pipelines.bgp.records import ApplyRecords
from headrace.pipelines.bgp.stages import known_runs
from servers.frr import ANNOUNCED, FrrPair
from servers.sshd import Sshd
from servers.waiting import wait_for

from .conftest import OLD, Net

CHILD = Path(__file__).with_name("child.py")
NEW = {"AS3333": ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"]}
SLOW = {"settle": 20, "timeout": 40, "interval": 0.05}
QUICK = {"settle": 0.2, "timeout": 10, "interval": 0.05}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def start(folder: Path, devices: list[DeviceInfo], config: dict[str, Any]) -> subprocess.Popen[str]:
    job = {"devices": [dataclasses.asdict(d) for d in devices], "config": config, "output_dir": str(folder / "out")}
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return subprocess.Popen([sys.executable, CHILD, path], stdout=subprocess.PIPE, text=True, start_new_session=True)


def finish(folder: Path, devices: list[DeviceInfo], config: dict[str, Any]) -> dict[str, Any]:
    child = start(folder, devices, config)
    text, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    return dict(json.loads(text))


def kill_when(child: subprocess.Popen[str], what: str, ready: Callable[[], object]) -> None:
    try:
        wait_for(what, ready, 60)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    return {applied["router"]: applied["outcome"] for applied in result["applications"]}


def pending_on(net: Net, name: str) -> bool:
    with net.routers[name].state() as state:
        return state["pending"] is not None


def test_killed_while_a_commit_waits_the_next_run_confirms_it(net: Net) -> None:
    routers = [net.router(1), net.router(2)]
    child = start(net.folder, net.devices, net.autonomous(health=SLOW))
    kill_when(child, "the commit on r1", lambda: pending_on(net, "r1"))
    assert ApplyRecords(net.state / "applies").unsettled("r1")
    result = finish(net.folder, net.devices, net.autonomous(health=QUICK))
    assert result["success"], result
    assert outcomes(result) == {"r1": "confirmed", "r2": "confirmed"}
    assert [router.running() for router in routers] == [NEW, NEW]
    for router in routers:
        assert [("rollback in" in commit) for commit in router.commits()] == [False, True]
    events = [e["event"] for e in AuditLog(net.state / "audit.jsonl").entries() if e["subject"] == "r1"]
    assert events.count("committed") == 1
    assert "resumed" in events
    assert not ApplyRecords(net.state / "applies").unsettled("r1")


def test_killed_and_resumed_after_the_deadline_the_roll_back_is_reported(net: Net) -> None:
    router = net.router(1, seconds_a_minute=3)
    child = start(net.folder, net.devices, net.autonomous(health=SLOW))
    kill_when(child, "the commit on r1", lambda: pending_on(net, "r1"))
    wait_for("the router's own roll back", lambda: router.running() == OLD, 30)
    result = finish(net.folder, net.devices, net.autonomous(health=QUICK))
    assert not result["success"]
    assert outcomes(result) == {"r1": "rolled_back"}
    assert "not confirmed in time" in result["errors"][0]
    assert router.running() == OLD
    assert sum("rollback in" in commit for commit in router.commits()) == 1
    later = finish(net.folder, net.devices, net.autonomous(health=QUICK))
    assert outcomes(later) == {"r1": "confirmed"}
    assert router.running() == NEW


def test_killed_and_begun_anew_the_old_commit_is_settled_first(net: Net) -> None:
    """Other devices: a new execution, which knows of the old one only from the records."""
    router = net.router(1)
    child = start(net.folder, net.devices, net.autonomous(health=SLOW))
    kill_when(child, "the commit on r1", lambda: pending_on(net, "r1"))
    net.router(2)
    result = finish(net.folder, net.devices, net.autonomous(health=QUICK))
    assert outcomes(result) == {"r1": "unchanged", "r2": "confirmed"}
    assert router.running() == NEW
    assert sum("rollback in" in commit for commit in router.commits()) == 1
    assert ApplyRecords(net.state / "applies").last_confirmed("r1") is not None


def test_killed_and_the_next_run_has_nothing_to_apply_the_commit_is_settled_all_the_same(net: Net) -> None:
    """The registry is down now, so no router gets anything new."""
    router = net.router(1)
    child = start(net.folder, net.devices, net.autonomous(health=SLOW))
    kill_when(child, "the commit on r1", lambda: pending_on(net, "r1"))
    net.irr.faults[3333] = "error"
    net.devices[:] = net.devices[:1]
    net.router(2, (3333,))
    result = finish(net.folder, net.devices, net.autonomous(health=QUICK))
    assert not result["success"]
    assert "no policy is good" in result["errors"][0]
    assert outcomes(result) == {"r1": "confirmed"}
    assert router.running() == NEW
    assert not ApplyRecords(net.state / "applies").unsettled("r1")
    assert [e["event"] for e in AuditLog(net.state / "audit.jsonl").entries()].count("committed") == 1


def test_killed_before_the_first_router_nothing_is_lost_or_read_twice(net: Net) -> None:
    for number in (1, 2, 3):
        net.router(number)
    net.lab.ssh.set_latency(30, "127.0.1.3")
    child = start(net.folder, net.devices, net.config())

    def two_read() -> bool:
        runs = known_runs(net.state / "runs.db")
        return bool(runs) and len(runs[0].results("collection")) == 2

    kill_when(child, "two configurations", two_read)
    net.lab.ssh.set_latency(0, "127.0.1.3")
    for number in (1, 2):
        net.lab.ssh.set_answer("show configuration protocols bgp", "error: not again\n", f"127.0.1.{number}")
    result = finish(net.folder, net.devices, net.config())
    assert result["failed_devices"] == []
    assert len(result["routers"]) == 3


def test_registries_are_asked_while_routers_are_read_and_once_for_each_as(net: Net) -> None:
    numbers = range(1000, 1150)
    net.irr.routes = {number: [f"11.{number % 256}.0.0/24"] for number in numbers}
    net.router(1, numbers)
    net.router(2, (*numbers[:10], 1150))
    net.lab.ssh.set_latency(30, "127.0.1.2")
    child = start(net.folder, net.devices, net.config())

    def many_asked() -> bool:
        runs = known_runs(net.state / "runs.db")
        return bool(runs) and len(runs[0].results("generation")) == 128

    kill_when(child, "the first answers", many_asked)
    net.lab.ssh.set_latency(0, "127.0.1.2")
    result = finish(net.folder, net.devices, net.config())
    assert {policy["as_number"]: policy["status"] for policy in result["policies"]} == {
        **dict.fromkeys(numbers, "ok"),
        1150: "empty",
    }
    asked = [query for query in net.irr.queries if query.startswith("!g")]
    assert sorted(asked) == [f"!gas{number}" for number in (*numbers, 1150)]


# --- FRR: real BGP sessions, the roll back on the router


@pytest.fixture(scope="module")
def pair() -> Iterator[FrrPair]:
    with FrrPair() as pair:
        yield pair


@pytest.fixture(scope="module")
def frr_ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("frr") / "ssh", shell=True) as ssh:
        yield ssh


def frr_config(net: Net, pair: FrrPair, ssh: Sshd, **changes: Any) -> dict[str, Any]:
    vtysh = ["vtysh", "-N", pair.names["a"]]
    return net.autonomous(
        ssh_username=ssh.username, ssh_key_path=str(ssh.key), known_hosts=str(ssh.known_hosts), vtysh=vtysh,
        router_folder=str(net.folder / "on-router"),
        collect_commands={"frr": f"{' '.join(vtysh)} -c 'show running-config'"}, **changes,
    )  # fmt: skip


def test_frr_end_to_end_with_a_real_session_and_a_kill(net: Net, pair: FrrPair, frr_ssh: Sshd) -> None:
    devices = [DeviceInfo("127.0.1.1", "a", platform="frr", port=frr_ssh.port)]
    net.irr.routes = {3333: list(ANNOUNCED[:6])}
    assert pair.received() == 4

    def pending() -> bool:
        return any((net.folder / "on-router").glob("headrace-*/pending"))

    child = start(net.folder, devices, frr_config(net, pair, frr_ssh, health=SLOW, confirm_timeout=60))
    kill_when(child, "the commit on a", pending)
    wait_for("six prefixes through the new list", lambda: pair.received() == 6)
    result = finish(net.folder, devices, frr_config(net, pair, frr_ssh, health=QUICK, confirm_timeout=60))
    assert result["success"], result
    assert outcomes(result) == {"a": "confirmed"}
    assert len(list((net.folder / "on-router").glob("headrace-*"))) == 1
    assert pair.received() == 6
    assert "193.0.5.0/24" in (pair.config_folder("a") / "bgpd.conf").read_text()
    again = finish(net.folder, devices, frr_config(net, pair, frr_ssh, health=QUICK))
    assert outcomes(again) == {"a": "unchanged"}, again["errors"]


def test_frr_takes_the_change_back_when_nobody_comes_again(net: Net, pair: FrrPair, frr_ssh: Sshd) -> None:
    devices = [DeviceInfo("127.0.1.1", "a", platform="frr", port=frr_ssh.port)]
    before = pair.prefix_list("AS3333")
    net.irr.routes = {3333: [*ANNOUNCED[:7]]}
    config = frr_config(net, pair, frr_ssh, health={"settle": 3, "timeout": 4}, confirm_timeout=5)
    child = start(net.folder, devices, config)
    kill_when(child, "the commit on a", lambda: any((net.folder / "on-router").glob("headrace-*/pending")))
    wait_for("the roll back", lambda: any((net.folder / "on-router").glob("headrace-*/rolled_back")), 30)
    assert pair.prefix_list("AS3333") == before
    started = time.monotonic()
    result = finish(net.folder, devices, config)
    assert time.monotonic() - started < 60
    assert outcomes(result) == {"a": "rolled_back"}
    assert "not confirmed in time" in result["errors"][0]


def test_frr_rolls_back_when_a_session_accepts_too_little(net: Net, pair: FrrPair, frr_ssh: Sshd) -> None:
    devices = [DeviceInfo("127.0.1.1", "a", platform="frr", port=frr_ssh.port)]
    before = pair.prefix_list("AS3333")
    wait_for("the session", lambda: (pair.received() or 0) >= 4)
    net.irr.routes = {3333: ["193.0.64.0/24", "193.0.65.0/24"]}
    config = frr_config(net, pair, frr_ssh, health={"settle": 1, "timeout": 3, "interval": 0.2}, confirm_timeout=60)
    config.update(autonomous_mode={"enabled": True}, guardrails={"max_shrink": 1.0, "max_grow": 10.0})
    result = finish(net.folder, devices, config)
    assert outcomes(result) == {"a": "rolled_back"}, result
    assert "and accepts 0" in result["errors"][0]
    assert pair.prefix_list("AS3333") == before
