from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connectors.netconf import JunosDriver, NetconfDriver, NetconfLogin
from headrace.connectors.routers import (
    CommitState,
    PeerHealth,
    RouterLockedError,
    RouterRejectedError,
    RouterUnreachableError,
)
from servers.junos import JunosLab
from servers.junos_netconf import Device
from servers.netconfd import netconfd
from servers.sshd import Sshd

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyEZ and paramiko, at their import

OLD = {"AS3333": ("193.0.0.0/21",)}
NEW = {"AS3333": ("193.0.0.0/21", "193.0.10.0/23"), "AS1299": ("62.115.0.0/16",)}
ABSENT = {"AS3333": OLD["AS3333"], "AS1299": None}
PEERS = {"192.0.2.2": {"list": "AS3333", "announces": ["193.0.0.0/21", "193.0.10.0/23", "193.0.20.0/24"]}}


def login(ssh: Sshd, address: str = "127.0.1.1", **changes: Any) -> NetconfLogin:
    settings = {"port": ssh.port, "key": str(ssh.key), "known_hosts": str(ssh.known_hosts), "timeout": 10.0, **changes}
    return NetconfLogin(address, ssh.username, **settings)


# --- Junos


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JunosLab]:
    with JunosLab(tmp_path_factory.mktemp("junos")) as lab:
        yield lab


@pytest.fixture
def router(lab: JunosLab) -> Device:
    return lab.router(1, running={name: list(prefixes) for name, prefixes in OLD.items()}, peers=PEERS)


@pytest.fixture
def junos(lab: JunosLab, router: Device) -> Iterator[JunosDriver]:
    driver = JunosDriver("r1", login(lab.ssh))
    driver.open()
    yield driver
    driver.close()


def test_junos_reads_lists_and_sessions(junos: JunosDriver) -> None:
    assert junos.read_lists(["AS3333", "AS1299"]) == ABSENT
    assert junos.health() == {"192.0.2.2": PeerHealth("192.0.2.2", True, 3, 1)}


def quick(router: Device) -> None:
    """Let a minute of this router's take a second."""
    with router.state() as state:
        state["seconds_a_minute"] = 1.0


def test_junos_confirmed_commit(lab: JunosLab, router: Device) -> None:
    events: list[tuple[str, Any]] = []
    driver = JunosDriver("r1", login(lab.ssh), lambda event, details: events.append((event, dict(details))))
    driver.open()
    driver.lock()
    driver.load(NEW)
    quick(router)
    assert driver.diff().splitlines() == [
        "[edit policy-options prefix-list AS1299]",
        "+    62.115.0.0/16;",
        "[edit policy-options prefix-list AS3333]",
        "+    193.0.10.0/23;",
    ]
    driver.validate()
    assert driver.commit_state("token-1", NEW) is CommitState.ABSENT
    driver.commit_confirmed(120, "token-1")
    assert driver.commit_state("token-1", NEW) is CommitState.PENDING
    assert driver.health()["192.0.2.2"].accepted == 2
    driver.confirm("token-1")
    driver.unlock()
    driver.close()
    time.sleep(2.0)  # two minutes of this router's, since before the confirmation
    assert router.running() == {name: list(prefixes) for name, prefixes in NEW.items()}
    assert router.commits() == ["netops token-1 confirmed", "netops token-1 commit confirmed, rollback in 2mins"]
    assert [event for event, _ in events] == ["connected", "preview", "committed", "confirmed", "disconnected"]
    assert events[2][1] == {"confirm_within": 120, "token": "token-1"}
    assert "193.0.10.0/23" in events[1][1]["diff"]


def test_junos_rolls_back_by_itself_and_a_late_confirm_is_refused(junos: JunosDriver, router: Device) -> None:
    quick(router)
    junos.lock()
    junos.load(NEW)
    junos.commit_confirmed(60, "token-2")
    time.sleep(1.1)
    assert junos.commit_state("token-2", NEW) is CommitState.ROLLED_BACK
    with pytest.raises(RouterRejectedError, match="not pending any more"):
        junos.confirm("token-2")
    assert router.running() == {"AS3333": ["193.0.0.0/21"]}


def test_junos_another_session_confirms_by_the_token(lab: JunosLab, junos: JunosDriver, router: Device) -> None:
    junos.lock()
    junos.load(NEW)
    junos.commit_confirmed(60, "token-3")
    junos.close()
    other = JunosDriver("r1", login(lab.ssh))
    other.open()
    assert other.commit_state("token-3", NEW) is CommitState.PENDING
    other.confirm("token-3")
    assert other.commit_state("token-3", NEW) is CommitState.CONFIRMED
    other.close()
    with router.state() as state:
        assert state["pending"] is None
    assert "AS1299" in router.running()


