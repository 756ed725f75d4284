"""hr.collect.processes with real programs."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import headrace as hr


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_one_outcome_for_each_command_in_the_order_given():
    commands = [shell("sleep 0.2; echo slow"), ["echo", "quick"], shell("echo no >&2; exit 3"), ["no-such-program"]]
    slow, quick, failed, missing = hr.collect.processes(commands)
    assert (slow.ok, slow.stdout, slow.text, slow.target) == (True, b"slow\n", "slow\n", commands[0])
    assert (quick.ok, quick.exit_code, quick.error_type, quick.message, quick.attempts) == (True, 0, None, "", 1)
    assert (failed.ok, failed.exit_code, failed.error_type, failed.stderr) == (False, 3, "exit", b"no\n")
    assert failed.message == "exit status 3: no"
    assert (missing.exit_code, missing.error_type) == (127, "exit")
    assert "no-such-program" in missing.message
    assert slow.seconds >= 0.2


def test_no_commands_no_outcomes():
    assert hr.collect.processes([]) == []
    assert list(hr.collect.processes([], iter=True)) == []


def test_stdin_env_cwd(tmp_path: Path):
    (outcome,) = hr.collect.processes(
        [shell("cat; echo $NAME; pwd")], stdin=b"\x00in\n", env={"NAME": "ä"}, cwd=tmp_path
    )
    assert outcome.stdout == b"\x00in\n" + "ä\n".encode() + str(tmp_path).encode() + b"\n"


def test_changes_of_the_environment_are_seen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADRACE_TEST_VALUE", "now")
    assert hr.collect.processes([shell("echo $HEADRACE_TEST_VALUE")])[0].text == "now\n"


def test_timeout_is_per_command_and_ends_the_tree():
    begun = time.monotonic()
    hung, fine = hr.collect.processes([shell("echo part; sleep 60 & sleep 60"), ["echo", "whole"]], timeout=0.5)
    assert time.monotonic() - begun < 1.5
    assert (hung.ok, hung.error_type, hung.stdout) == (False, "timeout", b"part\n")
    assert fine.ok


def test_output_limit_is_a_failure():
    (outcome,) = hr.collect.processes([["yes"]], max_output=10_000)
    assert (outcome.ok, outcome.error_type, len(outcome.stdout)) == (False, "output_limit", 10_000)


def test_any_object_with_the_four_attributes_is_a_retry(tmp_path: Path):
    class Policy:
        attempts, delay, multiplier, jitter = 3, 0.01, 1.0, 0.5

    script = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) = 3 || exit 75"
    (outcome,) = hr.collect.processes([shell(script)], retry=Policy())
    assert (outcome.ok, outcome.attempts) == (True, 3)
    assert outcome.seconds >= 0.01


def test_a_permanent_failure_is_not_retried():
    from headrace.types import Retry

    (outcome,) = hr.collect.processes([["false"]], retry=Retry(attempts=5))
    assert outcome.attempts == 1


def test_iter_yields_as_they_finish():
    outcomes = hr.collect.processes([shell("sleep 0.5"), ["true"], shell("sleep 0.2")], iter=True)
    assert [outcome.target[-1] for outcome in outcomes] == ["true", "sleep 0.2", "sleep 0.5"]


def test_closing_early_ends_what_runs(tmp_path: Path):
    script = f"echo $$ >> {tmp_path}/pids; trap '' TERM; while :; do sleep 0.05; done"
    outcomes = hr.collect.processes([["true"], *[shell(script)] * 4], iter=True)
    assert next(outcomes).ok
    while len((tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []) < 4:
        time.sleep(0.01)
    begun = time.monotonic()
    outcomes.close()
    assert time.monotonic() - begun < 0.25
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert not any(running(pid) for pid in pids)


def test_dropping_the_iterator_ends_what_runs():
    outcomes = hr.collect.processes([["true"], shell("sleep 60")], iter=True)
    next(outcomes)
    threads = len(os.listdir("/proc/self/task"))
    gc.collect()  # takes long in a process that has imported much: it isn't what is timed here
    begun = time.monotonic()
    del outcomes
    assert time.monotonic() - begun < 0.25
    assert len(os.listdir("/proc/self/task")) < threads


def test_cancel_lets_the_rest_come_out_as_cancelled():
    with hr.collect.processes([["true"], shell("sleep 60"), shell("sleep 60")], workers=2, iter=True) as outcomes:
        assert next(outcomes).ok
        threading.Timer(0.2, outcomes.cancel).start()
        rest = list(outcomes)
    assert [outcome.error_type for outcome in rest] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("iterate", [False, True])
def test_ctrl_c_returns_soon_and_leaves_no_process(tmp_path: Path, iterate: bool):
    code = f"""
        import headrace as hr
        hanging = ["/bin/sh", "-c", "echo $$ >> {tmp_path}/pids; trap '' TERM; while :; do sleep 0.05; done"]
        try:
            outcomes = hr.collect.processes([hanging] * 3, iter={iterate})
            list(outcomes)
        except KeyboardInterrupt:
            if {iterate}:
                outcomes.close()
            print("interrupted", flush=True)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    pids = tmp_path / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 3:
        time.sleep(0.01)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    with child.stdout as out:
        assert out.readline() == b"interrupted\n"
    assert time.monotonic() - begun < 0.25
    assert child.wait() == 0
    assert not any(running(int(word)) for word in pids.read_text().split())


