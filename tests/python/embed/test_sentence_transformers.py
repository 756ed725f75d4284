"""The adapter's own logic, on a stand-in for the package, which needs gigabytes; the benchmark runs the real one."""

import sys
import types

import numpy as np
import pytest

from headrace.embed import Batcher, Embedder, SentenceTransformersEmbedder
from headrace.errors import ConfigurationError, EmbeddingError


class Tensor:
    def __init__(self, value):
        self.value = np.asarray(value, np.float32)

    detach = cpu = float = numpy = lambda self: self.value if isinstance(self, np.ndarray) else self

    def tobytes(self):
        return self.value.tobytes()


class SentenceTransformer:
    """What the adapter uses of the real class; a token a word, and two at the ends."""

    max_seq_length = 8
    default_prompt_name = None

    def __init__(self, name, device=None):
        self.prompts = {"document": "passage: "}
        if name == "missing":
            raise OSError("no such model\nsecond line")
        self.name, self.device, self.calls = name, device, []

    def tokenizer(self, texts, truncation, verbose):
        assert truncation is False and verbose is False
        return {"input_ids": [[0] * (len(text.split()) + 2) for text in texts]}

    def encode(self, texts, **options):
        self.calls.append((texts, options))
        assert options["batch_size"] == len(texts) and options["prompt"] == ""
        return np.array([[len(text), 1.0] for text in texts], np.float64)

    def state_dict(self):
        return {"weight": Tensor([1, 2, len(self.name)])}

    def __repr__(self):
        return "SentenceTransformer(...)"


@pytest.fixture(autouse=True)
def package(monkeypatch):
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


def test_one_call_is_one_batch():
    model = SentenceTransformer("m")
    embedder = SentenceTransformersEmbedder(model, normalise=True)
    assert isinstance(embedder, Embedder) and embedder.dim == 2 and embedder.max_tokens == 8
    rows = embedder.embed(["a b", "c"])
    assert rows.dtype == np.float32 and rows[:, 0].tolist() == [3, 1]
    assert model.calls[-1][0] == ["a b", "c"] and model.calls[-1][1]["normalize_embeddings"] is True
    assert embedder.embed([]).shape == (0, 2) and embedder.count_tokens([]) == []


def test_too_long_is_an_error():
    embedder = SentenceTransformersEmbedder("folder", device="cpu")
    with pytest.raises(EmbeddingError, match="text 1 has 9 tokens, the model takes 8"):
        embedder.embed(["fine", "w " * 7])
    rows = Batcher(embedder, 64, on_error="nan").embed(["fine", "w " * 7, "w " * 6])
    assert np.isnan(rows[:, 0]).tolist() == [False, True, False]


def test_a_default_prompt_is_used_and_counted(monkeypatch):
    monkeypatch.setattr(SentenceTransformer, "default_prompt_name", "document")
    model = SentenceTransformer("m")
    embedder = SentenceTransformersEmbedder(model)
    assert embedder.count_tokens(["a"]) == [4]
    embedder.embed(["a"])
    assert model.calls[-1][0] == ["passage: a"]
    assert SentenceTransformersEmbedder(model, prompt="").count_tokens(["a"]) == [3]


def test_model_id_names_weights_prompt_and_normalisation():
    ids = {
        SentenceTransformersEmbedder("m").model_id,
        SentenceTransformersEmbedder("other").model_id,
        SentenceTransformersEmbedder("m", prompt="p").model_id,
        SentenceTransformersEmbedder("m", normalise=True).model_id,
        SentenceTransformersEmbedder("m", model_id="mine").model_id,
    }
    assert len(ids) == 5 and "mine" in ids
    assert SentenceTransformersEmbedder("m").model_id in ids


def test_what_can_not_be_loaded(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"can't load missing: no such model$"):
        SentenceTransformersEmbedder("missing")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'headrace\[sentence-transformers\]'"):
        SentenceTransformersEmbedder("m")
