"""Reductions: many numbers to one, along axes.

Every reduction takes `axis` (None for all axes, one axis, or several; negative ones count from the
end) and `keepdims` (leave a reduced axis in place, of length 1).
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["mean", "sum"]

Axes = int | tuple[int, ...] | list[int] | None
"""The axes to reduce; None for all."""


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """`axis` as a tuple of different numbers from 0 to rank - 1; a 0-d operand may be reduced along axis 0 or -1."""
    if axis is None:
        return tuple(range(rank))
    if type(axis) is int and -rank <= axis < rank:
        return (axis % rank,)
    wanted = [index(a) for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    room = rank or 1
    for a in wanted:
        if not -room <= a < room:
            raise IndexError(f"axis {a} is out of range for {rank} axes")
    axes = tuple(a % room for a in wanted)
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis {axis} names an axis twice")
    return axes if rank else ()


def unreduced(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """`g`, the result of a reduction of `shape`, with the reduced axes in place, of length 1."""
    axes = axes_of(axis, len(shape))
    return np.reshape(g, [1 if k in axes else n for k, n in enumerate(shape)])


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """`g`, the result of a reduction of `shape`, repeated along the reduced axes."""
    return np.broadcast_to(unreduced(g, shape, axis), shape)


# ------------------------------------------------------------------------------- sums and means


def accumulator(dtype: np.dtype) -> Any:
    """The dtype to sum in: float16 in float32, which keeps the digits; small integers in int64."""
    if dtype == np.float16:
        return np.float32
    return np.int64 if dtype.kind in "biu" and dtype != np.uint64 else dtype


@primitive
def sum(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """sum(x)_j = sum_i x_ij over the reduced axes i.

    dtype: of the result, and of the sum on the way; integers and bool give int64. An empty sum is 0.

    >>> import tinygrad_lite as tl
    >>> tl.sum(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([3., 7.])
    """
    dtype = accumulator(x.dtype) if dtype is None else np.dtype(dtype)
    total = np.add.reduce(x, axes_of(axis, x.ndim), dtype, keepdims=keepdims)
    return total.astype(np.float16) if x.dtype == np.float16 and dtype == np.float32 else total


@sum.gradient
def sum_x(g, x_shape, axis):
    return spread(g, x_shape, axis)


@primitive
def mean(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """mean(x)_j = 1/n sum_i x_ij over the n elements of the reduced axes i.

    dtype: of the result; integers and bool give float64. An empty mean is NaN.

    >>> import tinygrad_lite as tl
    >>> tl.mean(tl.tensor([[1.0, 2.0], [3.0, 5.0]]), axis=0)
    tensor([2. , 3.5])
    """
    return np.mean(x, axes_of(axis, x.ndim), dtype, keepdims=keepdims)


@mean.gradient
def mean_x(g, x_shape, axis):
    return spread(g / (count(x_shape, axis) or 1), x_shape, axis)


def count(shape: tuple[int, ...], axis: Any) -> int:
    """The number of elements that are reduced to one."""
    return math.prod(shape[k] for k in axes_of(axis, len(shape)))
