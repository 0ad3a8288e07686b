"""Attention: kernels against twins, for random sizes, and where a score is Inf or NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same


@st.composite
def heads(draw):
    """The upstream gradient (B, L, F), and q, k and v."""
    b = draw(st.integers(0, 3))
    length, keys, size, features = (draw(st.sampled_from([1, 2, 5, 31, 32, 33, 70])) for _ in range(4))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shapes = (b, length, features), (b, length, size), (b, keys, size), (b, keys, features)
    return [numbers(draw, shape, dtype) for shape in shapes]


@often
@given(heads(), st.booleans(), st.sampled_from([1, 3]))
def test_attention_is_its_twin(arrays, causal, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygrad_lite.kernels.threads.WORTHWHILE", 1000)
        patch.setattr("tinygrad_lite.kernels.threads._count", threads)
        patch.setattr("tinygrad_lite.kernels.threads._crews", [])
        same("attend", *arrays[1:], 0.3, causal)
        same("attend_back", *arrays, 0.3, causal)


def test_many_scores_and_other_dtypes_go_to_the_twin():
    for shape, dtype in [((1, 300, 2), np.float32), ((1, 3, 2), np.float16)]:
        same("attend", *(np.ones(shape, dtype) for _ in range(3)), 0.5, False)
        same("attend_back", *(np.ones(shape, dtype) for _ in range(4)), 0.5, True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_or_inf_reaches_the_rows_that_meet_it(bad):
    q, k, v = (np.random.default_rng(s).standard_normal((2, 40, 8)).astype(np.float32) for s in range(3))
    q[1, 7, 3] = bad
    with np.errstate(invalid="ignore"):
        same("attend", q, k, v, 0.5, False)