def test_junos_cancel(junos: JunosDriver, router: Device) -> None:
    junos.lock()
    junos.load(NEW)
    junos.commit_confirmed(120, "token-4")
    junos.cancel("token-4")
    assert junos.commit_state("token-4", NEW) is CommitState.ROLLED_BACK
    assert router.running() == {"AS3333": ["193.0.0.0/21"]}
    junos.cancel("token-4")


def test_junos_commit_that_somebody_else_confirmed(junos: JunosDriver, router: Device) -> None:
    """On Junos any later commit confirms a pending one."""
    junos.lock()
    junos.load(NEW)
    junos.commit_confirmed(60, "token-5")
    with router.state() as state:
        state["pending"] = None
        state["history"].insert(
            0, {"user": "ana", "log": "unrelated", "comment": "", "before": state["running"], "time": 0}
        )
    assert junos.commit_state("token-5", NEW) is CommitState.CONFIRMED


def test_junos_lock_is_exclusive(lab: JunosLab, junos: JunosDriver) -> None:
    junos.lock()
    other = JunosDriver("r1", login(lab.ssh))
    other.open()
    with pytest.raises(RouterLockedError, match="locked by: ops"):
        other.lock()
    junos.close()
    other.lock()
    other.close()


def test_junos_removes_a_list(junos: JunosDriver, router: Device) -> None:
    junos.lock()
    junos.load({"AS3333": None, "AS1299": None})
    junos.commit_confirmed(60, "token-6")
    junos.confirm("token-6")
    assert router.running() == {}


def test_junos_refusals(lab: JunosLab, junos: JunosDriver, router: Device) -> None:
    junos.lock()
    junos.load({"AS3333": ("193.0.0.0/210",)})
    with pytest.raises(RouterRejectedError, match=r"validate: .*invalid prefix 193.0.0.0/210"):
        junos.validate()
    with router.state() as state:
        state["fault"] = "reject"
    junos.load(NEW)
    with pytest.raises(RouterRejectedError, match=r"commit: .*policy error"):
        junos.commit_confirmed(60, "token-7")
    assert junos.commit_state("token-7", NEW) is CommitState.ABSENT


def test_junos_session_lost_in_the_commit(lab: JunosLab, junos: JunosDriver, router: Device) -> None:
    with router.state() as state:
        state["fault"] = "lose-session"
    junos.lock()
    junos.load(NEW)
    with pytest.raises(RouterUnreachableError, match="commit: the session failed"):
        junos.commit_confirmed(60, "token-8")
    again = JunosDriver("r1", login(lab.ssh))
    again.open()
    assert again.commit_state("token-8", NEW) is CommitState.PENDING
    again.close()


@pytest.mark.parametrize("seconds", [30, 90, 0])
def test_junos_takes_whole_minutes_in_seconds(junos: JunosDriver, seconds: int) -> None:
    with pytest.raises(hr.ConfigurationError, match="multiple of 60 s"):
        junos.commit_confirmed(seconds, "token")


# --- any router: what goes wrong before there is a session


@pytest.mark.parametrize("driver", [JunosDriver, NetconfDriver])
def test_host_key_must_be_known(lab: JunosLab, tmp_path: Path, driver: type[Any]) -> None:
    (tmp_path / "none").write_text("")
    with pytest.raises(RouterUnreachableError, match="r1: "):
        driver("r1", login(lab.ssh, known_hosts=str(tmp_path / "none"))).open()
    with pytest.raises(hr.ConfigurationError, match="no host key can be checked"):
        driver("r1", login(lab.ssh, known_hosts=str(tmp_path / "missing"))).open()
    lab.ssh.write_known_hosts(wrong=["127.0.1.1"])
    try:
        with pytest.raises(RouterUnreachableError, match="r1: "):
            driver("r1", login(lab.ssh)).open()
    finally:
        lab.ssh.write_known_hosts()


@pytest.mark.parametrize("driver", [JunosDriver, NetconfDriver])
def test_unreachable_and_unauthorised(lab: JunosLab, driver: type[Any], tmp_path: Path) -> None:
    from servers.sshd import make_key

    events: list[str] = []
    settings = {"on_event": lambda event, details: events.append(event)}
    with pytest.raises(RouterUnreachableError):
        driver("r1", login(lab.ssh, port=1, timeout=2.0), **settings).open()
    with pytest.raises(RouterUnreachableError):
        driver("r1", login(lab.ssh, key=str(make_key(tmp_path / "stranger"))), **settings).open()
    assert events == ["connection_failed", "connection_failed"]
    with pytest.raises(RouterUnreachableError, match="not connected"):
        driver("r1", login(lab.ssh)).lock()


def test_a_password_is_never_shown(lab: JunosLab) -> None:
    assert "s3cr3t" not in repr(login(lab.ssh, password="s3cr3t"))


def test_a_router_without_confirmed_commits_is_refused(lab: JunosLab, router: Device) -> None:
    with pytest.raises(RouterRejectedError, match=r"no confirmed-commit:1\.1"):
        NetconfDriver("r1", login(lab.ssh)).open()


