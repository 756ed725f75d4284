from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.connectors.frr import FrrDriver, LocalShell
from headrace.connectors.frr._lists import changes, parse_lists
from headrace.connectors.frr._owner import new_owner
from headrace.connectors.frr._scripts import CHUNK
from headrace.connectors.routers import (
    CommitState,
    PeerHealth,
    RouterError,
    RouterLockedError,
    RouterRejectedError,
    RouterUnreachableError,
)
from servers.frr import ANNOUNCED, FrrPair
from servers.waiting import wait_for

OLD = {"AS3333": ANNOUNCED[:4], "AS1299": None}
NEW = {"AS3333": ANNOUNCED[1:7], "AS1299": ("2001:67c:2e8::/48", "62.115.0.0/16")}


@pytest.fixture(scope="module")
def pair() -> Iterator[FrrPair]:
    with FrrPair() as pair:
        yield pair


def driver_of(pair: FrrPair, folder: Path, **settings: Any) -> FrrDriver:
    vtysh = ("vtysh", "-N", pair.names["a"])
    return FrrDriver("a", LocalShell(), vtysh=vtysh, folder=str(folder / "on-router"), **settings)


@pytest.fixture
def frr(pair: FrrPair, tmp_path: Path) -> Iterator[FrrDriver]:
    driver = driver_of(pair, tmp_path)
    driver.open()
    driver.lock()
    driver.load(OLD)
    if driver.diff():
        driver.commit_confirmed(60, "reset")
        driver.confirm("reset")
    wait_for("the old list", lambda: pair.received() == 4)
    yield driver
    driver.unlock()
    driver.close()


def watchdogs() -> str:
    return subprocess.run(["pgrep", "-f", "watchdog.sh"], stdout=subprocess.PIPE, text=True, check=False).stdout


def test_reads_lists_and_sessions(pair: FrrPair, frr: FrrDriver) -> None:
    assert frr.read_lists(OLD) == OLD
    assert frr.health() == {"192.0.2.2": PeerHealth("192.0.2.2", True, 4, 4)}


def test_confirmed_commit_changes_what_the_session_lets_in(pair: FrrPair, frr: FrrDriver, tmp_path: Path) -> None:
    frr.load(NEW)
    assert frr.diff().splitlines() == [
        "  prefix-list AS3333", "-  193.0.0.0/24", "+  193.0.4.0/24", "+  193.0.5.0/24", "+  193.0.6.0/24",
        "+ prefix-list AS1299", "+  2001:67c:2e8::/48", "+  62.115.0.0/16",
    ]  # fmt: skip
    frr.validate()
    assert frr.commit_state("token-1", NEW) is CommitState.ABSENT
    frr.commit_confirmed(3, "token-1")
    assert frr.commit_state("token-1", NEW) is CommitState.PENDING
    wait_for("six prefixes", lambda: frr.health()["192.0.2.2"].accepted == 6)
    saved = pair.config_folder("a") / "bgpd.conf"
    assert "193.0.4.0/24" not in saved.read_text()
    frr.confirm("token-1")
    assert "193.0.4.0/24" in saved.read_text()
    time.sleep(3)
    assert frr.commit_state("token-1", NEW) is CommitState.CONFIRMED
    assert frr.read_lists(NEW) == {name: tuple(sorted(prefixes or ())) for name, prefixes in NEW.items()}
    assert pair.received() == 6


def test_rolls_back_by_itself_without_us(pair: FrrPair, frr: FrrDriver) -> None:
    frr.load(NEW)
    frr.commit_confirmed(1, "token-2")
    wait_for("the change", lambda: pair.received() == 6, 0.9)
    wait_for("the roll back", lambda: pair.received() == 4, 5)
    assert frr.commit_state("token-2", NEW) is CommitState.ROLLED_BACK
    assert frr.read_lists(OLD) == OLD
    with pytest.raises(RouterRejectedError, match="not pending any more"):
        frr.confirm("token-2")


def test_cancel_rolls_back_now_and_once(pair: FrrPair, frr: FrrDriver) -> None:
    frr.load(NEW)
    frr.commit_confirmed(60, "token-3")
    frr.cancel("token-3")
    assert frr.commit_state("token-3", NEW) is CommitState.ROLLED_BACK
    assert frr.read_lists(OLD) == OLD
    frr.cancel("token-3")
    wait_for("no watchdog", lambda: not watchdogs())


