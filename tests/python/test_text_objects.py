"""What chunkers, tokenizers and chunks are as Python objects: shown, compared, sent to other processes."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import tokenizers

import headrace as hr
from headrace.errors import ConfigurationError
from headrace.text import MarkdownChunker, RecursiveChunker, SentenceChunker, TokenChunker, Tokenizer

TEXT = "# Title\n\nOne sentence. Another one, longer than the first.\n\n" + "word " * 100


def word_piece() -> Tokenizer:
    """A small WordPiece."""
    made = tokenizers.BertWordPieceTokenizer()
    made.train_from_iterator([TEXT] * 5, vocab_size=60, show_progress=False)
    return Tokenizer.of(made)


def chunkers():
    return [
        RecursiveChunker(50, 5, min_size=10),
        SentenceChunker(60, wrapped=True),
        MarkdownChunker(60, min_section=5),
        TokenChunker(30, tokenizer=word_piece(), prefix="word "),
    ]


def test_a_chunker_shows_what_it_was_made_with():
    assert repr(RecursiveChunker()) == "RecursiveChunker(size=1000, overlap=0, unit='chars')"
    assert repr(SentenceChunker(60, wrapped=True)) == "SentenceChunker(size=60, overlap=0, unit='chars', wrapped=True)"
    assert MarkdownChunker(60, min_section=5).settings["min_section"] == 5


@pytest.mark.parametrize("index", range(4))
def test_a_chunker_goes_to_another_process_and_does_the_same_there(index):
    chunker = chunkers()[index]
    again = pickle.loads(pickle.dumps(chunker))
    assert repr(again) == repr(chunker) and again.chunk(TEXT).texts == chunker.chunk(TEXT).texts
    assert copy.deepcopy(chunker).chunk(TEXT).texts == chunker.chunk(TEXT).texts
    if index == 0:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            assert pool.submit(texts_of, chunker).result() == chunker.chunk(TEXT).texts


def texts_of(chunker):
    return chunker.chunk(TEXT).texts


def test_equal_chunks_are_equal():
    first, second = (MarkdownChunker(60).chunk(TEXT) for _ in range(2))
    assert list(first) == list(second) and first[0] != first[1] and first[0] != "# Title"
    assert len({*first, *second}) == len(first)
    assert pickle.loads(pickle.dumps(first[1])) == copy.deepcopy(first[1]) == first[1]


def test_a_chunk_shows_the_ends_of_its_text_and_its_headings():
    chunk = MarkdownChunker(1000).chunk(TEXT)[0]
    assert repr(chunk).endswith("metadata={'heading_path': ['Title']})") and len(repr(chunk)) < 120


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: RecursiveChunker(TEXT * 9), "size must be a whole number, not '.{,40}'$"),
        (lambda: RecursiveChunker(True), "size must be a whole number, not True"),
        (lambda: RecursiveChunker(100, min_size=-1), "min_size must be between 0 and size, not -1"),
        (lambda: RecursiveChunker(100).chunk_many(None), "texts must be a list of strings, not NoneType"),
        (lambda: RecursiveChunker(100).chunk_many(["a"], threads=2.0), "threads must be a whole number, not 2.0"),
        (lambda: RecursiveChunker(100).chunk_many(["a"], threads=2**40), "threads must be at most 1024"),
        (lambda: TokenChunker(100, 10, word_piece()), "the third argument is unit, not <Tokenizer: native>"),
        (lambda: Tokenizer("abc"), "made by Tokenizer.from_file"),
        (lambda: Tokenizer.from_file(None), "a tokenizer's path must be a str or a Path, not NoneType"),
        (lambda: Tokenizer.from_file("bert-base"), "no tokenizer at bert-base: give the path .* not a model's name"),
        (lambda: word_piece().count(None), "texts must be a list of strings, not NoneType"),
        (lambda: word_piece().count("abc"), "give \\[text\\]|\\[text\\]"),
    ],
)
def test_a_mistake_is_named_in_one_line(wrong, message):
    with pytest.raises(ConfigurationError, match=message) as raised:
        wrong()
    assert len(str(raised.value).splitlines()) == 1


def test_a_chunker_is_no_stage_by_itself():
    pipe = hr.Pipeline("p")
    pipe.step(name="documents")(lambda ctx: {"a": TEXT})
    with pytest.raises(hr.WorkflowValidationError, match=r"hr\.text\.ChunkStage"):
        pipe.flat_map(RecursiveChunker(100))


def test_a_derived_chunker_shows_itself_and_says_that_it_stays():
    class Mine(RecursiveChunker):
        def __init__(self, size):
            super().__init__(size, 2)

    assert repr(Mine(50)) == "Mine(size=50, overlap=2, unit='chars')"
    with pytest.raises(TypeError, match="a Mine can't be pickled: send its settings"):
        pickle.dumps(Mine(50))
