"""Convolution in plain NumPy: what its kernels compute, for any dtype.

One sum stands behind all of it, over images n, places i of the output, places k in the
kernel, channels c of the input and o of the output (of the same group):

    S(x, w, y) = sum  x[n, c, stride * i + dilation * k - padding] * w[o, c, k] * y[n, o, i]

with x zero outside its bounds. `convolve`, `convolve_input` and `convolve_weight` are the derivatives of S
with respect to y, x and w. Each takes the other two arrays and the spatial size of its result.

Shapes: x (N, C, *spatial), w (O, C / groups, *kernel), y (N, O, *places); stride, padding, dilation and
size are tuples, one number for each spatial axis.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

Sizes = tuple[int, ...]


def spans(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How much of the input `size` places of a kernel cover."""
    return tuple((n - 1) * s + (k - 1) * d + 1 if n and k else 0 for n, k, s, d in zip(size, kernel, stride, dilation))


def inside(span: Sizes, padding: Sizes, spatial: Sizes) -> tuple[Any, Any]:
    """Which part of the padded input, of sizes `span`, is which part of the input."""
    low = [max(p, 0) for p in padding]
    high = [max(min(s, p + n), lo) for s, p, n, lo in zip(span, padding, spatial, low)]
    padded = tuple(slice(a, b) for a, b in zip(low, high))
    return (..., *padded), (..., *(slice(a - p, b - p) for a, b, p in zip(low, high, padding)))


def windows(x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, size: Sizes) -> np.ndarray:
    """(N, C, *kernel, *size): the input value that each place of the kernel meets; a view of a padded copy."""
    n, c = x.shape[:2]
    span = spans(size, kernel, stride, dilation)
    padded = np.zeros((n, c, *span), x.dtype)
    there, here = inside(span, padding, x.shape[2:])
    padded[there] = x[here]
    steps = padded.strides[2:]
    strides = (*padded.strides[:2], *(b * d for b, d in zip(steps, dilation)), *(b * s for b, s in zip(steps, stride)))
    return np.lib.stride_tricks.as_strided(padded, (n, c, *kernel, *size), strides)


def add_windows(columns: np.ndarray, spatial: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> np.ndarray:
    """(N, C, *spatial): the transpose of `windows`; every value goes back to where it came from, and is summed."""
    rank = len(spatial)
    n, c = columns.shape[:2]
    kernel, size = columns.shape[2 : 2 + rank], columns.shape[2 + rank :]
    span = spans(size, kernel, stride, dilation)
    padded = np.zeros((n, c, *span), columns.dtype)
    for place in product(*map(range, kernel)):
        met = tuple(slice(k * d, k * d + (m - 1) * s + 1, s) for k, d, m, s in zip(place, dilation, size, stride))
        if prod(size):
            one: Any = (slice(None), slice(None), *place)
            padded[:, :, *met] += columns[one]
    x = np.zeros((n, c, *spatial), columns.dtype)
    there, here = inside(span, padding, spatial)
    x[here] = padded[there]
    return x


def convolve(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
    size: Sizes,
) -> np.ndarray:
    """y[n, o, i] = bias[o] + sum over c, k of x[n, c, stride * i + dilation * k - padding] * w[o, c, k]"""
    n, o = len(x), len(w)
    columns = windows(x, w.shape[2:], stride, padding, dilation, size)
    y = w.reshape(groups, o // groups, -1) @ columns.reshape(n, groups, prod(w.shape[1:]), prod(size))
    y = y.reshape(n, o, *size)
    return y if bias is None else y + bias.reshape(-1, *[1] * len(size))


def convolve_input(
    y: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
    size: Sizes,
) -> np.ndarray:
    """x[n, c, j] = bias[c] + sum over o, i, k of y[n, o, i] * w[o, c, k]

    Of all i and k with stride * i + dilation * k - padding = j.
    """
    n, o, *places = y.shape
    c, *kernel = w.shape[1:]
    matrices = w.reshape(groups, o // groups, c * prod(kernel)).swapaxes(1, 2)
    columns = matrices @ y.reshape(n, groups, o // groups, prod(places))
    x = add_windows(columns.reshape(n, groups * c, *kernel, *places), size, stride, padding, dilation)
    return x if bias is None else x + bias.reshape(-1, *[1] * len(size))


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """w[o, c, k] = sum over n, i of y[n, o, i] * x[n, c, stride * i + dilation * k - padding]"""
    n, o, *places = y.shape
    c = x.shape[1] // groups
    columns = windows(x, size, stride, padding, dilation, tuple(places))
    columns = columns.reshape(n, groups, c * prod(size), prod(places)).transpose(1, 0, 3, 2)
    columns = columns.reshape(groups, n * prod(places), c * prod(size))
    rows = y.reshape(n, groups, o // groups, prod(places)).transpose(1, 2, 0, 3)
    return (rows.reshape(groups, o // groups, n * prod(places)) @ columns).reshape(o, c, *size)


def unfold(x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, size: Sizes) -> np.ndarray:
    """(N, C * kernel, places): the window at every place as a column"""
    columns = windows(x, kernel, stride, padding, dilation, size)
    return columns.reshape(len(x), x.shape[1] * prod(kernel), prod(size))


def fold(
    columns: np.ndarray,
    spatial: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    size: Sizes,
) -> np.ndarray:
    """(N, C, *spatial): the transpose of `unfold`"""
    n, rows = columns.shape[:2]
    columns = columns.reshape(n, rows // prod(kernel), *kernel, *size)
    return add_windows(columns, spatial, stride, padding, dilation)


ONES = (1, 1), (1, 1), (1, 1)  # stride, padding, dilation
PLAIN = (1, 1), (0, 0), (1, 1)
SHAPES = ((1, 1), (2, 1), (1, 16), (16, 16))
"""Channels of input and output in the examples: few and many, for there are algorithms for either."""

EXAMPLES: dict[str, Any] = {
    "convolve": lambda t: [
        *((np.ones((16, c, 4, 4), t), np.ones((o, c, 3, 3), t), np.ones(o, t), *ONES, 1, (4, 4)) for c, o in SHAPES),
        (np.ones((2, 2, 4, 4), t), np.ones((2, 2, 1, 1), t), np.ones(2, t), *PLAIN, 1, (4, 4)),
        (np.ones((64, 32, 32), t), np.ones((32, 32, 4), t), np.ones(32, t), (1,), (0,), (1,), 1, (29,)),
    ],
    "convolve_input": lambda t: [
        *((np.ones((16, o, 4, 4), t), np.ones((o, c, 3, 3), t), np.ones(c, t), *ONES, 1, (4, 4)) for c, o in SHAPES),
        (np.ones((2, 2, 4, 4), t), np.ones((2, 2, 1, 1), t), np.ones(2, t), *PLAIN, 1, (4, 4)),
    ],
    "convolve_weight": lambda t: [
        *((np.ones((16, o, 4, 4), t), np.ones((16, c, 4, 4), t), *ONES, 1, (3, 3)) for c, o in SHAPES),
        (np.ones((2, 2, 4, 4), t), np.ones((2, 2, 4, 4), t), *PLAIN, 1, (1, 1)),
    ],
    "unfold": lambda t: [(np.ones((1, 1, 4, 4), t), (3, 3), *ONES, (4, 4))],
    "fold": lambda t: [(np.ones((1, 9, 16), t), (4, 4), (3, 3), *ONES, (4, 4))],
}
"""Small calls that reach all compiled code; see kernels.examples."""
