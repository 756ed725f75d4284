from __future__ import annotations

import dataclasses
import json
import multiprocessing
from pathlib import Path

import pytest
import yaml

import headrace as hr
from headrace.pipelines.bgp.approvals import ApprovalQueue
from headrace.pipelines.bgp.audit import AuditLog
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.mappings import YAMLGenerator, load_mappings
from headrace.pipelines.bgp.models import (
    BgpGroup,
    BgpNeighbor,
    PipelineContext,
    PolicyResult,
    RouterProfile,
)
from headrace.pipelines.bgp.policy import PolicyCombiner, list_name, render
from headrace.pipelines.bgp.progress import ProgressReporter, monitor_pipeline_performance
from headrace.pipelines.bgp.rollout import split_waves
from headrace.pipelines.bgp.safety import UnifiedSafetyManager

GOOD = PolicyResult(3333, "ok", "AS3333", ("193.0.0.0/21", "2001:67c:2e8::/48"))
HELD = PolicyResult(1299, "failed", "AS1299", (), ("62.115.0.0/16",), error_message="no answer */ in 45 s")
UNKNOWN = PolicyResult(174, "empty", "AS174", (), None, ("the registry knows no routes",))


def test_one_list_in_both_languages() -> None:
    assert render("AS3333", GOOD.prefixes, "junos") == (
        "policy-options {\n    replace:\n    prefix-list AS3333 {\n        193.0.0.0/21;\n"
        "        2001:67c:2e8::/48;\n    }\n}\n"
    )
    assert render("AS3333", GOOD.prefixes, "frr") == (
        "ip prefix-list AS3333 seq 5 permit 193.0.0.0/21\nipv6 prefix-list AS3333 seq 5 permit 2001:67c:2e8::/48\n"
    )


@pytest.mark.parametrize(
    "template", ["AS", "{asn}", "AS{asn} x", "AS{asn};", "{asn}{asn}", "AS{asn.__class__}", "-{asn}"]
)
def test_list_names_that_a_router_would_not_take(template: str) -> None:
    with pytest.raises(ConfigurationError):
        list_name(template, 3333)


def test_list_name() -> None:
    assert list_name("PL-AS{asn}-IN", 3333) == "PL-AS3333-IN"


def test_combined_file_keeps_the_last_good_list_of_what_failed(tmp_path: Path) -> None:
    path = PolicyCombiner().write_combined_file([GOOD, HELD, UNKNOWN], tmp_path / "bgp_policies.txt")
    text = path.read_text()
    assert text.index("AS174") < text.index("AS1299") < text.index("AS3333")
    assert "prefix-list AS1299 {\n        62.115.0.0/16;\n" in text
    assert "/* AS1299 failed: no answer * / in 45 s; the last good list of 1 prefix stays */" in text
    assert "/* AS174 empty: the registry knows no routes; no list is known */" in text
    assert "prefix-list AS174" not in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_separate_files(tmp_path: Path) -> None:
    paths = PolicyCombiner("frr").write_separate_files([GOOD, HELD, UNKNOWN], tmp_path / "routers" / "r1")
    assert [path.name for path in paths] == ["AS3333.txt", "AS1299.txt"]
    assert paths[1].read_text().startswith("! AS1299 failed")
    assert paths[1].read_text().endswith("ip prefix-list AS1299 seq 5 permit 62.115.0.0/16\n")


def profile(name: str, *numbers: int) -> RouterProfile:
    group = BgpGroup("EXT", neighbors=tuple(BgpNeighbor(f"192.0.2.{n % 250}", n) for n in numbers))
    return RouterProfile(name, "192.0.2.1", discovered_as_numbers=numbers, bgp_groups=(group,), local_as=(64500,))


def test_mappings_with_history(tmp_path: Path) -> None:
    generator = YAMLGenerator(tmp_path, keep=2)
    mappings = generator.generate_mappings([profile("no", 3333, 65001), profile("r1", 3333)])
    assert mappings["as_to_routers"] == {3333: ["no", "r1"], 65001: ["no"]}
    assert mappings["as_kinds"] == {3333: "public", 65001: "private"}
    path = generator.save_with_history(mappings)
    assert load_mappings(path) == mappings
    assert list(yaml.safe_load(path.read_text())["routers"]) == ["no", "r1"]
    generator.save_with_history(mappings)
    assert not (path.parent / "history").exists()
    texts = []
    for count in range(1, 5):
        texts.append(path.read_text())
        generator.save_with_history(generator.generate_mappings([profile("r1", *range(count))]))
    kept = sorted((path.parent / "history").iterdir())
    assert [entry.read_text() for entry in kept] == texts[-2:]


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "x: 1\n", "!!python/object/apply:os.system ['true']\n"])
def test_mappings_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"m\.yaml"):
        load_mappings(tmp_path / "m.yaml")


