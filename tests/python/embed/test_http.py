import base64
import email.utils
import json
import threading
import time

import numpy as np
import pytest
from pydantic import SecretStr

from headrace.embed import Batcher, Embedder, HttpEmbedder
from headrace.embed.pace import retry_after
from headrace.errors import CancelledError, ConfigurationError, EmbeddingError
from servers.embeddings import LOST, EmbeddingsServer, reply, vectors
from support.tiny_model import write_tokenizer

TEXTS = ["one", "two words", "", "São Paulo 日本 😀", "one more"]
KEY = "sk-secret-0123456789"


@pytest.fixture
def server():
    with EmbeddingsServer() as running:
        yield running


def embedder_of(server, **options):
    return HttpEmbedder(server.url, "small", **{"api_key": KEY, "delay": 0.01, **options})


def expected(texts):
    return np.array(vectors({"input": texts}), np.float32)


def test_rows_come_in_order_whatever_the_server_does(server):
    embedder = embedder_of(server, extra={"truncate": False}, dimensions=3)
    assert isinstance(embedder, Embedder) and embedder.dim == 3
    rows = embedder.embed(TEXTS)
    assert np.array_equal(rows, expected(TEXTS)) and rows.dtype == np.float32 and rows.flags.c_contiguous
    assert server.bodies == [{"input": TEXTS, "model": "small", "dimensions": 3, "truncate": False}]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert embedder.embed([]).shape == (0, 3) and len(server.bodies) == 1


def test_behind_a_batcher(server):
    texts = [f"text {i} " + "x" * (i % 40) for i in range(300)]
    embedder = embedder_of(server, workers=3)
    assert embedder.dim == 0
    cache = {}
    rows = Batcher(embedder, 300, cache=cache).embed(texts)
    assert np.array_equal(rows, expected(texts)) and embedder.dim == 3 and len(cache) == 300


def test_base64_vectors(server):
    def encoded(body, number):
        data = [
            {"index": i, "embedding": base64.b64encode(np.array(row, "<f4").tobytes()).decode()}
            for i, row in enumerate(vectors(body))
        ]
        return 200, {"data": data}, {}

    server.rule = encoded
    assert np.array_equal(embedder_of(server, extra={"encoding_format": "base64"}).embed(TEXTS), expected(TEXTS))