# --- RFC 6241, on netconfd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with netconfd(tmp_path_factory.mktemp("netconfd")) as ssh:
        yield ssh


@pytest.fixture
def netconf(server: Sshd) -> Iterator[NetconfDriver]:
    driver = NetconfDriver("n1", login(server))
    driver.open()
    driver.lock()
    driver.load({**dict.fromkeys(NEW), **OLD})
    if driver.diff():
        driver.commit_confirmed(60, "reset")
        driver.confirm("reset")
    yield driver
    driver.close()


def test_netconf_confirmed_commit(netconf: NetconfDriver) -> None:
    assert netconf.read_lists(NEW) == ABSENT
    netconf.load(NEW)
    assert netconf.diff() == "  prefix-list AS3333\n+  193.0.10.0/23\n+ prefix-list AS1299\n+  62.115.0.0/16"
    netconf.validate()
    netconf.commit_confirmed(1, "token-1")
    assert netconf.commit_state("token-1", NEW) is CommitState.PENDING
    netconf.confirm("token-1")
    time.sleep(1.3)
    assert netconf.read_lists(NEW) == {name: tuple(sorted(prefixes)) for name, prefixes in NEW.items()}
    with pytest.raises(RouterRejectedError, match="confirm"):
        netconf.confirm("token-1")
    netconf.unlock()


def test_netconf_rolls_back_by_itself(netconf: NetconfDriver) -> None:
    netconf.load(NEW)
    netconf.commit_confirmed(1, "token-2")
    time.sleep(1.6)
    assert netconf.commit_state("token-2", NEW) is CommitState.ROLLED_BACK
    assert netconf.read_lists(NEW) == ABSENT
    with pytest.raises(RouterRejectedError, match="confirm"):
        netconf.confirm("token-2")


def test_netconf_commit_outlives_the_session(server: Sshd, netconf: NetconfDriver) -> None:
    netconf.load(NEW)
    netconf.commit_confirmed(30, "token-3")
    netconf.close()
    other = NetconfDriver("n1", login(server))
    other.open()
    assert other.commit_state("token-3", NEW) is CommitState.PENDING
    other.confirm("token-3")
    assert other.read_lists(["AS1299"]) == {"AS1299": ("62.115.0.0/16",)}
    other.close()


def test_netconf_cancel(netconf: NetconfDriver) -> None:
    netconf.load(NEW)
    netconf.commit_confirmed(30, "token-4")
    netconf.cancel("token-4")
    assert netconf.read_lists(NEW) == ABSENT
    netconf.cancel("token-4")


def test_netconf_lock_is_exclusive(server: Sshd, netconf: NetconfDriver) -> None:
    other = NetconfDriver("n1", login(server))
    other.open()
    with pytest.raises(RouterLockedError):
        other.lock()
    other.close()


def test_netconf_refuses_what_is_no_prefix(netconf: NetconfDriver) -> None:
    with pytest.raises(RouterRejectedError, match="load: "):
        netconf.load({"AS3333": ("not a prefix",)})


def test_netconf_server_that_loses_an_edit_in_validate_is_found_out(netconf: NetconfDriver) -> None:
    """netconfd 2.13 says ok to edit, validate, commit, and then has nothing: what is in effect must be read back."""
    netconf.load(NEW)
    netconf._manager.validate("candidate")
    netconf.commit_confirmed(30, "token-5")
    assert netconf.commit_state("token-5", NEW) is CommitState.ROLLED_BACK
    netconf.cancel("token-5")


STATE = """<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><network-instances
 xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name><protocols><protocol>
 <identifier>BGP</identifier><name>bgp</name><bgp><neighbors><neighbor><neighbor-address>192.0.2.2</neighbor-address>
 <state><session-state>ESTABLISHED</session-state></state><afi-safis><afi-safi><afi-safi-name>V4</afi-safi-name><state>
 <prefixes><received>5</received><received-pre-policy>9</received-pre-policy></prefixes></state></afi-safi>
 <afi-safi><afi-safi-name>V6</afi-safi-name><state><prefixes><received>1</received><received-pre-policy>2
 </received-pre-policy></prefixes></state></afi-safi></afi-safis></neighbor><neighbor><neighbor-address>192.0.2.3
 </neighbor-address><state><session-state>ACTIVE</session-state></state></neighbor></neighbors></bgp></protocol>
 </protocols></network-instance></network-instances></config>"""


def test_netconf_reads_sessions(netconf: NetconfDriver) -> None:
    with pytest.raises(RouterRejectedError, match="reports no BGP session"):
        netconf.health()
    netconf._manager.edit_config(target="candidate", config=STATE)
    netconf.commit_confirmed(30, "state")
    assert netconf.health() == {
        "192.0.2.2": PeerHealth("192.0.2.2", True, 11, 6),
        "192.0.2.3": PeerHealth("192.0.2.3", False, 0, 0),
    }
    netconf.cancel("state")
