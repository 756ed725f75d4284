"""What is left of many targets: nothing. HEADRACE_TARGETS=10000 for the long form."""

import os
from pathlib import Path

import pytest
from tests.servers.farm import Farm
from tests.servers.web import Answer, WebServer

import scripts

TARGETS = int(os.environ.get("HEADRACE_TARGETS", "2000"))

MEASURED = """
    import gc, os, sys, time
    from pathlib import Path
    import headrace as hr

    def state():
        gc.collect()
        deadline = time.monotonic() + 5
        while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return pages * 4096, len(os.listdir("/proc/self/fd")), len(children), len(os.listdir("/proc/self/task"))

    def measure(work, count):
        work(count // 2)  # what is allocated once, and what the allocator keeps for the next time
        before = state()
        work(count)
        work(count)
        after = state()
        grown = (after[0] - before[0]) / 2**20
        assert grown < 8, f"{grown:.1f} MB for {2 * count} targets"
        assert after[1:] == (before[1], 0, before[3]), (before, after)
        print("flat")
"""


def test_processes_leave_nothing(tmp_path: Path):
    source = (
        MEASURED
        + """
    def work(count):
        kinds = [["echo", "x" * 1000], ["false"], ["/no/such/program"], ["sh", "-c", "yes | head -c 100000"]]
        good = 0
        for outcome in hr.collect.processes((kinds[n % 4] for n in range(count)), iter=True, max_output=50000):
            good += outcome.ok
        assert good == (count + 3) // 4
    measure(work, int(sys.argv[1]))
    """
    )
    assert scripts.run(tmp_path, source, TARGETS // 2) == "flat\n"


def test_requests_leave_nothing(tmp_path: Path):
    source = (
        MEASURED
        + """
    def work(count):
        urls = [sys.argv[2] + "/" + str(n % 7) for n in range(count)] + ["http://127.0.0.1:9/"] * (count // 10)
        outcomes = hr.collect.http(iter(urls), iter=True)
        assert sum(outcome.ok for outcome in outcomes) == count
    measure(work, int(sys.argv[1]))
    """
    )
    with WebServer(lambda request: Answer(200, b"x" * 5000)) as server:
        assert scripts.run(tmp_path, source, TARGETS, server.url) == "flat\n"


def test_ssh_sessions_leave_nothing(farm: Farm, tmp_path: Path):
    source = (
        MEASURED
        + """
    def work(count):
        hosts = [line for line in Path(sys.argv[2]).read_text().split()]
        outcomes = hr.collect.ssh((hosts[n % len(hosts)] for n in range(count)), "show config", username=sys.argv[3],
                                  key=sys.argv[4], known_hosts=sys.argv[5], iter=True, timeout=60)
        good = sum(outcome.ok for outcome in outcomes)
        assert good == count - count // len(hosts) * 3, good
    measure(work, int(sys.argv[1]))
    """
    )
    bad = [farm.fault(name) for name in ("refuse", "close_at_login", "garbage")]
    (tmp_path / "hosts").write_text("\n".join([*farm.hosts(47), *bad]))
    arguments = (TARGETS // 4 // 50 * 50, tmp_path / "hosts", farm.username, farm.key, farm.known_hosts)
    assert scripts.run(tmp_path, source, *arguments) == "flat\n"


@pytest.mark.parametrize("count", [TARGETS // 4])
def test_stages_leave_nothing(tmp_path: Path, count: int):
    source = (
        MEASURED
        + """
    def work(count):
        pipe = hr.Pipeline("many")
        @pipe.step
        def words(ctx):
            return {str(n): ["true"] if n % 2 else ["false"] for n in range(count)}
        pipe.map(hr.collect.ProcessStage(), over=words)
        run = pipe.run(store=f"runs-{count}.db", fresh=True)
        assert len(run.failures) == (count + 1) // 2
    measure(work, int(sys.argv[1]))
    """
    )
    assert scripts.run(tmp_path, source, count) == "flat\n"
