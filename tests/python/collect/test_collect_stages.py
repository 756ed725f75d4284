"""SshStage, ProcessStage and HttpStage in pipelines: real processes, a real HTTP server, a real sshd."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.python.collect.conftest import CONFIG
from tests.servers.farm import FAULTS, Farm
from tests.servers.sshd import Sshd
from tests.servers.web import Answer, Request, WebServer

import headrace as hr
import scripts
from headrace.errors import ConfigurationError

SHOW = "show configuration | display set"


def over(values: Any, name: str = "collecting") -> tuple[hr.Pipeline, Any]:
    """A pipeline whose step ``items`` has the values."""
    pipe = hr.Pipeline(name)

    @pipe.step
    def items(ctx: hr.Context) -> Any:
        return values

    return pipe, items


def test_both_call_forms_and_names(tmp_path: Path):
    pipe, items = over({"a": "1", "b": "2"})
    one = pipe.map(hr.collect.ProcessStage(["echo", "{}"]), over=items)
    two = pipe.map(over=items, name="second")(hr.collect.ProcessStage(["echo", "-n", "{}"]))
    three = pipe.map(hr.collect.ProcessStage(["echo", "3"], name="third"), over=items)

    @pipe.map(over=two)
    def texts(ctx: hr.Context, outcome: hr.collect.Outcome) -> str:
        return outcome.text

    run = pipe.run(store=tmp_path / "runs.db")
    assert (one.name, two.name, three.name) == ("processes", "second", "third")
    assert run.results(texts) == {"a": "1", "b": "2"}
    outcome = run.results(one)["b"]
    assert isinstance(outcome, hr.collect.Outcome)
    assert (outcome.target, outcome.ok, outcome.stdout, outcome.exit_code) == ("2", True, b"2\n", 0)


def test_routers_with_a_real_sshd(sshd: Sshd, tmp_path: Path):
    hosts = {f"r{n}": host for n, host in enumerate(sshd.hosts(40))}
    hosts["closed"] = "127.0.0.1:9"
    pipe, routers = over(hosts)
    collected = pipe.map(
        hr.collect.SshStage(SHOW, username=sshd.username, key=sshd.key, known_hosts=sshd.known_hosts),
        over=routers,
        timeout=120,
    )

    @pipe.map(over=collected)
    def lines(ctx: hr.Context, outcome: hr.collect.Outcome) -> int:
        return len(outcome.text.splitlines())

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(lines) == dict.fromkeys([key for key in hosts if key != "closed"], len(CONFIG.splitlines()))
    assert run.results("ssh")["r7"].stdout == CONFIG.encode()
    (letter,) = run.failures
    assert (letter.stage, letter.key, letter.error_type) == ("ssh", "closed", "unreachable")
    again = pipe.run(store=tmp_path / "runs.db")
    assert again.stages[1].executed == 0 and again.stages[1].skipped == 40  # and the dead letter is tried again
    assert str(sshd.key) not in (tmp_path / "runs.db").read_bytes().decode("latin-1")


def test_several_commands_and_hosts_as_mappings(sshd: Sshd, tmp_path: Path):
    address, _, port = sshd.hosts(1)[0].rpartition(":")
    pipe, routers = over({"r1": {"host": address, "port": int(port), "site": "gru"}})
    commands = ["show version", SHOW]
    pipe.map(over=routers)(
        hr.collect.SshStage(commands, username=sshd.username, key=sshd.key, known_hosts=sshd.known_hosts)
    )
    run = pipe.run(store=tmp_path / "runs.db")
    outcome = run.results("ssh")["r1"]
    assert [command.command for command in outcome.commands] == ["show version", SHOW]
    assert outcome.commands[0].stdout == b"Junos: 23.4R1\n"


def test_each_fault_of_a_device_is_a_dead_letter_of_its_name(farm: Farm, tmp_path: Path):
    names = [name for name in FAULTS if name not in ("drip", "prompts_only", "password_only")]
    hosts = {name: farm.fault(name) for name in names} | {f"good{n}": host for n, host in enumerate(farm.hosts(20))}
    pipe, routers = over(hosts)
    pipe.map(
        hr.collect.SshStage(
            "show config",
            username=farm.username,
            key=farm.key,
            known_hosts=farm.known_hosts,
            max_output=1 << 20,
            workers=40,
        ),
        over=routers,
        timeout=3,
    )
    begin = time.monotonic()
    run = pipe.run(store=tmp_path / "runs.db")
    assert time.monotonic() - begin < 15
    assert set(run.results("ssh")) == {f"good{n}" for n in range(20)}
    kinds = {letter.key: letter.error_type for letter in run.failures}
    assert set(kinds) == set(names)
    assert {kinds["silent"], kinds["hang"]} == {"timeout"}
    assert kinds["refuse"] == "auth" and kinds["flood"] == "output_limit"
    assert set(kinds.values()) <= {"timeout", "auth", "output_limit", "protocol", "unreachable", "exit"}


def test_transient_answers_are_tried_again_by_the_engine(tmp_path: Path):
    def answer(request: Request) -> Answer:
        if request.path == "/missing":
            return Answer(404)
        seen = sum(r.path == request.path for r in server.requests)
        return Answer(503, b"busy") if seen < 3 else Answer(200, request.path.encode())

    with WebServer(answer) as server:
        pipe, urls = over({name: f"{server.url}/{name}" for name in ("a", "b", "missing")})
        pipe.map(hr.collect.HttpStage(), over=urls, retry=hr.Retry(attempts=3, delay=0.01))
        run = pipe.run(store=tmp_path / "runs.db")
        assert {key: outcome.stdout for key, outcome in run.results("http").items()} == {"a": b"/a", "b": b"/b"}
        (letter,) = run.failures
        assert (letter.key, letter.error_type, letter.attempts) == ("missing", "exit", 1)
        assert len([request for request in server.requests if request.path == "/missing"]) == 1


def test_answers_stream_on_while_the_rest_runs(tmp_path: Path):
    released = threading.Event()

    def answer(request: Request) -> Answer:
        if request.path == "/slow":
            assert released.wait(20)
        return Answer(200, request.path.encode(), {"Date": "now", "Set-Cookie": "secret=1", "ETag": "7"})

    with WebServer(answer) as server:
        pipe, urls = over({name: {"url": f"{server.url}/{name}"} for name in ("slow", *map(str, range(30)))})
        pages = pipe.map(hr.collect.HttpStage(workers=4), over=urls)

        @pipe.map(over=pages)
        def sizes(ctx: hr.Context, page: hr.collect.Outcome) -> int:
            if int(ctx.key) == 29:
                released.set()  # only now the slow one may end
            assert page.headers["etag"] == "7" and not {"date", "set-cookie"} & set(page.headers)
            return len(page.stdout)

        sizes_of = pipe.stages["sizes"].function
        pipe.stages["sizes"].function = lambda ctx, page: sizes_of(ctx, page) if ctx.key != "slow" else 0
        run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.SUCCEEDED, run.failures
    assert released.is_set()


def test_ctrl_c_ends_what_is_under_way_and_the_rest_resumes(tmp_path: Path):
    source = """
        import sys, headrace as hr
        pipe = hr.Pipeline("interrupted")
        @pipe.step
        def seconds(ctx):
            return {str(n): n for n in [0, 0.01, 30, 31, 32]}
        @pipe.map(over=seconds)
        def words(ctx, n):
            return ["sleep", str(n)]
        pipe.map(hr.collect.ProcessStage(workers=5), over=words)
        print("ready", flush=True)
        pipe.run(store="runs.db")
    """
    process = scripts.start(tmp_path, source)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    scripts.until(lambda: _sleepers(process.pid) == 3)
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(2)
    process.wait(10)
    assert time.monotonic() - begin < 1.5  # the interpreter's own end included
    assert _sleepers(process.pid) == 0
    stored = hr.open_store(tmp_path / "runs.db").runs()[0]
    assert stored.status is hr.Status.CANCELLED and not stored.failures
    assert len(stored.results("processes")) == 2
    process.communicate()


def _sleepers(parent: int) -> int:
    """Processes ``sleep 30`` and above, of whatever parent."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            mark = (folder / "environ").read_bytes()
        except OSError:
            continue
        found += words[0] == b"sleep" and words[1] in (b"30", b"31", b"32") and f"_PROCESS={parent}".encode() in mark
    return found


