"""``headrace serve``: pages over a store that a run is writing, for this machine alone."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.cli.serve import server


def odd_pipeline(pause: threading.Event | None = None) -> hr.Pipeline:
    pipe = hr.Pipeline("<odd>")

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        return {"one": 1, "<zero>": 0}

    @pipe.map(over=items)
    def inverse(ctx: Any, number: int) -> float:
        if pause is not None:
            pause.wait(30)
        return 1 / number

    return pipe


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    odd_pipeline().run(store=tmp_path / "runs.db")
    serving = server(hr.open_store(tmp_path / "runs.db"), 0)
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    yield tmp_path / "runs.db", serving.server_port
    serving.shutdown()
    thread.join()
    serving.server_close()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def test_pages_of_the_runs_and_of_one_run(served: tuple[Path, int]) -> None:
    store, port = served
    (run,) = hr.open_store(store).runs()
    status, headers, index = get(port, "/")
    assert status == 200
    assert f'href="/runs/{run.id}"' in index
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, _, page = get(port, f"/runs/{run.id}")
    assert status == 200
    assert page.count("<svg") == 3  # stages, time, errors
    assert "division by zero" in page
    assert "&lt;zero&gt;" in page
    assert "<odd>" not in page
    assert "refresh" not in page  # it is over


def test_the_same_as_json(served: tuple[Path, int]) -> None:
    store, port = served
    ((run),) = hr.open_store(store).runs()
    assert [entry["id"] for entry in json.loads(get(port, "/api/runs")[2])] == [run.id]
    whole = json.loads(get(port, f"/api/runs/{run.id}")[2])
    assert whole["status"] == "partial"
    assert {stage["name"]: stage["failed"] for stage in whole["stages"]} == {"items": 0, "inverse": 1}
    assert whole["failures"][0]["key"] == "<zero>"


def test_a_run_at_work_is_live(served: tuple[Path, int]) -> None:
    store, port = served
    pause = threading.Event()
    worker = threading.Thread(target=lambda: odd_pipeline(pause).run(store=store, fresh=True))
    worker.start()
    try:
        while len(runs := hr.open_store(store).runs()) < 2:
            assert worker.is_alive()
        assert 'http-equiv="refresh"' in get(port, f"/runs/{runs[0].id}")[2]
        assert json.loads(get(port, f"/api/runs/{runs[0].id}")[2])["status"] == "running"
    finally:
        pause.set()
        worker.join()


def test_others_get_nothing(served: tuple[Path, int]) -> None:
    _, port = served
    assert get(port, "/", host="rebound.example")[0] == 403
    for path in ("/nothing", "/runs/none", "/api/runs/none", "/../../etc/passwd"):
        status, _, text = get(port, path)
        assert (status, text.count("\n")) == (404, 0)
