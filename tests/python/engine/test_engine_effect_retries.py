"""Effects that failed, were cut off or are tried again: they never happen twice unasked."""

from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts


class World:
    """The outside world: what was done to it, and what fails after it was done."""

    def __init__(self, failing: int = 0) -> None:
        self.done: list[str] = []
        self.asked: list[Any] = []
        self.failing = failing

    def act(self, what: str) -> str:
        self.done.append(what)
        if self.failing > 0:
            self.failing -= 1
            raise ConnectionError("it went away before it answered")
        return f"done {what}"

    def look(self, ctx: Any, what: Any) -> Any:
        self.asked.append(ctx.key if isinstance(what, list) else what)
        if ctx.key is None:  # a batch
            return [f"done {each}" if each in self.done else None for each in what]
        return f"done {what}" if what in self.done else None


def over_items(world: World, form: str, **policy: Any) -> hr.Pipeline:
    pipe = hr.Pipeline(f"effects-{form}")

    @pipe.step
    def items(ctx: Any) -> dict[str, str]:
        return {"a": "A", "b": "B", "c": "C"}

    def act(ctx: Any, what: str) -> str:
        return world.act(what)

    async def act_async(ctx: Any, what: str) -> str:
        return world.act(what)

    def act_many(ctx: Any, whats: list[str]) -> list[str]:
        return [world.act(what) for what in whats]

    def act_and_split(ctx: Any, what: str) -> list[str]:
        return [world.act(what)]

    def look(ctx: Any, what: Any) -> Any:
        answer = world.look(ctx, what)
        return answer and [answer] if form == "flat_map" else answer

    async def look_async(ctx: Any, what: Any) -> Any:
        return world.look(ctx, what)

    policy = {"effect": True, "name": "act", "over": items, "version": 1, **policy}
    asks = {"reconcile": look_async if form == "async" else look}
    if form == "batch":
        pipe.batch(act_many, size=3, **{**asks, **policy})
    elif form == "flat_map":
        pipe.flat_map(act_and_split, **{**asks, **policy})
    else:
        pipe.map(act_async if form == "async" else act, **{**asks, **policy})
    return pipe


FORMS = ("map", "async", "flat_map", "batch")


@pytest.mark.parametrize("form", FORMS)
def test_between_attempts_the_effect_is_asked_after(form: str, tmp_path: Path) -> None:
    world = World(failing=2)
    run = over_items(world, form, retry=hr.Retry(attempts=4)).run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.SUCCEEDED
    assert sorted(world.done) == ["A", "B", "C"]
    assert len(world.asked) >= (1 if form == "batch" else 2)
    assert hr.open_store(tmp_path / "runs.db").sql("SELECT * FROM effect") == []


@pytest.mark.parametrize("form", FORMS)
def test_the_next_run_asks_after_an_effect_that_failed(form: str, tmp_path: Path) -> None:
    world = World(failing=1)
    pipe = over_items(world, form)
    first = pipe.run(store=tmp_path / "runs.db")
    assert {letter.error_type for letter in first.failures} == {"ConnectionError"}
    assert not world.asked
    second = pipe.run(store=tmp_path / "runs.db")
    assert second.status is hr.Status.SUCCEEDED
    assert len(world.asked) == 1
    assert sorted(world.done) == ["A", "B", "C"]
    results = second.results("act")
    assert len(results) == 3
    assert hr.open_store(tmp_path / "runs.db").verify() == []


def test_a_reconcile_of_a_batch_answers_for_each_value(tmp_path: Path) -> None:
    pipe = over_items(World(failing=1), "batch", reconcile=lambda ctx, whats: ["done A"])
    pipe.run(store=tmp_path / "runs.db")
    run = pipe.run(store=tmp_path / "runs.db")
    assert "must return None, or a list of 3" in run.failures[0].message


