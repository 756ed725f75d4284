import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.embed import Batcher, Embedder, EmbeddingCache, HashedEmbedder, cache_key, estimate_tokens
from headrace.errors import CancelledError, ConfigurationError, EmbeddingError


def digest(texts):
    """A model whose rows tell their texts apart."""
    return np.array([[len(t), sum(t.encode("utf-8", "surrogatepass")) % 997, 1] for t in texts], np.float64).reshape(
        -1, 3
    )


def lengths(texts):
    return [len(t) for t in texts]


def workload(n, seed=0, longest=256):
    rng = np.random.default_rng(seed)
    sizes = np.clip(rng.lognormal(np.log(78), 0.85, n).astype(int), 12, longest)
    return [f"{i} ".ljust(size, "x") for i, size in enumerate(sizes)]


class Recorder:
    """Keeps the batches that a model got."""

    def __init__(self, model=digest):
        self.model, self.batches, self._lock = model, [], threading.Lock()

    def __call__(self, texts):
        with self._lock:
            self.batches.append(list(texts))
        return self.model(texts)


texts_strategy = st.lists(st.text(max_size=30) | st.sampled_from(["a", "bb", ""]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(texts_strategy, st.integers(1, 200), st.integers(1, 20), st.integers(1, 40), st.integers(1, 4))
def test_rows_in_order_each_different_text_once(texts, max_tokens, max_batch, window, workers):
    model = Recorder()
    batcher = Batcher(model, max_tokens, max_batch, lengths, window=window, workers=workers)
    rows = batcher.embed(texts)
    assert rows.dtype == np.float32 and rows.flags.c_contiguous and rows.shape[0] == len(texts)
    if texts:
        assert np.array_equal(rows, digest(texts).astype(np.float32))
    sent = [text for batch in model.batches for text in batch]
    assert sorted(sent) == sorted(set(texts))
    for batch in model.batches:
        assert len(batch) <= max_batch
        assert len(batch) == 1 or len(batch) * max(1, max(map(len, batch))) <= max_tokens
    stats = batcher.stats
    assert (stats.texts, stats.duplicates) == (len(set(texts)), len(texts) - len(set(texts)))


@settings(max_examples=150, deadline=None)
@given(texts_strategy, st.sets(st.integers(0, 59), max_size=6), st.integers(1, 20), st.integers(1, 3))
def test_poison_stands_alone_whatever_it_sits_beside(texts, poisoned, max_batch, workers):
    poison = {texts[i] for i in poisoned if i < len(texts)}

    def model(batch):
        if poison.intersection(batch):
            raise ValueError("poison")
        return digest(batch)

    batcher = Batcher(model, 100, max_batch, lengths, window=16, workers=workers, dim=3)
    expected = [i for i, text in enumerate(texts) if text in poison]
    rows = batcher.embed(texts, on_error="nan")
    assert [i for i, row in enumerate(rows) if np.isnan(row).any()] == expected
    if texts:
        kept = [i for i in range(len(texts)) if i not in expected]
        assert np.array_equal(rows[kept], digest(texts)[kept].astype(np.float32))
    if expected:
        with pytest.raises(EmbeddingError) as raised:
            batcher.embed(texts)
        assert list(raised.value.indices) == expected
        assert (
            isinstance(raised.value.original_error, ValueError)
            and raised.value.__cause__ is raised.value.original_error
        )
        assert "poison" in str(raised.value) and "batch" in str(raised.value)


@pytest.mark.parametrize(("budget", "padding"), [(512, 1.01), (2048, 1.02)])
def test_padding(budget, padding):
    model = Recorder()
    texts = workload(4000)
    batcher = Batcher(model, budget, count_tokens=lengths)
    batcher.embed(texts)
    real = sum(map(len, texts))
    padded = sum(len(batch) * max(map(len, batch)) for batch in model.batches)
    assert padded / real <= padding and batcher.stats.padding == pytest.approx(padded / real)
    assert real / len(model.batches) > 0.7 * budget


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda t: np.zeros((len(t) + 1, 3)), "4 rows for 3"),
        (lambda t: np.zeros((1, 3)), "1 row for 3 texts"),
        (lambda t: np.zeros((len(t), 0)), "dimension 0"),
        (lambda t: np.zeros((len(t), 3, 2)), "3 dimensions"),
        (lambda t: np.zeros(3), "1 dimensions"),
        (lambda t: np.full((len(t), 3), np.nan), "NaN"),
        (lambda t: np.full((len(t), 3), np.inf), "NaN or infinity"),
        (lambda t: None, "instead of"),
        (lambda t: [["a"]] * len(t), "no matrix"),
        (lambda t: [[1, 2], [3]], "no matrix"),
        (lambda t: {"rows": 3}, "no matrix"),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_batch(model, message):
    for policy in ("raise", "nan"):
        with pytest.raises(EmbeddingError, match=message) as raised:
            Batcher(model, 512, on_error=policy).embed(["a", "bb", "ccc"])
        assert raised.value.indices == (0, 1, 2) and "batch" in str(raised.value)


def test_a_row_of_nan_is_its_texts_failure_alone():
    def model(texts):
        return [[float("nan") if t == "bad" else len(t), 1] for t in texts]

    rows = Batcher(model, 512, on_error="nan").embed(["fine", "bad", "good"])
    assert np.isnan(rows[:, 0]).tolist() == [False, True, False]


def test_a_dimension_that_changes_is_an_error():
    with pytest.raises(EmbeddingError, match="dimension 2 instead of 3"):
        Batcher(lambda t: np.ones((len(t), 2 if "bb" in t else 3)), 512, 1, lengths).embed(["bb", "a", "cccc"])
    with pytest.raises(EmbeddingError, match="instead of 7"):
        Batcher(digest, 512, dim=7).embed(["a"])


def test_a_broken_model_is_not_asked_for_every_text():
    def refuse(texts):
        raise ConnectionError("nobody there")

    model = Recorder(refuse)
    with pytest.raises(EmbeddingError, match="nobody there") as raised:
        Batcher(model, 512).embed(workload(3000))
    assert len(raised.value.indices) == 3000 and isinstance(raised.value.original_error, ConnectionError)
    assert len(model.batches) < 300


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ConfigurationError, CancelledError])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_no_texts_fault_stops_at_once(error, workers):
    def stop(texts):
        raise error("stop")

    model = Recorder(stop)
    with pytest.raises(error):
        Batcher(model, 64, workers=workers, on_error="nan").embed(workload(500))
    assert len(model.batches) <= workers


