"""Sentence boundaries and SentenceChunker."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, MIXED, check, utf8_size

import headrace as hr

PORTUGUESE = "O Dr. Silva chegou às 10 h. A Profª. Souza saiu. Veja a pág. 7 do vol. 2. Fim!"


def sentences(text: str, **options: bool) -> list[str]:
    edges = hr.text.sentence_boundaries(text, **options).tolist()
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def test_boundaries_are_those_of_the_standard() -> None:
    assert sentences("He said: “Go!” Then he left.  (So did I.) 3.5 is a number. see") == [
        "He said: “Go!” ",
        "Then he left.  ",
        "(So did I.) ",
        "3.5 is a number. see",
    ]
    assert sentences("日本語です。次の文！") == ["日本語です。", "次の文！"]
    assert sentences("") == []
    assert hr.text.sentence_boundaries("").shape == (0,)
    assert hr.text.sentence_boundaries("abc").tolist() == [0, 3]


def test_abbreviations_are_kept_on_request() -> None:
    kept = sentences(PORTUGUESE, abbreviations=True)
    assert kept == ["O Dr. Silva chegou às 10 h. ", "A Profª. Souza saiu. ", "Veja a pág. 7 do vol. 2. ", "Fim!"]
    assert len(sentences(PORTUGUESE)) > len(kept)
    assert sentences("Mr. J. Doe met Mrs. Roe vs. Acme. Yes.", abbreviations=True) == [
        "Mr. J. Doe met Mrs. Roe vs. Acme. ",
        "Yes.",
    ]


def test_wrapped_lines_are_one_sentence_on_request() -> None:
    text = "A sentence on\ntwo lines. Another\n\nAfter a gap"
    assert sentences(text, wrapped=True) == ["A sentence on\ntwo lines. ", "Another\n", "\n", "After a gap"]
    assert len(sentences(text)) == 5


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_boundaries_cover_the_text(name: str) -> None:
    text = ADVERSARIAL[name]
    for abbreviations in (False, True):
        for wrapped in (False, True):
            assert "".join(sentences(text, abbreviations=abbreviations, wrapped=wrapped)) == text


@pytest.mark.parametrize("overlap", [0, 20, 200])
@pytest.mark.parametrize("size", [1, 30, 1000])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_guarantees_over_adversarial_texts(name: str, size: int, overlap: int) -> None:
    overlap = min(overlap, size - 1)
    text = ADVERSARIAL[name]
    for wrapped in (False, True):
        check(text, hr.text.SentenceChunker(size, overlap, wrapped=wrapped).chunk(text), size, overlap)


@settings(max_examples=300, deadline=None)
@given(MIXED, st.integers(4, 40), st.integers(0, 39), st.booleans())
def test_guarantees_over_mixed_texts(text: str, size: int, overlap: int, in_bytes: bool) -> None:
    overlap = min(overlap, size - 1)
    chunks = hr.text.SentenceChunker(size, overlap, "bytes" if in_bytes else "chars").chunk(text)
    check(text, chunks, size, overlap, utf8_size if in_bytes else len)


def test_whole_sentences_fill_a_chunk() -> None:
    text = "One is here. Two is there. Three is nowhere. Four."
    assert hr.text.SentenceChunker(30).chunk(text).texts == ["One is here. Two is there.", "Three is nowhere. Four."]
    assert hr.text.SentenceChunker(26).chunk(text).texts == ["One is here. Two is there.", "Three is nowhere. Four."]


def test_an_overlap_is_whole_sentences_or_none() -> None:
    text = "One is here. Two is there. Three is nowhere. Four."
    assert hr.text.SentenceChunker(32, 15).chunk(text).texts == [
        "One is here. Two is there.",
        "Two is there. Three is nowhere.",
        "Four.",
    ]


def test_a_long_sentence_is_cut_at_words() -> None:
    text = "one two three four five six seven eight. Nine."
    assert hr.text.SentenceChunker(20).chunk(text).texts == ["one two three four", "five six seven", "eight. Nine."]
