"""Batches: as many results as values, each recorded by itself, also out of worker processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headrace as hr


class Letters:
    """Bytes of one text; nothing else."""

    name = "letters"

    def dumps(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError("only texts")
        return value.encode()

    def loads(self, data: bytes) -> str:
        return data.decode()


def listed(pipe: hr.Pipeline) -> Any:
    return pipe.step(lambda ctx: {"a": 1, "b": 2, "c": 3}, name="items")


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("codec", [None, Letters(), "pickle"])
@pytest.mark.parametrize("lazy", [False, True])
def test_each_result_of_a_batch_is_encoded_by_itself(isolation: Any, codec: Any, lazy: bool, tmp_path: Path) -> None:
    pipe = hr.Pipeline("batch")
    items = listed(pipe)

    @pipe.batch(over=items, isolation=isolation, codec=codec, size=2)
    def name(ctx: Any, values: list[int]) -> Any:
        names = (f"n{value}" for value in values)
        return names if lazy else list(names)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(name) == {"a": "n1", "b": "n2", "c": "n3"}, run.failures


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_result_that_can_not_be_recorded_costs_its_own_value_alone(executor: Any, tmp_path: Path) -> None:
    pipe = hr.Pipeline("poison")
    items = listed(pipe)

    @pipe.batch(over=items, codec=Letters(), size=3)
    def name(ctx: Any, values: list[int]) -> Any:
        return ["one", hr.Failed("nobody knows"), 3]

    run = pipe.run(store=tmp_path / "runs.db", executor=executor)
    assert run.results(name) == {"a": "one"}
    told = {letter.key: letter.message for letter in run.failures}
    assert told["b"] == "nobody knows"
    assert "the codec 'letters' can't store a result of type int" in told["c"]


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([1, 2], "returned 2 results for 3 values"),
        ([1, 2, 3, 4], "returned 4 results for 3 values"),
        ({"a": 1, "b": 2, "c": 3}, "returned dict: return a list"),
        ({1, 2, 3}, "returned set: return a list"),
        ("abc", "returned str: return a list"),
        (3, "returned int: return a list"),
    ],
)
def test_a_batch_that_does_not_answer_value_by_value_fails(
    isolation: Any, answer: Any, said: str, tmp_path: Path
) -> None:
    pipe = hr.Pipeline("number")
    pipe.batch(lambda ctx, values: answer, name="count", over=listed(pipe), isolation=isolation, size=3)
    run = pipe.run(store=tmp_path / "runs.db")
    assert {letter.error_type for letter in run.failures} == {"ConfigurationError"}
    assert said in run.failures[0].message


def split(answer: str, value: int) -> Any:
    def one_by_one() -> Iterator[str]:
        yield f"x{value}"
        yield f"y{value}"

    return {
        "generator": one_by_one,
        "items": lambda: [hr.Item("0", f"x{value}"), hr.Item("1", f"y{value}")],
        "mapping": lambda: {"0": f"x{value}", "1": f"y{value}"},
        "look-up": lambda: hr.Ok([f"x{value}", f"y{value}"]),
    }[answer]()


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("codec", [None, Letters()])
@pytest.mark.parametrize("answer", ["generator", "items", "mapping", "look-up"])
def test_each_child_of_a_flat_map_is_encoded_by_itself(isolation: Any, codec: Any, answer: str, tmp_path: Path) -> None:
    pipe = hr.Pipeline("children")
    items = listed(pipe)

    @pipe.flat_map(over=items, isolation=isolation, codec=codec)
    def parts(ctx: Any, value: int) -> Any:
        return hr.Empty() if value == 3 else split(answer, value)

    run = pipe.run(store=tmp_path / "runs.db")
    expected = {("a", "0"): "x1", ("a", "1"): "y1", ("b", "0"): "x2", ("b", "1"): "y2"}
    assert run.results(parts) == expected, run.failures


@pytest.mark.parametrize("rest", [["B", "C"], ["B", "C", "D", "E"], [], {"B": 1, "C": 2, "D": 3}])
def test_the_rest_of_a_batch_is_as_many_results_as_there_were_values_left(rest: Any, tmp_path: Path) -> None:
    pipe = hr.Pipeline("rest")
    items = pipe.step(lambda ctx: {"a": 1, "b": 2, "c": 3, "d": 4}, name="items")

    def look(ctx: Any, values: list[int]) -> list[Any]:
        return ["A", None, None, None]

    @pipe.batch(over=items, size=4, effect=True, reconcile=look, version=1)
    def act(ctx: Any, values: list[int]) -> Any:
        if ctx.params["first"]:
            raise ConnectionError("it went away")
        assert values == [2, 3, 4]
        return ctx.params["rest"]

    pipe.run({"first": True}, tmp_path / "runs.db")
    run = pipe.run({"first": False, "rest": rest}, tmp_path / "runs.db")
    assert run.results(act) == {}
    assert {letter.error_type for letter in run.failures} == {"ConfigurationError"}
    assert f"batch 'act' returned {type(rest).__name__ if isinstance(rest, dict) else len(rest)}" in (
        run.failures[0].message
    )
    right = pipe.run({"first": False, "rest": ["B", "C", "D"]}, tmp_path / "runs.db")
    assert right.results(act) == {"a": "A", "b": "B", "c": "C", "d": "D"}
