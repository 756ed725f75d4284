"""The public contract, end to end: the pipeline of the documentation, with what a run answers about it."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import headrace as hr


def word_count(calls: Counter[str], version: str = "1") -> hr.Pipeline:
    """The documented example; ``calls`` counts what was executed."""
    pipe = hr.Pipeline("word-count", version=version)

    @pipe.step
    def documents(ctx: Any) -> dict[str, str]:
        return {p.name: p.read_text() for p in sorted(Path(ctx.params["folder"]).glob("*.txt"))}

    @pipe.map(
        over=documents, retry=hr.Retry(attempts=3, delay=0.01, multiplier=2.0, on=(OSError,)), timeout=30.0, workers=8
    )
    def words(ctx: Any, text: str) -> int:
        calls["words"] += 1
        return len(text.split())

    @pipe.batch(over=words, size=64)
    def double(ctx: Any, counts: list[int]) -> list[int]:
        calls["double"] += len(counts)
        return [2 * n for n in counts]

    @pipe.flat_map(over=documents)
    def chunks(ctx: Any, text: str) -> list[str]:
        calls["chunks"] += 1
        return text.split()

    @pipe.group(over=chunks, by=documents)
    def publish(ctx: Any, parts: list[tuple[Any, str]]) -> list[Any]:
        calls["publish"] += 1
        return [[list(key), value] for key, value in parts]

    @pipe.step(after=double, trigger="always")
    def report(ctx: Any) -> int:
        calls["report"] += 1
        return sum(ctx.results(double).values())

    return pipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("one two three")
    (docs / "b.txt").write_text("four five")
    (docs / "c.txt").write_text("")
    return docs


def test_the_documented_pipeline(tmp_path: Path, folder: Path) -> None:
    calls: Counter[str] = Counter()
    pipe = word_count(calls)
    run = pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db", progress="auto")
    assert isinstance(run.id, str)
    assert run.status is hr.Status.SUCCEEDED
    assert run.results("words") == {"a.txt": 3, "b.txt": 2, "c.txt": 0}
    assert run.results(pipe.stages["double"]) == {"a.txt": 6, "b.txt": 4, "c.txt": 0}
    assert run.results("chunks") == {
        ("a.txt", "0"): "one", ("a.txt", "1"): "two", ("a.txt", "2"): "three",
        ("b.txt", "0"): "four", ("b.txt", "1"): "five",
    }  # fmt: skip
    assert run.results("publish")["b.txt"] == [[["b.txt", "0"], "four"], [["b.txt", "1"], "five"]]
    assert run.results("publish")["c.txt"] == []  # a parent without children is a parent all the same
    assert run.results("report") == 10
    assert run.failures == []
    reports = {stage.name: stage for stage in run.stages}
    assert next(stage.name for stage in run.stages) == "documents"
    assert (reports["words"].total, reports["words"].executed, reports["words"].skipped, reports["words"].failed) == (
        3,
        3,
        0,
        0,
    )
    assert reports["words"].status is hr.Status.SUCCEEDED
    assert reports["words"].seconds >= 0
    assert calls == {"words": 3, "double": 3, "chunks": 3, "publish": 3, "report": 1}


def test_again_with_nothing_changed_executes_nothing(tmp_path: Path, folder: Path) -> None:
    calls: Counter[str] = Counter()
    pipe = word_count(calls)
    first = pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    calls.clear()
    again = pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    assert again.status == "succeeded"
    assert not calls
    assert again.id != first.id
    assert all(stage.executed == 0 for stage in again.stages if stage.name != "documents")
    assert again.results("report") == first.results("report")


def test_one_changed_item_executes_that_items_units(tmp_path: Path, folder: Path) -> None:
    calls: Counter[str] = Counter()
    pipe = word_count(calls)
    pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    calls.clear()
    (folder / "b.txt").write_text("four five six")
    run = pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    assert calls == {"words": 1, "double": 1, "chunks": 1, "publish": 1, "report": 1}
    assert run.results("words") == {"a.txt": 3, "b.txt": 3, "c.txt": 0}
    assert run.results("report") == 12
    assert len(run.results("publish")["b.txt"]) == 3


def test_an_added_and_a_removed_item(tmp_path: Path, folder: Path) -> None:
    calls: Counter[str] = Counter()
    pipe = word_count(calls)
    pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    calls.clear()
    (folder / "a.txt").unlink()
    (folder / "d.txt").write_text("new")
    run = pipe.run(params={"folder": str(folder)}, store=tmp_path / "runs.db")
    assert calls["words"] == 1
    assert run.results("words") == {"b.txt": 2, "c.txt": 0, "d.txt": 1}
    assert "a.txt" not in run.results("publish")
    assert run.results("report") == 6


def test_what_changed_and_changed_back_is_not_executed_again(tmp_path: Path, folder: Path) -> None:
    calls: Counter[str] = Counter()
    pipe = word_count(calls)
    store = tmp_path / "runs.db"
    pipe.run(params={"folder": str(folder)}, store=store)
    (folder / "b.txt").write_text("changed")
    pipe.run(params={"folder": str(folder)}, store=store)
    calls.clear()
    (folder / "b.txt").write_text("four five")
    run = pipe.run(params={"folder": str(folder)}, store=store)
    assert calls["words"] == 0
    assert run.results("words") == {"a.txt": 3, "b.txt": 2, "c.txt": 0}
    assert run.results("report") == 10
    assert hr.open_store(store).verify() == []


def test_editing_a_stage_runs_it_and_what_hangs_on_it(tmp_path: Path) -> None:
    def build(factor: str) -> hr.Pipeline:
        pipe = hr.Pipeline("edited")
        scope: dict[str, Any] = {}
        body = f"def scale(ctx, n):\n    return {factor}\n"
        exec(compile(body, "cell", "exec"), scope)

        @pipe.step
        def numbers(ctx: Any) -> dict[str, int]:
            return {"one": 1, "two": 2}

        scale = pipe.map(scope["scale"], over=numbers)

        @pipe.map(over=scale)
        def after(ctx: Any, n: int) -> int:
            return n + 1

        @pipe.map(over=numbers)
        def beside(ctx: Any, n: int) -> int:
            return -n

        return pipe

    store = tmp_path / "runs.db"
    build("n * 2").run(store=store)
    run = build("n * 3").run(store=store)
    executed = {stage.name: stage.executed for stage in run.stages}
    assert (executed["scale"], executed["after"], executed["beside"]) == (2, 2, 0)
    assert run.results("after") == {"one": 4, "two": 7}
    # A change that makes no difference to the results stops there.
    run = build("n * 3 + 0").run(store=store)
    executed = {stage.name: stage.executed for stage in run.stages}
    assert (executed["scale"], executed["after"]) == (2, 0)


def test_sources_stream_and_unchanged_versions_are_not_loaded(tmp_path: Path) -> None:
    loaded: list[str] = []
    versions = {"a": 1, "b": 1}
    pipe = hr.Pipeline("versions")

    @pipe.source
    def files(ctx: Any) -> Any:
        for name, version in ctx.params["versions"].items():
            yield hr.Item(
                name, version=version, load=lambda name=name, version=version: loaded.append(name) or f"{name}{version}"
            )

    @pipe.map(over=files)
    def upper(ctx: Any, text: str) -> str:
        return text.upper()

    store = tmp_path / "runs.db"
    assert pipe.run({"versions": versions}, store).results(upper) == {"a": "A1", "b": "B1"}
    assert sorted(loaded) == ["a", "b"]
    loaded.clear()
    run = pipe.run({"versions": {"a": 1, "b": 2, "c": 1}}, store)
    assert run.results(upper) == {"a": "A1", "b": "B2", "c": "C1"}
    assert sorted(loaded) == ["b", "c"]


def test_keys_are_strings_integers_and_tuples(tmp_path: Path) -> None:
    pipe = hr.Pipeline("keys")
    keys: list[Any] = ["text", 7, -1, ("a", 1), ("a", ("b", 2)), "é ☃ \U0001f600", "", 'quo"te\n']

    @pipe.source
    def items(ctx: Any) -> Any:
        for number, key in enumerate(keys):
            yield hr.Item(key, number)

    @pipe.map(over=items)
    def same(ctx: Any, number: int) -> list[Any]:
        return [number, repr(ctx.key)]

    @pipe.flat_map(over=items)
    def children(ctx: Any, number: int) -> dict[Any, int]:
        return {"x": number, 3: number}

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.failures == []
    assert run.results(same) == {key: [number, repr(key)] for number, key in enumerate(keys)}
    nested = run.results(children)
    assert nested["text", "x"] == 0
    assert nested[7, 3] == 1
    assert nested["a", 1, "x"] == 3
    assert len(nested) == 2 * len(keys)


def test_results_come_in_the_order_of_the_source(tmp_path: Path) -> None:
    pipe = hr.Pipeline("order")

    @pipe.source
    def items(ctx: Any) -> Any:
        for number in reversed(range(500)):
            yield f"k{number}", number

    @pipe.map(over=items)
    def double(ctx: Any, number: int) -> int:
        return number * 2

    @pipe.batch(over=double, size=7)
    def plus(ctx: Any, numbers: list[int]) -> list[int]:
        assert len(numbers) <= 7
        return [n + 1 for n in numbers]

    run = pipe.run(store=tmp_path / "runs.db")
    assert list(run.results(plus)) == [f"k{n}" for n in reversed(range(500))]
    assert run.results(plus)["k499"] == 999


def test_parallel_branches_and_joins(tmp_path: Path) -> None:
    pipe = hr.Pipeline("diamond")

    @pipe.step
    def start(ctx: Any) -> int:
        return 1

    @pipe.step(after=start)
    def left(ctx: Any) -> int:
        return ctx.results(start) + 10

    @pipe.step(after=start)
    def right(ctx: Any) -> int:
        return ctx.results("start") + 100

    @pipe.step(after=[left, right])
    def join(ctx: Any) -> int:
        return ctx.results(left) + ctx.results(right)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(join) == 112
    again = pipe.run(store=tmp_path / "runs.db")
    assert sum(stage.executed for stage in again.stages if stage.name != "start") == 0


def test_groups_over_maps_over_children(tmp_path: Path) -> None:
    pipe = hr.Pipeline("deep")

    @pipe.step
    def books(ctx: Any) -> dict[str, str]:
        return {"x": "a b c", "y": "d", "z": ""}

    @pipe.flat_map(over=books)
    def words(ctx: Any, text: str) -> list[str]:
        return text.split()

    @pipe.flat_map(over=words)
    def letters(ctx: Any, word: str) -> dict[str, str]:
        return {word: word, word + "2": word * 2}

    @pipe.map(over=letters)
    def upper(ctx: Any, text: str) -> str:
        return text.upper()

    @pipe.group(over=upper, by=books)
    def whole(ctx: Any, parts: list[Any]) -> list[Any]:
        return [ctx.key, [[list(key), value] for key, value in parts]]

    @pipe.group(over=upper, by=words)
    def per_word(ctx: Any, parts: list[Any]) -> int:
        return len(parts)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.failures == []
    assert run.results(whole)["y"] == ["y", [[["y", "0", "d"], "D"], [["y", "0", "d2"], "DD"]]]
    assert run.results(whole)["z"] == ["z", []]
    assert run.results(per_word) == {("x", "0"): 2, ("x", "1"): 2, ("x", "2"): 2, ("y", "0"): 2}


def test_values_of_every_codec_come_back(tmp_path: Path) -> None:
    import numpy as np

    pipe = hr.Pipeline("codecs")

    @pipe.step
    def values(ctx: Any) -> dict[str, Any]:
        return {
            "text": "é\u2028 \U0001f600", "bytes": b"\x00\xff", "tuple": (1, (2,)), "big": 2**70, "nan": float("nan"),
            "array": np.arange(6, dtype="<f4").reshape(2, 3), "none": None, "nested": {"a": [1, {"b": None}]},
        }  # fmt: skip

    @pipe.map(over=values)
    def same(ctx: Any, value: Any) -> Any:
        return value

    got = pipe.run(store=tmp_path / "runs.db").results(same)
    assert got["text"] == "é\u2028 \U0001f600"
    assert got["bytes"] == b"\x00\xff"
    assert got["tuple"] == (1, (2,))
    assert got["big"] == 2**70
    assert got["nan"] != got["nan"]
    assert got["array"].dtype == np.float32
    assert got["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert got["none"] is None
    assert got["nested"] == {"a": [1, {"b": None}]}


def test_the_context(tmp_path: Path) -> None:
    pipe = hr.Pipeline("context")
    seen: dict[str, Any] = {}

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        seen.update(step_key=ctx.key, run_id=ctx.run_id, config=ctx.config["depth"], params=ctx.params["n"])
        return {"a": 1}

    @pipe.map(over=items)
    def look(ctx: Any, n: int) -> int:
        ctx.log.info("seen")
        ctx.warn("careful with a")
        seen.update(key=ctx.key, attempt=ctx.attempt, cancelled=ctx.cancelled)
        return n

    run = pipe.run({"n": 5}, tmp_path / "runs.db", config={"depth": 3})
    assert seen == {
        "step_key": None, "run_id": run.id, "config": 3, "params": 5, "key": "a", "attempt": 1, "cancelled": False,
    }  # fmt: skip
    assert run.progress().warnings == 1
    warnings = [event for event in hr.open_store(tmp_path / "runs.db").events(run.id) if event["kind"] == "warning"]
    assert warnings[0]["detail"]["text"] == "careful with a"
    assert json.loads(warnings[0]["detail"]["key"]) == "a"


def test_history_shows_each_run_as_it_left_things(tmp_path: Path, folder: Path) -> None:
    pipe = word_count(Counter())
    store = tmp_path / "runs.db"
    first = pipe.run({"folder": str(folder)}, store)
    (folder / "b.txt").write_text("now five words are here")
    (folder / "c.txt").unlink()
    second = pipe.run({"folder": str(folder)}, store)
    opened = hr.open_store(store)
    assert [run.id for run in opened.runs()] == [second.id, first.id]
    assert opened.run(first.id).results("words") == {"a.txt": 3, "b.txt": 2, "c.txt": 0}
    assert opened.run(second.id).results("words") == {"a.txt": 3, "b.txt": 5}
    assert opened.run(first.id).results("report") == 10
    assert opened.run(first.id).status is hr.Status.SUCCEEDED
    kinds = [event["kind"] for event in opened.events(first.id)]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_succeeded")
    assert opened.verify() == []
    assert opened.prune(keep_last=1) == 1
    assert [run.id for run in opened.runs()] == [second.id]
    assert opened.run(second.id).results("words") == {"a.txt": 3, "b.txt": 5}
    assert opened.verify() == []
    with pytest.raises(hr.ConfigurationError, match="has no run"):
        opened.run(first.id)


def test_retention_by_days_and_by_bytes(tmp_path: Path, folder: Path) -> None:
    store = tmp_path / "runs.db"
    for number in range(4):
        (folder / "b.txt").write_text(f"text {number} " * 1000)
        word_count(Counter()).run({"folder": str(folder)}, store)
    opened = hr.open_store(store)
    assert opened.prune(days=1) == 0
    assert opened.prune(max_bytes=opened.size) == 0
    before = opened.size
    assert opened.prune(keep_last=3, days=0) == 1
    assert opened.prune(keep_last=2, max_bytes=0) == 1
    assert len(opened.runs()) == 2
    assert opened.size < before
    assert opened.verify() == []
    assert all(stage.executed == 0 for stage in word_count(Counter()).run({"folder": str(folder)}, store).stages)
    for wrong in ({"keep_last": 0}, {"days": -1}, {"max_bytes": -1}):
        with pytest.raises(hr.ConfigurationError, match="prune"):
            opened.prune(**wrong)


def test_plain_sqlite_reads_the_store(tmp_path: Path, folder: Path) -> None:
    word_count(Counter()).run({"folder": str(folder)}, tmp_path / "runs.db")
    plain = sqlite3.connect(tmp_path / "runs.db")
    rows = plain.execute(
        "SELECT key, value FROM results WHERE pipeline='word-count' AND stage='words' ORDER BY key"
    ).fetchall()
    plain.close()
    assert rows == [('"a.txt"', "3"), ('"b.txt"', "2"), ('"c.txt"', "0")]
