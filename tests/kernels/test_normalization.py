"""Normalisation kernels against their twins, far from zero, and with NaN and Inf."""

from __future__ import annotations

import importlib
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same
from tests.kernels.threading import spread_over
from tinygrad_lite import kernels
from tinygrad_lite.kernels import fast, twin

pytest.importorskip("numba", reason="without Numba the twins are the kernels")
normalization = importlib.import_module("tinygrad_lite.kernels.normalization")


@st.composite
def calls(draw: Any) -> dict[str, Any]:
    """Every kind of view: several samples to a mean or one, many places or one; any operand left out."""
    samples = draw(st.sampled_from([1, 1, 2, 5, 200]))
    rows, groups, channels = (draw(st.integers(1, 4)) for _ in range(3))
    places = draw(st.sampled_from([1, 1, 2, 17, 64, 131]))
    view = (samples, rows, groups, channels, places)
    n = samples * rows
    x = numbers(draw, (n, groups * channels, places))
    optional = [draw(st.sampled_from([None, numbers(draw, (groups * channels,), x.dtype)])) for _ in range(2)]
    residual = draw(st.sampled_from([None, numbers(draw, x.shape, x.dtype)]))
    return {
        "x": x,
        "g": numbers(draw, x.shape, x.dtype),
        "weight": optional[0],
        "bias": optional[1],
        "residual": residual,
        "rest": (view, 0.1, draw(st.booleans())),
        "rectify": draw(st.booleans()),
        "threads": draw(st.integers(1, 4)),
    }


@often
@given(calls())
def test_normalize_is_its_twin(call):
    with spread_over(call["threads"]):
        same("normalize", call["x"], call["weight"], call["bias"], call["residual"], *call["rest"], call["rectify"])


@often
@given(calls())
def test_normalize_back_is_its_twin(call):
    g, x, weight, (view, eps, centre) = call["g"], call["x"], call["weight"], call["rest"]
    out = call["residual"] if call["rectify"] else None
    _, mean, var = twin("normalize")(x, None, None, None, view, eps, centre, False)
    with spread_over(call["threads"]):
        same("normalize_back", g, x, weight, out, mean, var, view, eps, centre, True)
        got = fast("normalize_back")(g, x, weight, out, mean, var, view, eps, centre, False)
    want = twin("normalize_back")(g, x, weight, out, mean, var, view, eps, centre, False)
    for a, b in zip(got[:3], want):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


@often
@given(calls())
def test_results_written_past_the_caches_are_the_same(call):
    """Of any length, and from any place in a line."""
    g, x, weight, (view, eps, centre) = call["g"], call["x"], call["weight"], call["rest"]
    out = call["residual"] if call["rectify"] else None

    def both() -> tuple:
        made = fast("normalize")(x, weight, call["bias"], call["residual"], view, eps, centre, call["rectify"])
        return *made, *fast("normalize_back")(g, x, weight, out, *made[1:], view, eps, centre, True)

    with spread_over(call["threads"]), pytest.MonkeyPatch.context() as patch:
        want = both()
        patch.setattr(normalization, "LARGE", 0)
        patch.setattr(normalization, "LONG", 0)
        for a, b in zip(both(), want):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@often
@given(st.data())
def test_affine_is_its_twin(data):
    shape = tuple(data.draw(st.integers(0, 5)) for _ in range(3))
    x = numbers(data.draw, shape)
    with spread_over(data.draw(st.integers(1, 4))):
        same("affine", x, *(numbers(data.draw, shape[1:2], x.dtype) for _ in range(2)))


@pytest.mark.parametrize("view", [(64, 1, 3, 1, 300), (1, 4, 3, 2, 2400), (1, 192, 1, 300, 1)])
@pytest.mark.parametrize(("mean", "std"), [(1e4, 1.0), (0.0, 1e-6), (-3e5, 100.0), (1.0, 1e-3)])
def test_float32_statistics_are_right_far_from_zero(view, mean, std):
    """Against those of the rounded values in float64."""
    x = (mean + std * np.random.default_rng(0).standard_normal(view)).astype(np.float32)
    x[:, :, 0] += 7 * std  # a start that is not like the rest
    out, got_mean, got_var = fast("normalize")(x, None, None, None, view, 1e-20, True, False)
    exact, want_mean, want_var = twin("normalize")(x.astype(float), None, None, None, view, 1e-20, True, False)
    np.testing.assert_allclose(got_mean, want_mean, rtol=1e-7, atol=1e-5 * std)
    np.testing.assert_allclose(got_var, want_var, rtol=1e-5)
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-4)


def test_a_mean_that_wanders_is_part_of_the_variance():
    x = np.repeat(np.arange(64, dtype=np.float32) * 1000, 4096).reshape(64, 1, 1, 1, 4096)
    _, mean, var = fast("normalize")(x, None, None, None, x.shape, 0.1, True, False)
    np.testing.assert_allclose([mean.item(), var.item()], [31500, 1e6 * (64**2 - 1) / 12], rtol=1e-6)


@pytest.mark.parametrize("view", [(4, 1, 3, 1, 40), (1, 4, 3, 2, 20), (1, 4, 3, 40, 1)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_or_inf_spoils_its_group_and_no_other(view, value):
    x = np.random.default_rng(0).standard_normal(view).astype(np.float32)
    x[0, 0, 1].flat[3] = value
    for rectify in (False, True):
        out, *_ = fast("normalize")(x, None, None, None, view, 0.1, True, rectify)
        group = np.zeros(view, bool)
        group[:, 0, 1] = True
        assert np.isnan(out[group]).sum() == (group.sum() if np.isnan(value) else np.isnan(out).sum()) > 0
        assert np.isfinite(out[~group]).all()


def test_the_number_of_threads_changes_nothing_beyond_rounding():
    view = (16, 1, 9, 1, 100)
    x, g = np.random.default_rng(0).standard_normal((2, *view)).astype(np.float32)
    results = []
    for count in (1, 2, 3, 4):
        with spread_over(count):
            out, mean, var = kernels.normalize(x, None, None, g, view, 0.1, True, True)
            results.append((out, *kernels.normalize_back(g, x, None, out, mean, var, view, 0.1, True, True)))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    assert prod(view) == results[0][0].size
