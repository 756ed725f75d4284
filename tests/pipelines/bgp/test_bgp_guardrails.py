from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

import headrace as hr
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.guardrails import (
    GuardrailSettings,
    HaltSwitch,
    LastGoodLists,
    MaintenanceWindow,
    RpkiTable,
    check_change,
    check_list,
)
from headrace.pipelines.bgp.guardrails.bogons import bogon_containing
from headrace.pipelines.bgp.guardrails.lists import ListSubject
from headrace.pipelines.bgp.guardrails.prefix import Prefix

SETTINGS = GuardrailSettings()


def v4(count: int, start: int = 0) -> tuple[str, ...]:
    return tuple(f"193.{(start + n) // 256}.{(start + n) % 256}.0/24" for n in range(count))


def broken(prefixes: tuple[str, ...], last_good: tuple[str, ...] | None = None, **settings: object) -> list[str]:
    subject = ListSubject(3333, prefixes, last_good, GuardrailSettings.from_config(settings))
    return [violation.rule for violation in check_list(subject)]


def test_a_sane_list_passes() -> None:
    assert broken(("193.0.0.0/21", "2001:67c:2e8::/48")) == []
    assert broken(v4(100), v4(100)) == []


@pytest.mark.parametrize(
    ("number", "settings", "expected"),
    [
        (3333, {}, []),
        (65001, {}, ["bogon_as"]),
        (65001, {"allow_private_as": True}, []),
        (23456, {"allow_private_as": True}, ["bogon_as"]),
        (64500, {"allow_private_as": True}, ["bogon_as"]),
    ],
)
def test_bogon_as_numbers(number: int, settings: dict[str, object], expected: list[str]) -> None:
    subject = ListSubject(number, v4(3), None, GuardrailSettings.from_config(settings))
    assert [violation.rule for violation in check_list(subject)] == expected


@pytest.mark.parametrize(
    "prefix",
    [
        "10.1.0.0/16", "100.64.0.0/24", "127.0.0.0/8", "169.254.1.0/24", "172.31.0.0/16", "192.0.2.0/24",
        "192.168.1.0/24", "198.18.0.0/15", "203.0.113.0/24", "224.0.0.0/8", "255.0.0.0/8", "2001:db8:1::/48",
        "fc00::/32", "fe80::/16", "2002::/32", "3ffe:1::/32", "4000::/16", "2001:10::/32",
    ],
)  # fmt: skip
def test_bogon_prefixes(prefix: str) -> None:
    assert broken((*v4(3), prefix)) == ["bogon_prefix"]
    assert broken((*v4(3), prefix), allow_prefixes=[prefix]) == []


@pytest.mark.parametrize("prefix", ["11.0.0.0/8", "100.128.0.0/16", "172.32.0.0/16", "2a00::/16", "2001:200::/32"])
def test_neighbours_of_bogons_are_none(prefix: str) -> None:
    assert bogon_containing(Prefix.parse(prefix)) is None


@pytest.mark.parametrize(
    ("prefix", "rule"),
    [
        ("193.0.0.0/25", "too_specific"),
        ("2001:67c:2e8::/49", "too_specific"),
        ("0.0.0.0/0", "too_broad"),
        ("::/0", "too_broad"),
        ("192.0.0.0/7", "too_broad"),
        ("2a00::/12", "too_broad"),
    ],
)
def test_lengths(prefix: str, rule: str) -> None:
    assert broken((*v4(3), prefix)) == [rule]


def test_absolute_maximum_is_decided_without_looking_at_the_rest() -> None:
    assert broken(("10.0.0.0/8",) * 101, max_prefixes=100) == ["max_prefixes"]
    assert broken(v4(100), max_prefixes=100) == []


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (v4(100), v4(75), None),
        (v4(100), v4(74), "shrink"),
        (v4(100), v4(100, start=26), "shrink"),
        (v4(100), v4(200), None),
        (v4(100), v4(201), "growth"),
        (v4(2), v4(1), None),
        (v4(3), v4(1), "shrink"),
        (v4(1), v4(2), None),
        (v4(1), (), "shrink"),
        ((*v4(4000), "2a00::/32"), v4(4000), "shrink"),
        (v4(10), (*v4(10), "2a00::/32"), None),
    ],
)
def test_shrink_and_growth_against_the_last_good_list(
    before: tuple[str, ...], after: tuple[str, ...], rule: str | None
) -> None:
    violation = check_change(before, after, SETTINGS)
    assert (violation.rule if violation else None) == rule


