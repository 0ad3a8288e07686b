"""Depthwise convolution of stride 1: each plane with a kernel of its own, so that nothing is summed over channels.

A plane is copied into a buffer with its padding, whose rows follow each other in memory. There the values that a place
of the kernel meets, for all results one after the other, are one stretch: with `pitch` the length of a padded row,

    y[q] = sum over places t of w[t] * padded[q + offset[t]],    q = row * pitch + column

for all q, those in the padding at the end of a row included, which are not copied back. The gradient of the input is
the same with the kernel turned round, and that of the weight the inner products of y's gradient with these stretches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import compiled, workspace
from tinygrad_lite.kernels.threads import spread

Sizes = tuple[int, ...]


@compiled
def enter(plane, padded, pitch, rows, top, left):
    """padded[row + top, column + left] = plane[row, column], as far as there is room."""
    height, width = plane.shape
    first, last = max(0, -left), min(width, pitch - left)
    for h in range(max(0, -top), min(height, rows - top)):
        o = (h + top) * pitch + left
        there, here = padded[o + first : o + last], plane[h, first:last]
        for k in range(len(there)):
            there[k] = here[k]


@compiled
def add(total, a, b, c, f, g, h):
    for k in range(len(total)):
        total[k] += f * a[k] + g * b[k] + h * c[k]


@compiled
def add_one(total, a, f):
    for k in range(len(total)):
        total[k] += f * a[k]


@compiled
def each_plane(x, w, bias, y, sizes, offset, space, start, stop):
    """Planes start ... stop of y; x and y (planes, height, width), w (channels, places)."""
    rows, pitch, top, left = sizes
    height, width = y.shape[1:]
    count, size = height * pitch, rows * pitch + pitch
    padded, total = space[:size], space[size : size + count]
    padded[:] = 0
    for p in range(start, stop):
        c = p % len(w)
        enter(x[p], padded, pitch, rows, top, left)
        total[:] = bias[c] if len(bias) else 0
        three = len(offset) // 3 * 3
        for t in range(0, three, 3):
            i, j, k = offset[t], offset[t + 1], offset[t + 2]
            add(total, padded[i : i + count], padded[j : j + count], padded[k : k + count], w[c, t], w[c, t + 1],
                w[c, t + 2])  # fmt: skip
        for t in range(three, len(offset)):
            add_one(total, padded[offset[t] : offset[t] + count], w[c, t])
        for h in range(height):
            there, here = y[p, h], total[h * pitch : h * pitch + width]
            for k in range(width):
                there[k] = here[k]


@compiled
def each_weight(x, g, out, sizes, offset, space, start, stop):
    """out[c, t] += the sums of the planes start ... stop."""
    rows, pitch, top, left = sizes
    height = g.shape[1]
    count, size = height * pitch, rows * pitch + pitch
    padded, pull = space[:size], space[size : size + count]
    padded[:] = 0
    pull[:] = 0
    for p in range(start, stop):
        enter(x[p], padded, pitch, rows, top, left)
        enter(g[p], pull, pitch, height, 0, 0)
        for t in range(len(offset)):
            met = padded[offset[t] : offset[t] + count]
            total = x.dtype.type(0)
            for k in range(count):
                total += met[k] * pull[k]
            out[p % len(out), t] += total


def planes(x: np.ndarray) -> np.ndarray:
    """(N, C, W) or (N, C, H, W) as (N C, H, W)."""
    return x.reshape(-1, x.shape[2] if x.ndim > 3 else 1, x.shape[-1])


def layout(kernel: Sizes, padding: Sizes, dilation: Sizes, results: Sizes) -> tuple[tuple[int, ...], np.ndarray, int]:
    """Sizes of the padded plane and where x lies in it, the offsets of the kernel's places, and the space."""
    two: Any = [((0, *v) if v is padding else (1, *v))[-2:] for v in (kernel, padding, dilation, results)]
    (kh, kw), (top, left), (dh, dw), (height, width) = two
    rows, pitch = height + (kh - 1) * dh, width + (kw - 1) * dw
    offset = (np.arange(kh)[:, None] * dh * pitch + np.arange(kw) * dw).ravel()
    return (rows, pitch, top, left), offset, (rows + 1 + height) * pitch


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray, padding: Sizes, dilation: Sizes) -> None:
    """y = x convolved, a kernel w[c, 0] for each channel. All C-contiguous; bias may be empty."""
    sizes, offset, space = layout(w.shape[2:], padding, dilation, y.shape[2:])
    given = planes(x), w.reshape(len(w), -1), bias, planes(y)

    def task(start: int, stop: int) -> None:
        each_plane(*given, sizes, offset, workspace(space, x.dtype), start, stop)

    spread(task, x.shape[0] * x.shape[1], 2.0 * y.size * len(offset))


def convolve_turned(
    y: np.ndarray, w: np.ndarray, bias: np.ndarray, x: np.ndarray, padding: Sizes, dilation: Sizes
) -> None:
    """x = the gradient of the input, where y is that of the result; bias is empty."""
    kernel = w.shape[2:]
    turned = np.ascontiguousarray(np.flip(w, tuple(range(2, w.ndim))))
    back = tuple((k - 1) * d - p for k, d, p in zip(kernel, dilation, padding))
    convolve(y, turned, bias, x, back, dilation)


def weight_gradient(x: np.ndarray, y: np.ndarray, kernel: Sizes, padding: Sizes, dilation: Sizes) -> np.ndarray:
    """(C, places): the gradient of the weight, where y is that of the result."""
    sizes, offset, space = layout(kernel, padding, dilation, y.shape[2:])
    inputs, pulls = planes(x), planes(y)
    parts: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        parts[start] = np.zeros((x.shape[1], len(offset)))
        each_weight(inputs, pulls, parts[start], sizes, offset, workspace(space, x.dtype), start, stop)

    spread(task, x.shape[0] * x.shape[1], 2.0 * y.size * len(offset))
    return sum((parts[start] for start in sorted(parts)), np.zeros(1)).astype(x.dtype)
