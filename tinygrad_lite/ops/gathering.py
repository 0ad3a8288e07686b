"""Rows and elements along an axis: gather, scatter, index_select, masks, one_hot and embedding, as PyTorch has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor, astype
from tinygrad_lite.ops.elementwise import keep
from tinygrad_lite.ops.indexing import (
    along,
    check_kind,
    getitem,
    grid_along,
    index_put,
    scatter_index,
    scatter_rows,
    take_along_axis,
)
from tinygrad_lite.ops.shapes import broadcast_tensors, normal_axis, reshape
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, to_array, wrap

__all__ = [
    "embedding",
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "masked_fill",
    "masked_select",
    "one_hot",
    "scatter",
    "scatter_add",
]


def check_indices(name: str, index: np.ndarray, size: int, what: str) -> None:
    """Raise unless `index` consists of integers from 0 to size - 1: a negative one is an error here, as in PyTorch."""
    if index.dtype.kind not in "iu" and index.size:
        raise IndexError(f"{name}: the index is {index.dtype}; it needs integers: index.long()")
    if index.size and (index.min() < 0 or index.max() >= size):
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of range for {what} of size {size}; it goes from 0 to {size - 1}")


def own_index(index: Array) -> np.ndarray:
    """An index as an array of integers that nobody else can write to: the tape keeps it."""
    array = to_array(index)
    return np.array(array, np.intp if not array.size else None)


def at_elements(name: str, x: Tensor, axis: int, index: Array) -> tuple[Tensor, int, np.ndarray]:
    """x, axis and index, checked as `gather` and `scatter` need them: one index for an element, along an axis."""
    axis, index = normal_axis(name, axis, x.ndim), own_index(index)
    check_indices(name, index, x.shape[axis] if x.ndim else 1, f"axis {axis}")
    if max(index.ndim, 1) != max(x.ndim, 1) and index.size:
        raise ValueError(f"{name}: index has shape {index.shape}, x {x.shape}; both need the same number of axes")
    if any(n > m for k, (n, m) in enumerate(zip(index.shape, x.shape)) if k != axis) and index.size:
        raise ValueError(
            f"{name}: index has shape {index.shape}, x {x.shape}; apart from axis {axis}, index may not be larger than x"
        )
    return x, axis, index


def corner(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first elements of t on each axis, as many as `shape` says."""
    return t if t.shape == shape else getitem(t, tuple(map(slice, shape)))


@composed
def gather(x: Array, axis: int, index: Array) -> Tensor:
    """The elements of x that `index` names along an axis: out[i, j] = x[index[i, j], j] for axis 0.

    index: integers; of the shape of the result. It may be smaller than x: what lies beyond it is not read.
    Raises IndexError for an index below 0 or past the end. Its NumPy cousin `take_along_axis` broadcasts.

    >>> import tinygrad_lite as tl
    >>> tl.gather(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, [[1], [0]])
    tensor([[2.],
            [3.]])
    """
    x, axis, index = at_elements("gather", as_tensor(x), axis, index)
    if not x.ndim or not index.ndim or not index.size:
        return getitem(reshape(x, -1), index) if index.size else getitem(reshape(x, -1), slice(0)).reshape(index.shape)
    wanted = tuple(x.shape[k] if k == axis else n for k, n in enumerate(index.shape))
    return take_along_axis(corner(x, wanted), index, axis)


def placed(name: str, x: Tensor, axis: int, index: Array, src: Array) -> tuple[Any, Any, Any]:
    """x, the full index and the part of src that `scatter` and `scatter_add` put there."""
    x, axis, index = at_elements(name, x, axis, index)
    if isinstance(src, (int, float)):
        return x, index, src
    src = as_tensor(src)
    return x, index, src

