"""Pooling kernels against their twins: ties, NaN, windows of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same
from tests.kernels.threading import spread_over
from tinygrad_lite.kernels import fast, twin

pytest.importorskip("numba", reason="without Numba the twins are the kernels")

lead = st.lists(st.integers(0, 4), max_size=2).map(tuple)


@st.composite
def maxima(draw: Any) -> tuple:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 35))
    x = numbers(draw, (*draw(lead), height, width))
    if draw(st.booleans()):
        x = np.round(x)  # ties
    if draw(st.booleans()):
        x = np.where(np.random.default_rng(draw(st.integers(0, 99))).random(x.shape) < 0.2, x.dtype.type(np.nan), x)

    def table(size: int) -> np.ndarray:
        shape = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        rng = np.random.default_rng(draw(st.integers(0, 100)))
        return np.sort(rng.integers(0, size, shape), axis=1)

    return x, table(height), table(width)


@often
@given(maxima(), st.integers(1, 4))
def test_max_pool_is_its_twin(args, threads):
    with spread_over(threads):
        same("max_pool", *args)


@often
@given(st.data())
def test_scatter_planes_is_its_twin(data):
    size = data.draw(st.sampled_from([(9,), (3, 5)]))
    g = numbers(data.draw, (*data.draw(lead), *(data.draw(st.integers(1, 4)) for _ in size)))
    place = np.random.default_rng(0).integers(0, np.prod(size), g.shape)
    with spread_over(data.draw(st.integers(1, 4))):
        same("scatter_planes", g, place, size)


@pytest.mark.parametrize("place", [3, -1])
def test_scatter_planes_refuses_a_place_outside(place):
    for version in (fast("scatter_planes"), twin("scatter_planes")):
        with pytest.raises(IndexError, match="outside of its plane"):
            version(np.ones((1, 1)), np.array([[place]]), (3,))


@st.composite
def means(draw: Any) -> tuple:
    """A plane, windows that overlap, leave gaps or cover it all, and a result."""

    def windows(size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(draw(st.integers(0, 100)))
        if draw(st.booleans()):
            return np.array([[0, size]]), np.array([1 / size])
        start = rng.integers(0, size, draw(st.integers(1, 4)))
        return np.stack([start, rng.integers(start + 1, size + 1)], axis=1), rng.standard_normal(len(start))

    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    rows, columns = windows(height), windows(width)
    x = numbers(draw, (*draw(lead), height, width))
    return x, rows, columns, numbers(draw, (*x.shape[:-2], len(rows[0]), len(columns[0])), x.dtype)


@often
@given(means(), st.integers(1, 4))
def test_mean_pool_and_its_transpose_are_their_twins(call, threads):
    x, rows, columns, g = call
    with spread_over(threads):
        same("mean_pool", x, rows, columns)
        same("mean_pool_back", g, rows, columns, x.shape[-2:])


def test_an_infinite_value_stays_in_its_windows():
    x = np.zeros((4, 6), np.float32)
    x[1, 2] = np.inf
    windows = np.array([[0, 2], [2, 4]]), np.array([0.5, 0.5])
    y = fast("mean_pool")(x, windows, windows)
    np.testing.assert_array_equal(y, [[0, np.inf], [0, 0]])