def test_another_process_confirms_by_the_token(pair: FrrPair, frr: FrrDriver, tmp_path: Path) -> None:
    frr.load(NEW)
    frr.commit_confirmed(60, "token-4")
    other = driver_of(pair, tmp_path)
    assert other.commit_state("token-4", NEW) is CommitState.PENDING
    other.confirm("token-4")
    assert other.commit_state("token-4", NEW) is CommitState.CONFIRMED


def test_the_same_commit_is_never_made_twice(frr: FrrDriver) -> None:
    frr.load(NEW)
    frr.commit_confirmed(60, "token-5")
    with pytest.raises(RouterRejectedError, match="this commit was made before"):
        frr.commit_confirmed(60, "token-5")
    frr.cancel("token-5")
    with pytest.raises(RouterRejectedError, match="this commit was made before"):
        frr.commit_confirmed(60, "token-5")


def test_saving_is_finished_where_the_connection_was_lost_before_it(
    pair: FrrPair, frr: FrrDriver, tmp_path: Path
) -> None:
    frr.load(NEW)
    frr.commit_confirmed(60, "token-6")
    folder = tmp_path / "on-router" / "token-6"
    (folder / "pending").rename(folder / "confirmed")
    assert frr.commit_state("token-6", NEW) is CommitState.CONFIRMED
    assert (folder / "saved").exists()
    assert "193.0.4.0/24" in (pair.config_folder("a") / "bgpd.conf").read_text()


def test_a_reboot_in_between_is_a_roll_back(frr: FrrDriver, tmp_path: Path) -> None:
    frr.load(NEW)
    frr.commit_confirmed(60, "token-7")
    (tmp_path / "on-router" / "token-7" / "boot").write_text("another boot\n")
    assert frr.commit_state("token-7", NEW) is CommitState.ROLLED_BACK
    frr.cancel("token-7")


