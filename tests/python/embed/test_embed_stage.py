"""hr.embed.EmbedStage in pipelines, and the run store as the cache of a Batcher."""

import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
import scripts
from headrace.embed import Batcher, EmbedStage, HashedEmbedder, HttpEmbedder
from headrace.errors import ConfigurationError
from servers.embeddings import EmbeddingsServer


class Model:
    """Rows that tell texts apart; keeps what it was given."""

    model_id = "model-1"
    dim = 3
    max_tokens = 100
    batch_invariant = True

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def embed(self, texts: Any) -> Any:
        self.calls.append(list(texts))
        return np.array([[len(t), sum(map(ord, t)) % 997, 1] for t in texts], np.float32)

    def count_tokens(self, texts: Any) -> list[int]:
        return [len(text) for text in texts]

    @property
    def seen(self) -> list[str]:
        return [text for call in self.calls for text in call]


def documents(values: Any) -> tuple[hr.Pipeline, Any]:
    pipe = hr.Pipeline("embedding")

    @pipe.step
    def texts(ctx: hr.Context) -> Any:
        return values

    @pipe.flat_map(over=texts)
    def chunks(ctx: hr.Context, text: str) -> list[dict[str, Any]]:
        return [{"text": part, "n": n} for n, part in enumerate(text.split("|"))]

    return pipe, chunks


def test_rows_for_each_item_in_batches_across_documents(tmp_path: Path):
    model = Model()
    pipe, chunks = documents({f"d{n}": "|".join(f"{n}-{i}" for i in range(10)) for n in range(20)})
    vectors = pipe.map(EmbedStage(model, max_tokens=64), over=chunks)

    @pipe.group(over=vectors, by="texts")
    def publish(ctx: hr.Context, parts: Any) -> list[float]:
        assert all(row.dtype == np.float32 and row.shape == (3,) for _, row in parts)
        return [float(row[0]) for _, row in parts]

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.SUCCEEDED, run.failures
    assert run.results(publish)["d12"] == [4.0] * 10
    assert len(model.seen) == 200
    assert any(len({text.split("-")[0] for text in call}) > 1 for call in model.calls)
    report = next(stage for stage in run.stages if stage.name == "embed")
    assert (report.executed, report.total) == (200, 200)


@pytest.mark.parametrize("form", ["map", "batch"])
def test_all_call_forms(tmp_path: Path, form: str):
    pipe, chunks = documents({"a": "x|yy|zzz"})
    decorator = getattr(pipe, form)
    one = decorator(EmbedStage(Model()), over=chunks)
    two = decorator(over=chunks, name="second")(EmbedStage(Batcher(Model(), 8)))
    run = pipe.run(store=tmp_path / "runs.db")
    assert [row[0] for row in run.results(one).values()] == [1, 2, 3]
    assert [row[0] for row in run.results(two).values()] == [1, 2, 3]


def test_an_edited_document_embeds_only_its_new_chunks(tmp_path: Path):
    values = {"a": "one|two|three", "b": "four|one"}
    model = Model()
    pipe, chunks = documents(values)
    pipe.map(EmbedStage(model), over=chunks)
    pipe.run(store=tmp_path / "runs.db")
    assert sorted(model.seen) == ["four", "one", "three", "two"]
    values["a"] = "one|two and a half|three|four"
    model.calls.clear()
    run = pipe.run(store=tmp_path / "runs.db", fresh=True)
    assert model.seen == ["two and a half"]
    assert run.results("embed")[("a", "3")][0] == 4


def test_a_poison_text_is_a_dead_letter_and_the_others_go_on(tmp_path: Path):
    class Picky(Model):
        def embed(self, texts: Any) -> Any:
            if "poison" in texts:
                raise ValueError("I don't like it")
            return super().embed(texts)

    pipe, chunks = documents({"a": "one|poison|three", "b": "x" * 101})
    pipe.map(EmbedStage(Picky()), over=chunks)
    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.PARTIAL
    letters = {letter.key: letter for letter in run.failures}
    assert set(letters) == {("a", "1"), ("b", "0")}
    assert letters["a", "1"].error_type == "EmbeddingError" and "I don't like it" in letters["a", "1"].message
    assert "has 101 tokens" in letters["b", "0"].message
    assert set(run.results("embed")) == {("a", "0"), ("a", "2")}


