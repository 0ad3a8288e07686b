"""Convolution in Numba: which algorithm is taken for which shapes.

    direct.py     any convolution, each multiplication done
    winograd.py   3x3, stride 1: a quarter of the multiplications, and transforms before and after

Both hold several images in the lanes of a vector (lanes.py) and stand on the same innermost loop (vectors.py).
"""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_lite.kernels import direct, winograd
from tinygrad_lite.kernels.compiled import FLOATS, contiguous
from tinygrad_lite.kernels.twins import convolution as twins
from tinygrad_lite.kernels.twins.convolution import Sizes

NO_BIAS = {dtype: np.zeros(0, dtype) for dtype in FLOATS}
ALGORITHMS = ("direct", "winograd")
algorithm: str | None = None
"""One of ALGORITHMS, to take it wherever it can be; None: the cheaper one."""


def suits(x: np.ndarray, other: np.ndarray, result: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return bool(x.dtype in FLOATS and other.dtype == x.dtype and x.size and other.size and result.size)


def flat(x: np.ndarray) -> np.ndarray:
    return contiguous(x).reshape(-1)


def by_winograd(
    dtype: np.dtype, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int, reds: int, outs: int, results: Sizes
) -> bool:
    """Whether Winograd's algorithm can be used, and costs less; a multiplication for a vector is the unit."""
    if algorithm == "direct" or dtype != np.float32 or groups > 1:
        return False
    if kernel != (3, 3) or stride != (1, 1):
        return False
    return algorithm == "winograd" or winograd.cost(reds, outs, results, dilation) < prod(kernel) * reds * outs * prod(
        results
    )


def places_kept(x: np.ndarray, w: np.ndarray) -> tuple[bool, ...] | None:
    """Which places of the kernel have a weight that isn't zero, if some have none, as those of a masked convolution.

    None where all must be summed, for 0 * NaN is NaN.
    """
    if w[0, 0].all() or (kept := w.any(axis=(0, 1))).all() or not np.isfinite(x.sum()):
        return None
    return tuple(kept.ravel().tolist())


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve."""
    y = np.empty((len(x), len(w), *size), x.dtype)
    if not suits(x, w, y):
        return twins.convolve(x, w, bias, stride, padding, dilation, groups, size)
    count, spatial, kernel = len(x), x.shape[2:], w.shape[2:]
    outs, reds, taps = len(w) // groups, w.shape[1], prod(kernel)
    more = NO_BIAS[w.dtype] if bias is None else contiguous(bias)
    if by_winograd(x.dtype, kernel, stride, dilation, groups, reds, outs, size):
        plan = winograd.convolution_plan(
            count, spatial, reds, outs, padding, dilation, size, (reds * taps, taps), False
        )
        winograd.run_convolution(plan, flat(x), flat(w), more, flat(y))
    else:
        plan = direct.convolution_plan(
            direct.forward, count, spatial, reds, outs, size, (stride, padding, dilation, groups), kernel,
            (reds * taps, taps), places_kept(x, w), x.itemsize,
        )  # fmt: skip
        direct.run_convolution(plan, flat(x), flat(w), more, flat(y))
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(y, w, x):
        return twins.convolve_input(y, w, stride, padding, dilation, groups, size)
    count, places, kernel = len(y), y.shape[2:], w.shape[2:]
    reds, outs, taps = len(w) // groups, w.shape[1], prod(kernel)
    none = NO_BIAS[w.dtype]
    if by_winograd(y.dtype, kernel, stride, dilation, groups, reds, outs, size):
        turned = tuple(2 * d - p for d, p in zip(dilation, padding))
        plan = winograd.convolution_plan(count, places, reds, outs, turned, dilation, size, (taps, outs * taps), True)
        winograd.run_convolution(plan, flat(y), flat(w), none, flat(x))
    else:
        plan = direct.convolution_plan(
            direct.backward, count, places, reds, outs, size, (stride, padding, dilation, groups), kernel,
            (taps, outs * taps), places_kept(y, w), y.itemsize,
        )  # fmt: skip
        direct.run_convolution(plan, flat(y), flat(w), none, flat(x))
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    reds, outs = x.shape[1] // groups, y.shape[1] // groups
    shape = (y.shape[1], reds, *size)
    if not suits(x, y, x) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    count, spatial, places = len(x), x.shape[2:], y.shape[2:]
    if by_winograd(x.dtype, size, stride, dilation, groups, reds, outs, places):
        plan = winograd.correlation_plan(count, spatial, reds, outs, padding, dilation, places)
        return direct.run_correlation(plan, winograd.correlate, flat(x), flat(y)).reshape(shape)
    arguments = (count, spatial, reds, outs, places, (stride, padding, dilation, groups), size, x.itemsize)
    if outs < direct.FEW:
        total = direct.run_correlation(direct.few_plan(*arguments), direct.correlate_few, flat(x), flat(y))
        return np.ascontiguousarray(total[:, : prod(size)]).reshape(shape)
    total = direct.run_correlation(direct.correlation_plan(*arguments), direct.correlate, flat(x), flat(y))
    return np.ascontiguousarray(total[:, : reds * prod(size), :outs].swapaxes(1, 2)).reshape(shape)