def policy(new: int, old: int | None, status: str = "ok", asn: int = 3333) -> PolicyResult:
    def prefixes(count: int) -> tuple[str, ...]:
        return tuple(f"193.{n // 256}.{n % 256}.0/24" for n in range(count))

    return PolicyResult(asn, status, f"AS{asn}", prefixes(new), None if old is None else prefixes(old))


@pytest.mark.parametrize(
    ("policies", "level"),
    [
        ([policy(100, 100)], "low"),
        ([policy(110, 100)], "low"),
        ([policy(88, 100)], "low"),
        ([policy(87, 100)], "medium"),
        ([policy(151, 100)], "medium"),
        ([policy(74, 100)], "high"),
        ([policy(201, 100)], "high"),
        ([policy(5, None)], "low"),
        ([policy(1001, None)], "medium"),
        ([policy(100, 100), policy(10, 100, asn=3334)], "high"),
        ([policy(0, 100)], "high"),
        ([policy(0, 100, status="empty")], "high"),
        ([policy(100, 100, status="failed")], "high"),
        ([policy(5000, 4400), policy(5000, 4500, asn=3334)], "medium"),
    ],
)
def test_risk_levels(policies: list[PolicyResult], level: str) -> None:
    manager = UnifiedSafetyManager()
    assert manager.validate_policies_before_apply(policies).risk_level == level
    assert manager.should_auto_apply(policies, {"autonomous_mode": {"enabled": True}}) is (level == "low")
    assert manager.should_auto_apply(policies, {}) is False


def test_nothing_is_applied_automatically_when_there_is_nothing() -> None:
    assert UnifiedSafetyManager().should_auto_apply([], {"autonomous_mode": {"enabled": True}}) is False


def test_approvals_are_bound_to_their_content(tmp_path: Path) -> None:
    queue = ApprovalQueue(tmp_path / "approvals")
    asked = queue.submit("list", "AS3333", "digest-1", "shrink: 50 of 100")
    assert queue.submit("list", "AS3333", "digest-1", "again") == asked
    other = queue.submit("list", "AS3333", "digest-2", "shrink: 60 of 100")
    assert [entry.id for entry in queue.pending()] == [
        e.id for e in sorted((asked, other), key=lambda e: (e.created_at, e.id))
    ]
    assert not queue.is_approved("list", "AS3333", "digest-1")
    decided = ApprovalQueue(tmp_path / "approvals").approve(asked.id, "ana", "checked with the peer")
    assert (decided.state, decided.decided_by, decided.note) == ("approved", "ana", "checked with the peer")
    assert queue.is_approved("list", "AS3333", "digest-1")
    assert not queue.is_approved("list", "AS3333", "digest-2")
    assert not queue.is_approved("router", "AS3333", "digest-1")
    assert [entry.id for entry in queue.pending()] == [other.id]
    assert queue.approve(asked.id, "bob") == decided


