"""hr.collect.ssh against real sshd and against faults."""

import gc
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.python.collect.conftest import CONFIG
from tests.servers.farm import Farm, config_text
from tests.servers.sshd import Sshd, make_key

import headrace as hr
from headrace.types import Retry

SHOW = "show configuration | display set"


def access(server: Sshd | Farm, **changes: Any) -> dict[str, Any]:
    return {"username": server.username, "key": server.key, "known_hosts": server.known_hosts} | changes


def test_two_hundred_routers_on_a_real_sshd(sshd: Sshd):
    hosts = sshd.hosts(200)
    sshd.set_answer(SHOW, "set system host-name r7\n", "127.0.1.7")
    outcomes = hr.collect.ssh(hosts, f"{SHOW} | no-more", timeout=120, **access(sshd))
    assert [outcome.target for outcome in outcomes] == hosts
    assert all(outcome.ok for outcome in outcomes), [outcome for outcome in outcomes if not outcome.ok][:3]
    assert outcomes[6].text == "set system host-name r7\n"
    assert all(outcome.text == CONFIG for outcome in outcomes if outcome is not outcomes[6])


def test_status_and_standard_error_of_a_real_sshd(sshd: Sshd):
    (outcome,) = hr.collect.ssh(sshd.hosts(1), "show nonsense", **access(sshd))
    assert (outcome.ok, outcome.error_type, outcome.exit_code) == (False, "exit", 1)
    assert outcome.stderr == b"error: syntax error, expecting <command>.\n"
    assert outcome.message == "exit status 1: error: syntax error, expecting <command>."


def test_several_commands_on_one_session(sshd: Sshd):
    (outcome,) = hr.collect.ssh(sshd.hosts(1), ["show version", SHOW], **access(sshd))
    assert outcome.ok
    assert [part.command for part in outcome.commands] == ["show version", SHOW]
    assert outcome.commands[0].stdout == b"Junos: 23.4R1\n"
    assert outcome.commands[1].stdout == CONFIG.encode()
    (outcome,) = hr.collect.ssh(sshd.hosts(1), ["show version", "nonsense", SHOW], **access(sshd))
    assert not outcome.ok
    assert "of 'nonsense'" in outcome.message
    assert len(outcome.commands) == 2
    (outcome,) = hr.collect.ssh(sshd.hosts(1), ["show version"], **access(sshd))
    assert outcome.commands[0].stdout == outcome.stdout


def test_connection_cut_in_the_middle_of_the_output(sshd: Sshd):
    sshd.set_fault("127.0.1.249", "cut")
    (outcome,) = hr.collect.ssh([f"127.0.1.249:{sshd.port}"], SHOW, **access(sshd))
    assert (outcome.ok, outcome.error_type) == (False, "protocol")
    assert "broke off" in outcome.message
    assert len(outcome.stdout) == 20_480


def test_agent_and_usual_keys(sshd: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    login = {"username": sshd.username, "known_hosts": sshd.known_hosts}
    (refused,) = hr.collect.ssh(sshd.hosts(1), "show version", **login)
    assert refused.error_type == "auth"
    subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True)
    outcomes = hr.collect.ssh(sshd.hosts(20), "show version", **login)
    assert all(outcome.ok for outcome in outcomes), outcomes[0]
    monkeypatch.delenv("SSH_AUTH_SOCK")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_bytes(sshd.key.read_bytes())
    assert hr.collect.ssh(sshd.hosts(1), "show version", **login)[0].ok


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(tmp_path: Path, kind: str):
    """Of the client and of the host; the host's other keys are not asked for."""
    with Sshd(tmp_path, extra=f"HostKey {tmp_path}/extra_key") as server:
        make_key(tmp_path / "extra_key", kind)
        key = make_key(tmp_path / "user_key", kind)
        (tmp_path / "client_key.pub").write_bytes((tmp_path / "user_key.pub").read_bytes())
        restart(server)
        server.set_answer("show version", "ok\n")
        public = " ".join((tmp_path / "extra_key.pub").read_text().split()[:2])
        server.known_hosts.write_text(f"[127.0.1.1]:{server.port} {public}\n")
        (outcome,) = hr.collect.ssh(server.hosts(1), "show version", **access(server, key=key))
        assert outcome.ok, outcome


def restart(server: Sshd) -> None:
    server.__exit__(None, None, None)
    server.__enter__()


def test_old_devices_need_legacy(tmp_path: Path):
    old = "KexAlgorithms diffie-hellman-group14-sha1\nHostKeyAlgorithms ssh-rsa\nCiphers aes128-cbc\nMACs hmac-sha1"
    make_key(tmp_path / "rsa_key", "rsa")
    with Sshd(tmp_path, extra=f"HostKey {tmp_path}/rsa_key\n{old}") as server:
        server.set_answer("show version", "old\n")
        public = " ".join((tmp_path / "rsa_key.pub").read_text().split()[:2])
        server.known_hosts.write_text(f"[127.0.1.1]:{server.port} {public}\n")
        (modern,) = hr.collect.ssh(server.hosts(1), "show version", **access(server))
        (legacy,) = hr.collect.ssh(server.hosts(1), "show version", legacy=True, **access(server))
    assert (modern.ok, modern.error_type) == (False, "protocol")
    assert legacy.ok, legacy