def test_the_lock_of_a_dead_process_here_is_taken_over(pair: FrrPair, tmp_path: Path) -> None:
    frr = driver_of(pair, tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    ours = new_owner().split(":")
    lock = tmp_path / "on-router" / "lock"
    lock.parent.mkdir(exist_ok=True)
    elsewhere = ":".join(["elsewhere", ours[1], str(dead.pid), "00c0ffee"])
    lock.write_text(f"{elsewhere} {int(time.time()) + 300}\n")
    with pytest.raises(RouterLockedError, match="elsewhere"):
        frr.lock()
    here = ":".join([ours[0], ours[1], str(dead.pid), "00c0ffee"])
    lock.write_text(f"{here} {int(time.time()) + 300}\n")
    frr.lock()
    frr.unlock()
    assert not lock.exists()


def test_lock_is_exclusive_and_ends_by_itself(pair: FrrPair, frr: FrrDriver, tmp_path: Path) -> None:
    other = driver_of(pair, tmp_path)
    with pytest.raises(RouterLockedError, match=r"holds it for up to \d+ s"):
        other.lock()
    lock = tmp_path / "on-router" / "lock"
    owner = lock.read_text().split()[0]
    lock.write_text(f"{owner} {int(time.time()) - 1}\n")
    other.lock()
    with pytest.raises(RouterLockedError):
        frr.lock()
    frr.unlock()
    assert lock.exists()
    other.unlock()
    assert not lock.exists()
    with pytest.raises(RouterLockedError, match="take the lock first"):
        other.commit_confirmed(60, "token")


def test_a_change_by_somebody_else_stops_the_commit(pair: FrrPair, frr: FrrDriver) -> None:
    frr.load(NEW)
    pair.vtysh("a", "configure terminal", "ip prefix-list OTHER seq 5 permit 203.0.113.0/24")
    with pytest.raises(RouterRejectedError, match="somebody else changed the configuration"):
        frr.commit_confirmed(60, "token-8")
    assert frr.commit_state("token-8", NEW) is CommitState.ABSENT
    assert frr.read_lists(OLD) == OLD
    pair.vtysh("a", "configure terminal", "no ip prefix-list OTHER")


def test_what_vtysh_does_not_take_is_refused_and_undone(frr: FrrDriver) -> None:
    frr.load({"AS3333": (*ANNOUNCED[:5], "193.0.9.0/244")})
    with pytest.raises(RouterRejectedError, match=r"validate: line \d+: % Unknown command"):
        frr.validate()
    with pytest.raises(RouterRejectedError, match=r"commit: line \d+: % Unknown command"):
        frr.commit_confirmed(60, "token-9")
    assert frr.commit_state("token-9", NEW) is CommitState.ROLLED_BACK
    assert frr.read_lists(OLD) == OLD


def test_text_longer_than_one_command_line_arrives_whole(frr: FrrDriver, tmp_path: Path) -> None:
    text = "".join(f"ip prefix-list BIG seq {n} permit 193.0.0.0/24\n" for n in range(5, 20_000, 5))
    assert len(text) > 3 * CHUNK
    frr._upload("token/apply.conf", text)
    assert (tmp_path / "on-router" / "token" / "apply.conf").read_text() == text


def test_a_router_without_frr(tmp_path: Path) -> None:
    events: list[str] = []
    folder = str(tmp_path / "router")
    driver = FrrDriver("x", LocalShell(), lambda event, _: events.append(event), vtysh=("no-vtysh",), folder=folder)
    with pytest.raises(RouterRejectedError, match=r"x: show version: .*no-vtysh"):
        driver.open()
    assert events == ["connection_failed"]


def test_a_router_that_does_not_answer(tmp_path: Path) -> None:
    hanging = tmp_path / "vtysh"
    hanging.write_text("#!/bin/sh\nsleep 20\n")
    hanging.chmod(0o755)
    with pytest.raises(RouterUnreachableError, match="timeout"):
        FrrDriver("x", LocalShell(timeout=0.3), vtysh=(str(hanging),), folder=str(tmp_path / "router")).open()


def test_events_tell_the_whole_story(pair: FrrPair, tmp_path: Path) -> None:
    events: list[tuple[str, Any]] = []
    driver = driver_of(pair, tmp_path, on_event=lambda event, details: events.append((event, dict(details))))
    driver.open()
    driver.lock()
    driver.load({"NEWLIST": ("193.0.0.0/24",)})
    driver.diff()
    driver.commit_confirmed(60, "token-10")
    driver.cancel("token-10")
    driver.unlock()
    driver.close()
    assert [event for event, _ in events] == ["connected", "preview", "committed", "rolled_back", "disconnected"]
    assert events[1][1]["diff"] == "+ prefix-list NEWLIST\n+  193.0.0.0/24"


CONFIG = """!
ip prefix-list A description mine
ip prefix-list A seq 5 permit 193.0.0.0/24
ip prefix-list A seq 12 permit 193.0.1.0/24 le 28
ip prefix-list A seq 15 deny 193.0.2.0/24
ipv6 prefix-list A seq 5 permit 2001:67c:2e8::/48
ip prefix-list AB seq 5 permit 10.0.0.0/8
!
end
"""


def test_lists_are_read_with_what_is_not_plain_in_them() -> None:
    assert parse_lists(CONFIG, ["A", "C"]) == {
        "A": ("193.0.0.0/24", "2001:67c:2e8::/48", "deny 193.0.2.0/24", "permit 193.0.1.0/24 le 28"),
        "C": None,
    }


def test_changes_add_before_they_remove_and_can_be_taken_back() -> None:
    forward, back = changes(CONFIG, {"A": ("193.0.0.0/24", "193.0.1.0/24", "2a00::/32")})
    assert forward == [
        "ip prefix-list A seq 20 permit 193.0.1.0/24",
        "ipv6 prefix-list A seq 10 permit 2a00::/32",
        "no ip prefix-list A seq 12 permit 193.0.1.0/24 le 28",
        "no ip prefix-list A seq 15 deny 193.0.2.0/24",
        "no ipv6 prefix-list A seq 5 permit 2001:67c:2e8::/48",
    ]
    assert back == [
        "ip prefix-list A seq 12 permit 193.0.1.0/24 le 28",
        "ip prefix-list A seq 15 deny 193.0.2.0/24",
        "ipv6 prefix-list A seq 5 permit 2001:67c:2e8::/48",
        "no ip prefix-list A seq 20 permit 193.0.1.0/24",
        "no ipv6 prefix-list A seq 10 permit 2a00::/32",
    ]
    assert changes(CONFIG, {"C": None}) == ([], [])
    assert changes(CONFIG, {"AB": None}) == (
        ["no ip prefix-list AB seq 5 permit 10.0.0.0/8"],
        ["ip prefix-list AB seq 5 permit 10.0.0.0/8"],
    )


def test_errors_name_the_router() -> None:
    error = RouterError("r9", "no route")
    assert (str(error), error.router) == ("r9: no route", "r9")