def test_what_the_model_calls_fatal_is_told(tmp_path: Path):
    class Misconfigured(Model):
        def embed(self, texts: Any) -> Any:
            raise ConfigurationError("no such model: see the list")

    pipe, chunks = documents({"a": "one|two"})
    pipe.map(EmbedStage(Misconfigured()), over=chunks)
    run = pipe.run(store=tmp_path / "runs.db")
    assert {letter.error_type for letter in run.failures} == {"ConfigurationError"}
    assert "no such model: see the list" in run.failures[0].message


def test_a_server_that_comes_back_is_asked_again(tmp_path: Path):
    with EmbeddingsServer() as server:
        server.rule = lambda body, number: (500, "down", {}) if number < 4 else None
        pipe, chunks = documents({"a": "one|two|three"})
        pipe.map(
            EmbedStage(HttpEmbedder(server.url, "small", attempts=1)),
            over=chunks,
            retry=hr.Retry(attempts=10, delay=0.01),
        )
        run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.SUCCEEDED, run.failures


def test_a_killed_run_goes_on_inside_its_big_document(tmp_path: Path):
    source = """
        import sys, time
        import numpy as np
        import headrace as hr

        def embed(texts):
            with open("seen", "a") as file:
                file.writelines(text + "\\n" for text in texts)
            time.sleep(0.01)
            return np.ones((len(texts), 4), np.float32)

        pipe = hr.Pipeline("big")
        @pipe.step
        def documents(ctx):
            return {"big": 600}
        @pipe.flat_map(over=documents)
        def chunks(ctx, n):
            return [f"chunk {i}" for i in range(n)]
        pipe.map(hr.embed.EmbedStage(embed, model_id="m", max_tokens=16, max_batch=2), over=chunks)
        print("ready", flush=True)
        run = pipe.run(store="runs.db")
        print(run.status, len(run.results("embed")))
    """
    process = scripts.start(tmp_path, source)
    seen = tmp_path / "seen"
    scripts.until(lambda: seen.exists() and seen.read_text().count("\n") > 150)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = seen.read_text().splitlines()
    assert len(before) < 500, "it was too quick: the kill came after the first window"
    output = scripts.run(tmp_path, source)
    assert output.endswith("succeeded 600\n")
    after = seen.read_text().splitlines()
    twice = len(after) - 600
    assert 0 <= twice <= 60  # what was held back for a quarter of a second, and what was in flight


def test_ctrl_c_stops_between_batches(tmp_path: Path):
    source = """
        import time
        import numpy as np
        import headrace as hr
        def embed(texts):
            time.sleep(0.02)
            return np.ones((len(texts), 4), np.float32)
        pipe = hr.Pipeline("interrupted")
        @pipe.step
        def texts(ctx):
            return {str(n): f"text {n}" for n in range(2000)}
        pipe.map(hr.embed.EmbedStage(embed, model_id="m", max_tokens=16, max_batch=2), over=texts)
        print("ready", flush=True)
        pipe.run(store="runs.db")
    """
    process = scripts.start(tmp_path, source)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(1)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert time.monotonic() - begin < 1.5
    process.communicate()
    stored = hr.open_store(tmp_path / "runs.db")
    assert stored.runs()[0].status is hr.Status.CANCELLED
    assert stored.sql("SELECT count(*) AS n FROM vector")[0]["n"] > 20
    assert stored.verify() == []


def test_the_store_is_a_cache_for_a_batcher(tmp_path: Path):
    path = tmp_path / "runs.db"
    first, second, other = Model(), Model(), Model()
    other.model_id = "model-2"
    rows = Batcher(first, cache=str(path)).embed(["a", "bb", "a"])
    again = Batcher(second, cache=hr.open_store(path))
    assert np.array_equal(again.embed(["bb", "a"]), rows[[1, 0]])
    assert second.calls == [] and again.stats.cached == 2
    Batcher(other, cache=path).embed(["a"])
    assert other.seen == ["a"]
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    with pytest.raises(ConfigurationError, match="model_id"):
        Batcher(lambda texts: np.ones((len(texts), 2)), cache=path)