@pytest.mark.parametrize("status", [LOST, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server, status):
    server.rule = lambda body, number: (status, "later", {}) if number < 3 else None
    assert np.array_equal(embedder_of(server).embed(TEXTS), expected(TEXTS))
    assert len(server.bodies) == 3


def test_attempts_are_bounded(server):
    server.rule = lambda body, number: (503, {"error": {"message": f"busy, {KEY}"}}, {})
    with pytest.raises(EmbeddingError, match="503") as raised:
        embedder_of(server, attempts=3).embed(TEXTS)
    assert len(server.bodies) == 3 and KEY not in str(raised.value) and "***" in str(raised.value)


def test_nobody_there():
    with pytest.raises(EmbeddingError, match=r"127\.0\.0\.1:9"):
        HttpEmbedder("http://127.0.0.1:9/v1", "small", attempts=2, delay=0.01).embed(["a"])


def test_retry_after_holds_all_threads_back(server):
    server.rule = lambda body, number: (429, "slow down", {"Retry-After": "1"}) if number == 1 else None
    embedder = embedder_of(server)
    first = threading.Thread(target=lambda: embedder.embed(["a"]))
    first.start()
    while not server.bodies:
        time.sleep(0.005)
    time.sleep(0.2)
    embedder.embed(["b"])
    first.join()
    assert min(server.times[1:]) - server.times[0] >= 0.95


def test_a_pause_that_is_too_long_is_not_waited_for(server):
    server.rule = lambda body, number: (429, "tomorrow", {"Retry-After": "86400"})
    begin = time.monotonic()
    with pytest.raises(EmbeddingError, match="429"):
        embedder_of(server, max_retry_after=60).embed(["a"])
    assert len(server.bodies) == 1 and time.monotonic() - begin < 5


def test_retry_after_forms():
    date = email.utils.formatdate(1_000_030, usegmt=True)
    assert retry_after("7", 0) == 7 and retry_after(date, 1_000_000) == 30 and retry_after(date, 2_000_000) == 0
    assert retry_after(None, 0) is None and retry_after("soon", 0) is None and retry_after("-3", 0) is None


def test_a_batch_that_is_too_large_is_halved_and_the_size_remembered(server):
    server.rule = lambda body, number: (413, "too large", {}) if sum(map(len, body["input"])) > 100 else None
    embedder, texts = embedder_of(server), ["x" * 20 + str(i) for i in range(16)]
    assert np.array_equal(embedder.embed(texts), expected(texts))
    refused = sum(sum(map(len, r["input"])) > 100 for r in server.bodies)
    assert np.array_equal(embedder.embed(texts), expected(texts))
    assert refused == sum(sum(map(len, r["input"])) > 100 for r in server.bodies) == 2
    with pytest.raises(EmbeddingError, match="413"):
        embedder.embed(["y" * 101])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_set_up_stops_everything(server, status):
    server.rule = lambda body, number: (status, {"error": KEY}, {})
    with pytest.raises(ConfigurationError, match=str(status)) as raised:
        Batcher(embedder_of(server), 64, on_error="nan").embed([str(i) for i in range(100)])
    assert KEY not in str(raised.value) and len(server.bodies) <= 4


def test_the_guilty_text_stands_alone(server):
    server.rule = lambda body, number: (400, {"error": "bad input"}, {}) if "bad" in body["input"] else None
    rows = Batcher(embedder_of(server), 512, on_error="nan").embed(["a", "bad", "b", "c"])
    assert np.isnan(rows[:, 0]).tolist() == [False, True, False, False]


def test_truncation_is_an_error(server, tmp_path):
    write_tokenizer(tmp_path / "tokenizer.json")
    embedder = embedder_of(server, tokenizer=tmp_path / "tokenizer.json", max_tokens=20)
    assert embedder.count_tokens(["the cat"]) == [4]
    with pytest.raises(EmbeddingError, match="text 1 has 22 tokens, the model takes 20"):
        embedder.embed(["fine", "the " * 20])
    assert not server.bodies

    def truncating(body, number):
        status, content, headers = reply(body)
        return status, {**content, "usage": {"prompt_tokens": 10}}, headers

    server.rule = truncating
    with pytest.raises(EmbeddingError, match="read 10 of 19 tokens: it truncates"):
        embedder.embed(["the " * 17])
    assert embedder.embed(["the " * 8]).shape == (1, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        [],
        {},
        {"data": []},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": "!"}, {"index": 1, "embedding": "!"}]},
        {"data": [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": ["b"]}]},
        {"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]},
    ],
)
def test_an_answer_that_is_none(server, content):
    server.rule = lambda body, number: (200, content, {})
    with pytest.raises(EmbeddingError, match="answered with"):
        embedder_of(server).embed(["a", "b"])


def test_rate_limits(server):
    embedder = embedder_of(server, requests_per_minute=60 / 0.1)
    for _ in range(4):
        embedder.embed(["a"])
    assert np.diff(server.times).min() > 0.08
    tokens = embedder_of(server, tokens_per_minute=60 / 0.001, tokenizer=lambda texts: [100] * len(texts))
    begin = time.monotonic()
    tokens.embed(["a", "b"])
    tokens.embed(["c"])
    assert time.monotonic() - begin > 0.18


def test_interrupt_ends_the_pauses(server):
    server.rule = lambda body, number: (429, "wait", {"Retry-After": "60"})
    embedder, errors = embedder_of(server), []

    def work():
        try:
            embedder.embed(["a"])
        except CancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not server.bodies:
        time.sleep(0.005)
    time.sleep(0.1)
    embedder.interrupt()
    thread.join(5)
    assert len(errors) == 1


def test_a_batcher_that_stops_interrupts_its_embedder(server):
    asked = threading.Event()  # a pause that the server asks for would hold back "the end", too

    def rule(body, number):
        if "the end" in body["input"]:
            asked.set()
            time.sleep(0.2)
            return (404, "gone", {})
        assert asked.wait(10)
        return (429, "wait", {"Retry-After": "60"})

    server.rule = rule
    begin = time.monotonic()
    with pytest.raises((ConfigurationError, CancelledError)):
        Batcher(embedder_of(server, workers=3), 16, 1, lambda t: [1] * len(t)).embed(["a", "b", "the end"])
    assert time.monotonic() - begin < 20


def test_the_key_is_never_shown():
    embedder = HttpEmbedder("http://127.0.0.1:9/v1/", "small", api_key=SecretStr(KEY))
    assert embedder._headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(embedder) + embedder.model_id and embedder.url == "http://127.0.0.1:9/v1"


def test_model_id_names_model_and_fields():
    ids = {
        HttpEmbedder("http://a/v1", "small").model_id,
        HttpEmbedder("http://a/v1", "large").model_id,
        HttpEmbedder("http://a/v1", "small", dimensions=64).model_id,
        HttpEmbedder("http://a/v1", "small", prefix="query: ").model_id,
    }
    assert len(ids) == 4 and HttpEmbedder("http://b/v1", "small").model_id in ids


def test_a_prefix_is_sent(server):
    embedder_of(server, prefix="passage: ").embed(["a"])
    assert json.loads(json.dumps(server.bodies))[0]["input"] == ["passage: a"]


@pytest.mark.parametrize("options", [{"max_tokens": 5}, {"attempts": 0}, {"workers": 0}, {"delay": -1}])
def test_bad_settings(options):
    with pytest.raises(ConfigurationError):
        HttpEmbedder("http://127.0.0.1:9/v1", "small", **options)


@pytest.mark.parametrize("url", ["", "no url", "ftp://host/v1"])
def test_bad_urls(url):
    with pytest.raises(ConfigurationError, match="url"):
        HttpEmbedder(url, "small")
