"""Convolution in Numba: which algorithm is taken for which shapes.

    pointwise.py  a kernel of one place, stride 1: a product of matrices for each image
    depthwise.py  a kernel for each channel, stride 1: plane by plane
    winograd.py   3x3, stride 1, float32: a quarter of the multiplications, and transforms before and after
    filtering.py  rows of 2 to 5 places for each stride, float32: half of them, and shorter transforms
    direct.py     any convolution, each multiplication done

The first two are taken wherever they can be. The other three hold several images in the lanes of a vector (lanes.py),
and stand on the same innermost loop (vectors.py). A plan
says where everything lies for given shapes, and estimates its work, in multiplications of vectors: those of the sums,
with lanes and rows that are empty, and what it takes to bring numbers to their places. The plan with less work is run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from math import prod

import numpy as np

from tinygrad_lite.kernels import depthwise, direct, filtering, pointwise, winograd
from tinygrad_lite.kernels.compiled import FLOATS, contiguous
from tinygrad_lite.kernels.lanes import Plan
from tinygrad_lite.kernels.twins import convolution as twins
from tinygrad_lite.kernels.twins.convolution import Sizes

NO_BIAS = {dtype: np.zeros(0, dtype) for dtype in FLOATS}
ALGORITHMS = ("direct", "filtering", "winograd", "pointwise", "depthwise")
algorithm: str | None = None
"""One of ALGORITHMS, to take it wherever it can be; None: the cheaper one."""
WORTHWHILE = 1e5
"""Smaller sums, in multiplications of vectors, are not filtered: they are exact where numbers are whole."""


def suits(x: np.ndarray, other: np.ndarray, result: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return bool(x.dtype in FLOATS and other.dtype == x.dtype and x.size and other.size and result.size)


def one_place(kernel: Sizes, window: tuple, before: Sizes, after: Sizes, wanted: str | None) -> bool:
    """Whether this is a product of matrices for each image: results stand where the input does."""
    stride, padding, _, groups = window
    plain = prod(kernel) == prod(stride) == groups == 1 and not any(padding) and before == after
    return plain and wanted in (None, "pointwise")


def by_planes(reds: int, outs: int, window: tuple, wanted: str | None) -> bool:
    """Whether each channel has a kernel of its own, of one or two dimensions, with stride 1."""
    stride = window[0]
    return reds == outs == prod(stride) == 1 and len(stride) < 3 and wanted in (None, "depthwise")


def better(other: Plan, plan: Plan, wanted: str | None) -> bool:
    """Whether Winograd's algorithm is taken where both can be: if it is less work."""
    return wanted == "winograd" or (wanted is None and other.work < plan.work)


@lru_cache(maxsize=1024)
def convolver(
    turned: bool, before: Sizes, w: Sizes, window: tuple, after: Sizes, dtype: np.dtype, kept: tuple[bool, ...] | None,
    wanted: str | None,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]:  # fmt: skip
    """What convolves an array with weights and a bias into another, all C-contiguous, from their shapes.

    turned: from the result of a convolution back to its input. kept: see `places_kept`. wanted: see `algorithm`.
    """
    stride, padding, dilation, groups = window
    count, spatial, kernel = before[0], before[2:], w[2:]
    reds, outs = before[1] // groups, after[1] // groups
    if one_place(kernel, window, spatial, after[2:], wanted):
        return pointwise.product_turned if turned else pointwise.product
    if by_planes(reds, outs, window, wanted):
        run = depthwise.convolve_turned if turned else depthwise.convolve
        return partial(run, padding=padding, dilation=dilation)
    apart = (prod(kernel), outs * prod(kernel)) if turned else (reds * prod(kernel), prod(kernel))
    kind = direct.backward if turned else direct.forward
    shapes = count, spatial, reds, outs
    plan = direct.convolution_plan(kind, *shapes, after[2:], window, kernel, apart, kept, dtype.itemsize)
    plans: dict[str | None, tuple[Plan, Callable]] = {"direct": (plan, direct.run_convolution)}
    if filtering.able(dtype, kernel, window, turned) and (plan.work >= WORTHWHILE or wanted):
        plan = filtering.convolution_plan(*shapes, after[2:], window, kernel, apart, turned)
        plans["filtering"] = plan, filtering.run_convolution
    if winograd.able(dtype, kernel, stride, groups):
        around = tuple(2 * d - p for d, p in zip(dilation, padding)) if turned else padding
        plan = winograd.convolution_plan(*shapes, around, dilation, after[2:], apart, turned)
        plans["winograd"] = plan, winograd.run_convolution
    plan, run = plans.get(wanted) or min(plans.values(), key=lambda each: each[0].work)
    return partial(run, plan)


@lru_cache(maxsize=1024)
def correlator(
    x: Sizes, g: Sizes, window: tuple, kernel: Sizes, dtype: np.dtype, wanted: str | None
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What makes the gradient of the weight of the input x and the gradient g of the result, both C-contiguous."""
    stride, padding, dilation, groups = window
    reds, outs = x[1] // groups, g[1] // groups
    if one_place(kernel, window, x[2:], g[2:], wanted):
        return pointwise.weight_gradient
    if by_planes(reds, outs, window, wanted):
        return partial(depthwise.weight_gradient, kernel=kernel, padding=padding, dilation=dilation)
    few = outs < direct.FEW
    make = direct.few_plan if few else direct.correlation_plan
    plan = make(x[0], x[2:], reds, outs, g[2:], window, kernel, dtype.itemsize)
    if winograd.able(dtype, kernel, stride, groups):
        other = winograd.correlation_plan(x[0], x[2:], reds, outs, padding, dilation, g[2:])
        if better(other, plan, wanted):
            return partial(direct.run_correlation, other, winograd.correlate)
    if few:
        return lambda x, g: direct.run_correlation(plan, direct.correlate_few, x, g)[:, : prod(kernel)]
    terms = reds * prod(kernel)
    return lambda x, g: direct.run_correlation(plan, direct.correlate, x, g)[:, :terms, :outs].swapaxes(1, 2)


def places_kept(x: np.ndarray, w: np.ndarray) -> tuple[bool, ...] | None:
    """Which places of the kernel have a weight that isn't zero, if some have none, as those of a masked convolution.

    None where all must be summed, for 0 * NaN is NaN.
    """
    if w[0, 0].all() or (kept := w.any(axis=(0, 1))).all():
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(x.sum())
    return tuple(kept.ravel().tolist()) if finite else None


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve."""
    y = np.empty((len(x), len(w), *size), x.dtype)
    if not suits(x, w, y):
        return twins.convolve(x, w, bias, stride, padding, dilation, groups, size)
    window, kept = (stride, padding, dilation, groups), places_kept(x, w)
    run = convolver(False, x.shape, w.shape, window, y.shape, x.dtype, kept, algorithm)
    run(contiguous(x), contiguous(w), NO_BIAS[w.dtype] if bias is None else contiguous(bias), y)
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(y, w, x):
        return twins.convolve_input(y, w, bias, stride, padding, dilation, groups, size)
    window, kept = (stride, padding, dilation, groups), places_kept(y, w)
    run = convolver(True, y.shape, w.shape, window, x.shape, y.dtype, kept, algorithm)
    run(contiguous(y), contiguous(w), NO_BIAS[w.dtype] if bias is None else contiguous(bias), x)
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    if not suits(x, y, x) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    run = correlator(x.shape, y.shape, (stride, padding, dilation, groups), tuple(size), x.dtype, algorithm)
    shape = (y.shape[1], x.shape[1] // groups, *size)
    return np.ascontiguousarray(run(contiguous(x), contiguous(y))).reshape(shape)
