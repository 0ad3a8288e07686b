"""Matrix products and sums of channels against their twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same
from tests.kernels.threading import spread_over

pytest.importorskip("numba", reason="without Numba the twins are the kernels")

length = st.one_of(st.integers(0, 20), st.sampled_from([31, 32, 33, 100, 130, 257, 300]))


@st.composite
def matrices(draw: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices that fit, in row or column order or neither."""
    rows, depth, columns = draw(length), draw(length), draw(length)
    x = numbers(draw, (rows, depth))
    return x, numbers(draw, (depth, columns), x.dtype)


@often
@given(matrices(), st.integers(1, 4))
def test_matrix_product_is_its_twin(both, threads):
    x, y = both
    scale = np.sqrt(max(x.shape[1], 1)).astype(x.dtype)  # so that rounding stays below the tolerance
    with spread_over(threads):
        same("matrix_product", x / scale, y)


@often
@given(st.data(), length, st.integers(1, 40), st.sampled_from([0, 1, 3, 50, 5000]), st.integers(1, 4))
def test_sum_channels_is_its_twin(data, samples, channels, places, threads):
    x = numbers(data.draw, (samples, channels, places)) / max(1, samples * places) ** 0.5
    with spread_over(threads):
        same("sum_channels", x.astype(np.float32) if data.draw(st.booleans()) else x.astype(np.float64))


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_other_dtypes_go_to_the_twin(dtype):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    same("matrix_product", x, x.T)
    same("sum_channels", x[:, :, None])


def test_products_of_what_does_not_fit_are_refused():
    with pytest.raises(ValueError):
        same("matrix_product", np.ones((3, 4)), np.ones((3, 4)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_or_inf_reaches_its_row_only(value):
    x, y = np.ones((50, 40), np.float32), np.ones((40, 33), np.float32)
    x[7, 3] = value
    from tinygrad_lite.kernels import fast

    bad = ~np.isfinite(fast("matrix_product")(x, y))
    assert bad[7].all() and bad.sum() == 33