def test_a_damaged_vector_is_never_used(tmp_path: Path):
    path = tmp_path / "runs.db"
    model = Model()
    good = Batcher(model, cache=path).embed(["a", "bb", "ccc"])
    database = sqlite3.connect(path)
    database.execute("UPDATE vector SET value=zeroblob(12) WHERE id=2")
    database.commit()
    database.close()
    (fault,) = hr.open_store(path).verify()
    assert "vector" in fault
    model.calls.clear()
    assert np.array_equal(Batcher(model, cache=path).embed(["a", "bb", "ccc"]), good)
    assert len(model.seen) == 1
    assert hr.open_store(path).verify() == []


def test_no_cache_where_it_is_not_wanted(tmp_path: Path):
    for stage in (EmbedStage(Model(), cache=None), EmbedStage(Model().embed)):
        pipe, chunks = documents({"a": "one|two"})
        pipe.map(stage, over=chunks)
        run = pipe.run(store=tmp_path / "runs.db", fresh=True)
        assert len(run.results("embed")) == 2
    assert hr.open_store(tmp_path / "runs.db").sql("SELECT * FROM vector") == []
    kept: dict[str, Any] = {}
    pipe, chunks = documents({"a": "one|two"})
    pipe.map(EmbedStage(Model(), cache=kept), over=chunks)
    pipe.run(store=tmp_path / "other.db")
    assert len(kept) == 2


def test_another_model_runs_again_and_the_same_does_not(tmp_path: Path):
    def run_with(model: Any) -> Any:
        pipe, chunks = documents({"a": "one|two"})
        pipe.map(EmbedStage(model), over=chunks)
        return next(stage for stage in pipe.run(store=tmp_path / "runs.db").stages if stage.name == "embed")

    other = Model()
    other.model_id = "model-2"
    assert run_with(Model()).executed == 2
    assert run_with(Model()).skipped == 2
    assert run_with(other).executed == 2


def test_wrong_settings_are_named():
    with pytest.raises(ConfigurationError, match="embedder or a function"):
        EmbedStage(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="settings of a batcher are its own"):
        EmbedStage(Batcher(Model()), max_tokens=3)
    with pytest.raises(ConfigurationError, match="field"):
        EmbedStage(Model(), field="")
    with pytest.raises(ConfigurationError, match="cache must be"):
        EmbedStage(Model(), cache=7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="max_batch"):
        EmbedStage(Model(), max_batch=0)
    with pytest.raises(ConfigurationError, match="window must be a whole number"):
        EmbedStage(Model(), window="many")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"'stor'.*another store is hr\.open_store"):
        EmbedStage(Model(), cache="stor")  # type: ignore[arg-type]


def test_the_cache_of_a_batcher_is_its_own_wherever_it_lies(tmp_path: Path):
    pipe, chunks = documents({"a": "one|two"})
    batcher = Batcher(Model(), cache=str(tmp_path / "vectors.db"))
    pipe.map(EmbedStage(batcher), over=chunks)
    assert pipe.run(store=tmp_path / "runs.db").status is hr.Status.SUCCEEDED
    assert (tmp_path / "vectors.db").exists()


def test_odd_values_are_dead_letters(tmp_path: Path):
    pipe = hr.Pipeline("odd")

    @pipe.step
    def items(ctx: hr.Context) -> Any:
        return {"good": "x", "number": 7, "bytes": b"x", "empty": "", "nul": "a\0b", "surrogate": "\ud800"}

    pipe.map(EmbedStage(Model()), over=items)
    run = pipe.run(store=tmp_path / "runs.db")
    assert set(run.results("embed")) == {"good", "empty", "nul"}
    assert {letter.key for letter in run.failures} == {"number", "bytes", "surrogate"}
    assert all(letter.error_type == "ConfigurationError" for letter in run.failures)


def test_the_hashed_embedder_as_a_stage(tmp_path: Path):
    embedder = HashedEmbedder()
    pipe, chunks = documents({"a": "a river|a router", "b": "a river"})
    pipe.map(EmbedStage(embedder), over=chunks)
    run = pipe.run(store=tmp_path / "runs.db")
    rows = run.results("embed")
    assert np.array_equal(rows["a", "0"], rows["b", "0"])
    assert np.array_equal(rows["a", "1"], embedder.embed(["a router"])[0])
