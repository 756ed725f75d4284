"""The runs over time, and what more documents would take."""

import json
import sqlite3

import pytest
from documents_shelf import Shelf, copy_samples

import headrace as hr
from headrace.cli import main
from headrace.pipelines import documents
from headrace.pipelines.documents.analytics import History, RunFigures


def figures(day: float, count: int, status: str = "succeeded") -> RunFigures:
    return RunFigures("r", "documents:a:1", status, day * 86400, 10.0, count, 5, count - 5, 0, 12)


def test_growth_is_a_line_through_the_whole_runs() -> None:
    past = History((figures(0, 100), figures(1, 110), figures(1.5, 3, "failed"), figures(2, 120), figures(4, 140)))
    assert past.documents_a_day == pytest.approx(10)
    assert past.documents == 140
    assert past.runs[0].documents_per_second == 0.5
    assert History(past.runs[:1]).documents_a_day == 0
    assert History((figures(0, 100), figures(0.01, 200))).documents_a_day == 0  # minutes apart: no growth to speak of
    assert "succeeded" in past._repr_html_()


def test_history_and_forecast_of_real_runs(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    first = shelf.run()
    copy_samples(shelf.folder, "PR-051*")
    (shelf.folder / "bad.docx").write_bytes(b"PK\x03\x04 broken")
    second = shelf.run()
    past = documents.history(shelf.store)
    assert [run.run for run in past.runs] == [first.run.id, second.run.id]
    counts = [(run.documents, run.converted, run.unchanged, run.failed) for run in past.runs]
    assert counts == [(8, 8, 0, 0), (10, 1, 8, 1)]
    assert past.runs[0].chunks == first.counts["chunks"]
    assert past.documents == 10

    small, large = (documents.forecast(count, shelf.store, shelf.vectors) for count in (10, 1000))
    assert large.seconds == pytest.approx(100 * small.seconds)
    assert large.store_bytes == pytest.approx(100 * small.store_bytes, rel=0.01)
    assert large.vector_bytes and small.vector_bytes
    assert large.vector_bytes == pytest.approx(100 * small.vector_bytes, rel=0.01)
    assert (small.measured, large.days_until) == (9, None)
    store = sqlite3.connect(shelf.store)
    row = store.execute("SELECT started_ms FROM run ORDER BY number").fetchone()
    store.close()
    assert past.runs[0].started_at == pytest.approx(row[0] / 1000)
    assert documents.forecast(10, shelf.store, "http://127.0.0.1:6333").vector_bytes is None

    command = ["documents", "history", "--store", shelf.store, "--vectors", shelf.vectors, "--documents", "5000"]
    assert main(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 4
    assert told[3].startswith("5,000 documents: ")
    assert told[3].endswith("(from 9 documents measured; only a rough figure, from less than 1,000)")
    assert main([*command, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["forecast"]
    assert (shown["documents"], shown["measured"], shown["rough"]) == (5000, 9, True)


def test_nothing_to_go_by(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", "history", "--store", shelf.store]) == 2
    assert shelf.store in capsys.readouterr().err
    pipe = hr.Pipeline("other")
    pipe.step(lambda ctx: 1, name="one", version="1")
    pipe.run(store=shelf.store, progress=False)
    with pytest.raises(hr.ConfigurationError, match="has no finished run that converted documents"):
        documents.forecast(100, shelf.store)
    with sqlite3.connect(shelf.store) as store:
        assert store.execute("SELECT count(*) FROM run").fetchone() == (1,)
    store.close()
