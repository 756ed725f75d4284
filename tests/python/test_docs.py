"""The examples of the docs: those that need nothing from outside are run, all others at least name what there is."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import headrace as hr

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
RUNNABLE = {"docs/stages.md": 9, "README.md": 1}  # page: its number of examples


def examples(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples(ROOT / name)
    assert len(found) == RUNNABLE[name]
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "examples"}
    for number, example in enumerate(found):
        file = tmp_path / f"example_{number}.py"
        file.write_text(example, encoding="utf-8")
        exec(compile(example, str(file), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_name_only_what_there_is(page: Path) -> None:
    for example in examples(page):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.Attribute) and re.fullmatch(r"hr(\.\w+)+", ast.unparse(node)):
                value: Any = hr
                for part in ast.unparse(node).split(".")[1:]:
                    assert hasattr(value, part), f"{page.name}: {ast.unparse(node)}"
                    value = getattr(value, part)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
