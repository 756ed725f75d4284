"""What a run tells Python's logging: one line an event, nothing where nobody listens."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
import scripts


def odd(tries: list[str]) -> hr.Pipeline:
    pipe = hr.Pipeline("odd")

    @pipe.step
    def items(ctx: Any) -> dict[str, int]:
        return {"a": 1, "zero": 0}

    @pipe.map(over=items, retry=hr.Retry(attempts=2, delay=0.01, jitter=0.0))
    def inverse(ctx: Any, number: int) -> float:
        tries.append(ctx.key)
        if ctx.key == "a" and tries.count("a") == 1:
            raise ConnectionError("refused:\npassword=hunter22")
        if number == 0:
            ctx.warn("a zero")
        return 1 / number

    return pipe


def test_a_run_tells_its_story_in_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="headrace.engine"):
        run = odd([]).run(store=tmp_path / "runs.db")
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "headrace.engine"]
    assert {text.startswith(f"odd {run.id}: ") for _, text in lines} == {True}
    told = [(level, text.partition(": ")[2]) for level, text in lines]
    assert told[0] == ("INFO", "started")
    assert told[-1] == ("WARNING", "partial")
    assert ("WARNING", "stage 'inverse', item \"zero\": a zero") in told
    errors = [text for level, text in told if level == "ERROR"]
    assert errors == ["stage 'inverse', item \"zero\": ZeroDivisionError: division by zero"]
    (retry,) = [text for _, text in told if "attempt 2 in" in text and '"a"' in text]
    assert "ConnectionError: refused: password=" in retry
    assert "\n" not in retry
    assert "hunter22" not in retry
    assert any(re.match(r"stage 'inverse' partial: 1 executed, 0 skipped, 1 failed in \d", text) for _, text in told)


def test_nothing_is_said_where_logging_is_not_set_up(tmp_path: Path) -> None:
    source = """
        import headrace as hr
        pipe = hr.Pipeline("quiet")
        @pipe.step
        def broken(ctx):
            raise ValueError("no")
        print(pipe.run(store="runs.db").status)
    """
    process = scripts.start(tmp_path, source)
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("failed\n", "")
