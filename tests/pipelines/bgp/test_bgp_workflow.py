from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import headrace as hr
from headrace.pipelines.bgp import (
    ConfigurationError,
    DeviceInfo,
    PipelineContext,
    PipelineExecutionError,
    WorkflowOrchestrator,
)
from headrace.pipelines.bgp.approvals import ApprovalQueue
from headrace.pipelines.bgp.audit import AuditLog
from headrace.pipelines.bgp.guardrails import HaltSwitch, LastGoodLists
from servers.sshd import free_port

from .conftest import OLD, Net, junos_config

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # PyEZ, paramiko and aiosmtpd, at their import
]

NEW = {"AS3333": ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"]}


def outcomes(result: Any) -> dict[str, str]:
    return {applied.router: applied.outcome for applied in result.application_results}


# --- generation


def test_user_mode_generates_and_touches_no_router(net: Net) -> None:
    net.router(1, (3333, 65001))
    net.router(2, (1299, 3333))
    net.devices.append(DeviceInfo("127.0.1.3", "r3", port=free_port()))
    result = net.run(net.config())
    assert result.success
    assert result.current_stage == "application_manual"
    assert "Manual policy application required" in result.warnings
    assert result.failed_devices == ("r3",)
    assert any("r3 (unreachable: " in text for text in result.warnings)
    assert result.get_all_as_numbers() == [1299, 3333, 65001]
    assert "AS65001 is a private AS number: no policy" in result.warnings
    assert {p.as_number: p.status for p in result.policy_results} == {1299: "ok", 3333: "ok"}
    text = (net.folder / "out" / "bgp_policies.txt").read_text()
    assert "prefix-list AS3333 {\n        193.0.0.0/21;\n        193.0.10.0/23;\n        2001:67c:2e8::/48;\n" in text
    mappings = yaml.safe_load((net.folder / "out" / "discovered" / "bgp-mappings.yaml").read_text())
    assert mappings["as_to_routers"] == {1299: ["r2"], 3333: ["r1", "r2"], 65001: ["r1"]}
    assert [router.running() for router in net.routers.values()] == [OLD, OLD]
    with net.routers["r1"].state() as state:
        assert state["rpcs"] == []
    summary = result.to_summary()
    assert "2 read, 1 failed" in summary
    assert "3 discovered" in summary
    assert json.loads(json.dumps(result.to_dict()))["as_numbers"] == [1299, 3333, 65001]


def test_separate_files_are_in_each_router_s_language(net: Net) -> None:
    net.router(1, (3333,))
    net.router(2, (1299,))
    net.run(net.config(separate_files=True))
    folder = net.folder / "out" / "routers"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.txt")) == ["r1/AS3333.txt", "r2/AS1299.txt"]


def test_secrets_are_nowhere_in_the_state(net: Net) -> None:
    net.router(1)
    net.run(net.config(ssh_password="hunter2-router"))
    for path in net.folder.rglob("*"):
        if path.is_file() and "mail" not in path.parts:
            data = path.read_bytes()
            assert b"$9$s3cr3t" not in data, path
            assert b"hunter2" not in data, path


def test_every_execution_asks_anew(net: Net) -> None:
    net.router(1, (3333,))
    assert net.run(net.config()).get_all_as_numbers() == [3333]
    net.lab.ssh.set_answer("show configuration protocols bgp", junos_config(1299), "127.0.1.1")
    assert net.run(net.config()).get_all_as_numbers() == [1299]


def test_without_external_peers_the_later_stages_are_passed_over(net: Net) -> None:
    router = net.router(1)
    internal = "group IBGP {\n    type internal;\n    neighbor 192.0.2.9;\n}\n"
    net.lab.ssh.set_answer("show configuration protocols bgp", internal, "127.0.1.1")
    result = net.run(net.autonomous())
    assert result.success
    assert result.current_stage == "application_skipped"
    assert result.warnings == (
        "Generation skipped - no AS numbers discovered",
        "Application skipped - no successful policies",
    )
    assert (result.get_all_as_numbers(), result.policy_results) == ([], ())
    assert net.irr.queries == []
    assert router.running() == OLD
    assert not (net.folder / "out" / "bgp_policies.txt").exists()


def test_a_journal_whose_maker_was_killed_at_once_is_no_obstacle(net: Net) -> None:
    net.router(1)
    net.state.mkdir(parents=True)
    (net.state / "runs.db").touch()
    assert net.run(net.config()).success


def test_stage_by_stage(net: Net) -> None:
    net.router(1, (3333, 65001))
    orchestrator = WorkflowOrchestrator()
    context = PipelineContext(devices=net.devices, config=net.config(), output_dir=net.folder / "out")
    collected = orchestrator.execute_collection_stage(context)
    assert (collected.current_stage, len(collected.router_profiles)) == ("collection_complete", 1)
    assert context.router_profiles == ()
    discovered = orchestrator.execute_discovery_stage(collected)
    assert discovered.router_profiles[0].discovered_as_numbers == (3333, 65001)
    assert discovered.router_profiles[0].bgp_groups[0].name == "PEERS"
    processed = orchestrator.execute_processing_stage(discovered)
    assert processed.as_extraction_results["by_kind"] == {"public": [3333], "private": [65001]}
    generated = orchestrator.execute_generation_stage(processed)
    assert (generated.current_stage, generated.policy_results[0].status) == ("generation_complete", "ok")
    applied = orchestrator.execute_application_stage(generated)
    assert applied.current_stage == "application_manual"
    assert list(applied.stage_timings) == ["collection", "discovery", "processing", "generation", "application"]
    metrics = orchestrator.monitor_pipeline_performance(applied)
    assert metrics["execution_summary"]["policies_generated"] == 1
    assert sum(stage["percentage_of_total"] for stage in metrics["stage_performance"].values()) == pytest.approx(100)
    orchestrator.cleanup_resources(applied)


def test_status_while_it_runs(net: Net) -> None:
    for number in (1, 2, 3):
        net.router(number)
    net.lab.ssh.set_latency(0.6, "127.0.1.3")
    orchestrator = WorkflowOrchestrator()
    assert orchestrator.get_status()["stage"] == "idle"
    thread = threading.Thread(
        target=orchestrator.execute_pipeline, args=(net.devices, net.config(), net.folder / "out"), daemon=True
    )
    thread.start()
    seen = []
    while thread.is_alive():
        seen.append(orchestrator.get_status())
        time.sleep(0.02)
    thread.join()
    waiting = [s for s in seen if s["stage"] == "collection" and s["progress"]["completed_devices"] == 2]
    assert waiting
    assert waiting[-1]["progress"]["percentage"] == pytest.approx(66.67, abs=0.1)
    assert waiting[-1]["timing"]["eta_seconds"] > 0
    assert orchestrator.get_status()["stage"] == "compilation"
    net.lab.ssh.set_latency(0, "127.0.1.3")


# --- what is not whole changes nothing


@pytest.mark.parametrize("fault", ["error", "half", "empty"])
def test_an_empty_or_failed_look_up_never_changes_a_router(net: Net, fault: str) -> None:
    router = net.router(1, (3333, 1299))
    net.run(net.config())
    if fault == "empty":
        net.irr.routes[3333] = []  # type: ignore[index]
    else:
        net.irr.faults[3333] = fault
    result = net.run(net.autonomous())
    assert router.running()["AS3333"] == OLD["AS3333"]
    assert router.running()["AS1299"] == ["62.115.0.0/16"]
    status = {policy.as_number: policy.status for policy in result.policy_results}
    assert status == {1299: "ok", 3333: "empty" if fault == "empty" else "failed"}
    assert any("Policy generation failed for AS: 3333 (" in t and "last good list stays" in t for t in result.warnings)
    text = (net.folder / "out" / "bgp_policies.txt").read_text()
    assert "/* AS3333 " in text
    assert "        193.0.10.0/23;\n" in text


def test_nothing_good_at_all_is_a_failure(net: Net) -> None:
    router = net.router(1, (3333, 174))
    net.irr.faults[3333] = "error"
    result = net.run(net.autonomous())
    assert not result.success
    assert "Critical failure in generation: no policy is good" in result.errors[0]
    assert router.running() == OLD
    assert result.policy_results
    assert result.router_profiles


def test_no_device_at_all_is_a_failure_that_names_them(net: Net) -> None:
    net.devices += [DeviceInfo("127.0.1.1", "r1", port=free_port()), DeviceInfo("127.0.1.2", "r2", port=free_port())]
    result = net.run(net.config())
    assert not result.success
    assert result.failed_devices == ("r1", "r2")
    assert result.errors == ("Critical failure in collection: no device could be read",)
    assert [c.error_type for c in result.collection_results] == ["unreachable", "unreachable"]


def test_bgpq4_missing(net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net.router(1)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = net.run(net.config(bgpq4_mode="auto"))
    assert not result.success
    assert "needs bgpq4 or podman or docker on PATH" in result.errors[0]
    assert result.get_all_as_numbers() == [3333]


def test_bgpq4_that_prints_half_a_list_and_exits_with_0(
    net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    router = net.router(1, (3333,))
    net.run(net.config())
    fake = tmp_path / "bin" / "bgpq4"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf \'{ "AS3333": [\\n { "prefix": "193.0.0.0/21", "exact": true },\\n\'\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    result = net.run(net.autonomous())
    assert not result.success
    assert "not whole" in result.errors[0]
    assert router.running() == OLD


def test_far_too_many_prefixes_are_held(net: Net) -> None:
    router = net.router(1, (3333,))
    net.irr.routes[3333] = [f"{n // 65536 + 11}.{n // 256 % 256}.{n % 256}.0/24" for n in range(3000)]  # type: ignore[index]
    result = net.run(net.autonomous(guardrails={"max_prefixes": 2000}))
    assert result.policy_results[0].status == "held"
    assert "max_prefixes: 3000 prefixes, more than 2000" in result.policy_results[0].reasons[0]
    assert router.running() == OLD


def test_total_maximum_holds_everything(net: Net) -> None:
    router = net.router(1, (3333, 1299))
    result = net.run(net.autonomous(guardrails={"max_total_prefixes": 3}))
    assert {policy.status for policy in result.policy_results} == {"held"}
    assert router.running() == OLD


def test_a_damaged_last_good_list_is_named_and_held(net: Net) -> None:
    router = net.router(1, (3333, 1299))
    net.run(net.config())
    with sqlite3.connect(net.state / "last-good.db") as database:
        database.execute("UPDATE last_good SET prefixes=replace(prefixes, '193.0.10.0/23', '10.0.0.0/8')")
    database.close()
    result = net.run(net.autonomous())
    held = next(policy for policy in result.policy_results if policy.as_number == 3333)
    assert held.status == "held"
    assert "last-good.db: the last good list of AS3333 was altered" in held.reasons[0]
    assert router.running()["AS3333"] == OLD["AS3333"]


# --- application


def test_dry_run_shows_the_difference_and_applies_nothing(net: Net) -> None:
    router = net.router(1)
    result = net.run(net.config(dry_run=True))
    assert outcomes(result) == {"r1": "dry_run"}
    assert "+    2001:67c:2e8::/48;" in result.application_results[0].diff
    assert router.running() == OLD
    assert router.commits() == []


def test_autonomous_mode_applies_confirms_and_reports(net: Net) -> None:
    routers = [net.router(number) for number in (1, 2, 3)]
    result = net.run(net.autonomous())
    assert result.success, result.to_summary()
    assert outcomes(result) == {"r1": "confirmed", "r2": "confirmed", "r3": "confirmed"}
    assert [router.running() for router in routers] == [NEW, NEW, NEW]
    for router in routers:
        confirmed, pending = router.commits()
        assert confirmed.endswith(" confirmed")
        assert pending.endswith("commit confirmed, rollback in 2mins")
    applied = result.application_results[0]
    assert (applied.autonomous, applied.policies_applied, applied.risk_level) == (True, 1, "low")
    assert applied.email_notifications_sent == 5
    assert result.email_notifications_sent == 15
    about = [subject for subject in net.mail.subjects if "r1" in subject]
    assert [subject.partition(": ")[2] for subject in about] == [
        "connection established",
        "configuration preview",
        "committed, to be confirmed",
        "commit confirmed",
        "disconnected",
    ]
    told = [mail.get_content() for mail in net.mail.received if " r1: " in mail["Subject"]]
    assert ["+    2001:67c:2e8::/48;" in text for text in told] == [False, True, True, True, False]
    events = [entry["event"] for entry in AuditLog(net.state / "audit.jsonl").entries() if entry["subject"] == "r1"]
    assert events == ["connected", "preview", "committed", "confirmed", "disconnected"]
    again = net.run(net.autonomous())
    assert outcomes(again) == {"r1": "unchanged", "r2": "unchanged", "r3": "unchanged"}
    assert [len(router.commits()) for router in routers] == [2, 2, 2]


def test_a_router_that_is_worse_afterwards_is_taken_back_and_the_rollout_stops(net: Net) -> None:
    first = net.router(1, fault="drops-peers")
    others = [net.router(2), net.router(3)]
    result = net.run(net.autonomous())
    assert not result.success
    assert outcomes(result) == {"r1": "rolled_back", "r2": "skipped", "r3": "skipped"}
    assert "session 192.0.2.2 was up and is down" in str(result.application_results[0].reason)
    assert result.application_results[0].rollback_attempted
    assert first.running() == OLD
    assert [router.running() for router in others] == [OLD, OLD]
    assert [router.commits() for router in others] == [[], []]
    assert any("rolled back" in subject for subject in net.mail.subjects)
    assert "the rollout stopped at r1" in result.to_summary()


def test_an_emptied_filter_is_found_out_by_what_the_session_lets_in(net: Net) -> None:
    """The session stays up, but accepts nothing any more."""
    net.irr.routes[3333] = ["193.0.99.0/24", "193.0.98.0/24"]  # type: ignore[index]
    peers = {"192.0.2.2": {"list": "AS3333", "announces": ["193.0.0.0/21", "193.0.10.0/23"]}}
    router = net.router(1, peers=peers)
    result = net.run(net.config(mode="system"))
    queue = ApprovalQueue(net.state / "approvals")
    assert "AS3333 on the router: shrink" in queue.pending()[0].reason
    queue.approve(queue.pending()[0].id, "ana")
    result = net.run(net.config(mode="system"))
    assert outcomes(result) == {"r1": "rolled_back"}
    assert "accepted 2 prefixes and accepts 0" in str(result.application_results[0].reason)
    assert router.running() == OLD


def test_a_router_that_says_ok_and_does_nothing_is_found_out(net: Net) -> None:
    router = net.router(1, fault="lie")
    result = net.run(net.autonomous())
    assert not result.success
    assert outcomes(result) == {"r1": "rolled_back"}
    assert router.running() == OLD


def test_a_session_lost_in_the_commit_is_settled_with_the_router(net: Net) -> None:
    router = net.router(1, fault="lose-session")

    def heal() -> None:
        while not router.commits():
            time.sleep(0.01)
        with router.state() as state:
            state["fault"] = None

    switch = threading.Thread(target=heal, daemon=True)
    switch.start()
    result = net.run(net.autonomous())
    switch.join(5)
    assert outcomes(result) == {"r1": "confirmed"}, result.to_summary()
    assert router.running() == NEW
    assert sum("rollback in" in commit for commit in router.commits()) == 1


def test_a_locked_router_is_left_alone_and_the_rollout_stops(net: Net) -> None:
    router = net.router(1)
    other = net.router(2)
    with (router.folder / "configuration.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = net.run(net.autonomous())
    assert outcomes(result) == {"r1": "failed", "r2": "skipped"}
    assert "locked by: ops" in result.errors[0]
    assert (router.commits(), other.commits()) == ([], [])


def test_system_mode_applies_what_a_person_approved(net: Net) -> None:
    router = net.router(1)
    result = net.run(net.config(mode="system"))
    assert outcomes(result) == {"r1": "queued"}
    assert result.application_results[0].manual_approval_required
    assert router.running() == OLD
    queue = ApprovalQueue(net.state / "approvals")
    (asked,) = queue.pending()
    assert (asked.kind, asked.subject) == ("router", "r1")
    assert "+    2001:67c:2e8::/48;" in asked.details
    queue.approve(asked.id, "ana")
    assert outcomes(net.run(net.config(mode="system"))) == {"r1": "confirmed"}
    assert router.running() == NEW


def test_a_rejected_change_is_refused_in_every_mode(net: Net) -> None:
    router = net.router(1)
    net.run(net.config(mode="system"))
    queue = ApprovalQueue(net.state / "approvals")
    queue.reject(queue.pending()[0].id, "ana", "not this week")
    for config in (net.config(mode="system"), net.autonomous()):
        result = net.run(config)
        assert outcomes(result) == {"r1": "refused"}
        assert "rejected by ana: not this week" in result.errors[0]
    assert router.running() == OLD


def test_a_collapsed_list_waits_for_approval_and_then_goes_through(net: Net) -> None:
    big = [f"193.{n}.0.0/24" for n in range(40)]
    router = net.router(1, running={"AS3333": big}, peers={})
    net.irr.routes[3333] = big  # type: ignore[index]
    net.run(net.config())
    net.irr.routes[3333] = big[:20]  # type: ignore[index]
    result = net.run(net.autonomous())
    assert result.policy_results[0].status == "held"
    assert "shrink: 20 of 40 IPv4 prefixes would go (50%)" in result.policy_results[0].reasons[0]
    assert router.running() == {"AS3333": big}
    assert LastGoodLists(net.state / "last-good.db").get(3333) == tuple(big)
    queue = ApprovalQueue(net.state / "approvals")
    (asked,) = queue.pending()
    assert (asked.kind, asked.subject, asked.risk_level) == ("list", "AS3333", "high")
    queue.approve(asked.id, "ana")
    result = net.run(net.autonomous())
    assert outcomes(result) == {"r1": "confirmed"}
    assert router.running() == {"AS3333": big[:20]}
    assert LastGoodLists(net.state / "last-good.db").get(3333) == tuple(big[:20])


def test_a_router_far_from_the_last_good_list_needs_a_person_too(net: Net) -> None:
    """The registry is as it was; it is the router that has something else, perhaps for a reason."""
    router = net.router(1, running={"AS3333": [f"193.{n}.0.0/24" for n in range(40)]}, peers={})
    result = net.run(net.autonomous())
    assert outcomes(result) == {"r1": "queued"}
    assert result.application_results[0].risk_level == "high"
    assert "AS3333 on the router: shrink" in str(result.application_results[0].reason)
    assert len(router.running()["AS3333"]) == 40


def test_no_apply_without_a_deliverable_audit_trail_in_autonomous_mode(net: Net) -> None:
    router = net.router(1)
    config = net.autonomous()
    config["email"] = {**config["email"], "port": free_port(), "timeout": 1}
    result = net.run(config)
    assert not result.success
    assert outcomes(result) == {"r1": "refused"}
    assert "mail server" in result.errors[0]
    assert router.commits() == []
    assert outcomes(net.run(net.config(autonomous_mode={"enabled": True}))) == {"r1": "refused"}


def test_mails_wait_on_disk_while_the_server_is_down_in_system_mode(net: Net) -> None:
    net.router(1)
    down = {**net.mail.config(), "port": free_port(), "timeout": 1}
    result = net.run(net.config(mode="system", email=down))
    assert outcomes(result) == {"r1": "queued"}
    waiting = list((net.state / "mail").glob("*.json"))
    assert len(waiting) == 3
    assert result.application_results[0].email_notifications_sent == 3


def test_the_stop_switch(net: Net) -> None:
    router = net.router(1)
    HaltSwitch(net.state / "HALT").engage("storm")
    result = net.run(net.autonomous())
    assert outcomes(result) == {"r1": "refused"}
    assert "storm" in result.errors[0]
    assert router.commits() == []


def test_the_stop_switch_between_commit_and_confirm_takes_the_change_back(net: Net) -> None:
    router = net.router(1)

    def halt() -> None:
        while not router.commits():
            time.sleep(0.01)
        HaltSwitch(net.state / "HALT").engage("stop right now")

    thread = threading.Thread(target=halt, daemon=True)
    thread.start()
    result = net.run(net.autonomous(health={"settle": 5, "timeout": 30, "interval": 0.05}))
    thread.join(5)
    assert outcomes(result) == {"r1": "rolled_back"}
    assert "stop right now" in str(result.application_results[0].reason)
    assert router.running() == OLD


def test_outside_the_maintenance_window(net: Net) -> None:
    router = net.router(1)
    hour = time.gmtime().tm_hour
    window = {"start": f"{(hour + 6) % 24:02}:00", "end": f"{(hour + 7) % 24:02}:00"}
    result = net.run(net.autonomous(maintenance_window=window))
    assert outcomes(result) == {"r1": "refused"}
    assert "maintenance window" in result.errors[0]
    assert router.commits() == []
    wide = {"start": f"{(hour - 2) % 24:02}:00", "end": f"{(hour + 2) % 24:02}:00"}
    assert outcomes(net.run(net.autonomous(maintenance_window=wide))) == {"r1": "confirmed"}


def test_stale_rpki_data_stops_everything(net: Net) -> None:
    router = net.router(1)
    export = net.folder / "vrps.json"
    roa = {"asn": "AS3333", "prefix": "193.0.0.0/16", "maxLength": 24}
    export.write_text(json.dumps({"metadata": {"generated": time.time() - 86400}, "roas": [roa]}))
    result = net.run(net.autonomous(guardrails={"rpki_file": str(export)}))
    assert not result.success
    assert "rpki_stale" in result.errors[0]
    assert router.running() == OLD
    export.write_text(json.dumps({"metadata": {"generated": time.time()}, "roas": [{**roa, "asn": "AS1"}]}))
    assert "rpki_invalid" in net.run(net.autonomous(guardrails={"rpki_file": str(export)})).errors[0]
    export.write_text(json.dumps({"metadata": {"generated": time.time()}, "roas": [roa]}))
    assert net.run(net.autonomous(guardrails={"rpki_file": str(export)})).success


def test_rollback_on_demand(net: Net) -> None:
    router = net.router(1)
    net.run(net.autonomous())
    assert router.running() == NEW
    orchestrator = WorkflowOrchestrator()
    result = orchestrator.rollback(net.devices[0], net.autonomous(), net.folder / "out", by="ana")
    assert (result.outcome, result.success) == ("confirmed", True)
    assert router.running() == OLD
    assert len(router.commits()) == 4
    with pytest.raises(ConfigurationError, match="nothing can be taken back"):
        orchestrator.rollback(net.devices[0], net.autonomous(), net.folder / "out", by="ana")
    again = net.run(net.autonomous())
    assert outcomes(again) == {"r1": "refused"}
    assert "rejected by ana: taken back from r1" in again.errors[0]
    assert router.running() == OLD


# --- wrong from the start


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"ssh_user": "x"}, "unknown setting 'ssh_user'"),
        ({"mode": "manual"}, "mode 'manual' is not one of"),
        ({"bgpq4_mode": "remote"}, "bgpq4_mode 'remote' is not one of"),
        ({"confirm_timeout": 2}, "confirm_timeout is in seconds: 2 must be above"),
        ({"confirm_timeout": 7200}, "at most 3600"),
        ({"confirm_timeout": "120"}, "whole number of seconds"),
        ({"autonomous_mode": True}, "autonomous_mode must be like"),
        ({"autonomous_mode": {"enabled": True}, "mode": "user"}, "autonomous_mode.enabled is True, but mode is 'user'"),
        ({"guardrails": {"max_shirnk": 1}}, "unknown setting 'max_shirnk'"),
        ({"health": {"settle": 60, "timeout": 30}}, "settle"),
        ({"rollout": [0]}, "rollout"),
        ({"list_name": "X"}, "list_name"),
        ({"parallel_workers": 0}, "parallel_workers must be a number, at least 1"),
        ({"email": {"host": "x"}}, "email: 'sender' is missing"),
        ({"maintenance_window": {"start": "1"}}, "maintenance_window"),
    ],
)
def test_wrong_settings_stop_before_anything_is_touched(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    device = DeviceInfo("192.0.2.1", "r1")
    with pytest.raises(ConfigurationError, match=message):
        WorkflowOrchestrator().execute_pipeline([device], config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_devices_and_twice_the_same() -> None:
    with pytest.raises(ConfigurationError, match="no devices"):
        WorkflowOrchestrator().execute_pipeline([], {})
    twice = [DeviceInfo("192.0.2.1", "r1"), DeviceInfo("192.0.2.2", "r1")]
    with pytest.raises(ConfigurationError, match="'r1' is there twice"):
        WorkflowOrchestrator().execute_pipeline(twice, {})


def test_the_journal_tells_the_same_story(net: Net) -> None:
    net.router(1)
    net.devices.append(DeviceInfo("127.0.1.3", "r3", port=free_port()))
    result = net.run(net.config())
    store = hr.open_store(net.state / "runs.db")
    assert store.verify() == []
    run = store.run(result.run_id)
    assert [(failure.stage, failure.key) for failure in run.failures] == [("collection", "r3")]
    with sqlite3.connect(net.state / "runs.db") as plain:
        assert plain.execute("SELECT count(*) FROM run").fetchone() == (1,)


def test_errors_of_a_stage_that_can_be_done_without(net: Net) -> None:
    orchestrator = WorkflowOrchestrator()
    context = PipelineContext()
    degraded = orchestrator.handle_stage_failure(context, "discovery", ValueError("odd"))
    assert degraded.current_stage == "discovery_failed_continuing"
    assert degraded.errors == ("discovery: odd",)
    for stage in ("collection", "generation"):
        with pytest.raises(PipelineExecutionError, match=f"Critical failure in {stage}: odd"):
            orchestrator.handle_stage_failure(context, stage, ValueError("odd"))
