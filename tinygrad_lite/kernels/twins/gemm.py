"""Products of matrices, and sums of their rows, in plain NumPy: what their kernels compute, for any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def matrix_product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """out_ij = sum_k x_ik y_kj, for x (m, k) and y (k, n). Raises ValueError where the k differ."""
    return x.dot(y)


def sum_channels(x: np.ndarray) -> np.ndarray:
    """(C,): the sum over samples and places of x (N, C, L), the values of a sample and channel first."""
    return x.sum(2).sum(0)


EXAMPLES: dict[str, Any] = {
    "matrix_product": lambda t: [
        (np.ones((40, 40), t), np.ones((40, 40), t)),
        (np.ones((40, 40), t), np.ones((40, 40), t).T),
        (np.ones((40, 40), t).T, np.ones((40, 40), t)),
    ],
    "sum_channels": lambda t: [(np.ones((3, 2, 4), t),), (np.ones((3, 2, 1), t),)],
}
"""Small calls that reach all compiled code; see kernels.examples."""
