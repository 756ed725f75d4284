"""RecursiveChunker: its guarantees over adversarial and generated Unicode, its levels, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, MIXED, check, utf8_size

import headrace as hr


@pytest.mark.parametrize("overlap", [0, 3, 6, 29, 200])
@pytest.mark.parametrize("size", [1, 7, 30, 1000])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_guarantees_over_adversarial_texts(name: str, size: int, overlap: int) -> None:
    if overlap >= size:
        overlap = size - 1
    text = ADVERSARIAL[name]
    for least in (None, 0, size // 2):
        check(text, hr.text.RecursiveChunker(size, overlap, min_size=least).chunk(text), size, overlap)


@pytest.mark.parametrize("overlap", [0, 3, 200])
@pytest.mark.parametrize("size", [4, 33, 1000])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_guarantees_in_bytes(name: str, size: int, overlap: int) -> None:
    text = ADVERSARIAL[name]
    overlap = min(overlap, size - 1)
    check(text, hr.text.RecursiveChunker(size, overlap, "bytes").chunk(text), size, overlap, utf8_size)


@settings(max_examples=400, deadline=None)
@given(MIXED, st.integers(1, 40), st.integers(0, 39), st.booleans())
def test_guarantees_over_mixed_texts(text: str, size: int, overlap: int, in_bytes: bool) -> None:
    size = max(size, 4)
    overlap = min(overlap, size - 1)
    chunks = hr.text.RecursiveChunker(size, overlap, "bytes" if in_bytes else "chars").chunk(text)
    check(text, chunks, size, overlap, utf8_size if in_bytes else len)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cn", "Co"]), max_size=200), st.integers(1, 60))
def test_guarantees_over_any_characters(text: str, size: int) -> None:
    # Clusters are left to the texts above: regex follows a later version, which knows more characters.
    check(text, hr.text.RecursiveChunker(size).chunk(text), size, graphemes=False)


def test_a_string_of_any_kind_has_the_same_chunks() -> None:
    words = "One sentence. Another one here\nand a line\n\n" * 50
    kinds = [words + end for end in ("", "\xe9", "\u0416", "\U0001f600")]
    offsets = [hr.text.RecursiveChunker(100, 20).chunk(text).offsets[:-1] for text in kinds]
    assert all(np.array_equal(offsets[0], each) for each in offsets[1:])


def test_chunks_are_a_sequence() -> None:
    source = "one two three four"
    chunks = hr.text.RecursiveChunker(9).chunk(source)
    assert len(chunks) == 3
    assert [chunk.text for chunk in chunks] == chunks.texts == ["one two", "three", "four"]
    assert chunks[-1].text == "four"
    assert [chunk.start for chunk in chunks[::-1]] == [14, 8, 0]
    assert chunks.source is source
    assert repr(chunks[0]) == "Chunk(text='one two', start=0, end=7)"
    with pytest.raises(IndexError):
        chunks[3]


def test_offsets_are_one_read_only_array_that_outlives_the_chunks() -> None:
    offsets = hr.text.RecursiveChunker(9).chunk("one two three four").offsets
    assert offsets.dtype == np.int64
    assert offsets.shape == (3, 2)
    assert offsets.tolist() == [[0, 7], [8, 13], [14, 18]]
    assert not offsets.flags.writeable
    assert hr.text.RecursiveChunker().chunk("").offsets.shape == (0, 2)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_chunk_many_equals_chunk(threads: int) -> None:
    texts = [*ADVERSARIAL.values(), *(value * 50 for value in ADVERSARIAL.values())]
    chunker = hr.text.RecursiveChunker(50, 10)
    many = chunker.chunk_many(iter(texts), threads=threads)
    assert [each.offsets.tolist() for each in many] == [chunker.chunk(text).offsets.tolist() for text in texts]
    assert all(each.source is text for each, text in zip(many, texts, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size must be at least 1, not 0"),
        ({"size": "10"}, "size must be a whole number, not '10'"),
        ({"size": 10, "overlap": 10}, "overlap must be smaller than size"),
        ({"size": 10, "overlap": -1}, "overlap must be at least 0"),
        ({"size": 10, "unit": "words"}, "unit must be 'chars', 'bytes' or 'tokens', not 'words'"),
        ({"size": 3, "unit": "bytes"}, "size must be at least 4 bytes"),
        ({"size": 10, "min_size": 11}, "min_size must be between 0 and size"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(hr.ConfigurationError, match=message):
        hr.text.RecursiveChunker(**settings)  # type: ignore[arg-type]


def test_wrong_texts_are_named() -> None:
    chunker = hr.text.RecursiveChunker()
    with pytest.raises(hr.ConfigurationError, match="a text must be a str, not bytes"):
        chunker.chunk(b"bytes")
    with pytest.raises(hr.ConfigurationError, match="a text must be a str, not NoneType"):
        chunker.chunk_many(["a", None])
    with pytest.raises(hr.ConfigurationError, match="give \\[text\\]"):
        chunker.chunk_many("abc")
    with pytest.raises(hr.ConfigurationError, match="threads must be at least 0"):
        chunker.chunk_many(["a"], threads=-1)