def test_processes_die_with_a_killed_parent(tmp_path: Path):
    code = f"""
        import headrace as hr
        hr.collect.processes([["/bin/sh", "-c", "echo $$ > {tmp_path}/pid; exec sleep 60"]])
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 2
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running(pid)


def test_other_threads_run_meanwhile():
    """The GIL is not held: a pure Python thread makes progress while processes are waited for."""
    count = 0
    stop = threading.Event()

    def spin() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=spin)
    thread.start()
    hr.collect.processes([shell("sleep 0.5")])
    stop.set()
    thread.join()
    assert count > 100


def test_many_commands_leave_nothing_behind():
    hr.collect.processes([["true"]])
    before = resources()
    for outcome in hr.collect.processes([["/bin/true"]] * 500, iter=True):
        assert outcome.ok
    gc.collect()
    assert resources() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"commands": ["echo hi"]}, "never a shell line"),
        ({"commands": [[]]}, "a command is empty"),
        ({"commands": [["echo", 1]]}, "1 is not a string"),
        ({"commands": [["echo", "a\0b"]]}, "NUL byte"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"workers": 2.5}, "workers must be a whole number, not 2.5"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": None}, "timeout must be a number, not None"),
        ({"timeout": "30"}, "timeout must be a number, not '30'"),
        ({"max_output": 0}, "max_output must be a number of bytes, at least 1"),
        ({"cwd": "/no/such/folder"}, "cwd '/no/such/folder' is not a folder"),
        ({"env": {"A=B": "1"}}, "'A=B' is not a variable's name"),
        ({"env": {"A": 1}}, "env: 1 is not a string"),
        ({"stdin": 5}, "stdin must be bytes or a string, not int"),
        ({"retry": 3}, "retry must be a headrace.Retry"),
        ({"grace": -1}, "grace must be a number of seconds, at least 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: dict, message: str):
    with pytest.raises(hr.ConfigurationError) as caught:
        hr.collect.processes(**({"commands": [["true"]]} | arguments))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_outcomes_show_themselves_shortly():
    ok, failed = hr.collect.processes([["echo", "x" * 10_000], ["false"]])
    assert repr(ok).startswith("<Outcome echo xxx")
    assert "ok, 10001 bytes" in repr(ok)
    assert "exit: exit status 1" in repr(failed)
    assert len(repr(ok)) < 300
    assert failed._repr_html_().startswith("<pre>&lt;Outcome false")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def resources() -> tuple[int, int, list[str]]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), children
