"""Norms of vectors: of all elements, or along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.ops.creation import astype
from tinygrad_lite.ops.reductions import Axes, axes_of, count, floating, share, spread, unreduced
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["norm"]



@primitive(public=False)
def vector_norm(x: Array, p: float = 2.0, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """(sum_i |x_i|^p)^(1/p): the largest |x_i| for p = inf, the smallest for -inf, the count of x_i != 0 for 0."""
    size = np.abs(floating(x))
    axes = axes_of(axis, x.ndim)
    if p in (math.inf, -math.inf):
        return (np.maximum if p > 0 else np.minimum).reduce(size, axes, keepdims=keepdims)
    if p < 0 and count(x.shape, axis) == 0:
        raise ValueError(f"norm: got p={p} and no elements to reduce, of which it is not defined")
    if p == 0:
        return np.count_nonzero(size, axes, keepdims=keepdims).astype(size.dtype)
    wide = size.astype(np.float32) if size.dtype == np.float16 else size
    with np.errstate(divide="ignore"):  # 0 to a negative power
        powers = wide if p == 1 else wide * wide if p == 2 else wide**p
        total = np.add.reduce(powers, axes, keepdims=keepdims)
        root = total if p == 1 else np.sqrt(total) if p == 2 else total ** (1 / p)
    return root.astype(size.dtype)


@vector_norm.gradient
def vector_norm_x(g, x, out, p, axis):
    if p == 0:
        return spread(g * 0.0, x.shape, axis)
    if p == 1:
        return unreduced(g, x.shape, axis) * np.sign(x)
    if p in (math.inf, -math.inf):
        return share(g, np.abs(x), out, axis) * np.sign(x)
    safe = np.where(out == 0, 1, out)
    slope = unreduced(np.where(out == 0, 0, g / safe if p == 2 else g), x.shape, axis)
    if p == 2:
        return slope * x
    ratio = np.where(x == 0, 1, np.abs(x) / unreduced(safe, x.shape, axis))
    return slope * np.sign(x) * ratio ** (p - 1)


@composed
def norm(
    x: Array, p: float | str = "fro", axis: Axes = None, keepdims: bool = False, dtype: Any = None
) -> Tensor:
    """norm(x) = (sum_i |x_i|^p)^(1/p), over all elements that are reduced; the gradient at 0 is 0.

    p: a number; inf is the largest |x_i|, -inf the smallest, 0 counts x_i != 0; "fro" is 2; "nuc" is
    the sum of the singular values, of the matrices along two axes. For other norms of matrices see
    `tl.linalg.norm`. Raises ValueError for another p, and for a p < 0 of no elements.

    >>> import tinygrad_lite as tl
    >>> tl.norm(tl.tensor([3.0, -4.0])), tl.norm(tl.tensor([3.0, -4.0]), p=1)
    (tensor(5.), tensor(7.))
    """
    if p == "nuc":
        return tl.linalg.norm(x, "nuc", axis, keepdims, dtype=dtype)
    if p == "fro":
        p = 2.0
    if isinstance(p, str):
        raise ValueError(f"norm: got p={p!r}; it must be a number, 'fro' or 'nuc'")
    return vector_norm(x if dtype is None else astype(x, dtype), float(p), axis, keepdims)
