"""Pooling in plain NumPy: what their kernels compute, for any dtype."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np


def max_pool(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest value of each window, and its place in the flattened plane (the first one; NaN is largest).

    x (..., H, W). rows (OH, KH): the rows of each window, in order, the last one repeated where a window
    has fewer; columns (OW, KW) likewise. Returns values and int32 places, both (..., OH, OW).
    """
    shape = (*x.shape[:-2], len(rows), len(columns))
    best, place = np.empty(shape, x.dtype), np.full(shape, -1, np.int32)
    for r in rows.T:
        for c in columns.T:
            value = x[..., r[:, None], c]
            here = np.broadcast_to(r[:, None] * x.shape[-1] + c, shape)
            better = (place < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best))
            best[better], place[better] = value[better], here[better]
    return best, place


def scatter_planes(g: np.ndarray, place: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Zeros (..., *size), to which each g is added at its place in the flattened `size` (else IndexError)."""
    if ((place < 0) | (place >= prod(size))).any():
        raise IndexError("scatter_planes: a place lies outside of its plane")
    lead = g.shape[: g.ndim - len(size)]
    out = np.zeros((prod(lead), prod(size)), g.dtype)
    if g.size:
        np.add.at(out, (np.arange(len(out))[:, None], place.reshape(len(out), -1)), g.reshape(len(out), -1))
    return out.reshape(*lead, *size)


Windows = tuple[np.ndarray, np.ndarray]
"""Along an axis: where each window begins and ends (n, 2), and what a value in it counts (n,)."""


def mean_pool(x: np.ndarray, rows: Windows, columns: Windows) -> np.ndarray:
    """The sums over windows times their shares; x (..., H, W), result (..., OH, OW)"""
    wide = x.astype(np.float64)
    wide = np.stack([wide[..., a:b, :].sum(axis=-2) * share for (a, b), share in zip(*rows)], axis=-2)
    wide = np.stack([wide[..., a:b].sum(axis=-1) * share for (a, b), share in zip(*columns)], axis=-1)
    return wide.astype(x.dtype)


def mean_pool_back(g: np.ndarray, rows: Windows, columns: Windows, size: tuple[int, int]) -> np.ndarray:
    """The transpose of `mean_pool`; size: (H, W)"""
    middle, out = np.zeros((*g.shape[:-1], size[1])), np.zeros((*g.shape[:-2], *size))
    for j, ((a, b), share) in enumerate(zip(*columns)):
        middle[..., a:b] += g[..., j, None] * share
    for i, ((a, b), share) in enumerate(zip(*rows)):
        out[..., a:b, :] += middle[..., i, None, :] * share
    return out.astype(g.dtype)


WINDOW = np.array([[0, 2]]), np.array([0.5])

EXAMPLES: dict[str, Any] = {
    "max_pool": lambda t: [(np.ones((1, 2, 2), t), np.array([[0, 1]]), np.array([[0, 1]]))],
    "mean_pool": lambda t: [(np.ones((1, 2, 2), t), WINDOW, WINDOW)],
    "mean_pool_back": lambda t: [(np.ones((1, 1, 1), t), WINDOW, WINDOW, (2, 2))],
    "scatter_planes": lambda t: [(np.ones((1, 1), t), np.array([[2]]), (4,))],
}
"""Small calls that reach all compiled code; see kernels.examples."""