def test_a_list_with_several_faults_names_them_all() -> None:
    assert broken(("10.0.0.0/24", "193.0.0.0/28"), v4(50)) == ["bogon_prefix", "too_specific", "shrink"]


def test_what_a_person_may_approve() -> None:
    subject = ListSubject(3333, ("10.0.0.0/24", *v4(10)), v4(50), SETTINGS)
    assert {v.rule: v.approvable for v in check_list(subject)} == {"bogon_prefix": False, "shrink": True}


def test_unknown_or_senseless_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown setting 'max_shirnk'"):
        GuardrailSettings.from_config({"max_shirnk": 0.1})
    for wrong in ({"max_shrink": 1.5}, {"max_prefixes": -1}, {"max_grow": "1"}, {"allow_prefixes": ["10.0.0.1/8"]}):
        with pytest.raises(ConfigurationError, match="guardrails"):
            GuardrailSettings.from_config(wrong)


ROAS = [
    {"asn": "AS3333", "prefix": "193.0.0.0/21", "maxLength": 21, "ta": "ripe"},
    {"asn": 3334, "prefix": "193.0.8.0/21", "maxLength": 24, "ta": "ripe"},
    {"asn": "AS0", "prefix": "2a00::/12", "maxLength": 12, "ta": "ripe"},
]


def export(folder: Path, metadata: object, roas: object = ROAS) -> Path:
    path = folder / "vrps.json"
    path.write_text(json.dumps({"metadata": metadata, "roas": roas}))
    return path


@pytest.mark.parametrize(
    ("prefix", "number", "state"),
    [
        ("193.0.0.0/21", 3333, "valid"),
        ("193.0.0.0/24", 3333, "invalid"),
        ("193.0.0.0/21", 3334, "invalid"),
        ("193.0.9.0/24", 3334, "valid"),
        ("193.0.0.0/16", 3333, "not-found"),
        ("8.8.8.0/24", 15169, "not-found"),
        ("2a00:1450::/32", 15169, "invalid"),
    ],
)
def test_rpki_states(tmp_path: Path, prefix: str, number: int, state: str) -> None:
    table = RpkiTable.load(export(tmp_path, {"generated": 1000}))
    assert table.state(Prefix.parse(prefix), number) == state


def test_rpki_rule_refuses_invalid_and_stale(tmp_path: Path) -> None:
    table = RpkiTable.load(export(tmp_path, {"buildtime": "2026-10-01T00:00:00Z"}))
    made = datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp()

    def rules(prefixes: tuple[str, ...], now: float) -> list[tuple[str, bool]]:
        subject = ListSubject(3333, prefixes, None, SETTINGS, table, now)
        return [(v.rule, v.approvable) for v in check_list(subject)]

    assert rules(("193.0.0.0/21", "8.8.8.0/24"), made + 3600) == []
    assert rules(("193.0.8.0/21", "8.8.8.0/24"), made + 3600) == [("rpki_invalid", True)]
    assert rules(("8.8.8.0/24",), made + 4 * 3600 + 1) == [("rpki_stale", False)]


@pytest.mark.parametrize(
    ("metadata", "roas", "message"),
    [
        ({}, ROAS, "age is unknown"),
        (None, ROAS, "age is unknown"),
        ({"buildtime": "yesterday"}, ROAS, "age is unknown"),
        ({"generated": 1}, [], "no validated ROAs"),
        ({"generated": 1}, None, "no validated ROAs"),
        ({"generated": 1}, [{"asn": "AS1", "prefix": "10.0.0.0/8"}], "entry 1 is no ROA"),
        ({"generated": 1}, [{"asn": "AS1", "prefix": "10.0.0.1/8", "maxLength": 8}], "entry 1 is no ROA"),
    ],
)
def test_rpki_exports_that_prove_nothing(tmp_path: Path, metadata: object, roas: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RpkiTable.load(export(tmp_path, metadata, roas))


def test_rpki_export_that_is_cut_off(tmp_path: Path) -> None:
    path = export(tmp_path, {"generated": 1})
    path.write_text(path.read_text()[:-10])
    with pytest.raises(ConfigurationError, match="not whole JSON"):
        RpkiTable.load(path)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NIGHT = {"start": "23:00", "end": "02:00", "days": ["fri", "sat"], "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("2026-10-02T20:59:59+00:00", 0),  # Friday, 22:59:59 in Berlin
        ("2026-10-02T21:00:00+00:00", 3 * 3600),
        ("2026-10-02T23:30:00+00:00", 1800),  # Saturday, 01:30 in Berlin, still Friday's window
        ("2026-10-03T00:00:00+00:00", 0),
        ("2026-10-03T22:00:00+00:00", 2 * 3600),
        ("2026-10-04T22:00:00+00:00", 0),  # Sunday night
    ],
)
def test_maintenance_window_over_midnight(moment: str, left: float) -> None:
    assert MaintenanceWindow.from_config(NIGHT).seconds_left(at(moment)) == left


