import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest
import tokenizers
from onnx import TensorProto, helper, save

from headrace.embed import Batcher, Embedder, OnnxEmbedder, quantise_onnx
from headrace.errors import ConfigurationError, EmbeddingError
from support.tiny_model import WORDS, write_tiny_model

TEXTS = ["the cat sat on the mat", "a dog", "report of the city council, one two three!", "", "São Paulo água"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def embedder(folder):
    return OnnxEmbedder(folder)


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def alone(folder, embedder, text):
    """The vector by onnxruntime and NumPy alone, without any padding."""
    package = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    package.no_truncation()
    package.no_padding()
    ids = package.encode(text).ids
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    feed = {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "token_type_ids": [[0] * len(ids)]}
    (hidden,) = session.run(None, {name: np.array(value, np.int64) for name, value in feed.items()})
    mean = hidden[0].mean(0)
    return mean / np.linalg.norm(mean)


def test_vectors_are_those_of_the_model(folder, embedder):
    rows = embedder.embed(TEXTS)
    assert rows.shape == (5, 32) and rows.dtype == np.float32 and rows.flags.c_contiguous
    np.testing.assert_allclose(rows, [alone(folder, embedder, text) for text in TEXTS], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert isinstance(embedder, Embedder) and embedder.dim == 32 and embedder.max_tokens == 40
    assert not embedder.batch_invariant and embedder.embed([]).shape == (0, 32)


def test_the_native_tokenizer_gives_what_the_package_gives(folder, embedder):
    package = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    package.no_truncation()
    package.no_padding()
    texts = [*TEXTS, "[CLS] the cat", "日本語 cat", "\x00 dog", "x" * 300, "the " * 500]
    assert embedder.tokenizer.native, embedder.tokenizer.reason
    assert embedder.tokenizer.encode(texts) == [encoding.ids for encoding in package.encode_batch(texts)]
    assert embedder.count_tokens(texts) == [len(encoding.ids) for encoding in package.encode_batch(texts)]


def test_a_tokenizer_that_has_no_native_twin_is_run_by_the_package(copied):
    file = copied / "tokenizer.json"
    content = json.loads(file.read_text())
    native = OnnxEmbedder(copied).embed(TEXTS)
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [content["pre_tokenizer"]]}
    file.write_text(json.dumps(content))
    embedder = OnnxEmbedder(copied)
    assert not embedder.tokenizer.native and embedder.tokenizer.reason
    np.testing.assert_allclose(embedder.embed(TEXTS), native, atol=1e-6)
    assert embedder.count_tokens(TEXTS) == OnnxEmbedder(copied).count_tokens(TEXTS)


def test_the_tokenizers_own_truncation_and_padding_are_off(embedder):
    assert embedder.count_tokens(["the " * 30, "cat"]) == [32, 3]
    assert not np.allclose(embedder.embed(["the " * 30 + "cat"]), embedder.embed(["the " * 30 + "dog"]), atol=1e-4)


def test_too_long_is_an_error_and_never_truncated(embedder):
    with pytest.raises(EmbeddingError, match="text 1 has 41 tokens, the model takes 40") as raised:
        embedder.embed(["cat", "dog " * 39, "dog " * 38, "cat " * 50])
    assert raised.value.indices == (1, 3)
    rows = Batcher(embedder, 512, on_error="nan").embed(["cat", "dog " * 39])
    assert np.isnan(rows[:, 0]).tolist() == [False, True]


@pytest.mark.parametrize("workers", [None, 3])
def test_behind_a_batcher(embedder, workers):
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 38))) for _ in range(400)]
    batcher = Batcher(embedder, 256, workers=workers)
    np.testing.assert_allclose(batcher.embed(texts), np.concatenate([embedder.embed([t]) for t in texts]), atol=2e-6)
    assert batcher.stats.real_tokens == sum(embedder.count_tokens(list(dict.fromkeys(texts))))
    assert batcher.stats.padding < 1.03