def test_a_retry_of_an_effect_needs_a_reconcile_or_errors_that_mean_nothing_happened(tmp_path: Path) -> None:
    for on in ((Exception,), (OSError, Exception), (BaseException,)):
        with pytest.raises(hr.ConfigurationError, match=r"stage 'act': retry= would repeat an effect .* reconcile="):
            over_items(World(), "map", reconcile=None, retry=hr.Retry(attempts=2, on=on))
    world = World(failing=1)
    pipe = over_items(world, "map", reconcile=None, retry=hr.Retry(attempts=2, on=(ConnectionError,)))
    assert pipe.run(store=tmp_path / "runs.db").status is hr.Status.SUCCEEDED  # it was told to
    assert len(world.done) == 4


def test_no_retry_after_a_time_out_or_a_crash_without_reconcile(tmp_path: Path) -> None:
    pipe = hr.Pipeline("cut-off")
    log = tmp_path / "log"

    def act(ctx: Any) -> str:
        import os
        import time

        with log.open("a") as file:
            file.write("acted\n")
        if ctx.params["how"] == "crash":
            os._exit(1)
        time.sleep(30)
        return "late"

    retry = hr.Retry(attempts=3, on=(OSError, hr.ResourceError))
    pipe.step(act, effect=True, isolation="process", timeout=0.3, retry=retry)
    for how, error in (("late", "TimeoutError"), ("crash", "ResourceError")):
        store = tmp_path / f"{how}.db"
        log.unlink(missing_ok=True)
        assert [(f.error_type, f.attempts) for f in pipe.run({"how": how}, store).failures] == [(error, 1)]
        again = pipe.run({"how": how}, store)
        assert again.failures[0].error_type == "StateInconsistencyError"
        assert log.read_text() == "acted\n"


def test_a_thread_that_was_given_up_is_not_raced_by_a_second_attempt(tmp_path: Path) -> None:
    import time

    acted: list[int] = []
    pipe = hr.Pipeline("given-up")

    @pipe.step(effect=True, reconcile=lambda ctx: None, timeout=0.2, retry=hr.Retry(attempts=3))
    def act(ctx: Any) -> str:
        acted.append(ctx.attempt)
        time.sleep(0.6)
        return "late"

    assert [f.error_type for f in pipe.run(store=tmp_path / "runs.db").failures] == ["TimeoutError"]
    assert acted == [1]


def test_a_coroutine_that_was_given_up_is_not_raced_by_a_second_attempt(tmp_path: Path) -> None:
    import asyncio

    acted: list[int] = []
    happened: list[int] = []

    async def stubborn(attempt: int) -> str:
        acted.append(attempt)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)  # what it was at can't be called off
            happened.append(attempt)
        return "late"

    def look(ctx: Any) -> str | None:
        return f"by attempt {happened[0]}" if happened else None

    def acting(reconcile: Any, retry: hr.Retry) -> hr.Pipeline:
        pipe = hr.Pipeline("given-up")

        @pipe.step(effect=True, reconcile=reconcile, timeout=0.2, retry=retry, version=1)
        async def act(ctx: Any) -> str:
            return await stubborn(ctx.attempt)

        return pipe

    pipe = acting(look, hr.Retry(attempts=3))
    first = pipe.run(store=tmp_path / "runs.db")
    assert [(f.error_type, f.attempts) for f in first.failures] == [("TimeoutError", 1)]
    scripts.until(lambda: bool(happened))
    assert pipe.run(store=tmp_path / "runs.db").results("act") == "by attempt 1"
    assert acted == [1]

    blind = acting(None, hr.Retry(attempts=3, on=(hr.TimeoutError,)))
    for error in ("TimeoutError", "StateInconsistencyError"):
        assert [f.error_type for f in blind.run(store=tmp_path / "blind.db").failures] == [error]
    assert acted == [1, 1]


