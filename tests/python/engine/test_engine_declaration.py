"""What is wrong with a stage's function is told where it is declared, in one line."""

import functools
from pathlib import Path
from typing import Any

import pytest

import headrace as hr


class Callable:
    def __call__(self, ctx: Any, value: Any) -> Any:
        return value


class AsyncCallable:
    async def __call__(self, ctx: Any, value: Any) -> Any:
        return value

    def method(self, ctx: Any, value: Any) -> Any:
        return value


def with_database(function: Any) -> Any:
    @functools.wraps(function)
    def call(ctx: Any, value: Any) -> Any:
        return function(ctx, value, "database")

    return call


def three(first: Any, ctx: Any, value: Any) -> Any:
    return value


async def async_three(first: Any, ctx: Any, value: Any) -> Any:
    return value


FITTING: dict[str, Any] = {
    "plain": lambda ctx, value: value,
    "defaults": lambda ctx, value, more=1: value,
    "stars": lambda *args, **kwargs: args[1],
    "partial": functools.partial(three, None),
    "async partial": functools.partial(async_three, None),
    "cached": functools.lru_cache(lambda ctx, value: value),
    "object": Callable(),
    "async object": AsyncCallable(),
    "method": AsyncCallable().method,
    "builtin": max,
    "wrapper that adds an argument": with_database(three),
}


def test_a_wrapper_is_asked_for_what_it_takes_itself(tmp_path: Path) -> None:
    asked: list[Any] = []

    def only_context(function: Any) -> Any:
        @functools.wraps(function)
        def call(ctx: Any) -> Any:
            asked.append(function(ctx, "added"))
            return "seen" if ctx.attempt > 1 else None

        return call

    pipe = hr.Pipeline("wrappers")
    pipe.step(lambda ctx: {"a": 1}, name="items")
    reconcile = only_context(lambda ctx, value: value)

    @pipe.map(over="items", effect=True, retry=hr.Retry(attempts=2), reconcile=reconcile)
    def act(ctx: Any, value: int) -> str:
        raise ConnectionError("it went away")

    # A wrapper that leaves an argument out is refused, whatever the function in it takes.
    with pytest.raises(hr.WorkflowValidationError, match=r"map 'other' takes \(ctx\), but is called with"):
        pipe.map(reconcile, over=act, name="other")
    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(act) == {"a": "seen"}, run.failures
    assert asked == ["added"]


@pytest.mark.parametrize("name", FITTING)
def test_whatever_can_be_called_so_is_a_stage(name: str) -> None:
    pipe = hr.Pipeline("fits")
    pipe.step(lambda ctx: {"a": 1}, name="items")
    pipe.map(FITTING[name], over="items", name="work")
    pipe.validate()


@pytest.mark.parametrize(
    ("form", "function", "said"),
    [
        ("step", lambda: 1, r"step 'work' takes \(\), but is called with \(ctx\)"),
        ("source", lambda: [], r"source 'work' takes \(\), but is called with \(ctx\)"),
        ("map", lambda text: text, r"map 'work' takes \(text\), but is called with \(ctx, value\)"),
        ("flat_map", lambda ctx: [], r"flat_map 'work' takes \(ctx\), but is called with \(ctx, value\)"),
        ("batch", lambda values: values, r"batch 'work' takes \(values\), but is called with \(ctx, values\)"),
        ("group", lambda a, b, c: 1, r"group 'work' takes \(a, b, c\), but is called with \(ctx, parts\)"),
        ("map", lambda ctx, value, *, unit: 1, r"map 'work' takes \(ctx, value, \*, unit\), but"),
        ("map", three, r"map 'work' takes \(first, ctx, value\), but"),
        ("map", async_three, r"map 'work' takes \(first, ctx, value\), but"),
    ],
)
def test_a_wrong_number_of_parameters_is_found_at_once(form: str, function: Any, said: str) -> None:
    pipe = hr.Pipeline("wrong")
    place = {} if form in ("step", "source") else {"over": "items"}
    with pytest.raises(hr.WorkflowValidationError, match=said):
        getattr(pipe, form)(function, name="work", **place)


