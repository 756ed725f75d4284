"""Units that fail: retries, timeouts, triggers, dead letters, stops, and bad input of every kind."""

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import headrace as hr


def numbers_pipeline(name: str = "numbers") -> tuple[hr.Pipeline, Any]:
    pipe = hr.Pipeline(name)

    @pipe.step
    def numbers(ctx: Any) -> dict[str, int]:
        return {"zero": 0, "one": 1, "two": 2}

    return pipe, numbers


def test_a_unit_that_fails_becomes_a_dead_letter_and_the_rest_goes_on(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.map(over=numbers)
    def inverse(ctx: Any, n: int) -> float:
        return 1 / n

    @pipe.map(over=inverse)
    def plus(ctx: Any, x: float) -> float:
        return x + 1

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.PARTIAL
    assert run.results(plus) == {"one": 2.0, "two": 1.5}
    (failure,) = run.failures
    assert (failure.stage, failure.key, failure.error_type, failure.attempts) == (
        "inverse",
        "zero",
        "ZeroDivisionError",
        1,
    )
    assert failure.message == "division by zero"
    assert failure.category == "code"
    report = {stage.name: stage for stage in run.stages}
    assert (report["inverse"].failed, report["plus"].total) == (1, 2)
    stored = hr.open_store(tmp_path / "runs.db").run(run.id)
    assert [(f.stage, f.key) for f in stored.failures] == [("inverse", "zero")]
    trace = hr.open_store(tmp_path / "runs.db").sql("SELECT traceback FROM failure")[0]["traceback"]
    assert "return 1 / n" in trace


def test_retries_wait_longer_and_count_attempts(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()
    tries: Counter[str] = Counter()
    times: list[float] = []

    @pipe.map(over=numbers, retry=hr.Retry(attempts=3, delay=0.05, multiplier=2.0, on=(OSError,)))
    def flaky(ctx: Any, n: int) -> int:
        tries[ctx.key] += 1
        assert ctx.attempt == tries[ctx.key]
        if ctx.key == "one":
            times.append(time.monotonic())
            if ctx.attempt < 3:
                raise OSError("not yet")
        if ctx.key == "two":
            raise ValueError("not worth a retry")
        return n

    run = pipe.run(store=tmp_path / "runs.db")
    assert tries == {"zero": 1, "one": 3, "two": 1}
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] >= 0.10
    assert run.results(flaky) == {"zero": 0, "one": 1}
    assert [(f.key, f.attempts) for f in run.failures] == [("two", 1)]
    assert next(stage for stage in run.stages if stage.name == "flaky").retries == 2


def test_retries_that_run_out(tmp_path: Path) -> None:
    pipe = hr.Pipeline("runs-out")

    @pipe.step(retry=hr.Retry(attempts=3, delay=0.01))
    def never(ctx: Any) -> None:
        raise RuntimeError("always")

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.FAILED
    assert [(f.stage, f.key, f.attempts) for f in run.failures] == [("never", None, 3)]


def test_a_callable_that_never_returns_is_abandoned_and_says_so(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()
    forever = threading.Event()

    @pipe.map(over=numbers, timeout=0.3, workers=2)
    def stuck(ctx: Any, n: int) -> int:
        if n == 1:
            forever.wait(30)
        return n

    began = time.monotonic()
    run = pipe.run(store=tmp_path / "runs.db")
    took = time.monotonic() - began
    forever.set()
    assert took < 5
    assert run.results(stuck) == {"zero": 0, "two": 2}
    (failure,) = run.failures
    assert failure.key == "one"
    assert failure.error_type == "TimeoutError"
    assert "0.3" in failure.message
    assert "abandoned" in failure.message


def test_what_an_abandoned_unit_answers_late_is_discarded(tmp_path: Path) -> None:
    pipe = hr.Pipeline("late")
    release = threading.Event()
    answered = threading.Event()

    @pipe.step(timeout=0.2)
    def late(ctx: Any) -> str:
        release.wait(20)
        answered.set()
        return "late"

    run = pipe.run(store=tmp_path / "runs.db")
    release.set()
    answered.wait(5)
    time.sleep(0.1)
    assert run.status is hr.Status.FAILED
    assert run.results(late) is None
    assert hr.open_store(tmp_path / "runs.db").sql("SELECT * FROM results") == []


def test_timeouts_are_retried(tmp_path: Path) -> None:
    pipe = hr.Pipeline("slow-once")
    release = threading.Event()

    @pipe.step(timeout=0.2, retry=hr.Retry(attempts=2, delay=0.01))
    def slow_once(ctx: Any) -> int:
        if ctx.attempt == 1:
            release.wait(20)
        return ctx.attempt

    run = pipe.run(store=tmp_path / "runs.db")
    release.set()
    assert run.results(slow_once) == 2
    assert run.status is hr.Status.SUCCEEDED


@pytest.mark.parametrize("broken", [True, False])
def test_triggers(tmp_path: Path, broken: bool) -> None:
    pipe = hr.Pipeline("triggers")
    ran: list[str] = []

    @pipe.step
    def work(ctx: Any) -> int:
        if ctx.params["broken"]:
            raise OSError("broken")
        return 1

    @pipe.step(after=work)
    def on_success(ctx: Any) -> None:
        ran.append("on_success")

    @pipe.step(after=work, trigger="on_failure")
    def on_failure(ctx: Any) -> None:
        ran.append("on_failure")

    @pipe.step(after=work, trigger="always")
    def always(ctx: Any) -> None:
        ran.append("always")

    run = pipe.run({"broken": broken}, tmp_path / "runs.db")
    assert sorted(ran) == (["always", "on_failure"] if broken else ["always", "on_success"])
    status = {stage.name: stage.status.value for stage in run.stages}
    assert status["on_success"] == ("skipped" if broken else "succeeded")
    assert status["on_failure"] == ("succeeded" if broken else "skipped")
    assert run.status == ("failed" if broken else "succeeded")


def test_on_error_stop_raises_the_stage_and_the_item(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.map(over=numbers)
    def inverse(ctx: Any, n: int) -> float:
        return 1 / n

    with pytest.raises(hr.StageError) as caught:
        pipe.run(store=tmp_path / "runs.db", on_error="stop")
    assert caught.value.stage == "inverse"
    assert caught.value.key == "zero"
    assert str(caught.value).count("inverse") == 1
    assert "division by zero" in str(caught.value)
    stored = hr.open_store(tmp_path / "runs.db").runs()[0]
    assert stored.status is hr.Status.FAILED
    assert stored.failures[0].key == "zero"


def test_on_error_of_a_stage_goes_before_that_of_the_run(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.map(over=numbers, on_error="collect")
    def tolerant(ctx: Any, n: int) -> float:
        return 1 / n

    @pipe.step(after=tolerant, on_error="stop")
    def strict(ctx: Any) -> None:
        raise ValueError("enough")

    with pytest.raises(hr.StageError, match="strict"):
        pipe.run(store=tmp_path / "runs.db")
    assert hr.open_store(tmp_path / "runs.db").runs()[0].results("tolerant") == {"one": 1.0, "two": 0.5}


def test_retry_failed_runs_just_the_dead_letters(tmp_path: Path) -> None:
    pipe = hr.Pipeline("again")
    fixed = tmp_path / "fixed"  # what a stage closes over is part of its code: a list that grows would run all again
    ran: list[Any] = []

    @pipe.source
    def items(ctx: Any) -> Any:
        for key in ("a", ("b", 1), 3, "d"):
            yield hr.Item(key, str(key))

    @pipe.flat_map(over=items)
    def parts(ctx: Any, text: str) -> dict[str, str]:
        return {"x": text, "y": text}

    @pipe.map(over=parts)
    def work(ctx: Any, text: str) -> str:
        ran.append(ctx.key)
        if not fixed.exists() and ctx.key in (("b", 1, "x"), (3, "y")):
            raise OSError("not today")
        return text

    run = pipe.run(store=tmp_path / "runs.db")
    assert {failure.key for failure in run.failures} == {("b", 1, "x"), (3, "y")}
    assert len(run.results(work)) == 6
    fixed.touch()
    ran.clear()
    retried = run.retry_failed()
    assert retried.id != run.id
    assert sorted(ran, key=str) == sorted([("b", 1, "x"), (3, "y")], key=str)
    assert retried.status is hr.Status.SUCCEEDED
    assert len(retried.results(work)) == 8


def test_a_failure_before_another_stage_hides_no_result_of_it(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.map(over=numbers)
    def inverse(ctx: Any, n: int) -> float:
        return 1 / n

    @pipe.map(over=numbers, after=inverse)
    def beside(ctx: Any, n: int) -> int:
        return n

    assert pipe.run(store=tmp_path / "runs.db").results(beside) == {"zero": 0, "one": 1, "two": 2}


def test_a_parent_with_a_failed_child_has_no_result(tmp_path: Path) -> None:
    pipe = hr.Pipeline("family")

    @pipe.source
    def items(ctx: Any) -> Any:
        yield "a", ctx.params["text"]
        yield "b", "fine"

    @pipe.flat_map(over=items)
    def parts(ctx: Any, text: str) -> list[str]:
        return [text, "fine"]

    @pipe.map(over=parts)
    def work(ctx: Any, text: str) -> str:
        if text == "bad":
            raise ValueError("bad text")
        return text

    @pipe.group(over=work, by=items)
    def whole(ctx: Any, values: list[Any]) -> list[Any]:
        return [value for _, value in values]

    store = tmp_path / "runs.db"
    assert pipe.run({"text": "good"}, store).results(whole) == {"a": ["good", "fine"], "b": ["fine", "fine"]}
    run = pipe.run({"text": "bad"}, store)
    assert run.status is hr.Status.PARTIAL
    assert run.results(whole) == {"b": ["fine", "fine"]}  # what was recorded of "a" is not this run's


def test_a_batch_is_halved_until_the_poison_item_stands_alone(tmp_path: Path) -> None:
    pipe = hr.Pipeline("poison")

    @pipe.step
    def numbers(ctx: Any) -> list[int]:
        return list(range(40))

    @pipe.batch(over=numbers, size=16)
    def work(ctx: Any, values: list[int]) -> list[int]:
        if 13 in values:
            raise ValueError("13 in here")
        return values

    run = pipe.run(store=tmp_path / "runs.db")
    assert [failure.key for failure in run.failures] == ["13"]
    assert len(run.results(work)) == 39


# ---- bad input ----------------------------------------------------------------------------------------------------


def test_results_that_nothing_can_store(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.map(over=numbers)
    def unstorable(ctx: Any, n: int) -> Any:
        return object() if n == 1 else threading.Lock() if n == 2 else n

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(unstorable) == {"zero": 0}
    messages = {failure.key: failure.message for failure in run.failures}
    assert set(messages) == {"one", "two"}
    assert all(failure.category == "configuration" for failure in run.failures)
    assert "result is an object" in messages["one"]
    assert "result is a _thread.lock" in messages["two"]


def test_a_key_used_twice(tmp_path: Path) -> None:
    pipe = hr.Pipeline("twice")

    @pipe.source
    def items(ctx: Any) -> Any:
        yield "a", 1
        yield "b", 2
        yield "a", 3

    @pipe.map(over=items)
    def same(ctx: Any, n: int) -> int:
        return n

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(same) == {"a": 1, "b": 2}
    (failure,) = run.failures
    assert (failure.stage, failure.key, failure.error_type) == ("items", "a", "ConfigurationError")
    assert "twice" in failure.message


def test_a_child_key_used_twice(tmp_path: Path) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.flat_map(over=numbers)
    def children(ctx: Any, n: int) -> list[hr.Item]:
        return [hr.Item("x", n), hr.Item("y", n), hr.Item("x" if n == 1 else "z", n)]

    run = pipe.run(store=tmp_path / "runs.db")
    (failure,) = run.failures
    assert (failure.stage, failure.key, failure.error_type) == ("children", "one", "ConfigurationError")
    assert "twice" in failure.message
    assert len(run.results(children)) == 6


def test_a_source_that_raises_half_way(tmp_path: Path) -> None:
    pipe = hr.Pipeline("half")
    removed: list[Any] = []

    @pipe.source
    def items(ctx: Any) -> Any:
        for number in range(300):
            if number == ctx.params["stop"]:
                raise ConnectionError("the server went away")
            yield number, number

    @pipe.map(over=items)
    def same(ctx: Any, n: int) -> int:
        return n

    @pipe.group(over=same, by=items, removed=lambda ctx, key: removed.append(key))
    def publish(ctx: Any, parts: list[Any]) -> int:
        return len(parts)

    store = tmp_path / "runs.db"
    assert len(pipe.run({"stop": -1}, store).results(same)) == 300
    run = pipe.run({"stop": 200}, store)
    assert run.status is hr.Status.FAILED
    assert [(f.stage, f.key, f.error_type) for f in run.failures] == [("items", None, "ConnectionError")]
    assert removed == []  # what an incomplete list doesn't hold is not gone
    assert pipe.run({"stop": -1}, store).status is hr.Status.SUCCEEDED


@pytest.mark.parametrize("bad", [5, "text", {"a": 1}, ("a", 1, 2), None])
def test_a_source_that_yields_something_else(tmp_path: Path, bad: Any) -> None:
    pipe = hr.Pipeline("yields")

    @pipe.source
    def items(ctx: Any) -> Any:
        yield "good", 1
        yield bad

    @pipe.map(over=items)
    def same(ctx: Any, n: int) -> int:
        return n

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.FAILED
    assert run.failures[0].error_type == "ConfigurationError"
    assert "hr.Item" in run.failures[0].message
    assert run.results(same) == {"good": 1}


@pytest.mark.parametrize("key", [None, 1.5, True, b"x", (), ("a", 2.5)])
def test_keys_that_can_not_be(tmp_path: Path, key: Any) -> None:
    pipe = hr.Pipeline("bad-keys")

    @pipe.source
    def items(ctx: Any) -> Any:
        yield key, 1

    @pipe.map(over=items)
    def same(ctx: Any, n: int) -> int:
        return n

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.FAILED
    assert run.failures[0].error_type == "ConfigurationError"


def test_a_source_that_is_not_iterable_and_a_step_that_makes_no_items(tmp_path: Path) -> None:
    pipe = hr.Pipeline("none")

    @pipe.source
    def nothing(ctx: Any) -> Any:
        return None

    @pipe.step
    def number(ctx: Any) -> int:
        return 5

    @pipe.map(over=nothing)
    def first(ctx: Any, n: int) -> int:
        return n

    @pipe.map(over=number)
    def second(ctx: Any, n: int) -> int:
        return n

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.FAILED
    assert {failure.stage for failure in run.failures} == {"nothing", "number"}
    assert all("iter" in f.message or "mapping" in f.message for f in run.failures)


@pytest.mark.parametrize("answer", [None, 3, "ab", {"a": 1}, [1]])
def test_a_batch_that_answers_something_else(tmp_path: Path, answer: Any) -> None:
    pipe, numbers = numbers_pipeline()

    @pipe.batch(over=numbers, size=3)
    def work(ctx: Any, values: list[int]) -> Any:
        return answer

    run = pipe.run(store=tmp_path / "runs.db")
    assert len(run.failures) == 3
    assert all("returned" in failure.message for failure in run.failures)


def test_definitions_that_can_not_be() -> None:
    with pytest.raises(hr.WorkflowValidationError, match="needs a name"):
        hr.Pipeline("")
    pipe = hr.Pipeline("bad")

    @pipe.step
    def first(ctx: Any) -> int:
        return 1

    with pytest.raises(hr.WorkflowValidationError, match="'first' already"):

        @pipe.step(name="first")
        def other(ctx: Any) -> int:
            return 2

    with pytest.raises(hr.ConfigurationError, match="does not take colour"):
        pipe.step(lambda ctx: 1, name="second", colour="red")
    for settings in ({"timeout": -1}, {"workers": 0}, {"trigger": "sometimes"}, {"on_error": "ignore"}, {"retry": 3}):
        with pytest.raises(hr.ConfigurationError, match=next(iter(settings))):
            pipe.step(lambda ctx: 1, name="second", **settings)
    with pytest.raises(hr.ConfigurationError, match="size"):
        pipe.batch(lambda ctx, values: values, name="second", over=first, size=0)
    with pytest.raises(hr.WorkflowValidationError, match="can't be called"):
        pipe.step(5, name="second")


def test_graphs_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(hr.WorkflowValidationError, match="no stages"):
        hr.Pipeline("empty").validate()
    unknown = hr.Pipeline("unknown")
    unknown.map(lambda ctx, x: x, name="work", over="nothing")
    with pytest.raises(hr.WorkflowValidationError, match="'nothing'"):
        unknown.run(store=tmp_path / "runs.db")
    assert not (tmp_path / "runs.db").exists()
    cycle = hr.Pipeline("cycle")
    cycle.step(lambda ctx: 1, name="a", after="b")
    cycle.step(lambda ctx: 1, name="b", after="a")
    with pytest.raises(hr.WorkflowValidationError, match="cycle"):
        cycle.validate()
    orphan = hr.Pipeline("orphan")
    orphan.map(lambda ctx, x: x, name="work")
    with pytest.raises(hr.WorkflowValidationError, match="over="):
        orphan.validate()
    strangers = hr.Pipeline("strangers")
    strangers.step(lambda ctx: {"a": 1}, name="one")
    strangers.step(lambda ctx: {"a": 1}, name="two")
    strangers.flat_map(lambda ctx, x: [x], name="children", over="one")
    strangers.group(lambda ctx, parts: 1, name="family", over="children", by="two")
    with pytest.raises(hr.WorkflowValidationError, match="not made out of"):
        strangers.validate()


def test_parameters_that_can_not_be_stored(tmp_path: Path) -> None:
    pipe, _ = numbers_pipeline()
    with pytest.raises(hr.ConfigurationError, match="params"):
        pipe.run({"x": object()}, tmp_path / "runs.db")
    with pytest.raises(hr.ConfigurationError, match="executor"):
        pipe.run(store=tmp_path / "runs.db", executor="rockets")  # type: ignore[arg-type]
    with pytest.raises(hr.ConfigurationError, match="no such stage"):
        pipe.run(store=tmp_path / "runs.db", only="nothing")
    with pytest.raises(hr.ConfigurationError, match="no stage"):
        pipe.run(store=tmp_path / "runs.db").results("nothing")


def test_a_huge_result_goes_through_blobs(tmp_path: Path) -> None:
    pipe = hr.Pipeline("huge")

    @pipe.step
    def sizes(ctx: Any) -> dict[str, int]:
        return {"large": 50_000_000, "small": 10}

    @pipe.map(over=sizes)
    def make(ctx: Any, size: int) -> bytes:
        return b"\xab" * size

    @pipe.map(over=make)
    def measure(ctx: Any, data: bytes) -> int:
        return len(data)

    store = tmp_path / "runs.db"
    run = pipe.run(store=store)
    assert run.results(measure) == {"large": 50_000_000, "small": 10}
    assert run.results(make)["large"] == b"\xab" * 50_000_000
    assert store.stat().st_size < 2_000_000
    assert hr.open_store(store).verify() == []
    again = pipe.run(store=store)
    assert next(stage for stage in again.stages if stage.name == "make").executed == 0


def test_a_failing_removed_is_a_recorded_dead_letter_and_comes_again(tmp_path: Path) -> None:
    pipe = hr.Pipeline("clear-up")
    removed: list[Any] = []

    def drop(ctx: Any, key: Any) -> None:
        removed.append(key)
        if len(removed) == 1:
            raise OSError("the index is away")

    @pipe.source
    def items(ctx: Any) -> Any:
        for name in ctx.params["names"]:
            yield name, name

    @pipe.map(over=items)
    def work(ctx: Any, name: str) -> str:
        return name

    @pipe.group(over=work, by=items, removed=drop)
    def publish(ctx: Any, parts: list[Any]) -> int:
        return len(parts)

    store = tmp_path / "runs.db"
    pipe.run({"names": ["a", "b"]}, store)
    run = pipe.run({"names": ["a"]}, store)
    assert [(f.stage, f.key) for f in run.failures] == [("publish", "b")]
    assert [(f.stage, f.key) for f in hr.open_store(store).run(run.id).failures] == [("publish", "b")]
    assert pipe.run({"names": ["a"]}, store).status is hr.Status.SUCCEEDED
    assert removed == ["b", "b"]
    pipe.run({"names": ["a"]}, store)
    assert removed == ["b", "b"]
