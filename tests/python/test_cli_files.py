"""``headrace run|resume|plan FILE.py`` and what tells of the runs, as programs of their own."""

import re
from pathlib import Path

import pytest

from scripts import headrace

WORDS = """
from pathlib import Path

import headrace as hr

pipe = hr.Pipeline("word-count")


@pipe.step
def documents(ctx):
    return {p.name: p.read_text() for p in Path(ctx.params["folder"]).glob("*.md")}


@pipe.map(over=documents)
def words(ctx, text):
    if "broken" in text and not Path("mended").exists():
        raise ValueError("it is broken")
    return len(text.split())


@pipe.step(after=words, trigger="always")
def total(ctx):
    return sum(ctx.results(words).values())


if __name__ == "__main__":
    raise SystemExit("it was run as a script")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("one two three")
    (tmp_path / "docs/b.md").write_text("four five")
    (tmp_path / "words.py").write_text(WORDS)
    return tmp_path


def test_run_tells_what_each_stage_did_and_a_second_run_does_nothing(folder: Path) -> None:
    code, out, err = headrace(folder, "run", "words.py", "--param", "folder=docs")
    assert (code, err) == (0, "")
    first, *stages = out.splitlines()
    assert first.startswith("word-count ")
    assert first.endswith(": succeeded")
    assert [line.split()[:3] for line in stages] == [
        ["documents", "succeeded", "1"], ["words", "succeeded", "2"], ["total", "succeeded", "1"],
    ]  # fmt: skip
    assert (folder / "headrace.db").stat().st_mode & 0o777 == 0o600
    _, out, _ = headrace(folder, "run", "words.py", "--param", "folder=docs")
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["0", "0", "0"]


def test_dead_letters_are_listed_planned_and_strict_about(folder: Path) -> None:
    (folder / "docs/b.md").write_text("broken")
    code, out, _ = headrace(folder, "run", "words.py", "--param", "folder=docs")
    assert code == 0
    assert "  ! words b.md: ValueError: it is broken" in out.splitlines()
    assert headrace(folder, "run", "words.py", "--param", "folder=docs", "--strict")[0] == 1
    _, planned, _ = headrace(folder, "plan", "words.py", "--param", "folder=docs")
    assert "execute  words 'b.md': it failed last time: it is broken" in planned.splitlines()
    assert "skip     words 'a.md': recorded, and nothing before it has changed" in planned.splitlines()
    run_id = headrace(folder, "runs")[1].split()[0]
    _, shown, _ = headrace(folder, "show", run_id)
    assert "  ! words b.md: ValueError: it is broken" in shown.splitlines()


def test_resume_uses_the_settings_the_run_was_started_with(folder: Path) -> None:
    code, _, err = headrace(folder, "resume", "words.py")
    assert (code, err.count("\n")) == (2, 1)
    assert "no run store headrace.db: start with `headrace run words.py`" in err
    (folder / "docs/b.md").write_text("broken")
    headrace(folder, "run", "words.py", "--param", "folder=docs")
    (folder / "mended").touch()
    code, out, err = headrace(folder, "resume", "words.py", "--strict")
    assert (code, err) == (0, "")
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["0", "1", "1"]


def test_a_log_file_tells_the_story(folder: Path) -> None:
    (folder / "docs/b.md").write_text("broken")
    code, _, err = headrace(folder, "run", "words.py", "--param", "folder=docs", "--log", "run.log")
    assert (code, err) == (0, "")
    lines = (folder / "run.log").read_text().splitlines()
    assert re.fullmatch(r"[-\d]{10} [:\d]{8}\.\d{3} INFO word-count \S+: started", lines[0])
    assert lines[-1].endswith(": partial")
    assert any(" ERROR word-count" in line and "ValueError: it is broken" in line for line in lines)
    assert (folder / "run.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "none.py"], "there is no file none.py"),
        (["run", "words.py", "--param", "folder"], "--param 'folder' is not NAME=VALUE"),
        (["run", "words.py", "--params", "none.json"], "--params none.json: No such file"),
        (["run", "words.py", "--pipeline", "x"], "makes no pipeline 'x'; it makes word-count"),
        (["run", "words.py", "--param", "folder=docs", "--only", "x"], "no such stage"),
        (["run", "empty.py"], "empty.py makes no hr.Pipeline"),
        (["run", "two.py"], "two.py makes 2 pipelines (a, b): choose one with --pipeline"),
        (["run", "wrong.py"], "wrong.py, line 1: "),
        (["run", "missing.py"], "missing.py can't be imported: No module named 'no_such_module'"),
        (["run", "raises.py"], "raises.py, line 2: ZeroDivisionError: division by zero"),
        (["run", "words.py", "--log", "none/x.log"], "the log none/x.log can't be written: No such file"),
        *(([name, "--store", "none.db"], "there is no store at none.db") for name in ("serve", "runs", "verify")),
        (["run", "words.py", "--threads", "-3"], "threads=-3 must be a number, at least 0"),
        (["run", "words.py", "--max-seconds", "-1"], "max_seconds=-1.0 must be a number, at least 0"),
    ],
)
def test_wrong_usage_is_one_line_and_a_code(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "empty.py").write_text("")
    (folder / "two.py").write_text("import headrace as hr\na, b = hr.Pipeline('a'), hr.Pipeline('b')\n")
    (folder / "wrong.py").write_text("def\n")
    (folder / "raises.py").write_text("x = 0\n1 / x\n")
    (folder / "missing.py").write_text("import no_such_module\n")
    code, out, err = headrace(folder, *arguments)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert code == 2
