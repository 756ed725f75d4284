"""Everything that can be wrong with a device or a registry at once: a line for each, the others finished."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.farm import FAULTS, Farm

from headrace.pipelines.bgp import DeviceInfo, WorkflowOrchestrator
from headrace.pipelines.bgp.approvals import ApprovalQueue
from servers.sshd import free_port

from .conftest import OLD, Net, junos_config

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]

NEW = {"AS3333": ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"]}

DEVICE_FAULTS = {
    "silent": "timeout",
    "banner_flood": "protocol",
    "garbage": "protocol",
    "close_at_once": "protocol",
    "close_at_login": "protocol",
    "password_only": "auth",
    "refuse_exec": "protocol",
    "hang": "timeout",
    "drip": "timeout",
    "cut": "protocol",
    "flood": "output_limit",
}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm(tmp_path_factory.mktemp("farm"), threads=30) as farm:
        yield farm


def known_hosts(net: Net, farm: Farm, wrong: str) -> Path:
    """A file that knows the good routers, one of them by another key, and the farm."""
    ssh = net.lab.ssh
    ssh.write_known_hosts([wrong])
    path = net.folder / "known_hosts"
    path.write_text(ssh.known_hosts.read_text() + farm.known_hosts.read_text())
    ssh.write_known_hosts()
    return path


def test_eleven_broken_devices_and_four_more_the_good_ones_are_applied(net: Net, farm: Farm) -> None:
    good = [net.router(1), net.router(2)]
    changed = net.router(3)
    net.router(4)
    net.lab.ssh.set_answer("show configuration protocols bgp", os.urandom(4096), "127.0.1.4")
    net.devices.append(DeviceInfo("127.0.1.5", "closed", port=free_port()))
    broken = {name: name.replace("_", "-") for name in DEVICE_FAULTS}
    net.devices += [DeviceInfo(FAULTS[n], host, platform="netconf", port=farm.port) for n, host in broken.items()]
    config = net.autonomous(
        known_hosts=str(known_hosts(net, farm, "127.0.1.3")), connection_timeout=8, collect_attempts=1,
        max_config_bytes=2_000_000, parallel_workers=20, collect_commands={"netconf": "show config"},
    )  # fmt: skip
    result = net.run(config)
    seen = {entry.device.hostname: entry.error_type for entry in result.collection_results if not entry.success}
    expected = {broken[name]: kind for name, kind in DEVICE_FAULTS.items()}
    assert seen == {**expected, "r3": "host_key", "r4": "protocol", "closed": "unreachable"}
    assert result.success
    assert {r.router: r.outcome for r in result.application_results} == {"r1": "confirmed", "r2": "confirmed"}
    assert [router.running() for router in good] == [NEW, NEW]
    assert changed.running() == OLD
    lines = [text for text in result.warnings if text.startswith("Collection failed for: ")]
    assert len(lines) == len(seen)
    assert all("\n" not in line and len(line) < 500 and line.isprintable() for line in lines)
    assert sorted(line.split()[3] for line in lines) == sorted(seen)
    assert result.stage_timings["collection"] < 16  # three of them take all of their 8 s, side by side


def test_two_hundred_routers_and_each_as_is_asked_for_once(net: Net, farm: Farm) -> None:
    net.irr.routes = {number: [f"193.0.{number % 250}.0/24"] for number in range(1000, 1040)}
    net.devices += [DeviceInfo(f"127.0.1.{n}", f"r{n}", port=farm.port) for n in range(1, 201)]
    config = net.config(
        ssh_username="netops", ssh_key_path=str(farm.key), known_hosts=str(farm.known_hosts), connection_timeout=60,
        parallel_workers=30, collect_commands={"junos": "show bgp 20 40"}, families=[4],
    )  # fmt: skip
    result = net.run(config)
    assert result.success, result.to_summary()
    assert all(len(profile.discovered_as_numbers) == 20 for profile in result.router_profiles)
    assert [policy.as_number for policy in result.policy_results if policy.success] == list(range(1000, 1040))
    assert sum(query.startswith("!g") for query in net.irr.queries) == 40
    assert result.performance["execution_summary"]["devices_processed"] == 200


def test_an_answer_that_is_cut_off_inside_a_group_is_no_configuration(net: Net) -> None:
    router = net.router(1)
    whole = junos_config(3333)
    net.lab.ssh.set_answer("show configuration protocols bgp", whole[: len(whole) // 2], "127.0.1.1")
    result = net.run(net.autonomous())
    assert not result.success
    assert result.failed_devices == ("r1",)
    assert result.errors == ("discovery: no configuration is whole",)
    assert "r1: the configuration was cut off: 1 block left open" in result.warnings[0]
    assert router.running() == OLD
    assert router.commits() == []


def test_a_million_prefixes_are_refused_and_the_other_list_is_applied(
    net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    router = net.router(1, (3333, 1299))
    fake = tmp_path / "bin" / "bgpq4"
    fake.parent.mkdir()
    flood = (
        r"""awk 'BEGIN { print "{ \"AS1299\": ["; for (i = 0; i < 1300000; i++) """
        r"""printf "{ \"prefix\": \"%d.%d.%d.0/24\", \"exact\": true }%s\n", """
        r"""11 + i / 65536, i / 256 % 256, i % 256, i < 1299999 ? "," : ""; print "] }" }'"""
    )
    fake.write_text(f'#!/bin/sh\ncase "$*" in *"-4 "*AS1299) {flood} ;; *) exec /usr/bin/bgpq4 "$@" ;; esac\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    result = net.run(net.autonomous(bgpq4_timeout=40))
    status = {policy.as_number: policy for policy in result.policy_results}
    assert status[3333].status == "ok"
    assert status[1299].status == "failed"
    assert "1300000 prefixes: an answer of more than 400000 is not even read" in status[1299].error_message
    assert not ApprovalQueue(net.state / "approvals").pending()
    assert router.running() == NEW
    assert (net.state / "runs.db").stat().st_size < 10_000_000


def test_a_stage_that_breaks_as_a_whole_is_named_and_the_rest_goes_on(net: Net) -> None:
    """The folder of the mappings can't be written."""
    net.router(1)
    (net.folder / "out").mkdir()
    (net.folder / "out" / "discovered").write_text("a file where a folder should be")
    result = net.run(net.config())
    assert not result.success
    assert len(result.errors) == 1
    assert result.errors[0].startswith("processing: StorageError: ")
    assert "discovered" in result.errors[0]
    assert "Pipeline continuing with degraded functionality" in result.warnings
    assert result.current_stage == "application_manual"
    assert [policy.status for policy in result.policy_results] == ["ok"]
    assert "193.0.0.0/21" in (net.folder / "out" / "bgp_policies.txt").read_text()


def test_two_processes_at_once_one_of_them_is_refused(net: Net) -> None:
    import threading

    from headrace.errors import RunActiveError

    net.router(1)
    net.lab.ssh.set_latency(3, "127.0.1.1")
    orchestrator = WorkflowOrchestrator()
    done: list[Any] = []
    first = threading.Thread(
        target=lambda: done.append(orchestrator.execute_pipeline(net.devices, net.config(), net.folder / "out")),
        daemon=True,
    )
    first.start()
    while orchestrator.get_status()["stage"] != "collection":
        pass
    with pytest.raises(RunActiveError):
        net.run(net.config())
    first.join()
    net.lab.ssh.set_latency(0, "127.0.1.1")
    assert done[0].success
