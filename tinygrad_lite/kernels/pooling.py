"""Pooling and its transposes in Numba; twins/pooling.py says what each one computes."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import pooling as twins


@compiled
def largest(x, rows, columns, values, places, start, stop):
    height, width = x.shape[1:]
    flat, best_of, place_of = x.ravel(), values.ravel(), places.ravel()
    o = start * len(rows) * len(columns)
    for p in range(start, stop):
        plane = p * height * width
        for i in range(len(rows)):
            for j in range(len(columns)):
                place = rows[i, 0] * width + columns[j, 0]
                best = flat[plane + place]
                for k in range(rows.shape[1]):
                    row = rows[i, k] * width
                    for m in range(columns.shape[1]):
                        here = row + columns[j, m]
                        value = flat[plane + here]
                        if value > best or (value != value and best == best):
                            best, place = value, here
                best_of[o], place_of[o] = best, place
                o += 1


def max_pool(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See twins.max_pool."""
    if x.dtype not in FLOATS or not x.size:
        return twins.max_pool(x, rows, columns)
    x = contiguous(x)
    values = np.empty((len(x), len(rows), len(columns)), x.dtype)
    places = np.empty(values.shape, np.int64)
    work = 2 * values.size * rows.shape[1] * columns.shape[1]
    spread(lambda start, stop: largest(x, rows, columns, values, places, start, stop), len(x), work)
    return values, places


@compiled
def scatter(g, place, out, start, stop):
    for p in range(start, stop):
        for i in range(g.shape[1]):
            k = place[p, i]
            if k < 0 or k >= out.shape[1]:
                raise IndexError("scatter_planes: a place lies outside of its plane")
            out[p, k] += g[p, i]


def scatter_planes(g: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    """See twins.scatter_planes."""
    if g.dtype not in FLOATS:
        return twins.scatter_planes(g, place, size)
    g, place = contiguous(g), contiguous(place)
    out = np.zeros((len(g), size), g.dtype)
    spread(lambda start, stop: scatter(g, place, out, start, stop), len(g), 4 * g.size)
    return out
