from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace as hr
from headrace.connectors.bgpq4 import BGPq4, parse_answer
from headrace.types import Empty, Failed, Ok
from servers.irr_server import IrrServer

ROUTES = {
    3333: ["193.0.0.0/21", "193.0.10.0/23", "193.0.0.0/21", "2001:67c:2e8::/48"],
    1299: ["62.115.0.0/16"],
    174: [],
    **{number: [f"193.{number % 256}.0.0/16"] for number in range(2000, 2060)},
}


@pytest.fixture(scope="module")
def irr() -> Iterator[IrrServer]:
    with IrrServer(ROUTES) as server:
        yield server


def client(irr: IrrServer, **settings: object) -> BGPq4:
    irr.faults.clear()
    return BGPq4(mode="native", host=irr.host, sources=("TEST",), timeout=10, **settings)  # type: ignore[arg-type]


def test_real_bgpq4_tells_prefixes_from_nothing(irr: IrrServer) -> None:
    answers = client(irr).look_up_many([1299, 3333, 174, 4444, 1299])
    assert answers == {
        1299: Ok(("62.115.0.0/16",)),
        3333: Ok(("193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48")),
        174: Empty(),
        4444: Empty(),
    }
    assert list(answers) == [1299, 3333, 174, 4444]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error", "complained: ERROR:Error expanding !gas3333"),
        ("drop", "exited with 255"),
        ("half", "exited with 255"),
        ("garbage", "exited with 255"),
    ],
)
def test_real_bgpq4_with_a_registry_in_trouble_is_a_failure_and_the_others_are_fine(
    irr: IrrServer, fault: str, reason: str
) -> None:
    bgpq4 = client(irr)
    irr.faults[3333] = fault
    answers = bgpq4.look_up_many([1299, 3333])
    assert answers[1299] == Ok(("62.115.0.0/16",))
    failed = answers[3333]
    assert isinstance(failed, Failed)
    assert reason in failed.reason


def test_a_registry_that_never_answers_costs_the_timeout_and_no_more(irr: IrrServer) -> None:
    bgpq4 = BGPq4(mode="native", host=irr.host, sources=("TEST",), timeout=0.6)
    irr.faults.clear()
    irr.faults[3333] = "hang"
    started = time.monotonic()
    answers = bgpq4.look_up_many([3333, 1299])
    assert time.monotonic() - started < 3
    assert answers[1299] == Ok(("62.115.0.0/16",))
    assert isinstance(answers[3333], Failed)
    assert "timeout" in str(answers[3333])


def test_an_unreachable_registry_is_a_failure_not_an_empty_list() -> None:
    answer = BGPq4(mode="native", host="127.0.0.1:1", timeout=10).look_up(3333)
    assert isinstance(answer, Failed)
    assert "Connection refused" in answer.reason


def test_private_as_numbers_only_when_asked_for(irr: IrrServer) -> None:
    irr.routes[65001] = ["193.99.0.0/16"]  # type: ignore[index]
    assert isinstance(client(irr).look_up(65001), Failed)
    assert client(irr, allow_private=True).look_up(65001) == Ok(("193.99.0.0/16",))


def test_one_family_alone(irr: IrrServer) -> None:
    assert client(irr, families=(6,)).look_up(3333) == Ok(("2001:67c:2e8::/48",))
    assert client(irr, families=(6,)).look_up(1299) == Empty()


def test_sixty_at_once(irr: IrrServer) -> None:
    answers = client(irr, workers=8).look_up_many(range(2000, 2060))
    assert answers == {number: Ok((f"193.{number % 256}.0.0/16",)) for number in range(2000, 2060)}


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("""printf '{ "AS3333": [\\n    { "prefix": "193.0.0.0\\\\/21", "exact": true },\\n'""", "no JSON"),
        ("exit 0", "0 bytes that are no JSON"),
        ("""echo '{ "AS3334": [] }'""", "no list 'AS3333'"),
        ("""echo '{ "AS3333": [] } trailing'""", "no JSON"),
        ("""echo '{ "AS3333": [ { "prefix": "193.0.0.1/21", "exact": true } ] }'""", "host bits set"),
        ("""echo '{ "AS3333": [ { "prefix": "2001::/32", "exact": true } ] }'""", "an IPv4 prefix was asked for"),
        ("""echo '{ "AS3333": [ { "prefix": "193.0.0.0/21", "less-equal": 24 } ] }'""", "not whole"),
        ("""echo '{ "AS3333": [ { "exact": true } ] }'""", "not whole"),
        ("head -c 3000 /dev/urandom", "no JSON"),
        ("""echo '{ "AS3333": [] }'; echo 'WARNING: odd' >&2""", "complained: WARNING: odd"),
        ("""echo '{ "AS3333": [] }'; exit 3""", "exited with 3"),
        ("kill -9 $$", "exited with -9"),
    ],
)
def test_half_an_answer_with_exit_code_0_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake(tmp_path, "bgpq4", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    answer = BGPq4(families=(4,), timeout=10).look_up(3333)
    assert isinstance(answer, Failed)
    assert reason in answer.reason


def test_an_endless_list_stops_at_the_output_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "bgpq4", 'exec yes \'    { "prefix": "193.0.0.0/21", "exact": true },\'')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    answer = BGPq4(families=(4,), timeout=30, max_output=1_000_000).look_up(3333)
    assert isinstance(answer, Failed)
    assert "output_limit" in answer.reason


def test_container_modes_run_the_same_command_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, irr: IrrServer
) -> None:
    """A stand-in for podman that runs the real bgpq4, and writes down how it was called."""
    irr.faults.clear()
    fake(tmp_path, "podman", f'echo "$@" >> {tmp_path}/calls; shift 4; exec "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for mode in ("podman", "dev"):
        answer = BGPq4(mode=mode, host=irr.host, sources=("TEST",), families=(4,), image="example/bgpq4").look_up(1299)
        assert answer == Ok(("62.115.0.0/16",))
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [f"run --rm --network=host example/bgpq4 bgpq4 -h {irr.host} -S TEST -4 -j -l AS1299 AS1299"] * 2


def test_missing_program_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for mode, names in (("auto", "bgpq4 or podman or docker"), ("native", "bgpq4"), ("dev", "podman or docker")):
        with pytest.raises(hr.ResourceError, match=f"mode '{mode}' needs {names} on PATH"):
            BGPq4(mode=mode).look_up(3333)
    fake(tmp_path, "docker", "exit 1")
    assert BGPq4().resolve() == "docker"


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "remote"},
        {"families": ()},
        {"families": (5,)},
        {"host": "-h evil"},
        {"sources": ("A B",)},
        {"image": "-v"},
    ],
)
def test_wrong_settings(settings: dict[str, object]) -> None:
    with pytest.raises(hr.ConfigurationError, match="bgpq4"):
        BGPq4(**settings)  # type: ignore[arg-type]


def test_a_long_list_is_read_whole_sorted_and_without_repetition() -> None:
    entries = [{"prefix": f"{11 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24", "exact": True} for n in range(200_000)]
    answer = parse_answer(0, json.dumps({"AS1": entries[::-1] + entries[:5]}).encode(), b"", name="AS1", family=4)
    assert isinstance(answer, Ok)
    assert answer.value == tuple(entry["prefix"] for entry in entries)
