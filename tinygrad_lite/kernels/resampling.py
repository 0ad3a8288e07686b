"""Resampling and its transpose in Numba; twins/resampling.py says what each one computes."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import resampling as twins


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
