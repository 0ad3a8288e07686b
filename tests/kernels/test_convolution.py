"""Convolution: all algorithms against the twin and each other, over random shapes, strides, paddings and odd sizes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.kernels.test_twins import numbers, often, same
from tests.kernels.threading import spread_over
from tinygrad_lite.kernels import fast, threads, twin

pytest.importorskip("numba", reason="without Numba the twins are the kernels")
convolution = importlib.import_module("tinygrad_lite.kernels.convolution")
depthwise = importlib.import_module("tinygrad_lite.kernels.depthwise")
direct = importlib.import_module("tinygrad_lite.kernels.direct")
filtering = importlib.import_module("tinygrad_lite.kernels.filtering")
winograd = importlib.import_module("tinygrad_lite.kernels.winograd")


def forget() -> None:
    """Plans are kept, and depend on the constants that tests set."""
    for plan in (convolution.convolver, convolution.correlator):
        plan.cache_clear()


@pytest.fixture
def constants(monkeypatch):
    """Set constants for one test."""
    forget()
    yield monkeypatch.setattr
    monkeypatch.undo()
    forget()


def bias_back(given_: dict[str, Any]) -> Any:
    """A bias for the way from y to x, if there is one for the way from x to y."""
    x = given_["x"]
    return None if given_["bias"] is None else np.arange(x.shape[1], dtype=x.dtype)


def all_three(given_: dict[str, Any]) -> None:
    x, w, y, rest = (given_[k] for k in ("x", "w", "y", "rest"))
    same("convolve", x, w, given_["bias"], *rest, y.shape[2:])
    same("convolve_input", y, w, bias_back(given_), *rest, x.shape[2:])
    same("convolve_weight", y, x, *rest, w.shape[2:])


@st.composite
def convolutions(draw: Any) -> dict[str, Any]:
    """Sizes that suit each other, and now and then an input or output of a few places more or less than needed."""
    rank = draw(st.integers(1, 3))

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    groups = draw(st.integers(1, 3))
    c, o = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 5, 8, 9, 17]))
    kernel, stride, dilation, padding = sizes(1, 4), sizes(1, 3), sizes(1, 3), sizes(0, 4)
    places = sizes(1, 12 if rank == 2 else 4)
    extra = sizes(-1, 2)
    spatial = tuple(
        max(1, (n - 1) * s + (k - 1) * d + 1 - 2 * p + e)
        for n, s, k, d, p, e in zip(places, stride, kernel, dilation, padding, extra)
    )
    n = draw(st.sampled_from([1, 2, 3, 7, 20]))
    x = numbers(draw, (n, c * groups, *spatial))
    return {
        "x": x,
        "w": numbers(draw, (o * groups, c, *kernel), x.dtype),
        "y": numbers(draw, (n, o * groups, *places), x.dtype),
        "bias": draw(st.sampled_from([None, np.arange(o * groups, dtype=x.dtype)])),
        "rest": (stride, padding, dilation, groups),
    }


@st.composite
def threes(draw: Any) -> dict[str, Any]:
    """What Winograd's algorithm is for: 3x3, stride 1, float32; up to more channels and images than there are lanes."""
    c, o = draw(st.sampled_from([1, 3, 8, 17, 33])), draw(st.sampled_from([1, 2, 8, 17, 40]))
    padding, dilation = (tuple(draw(st.integers(low, 3)) for _ in range(2)) for low in (0, 1))
    places = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    spatial = tuple(max(1, n + 2 * (d - p)) for n, p, d in zip(places, padding, dilation))
    n = draw(st.sampled_from([1, 2, 5, 16, 19]))
    return {
        "x": numbers(draw, (n, c, *spatial), np.float32),
        "w": numbers(draw, (o, c, 3, 3), np.float32),
        "y": numbers(draw, (n, o, *places), np.float32),
        "bias": draw(st.sampled_from([None, np.arange(o, dtype=np.float32)])),
        "rest": ((1, 1), padding, dilation, 1),
    }


