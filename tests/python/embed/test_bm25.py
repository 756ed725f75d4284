import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.embed import BM25
from headrace.errors import CheckpointCorruptionError, ConfigurationError, EmbeddingError

CORPUS = [
    "the cat sat on the mat with the other cat",
    "dogs and cats",
    "the quick brown fox",
    "a financial report of the city, approved by the council of the city",
]


def dot(query, document):
    weights = dict(zip(*(array.tolist() for array in query), strict=True))
    return sum(weights.get(i, 0) * v for i, v in zip(*(array.tolist() for array in document), strict=True))


def reference(query, corpus, k1, b):
    """The textbook formula."""
    documents = [Counter(re.findall(r"\w+", text)) for text in corpus]
    average = sum(d.total() for d in documents) / len(documents)
    scores = []
    for d in documents:
        score = 0.0
        for word in re.findall(r"\w+", query):
            n = sum(word in other for other in documents)
            idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            score += idf * d[word] * (k1 + 1) / (d[word] + k1 * (1 - b + b * d.total() / average))
        scores.append(score)
    return scores


words = st.lists(st.sampled_from("a b c dd ee ff word another".split()), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), words, st.floats(0.01, 3), st.floats(0, 1))
def test_scores_are_those_of_the_formula(corpus, query, k1, b):
    model = BM25(k1, b).fit(iter(corpus))
    documents = model.embed_documents(corpus)
    asked = model.embed_queries([query])[0]
    np.testing.assert_allclose([dot(asked, row) for row in documents], reference(query, corpus, k1, b), atol=1e-5)


def test_the_best_document_wins():
    model = BM25().fit(CORPUS)
    rows = model.embed_documents(CORPUS)
    for query, best in [("Cat on a MAT", 0), ("dogs", 1), ("fox", 2), ("City council's report", 3)]:
        asked = model.embed_queries([query])[0]
        assert max(range(4), key=lambda i: dot(asked, rows[i])) == best


def test_rows_are_a_sequence_of_sorted_different_indices():
    rows = BM25().embed_documents(["b a b", "", "日本語"])
    assert len(rows) == 3 and [len(indices) for indices, _ in rows] == [2, 0, 2]
    assert rows.starts.tolist() == [0, 2, 2, 4]
    assert rows.indices.dtype == np.uint32 and rows.values.dtype == np.float32
    indices, values = rows[-3]
    assert indices[0] < indices[1] and values[0] != values[1]
    with pytest.raises(IndexError):
        rows[3]


def test_fitting_changes_queries_and_average_only():
    model = BM25(average_length=10)
    assert set(model.embed_queries(["some words here"]).values) == {1.0}
    assert model.average_length == 10 and model.documents == 0
    before = model.model_id
    model.fit(CORPUS)
    assert model.documents == 4 and model.average_length == 7.5 and model.model_id != before
    assert len(set(model.embed_queries(["the cat fox"]).values)) > 1
    assert BM25(1.3).model_id != BM25().model_id == BM25().model_id


def test_save_and_load(tmp_path):
    model = BM25(1.5, 0.5, 99).fit(CORPUS)
    model.save(tmp_path / "bm25.state")
    again = BM25.load(tmp_path / "bm25.state")
    assert again.model_id == model.model_id and again.state() == model.state() and "4 texts" in repr(again)
    assert np.array_equal(again.embed_queries(CORPUS).values, model.embed_queries(CORPUS).values)
    state = model.state()
    with pytest.raises(CheckpointCorruptionError):
        BM25.from_state(state[:-20] + b"x" + state[-19:])
    with pytest.raises(ConfigurationError):
        BM25.from_state(b"something else")


@pytest.mark.parametrize(
    "arguments", [{"k1": -1}, {"b": 1.1}, {"b": float("nan")}, {"average_length": 0}, {"k1": math.inf}]
)
def test_bad_settings(arguments):
    with pytest.raises(ConfigurationError):
        BM25(**arguments)


def test_bad_texts():
    for call in (BM25().fit, BM25().embed_documents, BM25().embed_queries):
        for texts in ("text", ["fine", 3]):
            with pytest.raises(ConfigurationError):
                call(texts)
        with pytest.raises(EmbeddingError, match="text 0 holds a lone surrogate"):
            call(["lone \udfff"])
