"""Choosing elements by index, and putting values there: getitem, its transpose, and what is made of the two."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.modes import RECORD, modes
from tinygrad_lite.ops.creation import as_tensor, astype
from tinygrad_lite.ops.shapes import broadcast_to, normal_axis, ravel
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, to_array, wrap

__all__ = [
    "getitem",
    "index_put",
    "nonzero",
    "take",
    "take_along_axis",
]

# ------------------------------------------------------------------------------ what an index is


def plain_index(index: Any, copy: bool = False) -> tuple:
    """An index as a tuple of what NumPy takes: Tensors and lists as arrays, with `copy` in memory of their own."""
    return tuple([plain_part(part, copy) for part in (index if type(index) is tuple else (index,))])


PLAIN = (int, type(None))


def plain_part(part: Any, copy: bool = False) -> Any:
    if type(part) is int or part is None or part is Ellipsis:
        return part
    if type(part) is slice:
        if type(part.start) in PLAIN and type(part.stop) in PLAIN and type(part.step) in PLAIN:
            return part
        try:
            return slice(*(b if b is None else operator.index(b) for b in (part.start, part.stop, part.step)))
        except TypeError:
            raise IndexError(f"getitem: {part}: the bounds and the step of a slice are integers or None") from None
    if isinstance(part, (list, tuple, range)) and not len(part):
        return np.zeros(0, np.intp)
    try:
        array = to_array(part)
    except (TypeError, ValueError):
        array = np.array(0.0)
    if array.dtype == np.bool_:
        return array.copy() if copy else array
    if array.dtype.kind not in "iu":
        what = f"{array.dtype}{list(array.shape)}" if hasattr(part, "dtype") else repr(part)
        raise IndexError(
            f"getitem: the index {what}; an index is made of integers, booleans, slices, None and Ellipsis. "
            "Convert it: index.long(), or write a condition such as x > 0 for a mask"
        )
    return array.astype(np.intp, copy=copy) if array.ndim else int(array)


def is_basic(index: tuple) -> bool:
    """Whether a plain index chooses by integers and slices alone, so that the result is a view."""
    return not any(isinstance(part, np.ndarray) for part in index)


def may_repeat(index: tuple) -> bool:
    """Whether a plain index may name an element twice: only arrays of integers can."""
    return any(isinstance(part, np.ndarray) and part.dtype != np.bool_ for part in index)


def axes_named(index: tuple, ndim: int) -> int:
    """How many axes, from the first, a plain index speaks of."""
    if any(part is Ellipsis for part in index):
        return ndim
    masks = [part.ndim - 1 for part in index if isinstance(part, np.ndarray) and part.dtype == np.bool_]
    return sum(part is not None for part in index) + sum(masks)


def along(axis: int, part: Any) -> tuple:
    """The index that takes `part` of one axis (counted from the front) and all of the others."""
    return (slice(None),) * axis + (part,)


def grid_along(indices: np.ndarray, axis: int) -> tuple:
    """The index of the elements that `indices` names along an axis, the others where they stand."""
    grid: list[Any] = list(np.ogrid[tuple(map(slice, indices.shape))])
    grid[axis] = indices
    return tuple(grid)


# -------------------------------------------------------------------- x[index], and its transpose


@primitive(public=False)
def getitem_(x: Array, index: tuple) -> Tensor:
    """x[index], for a plain index."""
    if is_basic(index) and not any(part is Ellipsis for part in index):
        return x[(*index, ...)]  # a view, where NumPy would hand out a scalar
    return x[index]


@getitem_.gradient
def getitem_x(g, index, x_shape):
    return scatter_index.on(g, index, x_shape)


@composed
def getitem(x: Array, index: Any) -> Tensor:
    """x[index], by NumPy's rules.

    index: integers, slices (negative steps too), None, Ellipsis, integer or boolean arrays, lists or Tensors,
    and tuples of these. A view of x where the index has no array. Raises IndexError.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([[0, 1, 2], [3, 4, 5]])
    >>> tl.getitem(x, (0, [2, 0]))
    tensor([2, 0])
    >>> x[x > 3]
    tensor([4, 5])
    """
    x = as_tensor(x)
    recorded = x._requires_grad and modes.flags & RECORD  # the tape keeps the index, so it must be its own
    return getitem_(x, plain_index(index, copy=bool(recorded)))


@primitive(public=False)
def scatter_index(g: Array, index: tuple, shape: tuple[int, ...]) -> Tensor:
    """Zeros of `shape` with g added at the plain `index`, repeated elements summed: the transpose of getitem."""
    if not may_repeat(index):
        out = np.zeros(shape, g.dtype)
        out[index] = g
        return out
    named = axes_named(index, len(shape))
    rows, width = math.prod(shape[:named]), math.prod(shape[named:])
    if all(type(part) is int or may_repeat((part,)) for part in index):  # one place for each element
        ids = np.ravel_multi_index(index, shape[:named], mode="wrap")  # wrap: negative ones count from the end
    elif rows <= 8 * g.size:
        ids = np.arange(rows).reshape(shape[:named])[index]
    else:  # few elements of a large array, where a table of all places would cost more than it gains
        out = np.zeros(shape, g.dtype)
        np.add.at(out, index, g)
        return out
    out = kernels.scatter_rows(g.reshape(ids.size, width), ids.reshape(-1), rows)
    return out if out.shape == shape else out.reshape(shape)  # a view would be copied when it becomes a gradient


@scatter_index.gradient
def scatter_index_g(g, index):
    return getitem_.on(g, index)


# ---------------------------------------------------------------------------------------- writing


def shape_at(index: tuple, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of x[index], for x of `shape`."""
    return np.broadcast_to(np.False_, shape)[index].shape


