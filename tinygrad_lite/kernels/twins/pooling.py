"""Pooling and resampling in plain NumPy: what their kernels compute, for any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def max_pool(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest value of each window, and its place in the flattened plane (the first one; NaN is largest).

    x (planes, H, W). rows (OH, KH): the rows of each window, in order, the last one repeated where a window
    has fewer; columns (OW, KW) likewise. Returns values and int64 places, both (planes, OH, OW).
    """
    shape = (len(x), len(rows), len(columns))
    best, place = np.empty(shape, x.dtype), np.full(shape, -1, np.int64)
    for r in rows.T:
        for c in columns.T:
            value = x[:, r[:, None], c]
            here = np.broadcast_to(r[:, None] * x.shape[2] + c, shape)
            better = (place < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best))
            best[better], place[better] = value[better], here[better]
    return best, place


def scatter_planes(g: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    """(planes, size): out[p, place[p, i]] += g[p, i], all places in 0 ... size - 1 (else IndexError)"""
    if ((place < 0) | (place >= size)).any():
        raise IndexError("scatter_planes: a place lies outside of its plane")
    out = np.zeros((len(g), size), g.dtype)
    np.add.at(out, (np.arange(len(g))[:, None], place), g)
    return out


EXAMPLES: dict[str, Any] = {
    "max_pool": lambda t: [(np.ones((1, 2, 2), t), np.array([[0, 1]]), np.array([[0, 1]]))],
    "scatter_planes": lambda t: [(np.ones((1, 1), t), np.array([[2]]), 4)],
}
"""Small calls that reach all compiled code; see kernels.examples."""
