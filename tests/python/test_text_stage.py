"""hr.text.ChunkStage in pipelines: what the chunker itself gives, as native children."""

from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.errors import ConfigurationError
from support.tiny_model import write_tokenizer

TEXTS = {
    "plain": "São Paulo é grande. 日本語の文章です。 👨‍👩‍👧 família! " * 40,
    "markdown": "# Um\n\ntexto\n\n## Dois ção\n\n" + "palavra e mais " * 60 + "\n\n# Três\n\nfim\n",
    "empty": "",
}


def pipeline(stage: Any, values: Any = None) -> Any:
    pipe = hr.Pipeline("chunking")

    @pipe.step
    def documents(ctx: hr.Context) -> Any:
        return TEXTS if values is None else values

    return pipe, pipe.flat_map(stage, over=documents)


@pytest.mark.parametrize("chunker", [hr.text.RecursiveChunker, hr.text.SentenceChunker, hr.text.MarkdownChunker])
@pytest.mark.parametrize("overlap", [0, 40])
def test_children_are_the_chunkers_chunks(tmp_path: Path, chunker: Any, overlap: int):
    pipe, chunks = pipeline(hr.text.ChunkStage(chunker, size=200, overlap=overlap))
    run = pipe.run(store=tmp_path / "runs.db")
    found = run.results(chunks)
    wanted = {
        (key, str(n)): (chunk.text, chunk.start, chunk.end)
        for key, text in TEXTS.items()
        for n, chunk in enumerate(chunker(size=200, overlap=overlap).chunk(text))
    }
    assert {key: (child["text"], child["start"], child["end"]) for key, child in found.items()} == wanted
    if chunker is hr.text.MarkdownChunker:
        for key, text in TEXTS.items():
            for n, chunk in enumerate(chunker(size=200, overlap=overlap).chunk(text)):
                assert found[key, str(n)]["heading_path"] == chunk.metadata.get("heading_path", [])


def test_tokens_and_other_settings_run_again(tmp_path: Path):
    write_tokenizer(tmp_path / "tokenizer.json")

    def run_with(**settings: Any) -> Any:
        pipe, _ = pipeline(hr.text.ChunkStage(**settings), {"a": {"body": "the cat sat on the mat " * 20}})
        run = pipe.run(store=tmp_path / "runs.db")
        assert not run.failures, run.failures
        return run.stages[1]

    tokens = {"chunker": hr.text.TokenChunker, "size": 16, "tokenizer": tmp_path / "tokenizer.json", "field": "body"}
    assert run_with(**tokens).executed == 1
    assert run_with(**tokens).skipped == 1
    assert run_with(**tokens | {"size": 12}).executed == 1


def test_odd_values_and_settings(tmp_path: Path):
    pipe, chunks = pipeline(hr.text.ChunkStage(hr.text.RecursiveChunker), {"a": "x", "b": 7, "c": "\ud800", "d": b"x"})
    run = pipe.run(store=tmp_path / "runs.db")
    assert set(run.results(chunks)) == {("a", "0")}
    assert {failure.key: failure.error_type for failure in run.failures} == dict.fromkeys("bcd", "ConfigurationError")
    with pytest.raises(ConfigurationError, match="chunker must be a class"):
        hr.text.ChunkStage(hr.text.RecursiveChunker(size=10))
    with pytest.raises(ConfigurationError, match="size"):
        hr.text.ChunkStage(hr.text.RecursiveChunker, size=0)
