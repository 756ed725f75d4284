"""The BGP pipeline from end to end, against a script with asyncssh and asyncio's subprocesses that does the same work.

The script is what an experienced person writes in an afternoon: read all routers at once, ask for every AS once, write
the lists. It keeps no record, so it cannot go on where it was killed, and it has none of the guardrails.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from table import Row

from headrace.pipelines.bgp import DeviceInfo, PipelineResult, WorkflowOrchestrator

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.servers.farm import Farm

PEERS = ("asyncssh==2.24.1",)

SSH_WORKERS = 50
BGPQ4_WORKERS = 16

IRR = Path(__file__).resolve().parents[2] / "build/dev/tests/servers/irr_farm"


@contextmanager
def registry() -> Iterator[str]:
    """A cheap registry that knows every AS number: its cost, which both sides pay, is not what is measured."""
    with subprocess.Popen([IRR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate()


def addresses(count: int) -> list[str]:
    """Addresses of good devices of the farm; the broken ones are all in 127.0.1."""
    return [f"127.0.{2 + number // 250}.{1 + number % 250}" for number in range(count)]


class Work:
    """One round of the whole work. ``routers`` with ``peers`` AS numbers each, out of ``numbers`` different ones."""

    def __init__(self, farm: Farm, irr: str, routers: int, peers: int, numbers: int) -> None:
        self.farm = farm
        self.irr = irr
        self.hosts = addresses(routers)
        self.command = f"show bgp {peers} {numbers}"
        self.peers = peers
        self.numbers = numbers
        public = " ".join((farm.folder / "host_key.pub").read_text().split()[:2])
        self.known_hosts = farm.folder / "known_routers"
        self.known_hosts.write_text("".join(f"[{host}]:{farm.port} {public}\n" for host in self.hosts))

    def ours(self, output: Path) -> PipelineResult:
        """The pipeline in user mode: with journal, guardrails, mappings and policy files."""
        devices = [DeviceInfo(host, f"r{index}", port=self.farm.port) for index, host in enumerate(self.hosts)]
        config = {
            "ssh_username": "netops", "ssh_key_path": str(self.farm.key), "known_hosts": str(self.known_hosts),
            "parallel_workers": SSH_WORKERS, "collect_commands": {"junos": self.command}, "bgpq4_mode": "native",
            "bgpq4_host": self.irr, "bgpq4_sources": ["TEST"], "bgpq4_workers": BGPQ4_WORKERS,
        }  # fmt: skip
        result = WorkflowOrchestrator().execute_pipeline(devices, config, output)
        assert result.success, result.to_summary()
        assert len(result.router_profiles) == len(self.hosts)
        assert sum(policy.success for policy in result.policy_results) == self.numbers
        return result

    def script(self, output: Path) -> None:
        """The same with asyncssh and asyncio's subprocesses."""
        found, lists = asyncio.run(self._script())
        assert len(found) == len(self.hosts)
        assert len(lists) == self.numbers
        output.mkdir(parents=True)
        routers = {host: sorted(numbers) for host, numbers in found.items()}
        (output / "mappings.json").write_text(json.dumps(routers))
        text = [f"prefix-list AS{number} {{\n{''.join(prefixes)}}}\n" for number, prefixes in sorted(lists.items())]
        (output / "bgp_policies.txt").write_text("".join(text))

    async def _script(self) -> tuple[dict[str, set[int]], dict[int, list[str]]]:
        import asyncssh

        trusted = asyncssh.read_known_hosts(str(self.known_hosts))
        sessions, processes = asyncio.Semaphore(SSH_WORKERS), asyncio.Semaphore(BGPQ4_WORKERS)

        async def read(host: str) -> set[int]:
            options = {"known_hosts": trusted, "client_keys": [str(self.farm.key)], "agent_path": None, "config": None}
            async with sessions, asyncssh.connect(host, self.farm.port, username="netops", **options) as connection:
                text = str((await connection.run(self.command, check=True)).stdout)
            return {int(number) for number in re.findall(r"peer-as (\d+)", text)}

        async def ask(number: int, family: int) -> list[str]:
            name = f"AS{number}"
            command = ["bgpq4", "-h", self.irr, "-S", "TEST", f"-{family}", "-j", "-l", name, name]
            async with processes:
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
                out, _ = await asyncio.wait_for(process.communicate(), 45)
            return [f"    {entry['prefix']};\n" for entry in json.loads(out)[name]]

        found = dict(zip(self.hosts, await asyncio.gather(*map(read, self.hosts)), strict=True))
        numbers = sorted(set().union(*found.values()))
        asked = await asyncio.gather(*[ask(number, family) for number in numbers for family in (4, 6)])
        return found, {number: asked[2 * i] + asked[2 * i + 1] for i, number in enumerate(numbers)}


def run(quick: bool) -> list[Row]:
    """Wall time of both, and the share of each of our stages."""
    routers, numbers = (100, 100) if quick else (1000, 1000)
    rounds = 3 if quick else 5
    walls: dict[str, list[float]] = {"ours": [], "script": []}
    shares: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, registry() as irr:
        place = Path(folder) / "farm"
        place.mkdir()
        with Farm(place) as farm:
            work = Work(farm, irr, routers, 20, numbers)
            for number in range(rounds):
                begun = time.perf_counter()
                result = work.ours(Path(folder) / f"ours-{number}")
                walls["ours"].append(time.perf_counter() - begun)
                for stage, seconds in result.stage_timings.items():
                    shares.setdefault(stage, []).append(seconds / walls["ours"][-1])
                begun = time.perf_counter()
                work.script(Path(folder) / f"script-{number}")
                walls["script"].append(time.perf_counter() - begun)
    what = f"{routers} routers x 20 AS ({numbers} different), end to end"
    wall, peer = statistics.median(walls["ours"]), statistics.median(walls["script"])
    rows = [Row("bgp", f"{what}: wall", wall, "s", "<= 0.5 x peer", "script with asyncssh + asyncio", peer)]
    for stage, each in shares.items():
        share = statistics.median(each)
        if share >= 0.005:
            rows.append(Row("bgp", f"share of {stage} (stages overlap)", 100 * share, "%", "reported"))
    return rows