def test_workers_run_batches_at_the_same_time():
    barrier = threading.Barrier(3, timeout=20)

    def model(texts):
        barrier.wait()
        return digest(texts)

    rows = Batcher(model, 512, 1, workers=3).embed(["a", "bb", "ccc", "dddd", "eeeee", "ffffff"])
    assert rows[:, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_one_batcher_in_many_threads():
    texts = workload(300)
    expected = digest(texts).astype(np.float32)
    batcher = Batcher(digest, workers=2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(batcher.embed(texts))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6 and all(np.array_equal(rows, expected) for rows in results)


def test_a_model_may_use_another_batcher():
    inner = Batcher(digest, 64)
    rows = Batcher(inner.embed, 128, workers=2).embed(workload(100))
    assert np.array_equal(rows, digest(workload(100)).astype(np.float32))


def test_ctrl_c_returns_soon():
    code = """
import time, numpy as np
from headrace.embed import Batcher
def model(texts):
    time.sleep(0.05)
    return np.ones((len(texts), 2))
print("ready", flush=True)
try:
    Batcher(model, 64, 1, workers=2).embed([str(i) for i in range(10_000)])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    begin = time.monotonic()
    assert process.communicate(timeout=30)[0] == "interrupted\n" and process.returncode == 0
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("workers", [1, 2])
def test_calibration_avoids_budgets_that_are_slow(workers):
    def model(texts):  # a batch costs 4 ms, a token 10 us, and beyond 600 tokens ten times as much
        tokens = len(texts) * max(map(len, texts))
        time.sleep(0.004 + 1e-5 * tokens * (10 if tokens > 600 else 1))
        return digest(texts)

    texts = workload(800)
    batcher = Batcher(model, count_tokens=lengths, workers=workers)
    assert batcher.max_tokens is None
    assert np.array_equal(batcher.embed(texts), digest(texts).astype(np.float32))
    assert batcher.max_tokens <= 512


def test_a_few_texts_need_no_calibration():
    batcher = Batcher(digest)
    assert batcher.embed(["a", "bb"]).shape == (2, 3) and batcher.max_tokens is None


class Remembering:
    """A cache that is asked key by key."""

    def __init__(self):
        self.rows, self.asked = {}, []

    def get(self, key):
        self.asked.append(key)
        return self.rows.get(key)

    def put(self, key, row):
        self.rows[key] = row


class RememberingMany(Remembering):
    def get_many(self, keys):
        return [self.rows.get(key) for key in keys]

    def put_many(self, keys, rows):
        self.rows.update(zip(keys, rows.copy(), strict=True))


@pytest.mark.parametrize("make", [dict, Remembering, RememberingMany])
def test_a_text_is_embedded_once_and_then_remembered(make):
    cache, texts = make(), workload(300)
    model = Recorder()
    first = Batcher(model, 512, cache=cache, model_id="m1").embed(texts)
    calls = len(model.batches)
    again = Batcher(model, 512, cache=cache, model_id="m1")
    assert np.array_equal(again.embed([*texts, "new"])[:-1], first)
    assert len(model.batches) == calls + 1 and model.batches[-1] == ["new"]
    assert again.stats.cached == 300
    rows = cache if make is dict else cache.rows
    assert np.array_equal(rows[cache_key("m1", texts[0])], first[0])
    Batcher(model, 512, cache=cache, model_id="m2").embed(texts)
    assert len(rows) == 601


def test_what_was_embedded_before_a_failure_is_remembered():
    def model(texts):
        if "bad" in texts:
            raise ValueError("no")
        return digest(texts)

    cache = {}
    with pytest.raises(EmbeddingError):
        Batcher(model, 512, cache=cache, model_id="m").embed(["a", "bad", "b"])
    assert set(cache) == {cache_key("m", "a"), cache_key("m", "b")}


def test_rows_of_a_cache_that_do_not_fit_are_not_used():
    cache = {
        cache_key("m", "a"): [1.0, float("nan"), 1.0],
        cache_key("m", "bb"): [1.0, 2.0],
        cache_key("m", "c"): [[1.0]],
        cache_key("m", "dd"): "junk",
    }
    rows = Batcher(digest, 512, cache=cache, model_id="m", dim=3).embed(["a", "bb", "c", "dd"])
    assert np.array_equal(rows, digest(["a", "bb", "c", "dd"]).astype(np.float32))


def test_a_broken_cache_stops():
    class Broken:
        def get(self, key):
            raise OSError("disk gone")

        def put(self, key, row): ...

    with pytest.raises(OSError, match="disk gone"):
        Batcher(digest, 512, cache=Broken(), model_id="m", on_error="nan").embed(["a"])


def test_an_embedder_brings_its_own_settings():
    embedder = HashedEmbedder(32)
    assert isinstance(embedder, Embedder) and isinstance(Remembering(), EmbeddingCache)
    cache = {}
    batcher = Batcher(embedder, cache=cache)
    texts = workload(200)
    assert np.array_equal(batcher.embed(texts), embedder.embed(texts))
    assert cache_key(embedder.model_id, texts[5]) in cache
    assert batcher.stats.real_tokens == sum(embedder.count_tokens(texts))
    assert batcher.embed([]).shape == (0, 32)


class Short:
    """An embedder with a limit."""

    model_id, dim, max_tokens, batch_invariant = "short", 3, 10, True
    embed, count_tokens = staticmethod(digest), staticmethod(lengths)


def test_texts_over_the_models_limit_fail_without_being_sent():
    with pytest.raises(EmbeddingError, match="text 1 has 11 tokens, the model takes 10: cut it"):
        Batcher(Short(), 512).embed(["fine", "x" * 11, "y" * 10])
    # Counts of one's own may be estimates: the model itself must judge then.
    assert Batcher(Short(), 512, count_tokens=lambda t: [99] * len(t)).embed(["fine"]).shape == (1, 3)


def test_a_counter_that_fails_for_one_text_takes_no_other_with_it():
    def count(texts):
        if "odd" in texts:
            raise UnicodeError("cannot tokenise")
        return lengths(texts)

    rows = Batcher(digest, 512, count_tokens=count, on_error="nan").embed(["a", "odd", "b"])
    assert np.isnan(rows[:, 0]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "counts", [lambda t: [1], lambda t: None, lambda t: 5, lambda t: ["x"] * len(t), lambda t: [[1]] * len(t)]
)
def test_a_counter_that_answers_nonsense(counts):
    with pytest.raises(ConfigurationError, match="count_tokens"):
        Batcher(digest, 512, count_tokens=counts).embed(["a", "b"])


@pytest.mark.parametrize(
    "arguments",
    [{"embed": 3}, {"embed": None}, {"max_tokens": 0}, {"max_tokens": -5}, {"max_batch": 0}, {"window": 0},
     {"workers": 0}, {"on_error": "ignore"}, {"count_tokens": 3}, {"cache": 3, "model_id": "m"}, {"cache": {}}],
)  # fmt: skip
def test_bad_settings(arguments):
    with pytest.raises(ConfigurationError):
        Batcher(**{"embed": digest, **arguments})


@pytest.mark.parametrize("texts", ["a string", b"bytes", None, 5, ["fine", None], ["fine", b"bytes"], ["fine", 1.5]])
def test_bad_texts(texts):
    with pytest.raises(ConfigurationError, match="text"):
        Batcher(digest, 512).embed(texts)
    with pytest.raises(ConfigurationError):
        Batcher(digest, 512).embed(["a"], on_error="perhaps")


def test_odd_texts_arrive_as_they_are():
    texts = ["", "   ", "\0", "lone \ud800 surrogate", "😀" * 100, "x" * 5000, "\N{HEBREW LETTER ALEF}\u0301"]
    model = Recorder()
    rows = Batcher(model, 512).embed(iter(texts))
    assert np.array_equal(rows, digest(texts).astype(np.float32))
    assert sorted(text for batch in model.batches for text in batch) == sorted(texts)


def test_a_very_long_text_stands_alone():
    model = Recorder()
    long = "word " * 20_000_000
    Batcher(model, 512).embed(["a", long, "b"])
    assert [len(batch) for batch in model.batches] == [1, 2]


def test_estimates_are_near_the_mark():
    assert estimate_tokens(["", "a"]) == [2, 3]
    english = "The quick brown fox jumps over the lazy dog near the river bank, while seven children watch. " * 20
    assert 300 <= estimate_tokens([english])[0] <= 520  # BERT's WordPiece: 382
    japanese = "日本語の文章です。東京は日本の首都です。" * 20
    assert 300 <= estimate_tokens([japanese])[0] <= 520  # 402


def test_a_hundred_thousand_rows_come_without_a_copy():
    rows = Batcher(lambda t: np.ones((len(t), 384), np.float32), 65536, 1024, lambda t: [4] * len(t)).embed(
        [str(i) for i in range(100_000)]
    )
    assert rows.shape == (100_000, 384) and type(rows.base).__name__ == "PyCapsule" and rows.flags.writeable


def test_a_lone_surrogate_is_its_own_texts_failure():
    cache = {}
    rows = Batcher(HashedEmbedder(64), cache=cache, on_error="nan").embed(["good", "bad \ud800", "fine"])
    assert np.isnan(rows[:, 0]).tolist() == [False, True, False] and len(cache) == 2
    with pytest.raises(EmbeddingError, match="text 1 holds a lone surrogate") as raised:
        HashedEmbedder(64).embed(["good", "bad \ud800"])
    assert raised.value.indices == (1,)


def test_what_is_no_embedder():
    for wrong in (HashedEmbedder, Batcher(digest, 512)):
        with pytest.raises(ConfigurationError, match=r"not .* itself"):
            Batcher(wrong)
