"""Which units a run executes: resumes, drift, selections, seeds."""

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts


def interrupted(calls: Counter[str], folder: Path) -> hr.Pipeline:
    """Three stages over ten items; the fourth unit waits as long as there is a file "brake"."""
    brake, reached = folder / "brake", folder / "reached"
    pipe = hr.Pipeline("interrupted")

    @pipe.source
    def items(ctx: Any) -> Any:
        for number in range(10):
            yield f"k{number}", number

    @pipe.map(over=items, workers=1, version=1)
    def first(ctx: Any, n: int) -> float:
        calls["first"] += 1
        while calls["first"] == 4 and brake.exists():
            reached.touch()
            time.sleep(0.005)
        return n + float(ctx.rng.random())

    @pipe.map(over=first, workers=1)
    def second(ctx: Any, x: float) -> float:
        calls["second"] += 1
        return x * float(ctx.rng.normal())

    @pipe.step(after=second)
    def total(ctx: Any) -> float:
        calls["total"] += 1
        return sum(ctx.results(second).values())

    return pipe


def stopped_run(calls: Counter[str], store: Path, **options: Any) -> hr.Run:
    from headrace.run import start

    brake = store.parent / "brake"
    brake.touch()
    pipe = interrupted(calls, store.parent)
    run = start(pipe, None, store, modes=dict.fromkeys(pipe.stages, "run"), **options)
    scripts.until((store.parent / "reached").exists)
    run.cancel()
    brake.unlink()
    return run.join()


def test_a_cancelled_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    run = stopped_run(calls, tmp_path / "runs.db", seed=3)
    assert run.status is hr.Status.CANCELLED
    done = calls["first"]
    assert 4 <= done < 10
    resumed = run.pipeline.run(store=tmp_path / "runs.db", seed=3)
    assert resumed.id == run.id
    assert resumed.resumed
    assert resumed.status is hr.Status.SUCCEEDED
    assert calls["first"] == 10
    assert calls["second"] == 10
    straight = interrupted(Counter(), tmp_path).run(store=tmp_path / "other.db", seed=3)
    assert resumed.results("second") == straight.results("second")
    assert resumed.results("total") == straight.results("total")
    assert straight.results("second") != interrupted(Counter(), tmp_path).run(
        store=tmp_path / "third.db", seed=4
    ).results("second")


