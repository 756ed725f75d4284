import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import embed
from headrace.errors import ConfigurationError

KERNELS = embed.top_k_kernels()


def rows_of(n, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def reference(queries, rows, k, metric):
    """The same in NumPy and in double, ties by the lower row number."""
    q, x = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-300)
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    scores = q @ x.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, 1)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize(
    ("q", "n", "dim", "k"),
    [
        (1, 1, 1, 1),
        (3, 7, 5, 3),
        (1, 2000, 384, 10),
        (100, 3001, 384, 10),
        (17, 1025, 33, 50),
        (49, 600, 16, 600),
        (5, 9, 64, 100),
    ],
)
def test_top_k_equals_numpy(kernel, metric, q, n, dim, k):
    queries, rows = rows_of(q, dim, 1), rows_of(n, dim, 2)
    indices, scores = embed.top_k(queries, rows, k, metric=metric, kernel=kernel)
    expected, expected_scores = reference(queries, rows, k, metric)
    assert indices.shape == scores.shape == (q, min(k, n))
    assert indices.dtype == np.int64 and scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected_scores, atol=2e-5 * max(1, np.abs(expected_scores).max()))
    assert np.mean(indices == expected) > 0.99


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("queries", [1, 40])
def test_equal_scores_go_by_row_number_whatever_the_threads(kernel, queries):
    rows = np.tile(rows_of(4, 32), (900, 1))
    query = np.repeat(rows[2:3], queries, axis=0)
    results = [embed.top_k(query, rows, 25, kernel=kernel, threads=t) for t in (1, 2, 5)]
    assert (results[0][0] == np.arange(2, 102, 4)).all()
    for indices, scores in results[1:]:
        assert np.array_equal(indices, results[0][0]) and np.array_equal(scores, results[0][1])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("queries", [1, 20])
def test_zeros_have_cosine_zero_and_nan_never_wins(kernel, queries):
    rows = np.array([[1, 0], [0, 0], [np.nan, 1], [-1, 0]], np.float32)
    indices, scores = embed.top_k([[1.0, 0.0]] * queries, rows, 4, kernel=kernel)
    assert indices[-1].tolist() == [0, 1, 3, -1]
    assert scores[-1].tolist() == [1, 0, -1, -np.inf]
    assert (embed.top_k(np.zeros((queries, 2)), rows[[0, 3]], 2, kernel=kernel)[1] == 0).all()


def test_top_k_of_nothing():
    assert embed.top_k(np.zeros((0, 4)), np.zeros((3, 4)), 2)[0].shape == (0, 2)
    assert embed.top_k(np.zeros((2, 4)), np.zeros((0, 4)), 2)[0].shape == (2, 0)


@pytest.mark.parametrize(
    ("queries", "rows", "options"),
    [
        (np.zeros((1, 3)), np.zeros((2, 4)), {}),
        (np.zeros(3), np.zeros((2, 3)), {}),
        (np.zeros((1, 3)), np.zeros((2, 3)), {"k": 0}),
        (np.zeros((1, 3)), np.zeros((2, 3)), {"metric": "euclid"}),
        (np.zeros((1, 3)), np.zeros((2, 3)), {"kernel": "avx1024"}),
    ],
)
def test_top_k_refuses(queries, rows, options):
    with pytest.raises(ConfigurationError):
        embed.top_k(queries, rows, **options)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 6), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32))
def test_mean_pool_equals_numpy(batch, length, dim, seed):
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((batch, length, dim)).astype(np.float32)
    mask = rng.integers(0, 2, (batch, length))
    pooled = embed.mean_pool(tokens, mask)
    expected = (tokens * mask[:, :, None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1)
    assert pooled.dtype == np.float32 and pooled.flags.c_contiguous
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_mean_pool_skips_what_is_masked_even_nan():
    tokens = np.array([[[1, 2], [np.nan, np.nan]]], np.float32)
    assert embed.mean_pool(tokens, [[1, 0]]).tolist() == [[1, 2]]


@pytest.mark.parametrize(("tokens", "mask"), [((2, 3, 4), (3, 2)), ((6, 4), (2, 3)), ((2, 3, 4), (6,))])
def test_mean_pool_refuses_wrong_shapes(tokens, mask):
    with pytest.raises(ConfigurationError):
        embed.mean_pool(np.zeros(tokens, np.float32), np.ones(mask, np.int64))


def test_l2_normalise_in_place():
    rows = rows_of(100, 384) * 1e-3
    rows[7] = 0
    expected = rows / np.maximum(np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True), 1e-300)
    embed.l2_normalise(rows)
    np.testing.assert_allclose(rows, expected, atol=1e-7)
    tiny = np.full((1, 4), 1e-30, np.float32)  # its squares vanish in float32
    embed.l2_normalise(tiny)
    np.testing.assert_allclose(tiny, 0.5)


@pytest.mark.parametrize("rows", [np.zeros((2, 2)), np.zeros((4, 4), np.float32)[:, ::2], [[1.0]]])
def test_l2_normalise_refuses_what_it_would_have_to_copy(rows):
    with pytest.raises(ConfigurationError):
        embed.l2_normalise(rows)
    frozen = np.ones((2, 2), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ConfigurationError):
        embed.l2_normalise(frozen)


def test_int8_equals_numpy():
    rows = rows_of(50, 96)
    rows[3] = 0
    codes, scales = embed.quantise_int8(rows)
    expected_scales = np.abs(rows).max(1) / 127
    np.testing.assert_allclose(scales, expected_scales, rtol=1e-6)
    inverse = np.divide(1, expected_scales, out=np.zeros_like(expected_scales), where=expected_scales > 0)
    assert np.abs(codes - rows * inverse[:, None]).max() <= 0.5 + 1e-4
    assert codes.dtype == np.int8 and codes.min() >= -127 and (np.abs(codes).max(1) == 127).sum() == 49
    np.testing.assert_array_equal(embed.dequantise_int8(codes, scales), codes.astype(np.float32) * scales[:, None])
    assert embed.quantise_int8(np.zeros((0, 3)))[0].shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_int8_refuses_nan_and_names_the_row(bad):
    rows = rows_of(5, 8)
    rows[3, 2] = bad
    with pytest.raises(ConfigurationError, match="row 3"):
        embed.quantise_int8(rows)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 40), st.integers(0, 2**32))
def test_binary_equals_packbits(n, dim, seed):
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    np.testing.assert_array_equal(embed.quantise_binary(rows), np.packbits(rows > 0, axis=1))


def test_a_hundred_thousand_rows_come_without_a_copy():
    rows = embed.HashedEmbedder(384).embed(["one text"] * 100_000)
    assert rows.shape == (100_000, 384) and rows.flags.c_contiguous and not rows.flags.owndata
    assert type(rows.base).__name__ == "PyCapsule"
    assert rows.flags.writeable
