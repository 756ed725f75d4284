"""Parallel collection against its peers: SSH, processes, HTTP."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from table import Row

import headrace as hr

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.servers.farm import Farm

PEERS = ("asyncssh==2.24.1", "paramiko==5.1.0", "parallel-ssh==2.16.0.post1", "requests", "aiohttp", "httpx")

Work = Callable[[], int]
"""Does the whole work and answers how many targets were good."""

SLOW_WEB = Path(__file__).resolve().parents[2] / "build/dev/tests/servers/slow_web"


def run(quick: bool) -> list[Row]:
    """All figures of this topic."""
    rounds = 3 if quick else 7
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += process_rows(rounds, 1000)  # while this process is small, as the floor's was
        rows += http_rows(rounds, 500)
        rows += ssh_rows(Path(folder), rounds)
        rows += [faulty_row(Path(folder)), *stage_rows(Path(folder), rounds)]
        rows += leak_rows(Path(folder), 1000 if quick else 10_000)
    return rows


def measure(tools: dict[str, Work], count: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall seconds and CPU milliseconds a target of each tool, the tools taking turns."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, work in tools.items():
            cpu, begun = own_cpu(), time.perf_counter()
            good = work()
            samples[name].append((time.perf_counter() - begun, (own_cpu() - cpu) / count * 1000))
            assert good == count, f"{name}: {good} of {count} good"
    return {
        name: (statistics.median(wall for wall, _ in each), statistics.median(cpu for _, cpu in each))
        for name, each in samples.items()
    }


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ssh_tools(farm: Farm, workers: int) -> dict[str, Work]:
    """200 answers of 50 KB with each library."""
    import asyncssh
    import paramiko
    from pssh.clients import ParallelSSHClient

    hosts = [host.partition(":")[0] for host in farm.hosts(200)]
    key = str(farm.key)
    trusted = asyncssh.read_known_hosts(str(farm.known_hosts))
    known = paramiko.hostkeys.HostKeys(str(farm.known_hosts))
    login = {"username": "netops", "key": key, "known_hosts": farm.known_hosts}

    def ours() -> int:
        outcomes = hr.collect.ssh(farm.hosts(200), "show config", workers=workers, **login)
        return sum(len(outcome.stdout) == 50_000 for outcome in outcomes if outcome.ok)

    def with_asyncssh() -> int:
        async def one(host: str, limit: asyncio.Semaphore) -> bool:
            options = {"known_hosts": trusted, "client_keys": [key], "agent_path": None, "config": None}
            async with limit, asyncssh.connect(host, farm.port, username="netops", **options) as connection:
                return len((await connection.run("show config", check=True)).stdout) == 50_000

        async def everything() -> int:
            limit = asyncio.Semaphore(workers)
            return sum(await asyncio.gather(*[one(host, limit) for host in hosts]))

        return asyncio.run(everything())

    def with_paramiko() -> int:
        private = paramiko.Ed25519Key.from_private_key_file(key)

        def one(host: str) -> bool:
            client = paramiko.SSHClient()
            client._host_keys = known
            client.connect(host, farm.port, "netops", pkey=private, look_for_keys=False, allow_agent=False)
            with client:
                return len(client.exec_command("show config")[1].read()) == 50_000

        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(one, hosts))

    def with_parallel_ssh() -> int:
        client = ParallelSSHClient(hosts, user="netops", port=farm.port, pkey=key, pool_size=workers)
        return sum(len(list(output.stdout)) > 500 for output in client.run_command("show config"))

    return {"ours": ours, "asyncssh": with_asyncssh, "paramiko": with_paramiko, "parallel-ssh": with_parallel_ssh}


def ssh_rows(folder: Path, rounds: int) -> list[Row]:
    rows: list[Row] = []
    for latency, workers, wall_goal in ((0, 50, "<= 0.26"), (300, 200, "<= 0.56")):
        place = folder / str(latency)
        place.mkdir()
        with Farm(place, latency_ms=latency) as farm:
            figures = measure(ssh_tools(farm, workers), 200, rounds)
        what = f"200 hosts x 50 KB, {latency} ms latency, {workers} at once"
        ours = figures.pop("ours")
        for peer, (wall, cpu) in figures.items():
            rows.append(Row("collect", f"{what}: wall", ours[0], "s", wall_goal, peer, wall))
            if latency == 0:
                rows.append(Row("collect", f"{what}: own CPU a host", ours[1], "ms", "<= 1.1", peer, cpu))
    return rows


def faulty_row(folder: Path) -> Row:
    """Ten targets: refused, silent, another host key, hanging and dripping output, and five good ones; 5 s each."""
    place = folder / "faults"
    place.mkdir()
    with Farm(place) as farm:
        known = [line for line in farm.known_hosts.read_text().splitlines() if not line.startswith("[127.0.1.7]")]
        (place / "others").write_text("\n".join(known))
        bad = ["127.0.1.250:9", farm.fault("silent"), f"127.0.1.7:{farm.port}", farm.fault("hang"), farm.fault("drip")]
        login = {"username": farm.username, "key": farm.key, "known_hosts": place / "others"}
        begun = time.perf_counter()
        outcomes = hr.collect.ssh(bad + farm.hosts(5), "show config", timeout=5, **login)
        wall = time.perf_counter() - begun
    kinds = [outcome.error_type for outcome in outcomes]
    assert kinds == ["unreachable", "timeout", "host_key", "timeout", "timeout", *[None] * 5], kinds
    return Row("collect", "ten targets, five of them faulty, 5 s each: wall", wall, "s", "<= 5.3")


def stage_rows(folder: Path, rounds: int) -> list[Row]:
    """The same work as a stage, with a durable record of each answer, and as a call."""

    def stage(kind: Any, values: list[Any]) -> int:
        pipe = hr.Pipeline("bench")
        pipe.step(lambda ctx: {str(n): value for n, value in enumerate(values)}, name="targets")
        pipe.map(kind, over="targets", name="asked")
        return len(pipe.run(store=folder / "stages.db", fresh=True).results("asked"))

    place = folder / "stages"
    place.mkdir()
    with Farm(place) as farm:
        login = {"username": farm.username, "key": farm.key, "known_hosts": farm.known_hosts}
        work = {
            "ours": lambda: stage(hr.collect.SshStage("show config", **login), farm.hosts(200)),
            "call": lambda: sum(o.ok for o in hr.collect.ssh(farm.hosts(200), "show config", **login)),
        }
        ssh = measure(work, 200, rounds)
    work = {
        "ours": lambda: stage(hr.collect.ProcessStage(["/bin/true"]), list(range(300))),
        "call": lambda: sum(o.ok for o in hr.collect.processes([["/bin/true"]] * 300)),
    }
    processes = measure(work, 300, rounds)
    return [
        Row("collect", "200 hosts x 50 KB as SshStage: wall", ssh["ours"][0], "s", "", "ssh()", ssh["call"][0]),
        Row("collect", "300 processes as ProcessStage", 300 / processes["ours"][0], "/s", "", "processes()",
            300 / processes["call"][0]),
    ]  # fmt: skip


def process_rows(rounds: int, count: int) -> list[Row]:
    command = ["/bin/true"]

    def ours() -> int:
        return sum(outcome.ok for outcome in hr.collect.processes([command] * count))

    def with_threads() -> int:
        def one(_: int) -> bool:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
            return done.returncode == 0

        with ThreadPoolExecutor(16) as pool:
            return sum(pool.map(one, range(count)))

    def with_asyncio() -> int:
        async def one(limit: asyncio.Semaphore) -> bool:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            async with limit:
                process = await asyncio.create_subprocess_exec(*command, **pipes)
                await asyncio.wait_for(process.communicate(), 30)
                return process.returncode == 0

        async def everything() -> int:
            limit = asyncio.Semaphore(16)
            return sum(await asyncio.gather(*[one(limit) for _ in range(count)]))

        return asyncio.run(everything())

    figures = measure({"ours": ours, "subprocess + threads": with_threads, "asyncio": with_asyncio}, count, rounds)
    mine = figures.pop("ours")
    rows = []
    for peer, (wall, cpu) in figures.items():
        rate = Row("collect", f"{count} processes, 16 at once", count / mine[0], "/s", ">= 2,800", peer, count / wall)
        rows += [rate, Row("collect", "own CPU a process", mine[1], "ms", "<= 0.06", peer, cpu)]
    return rows


@contextmanager
def http_server(delay_ms: int = 20) -> Iterator[str]:
    """A web server that thinks so long before it answers with 12 KB."""
    server = subprocess.Popen([SLOW_WEB, str(delay_ms), "12000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


def http_tools(url: str, count: int) -> dict[str, Work]:
    """``count`` GETs of 12 KB, 32 at once, with each library."""
    import aiohttp
    import httpx
    import requests

    def ours() -> int:
        return sum(len(outcome.stdout) == 12_000 for outcome in hr.collect.http([url] * count))

    def with_requests() -> int:
        with requests.Session() as session, ThreadPoolExecutor(32) as pool:
            session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
            return sum(pool.map(lambda _: len(session.get(url).content) == 12_000, range(count)))

    def with_aiohttp() -> int:
        async def everything() -> int:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:

                async def one() -> bool:
                    async with session.get(url) as response:
                        return len(await response.read()) == 12_000

                return sum(await asyncio.gather(*[one() for _ in range(count)]))

        return asyncio.run(everything())

    def with_httpx() -> int:
        async def everything() -> int:
            async with httpx.AsyncClient(limits=httpx.Limits(max_connections=32), timeout=60) as client:
                answers = await asyncio.gather(*[client.get(url) for _ in range(count)])
                return sum(len(answer.content) == 12_000 for answer in answers)

        return asyncio.run(everything())

    return {"ours": ours, "requests + threads": with_requests, "aiohttp": with_aiohttp, "httpx": with_httpx}


def http_rows(rounds: int, count: int) -> list[Row]:
    with http_server() as url:
        figures = measure(http_tools(url, count), count, rounds)
    mine = figures.pop("ours")[0]
    what = f"{count} GETs of 12 KB, 20 ms delay, 32 at once"
    return [
        Row("collect", what, count / mine, "/s", ">= 1,450", peer, count / wall) for peer, (wall, _) in figures.items()
    ]


def leak_rows(folder: Path, count: int) -> list[Row]:
    """What is left of many targets of each kind, after a tenth of them for what is allocated once."""
    place = folder / "leaks"
    place.mkdir()
    with Farm(place) as farm, http_server(delay_ms=0) as url:
        login = {"username": farm.username, "key": farm.key, "known_hosts": farm.known_hosts}
        kinds: dict[str, Callable[[int], Iterable[hr.collect.Outcome]]] = {
            "processes": lambda n: hr.collect.processes([["/bin/true"]] * n, iter=True),
            "GETs": lambda n: hr.collect.http([url] * n, iter=True),
            "SSH sessions": lambda n: hr.collect.ssh(farm.hosts(n), "show config", iter=True, **login),
        }
        return [row for kind, work in kinds.items() for row in leaks_of(f"{count:,} {kind}", work, count)]


def leaks_of(what: str, work: Callable[[int], Iterable[hr.collect.Outcome]], count: int) -> list[Row]:
    def state() -> tuple[float, int]:
        gc.collect()
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return memory, len(os.listdir("/proc/self/fd")) + len(os.listdir("/proc/self/task")) + len(children)

    assert sum(outcome.ok for outcome in work(count // 10)) == count // 10
    memory, held = state()
    begun = time.perf_counter()
    assert sum(outcome.ok for outcome in work(count)) == count
    rate = count / (time.perf_counter() - begun)
    memory_after, held_after = state()
    return [
        Row("collect", f"{what}, {rate:,.0f}/s: memory grown", memory_after - memory, "MB", "flat"),
        Row("collect", f"{what}: descriptors, threads and zombies left", held_after - held, "", "0"),
    ]
