"""Attention in plain NumPy: what its kernels compute, for any floating-point dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels.twins.softmax import softmax_rows, softmax_rows_back


def attention_weights(q: np.ndarray, k: np.ndarray, scale: float, causal: bool) -> np.ndarray:
    """softmax(scale q k^T), (..., L, S); causal: query i looks at keys 0 to i only"""
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    return softmax_rows(scores)


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: bool) -> np.ndarray:
    """(..., L, F): softmax(scale q k^T) v, for q (..., L, E), k (..., S, E), v (..., S, F)"""
    return np.matmul(attention_weights(q, k, scale, causal), v)


def attend_back(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `attend` for q, k and v, from that of its result"""
    weights = attention_weights(q, k, scale, causal)
    d_scores = softmax_rows_back(np.matmul(g, np.swapaxes(v, -1, -2)), weights)
    d_scores *= scale
    d_q, d_k = np.matmul(d_scores, k), np.matmul(np.swapaxes(d_scores, -1, -2), q)
    return d_q, d_k, np.matmul(np.swapaxes(weights, -1, -2), g)


EXAMPLES: dict[str, Any] = {
    "attend": lambda t: [(*(np.ones((1, 2, 2), t) for _ in range(3)), 0.5, True)],
    "attend_back": lambda t: [(*(np.ones((1, 2, 2), t) for _ in range(4)), 0.5, True)],
}
"""Small calls that reach all compiled code; see kernels.examples."""
