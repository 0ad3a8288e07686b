"""Elementwise formulas in plain NumPy, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BLOCK = 16384
"""Elements that a formula takes at a time: its intermediate results then stay in the second-level cache."""


def apply_formula(
    name: str, formula: Callable[..., Any], arrays: Sequence[np.ndarray], numbers: Sequence[Any]
) -> np.ndarray:
    """formula(*arrays, *numbers), where an element of the result depends on those in the same place of the arrays.

    name: which formula it is. arrays: of one shape and one floating-point dtype, as is the result.
    """
    x = arrays[0]
    if x.size <= BLOCK or any(a.strides != x.strides for a in arrays):
        return formula(*arrays, *numbers)
    out = np.empty_like(x)
    result, *flat = (a.ravel("K") for a in (out, *arrays))
    for start in range(0, x.size, BLOCK):
        block = slice(start, start + BLOCK)
        result[block] = formula(*(a[block] for a in flat), *numbers)
    return out


EXAMPLES: dict[str, Any] = {
    "apply_formula": lambda t: [("relu", lambda x: np.maximum(x, 0), [np.ones(3, t)], [])],
}
"""Small calls that reach all compiled code; see kernels.examples. Each formula is compiled when it is first needed."""