@st.composite
def rows(draw: Any) -> dict[str, Any]:
    """What minimal filtering is for: 2 to 5 places of a row for each number that a stride leaves out, float32."""
    rank, along = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    width = draw(st.integers(along + 1, 5 * along))

    def others(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank - 1))

    stride, dilation, kernel = (*others(1, 2), along), (*others(1, 2), 1), (*others(1, 3), width)
    padding = tuple(draw(st.integers(0, 3)) for _ in range(rank))
    places = (*others(1, 6), draw(st.integers(1, 23)))
    sizes = zip(places, stride, kernel, dilation, padding)
    spatial = tuple(max(1, (n - 1) * s + (k - 1) * d + 1 - 2 * p) for n, s, k, d, p in sizes)
    n, c, o = (draw(st.sampled_from(each)) for each in ([1, 2, 16, 19], [1, 3, 8, 40], [1, 8, 17]))
    return {
        "x": numbers(draw, (n, c, *spatial), np.float32),
        "w": numbers(draw, (o, c, *kernel), np.float32),
        "y": numbers(draw, (n, o, *places), np.float32),
        "bias": draw(st.sampled_from([None, np.arange(o, dtype=np.float32)])),
        "rest": (stride, padding, dilation, 1),
    }


@st.composite
def simple(draw: Any) -> dict[str, Any]:
    """Kernels of one place, and kernels for each channel, of one or two dimensions."""
    rank, n, c = draw(st.integers(1, 2)), draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 17, 40]))
    spatial = tuple(draw(st.integers(1, 30)) for _ in range(rank))
    if draw(st.booleans()):
        o, groups, places = draw(st.sampled_from([1, 2, 33])), 1, spatial
        kernel, padding, dilation = (1,) * rank, (0,) * rank, (1,) * rank
    else:
        o, groups = c, c
        kernel, padding, dilation = (tuple(draw(st.integers(a, 4)) for _ in range(rank)) for a in (1, 0, 1))
        extra = draw(st.integers(-1, 2))
        sizes = zip(spatial, padding, kernel, dilation)
        places = tuple(max(1, s + 2 * p - (k - 1) * d + extra) for s, p, k, d in sizes)
    x = numbers(draw, (n, c, *spatial))
    return {
        "x": x,
        "w": numbers(draw, (o, c // groups, *kernel), x.dtype),
        "y": numbers(draw, (n, o, *places), x.dtype),
        "bias": draw(st.sampled_from([None, np.arange(o, dtype=x.dtype)])),
        "rest": ((1,) * rank, padding, dilation, groups),
    }


@often
@given(simple(), st.integers(1, 4))
def test_pointwise_and_depthwise_convolutions_are_their_twins(given_, threads):
    with spread_over(threads):
        all_three(given_)


@settings(max_examples=60, deadline=None)
@given(simple(), st.sampled_from([1, 300]))
def test_bands_of_planes_are_their_twins(given_, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "BAND", size)
        depthwise.layout.cache_clear()
        all_three(given_)
    depthwise.layout.cache_clear()


@often
@given(convolutions())
def test_convolve_is_its_twin(given_):
    same("convolve", given_["x"], given_["w"], given_["bias"], *given_["rest"], given_["y"].shape[2:])


@often
@given(convolutions())
def test_convolve_input_is_its_twin(given_):
    same("convolve_input", given_["y"], given_["w"], bias_back(given_), *given_["rest"], given_["x"].shape[2:])


@often
@given(convolutions())
def test_convolve_weight_is_its_twin(given_):
    same("convolve_weight", given_["y"], given_["x"], *given_["rest"], given_["w"].shape[2:])


@settings(max_examples=30, deadline=None)
@given(convolutions())
def test_images_cut_into_bands_are_their_twins(given_):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "CACHE", 64)
        patch.setattr(direct, "PLACES", 4)
        forget()
        all_three(given_)
    forget()


@pytest.mark.parametrize("algorithm", convolution.ALGORITHMS)
@settings(max_examples=60, deadline=None)
@given(given_=threes())
def test_every_algorithm_is_its_twin(algorithm, given_):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "algorithm", algorithm)
        all_three(given_)


@settings(max_examples=30, deadline=None)
@given(given_=threes())
def test_bands_of_tiles_are_their_twins(given_):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "algorithm", "winograd")
        patch.setattr(winograd, "CACHE", 64)
        patch.setattr(winograd, "TILES", 2)
        forget()
        all_three(given_)
    forget()


