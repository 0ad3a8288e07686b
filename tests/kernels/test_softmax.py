"""Softmax and its losses: kernels against twins, for random rows, and where a row has Inf or NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.kernels.test_twins import numbers, often, same

SOFTMAXES = ["softmax_rows", "log_softmax_rows"]


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request, monkeypatch):
    """One thread, and three even for little work."""
    monkeypatch.setattr("tinygrad_lite.kernels.threads.WORTHWHILE", 100)
    before = tl.get_num_threads()
    tl.set_num_threads(request.param)
    yield
    tl.set_num_threads(before)


@st.composite
def matrices(draw):
    return numbers(draw, (draw(st.integers(0, 9)), draw(st.sampled_from([1, 2, 7, 16, 33, 100]))))


@often
@given(st.data())
def test_softmax_and_its_gradient_are_their_twins(data):
    x = data.draw(matrices())
    g = numbers(data.draw, x.shape, x.dtype)
    for name in SOFTMAXES:
        same(name, x)
        same(f"{name}_back", g, x)


@often
@given(st.data())
def test_losses_and_their_gradient_are_their_twins(data):
    x = data.draw(matrices())
    target = np.random.default_rng(0).integers(0, x.shape[1], len(x))
    share = numbers(data.draw, (len(x),), x.dtype)
    if len(share):
        share = share.copy()
        share[0] = 0
    for name in ("nll_rows", "nll_rows_back"):
        same(name, x, target, share)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_rows_of_inf_and_nan_are_their_twins(name, dtype):
    x = np.zeros((5, 40), dtype)
    x[0], x[1, 3], x[2, 39], x[3, 0], x[4, 1] = -math.inf, math.nan, math.inf, -math.inf, 1000
    same(name, x)


@pytest.mark.parametrize("name", SOFTMAXES)
def test_other_dtypes_go_to_the_twin(name):
    same(name, np.ones((2, 3), np.float16))
    same(name, np.ones((2, 0), np.float32))
