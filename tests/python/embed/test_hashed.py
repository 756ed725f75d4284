import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.embed import HashedEmbedder
from headrace.errors import CheckpointCorruptionError, ConfigurationError, EmbeddingError, StorageError

PINNED = [
    -0.242483,
    0.074535,
    0.0,
    0.382359,
    -0.139876,
    -0.242483,
    0.177143,
    -0.139876,
    0.139876,
    0.177143,
    0.317019,
    0.0,
    0.0,
    -0.139876,
    0.419627,
    0.559502,
]
CORPUS = [
    "O gato está no telhado da casa.",
    "A Relação Financeira de São Paulo foi aprovada.",
    "The cat sits on the roof of the house.",
    "Financial report of the city council, approved.",
    "日本語の文章です。東京は首都です。",
    "Отчёт о финансах города",
]


def test_rows_are_unit_length_float32_and_contiguous():
    rows = HashedEmbedder(dim=64).embed(CORPUS)
    assert rows.shape == (6, 64) and rows.dtype == np.float32 and rows.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_case_and_accents_do_not_matter():
    rows = HashedEmbedder().embed(["AÇÃO em São Paulo", "acao em sao paulo", "Acão, em SAO paulo!"])
    assert np.array_equal(rows[0], rows[1]) and np.array_equal(rows[0], rows[2])


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("gato no telhado", 0),
        ("relacao financeira", 1),
        ("cats on roofs", 2),
        ("report of the council", 3),
        ("東京", 4),
        ("финансы города", 5),
    ],
)
def test_finds_the_text_that_shares_words(query, best):
    embedder = HashedEmbedder().fit(CORPUS)
    assert int(np.argmax(embedder.embed(CORPUS) @ embedder.embed([query])[0])) == best


def test_idf_makes_rare_words_count_more():
    corpus = [f"the common words of document {i}" for i in range(200)] + ["the common word zebra"]
    query, common, rare = "common zebra", "common words here", "a zebra here"
    plain = HashedEmbedder(char_ngrams=None)
    fitted = HashedEmbedder(char_ngrams=None).fit(corpus)
    gain = [
        e.embed([rare])[0] @ e.embed([query])[0] - e.embed([common])[0] @ e.embed([query])[0] for e in (plain, fitted)
    ]
    assert gain[1] > gain[0] + 0.1


def test_vectors_depend_on_neither_batch_nor_order_nor_threads():
    texts = CORPUS * 40
    embedder = HashedEmbedder().fit(CORPUS)
    rows = embedder.embed(texts)
    assert np.array_equal(rows, embedder.embed(texts, threads=4))
    assert np.array_equal(rows[::-1], embedder.embed(texts[::-1], threads=2))
    assert np.array_equal(rows[3], embedder.embed([texts[3]])[0])


def test_fit_does_not_depend_on_threads_and_reads_generators():
    one = HashedEmbedder().fit(CORPUS * 700, threads=1)
    many = HashedEmbedder().fit((text for text in CORPUS * 700), threads=4)
    assert one.model_id == many.model_id and one.documents == many.documents == 4200
    assert np.array_equal(one.embed(CORPUS), many.embed(CORPUS))


def test_model_id_names_settings_and_idf():
    ids = {
        HashedEmbedder().model_id,
        HashedEmbedder(128).model_id,
        HashedEmbedder(word_ngrams=2).model_id,
        HashedEmbedder(char_ngrams=None).model_id,
        HashedEmbedder(char_share=0.1).model_id,
        HashedEmbedder().fit(CORPUS).model_id,
        HashedEmbedder().fit(CORPUS[:5]).model_id,
    }
    assert len(ids) == 7
    assert HashedEmbedder().model_id == HashedEmbedder().model_id


def test_vectors_of_this_version_are_pinned():
    # Stored vectors must stay comparable: a change here needs a new algorithm number in the model id.
    row = HashedEmbedder(dim=16).embed(["Ação no telhado 日本"])[0]
    np.testing.assert_allclose(row, PINNED, atol=1e-6)


def test_save_and_load(tmp_path):
    embedder = HashedEmbedder(dim=100, word_ngrams=3, char_ngrams=(2, 4), char_share=0.25).fit(CORPUS)
    path = tmp_path / "embedder.state"
    embedder.save(path)
    again = HashedEmbedder.load(path)
    assert again.model_id == embedder.model_id and again.dim == 100 and again.documents == 6
    assert np.array_equal(again.embed(CORPUS), embedder.embed(CORPUS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["embedder.state"]


def test_a_damaged_state_is_refused():
    state = HashedEmbedder().fit(CORPUS).state()
    for i in range(state.index(b"\n") + 1, len(state), 97):
        with pytest.raises(CheckpointCorruptionError):
            HashedEmbedder.from_state(state[:i] + bytes([state[i] ^ 1]) + state[i + 1 :])
    with pytest.raises(CheckpointCorruptionError):
        HashedEmbedder.from_state(state[:-1])


def test_something_else_is_refused(tmp_path):
    for bytes_ in (b"", b"{}", b"\x80\x04pickle", b'{"kind": "headrace hashed embedder", "algorithm": 999}\n'):
        with pytest.raises(ConfigurationError):
            HashedEmbedder.from_state(bytes_)
    with pytest.raises(StorageError, match="nothing"):
        HashedEmbedder.load(tmp_path / "nothing")
    with pytest.raises(StorageError, match="no/where"):
        HashedEmbedder().save(tmp_path / "no/where")


@pytest.mark.parametrize(
    "arguments",
    [{"dim": 7}, {"dim": -1}, {"dim": 10**9}, {"word_ngrams": 0}, {"char_ngrams": (5, 3)}, {"char_ngrams": (0, 3)},
     {"char_ngrams": (3, 99)}, {"char_share": 1.5}, {"char_share": float("nan")}],
)  # fmt: skip
def test_bad_settings(arguments):
    with pytest.raises(ConfigurationError):
        HashedEmbedder(**arguments)


def test_texts_without_words_are_zero_rows():
    rows = HashedEmbedder().embed(["", "   \n\t", "!?...", "\0\0"])
    assert not rows.any() and HashedEmbedder().count_tokens(["", "!?", "two words"]) == [0, 0, 2]


def test_no_texts():
    assert HashedEmbedder(32).embed([]).shape == (0, 32)
    assert HashedEmbedder().fit([]).documents == 0


@pytest.mark.parametrize("texts", ["a string", b"bytes", ["fine", 3], ["fine", None]])
def test_bad_texts(texts):
    embedder = HashedEmbedder()
    for call in (embedder.embed, embedder.count_tokens, embedder.fit):
        with pytest.raises(ConfigurationError):
            call(texts)
        with pytest.raises(EmbeddingError, match="text 1 holds a lone surrogate"):
            call(["fine", "lone \ud800"])


def test_a_long_text_without_a_blank():
    rows = HashedEmbedder().embed(["x" * 5000, "ab" * 3_000_000])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
def test_any_text(texts):
    embedder = HashedEmbedder(48)
    rows = embedder.embed(texts)
    norms = np.linalg.norm(rows, axis=1)
    assert np.isfinite(rows).all()
    assert all(abs(norm - 1) < 1e-5 or norm == 0 for norm in norms)
    assert [norm == 0 for norm in norms] == [count == 0 for count in embedder.count_tokens(texts)]
    assert np.array_equal(rows, np.stack([embedder.embed([t])[0] for t in texts]) if texts else rows)
