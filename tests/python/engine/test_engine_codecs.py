"""Codecs that a stage is given: pickle by its name, and one's own."""

import zlib
from pathlib import Path
from typing import Any

import pytest

import headrace as hr


class Zipped:
    """Texts, squeezed."""

    name = "zipped"

    def dumps(self, value: Any) -> bytes:
        return zlib.compress(value.encode())

    def loads(self, data: bytes) -> str:
        return zlib.decompress(data).decode()


def texts(codec: Any, seen: list[str], isolation: Any = "thread") -> hr.Pipeline:
    pipe = hr.Pipeline("codecs")

    @pipe.step
    def words(ctx: Any) -> dict[str, str]:
        return {"a": "ab" * 5_000, "b": "c"}

    @pipe.map(over=words, codec=codec, isolation=isolation)
    def longer(ctx: Any, text: str) -> str:
        return text + "!"

    @pipe.map(over=longer)
    def size(ctx: Any, text: str) -> int:
        seen.append(ctx.key)
        return len(text)

    return pipe


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_codec_of_ones_own_stores_every_result(tmp_path: Path, isolation: str) -> None:
    seen: list[str] = []
    run = texts(Zipped(), seen, isolation).run(store=tmp_path / "runs.db")
    assert run.status is hr.Status.SUCCEEDED, run.failures
    assert run.results("size") == {"a": 10_001, "b": 2}
    assert run.results("longer")["b"] == "c!"
    stored = hr.open_store(tmp_path / "runs.db").sql("SELECT length(value) AS n FROM results WHERE stage='longer'")
    assert max(row["n"] for row in stored) < 200
    texts(Zipped(), seen, isolation).run(store=tmp_path / "runs.db")
    assert sorted(seen) == ["a", "b"]


def test_another_codec_stores_anew_but_what_follows_stays(tmp_path: Path) -> None:
    seen: list[str] = []
    texts(None, seen).run(store=tmp_path / "runs.db")
    run = texts("pickle", seen).run(store=tmp_path / "runs.db")
    assert {stage.name: stage.executed for stage in run.stages} == {"words": 0, "longer": 2, "size": 2}


def test_who_looks_into_a_store_runs_no_code_of_its_writer(tmp_path: Path) -> None:
    pipe = hr.Pipeline("objects")

    @pipe.step(codec="pickle")
    def made(ctx: Any) -> Any:
        return complex(1, 2), range(3)

    run = pipe.run(store=tmp_path / "runs.db")
    assert run.results(made) == (complex(1, 2), range(3))
    stored = hr.open_store(tmp_path / "runs.db").run(run.id).results("made")
    assert stored.type_name == "codec:pickle"
    assert isinstance(stored.data, bytes)


def test_what_a_codec_can_not_store_is_a_dead_letter_that_says_so(tmp_path: Path) -> None:
    pipe = hr.Pipeline("odd")

    @pipe.step
    def numbers(ctx: Any) -> dict[str, int]:
        return {"a": 1, "b": 2}

    @pipe.map(over=numbers, codec=Zipped())
    def odd(ctx: Any, number: int) -> Any:
        return number if number == 1 else str(number)

    run = pipe.run(store=tmp_path / "runs.db")
    (failure,) = run.failures
    assert failure.key == "a"
    assert "the codec 'zipped' can't store a result of type int" in failure.message
    assert run.results(odd) == {"b": "2"}


@pytest.mark.parametrize("codec", ["json", object(), 3])
def test_what_is_no_codec_is_refused_before_anything_runs(tmp_path: Path, codec: Any) -> None:
    with pytest.raises(hr.ConfigurationError, match=r"stage 'longer': codec=.*neither 'pickle' nor"):
        texts(codec, []).run(store=tmp_path / "runs.db")
