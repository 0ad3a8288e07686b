"""Adding rows into a table in plain NumPy: what its kernel computes, for any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 1 << 16
"""Elements at a time: np.add.at is quick for 1-d places, as long as they fit the cache."""


def scatter_rows(g: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """(size, D): out[index[i]] += g[i], for g (n, D) and index (n), all in 0 ... size - 1 (else IndexError)"""
    for bad in index[(index < 0) | (index >= size)]:
        raise IndexError(f"scatter_rows: index {bad} is out of range for {size} rows")
    n, width = g.shape
    out = np.zeros(size * width, g.dtype)
    step = max(1, BLOCK // max(width, 1))
    for i in range(0, n, step):
        places = index[i : i + step, None] * width + np.arange(width)
        np.add.at(out, places.ravel(), g[i : i + step].ravel())
    return out.reshape(size, width)


EXAMPLES: dict[str, Any] = {"scatter_rows": lambda t: [(np.ones((1, 2), t), np.array([1]), 2)]}
"""Small calls that reach all compiled code; see kernels.examples."""
