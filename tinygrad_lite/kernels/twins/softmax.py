"""Softmax and the losses made of it in plain NumPy: what their kernels compute, for any floating-point dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def shifted(x: np.ndarray) -> Any:
    """x minus its largest value in a row, so that exp can't overflow; a row of -inf alone gives NaN."""
    with np.errstate(invalid="ignore"):
        return x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)


def softmax_rows(x: np.ndarray) -> np.ndarray:
    """out_i = exp(x_i) / sum_j exp(x_j) along the last axis, for x (..., n)"""
    e = np.exp(shifted(x))
    e /= np.sum(e, axis=-1, keepdims=True)
    return e


def softmax_rows_back(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out_i (g_i - sum_j g_j out_j), the gradient of softmax, for g and its result (..., n)"""
    return out * (g - np.sum(g * out, axis=-1, keepdims=True))


def log_softmax_rows(x: np.ndarray) -> np.ndarray:
    """out_i = x_i - log(sum_j exp(x_j)) along the last axis, for x (..., n)"""
    z = shifted(x)
    with np.errstate(divide="ignore"):  # n = 0
        z -= np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    return z


def log_softmax_rows_back(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """g_i - exp(out_i) sum_j g_j, the gradient of log_softmax, for g and its result (..., n)"""
    return g - np.exp(out) * np.sum(g, axis=-1, keepdims=True)


def nll_rows(x: np.ndarray, target: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(R,): -share_r log_softmax(x[r]) at target_r, and 0 where the share is 0

    x (R, n), target (R,) integers in 0 ... n - 1, share (R,).
    """
    with np.errstate(invalid="ignore"):
        return np.where(share == 0, 0, -share * log_softmax_rows(x)[np.arange(len(x)), target])


def nll_rows_back(x: np.ndarray, target: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(R, n): share_r softmax(x[r]), minus share_r at target_r, the gradient of `nll_rows` for x"""
    out = softmax_rows(x) * share[:, None]
    out[np.arange(len(x)), target] -= share
    return out


def example(t: Any) -> list[tuple]:
    return [(np.ones((1, 3), t), np.array([2]), np.ones(1, t))]


EXAMPLES: dict[str, Any] = {
    "softmax_rows": lambda t: [(np.ones((1, 3), t),)],
    "softmax_rows_back": lambda t: [(np.ones((1, 3), t), np.ones((1, 3), t))],
    "log_softmax_rows": lambda t: [(np.ones((1, 3), t),)],
    "log_softmax_rows_back": lambda t: [(np.ones((1, 3), t), np.ones((1, 3), t))],
    "nll_rows": example,
    "nll_rows_back": example,
}
"""Small calls that reach all compiled code; see kernels.examples."""