def test_maintenance_window_must_be_long_enough_for_the_change() -> None:
    window = MaintenanceWindow.from_config({"start": "01:00", "end": "05:00"})
    assert window.refusal(at("2026-10-01T04:00:00+00:00"), 600) is None
    assert "closes in 300 s, a change takes up to 600 s" in str(window.refusal(at("2026-10-01T04:55:00+00:00"), 600))
    assert "is closed" in str(window.refusal(at("2026-10-01T12:00:00+00:00"), 600))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"start": "1:00"},
        {"start": "25:00", "end": "02:00"},
        {"start": "01:00", "end": "01:00"},
        {"start": "01:00", "end": "02:00", "days": ["someday"]},
        {"start": "01:00", "end": "02:00", "days": []},
        {"start": "01:00", "end": "02:00", "timezone": "Mars/Olympus"},
        {"start": "01:00", "end": "02:00", "zone": "UTC"},
    ],
)
def test_wrong_maintenance_windows(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="maintenance_window"):
        MaintenanceWindow.from_config(wrong)


def test_stop_switch(tmp_path: Path) -> None:
    switch = HaltSwitch(tmp_path / "HALT")
    assert switch.reason() is None
    switch.engage("storm in AMS")
    assert "storm in AMS" in str(HaltSwitch(tmp_path / "HALT").reason())
    assert (switch.release(), switch.release(), switch.reason()) == (True, False, None)
    (tmp_path / "HALT").touch()
    assert "no reason given" in str(switch.reason())


def test_a_stop_switch_that_cannot_be_read_stops(tmp_path: Path) -> None:
    (tmp_path / "HALT").mkdir()
    assert "cannot be read" in str(HaltSwitch(tmp_path / "HALT").reason())


LIST = ("193.0.0.0/21", "193.0.10.0/23")


def test_last_good_lists_are_kept_and_checked(tmp_path: Path) -> None:
    lists = LastGoodLists(tmp_path / "state" / "lists.db")
    assert lists.get(3333) is None
    assert not lists.forget(3333)
    lists.put(3333, LIST, "run-1")
    assert LastGoodLists(lists.path).get(3333) == LIST
    assert lists.get_many([3333, 1299]) == {3333: LIST}
    assert lists.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="never a good one"):
        lists.put_many({1299: LIST, 3334: ()}, "run-1")
    assert lists.get(1299) is None


@pytest.mark.parametrize(
    "damage", ["replace(prefixes, '193.0.10.0/23', '10.0.0.0/8')", "replace(prefixes, ']', '')", "'{}'", "NULL || 7"]
)
def test_a_damaged_last_good_list_is_never_used(tmp_path: Path, damage: str) -> None:
    lists = LastGoodLists(tmp_path / "lists.db")
    lists.put_many({3333: LIST, 1299: LIST}, "run-1")
    with closing(sqlite3.connect(lists.path)) as database, database:
        database.execute(f"UPDATE OR IGNORE last_good SET prefixes=coalesce({damage}, '7') WHERE as_number=3333")
    with pytest.raises(hr.CheckpointCorruptionError, match=r"lists\.db: the last good list of AS3333 was altered"):
        lists.get(3333)
    assert lists.get(1299) == LIST
    assert lists.forget(3333)
    assert lists.get(3333) is None


def test_reading_last_good_lists_leaves_the_lock_of_who_writes(tmp_path: Path) -> None:
    lists = LastGoodLists(tmp_path / "lists.db")
    lists.put(3333, LIST, "run-1")
    other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    with closing(sqlite3.connect(lists.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert lists.get(3333) == LIST
        refused = subprocess.run([sys.executable, "-c", other, lists.path], capture_output=True, text=True)
        assert "database is locked" in refused.stderr


def test_a_damaged_file_of_last_good_lists_is_named(tmp_path: Path) -> None:
    (tmp_path / "lists.db").write_bytes(b"not a database" * 100)
    with pytest.raises(hr.CheckpointCorruptionError, match=r"lists\.db: damaged"):
        LastGoodLists(tmp_path / "lists.db").get(3333)
