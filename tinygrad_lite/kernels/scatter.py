"""Adding rows into a table, in Numba; twins/scatter.py says what is computed."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.twins import scatter as twins


@compiled
def add_rows(g, index, out):
    for i in range(len(index)):
        row = index[i]
        if row < 0 or row >= len(out):
            return i
        to, part = out[row], g[i]  # views, so that the loop vectorises
        for d in range(len(part)):
            to[d] += part[d]
    return -1


def scatter_rows(g: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """See twins.scatter_rows."""
    if g.dtype not in FLOATS:
        return twins.scatter_rows(g, index, size)
    out = np.zeros((size, g.shape[1]), g.dtype)
    bad = add_rows(contiguous(g), contiguous(index.astype(np.int64, copy=False)), out)
    if bad >= 0:
        raise IndexError(f"scatter_rows: index {index[bad]} is out of range for {size} rows")
    return out