def test_what_runs_no_python_refuses_what_needs_it(tmp_path: Path):
    for setting in ({"guard": hr.Guard(min=1)}, {"effect": True}, {"isolation": "process"}):
        pipe, items = over({"a": "1"})
        pipe.map(hr.collect.ProcessStage(["true"]), over=items, **setting)
        with pytest.raises(ConfigurationError, match="ProcessStage, which runs no Python"):
            pipe.run(store=tmp_path / "runs.db")
    pipe, items = over({"a": "1"})
    pipe.flat_map(hr.collect.HttpStage(), over=items)
    with pytest.raises(ConfigurationError, match=r"HttpStage goes into pipe\.map"):
        pipe.run(store=tmp_path / "runs.db")
    with pytest.raises(ConfigurationError, match="never a shell line"):
        hr.collect.ProcessStage("ls -l")  # type: ignore[arg-type]
    pipe, items = over({"a": "1"})
    pipe.map(hr.collect.HttpStage(workers=0), over=items)
    with pytest.raises(ConfigurationError, match="workers"):
        pipe.validate()


def test_what_is_no_address_is_not_called_transient(tmp_path: Path):
    pipe, items = over({"a": "no such host", "b": "127.0.0.1:9"})
    pipe.map(hr.collect.SshStage("x", username="x", password="x", known_hosts=tmp_path / "none"), over=items)
    run = pipe.run(store=tmp_path / "runs.db")
    kinds = {letter.key: (letter.error_type, str(letter.category)) for letter in run.failures}
    assert kinds == {"a": ("unreachable", "configuration"), "b": ("unreachable", "transient")}


def test_another_command_runs_again_and_a_secret_is_not_kept(tmp_path: Path):
    def run_with(word: str, token: str) -> Any:
        pipe, items = over({"a": "1"})
        pipe.map(
            hr.collect.ProcessStage(["echo", word, "{}"], env={"TOKEN": token, "PATH": "/usr/bin:/bin"}), over=items
        )
        return pipe.run(store=tmp_path / "runs.db").stages[1]

    assert run_with("x", "hunter2").executed == 1
    assert run_with("x", "hunter3").skipped == 1
    assert run_with("y", "hunter2").executed == 1
    assert b"hunter" not in (tmp_path / "runs.db").read_bytes()


def test_the_gil_is_free_while_targets_are_asked(tmp_path: Path):
    pipe, items = over({str(n): "0.3" for n in range(32)})
    pipe.map(hr.collect.ProcessStage(["sleep", "{}"], workers=16), over=items)
    longest = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.monotonic()
        while not done.is_set():
            time.sleep(0.002)
            now = time.monotonic()
            longest = max(longest, now - last)
            last = now

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.monotonic()
    run = pipe.run(store=tmp_path / "runs.db")
    done.set()
    thread.join()
    assert run.status is hr.Status.SUCCEEDED
    assert time.monotonic() - begin < 5
    assert longest < 0.25, sys.getswitchinterval()
