"""Every kernel against its NumPy twin, over random shapes, strides, paddings and odd sizes."""

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

from tinygrad_lite import kernels
from tinygrad_lite.kernels import fast, twin

pytest.importorskip("numba", reason="without Numba the twins are the kernels")

often = settings(max_examples=60, deadline=None)


def same(name: str, *args: Any) -> None:
    """The kernel gives what its twin gives, in shape, dtype and value, and leaves its arguments alone."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    got, want = (fast(name) or twin(name))(*args), twin(name)(*args)
    for a, b in zip(before, args):
        np.testing.assert_array_equal(a, b)
    for g, w in zip(*((r if isinstance(r, tuple) else (r,)) for r in (got, want)), strict=True):
        if w is None:
            assert g is None
            continue
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        tolerance = {"f": 1e-12, "i": 0}[w.dtype.kind] if w.dtype != np.float32 else 1e-4
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * 10)


def numbers(draw: Any, shape: tuple, dtype: Any = None) -> np.ndarray:
    """Normal numbers in float32 or float64, C-contiguous or not, read-only or not."""
    dtype = draw(st.sampled_from([np.float32, np.float64])) if dtype is None else dtype
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    kind = draw(st.sampled_from(["plain", "reversed", "transposed", "read-only"]))
    if kind == "transposed":
        return rng.standard_normal(shape[::-1]).astype(dtype).T
    x = rng.standard_normal(shape).astype(dtype)
    x = x[::-1] if kind == "reversed" and shape else x
    x.flags.writeable = kind != "read-only"
    return x


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", kernels.TABLE)
def test_the_example_calls_are_their_twins(name, dtype):
    for arguments in kernels.examples(name, dtype):
        same(name, *arguments)


def test_warming_up_with_an_empty_cache_compiles_everything(tmp_path):
    code = """
import tinygrad_lite as tl
from tinygrad_lite.kernels import compiled
tl.warmup()
print(*[f.py_func.__name__ for f in compiled.made if not f.overloads])
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "TINYGRAD_LITE_KERNELS": "numba"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert not done.stdout.strip(), "no example call reaches these compiled functions"


@often
@given(convolutions())
def test_convolve_is_its_twin(given_):
    same("convolve", given_["x"], given_["w"], given_["bias"], *given_["rest"], given_["y"].shape[2:])


@often
@given(convolutions())
def test_convolve_input_is_its_twin(given_):
    same("convolve_input", given_["y"], given_["w"], *given_["rest"], given_["x"].shape[2:])


@often
@given(convolutions())
def test_convolve_weight_is_its_twin(given_):
    same("convolve_weight", given_["y"], given_["x"], *given_["rest"], given_["w"].shape[2:])