def test_stdin_reaches_the_command(tmp_path: Path):
    with Sshd(tmp_path, shell=True) as server:
        data = os.urandom(3_000_000)
        (outcome,) = hr.collect.ssh(server.hosts(1), "sha256sum; exit 0", stdin=data, **access(server))
        (nothing,) = hr.collect.ssh(server.hosts(1), "wc -c", **access(server))
    import hashlib

    assert outcome.text.split()[0] == hashlib.sha256(data).hexdigest()
    assert nothing.text == "0\n"


def test_unknown_and_changed_host_keys(farm: Farm, tmp_path: Path):
    known_hosts = tmp_path / "known_hosts"
    login = access(farm, known_hosts=known_hosts)
    (unknown,) = hr.collect.ssh(farm.hosts(1), "show config", **login)
    assert (unknown.error_type, unknown.stdout) == ("host_key", b"")
    assert not known_hosts.exists()
    assert all(outcome.ok for outcome in hr.collect.ssh(farm.hosts(50), "show config", accept_new=True, **login))
    assert len(known_hosts.read_text().splitlines()) == 50
    assert known_hosts.stat().st_mode & 0o777 == 0o600
    other = " ".join(make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])
    known_hosts.write_text(f"[127.0.1.1]:{farm.port} {other}\n")
    (changed,) = hr.collect.ssh(farm.hosts(1), "show config", accept_new=True, **login)
    assert (changed.error_type, changed.ok) == ("host_key", False)
    assert "an attack, or a new device" in changed.message


def test_a_real_sshd_is_accepted_once_and_its_changed_key_never(tmp_path: Path):
    """The file is as OpenSSH reads it; a host that is named twice is written once."""
    known_hosts = tmp_path / "trusted"
    (tmp_path / "server").mkdir()
    with Sshd(tmp_path / "server") as server:
        server.set_answer("show version", "real\n")
        login = access(server, known_hosts=known_hosts, accept_new=True)
        hosts = server.hosts(20) * 2
        assert all(outcome.ok for outcome in hr.collect.ssh(hosts, "show version", workers=40, timeout=60, **login))
        assert len(known_hosts.read_text().splitlines()) == 20
        assert known_hosts.stat().st_mode & 0o777 == 0o600
        address, _, port = hosts[0].rpartition(":")
        strict = ["-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={known_hosts}", "-F", "none"]
        ssh = ["ssh", *strict, "-p", port, "-i", server.key, f"{server.username}@{address}", "show version"]
        assert subprocess.run(ssh, capture_output=True, text=True, check=True).stdout == "real\n"
        for path in (server.host_key, server.host_key.with_suffix(".pub")):
            path.unlink()
        make_key(server.host_key)
        restart(server)
        before = known_hosts.read_text()
        (changed,) = hr.collect.ssh(hosts[:1], "show version", **login)
        assert (changed.ok, changed.error_type, changed.stdout) == (False, "host_key", b"")
        assert known_hosts.read_text() == before
        (refused,) = hr.collect.ssh(hosts[:1], "x", **(login | {"known_hosts": "/proc/no/such/folder/file"}))
        assert refused.error_type == "host_key" and "cannot write to" in refused.message


def test_passwords(farm: Farm):
    class Secret:
        def get_secret_value(self) -> str:
            return "secret"

    hosts = [farm.fault("password_only"), farm.fault("prompts_only"), *farm.hosts(1)]
    login = {"username": "netops", "known_hosts": farm.known_hosts}
    assert all(outcome.ok for outcome in hr.collect.ssh(hosts, "show config", password=Secret(), **login))
    outcomes = hr.collect.ssh(hosts, "show config", password="wrong-one", retry=Retry(attempts=3), **login)
    assert [(outcome.error_type, outcome.attempts) for outcome in outcomes] == [("auth", 1)] * 3
    assert not any("wrong-one" in repr(outcome) for outcome in outcomes)


def test_ten_targets_with_five_faults(farm: Farm, tmp_path: Path):
    """One unreachable, one silent, one with another host key, one that hangs, one that drips; five seconds each."""
    other = " ".join(make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])
    trusted = farm.known_hosts.read_text().splitlines()
    wrong = f"[127.0.1.7]:{farm.port}"
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("\n".join(f"{wrong} {other}" if line.startswith(wrong + " ") else line for line in trusted))
    with switched_off() as unreachable:
        hosts = [unreachable, farm.fault("silent"), f"127.0.1.7:{farm.port}", farm.fault("hang"), farm.fault("drip")]
        begun = time.monotonic()
        outcomes = hr.collect.ssh(
            hosts + farm.hosts(5), "show config", timeout=5, **access(farm, known_hosts=known_hosts)
        )
        seconds = time.monotonic() - begun
    assert seconds <= 5.3
    failures = [outcome.error_type for outcome in outcomes[:5]]
    assert failures == ["unreachable", "timeout", "host_key", "timeout", "timeout"]
    assert not any(outcome.ok for outcome in outcomes[:5])
    assert [len(outcome.stdout) for outcome in outcomes[:4]] == [0, 0, 0, 20_480]
    assert 400 <= len(outcomes[4].stdout) <= 600
    for number, outcome in enumerate(outcomes[5:], 1):
        assert outcome.ok
        assert outcome.stdout == config_text(f"127.0.1.{number}")
        assert outcome.seconds < 1