@pytest.mark.parametrize("identity", ["0000000000", "nonsense", "../../etc/passwd", ""])
def test_unknown_approvals(tmp_path: Path, identity: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing with the id .* waits"):
        ApprovalQueue(tmp_path).approve(identity, "ana")


def test_a_decision_stands_and_has_a_name(tmp_path: Path) -> None:
    queue = ApprovalQueue(tmp_path)
    asked = queue.submit("router", "r1", "d", "medium risk")
    with pytest.raises(ConfigurationError, match="name"):
        queue.approve(asked.id, " ")
    queue.reject(asked.id, "ana")
    with pytest.raises(ConfigurationError, match="rejected by ana already"):
        queue.approve(asked.id, "bob")
    assert not queue.is_approved("router", "r1", "d")


def _write_events(path: Path, name: str) -> None:
    for number in range(25):
        AuditLog(path).record("event", name, number=number)


def test_audit_trail_is_one_chain_whoever_writes(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_events, args=(path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = AuditLog(path).entries()
    assert len(entries) == 75
    assert [e["details"]["number"] for e in entries if e["subject"] == "b"] == list(range(25))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", [0, 1, 2])
@pytest.mark.parametrize("damage", ["alter", "remove"])
def test_damage_to_the_audit_trail_is_found(tmp_path: Path, line: int, damage: str) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(4):
        log.record("commit", "r1", number=number)
    lines = log.path.read_bytes().splitlines(keepends=True)
    changed = lines[line].replace(b"r1", b"r2") if damage == "alter" else b""
    log.path.write_bytes(b"".join([*lines[:line], changed, *lines[line + 1 :]]))
    with pytest.raises(hr.CheckpointCorruptionError, match=f"line {line + 1}"):
        log.entries()


def test_a_torn_last_line_was_never_recorded(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.record("commit", "r1", diff="x" * 100_000)
    log.record("commit", "r1")
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"at": "2026')
    log.record("confirm", "r1")
    assert [entry["event"] for entry in log.entries()] == ["commit", "commit", "confirm"]
    assert log.path.read_bytes().startswith(whole)
    assert json.loads(log.path.read_bytes().splitlines()[-1])["event"] == "confirm"


@pytest.mark.parametrize(
    ("count", "waves", "sizes"),
    [
        (10, [1, 0.25], [1, 3, 6]),
        (10, [1, 0.25, 1.0], [1, 3, 6]),
        (1, [1, 0.25], [1]),
        (3, [1, 1, 1, 1], [1, 1, 1]),
        (10, [1.0], [10]),
        (0, [1], []),
        (5, [0.5], [3, 2]),
    ],
)
def test_waves(count: int, waves: list[float], sizes: list[int]) -> None:
    parts = split_waves(list(range(count)), waves)
    assert [len(part) for part in parts] == sizes
    assert [router for part in parts for router in part] == list(range(count))


@pytest.mark.parametrize("waves", [[], [0], [-1], [1.5], ["1"], [True]])
def test_wrong_waves(waves: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="rollout"):
        split_waves([1, 2], waves)


def test_progress_has_an_eta_for_the_present_stage() -> None:
    now = [100.0]
    reporter = ProgressReporter(10, clock=lambda: now[0])
    reporter.update_stage("collection")
    assert reporter.get_status()["timing"]["eta_seconds"] is None
    now[0] = 104.0
    reporter.update_device_progress(2)
    status = reporter.get_status()
    assert status["stage"] == "collection"
    assert status["progress"] == {"completed_devices": 2, "total_devices": 10, "percentage": 20.0}
    assert status["timing"] == {"elapsed_seconds": 4.0, "start_time": 100.0, "eta_seconds": 16.0}
    reporter.update_stage("discovery")
    assert reporter.get_status()["progress"]["completed_devices"] == 0
    assert ProgressReporter(0).get_status()["progress"]["percentage"] == 0.0


def test_performance_metrics() -> None:
    context = PipelineContext(
        router_profiles=[profile("r1", 3333)],
        policy_results=[GOOD, HELD],
        discovery_mappings={"as_to_routers": {3333: ["r1"], 1299: ["r1"]}},
        stage_timings={"collection": 3.0, "discovery": 1.0},
    )
    metrics = monitor_pipeline_performance(context)
    assert metrics["execution_summary"] == {
        "total_time_seconds": 4.0,
        "devices_processed": 1,
        "as_numbers_discovered": 2,
        "policies_generated": 1,
    }
    assert metrics["stage_performance"]["collection"] == {"duration_seconds": 3.0, "percentage_of_total": 75.0}
    assert metrics["throughput"] == {"devices_per_second": 0.25, "policies_per_second": 0.25}
    empty = monitor_pipeline_performance(dataclasses.replace(context, stage_timings={}))
    assert empty["throughput"]["devices_per_second"] == 0


def test_mappings_keep_every_name_as_it_is(tmp_path: Path) -> None:
    """A hand-made writer must quote whatever YAML would take for a number, a truth, a comment or a structure."""
    names = [
        "no",
        "1e3",
        "0x1f",
        "1:30",
        "~",
        "a: b",
        "a #b",
        "- a",
        "{a",
        '"',
        "\\",
        "Zürich",
        "\u2028",
        "\x85",
        "😀",
        " ",
    ]
    groups = tuple(BgpGroup(name, neighbors=(BgpNeighbor("2001:db8::1", 3333),)) for name in names)
    empty = RouterProfile("r2", "192.0.2.2")
    generator = YAMLGenerator(tmp_path)
    mappings = generator.generate_mappings([RouterProfile("r1", "192.0.2.1", bgp_groups=groups), empty])
    assert load_mappings(generator.save_with_history(mappings)) == mappings
    assert list(mappings["routers"]["r1"]["bgp_groups"]) == names