def test_threads_may_share_it(embedder):
    expected, wrong = embedder.embed(TEXTS), []

    def work():
        for _ in range(20):
            embedder.count_tokens(TEXTS)
            if not np.array_equal(embedder.embed(TEXTS), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_model_id_names_weights_and_settings(folder, copied, embedder):
    assert OnnxEmbedder(copied).model_id == embedder.model_id
    variants = [{"prefix": "query: "}, {"pooling": "cls"}, {"normalise": False}]
    ids = {OnnxEmbedder(copied, **variant).model_id for variant in variants}
    shutil.copy(write_tiny_model(copied / "other").joinpath("tokenizer.json"), copied / "tokenizer.json")
    text = (copied / "tokenizer.json").read_text().replace('"max_length": 8', '"max_length": 9')
    (copied / "tokenizer.json").write_text(text)
    ids |= {OnnxEmbedder(copied).model_id, embedder.model_id}
    assert len(ids) == 5


def test_settings_of_the_folder(copied):
    (copied / "1_Pooling/config.json").write_text('{"pooling_mode": "cls"}')
    (copied / "modules.json").write_text("[]")
    (copied / "sentence_bert_config.json").unlink()
    embedder = OnnxEmbedder(copied)
    assert embedder.max_tokens == 64
    cls = embedder.embed(["the cat"])
    assert abs(np.linalg.norm(cls) - 1) > 0.01
    given = OnnxEmbedder(copied, pooling="mean", normalise=True, max_tokens=5)
    assert given.max_tokens == 5 and not np.allclose(given.embed(["the cat"]), cls, atol=0.01)
    (copied / "onnx").mkdir()
    (copied / "model.onnx").rename(copied / "onnx/model.onnx")
    assert np.array_equal(OnnxEmbedder(copied).embed(["the cat"]), cls)


def test_a_prefix_is_embedded_and_counted(embedder, folder):
    prefixed = OnnxEmbedder(folder, prefix="the red ")
    assert prefixed.count_tokens(["cat"]) == embedder.count_tokens(["the red cat"])
    assert np.array_equal(prefixed.embed(["cat"]), embedder.embed(["the red cat"]))


def test_int8_a_channel_is_near(folder, embedder, tmp_path, recwarn):
    quantised = OnnxEmbedder(quantise_onnx(folder, tmp_path / "int8"))
    cosines = (quantised.embed(TEXTS) * embedder.embed(TEXTS)).sum(1)
    assert cosines.min() > 0.98 and quantised.model_id != embedder.model_id
    assert (tmp_path / "int8/model.onnx").stat().st_size < (folder / "model.onnx").stat().st_size
    with pytest.raises(ConfigurationError, match="exists already"):
        quantise_onnx(folder, tmp_path / "int8")


def write_model(folder, inputs=("input_ids",), outputs=("sentence_embedding",), kind="Identity"):
    """A model that answers zeros, or copies of its ids."""
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in inputs]
    cast = helper.make_node("Cast", [inputs[0]], ["x"], to=TensorProto.FLOAT)
    nodes = [cast, *(helper.make_node(kind, ["x"], [name]) for name in outputs)]
    made = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "s"] if kind == "Identity" else [])
        for name in outputs
    ]
    graph = helper.make_graph(nodes, "odd", given, made)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "model.onnx")


def test_a_model_that_pools_itself(copied):
    write_model(copied, outputs=("other", "sentence_embedding"))
    assert OnnxEmbedder(copied, normalise=False).embed(["cat"]).tolist()[0][0] == 2  # [CLS]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: shutil.rmtree(f), "there is no folder"),
        (lambda f: (f / "model.onnx").unlink(), "holds no model.onnx or onnx/model.onnx"),
        (lambda f: (f / "model.onnx").write_bytes(b"nonsense"), "can't load"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "not a tokenizer"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (lambda f: (f / "1_Pooling/config.json").write_text('{"pooling_mode": "max"}'), "pools by max"),
        (lambda f: write_model(f, inputs=("input_ids", "pixel_values")), "pixel_values"),
        (lambda f: write_model(f, kind="ReduceSum"), "no output"),
        (lambda f: [(f / n).unlink() for n in ("config.json", "sentence_bert_config.json")], "give max_tokens"),
    ],
)
def test_bad_folders(copied, spoil, message):
    spoil(copied)
    with pytest.raises(ConfigurationError, match=message):
        OnnxEmbedder(copied)


@pytest.mark.parametrize("arguments", [{"pooling": "max"}, {"max_tokens": 0}, {"file": "other.onnx"}])
def test_bad_settings(folder, arguments):
    with pytest.raises(ConfigurationError):
        OnnxEmbedder(folder, **arguments)


def test_odd_texts(embedder):
    rows = Batcher(embedder, 512, on_error="nan").embed(["\0", "😀", "lone \ud800", "cat"])
    assert np.isnan(rows[:, 0]).tolist() == [False, False, True, False]


def test_a_missing_package_is_named(folder):
    code = (
        f"import sys, headrace.embed; sys.modules['onnxruntime'] = None; headrace.embed.OnnxEmbedder({str(folder)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "needs the package onnxruntime: pip install 'headrace[onnx]'" in done.stderr


def test_the_package_tokenizers_is_only_needed_for_kinds_without_a_native_twin(folder, copied):
    file = copied / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["type"] = "WordLevel"
    file.write_text(json.dumps(content))
    code = "import sys, headrace.embed; sys.modules['tokenizers'] = None; headrace.embed.OnnxEmbedder(sys.argv[1])"
    command = [sys.executable, "-c", code]
    assert subprocess.run([*command, str(folder)], check=False).returncode == 0
    done = subprocess.run([*command, str(copied)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "(pip install tokenizers)" in done.stderr


def test_importing_embed_needs_no_optional_package():
    heavy = ["onnxruntime", "tokenizers", "torch", "sentence_transformers", "onnx"]
    code = f"import sys, json, headrace.embed; print(json.dumps([p for p in {heavy} if p in sys.modules]))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 10_000}, "max_tokens must be between 1 and the model's"),
        ({"providers": "CPUExecutionProvider"}, "providers must be a list of what is here"),
        ({"providers": ["NoSuchProvider"]}, "providers must be a list of what is here"),
        ({"prefix": 5}, "prefix must be a string"),
    ],
)
def test_settings_that_the_model_cannot_have(folder, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        OnnxEmbedder(folder, **settings)


def test_what_is_no_list_of_texts(folder, embedder):
    for call in (embedder.embed, embedder.count_tokens):
        with pytest.raises(ConfigurationError, match=r"write \[text\]"):
            call("hello")
        with pytest.raises(ConfigurationError, match="text 1 is not a string but a NoneType"):
            call(["hello", None])
    assert np.array_equal(embedder.embed(np.array(["a dog", "the cat"])), embedder.embed(["a dog", "the cat"]))
    with pytest.raises(ConfigurationError, match="is a file: give the folder"):
        OnnxEmbedder(folder / "model.onnx")
