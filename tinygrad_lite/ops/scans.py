"""Scans: running sums, products and maxima along one axis, and differences of neighbours."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.indexing import scatter_along_axis
from tinygrad_lite.ops.reductions import floating, sum_dtypes
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]


def axis_of(axis: Any, rank: int) -> int:
    """`axis` counted from the start; 0 for a 0-d operand, which is scanned as if it had one axis."""
    rank = rank or 1
    axis = index(axis)
    if not -rank <= axis < rank:
        raise IndexError(f"axis {axis} is out of range; it must be from {-rank} to {rank - 1}")
    return axis % rank


def along(axis: int, start: int | None = None, stop: int | None = None, step: int | None = None) -> tuple:
    """The index that slices one axis."""
    return (slice(None),) * axis + (slice(start, stop, step),)


def reverse(x: Any, axis: int) -> Any:
    """x in reverse order along an axis."""
    return x[along(axis, None, None, -1)]


def later(x: Any, axis: int, first: Any) -> Any:
    """x one place later along an axis, with `first` (0 or 1) in front; the last one drops out."""
    return np.concatenate([np.full_like(x[along(axis, 0, 1)], first), x[along(axis, 0, -1)]], axis=axis)


def accumulate(ufunc: np.ufunc, x: np.ndarray, axis: int, dtype: Any) -> Any:
    """A running sum or product."""
    dtype, wide = sum_dtypes(x, dtype)
    total = ufunc.accumulate(np.atleast_1d(x), axis_of(axis, x.ndim), wide)
    return np.reshape(total, x.shape).astype(dtype, copy=False)


@primitive
def cumsum(x: Array, axis: int, dtype: Any = None) -> Tensor:
    """cumsum(x)_i = x_0 + ... + x_i, along an axis.

    dtype: of the result, in which it is added up; integers and bool give int64.

    >>> import tinygrad_lite as tl
    >>> tl.cumsum(tl.tensor([1.0, 2.0, 3.0]), axis=0)
    tensor([1., 3., 6.])
    """
    return accumulate(np.add, x, axis, dtype)


@cumsum.gradient
def cumsum_x(g, axis):
    return reversed_cumsum.on(g, axis)


@primitive(public=False)
def reversed_cumsum(x: Array, axis: int) -> Any:
    """x_i + ... + x_(n-1): the transpose of cumsum."""
    if x.ndim == 0:
        return np.array(x)
    axis = axis_of(axis, x.ndim)
    return reverse(accumulate(np.add, reverse(x, axis), axis, None), axis)


@reversed_cumsum.gradient
def reversed_cumsum_x(g, axis):
    return cumsum.on(g, axis)


# --------------------------------------------------------------------------- linear recurrences


@primitive(public=False)
def recurrence(a: Array, b: Array, axis: int) -> Any:
    """y_i = a_i y_(i-1) + b_i along an axis, with y_(-1) = 0.

    Two neighbouring steps are one such step, so log2(n) sweeps that each double the steps taken in one
    do (Blelloch 1990, "Prefix sums and their applications", section 1.4). There is no division: zeros are exact.
    """
    a, b = np.array(a), np.array(b)
    step = 1
    while step < b.shape[axis]:
        here, there = along(axis, step), along(axis, None, -step)
        b[here] += a[here] * b[there]
        a[here] = a[here] * a[there]
        step *= 2
    return b


@recurrence.gradients
def recurrence_gradients(g, a, out, axis):
    upstream = recurrence_back(a, g, axis)
    return [upstream * later(out, axis, 0), upstream]


def recurrence_back(a: Any, g: Any, axis: int) -> Any:
    """r_i = g_i + a_(i+1) r_(i+1): how a gradient runs back through a recurrence."""
    return reverse(recurrence.on(later(reverse(a, axis), axis, 1), reverse(g, axis), axis), axis)


@primitive
def cumprod(x: Array, axis: int, dtype: Any = None) -> Tensor:
    """cumprod(x)_i = x_0 ... x_i, along an axis; the gradient is exact where some are zero.

    dtype: of the result, in which it is multiplied up; integers and bool give int64.

    >>> import tinygrad_lite as tl
    >>> tl.cumprod(tl.tensor([2.0, 3.0, 4.0]), axis=0)
    tensor([ 2.,  6., 24.])
    """
    return accumulate(np.multiply, x, axis, dtype)


@cumprod.gradient
def cumprod_x(g, x, axis):
    if x.ndim == 0:
        return g
    axis = axis_of(axis, x.ndim)
    return np.cumprod(later(x, axis, 1), axis=axis) * recurrence_back(x, g, axis)


@primitive
def logcumsumexp(x: Array, axis: int) -> Any:
    """logcumsumexp(x)_i = log(exp(x_0) + ... + exp(x_i)), along an axis, without overflow.

    >>> import tinygrad_lite as tl
    >>> tl.logcumsumexp(tl.tensor([1000.0, 1000.0]), axis=0)
    tensor([1000.    , 1000.6932])
    """
    total = np.logaddexp.accumulate(np.atleast_1d(floating(x)), axis_of(axis, x.ndim))
    return np.reshape(total, x.shape)


@logcumsumexp.gradient
def logcumsumexp_x(g, x, out, axis):
    if x.ndim == 0:
        return g
    axis = axis_of(axis, x.ndim)
    decay = np.exp(later(out, axis, 0) - out)  # at most 1, so that nothing overflows
    return np.exp(x - out) * recurrence_back(decay, g, axis)


# ------------------------------------------------------------------------------- running extremes


def running(ufunc: np.ufunc, x: np.ndarray, axis: int) -> Any:
    """The running extreme, and the last place so far that has it; NaN once there is one."""
    lane, axis = np.atleast_1d(x), axis_of(axis, x.ndim)
    values = ufunc.accumulate(lane, axis)
    places = np.reshape(np.arange(lane.shape[axis]), [-1 if k == axis else 1 for k in range(lane.ndim)])
    found = np.where((lane == values) | (lane != lane), places, 0)
    return np.reshape(values, x.shape), np.reshape(np.maximum.accumulate(found, axis), x.shape)


@primitive(outputs="values indices", discrete="indices")
def cummax(x: Array, axis: int) -> Any:
    """cummax(x)_i = max(x_0, ..., x_i), along an axis, as (values, indices).

    indices: the last place up to i that has the maximum; the gradient goes there.

    >>> import tinygrad_lite as tl
    >>> tl.cummax(tl.tensor([1.0, 3.0, 2.0]), axis=0).values
    tensor([1., 3., 3.])
    """
    return running(np.maximum, x, axis)


@cummax.gradient
def cummax_x(g, x_shape, indices, axis):
    return scatter_along_axis.on(g, indices, axis, x_shape[axis]) if x_shape else g


@primitive(outputs="values indices", discrete="indices")
def cummin(x: Array, axis: int) -> Any:
    """cummin(x)_i = min(x_0, ..., x_i), along an axis, as (values, indices).

    indices: the last place up to i that has the minimum; the gradient goes there.

    >>> import tinygrad_lite as tl
    >>> tl.cummin(tl.tensor([3.0, 1.0, 2.0]), axis=0).values
    tensor([3., 1., 1.])
    """
    return running(np.minimum, x, axis)


@cummin.gradient
def cummin_x(g, x_shape, indices, axis):
    return scatter_along_axis.on(g, indices, axis, x_shape[axis]) if x_shape else g


# ----------------------------------------------------------------------------------- differences


@composed
def diff(x: Array, n: int = 1, axis: int = -1, prepend: Array = None, append: Array = None) -> Tensor:
    """diff(x)_i = x_(i+1) - x_i, along an axis, n times over.

    prepend, append: what to put before and after x along the axis first; of the shape of x on the other
    axes, or one number. bool gives whether neighbours differ. Raises ValueError for a 0-d x or n < 0.

    >>> import tinygrad_lite as tl
    >>> tl.diff(tl.tensor([1.0, 4.0, 9.0]), prepend=0.0)
    tensor([1., 3., 5.])
    """
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError("diff: got a 0-d operand; it needs at least one axis")
    if n < 0:
        raise ValueError(f"diff: got n={n}; it must be at least 0")
    axis = axis_of(axis, x.ndim)
    if n > 0 and (prepend is not None or append is not None):
        edge = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        parts = [as_tensor(t) for t in (prepend, x, append) if t is not None]
        x = np.concatenate([t if t.ndim else np.broadcast_to(t, edge) for t in parts], axis=axis)
    subtract = np.not_equal if x.dtype == np.bool_ else np.subtract
    for _ in range(min(n, x.shape[axis])):
        x = subtract(x[along(axis, 1)], x[along(axis, 0, -1)])
    return x
