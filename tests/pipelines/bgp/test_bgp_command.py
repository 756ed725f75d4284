from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headrace.pipelines.bgp.stages import known_runs
from servers.sshd import free_port
from servers.waiting import wait_for

from .conftest import OLD, Net

HEADRACE = [sys.executable, "-W", "ignore", "-c", "import sys; from headrace.cli import main; sys.exit(main())", "bgp"]
NEW = {"AS3333": ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"]}


def command(net: Net, *words: str) -> subprocess.CompletedProcess[str]:
    script = [*HEADRACE, *words, "--output-dir", str(net.folder / "out")]
    return subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)


def files(net: Net, config: dict[str, Any]) -> list[str]:
    devices = net.folder / "devices.csv"
    rows = "".join(f"{d.address},{d.hostname},{d.port},{d.netconf_port}\n" for d in net.devices)
    devices.write_text("address,hostname,port,netconf_port\n" + rows)
    settings = net.folder / "settings.json"
    settings.write_text(json.dumps(config))
    return ["--devices", str(devices), "--config", str(settings)]


def test_run_decide_apply_take_back(net: Net) -> None:
    router = net.router(1)
    given = files(net, net.config())
    done = command(net, "run", *given)
    assert done.returncode == 0, done.stderr
    assert "1 read, 0 failed" in done.stdout
    assert "Manual policy application required" in done.stdout
    dry = command(net, "run", *given, "--dry-run")
    assert (dry.returncode, "r1 would change:" in dry.stdout) == (0, True)
    assert "+    2001:67c:2e8::/48;" in dry.stdout
    queued = command(net, "run", *given, "--mode", "system", "--json")
    assert queued.returncode == 0
    assert json.loads(queued.stdout)["applications"][0]["outcome"] == "queued"
    pending = command(net, "pending").stdout
    identity = pending.split()[0]
    assert "router r1" in pending
    approved = command(net, "approve", identity, "--by", "ana", "--note", "fine")
    assert (approved.returncode, approved.stdout.splitlines()[0]) == (0, "router r1: approved by ana")
    assert command(net, "pending").stdout == "nothing waits for a decision\n"
    applied = command(net, "run", *given, "--mode", "system")
    assert applied.returncode == 0, applied.stdout
    assert router.running() == NEW
    back = command(net, "rollback", "r1", *given, "--by", "ana")
    assert (back.returncode, back.stdout.splitlines()[0]) == (0, "r1: confirmed")
    assert router.running() == OLD
    audit = command(net, "audit").stdout
    for event in ("approved", "committed", "confirmed", "rollback_demanded"):
        assert f"  {event}  " in audit
    assert "succeeded" in command(net, "status").stdout


def test_ctrl_c_stops_the_collection_and_the_same_command_goes_on(net: Net) -> None:
    net.router(1)
    net.router(2)
    net.lab.ssh.set_latency(60, "127.0.1.2")
    script = [*HEADRACE, "run", *files(net, net.config(connection_timeout=90)), "--output-dir", str(net.folder / "out")]
    child = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("the configuration of r1", lambda: len(collected(net)) == 1, 60)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=60)
    assert time.monotonic() - begun < 10
    assert child.returncode == 130, complaint
    assert "Traceback" not in complaint
    net.lab.ssh.set_latency(0, "127.0.1.2")
    net.lab.ssh.set_answer("show configuration protocols bgp", "error: not again\n", "127.0.1.1")
    again = command(net, "run", *files(net, net.config(connection_timeout=90)))
    assert again.returncode == 0, again.stdout
    assert "2 read, 0 failed" in again.stdout


def collected(net: Net) -> dict[str, Any]:
    runs = known_runs(net.state / "runs.db")
    return runs[0].results("collection") if runs else {}


def test_halt_and_release(net: Net) -> None:
    router = net.router(1)
    given = files(net, net.autonomous())
    assert command(net, "halt", "storm in AMS", "--by", "ana").returncode == 0
    stopped = command(net, "run", *given)
    assert stopped.returncode == 1
    assert "storm in AMS (ana)" in stopped.stdout
    assert router.running() == OLD
    status = command(net, "status").stdout
    assert "storm in AMS (ana) ('headrace bgp release' allows changes again)" in status
    assert "routers: 1 refused" in status
    assert command(net, "release").stdout == "application is allowed again\n"
    assert command(net, "release").stdout == "it was not stopped\n"