class switched_off:
    """An address that drops what comes: a listener whose queue is full."""

    def __enter__(self) -> str:
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=0)]
        address = self.sockets[0].getsockname()
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self.sockets.append(filler)
        return f"127.0.0.1:{address[1]}"

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()


def test_a_flood_and_a_device_without_status(farm: Farm):
    hosts = [farm.fault("flood"), farm.fault("no_status")]
    flood, without = hr.collect.ssh(hosts, "show config", max_output=100_000, **access(farm))
    assert (flood.error_type, len(flood.stdout)) == ("output_limit", 100_000)
    assert (without.ok, without.error_type) == (False, "protocol")
    (taken,) = hr.collect.ssh(hosts[1:], "show config", require_status=False, **access(farm))
    assert (taken.ok, taken.exit_code, len(taken.stdout)) == (True, None, 50_000)


def test_bad_hosts_have_their_own_outcomes(farm: Farm):
    hosts = ["300.1.2.3", "no such host", "r1:99999", "", *farm.hosts(1), *farm.hosts(1)]
    outcomes = hr.collect.ssh(hosts, "show config", **access(farm))
    assert [outcome.error_type for outcome in outcomes] == ["unreachable"] * 4 + [None, None]
    assert outcomes[0].message == "'300.1.2.3' is not an IPv4 address"


def test_retries_are_for_transient_failures(farm: Farm):
    hosts = [farm.fault("close_at_login"), farm.fault("refuse"), *farm.hosts(1)]
    outcomes = hr.collect.ssh(hosts, "show config", retry=Retry(attempts=3, delay=0.05), **access(farm))
    assert [(outcome.attempts, outcome.error_type) for outcome in outcomes] == [(3, "protocol"), (1, "auth"), (1, None)]
    assert outcomes[0].seconds >= 0.1


def test_iter_yields_while_the_rest_runs(farm: Farm):
    hosts = [farm.fault("hang"), *farm.hosts(3)]
    with hr.collect.ssh(hosts, "show config", iter=True, **access(farm)) as outcomes:
        good = [next(outcomes) for _ in range(3)]
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.25  # the hanging one was cancelled
    assert sorted(outcome.target for outcome in good) == sorted(farm.hosts(3))


def test_cancel_from_another_thread(farm: Farm):
    hosts = [farm.fault("hang")] * 60
    outcomes = hr.collect.ssh(hosts, "show config", iter=True, **access(farm))
    threading.Timer(0.3, outcomes.cancel).start()
    begun = time.monotonic()
    rest = list(outcomes)
    assert time.monotonic() - begun < 0.3 + 0.25
    assert [outcome.error_type for outcome in rest] == ["cancelled"] * 60


def test_many_targets_leave_nothing_behind(farm: Farm):
    hr.collect.ssh(farm.hosts(10), "show config", **access(farm))
    gc.collect()
    before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    for outcome in hr.collect.ssh(farm.hosts(1000), "exit 0", iter=True, **access(farm)):
        assert outcome.ok, outcome
    gc.collect()
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hosts": "127.0.0.1"}, "hosts must be a list of strings, not '127.0.0.1'"),
        ({"hosts": [5]}, "hosts must be a string, not 5"),
        ({"command": []}, "there is no command to run"),
        ({"command": ""}, "a command is empty"),
        ({"command": ["show version", 5]}, "command must be a string, not 5"),
        ({"username": ""}, "username must not be empty"),
        ({"username": None}, "username must be a string, not None"),
        ({"port": 70000}, "port must be between 1 and 65535"),
        ({"key": "/no/such/key"}, "key file '/no/such/key' does not exist"),
        ({"key": "/etc/hostname"}, "it is no private key, or its passphrase is needed"),
        ({"known_hosts": None}, "known_hosts must be a path, not None"),
        ({"password": 5}, "password must be a string, not int"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"timeout": -1}, "timeout must be a number of seconds above 0"),
        ({"retry": "often"}, "retry must be a headrace.Retry"),
    ],
)
def test_bad_input_is_one_clear_line(farm: Farm, changes: dict, message: str):
    arguments = {"hosts": ["127.0.0.1"], "command": "x"} | access(farm) | changes
    with pytest.raises(hr.ConfigurationError) as caught:
        hr.collect.ssh(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_agent_that_is_asked_for_must_exist(farm: Farm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(hr.ConfigurationError, match="no SSH agent is running"):
        hr.collect.ssh(["127.0.0.1"], "x", agent=True, **access(farm))
