"""``over=`` left out: the stage declared just before, for every form that takes items."""

from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.errors import WorkflowValidationError


def test_bare_decorators_follow_one_another(tmp_path: Path) -> None:
    pipe = hr.Pipeline("bare")

    @pipe.step
    def documents(ctx: Any) -> dict[str, str]:
        return {"a": "one two", "b": "three"}

    @pipe.map
    def upper(ctx: Any, text: str) -> str:
        return text.upper()

    @pipe.flat_map
    def words(ctx: Any, text: str) -> list[str]:
        return text.split()

    @pipe.batch
    def lengths(ctx: Any, texts: list[str]) -> list[int]:
        return [len(text) for text in texts]

    @pipe.group(by=documents)
    def totals(ctx: Any, parts: list[tuple[Any, int]]) -> int:
        return sum(value for _, value in parts)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(totals) == {"a": 6, "b": 5}
    assert [stage.over for stage in pipe.stages.values()] == ["", "documents", "upper", "words", "lengths"]


def test_after_a_source_and_with_other_settings(tmp_path: Path) -> None:
    pipe = hr.Pipeline("source")

    @pipe.source
    def numbers(ctx: Any) -> Any:
        yield from ((str(n), n) for n in range(5))

    @pipe.map(workers=2, retry=hr.Retry(attempts=2))
    def twice(ctx: Any, n: int) -> int:
        return 2 * n

    @pipe.map(over=numbers)
    def squared(ctx: Any, n: int) -> int:
        return n * n

    @pipe.batch(size=2)
    def negative(ctx: Any, values: list[int]) -> list[int]:
        return [-n for n in values]

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(negative) == {str(n): -n * n for n in range(5)}


def test_a_native_stage_as_the_documentation_writes_it(tmp_path: Path) -> None:
    pipe = hr.Pipeline("native")
    pipe.step(lambda ctx: {"x": "1"}, name="items")
    pipe.map(hr.collect.ProcessStage(["echo", "{}"]))
    pipe.map(lambda ctx, outcome: outcome.text, name="texts")
    assert pipe.run(store=tmp_path / "runs.db").results("texts") == {"x": "1\n"}


def test_it_is_the_same_stage_as_with_over(tmp_path: Path) -> None:
    """Same identity: nothing runs again when ``over=`` is written out; the graph and the plan show it."""

    def pipeline(**place: Any) -> hr.Pipeline:
        pipe = hr.Pipeline("same")
        pipe.step(lambda ctx: {"a": 1}, name="items")
        pipe.map(lambda ctx, n: n + 1, name="more", **place)
        return pipe

    assert "more (map) <- items" in str(pipeline().graph())
    pipeline().validate()
    planned = {entry.stage: entry.action for entry in pipeline().plan(store=tmp_path / "runs.db")}
    assert planned == {"items": "execute", "more": "execute"}
    assert pipeline().run(store=tmp_path / "runs.db").stages[1].executed == 1
    again = pipeline(over="items").run(store=tmp_path / "runs.db")
    assert (again.stages[1].executed, again.stages[1].skipped) == (0, 1)
    planned = {entry.stage: entry.action for entry in pipeline().plan(store=tmp_path / "runs.db")}
    assert planned["more"] == "skip"


def test_a_cell_that_runs_again_keeps_its_stage_where_it_was() -> None:
    pipe = hr.Pipeline("cells")
    cells = [
        "@pipe.step\ndef items(ctx):\n    return {'a': 1}",
        "@pipe.map\ndef more(ctx, n):\n    return n + 1",
        "@pipe.map\ndef less(ctx, n):\n    return n - 1",
    ]
    for cell in [*cells, cells[1], cells[2], cells[0]]:
        exec(compile(cell, "<ipython-input-1>", "exec"), {"pipe": pipe})
    assert [(stage.name, stage.over) for stage in pipe.stages.values()] == [
        ("items", ""),
        ("more", "items"),
        ("less", "more"),
    ]


@pytest.mark.parametrize("form", ["map", "flat_map", "batch", "group"])
def test_the_first_stage_has_none_before_it(form: str, tmp_path: Path) -> None:
    pipe = hr.Pipeline("first")
    getattr(pipe, form)(lambda ctx, value: value, name="work")
    line = f"{form} 'work' has no stage before it whose items it could take: declare a step or a source before it"
    for act in (pipe.validate, lambda: pipe.run(store=tmp_path / "runs.db"), lambda: pipe.plan()):
        with pytest.raises(WorkflowValidationError, match=line) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs.db").exists()