def test_a_time_out_that_a_coroutine_raises_itself_is_an_error_as_others(tmp_path: Path) -> None:
    import asyncio

    pipe = hr.Pipeline("own-time-out")

    @pipe.step(effect=True, reconcile=lambda ctx: None, timeout=20, retry=hr.Retry(attempts=2))
    async def act(ctx: Any) -> int:
        if ctx.attempt == 1:
            await asyncio.wait_for(asyncio.sleep(20), 0.01)
        return int(ctx.attempt)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(act) == 2, run.failures  # it has ended: nothing acts any more


def test_on_decides_about_time_outs_too(tmp_path: Path) -> None:
    import time

    tries: list[int] = []
    pipe = hr.Pipeline("time-outs")

    @pipe.step(timeout=0.1, retry=hr.Retry(attempts=2, on=(ValueError,)))
    def slow(ctx: Any) -> None:
        tries.append(ctx.attempt)
        time.sleep(0.3)

    assert pipe.run(store=tmp_path / "runs.db").failures[0].attempts == 1
    assert tries == [1]


def test_effects_that_were_not_begun_when_the_run_was_stopped_are_simply_done_later(tmp_path: Path) -> None:
    from headrace._internal.compile import modes_of
    from headrace.run import start

    acted: list[int] = []
    pipe = hr.Pipeline("stopped")

    @pipe.step
    def numbers(ctx: Any) -> list[int]:
        return list(range(5000))  # so many that some go in slices of several

    @pipe.map(over=numbers, effect=True, workers=1, version=1)
    def act(ctx: Any, n: int) -> int:
        acted.append(n)
        while n == 4000 and len(acted) == 4001 and not ctx.cancelled:
            pass  # its slice has more units, and all of their intents are recorded
        return n + 1

    run = start(pipe, None, tmp_path / "runs.db", modes=modes_of(pipe, None, None, None))
    scripts.until(lambda: len(acted) == 4001)
    run.cancel()
    assert run.join().status is hr.Status.CANCELLED
    assert acted == list(range(4001))
    assert pipe.run(store=tmp_path / "runs.db").status is hr.Status.SUCCEEDED
    assert acted == list(range(5000))


def test_a_flat_map_that_is_an_effect_can_be_settled(tmp_path: Path) -> None:
    import time

    pipe = hr.Pipeline("settled")
    world = World()

    @pipe.step
    def items(ctx: Any) -> dict[str, str]:
        return {"a": "A", "b": "B"}

    @pipe.flat_map(over=items, effect=True, timeout=0.3, version=1)
    def act(ctx: Any, what: str) -> list[str]:
        world.done.append(what)
        if what == "B" and len(world.done) < 3:
            time.sleep(0.6)
        return [what]

    store = tmp_path / "runs.db"
    assert [f.error_type for f in pipe.run(store=store).failures] == ["TimeoutError"]
    assert [f.error_type for f in pipe.run(store=store).failures] == ["StateInconsistencyError"]
    assert hr.open_store(store).settle("settled", "act", "b")
    world.done.append("settled")
    assert pipe.run(store=store).results(act) == {("a", "0"): "A", ("b", "0"): "B"}


def test_an_async_stage_has_a_guard_too(tmp_path: Path) -> None:
    pipe = hr.Pipeline("async-guard")

    @pipe.step(guard=hr.Guard(min=3))
    async def listed(ctx: Any) -> list[int]:
        return [1]

    assert pipe.run(store=tmp_path / "runs.db").failures[0].error_type == "GuardError"


def test_a_source_is_no_effect_and_a_sync_stage_has_no_async_reconcile() -> None:
    pipe = hr.Pipeline("wrong")

    async def look(ctx: Any) -> None:
        return None

    with pytest.raises(hr.ConfigurationError, match="source 'listing': effect= can't be had"):
        pipe.source(lambda ctx: [], name="listing", effect=True)
    with pytest.raises(hr.WorkflowValidationError, match="reconcile= of step 'act' can't be an async def"):
        pipe.step(lambda ctx: 1, name="act", effect=True, reconcile=look)
