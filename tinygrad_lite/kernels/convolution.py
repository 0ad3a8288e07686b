"""Convolution in Numba: which algorithm is taken for which shapes.

    pointwise.py  a kernel of one place, stride 1: a product of matrices for each image
    depthwise.py  a kernel for each channel, stride 1: plane by plane
    winograd.py   3x3, stride 1, float32: a quarter of the multiplications, and transforms before and after
    direct.py     any convolution, each multiplication done

The first two are taken wherever they can be. The other two hold several images in the lanes of a vector (lanes.py),
and stand on the same innermost loop (vectors.py). A plan
says where everything lies for given shapes, and estimates its work, in multiplications of vectors: those of the sums,
with lanes and rows that are empty, and what it takes to bring numbers to their places. The plan with less work is run.
"""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_lite.kernels import depthwise, direct, pointwise, winograd
from tinygrad_lite.kernels.compiled import FLOATS, contiguous
from tinygrad_lite.kernels.lanes import Plan
from tinygrad_lite.kernels.twins import convolution as twins
from tinygrad_lite.kernels.twins.convolution import Sizes

NO_BIAS = {dtype: np.zeros(0, dtype) for dtype in FLOATS}
ALGORITHMS = ("direct", "winograd", "pointwise", "depthwise")
algorithm: str | None = None
"""One of ALGORITHMS, to take it wherever it can be; None: the cheaper one."""


def suits(x: np.ndarray, other: np.ndarray, result: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return bool(x.dtype in FLOATS and other.dtype == x.dtype and x.size and other.size and result.size)


def flat(x: np.ndarray) -> np.ndarray:
    return contiguous(x).reshape(-1)


def one_place(kernel: Sizes, stride: Sizes, padding: Sizes, groups: int, before: Sizes, after: Sizes) -> bool:
    """Whether this is a product of matrices for each image: results stand where the input does."""
    plain = prod(kernel) == prod(stride) == groups == 1 and not any(padding) and before == after
    return plain and algorithm in (None, "pointwise")


def by_planes(reds: int, outs: int, stride: Sizes) -> bool:
    """Whether each channel has a kernel of its own, of one or two dimensions, with stride 1."""
    return reds == outs == prod(stride) == 1 and len(stride) < 3 and algorithm in (None, "depthwise")


def better(other: Plan, plan: Plan) -> bool:
    """Whether Winograd's algorithm is taken where both can be: if it is less work."""
    return algorithm == "winograd" or (algorithm is None and other.work < plan.work)


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
    arrays = flat(x), flat(w), NO_BIAS[w.dtype] if bias is None else contiguous(bias), flat(y)
    outs, reds, *kernel = len(w) // groups, *w.shape[1:]
    if one_place(w.shape[2:], stride, padding, groups, x.shape[2:], size):
        pointwise.product(contiguous(w).reshape(outs, reds), contiguous(x), arrays[2], y)
        return y
    if by_planes(reds, outs, stride):
        depthwise.convolve(contiguous(x), contiguous(w), arrays[2], y, padding, dilation)
        return y
    shapes, apart = (len(x), x.shape[2:], reds, outs), (reds * prod(kernel), prod(kernel))
    plan = direct.convolution_plan(
        direct.forward, *shapes, size, (stride, padding, dilation, groups), w.shape[2:], apart, places_kept(x, w),
        x.itemsize,
    )  # fmt: skip
    other = None
    if winograd.able(x.dtype, w.shape[2:], stride, groups):
        other = winograd.convolution_plan(*shapes, padding, dilation, size, apart, False)
    if other and better(other, plan):
        winograd.run_convolution(other, *arrays)
    else:
        direct.run_convolution(plan, *arrays)
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(y, w, x):
        return twins.convolve_input(y, w, stride, padding, dilation, groups, size)
    arrays = flat(y), flat(w), NO_BIAS[w.dtype], flat(x)
    reds, outs, *kernel = len(w) // groups, *w.shape[1:]
    if one_place(w.shape[2:], stride, padding, groups, y.shape[2:], size):
        pointwise.product(np.ascontiguousarray(w.reshape(reds, outs).T), contiguous(y), arrays[2], x)
        return x
    if by_planes(reds, outs, stride):
        depthwise.convolve_input(contiguous(y), w, x, padding, dilation)
        return x
    shapes, apart = (len(y), y.shape[2:], reds, outs), (prod(kernel), outs * prod(kernel))
    plan = direct.convolution_plan(
        direct.backward, *shapes, size, (stride, padding, dilation, groups), w.shape[2:], apart, places_kept(y, w),
        y.itemsize,
    )  # fmt: skip
    other = None
    if winograd.able(y.dtype, w.shape[2:], stride, groups):
        turned = tuple(2 * d - p for d, p in zip(dilation, padding))
        other = winograd.convolution_plan(*shapes, turned, dilation, size, apart, True)
    if other and better(other, plan):
        winograd.run_convolution(other, *arrays)
    else:
        direct.run_convolution(plan, *arrays)
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    reds, outs = x.shape[1] // groups, y.shape[1] // groups
    shape = (y.shape[1], reds, *size)
    if not suits(x, y, x) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    if one_place(size, stride, padding, groups, x.shape[2:], y.shape[2:]):
        return pointwise.weight_gradient(contiguous(y), contiguous(x)).reshape(shape)
    if by_planes(reds, outs, stride):
        return depthwise.convolve_weight(contiguous(y), contiguous(x), size, padding, dilation).reshape(shape)
    shapes, places = (len(x), x.shape[2:], reds, outs), y.shape[2:]
    few = outs < direct.FEW
    make, loop = (direct.few_plan, direct.correlate_few) if few else (direct.correlation_plan, direct.correlate)
    plan, other = make(*shapes, places, (stride, padding, dilation, groups), size, x.itemsize), None
    if winograd.able(x.dtype, size, stride, groups):
        other = winograd.correlation_plan(*shapes, padding, dilation, places)
    if other and better(other, plan):
        return direct.run_correlation(other, winograd.correlate, flat(x), flat(y)).reshape(shape)
    total = direct.run_correlation(plan, loop, flat(x), flat(y))
    if few:
        return np.ascontiguousarray(total[:, : prod(size)]).reshape(shape)
    return np.ascontiguousarray(total[:, : reds * prod(size), :outs].swapaxes(1, 2)).reshape(shape)
