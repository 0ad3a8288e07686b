"""Resampling in plain NumPy: what its kernels compute, for any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def resample(x: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """y[a, i, b] = sum over t of weight[i, t] * x[a, index[i, t], b], for x (A, L, B), index and weight (n, T)"""
    y, weight = np.zeros((len(x), len(index), x.shape[2]), x.dtype), weight.astype(x.dtype)
    for t in range(index.shape[1]):
        y += weight[:, t, None] * x[:, index[:, t]]
    return y


def resample_back(y: np.ndarray, index: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """The transpose of `resample`: x[a, index[i, t], b] += weight[i, t] * y[a, i, b], for x (A, size, B)"""
    x, weight = np.zeros((len(y), size, y.shape[2]), y.dtype), weight.astype(y.dtype)
    for t in range(index.shape[1]):
        np.add.at(x.swapaxes(0, 1), index[:, t], (weight[:, t, None] * y).swapaxes(0, 1))
    return x


EXAMPLES: dict[str, Any] = {
    "resample": lambda t: [(np.ones((1, 2, 1), t), np.array([[0, 1]]), np.ones((1, 2), t))],
    "resample_back": lambda t: [(np.ones((1, 1, 1), t), np.array([[0, 1]]), np.ones((1, 2), t), 2)],
}
"""Small calls that reach all compiled code; see kernels.examples."""