@often
@given(convolutions())
def test_images_cut_into_bands_are_their_twins(given_):
    convolution = importlib.import_module("tinygrad_lite.kernels.convolution")
    x, w, y, rest = (given_[k] for k in ("x", "w", "y", "rest"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "LARGE", 64)
        for plan in (convolution.forward_plan, convolution.input_plan):
            plan.cache_clear()
        same("convolve", x, w, given_["bias"], *rest, y.shape[2:])
        same("convolve_input", y, w, *rest, x.shape[2:])
        same("convolve_weight", y, x, *rest, w.shape[2:])
        for plan in (convolution.forward_plan, convolution.input_plan):
            plan.cache_clear()


@settings(max_examples=20, deadline=None)
@given(convolutions())
def test_the_three_convolutions_are_derivatives_of_one_sum(given_):
    x, w, y, rest = (given_[k] for k in ("x", "w", "y", "rest"))
    x, w, y = (a.astype(np.float64) for a in (x, w, y))
    sums = [
        np.vdot(fast("convolve")(x, w, None, *rest, y.shape[2:]), y),
        np.vdot(fast("convolve_input")(y, w, *rest, x.shape[2:]), x),
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
    rest = (stride, padding, (1, 1), groups)
    same("convolve", x, w, None, *rest, places)
    same("convolve_input", y, w, *rest, size)
    same("convolve_weight", y, x, *rest, kernel)


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_other_dtypes_go_to_the_twin(dtype):
    x, w = np.arange(32).reshape(1, 2, 4, 4).astype(dtype), np.ones((3, 2, 2, 2), dtype)
    same("convolve", x, w, None, (1, 1), (0, 0), (1, 1), 1, (3, 3))


@pytest.mark.parametrize("shape", [(0, 2, 4, 4), (2, 0, 4, 4)])
def test_convolutions_of_nothing_are_zeros(shape):
    x, w = np.zeros(shape, np.float32), np.ones((3, shape[1], 2, 2), np.float32)
    same("convolve", x, w, np.ones(3, np.float32), (1, 1), (0, 0), (1, 1), 1, (3, 3))
    same("convolve_weight", np.ones((shape[0], 3, 3, 3), np.float32), x, (1, 1), (0, 0), (1, 1), 1, (2, 2))
    same("convolve_input", np.ones((shape[0], 3, 3, 3), np.float32), w, (1, 1), (0, 0), (1, 1), 1, (4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_or_inf_spreads_only_where_its_windows_are(value):
    x = np.zeros((3, 2, 9, 9), np.float32)
    x[1, 0, 4, 4] = value
    w = np.ones((2, 2, 3, 3), np.float32)
    y = fast("convolve")(x, w, None, (1, 1), (1, 1), (1, 1), 1, (9, 9))
    bad = ~np.isfinite(y)
    assert bad[1, :, 3:6, 3:6].all()
    assert bad.sum() == 18


# ---------------------------------------------------------------------------------------- pooling


@st.composite
def pools(draw: Any) -> tuple:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    x = numbers(draw, (draw(st.integers(0, 5)), height, width))
    if draw(st.booleans()):
        x = np.round(x)  # ties
    if x.size and draw(st.booleans()):
        x = x.copy()
        x[draw(st.integers(0, len(x) - 1)), 0, 0] = np.nan

    def table(size: int) -> np.ndarray:
        shape = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        rng = np.random.default_rng(draw(st.integers(0, 100)))
        return np.sort(rng.integers(0, size, shape), axis=1)

    return x, table(height), table(width)


@often
@given(pools())
def test_max_pool_is_its_twin(args):
    same("max_pool", *args)


@often
@given(st.data())
def test_scatter_planes_is_its_twin(data):
    g = numbers(data.draw, (data.draw(st.integers(0, 4)), data.draw(st.integers(0, 9))))
    size = data.draw(st.integers(1, 9))
    same("scatter_planes", g, np.random.default_rng(0).integers(0, size, g.shape), size)


@often
@given(st.data())
def test_resample_and_its_transpose_are_their_twins(data):
    size, n, t = (data.draw(st.integers(1, 6)) for _ in range(3))
    shape = (data.draw(st.integers(0, 4)), size, data.draw(st.sampled_from([1, 2, 5])))
    x = numbers(data.draw, shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    index, weight = rng.integers(0, size, (n, t)), rng.standard_normal((n, t))
    same("resample", x, index, weight)
    same("resample_back", numbers(data.draw, (shape[0], n, shape[2]), x.dtype), index, weight, size)


@often
@given(st.data())
def test_scatter_rows_is_its_twin(data):
    g = numbers(data.draw, (data.draw(st.integers(0, 20)), data.draw(st.integers(0, 5))))
    size = data.draw(st.integers(1, 9))
    same("scatter_rows", g, np.random.default_rng(0).integers(0, size, len(g)), size)


@pytest.mark.parametrize("place", [3, -1])
def test_scatter_planes_refuses_a_place_outside(place):
    for version in (fast("scatter_planes"), twin("scatter_planes")):
        with pytest.raises(IndexError, match="outside of its plane"):
            version(np.ones((1, 1)), np.array([[place]]), 3)


@pytest.mark.parametrize("rows", [[0, 3], [-1, 0]])
def test_scatter_rows_refuses_an_index_out_of_range(rows):
    for version in (fast("scatter_rows"), twin("scatter_rows")):
        with pytest.raises(IndexError, match="out of range for 3 rows"):
            version(np.ones((2, 4)), np.array(rows), 3)
