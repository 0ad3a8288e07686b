"""Normalisation in plain NumPy: what its kernels compute, in float64 whatever the dtype, on arrays and on Tensors.

x is seen in the shape `view` = (A, R, G, K, L): a mean is taken over A samples, K channels and L places, for each of
R G groups, of which G have weights and biases of their own, one for each channel: G K of them, or None. Batch
normalisation is (N, 1, C, 1, L), group normalisation (1, N, G, K, L), layer normalisation of vectors (1, N, 1, K, 1).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

View = tuple[int, int, int, int, int]
MEAN, CHANNEL = (0, 3, 4), (0, 1, 4)
"""The axes a mean is taken over, and those that share a weight."""


def average(x: Any) -> Any:
    """The mean of each group, (1, R, G, 1, 1); of nothing it is 0."""
    return np.sum(x, axis=MEAN, keepdims=True) / max(prod(x.shape[k] for k in MEAN), 1)


def moments(x: Any, centre: bool) -> tuple[Any, Any]:
    """The mean, or 0 without `centre`, and the mean square about it."""
    mean = average(x) if centre else np.zeros((1, *x.shape[1:3], 1, 1))
    return mean, average((x - mean) ** 2)


def column(vector: Any, view: View) -> Any:
    """G K values as (G, K, 1), next to the last axes of x."""
    return np.reshape(vector, (*view[2:4], 1))


def normalize(
    x: np.ndarray, weight: Any, bias: Any, residual: Any, view: View, eps: float, centre: bool, rectify: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x - mean) / sqrt(var + eps) * weight + bias + residual, or 0 where that is less and `rectify`; mean; var

    residual: like x, or None. Without `centre` the mean is 0. mean and var are float64, (1, R, G, 1, 1).
    """
    wide = x.astype(np.float64).reshape(view)
    mean, var = moments(wide, centre)
    out = (wide - mean) / np.sqrt(var + eps)
    out = out if weight is None else out * column(weight, view)
    out = (out if bias is None else out + column(bias, view)).reshape(x.shape)
    out = out if residual is None else out + residual
    return (np.maximum(out, 0) if rectify else out).astype(x.dtype), mean, var


def normalize_back(
    g: Any, x: Any, weight: Any, out: Any, mean: Any, var: Any, view: View, eps: float, centre: bool, copy: bool
) -> tuple[Any, Any, Any, Any]:
    """The gradients of x, weight (G, K), bias (G, K) and residual, for g that of `normalize`'s result

    out: that result where it was rectified, else None. mean and var: its statistics, or None to compute them again,
    so that on Tensors the gradients are functions of x alone. copy: whether the gradient of residual is wanted.
    """
    g = g if out is None else np.where(out > 0, g, 0)
    pulled, wide = np.reshape(g, view), np.reshape(x, view).astype(np.float64)
    if mean is None:
        mean, var = moments(wide, centre)
    rstd = 1 / np.sqrt(var + eps)
    normal = (wide - mean) * rstd
    dbias, dweight = (np.sum(t, axis=CHANNEL).astype(x.dtype) for t in (pulled, pulled * normal))
    pulled = pulled if weight is None else pulled * column(weight, view)
    dx = pulled - normal * average(pulled * normal)
    if centre:
        dx = dx - average(pulled)
    return np.reshape(dx * rstd, x.shape).astype(x.dtype), dweight, dbias, g


def affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """x * scale + shift; x (N, C, L), scale and shift (C,)"""
    return (x * scale[:, None] + shift[:, None]).astype(x.dtype)


def calls(t: Any, back: bool) -> list[tuple]:
    """Small calls: many places to a channel, and one; a group apart in memory, and together; with a residual."""
    arguments: list[tuple] = []
    for view in ((2, 1, 1, 2, 3), (1, 2, 1, 2, 3), (1, 2, 1, 2, 1)):
        x = np.arange(prod(view), dtype=t)
        w, statistic = np.ones(2, t), np.ones((1, *view[1:3], 1, 1))
        for y in (None, x):
            rest = (view, 0.1, True, y is not None)
            arguments.append((x, x, w, y, statistic, statistic, *rest) if back else (x, w, w, y, *rest))
    return arguments


EXAMPLES: dict[str, Any] = {
    "normalize": lambda t: calls(t, False),
    "normalize_back": lambda t: calls(t, True),
    "affine": lambda t: [(np.ones((2, 2, 3), t), np.ones(2, t), np.ones(2, t))],
}
"""Small calls that reach all compiled code; see kernels.examples."""