def test_resume_by_id_and_never(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    run = stopped_run(calls, tmp_path / "runs.db", seed=3)
    with pytest.raises(hr.ConfigurationError, match="no run 'nothing'"):
        run.pipeline.run(store=tmp_path / "runs.db", resume="nothing")
    new = run.pipeline.run(store=tmp_path / "runs.db", seed=3, resume=None)
    assert new.id != run.id
    assert not new.resumed
    assert calls["first"] == 10  # another run, but what is recorded is recorded
    by_id = run.pipeline.run(store=tmp_path / "runs.db", seed=3, resume=run.id)
    assert by_id.id == run.id
    assert by_id.status is hr.Status.SUCCEEDED
    with pytest.raises(hr.ConfigurationError, match="nothing to resume"):
        run.pipeline.run(store=tmp_path / "runs.db", resume=run.id)
    assert hr.open_store(tmp_path / "runs.db").verify() == []


def test_resuming_by_id_takes_the_parameters_and_the_seed_of_that_run(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    run = stopped_run(calls, tmp_path / "runs.db", seed=3)
    resumed = run.pipeline.run(store=tmp_path / "runs.db", resume=run.id)
    straight = interrupted(Counter(), tmp_path).run(store=tmp_path / "other.db", seed=3)
    assert calls["first"] == 10
    assert resumed.results("second") == straight.results("second")


def test_other_parameters_are_another_run(tmp_path: Path) -> None:
    pipe = hr.Pipeline("params")

    @pipe.step
    def echo(ctx: Any) -> int:
        if ctx.params["n"] < 0:
            raise ValueError("negative")
        return ctx.params["n"]

    store = tmp_path / "runs.db"
    failed = pipe.run({"n": -1}, store)
    assert failed.status is hr.Status.FAILED
    other = pipe.run({"n": 1}, store)
    assert other.id != failed.id
    assert other.results(echo) == 1


def build(factor: int, version: str = "1", offset: int = 0) -> hr.Pipeline:
    pipe = hr.Pipeline("drift", version=version)

    @pipe.step
    def numbers(ctx: Any) -> dict[str, int]:
        return {"a": 1, "b": 2}

    @pipe.map(over=numbers)
    def scale(ctx: Any, n: int) -> int:
        return n * factor

    @pipe.map(over=scale)
    def shift(ctx: Any, n: int) -> int:
        return n + ctx.config["offset"]

    pipe.config = {"offset": offset}  # type: ignore[attr-defined]
    return pipe


def go(pipe: hr.Pipeline, store: Path, **options: Any) -> hr.Run:
    return pipe.run(store=store, config=pipe.config, **options)  # type: ignore[attr-defined]


def test_drift_refuse_names_what_changed(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    go(build(2), store)
    assert go(build(2), store, drift="refuse").status is hr.Status.SUCCEEDED
    before = len(hr.open_store(store).runs())
    with pytest.raises(hr.ConfigurationError, match=r"scale\.code") as caught:
        go(build(3), store, drift="refuse")
    assert "shift" not in str(caught.value)
    with pytest.raises(hr.ConfigurationError, match=r"shift\.config"):
        go(build(2, offset=1), store, drift="refuse")
    with pytest.raises(hr.ConfigurationError, match=r"numbers\.version"):
        go(build(2, version="2"), store, drift="refuse")
    assert len(hr.open_store(store).runs()) == before  # a refusal leaves no trace of a run
    assert go(build(2), store).results("shift") == {"a": 2, "b": 4}
    rerun = go(build(3, offset=1), store)
    assert rerun.results("shift") == {"a": 4, "b": 7}


def test_only_start_from_and_until(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    pipe = build(2)
    until = go(pipe, store, until="scale")
    status = {stage.name: stage.status.value for stage in until.stages}
    assert status == {"numbers": "succeeded", "scale": "succeeded", "shift": "skipped"}
    only = go(build(5), store, only="shift")
    executed = {stage.name: stage.executed for stage in only.stages}
    assert (executed["numbers"], executed["scale"], executed["shift"]) == (0, 0, 2)
    assert only.results("shift") == {"a": 2, "b": 4}  # scale answered from its records
    begun = go(build(5), store, start_from="scale")
    executed = {stage.name: stage.executed for stage in begun.stages}
    assert (executed["numbers"], executed["scale"], executed["shift"]) == (0, 2, 2)
    assert begun.results("shift") == {"a": 5, "b": 10}


def test_only_a_stage_whose_inputs_are_not_recorded(tmp_path: Path) -> None:
    run = go(build(2), tmp_path / "runs.db", only="shift")
    assert run.status is hr.Status.FAILED
    assert run.failures[0].stage == "numbers"
    assert "run this stage first" in run.failures[0].message


def test_skip_existing_false_and_fresh(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    first = go(build(2), store)
    again = go(build(2), store, only="scale", skip_existing=False)
    assert {s.name: s.executed for s in again.stages} == {"numbers": 0, "scale": 2, "shift": 0}
    fresh = go(build(2), store, fresh=True)
    assert fresh.id not in (first.id, again.id)
    assert {s.name: s.executed for s in fresh.stages} == {"numbers": 1, "scale": 2, "shift": 2}
    assert fresh.results("shift") == first.results("shift")
    assert hr.open_store(store).verify() == []


def test_limits_stop_cleanly_and_resumably(tmp_path: Path) -> None:
    pipe = hr.Pipeline("limits")

    @pipe.step
    def numbers(ctx: Any) -> list[int]:
        return list(range(2000))

    @pipe.map(over=numbers, workers=2)
    def slow(ctx: Any, n: int) -> int:
        threading.Event().wait(0.01)
        return n

    store = tmp_path / "runs.db"
    run = pipe.run(store=store, max_seconds=0.3)
    assert run.status is hr.Status.CANCELLED
    assert "max_seconds" in run.message
    some = len(run.results(slow))
    assert 0 < some < 2000
    tight = pipe.run(store=store, max_memory=1_000_000)
    assert tight.id == run.id
    assert tight.status is hr.Status.CANCELLED
    assert "max_memory" in tight.message
    assert len(tight.results(slow)) >= some


def test_random_draws_depend_on_nothing_but_seed_stage_and_key(tmp_path: Path) -> None:
    pipe = hr.Pipeline("chance")

    @pipe.source
    def items(ctx: Any) -> Any:
        names = [f"k{n}" for n in range(50)]
        for name in reversed(names) if ctx.params["backwards"] else names:
            yield name, 0

    @pipe.map(over=items, workers=4)
    def draw(ctx: Any, _: int) -> list[float]:
        return ctx.rng.random(3).tolist()

    one = pipe.run({"backwards": False}, tmp_path / "a.db", seed=7, threads=1).results(draw)
    two = pipe.run({"backwards": True}, tmp_path / "b.db", seed=7, threads=4).results(draw)
    assert one == two
    assert len({tuple(draws) for draws in one.values()}) == 50
    other = pipe.run({"backwards": False}, tmp_path / "a.db", seed=8).results(draw)
    assert all(other[key] != one[key] for key in one)


def test_a_stage_that_only_leaves_out_keeps_its_drift(tmp_path: Path) -> None:
    """``only=`` runs nothing of a stage that was edited: the edit is still seen by the run after it."""

    def pipe(version: int) -> hr.Pipeline:
        pipe = hr.Pipeline("only")

        @pipe.step(version=1)
        def first(ctx: Any) -> int:
            return 1

        @pipe.step(after=first, version=version)
        def second(ctx: Any) -> int:
            return version

        return pipe

    store = tmp_path / "runs.db"
    pipe(1).run(store=store)
    assert pipe(2).run(store=store, only="first").status is hr.Status.SUCCEEDED
    with pytest.raises(hr.ConfigurationError, match="second"):
        pipe(2).run(store=store, drift="refuse")
    assert pipe(2).run(store=store).results("second") == 2
    assert pipe(2).run(store=store, drift="refuse").status is hr.Status.SUCCEEDED
