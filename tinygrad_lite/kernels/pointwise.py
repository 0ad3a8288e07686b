"""Convolution with a kernel of one place and stride 1: a product of matrices for each image, without any copy of it.

With W (O, C) and an image x (C, P), all places of which lie in a row,

    y = W x,    gradient of x = W^T g,    gradient of W = sum over images of g x^T

The kernel of gemm.py packs the right-hand side, some hundred places at a time, so that it stays in the cache.
"""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels.compiled import compiled, workspace
from tinygrad_lite.kernels.gemm import multiply_part
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.vectors import BYTES

PLACES = 512  # of an image at a time


@compiled
def each_image(left, x, bias, y, depth, places, pieces, space, width, start, stop):
    """Pieces start ... stop, `pieces` an image, of y = left x + bias; x and y (images, channels places)."""
    rows = y.shape[1] // places
    for item in range(start, stop):
        n, first = item // pieces, item % pieces * PLACES
        last = min(first + PLACES, places)
        to = y[n]
        for m in range(rows):
            line = to[m * places + first : m * places + last]
            value = bias[m] if len(bias) else y.dtype.type(0)
            for k in range(len(line)):
                line[k] = value
        multiply_part(to, places, left, depth, x[n], places, 1, space, width, (0, rows), (first, last))


@compiled
def each_weight(g, x, out, places, space, width, start, stop):
    """out += g x^T of the images start ... stop; g and x (images, channels places), out flat."""
    rows, columns = g.shape[1] // places, x.shape[1] // places
    for n in range(start, stop):
        multiply_part(out, columns, g[n], places, x[n], 1, places, space, width, (0, rows), (0, columns))


def room(depth: int, columns: int, dtype: np.dtype) -> tuple[int, int]:
    """The space for a packed matrix, and the columns of a panel."""
    width = 2 * BYTES // dtype.itemsize
    return depth * -(-columns // width) * width, width


def product(x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    """y (N, O, ...) = w (O, C, 1, ...) x (N, C, ...) + bias (O,), or none if it is empty. All C-contiguous."""
    count, depth = x.shape[:2]
    places = x[0, 0].size
    pieces = -(-places // PLACES)
    space, width = room(depth, min(places, PLACES), x.dtype)
    given = w.reshape(-1), x.reshape(count, -1), bias, y.reshape(count, -1), depth, places, pieces

    def task(start: int, stop: int) -> None:
        each_image(*given, workspace(space, x.dtype), width, start, stop)

    spread(task, count * pieces, 2.0 * y.size * depth)


def product_turned(y: np.ndarray, w: np.ndarray, bias: np.ndarray, x: np.ndarray) -> None:
    """x = the gradient of the input, where y is that of the result, + bias (C,), or none if it is empty."""
    product(y, np.ascontiguousarray(w.swapaxes(0, 1)), bias, x)


def weight_gradient(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """(O, C): the sum of g x^T over the images, for g (N, O, ...) and x (N, C, ...)."""
    count, outs, places = *g.shape[:2], x[0, 0].size
    space, width = room(places, x.shape[1], x.dtype)
    pulls, images = g.reshape(count, -1), x.reshape(count, -1)
    parts: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        parts[start] = np.zeros(outs * x.shape[1], x.dtype)
        each_weight(pulls, images, parts[start], places, workspace(space, x.dtype), width, start, stop)

    spread(task, count, 2.0 * g.size * x.shape[1])
    return sum((parts[start] for start in sorted(parts)), np.zeros(1, x.dtype)).reshape(outs, x.shape[1])
