"""Durable engines that a notebook user could take instead, doing the same work: three stages an item, 192 bytes each.

``python engine_peers.py NAME ITEMS FOLDER`` prints microseconds a unit, from the first unit's start to the last one's
end: what the engine needs to start is not counted. A process each, since all of them keep global state.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

PEERS = ("joblib", "dbos==3.4.0", "cocoindex==1.0.26", "prefect==3.8.8", "fastapi==0.139.0")
STAGES = 3
began: list[float] = []


def work(text: str) -> str:
    """192 bytes out of any text; notes when the first unit began."""
    if not began:
        began.append(time.perf_counter())
    return (hashlib.sha256(text.encode()).hexdigest() * 3)[:192]


def dbos(items: int, folder: str) -> None:
    """A workflow an item in DBOS over SQLite."""
    from dbos import DBOS, SetWorkflowID

    url = f"sqlite:///{folder}/dbos.sqlite"
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
    step = DBOS.step()(work)

    @DBOS.workflow()
    def item(i: int) -> str:
        return step(step(step(f"value {i}")))

    DBOS.launch()
    for i in range(items):
        with SetWorkflowID(f"item-{i}"):
            item(i)
    tell(items)
    DBOS.destroy()


def cocoindex(items: int, folder: str) -> None:
    """Memoised functions of CocoIndex over LMDB."""
    os.environ.update(COCOINDEX_DB=f"{folder}/coco.db", COCOINDEX_DISABLE_USAGE_TRACKING="1")
    import cocoindex as coco

    memoised = [coco.fn(memo=True)(stage) for stage in (_first, _second, _third)]

    @coco.fn
    async def item(i: int) -> None:
        text = f"value {i}"
        for stage in memoised:
            text = stage(text)

    @coco.fn
    async def everything(count: int) -> None:
        await coco.mount_each(item, [(i, i) for i in range(count)])

    coco.App(coco.AppConfig(name="bench"), everything, count=items).update_blocking()
    tell(items)


def _first(text: str) -> str:
    return work(text)


def _second(text: str) -> str:
    return work(text)


def _third(text: str) -> str:
    return work(text)


def prefect(items: int, folder: str) -> None:
    """Tasks of Prefect with persisted results, on its own ephemeral server."""
    os.environ.update(
        PREFECT_HOME=f"{folder}/prefect", PREFECT_LOGGING_LEVEL="CRITICAL", DO_NOT_TRACK="1",
        PREFECT_SERVER_ANALYTICS_ENABLED="false", PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="60",
    )  # fmt: skip
    from prefect import flow, task
    from prefect.cache_policies import INPUTS, TASK_SOURCE

    tasks = [task(persist_result=True, cache_policy=INPUTS + TASK_SOURCE)(s) for s in (_first, _second, _third)]

    @flow
    def everything(count: int) -> None:
        for i in range(count):
            text = f"value {i}"
            for stage in tasks:
                text = stage(text)

    everything(items)
    tell(items)


def tell(items: int) -> None:
    """Print the figure."""
    print("us", (time.perf_counter() - began[0]) / (items * STAGES) * 1e6, flush=True)


ENGINES: dict[str, Callable[[int, str], None]] = {"cocoindex": cocoindex, "dbos": dbos, "prefect": prefect}


def measured(name: str, items: int) -> float:
    """Microseconds a unit of a peer, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, name, str(items), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, cwd=folder)
    return float(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("us ")))


if __name__ == "__main__":
    ENGINES[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