def test_exit_code_1_where_the_run_failed(net: Net) -> None:
    net.router(1)
    settings = net.config(bgpq4_host=f"127.0.0.1:{free_port()}")
    done = command(net, "run", *files(net, settings))
    assert done.returncode == 1
    assert "error: Critical failure in generation" in done.stdout


@pytest.mark.parametrize(
    ("csv", "settings", "message"),
    [
        ("address\n192.0.2.1\n", "{}", "column 'hostname' is missing"),
        ("address,hostname\n192.0.2.1,r1\n192.0.2.1,r2\n", "{}", "share the address 192.0.2.1"),
        ("address,hostname\nrouter,r1\n", "{}", "'router' is not an IP address"),
        ("address,hostname\n192.0.2.1,r1\n", "{", "not JSON"),
        ("address,hostname\n192.0.2.1,r1\n", "[]", "must be names and values"),
        ("address,hostname\n192.0.2.1,r1\n", '{"moed": "user"}', "unknown setting 'moed'"),
        (
            "address,hostname\n192.0.2.1,r1\n",
            '{"ssh_key_path": "/no/key"}',
            "private key /no/key: there is no such file",
        ),
    ],
)
def test_exit_code_2_and_one_line_where_the_input_is_wrong(
    tmp_path: Path, csv: str, settings: str, message: str
) -> None:
    (tmp_path / "d.csv").write_text(csv)
    (tmp_path / "s.json").write_text(settings)
    words = [
        "run",
        str(tmp_path / "d.csv"),
        "--config",
        str(tmp_path / "s.json"),
        "--output-dir",
        str(tmp_path / "out"),
    ]
    script = [*HEADRACE, *words]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_password_comes_from_the_environment_and_is_not_shown(net: Net) -> None:
    net.router(1)
    config = net.config()
    del config["ssh_key_path"]
    script = [*HEADRACE, "run", *files(net, config)]
    done = subprocess.run(
        [*script, "--output-dir", str(net.folder / "out")], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "HEADRACE_SSH_PASSWORD": "hunter2-router"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "Collection failed for: r1 (auth failed: " in done.stdout
    assert "***" not in done.stdout
    assert done.stderr == ""
    assert "hunter2" not in done.stdout + done.stderr


def test_mails_that_wait_are_sent_later(net: Net) -> None:
    net.router(1)
    port = free_port()
    down = {**net.mail.config(), "port": port, "timeout": 1}
    assert command(net, "run", *files(net, net.config(mode="system", email=down))).returncode == 0
    settings = net.folder / "settings.json"
    waiting = command(net, "mail", "--config", str(settings))
    assert waiting.returncode == 1
    assert "0 sent, 3 wait" in waiting.stdout
    settings.write_text(json.dumps({"email": net.mail.config()}))
    assert command(net, "mail", "--config", str(settings)).stdout == "3 sent, 0 wait\n"
    assert len(net.mail.received) == 3


def test_an_altered_last_good_list_is_forgotten_on_demand(net: Net) -> None:
    net.router(1)
    given = files(net, net.config())
    assert command(net, "run", *given).returncode == 0
    with closing(sqlite3.connect(net.state / "last-good.db")) as database, database:
        database.execute("UPDATE last_good SET prefixes='[]'")
    held = command(net, "run", *given)
    assert "'headrace bgp forget AS3333' begins anew" in held.stdout
    forgotten = command(net, "forget", "AS3333", "--by", "ana")
    assert (forgotten.returncode, forgotten.stdout.splitlines()[0][:36]) == (0, "the last good list of AS3333 is forg")
    assert "AS3333  forgotten  by=ana" in command(net, "audit").stdout
    assert "1 ok" in command(net, "run", *given).stdout
    for word, text in (("AS1", "there is no last good list of AS1"), ("x", "'x' is not an AS number")):
        refused = command(net, "forget", word)
        assert (refused.returncode, text in refused.stderr) == (2, True)
