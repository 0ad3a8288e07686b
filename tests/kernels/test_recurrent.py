"""The recurrence kernels and their products against their twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="without Numba the twins are the kernels")

from tests.kernels.test_twins import numbers, same
from tinygrad_lite.kernels import fast, gemm, threads
from tinygrad_lite.kernels.compiled import compiled
from tinygrad_lite.kernels.each import at, each
from tinygrad_lite.kernels.functions import scalar
from tinygrad_lite.kernels.vectors import BYTES

often = settings(max_examples=40, deadline=None)


@pytest.fixture(autouse=True, params=[1, 3])
def several_threads(request, monkeypatch):
    """Also with threads for the least work."""
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    monkeypatch.setattr(threads, "WORTHWHILE", 1.0)
    yield
    threads.set_num_threads(before)


@st.composite
def recurrences(draw: Any) -> tuple:
    """Arguments of the kernel, for an LSTM or a GRU, in one direction or two."""
    steps, batch = draw(st.integers(1, 5)), draw(st.sampled_from([0, 1, 2, 5, 8, 19]))
    inputs, hidden = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 8, 16, 17, 40]))
    x = numbers(draw, (steps, batch, inputs))
    gates, both = draw(st.sampled_from([3, 4])) * hidden, draw(st.booleans())
    state = (2, batch, hidden) if both else draw(st.sampled_from([(batch, hidden), (1, batch, hidden)]))
    h0, c0 = (numbers(draw, state, x.dtype) for _ in range(2))
    shapes = (gates, inputs), (gates, hidden), (4 * hidden,)
    weights = [numbers(draw, shape, x.dtype) for _ in range(1 + both) for shape in shapes]
    some = st.lists(st.integers(0, steps), min_size=batch, max_size=batch).map(lambda k: np.array(k, np.int64))
    c0 = c0 if gates == 4 * hidden else None
    return x, h0, c0, *weights, *[None] * (6 - len(weights)), draw(st.none() | some), draw(st.booleans())


@often
@given(recurrences(), st.data())
def test_recurrence_and_its_way_back_are_their_twins(arguments, data):
    same("recurrence", *arguments)
    x, _, _, weight_ih, weight_hh, _, second_ih, second_hh, _, lengths, reverse = arguments
    out, h, c, *kept = fast("recurrence")(*arguments)
    upstream = [numbers(data.draw, a.shape, a.dtype) for a in (out, h, c)]
    given_ = (*upstream, x, weight_ih, weight_hh, second_ih, second_hh, *kept, lengths, reverse)
    same("recurrence_back", *given_, data.draw(st.booleans()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("cell", [True, False], ids=["lstm", "gru"])
def test_a_nan_stays_in_its_sequence(cell, value):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 9, 2)).astype(np.float32)
    x[1, 4, 0] = value
    h, rows = np.zeros((9, 5), np.float32), 20 if cell else 15
    w, u, b = (rng.standard_normal(s).astype(np.float32) for s in ((rows, 2), (rows, 5), 20))
    out = fast("recurrence")(x, h, h if cell else None, w, u, b, None, None, None, None, False)[0]
    assert np.isfinite(out[0]).all()
    assert np.isfinite(np.delete(out, 4, axis=1)).all()
    assert np.isnan(out[1:, 4]).any() == np.isnan(value)


def test_other_dtypes_go_to_the_twin():
    x, h = np.ones((2, 1, 1), np.float16), np.zeros((1, 2), np.float16)
    w, u, b = np.ones((6, 1), np.float16), np.ones((6, 2), np.float16), np.zeros(8, np.float16)
    same("recurrence", x, h, None, w, u, b, None, None, None, None, False)


# --------------------------------------------------------------------------------------- products


@often
@given(st.data())
def test_products_are_those_of_numpy(data):
    m, k, n = (data.draw(st.sampled_from(s)) for s in ([0, 1, 7, 9, 40], [1, 5, 257, 520], [1, 15, 32, 70, 129]))
    dtype, extra = data.draw(st.sampled_from([np.float32, np.float64])), data.draw(st.integers(0, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    tolerance = 1e-3 if dtype == np.float32 else 1e-10
    x, w = rng.standard_normal((m, k + extra)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    width = 2 * BYTES // x.itemsize
    for flat, steps in ((w.ravel(), (n, 1)), (w.T.ravel(), (1, k))):
        out, panels = np.ones((m, n + extra), dtype), np.empty(k * -(-n // width) * width, dtype)
        gemm.pack(flat, 0, *steps, k, n, panels, width)
        gemm.multiply_add(out.ravel(), 0, n + extra, x.ravel(), extra, k + extra, m, panels, k, n, width)
        np.testing.assert_allclose(out[:, :n], 1 + x[:, extra:] @ w, atol=tolerance)
        assert (out[:, n:] == 1).all()
    a = rng.standard_normal((m, 2 * k + extra)).astype(dtype)
    b, c = (rng.standard_normal((m, size)).astype(dtype) for size in (n, extra))
    out, other, third = np.ones((k, n), dtype), np.ones((k, extra), dtype), np.ones((n, k), dtype)
    gemm.add_transposed_products((a, (out, extra, b), (other, k, c)), (b, (third, 0, a[:, :k])))
    np.testing.assert_allclose(third, 1 + b.T @ a[:, :k], atol=tolerance)
    np.testing.assert_allclose(out, 1 + a[:, extra : extra + k].T @ b, atol=tolerance)
    np.testing.assert_allclose(other, 1 + a[:, k : 2 * k].T @ c, atol=tolerance)


@pytest.mark.parametrize("columns", [9, 40, 257])
@pytest.mark.parametrize("low", [0, 8, 30])
def test_columns_are_shared_out_by_work(columns, low):
    a, b = np.zeros((0, columns), np.float32), np.zeros((0, 5), np.float32)
    high = min(low + 20, columns)
    parts = [(a.ravel(), 0, columns, 2, b.ravel()), (a.ravel(), low, high, 5, b.ravel())]
    work = 2 * columns + 5 * max(high - low, 0)
    edges = [gemm.column_after(k, tuple(parts), columns) for k in range(work + 1)]
    assert edges[0] == 0 and edges[-1] == columns and edges == sorted(edges)
    cost = np.full(columns, 2) + 5 * ((np.arange(columns) >= low) & (np.arange(columns) < high))
    for k, edge in enumerate(edges[:-1]):
        assert edge % gemm.ROWS == 0
        assert cost[:edge].sum() <= k < cost[: edge + gemm.ROWS].sum()


@scalar
def both(x, y):
    return x + y, x * y


@compiled
def sums_and_products(x, y, total, count):
    each(both, count, (at(total, 0), at(y, 0)), (at(x, 0), at(y, 0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 7, 16, 33])
def test_each_applies_a_formula_to_every_place(count, dtype):
    x, y = np.arange(40, dtype=dtype), np.arange(40, dtype=dtype) + 2
    total, before = np.zeros(40, dtype), y.copy()
    sums_and_products(x, y, total, count)
    np.testing.assert_array_equal(total[:count], (x + before)[:count])
    np.testing.assert_array_equal(y[:count], (x * before)[:count])
    assert not total[count:].any()
    np.testing.assert_array_equal(y[count:], before[count:])
