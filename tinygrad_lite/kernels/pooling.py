"""Pooling, resampling and their transposes in Numba; twins.py says what each one computes."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels import twins
from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous, spread


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


@compiled
def weighted(x, index, weight, y, start, stop):
    """y[a, i, b] = sum over t of weight[i, t] * x[a, index[i, t], b]"""
    inner = x.shape[2]
    for a in range(start, stop):
        for i in range(len(index)):
            if inner == 1:
                total = x.dtype.type(0)
                for t in range(index.shape[1]):
                    total += x[a, index[i, t], 0] * weight[i, t]
                y[a, i, 0] = total
            else:
                here, w = x[a, index[i, 0]], weight[i, 0]
                for b in range(inner):
                    y[a, i, b] = w * here[b]
                for t in range(1, index.shape[1]):
                    here, w = x[a, index[i, t]], weight[i, t]
                    for b in range(inner):
                        y[a, i, b] += w * here[b]


@compiled
def weighted_back(y, index, weight, x, start, stop):
    """x[a, index[i, t], b] += weight[i, t] * y[a, i, b]"""
    inner = x.shape[2]
    for a in range(start, stop):
        for i in range(len(index)):
            for t in range(index.shape[1]):
                if inner == 1:
                    x[a, index[i, t], 0] += weight[i, t] * y[a, i, 0]
                else:
                    here, from_, w = x[a, index[i, t]], y[a, i], weight[i, t]
                    for b in range(inner):
                        here[b] += w * from_[b]


def resample(x: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """See twins.resample."""
    if x.dtype not in FLOATS or not index.size:
        return twins.resample(x, index, weight)
    x, weight = contiguous(x), weight.astype(x.dtype)
    y = np.empty((len(x), len(index), x.shape[2]), x.dtype)
    work = 2 * y.size * index.shape[1]
    spread(lambda start, stop: weighted(x, index, weight, y, start, stop), len(x), work)
    return y


def resample_back(y: np.ndarray, index: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """See twins.resample_back."""
    if y.dtype not in FLOATS:
        return twins.resample_back(y, index, weight, size)
    y, weight = contiguous(y), weight.astype(y.dtype)
    x = np.zeros((len(y), size, y.shape[2]), y.dtype)
    work = 2 * y.size * index.shape[1]
    spread(lambda start, stop: weighted_back(y, index, weight, x, start, stop), len(y), work)
    return x
