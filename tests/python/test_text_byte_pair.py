"""Native byte-level BPE equals the `tokenizers` package; chunks limited by its tokens."""

from __future__ import annotations

import random

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from text_checks import ADVERSARIAL, MIXED, check
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import headrace as hr

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
LLAMA3 += r"|\s+(?!\S)|\s+"
SAMPLE = [
    "The quick brown fox jumps over the lazy dog. It's 12345 times faster than it was; they'll see.",
    "A água é fria, não é? São Paulo, 25 de janeiro. Ação e reação, coração.",
    "def main():\n    return [x for x in range(100)]\n\n\nclass Fox:\n\tpass\n",
    "日本語の文章です。次の文も、ここにあります。Привет, мир! Как дела?",
]
WORDS = [
    "'s",
    "'S",
    "'ſ",
    "'ll",
    "'LL",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "a",
    "Éa",
    "12345",
    "12",
    " 7",
    "!",
    "?!",
    "日本",
]
WORDS += [
    "<|end|>",
    "\u00a0",
    "\u3000",
    "\u0085",
    "é",
    "e\u0301",
    "😀",
    "'",
    "x" * 50,
    "the",
    " the",
    "it's",
    "\u2028",
    "½",
    "ª",
]


def split_by(pattern: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def trained(kind: str) -> tokenizers.Tokenizer:
    model = tokenizers.Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    model.pre_tokenizer = {
        "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
        "prefix": pre_tokenizers.ByteLevel(add_prefix_space=True),
        "llama3": split_by(LLAMA3),
        "qwen2": split_by(LLAMA3.replace("{1,3}", "")),
    }[kind]
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    model.train_from_iterator(SAMPLE * 3, trainer)
    return model


MODELS = {kind: trained(kind) for kind in ("gpt2", "prefix", "llama3", "qwen2")}
NATIVE = {kind: hr.text.Tokenizer.of(model) for kind, model in MODELS.items()}


def assert_equal(native: hr.text.Tokenizer, model: tokenizers.Tokenizer, text: str) -> None:
    encoding = model.encode(text, add_special_tokens=False)
    ids, offsets = native.encode(text)
    assert ids.tolist() == encoding.ids, ascii(text)
    assert offsets.tolist() == [list(pair) for pair in encoding.offsets], ascii(text)


@pytest.mark.parametrize("kind", MODELS)
def test_they_are_native(kind: str) -> None:
    assert NATIVE[kind].native, NATIVE[kind].reason


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("kind", MODELS)
def test_they_equal_the_package(kind: str, name: str) -> None:
    assert_equal(NATIVE[kind], MODELS[kind], ADVERSARIAL[name].encode("utf-8", "replace").decode("utf-8"))


@pytest.mark.parametrize("kind", MODELS)
def test_they_equal_the_package_over_all_kinds_of_code_points(kind: str) -> None:
    codes = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    codes = codes[:0x600] + codes[0x600::211]
    for start in range(0, len(codes), 5000):
        assert_equal(
            NATIVE[kind], MODELS[kind], "\n".join(f"a{char}1 {char}! {char}" for char in codes[start : start + 5000])
        )


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([*MODELS]), st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_they_equal_the_package_over_mixed_texts(kind: str, text: str) -> None:
    assert_equal(NATIVE[kind], MODELS[kind], text)


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("kind", ["gpt2", "prefix"])
def test_trimmed_offsets_equal_the_package(kind: str, prefix: bool) -> None:
    model = tokenizers.Tokenizer.from_str(MODELS[kind].to_str())
    model.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=prefix)
    native = hr.text.Tokenizer.of(model)
    assert native.native
    chooser = random.Random(3)
    for _ in range(500):
        assert_equal(native, model, "".join(chooser.choices(WORDS, k=20)))


def test_special_tokens_of_roberta_are_counted() -> None:
    model = tokenizers.Tokenizer.from_str(MODELS["gpt2"].to_str())
    model.post_processor = processors.RobertaProcessing(("<|end|>", 0), ("<|end|>", 0))
    native = hr.text.Tokenizer.of(model)
    assert native.native
    assert native.special_tokens == 2
    assert native.count(["the fox"]) == [len(model.encode("the fox").ids)]


CHUNKERS = [hr.text.RecursiveChunker, hr.text.SentenceChunker, hr.text.MarkdownChunker, hr.text.TokenChunker]


def check_tokens(kind: str, chunker: type, text: str, size: int, overlap: int) -> None:
    def tokens(part: str) -> int:
        return len(MODELS[kind].encode(part.encode("utf-8", "replace").decode("utf-8"), add_special_tokens=False).ids)

    check(text, chunker(size, overlap, "tokens", NATIVE[kind]).chunk(text), size, overlap, tokens, graphemes=False)


@pytest.mark.parametrize(("size", "overlap"), [(40, 0), (25, 9)])
@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("chunker", CHUNKERS)
def test_no_chunk_has_more_tokens_than_the_model_takes(chunker: type, name: str, size: int, overlap: int) -> None:
    check_tokens("gpt2", chunker, ADVERSARIAL[name], size, overlap)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*MODELS]), MIXED, st.integers(8, 30), st.integers(0, 7), st.sampled_from(CHUNKERS))
def test_no_chunk_of_mixed_texts_has_more(kind: str, text: str, size: int, overlap: int, chunker: type) -> None:
    check_tokens(kind, chunker, text, size, overlap)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"normalizer": normalizers.NFC()}, "BPE with normalizer NFC"),
        ({"pre_tokenizer": pre_tokenizers.Whitespace()}, "BPE with pre-tokenizer Whitespace"),
        ({"pre_tokenizer": split_by(r"\p{L}+|\s+")}, "BPE with the pattern"),
    ],
)
def test_what_is_not_known_natively_runs_through_the_package(change: dict[str, object], reason: str) -> None:
    model = tokenizers.Tokenizer.from_str(MODELS["gpt2"].to_str())
    for name, value in change.items():
        setattr(model, name, value)
    wrapped = hr.text.Tokenizer.of(model)
    assert not wrapped.native
    assert reason in wrapped.reason
    assert repr(wrapped) == f"<Tokenizer: {wrapped.reason}>"
    assert_equal(wrapped, model, SAMPLE[0])