@often
@given(rows(), st.sampled_from([64, filtering.CACHE]))
def test_minimal_filtering_is_its_twin(given_, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "algorithm", "filtering")
        patch.setattr(filtering, "CACHE", cache)  # a small one makes bands
        forget()
        all_three(given_)
    forget()


@pytest.mark.parametrize("taps", [2, 3, 4, 5])
def test_minimal_filtering_is_exact_in_exact_arithmetic(taps):
    scale = 24  # makes whole numbers of G
    a, b = np.array(filtering.output(7 - taps)), np.array(filtering.INPUT)
    g = scale * np.array(filtering.kernel_at(taps))
    np.testing.assert_array_equal(np.round(g), np.round(g, 9))
    for k in range(taps):
        w = np.eye(taps)[k]
        wanted = scale * np.eye(6)[k : k + 7 - taps]
        np.testing.assert_array_equal(a @ ((np.round(g) @ w)[:, None] * b), wanted)


@settings(max_examples=20, deadline=None)
@given(convolutions())
def test_the_three_convolutions_are_derivatives_of_one_sum(given_):
    x, w, y, rest = (given_[k] for k in ("x", "w", "y", "rest"))
    x, w, y = (a.astype(np.float64) for a in (x, w, y))
    sums = [
        np.vdot(fast("convolve")(x, w, None, *rest, y.shape[2:]), y),
        np.vdot(fast("convolve_input")(y, w, None, *rest, x.shape[2:]), x),
        np.vdot(fast("convolve_weight")(y, x, *rest, w.shape[2:]), w),
    ]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "c", "o", "size", "kernel", "stride", "padding", "groups"),
    [
        (5, 16, 16, (32, 32), (3, 3), (1, 1), (1, 1), 1),  # blocks of images, several chunks of positions
        (3, 40, 24, (40, 37), (3, 3), (1, 1), (1, 1), 1),  # more pairs than are summed at a time
        (2, 24, 24, (17, 19), (5, 5), (2, 2), (2, 2), 24),  # depthwise
        (150, 1, 3, (8, 8), (3, 3), (1, 1), (1, 1), 1),
        (4, 12, 40, (9, 9), (1, 1), (1, 1), (0, 0), 4),
        (2, 16, 9, (101, 90), (3, 3), (1, 1), (1, 1), 1),  # bands of rows
        (1, 16, 10, (203, 90), (5, 3), (3, 2), (2, 0), 2),
    ],
)
def test_larger_convolutions_are_their_twins(n, c, o, size, kernel, stride, padding, groups):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, c, *size))
    w = rng.standard_normal((o, c // groups, *kernel))
    places = tuple((a + 2 * p - k) // s + 1 for a, p, k, s in zip(size, padding, kernel, stride))
    y = rng.standard_normal((n, o, *places))
    all_three({"x": x, "w": w, "y": y, "bias": None, "rest": (stride, padding, (1, 1), groups)})


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_other_dtypes_go_to_the_twin(dtype):
    x, w = np.arange(32).reshape(1, 2, 4, 4).astype(dtype), np.ones((3, 2, 2, 2), dtype)
    same("convolve", x, w, None, (1, 1), (0, 0), (1, 1), 1, (3, 3))


@pytest.mark.parametrize("shape", [(0, 2, 4, 4), (2, 0, 4, 4)])
def test_convolutions_of_nothing_are_zeros(shape):
    x, w = np.zeros(shape, np.float32), np.ones((3, shape[1], 2, 2), np.float32)
    same("convolve", x, w, np.ones(3, np.float32), (1, 1), (0, 0), (1, 1), 1, (3, 3))
    same("convolve_weight", np.ones((shape[0], 3, 3, 3), np.float32), x, (1, 1), (0, 0), (1, 1), 1, (2, 2))
    same("convolve_input", np.ones((shape[0], 3, 3, 3), np.float32), w, None, (1, 1), (0, 0), (1, 1), 1, (4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_or_inf_spreads_only_where_its_windows_are(value):
    x = np.zeros((3, 2, 9, 9), np.float32)
    x[1, 0, 4, 4] = value
    w = np.ones((2, 2, 3, 3), np.float32)
    y = fast("convolve")(x, w, None, (1, 1), (1, 1), (1, 1), 1, (9, 9))
    bad = ~np.isfinite(y)
    assert bad[1, :, 3:6, 3:6].all()
    assert bad.sum() == 18


def taken(x: tuple, w: tuple, stride: int = 1) -> str:
    """The file of the algorithm that convolves float32 arrays of these shapes, padded by half a kernel."""
    strides, padding = (stride,) * len(w[2:]), tuple(k // 2 for k in w[2:])
    places = tuple((n + 2 * p - k) // stride + 1 for n, p, k in zip(x[2:], padding, w[2:]))
    window = strides, padding, (1,) * len(strides), 1
    run = convolution.convolver(False, x, w, window, (x[0], w[0], *places), np.dtype(np.float32), None, None)
    return str(run.func.__module__.rpartition(".")[2])


@pytest.mark.parametrize(
    ("x", "w", "stride", "name"),
    [
        ((128, 16, 32, 32), (16, 16, 3, 3), 1, "winograd"),
        ((4, 256, 14, 14), (256, 256, 3, 3), 1, "winograd"),
        ((128, 3, 32, 32), (16, 3, 3, 3), 1, "direct"),  # few channels: transforms cost more than they save
        ((16, 16, 1, 1), (16, 16, 3, 3), 1, "direct"),  # a tile of 16 for one result
        ((1, 32, 7, 7), (32, 32, 3, 3), 1, "direct"),  # tiles in 2 of the lanes, or rows in 7
        ((50, 300, 56), (100, 300, 4), 1, "filtering"),
        ((8, 3, 112, 112), (64, 3, 7, 7), 2, "filtering"),
        ((128, 16, 32, 32), (32, 16, 3, 3), 2, "direct"),  # two places of three for each phase
        ((64, 1, 28, 28), (32, 1, 5, 5), 1, "direct"),
        ((1, 2, 5), (2, 2, 3), 1, "direct"),  # too small for anything to be gained
    ],
)
def test_the_cheapest_algorithm_is_taken(x, w, stride, name):
    assert taken(x, w, stride) == name


def test_winograd_and_filtering_are_for_what_they_can_do():
    single, ones = np.dtype(np.float32), (1, 1)
    assert winograd.able(single, (3, 3), (1, 1), 1)
    assert not winograd.able(np.dtype(np.float64), (3, 3), (1, 1), 1)
    assert not winograd.able(single, (5, 5), (1, 1), 1)
    assert not winograd.able(single, (3, 3), (2, 2), 1)
    assert not winograd.able(single, (3, 3), (1, 1), 2)
    assert filtering.able(single, (9, 5), (ones, ones, (3, 1), 1), True)
    assert filtering.able(single, (7, 7), ((2, 2), ones, ones, 1), False)
    assert not filtering.able(single, (7, 7), ((2, 2), ones, ones, 1), True)
    assert not filtering.able(single, (7, 7), (ones, ones, ones, 1), False)
    assert not filtering.able(single, (3, 3), (ones, ones, (1, 2), 1), False)
    assert not filtering.able(single, (3, 3), (ones, ones, ones, 2), False)
    assert not filtering.able(np.dtype(np.float64), (5, 5), (ones, ones, ones, 1), False)


@pytest.mark.parametrize("algorithm", convolution.ALGORITHMS)
@pytest.mark.parametrize("shape", [(5, 7, 40, 9), (33, 20, 24, 8), (1, 40, 72, 12)])
def test_threads_change_nothing_but_the_order_of_sums(algorithm, shape, constants):
    n, c, o, size = shape
    constants(threads, "WORTHWHILE", 1.0)
    constants(convolution, "algorithm", algorithm)
    rng = np.random.default_rng(0)
    x, w, y = (
        rng.standard_normal(s).astype(np.float32) for s in ((n, c, size, size), (o, c, 3, 3), (n, o, size, size))
    )
    before, found = tl.get_num_threads(), []
    try:
        for count in range(1, 5):
            tl.set_num_threads(count)
            rest = (1, 1), (1, 1), (1, 1), 1
            found.append(
                (
                    convolution.convolve(x, w, None, *rest, (size, size)),
                    convolution.convolve_input(y, w, None, *rest, (size, size)),
                    convolution.convolve_weight(y, x, *rest, (3, 3)),
                )
            )
    finally:
        tl.set_num_threads(before)
    for y_, x_, w_ in found[1:]:
        np.testing.assert_array_equal(y_, found[0][0])
        np.testing.assert_array_equal(x_, found[0][1])
        np.testing.assert_allclose(w_, found[0][2], rtol=1e-4, atol=1e-4 * np.abs(w_).max())


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_places_of_a_masked_kernel_are_left_out_unless_that_hides_a_nan(value):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((5, 3, 3, 3))
    w[:, :, 2:] = w[:, :, 1, 1:] = 0
    x[0, 0, 5, 5] = value
    kept = convolution.places_kept(x, w)
    assert kept == (None if value != 1 else (True,) * 4 + (False,) * 5)
    y = convolution.convolve(x, w, None, (1, 1), (1, 1), (1, 1), 1, (6, 6))
    np.testing.assert_allclose(y, twin("convolve")(x, w, None, (1, 1), (1, 1), (1, 1), 1, (6, 6)))
    assert np.isnan(y[0, 0, 4, 4]) == (value != 1), "0 * NaN and 0 * Inf are NaN"


def test_nothing_but_zeros_in_a_kernel_leaves_the_bias():
    x, w, bias = np.ones((2, 3, 5, 5)), np.zeros((4, 3, 3, 3)), np.arange(4.0)
    y = convolution.convolve(x, w, bias, (2, 2), (1, 1), (1, 1), 1, (3, 3))
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], y.shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_winograd_spreads_a_nan_or_inf_over_its_tiles(value, constants):
    constants(convolution, "algorithm", "winograd")
    x, w = np.zeros((2, 16, 12, 12), np.float32), np.ones((16, 16, 3, 3), np.float32)
    x[1, 3, 5, 5] = value
    y = convolution.convolve(x, w, None, (1, 1), (1, 1), (1, 1), 1, (12, 12))
    bad = ~np.isfinite(y)
    assert bad[1, :, 4:7, 4:7].all()
    assert bad.sum() == 16 * 16, "the 16 results of one tile, of each output"


@pytest.mark.parametrize("taps", [2, 3, 4, 5])
def test_filtering_rounds_to_a_hundred_thousandth_of_the_largest_result(taps, constants):
    constants(convolution, "algorithm", "filtering")
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((20, 300, 56), (40, 300, taps)))
    rest = (1,), (0,), (1,), 1, (57 - taps,)
    y = convolution.convolve(x, w, None, *rest)
    exact = twin("convolve")(x.astype(np.float64), w.astype(np.float64), None, *rest)
    assert np.abs(y - exact).max() < 1e-5 * np.abs(exact).max()


def test_filtering_spreads_a_nan_over_its_tiles(constants):
    constants(convolution, "algorithm", "filtering")
    x, w = np.zeros((2, 16, 20), np.float32), np.ones((8, 16, 3), np.float32)
    x[1, 3, 9] = np.nan
    y = convolution.convolve(x, w, None, (1,), (1,), (1,), 1, (20,))
    bad = np.isnan(y)
    assert bad[1, :, 8:12].all()
    assert bad.sum() == 8 * 4, "the 4 results of one tile, of each output"


def test_vectors_of_32_bytes(tmp_path):
    code = """
import numpy as np
from tinygrad_lite.kernels import convolution, twin, vectors
assert vectors.BYTES == 32
rng = np.random.default_rng(0)
for dtype, close in ((np.float32, 1e-4), (np.float64, 1e-12)):
    for n, c, o, k, s in ((19, 17, 18, 3, 1), (3, 2, 5, 3, 2), (4, 1, 1, 5, 1)):
        size = (9 - k) // s + 2
        shapes = (n, c, 9, 9), (o, c, k, k), (n, o, size, size)
        x, w, y = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
        rest = (s, s), (1, 1), (1, 1), 1
        calls = (
            ("convolve", (x, w, None, *rest, y.shape[2:])),
            ("convolve_input", (y, w, None, *rest, x.shape[2:])),
            ("convolve_weight", (y, x, *rest, (k, k))),
        )
        for name, arguments in calls:
            want = twin(name)(*arguments)
            got = getattr(convolution, name)(*arguments)
            np.testing.assert_allclose(got, want, rtol=close, atol=close * abs(want).max())
"""
    environment = {**os.environ, "TINYGRAD_LITE_NARROW": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