def check_kind(name: str, value: Array, dtype: np.dtype) -> None:
    """Refuse to cut floating-point values down to integers, or integers to bool."""
    given = np.dtype(type(value)) if isinstance(value, (bool, int, float)) else to_array(value).dtype
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    if rank[given.kind] > rank[dtype.kind]:
        raise TypeError(f"{name}: {given} values don't fit into {dtype}; convert one of them: t.astype(dtype)")


@primitive(public=False)
def index_put_(x: Array, value: Array, index: tuple) -> Tensor:
    """A copy of x with x[index] = value, for a plain index."""
    out = np.array(x)
    if may_repeat(index) and np.ndim(value):  # in row-major order, so that of several values the last one stays
        value = np.ascontiguousarray(np.broadcast_to(value, shape_at(index, out.shape)))
    out[index] = value
    return out


@index_put_.gradient
def index_put_x(g, index):
    return index_put_.on(g, 0, index)


@index_put_.gradient
def index_put_value(g, index):
    chosen = getitem_.on(g, index)
    return np.where(stays(index, g.shape), chosen, 0) if may_repeat(index) else chosen


def stays(index: tuple, shape: tuple[int, ...]) -> np.ndarray:
    """Which values of x[index] = values are not overwritten by a later one."""
    last = np.zeros(shape, np.intp)
    chosen = shape_at(index, shape)
    order = np.arange(math.prod(chosen)).reshape(chosen)
    last[index] = order
    return last[index] == order


@composed
def index_put(x: Array, index: Any, value: Array, accumulate: bool = False) -> Tensor:
    """A tensor equal to x, but with x[index] = value; value broadcasts to the place.

    index: as in `getitem`. accumulate: x[index] += value instead, where a repeated index adds repeatedly;
    without it the last value stays. Differentiable in x and value. `t[index] = value` uses this.
    Raises TypeError for floating-point values in an integer x.

    >>> import tinygrad_lite as tl
    >>> tl.index_put(tl.zeros(4), [1, 3], tl.tensor([5.0, 6.0]))
    tensor([0., 5., 0., 6.])
    """
    x, index = as_tensor(x), plain_index(index, copy=True)
    check_kind("index_put", value, x.dtype)
    if not accumulate:
        return index_put_(x, value, index)
    added = broadcast_to(astype(value, x.dtype), shape_at(index, x.shape))
    return x + scatter_index(added, index, x.shape)


# -------------------------------------------------------------------------------- along one axis


@primitive
def take_along_axis(x: Array, indices: Array, axis: int | None = None) -> Tensor:
    """The elements of x that `indices` names along an axis; on the other axes the two broadcast (NumPy).

    For axis 0 in two dimensions, out[i, j] = x[indices[i, j], j]. None takes them from all elements of x.
    Raises IndexError where an index is out of range, ValueError for shapes that don't broadcast.

    >>> import tinygrad_lite as tl
    >>> tl.take_along_axis(tl.tensor([[10.0, 30.0, 20.0]]), [[0, 2, 1]], axis=1)
    tensor([[10., 20., 30.]])
    """
    if axis is None:
        return np.ravel(x)[np.ravel(indices)]
    return np.take_along_axis(x, indices, axis)


@take_along_axis.gradient
def take_along_axis_x(g, indices, axis, x_shape):
    if axis is None:
        return np.reshape(scatter_along_axis.on(g, np.ravel(indices), 0, math.prod(x_shape)), x_shape)
    return scatter_along_axis.on(g, indices, axis, x_shape[axis])


@primitive(public=False)
def scatter_along_axis(values: Array, indices: Array, axis: int, size: int) -> Tensor:
    """Zeros, of `size` along `axis`, with values added at indices along it: the transpose of take_along_axis."""
    shape = np.broadcast_shapes(values.shape, indices.shape)
    axis %= len(shape)
    index = grid_along(np.broadcast_to(indices, shape), axis)
    return scatter_index.on(np.broadcast_to(values, shape), index, (*shape[:axis], size, *shape[axis + 1 :]))


@scatter_along_axis.gradient
def scatter_along_axis_values(g, indices, axis):
    return take_along_axis.on(g, indices, axis)


@composed
def take(x: Array, index: Array, axis: int | None = None) -> Tensor:
    """The elements of x at `index`, counted in row-major order; with an axis, x[index] on that axis (NumPy).

    >>> import tinygrad_lite as tl
    >>> tl.take(tl.tensor([[4.0, 3.0], [5.0, 6.0]]), [0, -1])
    tensor([4., 6.])
    """
    x = as_tensor(x)
    if axis is None:
        return getitem(ravel(x), plain_part(index))
    return getitem(x, along(normal_axis("take", axis, x.ndim), index))


@composed
def nonzero(x: Array, as_tuple: bool = False) -> Any:
    """The indices of the elements of x that are not 0, in row-major order.

    Returns a tensor (n, ndim), or with `as_tuple` one tensor of n indices for each axis. It has no gradient.

    >>> import tinygrad_lite as tl
    >>> tl.nonzero(tl.tensor([0.0, 5.0, 7.0]))
    tensor([[1],
            [2]])
    """
    array = to_array(x)
    if as_tuple:
        return tuple(wrap(indices) for indices in np.nonzero(np.atleast_1d(array)))
    return wrap(np.argwhere(array))