def test_so_are_those_of_removed_and_reconcile() -> None:
    pipe = hr.Pipeline("wrong")
    with pytest.raises(hr.WorkflowValidationError, match=r"removed= of group 'g' takes \(key\), but .* \(ctx, key\)"):
        pipe.group(lambda ctx, parts: 1, name="g", over="a", by="b", removed=lambda key: None)
    with pytest.raises(hr.WorkflowValidationError, match=r"reconcile= of step 's' takes \(\), but .* \(ctx\)"):
        pipe.step(lambda ctx: 1, name="s", effect=True, reconcile=lambda: None)
    with pytest.raises(hr.WorkflowValidationError, match="reconcile= of step 's' is no function"):
        pipe.step(lambda ctx: 1, name="s", effect=True, reconcile="look")  # type: ignore[arg-type]


def test_a_listing_that_fails_at_its_start_is_tried_again(tmp_path: Path) -> None:
    tries: list[int] = []
    pipe = hr.Pipeline("listing")

    @pipe.source(retry=hr.Retry(attempts=3, on=(OSError,)))
    def items(ctx: Any) -> Any:
        tries.append(ctx.params["fails"])
        if len(tries) < 3:
            raise ConnectionError("refused")
        yield "a", 1
        if ctx.params["fails"]:
            raise ConnectionError("lost")

    @pipe.map(over=items)
    def work(ctx: Any, value: int) -> int:
        return value

    assert pipe.run({"fails": False}, tmp_path / "runs.db").results(work) == {"a": 1}
    assert len(tries) == 3
    run = pipe.run({"fails": True}, tmp_path / "runs.db")
    assert [(f.stage, f.message) for f in run.failures] == [("items", "lost")]  # what was yielded can't be taken back
    assert len(tries) == 4


def test_a_listing_that_is_returned_is_tried_again_too(tmp_path: Path) -> None:
    attempts: list[int] = []
    contexts: list[Any] = []
    drawn: dict[bool, list[float]] = {}

    def listing(fails: bool) -> hr.Pipeline:
        pipe = hr.Pipeline("returned")

        @pipe.source(retry=hr.Retry(attempts=3, delay=0.01, jitter=0.5), version=1)
        def items(ctx: Any) -> list[tuple[str, float]]:
            attempts.append(ctx.attempt)
            contexts.append(ctx)
            value = ctx.rng.random()
            if fails and ctx.attempt < 3:
                raise ConnectionError("refused")
            return [("a", value), ("b", ctx.rng.random())]

        @pipe.map(over=items)
        def work(ctx: Any, value: float) -> float:
            return value

        return pipe

    for fails in (True, False):
        results = listing(fails).run(store=tmp_path / f"{fails}.db", seed=7).results("work")
        drawn[fails] = [results["a"], results["b"]]
    assert attempts == [1, 2, 3, 1]
    assert [ctx.attempt for ctx in contexts] == [1, 2, 3, 1]
    assert drawn[True] == drawn[False]


def test_a_batch_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    import os

    pipe = hr.Pipeline("batch-process")

    @pipe.step
    def items(ctx: Any) -> list[int]:
        return [1, 2, 3]

    @pipe.batch(over=items, isolation="process", size=2)
    def where(ctx: Any, values: list[int]) -> list[int]:
        return [os.getpid() for _ in values]

    answers = pipe.run(store=tmp_path / "runs.db").results(where)
    assert len(answers) == 3
    assert os.getpid() not in answers.values()


@pytest.mark.parametrize("limit", [{"threads": -3}, {"threads": 1.5}, {"max_seconds": -1}, {"max_memory": "1G"}])
def test_limits_that_can_not_be(limit: dict[str, Any], tmp_path: Path) -> None:
    pipe = hr.Pipeline("limits")
    pipe.step(lambda ctx: 1, name="one")
    with pytest.raises(hr.ConfigurationError, match=f"{next(iter(limit))}="):
        pipe.run(store=tmp_path / "runs.db", **limit)
    assert not (tmp_path / "runs.db").exists()
