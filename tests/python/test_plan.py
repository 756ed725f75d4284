"""A plan as people read it: a line for what is alike, and each item on request."""

from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts

LOADS = """
import headrace as hr

pipe = hr.Pipeline("loads")


@pipe.step
def items(ctx):
    return {f"item {n}": n for n in range(ctx.params["n"])}


@pipe.map(over=items)
def work(ctx, n):
    if n % 100 == 7:
        raise ValueError(f"{n} is odd")
    return n
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loads.py").write_text(LOADS)
    return tmp_path


def test_the_command_sums_up_and_lists_on_request(folder: Path) -> None:
    scripts.headrace(folder, "run", "loads.py", "--param", "n=250", "--quiet")
    _, told, _ = scripts.headrace(folder, "plan", "loads.py", "--param", "n=250")
    lines = told.splitlines()
    assert lines == [
        "skip     items: recorded, and nothing before it has changed",
        "execute  work, 3 items: it failed last time ('item 107', 'item 207', 'item 7')",
        "skip     work, 247 items: recorded, and nothing before it has changed ('item 0', 'item 1', 'item 2', ...)",
    ]
    _, told, _ = scripts.headrace(folder, "plan", "loads.py", "--param", "n=250", "--all")
    every = told.splitlines()
    assert len(every) == 251
    assert "execute  work 'item 107': it failed last time: 107 is odd" in every


def test_groups_of_a_plan_and_their_table(tmp_path: Path) -> None:
    pipe = hr.Pipeline("plan")

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        return {"<a>": 1, "b": 2}

    @pipe.map(over=items)
    def work(ctx: Any, n: int) -> int:
        return n

    before = pipe.plan(store=tmp_path / "runs.db")
    assert [(group.stage, group.action, group.keys) for group in before.groups] == [
        ("items", "execute", (None,)),
        ("work", "execute", (None,)),
    ]
    pipe.run(store=tmp_path / "runs.db")
    after = pipe.plan(store=tmp_path / "runs.db")
    assert len(after) == len(after.lines()) == 3
    assert after.groups[1].keys == ("<a>", "b")
    table = after._repr_html_()
    assert "&#x27;&lt;a&gt;&#x27;, &#x27;b&#x27;" in table
    assert "<a>" not in table
    assert str(type(after)()) == "nothing to do"
