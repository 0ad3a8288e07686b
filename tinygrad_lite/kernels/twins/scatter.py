"""Adding rows into a table in plain NumPy: what its kernel computes, for any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def scatter_rows(g: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """(size, D): out[index[i]] += g[i], for g (n, D) and index (n), all in 0 ... size - 1 (else IndexError)"""
    for bad in index[(index < 0) | (index >= size)]:
        raise IndexError(f"scatter_rows: index {bad} is out of range for {size} rows")
    out = np.zeros((size, g.shape[1]), g.dtype)
    np.add.at(out, index, g)
    return out


EXAMPLES: dict[str, Any] = {"scatter_rows": lambda t: [(np.ones((1, 2), t), np.array([1]), 2)]}
"""Small calls that reach all compiled code; see kernels.examples."""
