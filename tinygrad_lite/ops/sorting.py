"""Selecting by size: maxima with their indices, sorting, the k largest, medians and quantiles.

What is selected along an axis comes as a named tuple (values, indices), and the gradient of each value goes
to the element it is. NaN counts as larger than any number. Equal elements keep their order, in all of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.indexing import take_along_axis
from tinygrad_lite.ops.reductions import amax, amin, share
from tinygrad_lite.ops.scans import axis_of
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "kthvalue",
    "max",
    "median",
    "min",
    "quantile",
    "sort",
    "topk",
]


def lanes_of(name: str, x: np.ndarray, axis: Any, least: int = 0) -> tuple[np.ndarray, int]:
    """x with one axis at least, and `axis` counted from the start; along it there must be `least` elements."""
    axis = axis_of(axis, x.ndim)
    lanes = np.atleast_1d(x)
    if lanes.shape[axis] < least:
        raise ValueError(f"{name}: axis {axis} of shape {x.shape} has no elements; it needs at least {least}")
    return lanes, axis


def pick(x: np.ndarray, indices: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The elements of a lane at `indices`, and the indices; of 0-d where x is."""
    values = np.take_along_axis(np.atleast_1d(x), indices, axis)
    return (values, indices) if x.ndim else (values.reshape(()), indices.reshape(()))


def pick_one(x: np.ndarray, indices: np.ndarray, axis: int, keepdims: bool) -> tuple[np.ndarray, np.ndarray]:
    """As `pick`, of one element along the axis, which is dropped without `keepdims`."""
    values, indices = pick(x, indices, axis)
    return (values, indices) if keepdims or not x.ndim else (np.squeeze(values, axis), np.squeeze(indices, axis))


def put_back(g: Any, indices: Any, axis: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with g where the values came from: the gradient of `pick` and `pick_one`."""
    if not shape:
        return np.reshape(g, shape)
    axis = axis_of(axis, len(shape))
    if g.ndim < len(shape):
        g, indices = np.expand_dims(g, axis), np.expand_dims(indices, axis)
    return place.on(g, indices, axis, shape[axis])


@primitive(public=False)
def place(values: Array, indices: Array, axis: int, size: int) -> Any:
    """Zeros, of `size` along `axis`, with values at indices along it, of which no two are the same.

    (`scatter_along_axis` adds up at equal indices, and takes five times as long.)
    """
    out = np.zeros((*values.shape[:axis], size, *values.shape[axis + 1 :]), values.dtype)
    np.put_along_axis(out, indices, values, axis)
    return out


@place.gradient
def place_values(g, indices, axis):
    return take_along_axis.on(g, indices, axis)


# ------------------------------------------------------------------------------ maxima and minima


@primitive(outputs="values indices", discrete="indices", public=False)
def max_(x: Array, axis: int, keepdims: bool = False) -> Any:
    """The maxima along an axis, and where the first of each is."""
    lanes, axis = lanes_of("max", x, axis, 1)
    return pick_one(x, np.argmax(lanes, axis, keepdims=True), axis, keepdims)


@max_.gradient
def max_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


@primitive(outputs="values indices", discrete="indices", public=False)
def min_(x: Array, axis: int, keepdims: bool = False) -> Any:
    """The minima along an axis, and where the first of each is."""
    lanes, axis = lanes_of("min", x, axis, 1)
    return pick_one(x, np.argmin(lanes, axis, keepdims=True), axis, keepdims)


@min_.gradient
def min_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


def meant(name: str, x: Any, axis: Any, keepdims: bool, y: Any, forms: tuple[Callable, Callable, Callable]) -> Any:
    """One of PyTorch's three forms of `max` and `min`: of two operands, of all elements, along an axis."""
    of_two, of_all, along = forms
    if isinstance(axis, (Tensor, np.ndarray, np.floating, list, float)):
        axis, y = None, axis
    if y is not None:
        return of_two(x, y)
    if axis is None:
        return of_all(x, None, keepdims)
    if isinstance(axis, tuple):
        raise TypeError(f"{name}: got axis={axis}; it finds the indices along one axis. For several use tl.a{name}")
    return along(x, axis, keepdims)


@composed
def max(x: Array, axis: Any = None, keepdims: bool = False, y: Array = None) -> Any:
    """max(x) = max_i x_i; along an axis (values, indices); of two operands, elementwise as `maximum`.

    max(x): equal maxima share the gradient evenly. max(x, axis): it goes to the one at the index, which is
    the first. `amax` gives the values alone, along several axes too. Raises ValueError for no elements.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([[1.0, 5.0], [7.0, 2.0]])
    >>> tl.max(x), tl.max(x, axis=1).indices, tl.max(x, tl.tensor([3.0, 3.0]))
    (tensor(7.), tensor([1, 0]), tensor([[3., 5.],
            [7., 3.]]))
    """
    return meant("max", x, axis, keepdims, y, (tl.maximum, amax, max_))


@composed
def min(x: Array, axis: Any = None, keepdims: bool = False, y: Array = None) -> Any:
    """min(x) = min_i x_i; along an axis (values, indices); of two operands, elementwise as `minimum`.

    min(x): equal minima share the gradient evenly. min(x, axis): it goes to the one at the index, which is
    the first. `amin` gives the values alone, along several axes too. Raises ValueError for no elements.

    >>> import tinygrad_lite as tl
    >>> tl.min(tl.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=0).values
    tensor([1., 2.])
    """
    return meant("min", x, axis, keepdims, y, (tl.minimum, amin, min_))


@primitive
def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """argmax(x) = the index of the first maximum, along an axis, or among all elements in row-major order.

    >>> import tinygrad_lite as tl
    >>> tl.argmax(tl.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    tensor([1, 0])
    """
    return np.argmax(x, axis if axis is None else axis_of(axis, x.ndim), keepdims=keepdims)


@primitive
def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """argmin(x) = the index of the first minimum, along an axis, or among all elements in row-major order.

    >>> import tinygrad_lite as tl
    >>> tl.argmin(tl.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    tensor([0, 1])
    """
    return np.argmin(x, axis if axis is None else axis_of(axis, x.ndim), keepdims=keepdims)


# ---------------------------------------------------------------------------------------- sorting


def order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The indices that sort along an axis, equal elements in their order."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


@primitive(outputs="values indices", discrete="indices")
def sort(x: Array, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """sort(x) = the elements in ascending order along an axis, and where they were: (values, indices).

    stable: accepted for PyTorch's sake; equal elements always keep their order.

    >>> import tinygrad_lite as tl
    >>> values, indices = tl.sort(tl.tensor([3.0, 1.0, 2.0]))
    >>> values, indices
    (tensor([1., 2., 3.]), tensor([1, 2, 0]))
    """
    lanes, axis = lanes_of("sort", x, axis)
    return pick(x, order(lanes, axis, descending), axis)


@sort.gradient
def sort_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


@primitive
def argsort(x: Array, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """argsort(x) = the indices that sort x along an axis. Arguments as for `sort`.

    >>> import tinygrad_lite as tl
    >>> tl.argsort(tl.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    lanes, axis = lanes_of("argsort", x, axis)
    return order(lanes, axis, descending).reshape(x.shape)


@primitive(outputs="values indices", discrete="indices")
def topk(x: Array, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """topk(x) = the k largest elements along an axis, in descending order: (values, indices).

    largest: False for the k smallest, in ascending order. sorted: accepted for PyTorch's sake; they always are.
    Raises ValueError if k is negative or more than there are.

    >>> import tinygrad_lite as tl
    >>> tl.topk(tl.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    lanes, axis = lanes_of("topk", x, axis)
    size = lanes.shape[axis]
    check_rank("topk", k, 0, size)
    if not x.ndim:
        return np.array(x), np.zeros((), np.int64)
    if k == 0:
        return pick(x, np.take(order(lanes, axis, largest), [], axis), axis)
    cut = size - k if largest else k - 1
    found = np.take(np.argpartition(lanes, cut, axis), range(cut, size) if largest else range(k), axis)
    found.sort(axis)  # equal elements keep their order
    indices = order(np.take_along_axis(lanes, found, axis), axis, largest)
    return pick(x, np.take_along_axis(found, indices, axis), axis)


@topk.gradient
def topk_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


def check_rank(name: str, k: int, low: int, size: int) -> None:
    if not low <= k <= size:
        raise ValueError(f"{name}: got k={k}; it must be from {low} to {size}, the number of elements along the axis")


# -------------------------------------------------------------------------- medians and quantiles


def kth(lanes: np.ndarray, k: int, axis: int) -> np.ndarray:
    """The index of the element at place k in ascending order along an axis."""
    return np.take(np.argpartition(lanes, k, axis), [k], axis)


@primitive(outputs="values indices", discrete="indices")
def kthvalue(x: Array, k: int, axis: int = -1, keepdims: bool = False) -> Any:
    """kthvalue(x, k) = the k-th smallest element along an axis, counted from 1, and its index: (values, indices).

    Raises ValueError if there is no k-th.

    >>> import tinygrad_lite as tl
    >>> tl.kthvalue(tl.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    lanes, axis = lanes_of("kthvalue", x, axis)
    check_rank("kthvalue", k, 1, lanes.shape[axis])
    return pick_one(x, kth(lanes, k - 1, axis), axis, keepdims)


@kthvalue.gradient
def kthvalue_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


@primitive(name="median", public=False)
def middle(x: Array) -> Any:
    """The lower median of all elements; NaN if one is NaN, or there are none."""
    if x.size == 0 or (x != x).any():
        return np.full((), np.nan, x.dtype)
    return np.partition(x.ravel(), (x.size - 1) // 2)[(x.size - 1) // 2]


@middle.gradient
def middle_x(g, x, out):
    return share(g, x, out, None)


@primitive(outputs="values indices", discrete="indices", public=False)
def median_(x: Array, axis: int, keepdims: bool = False) -> Any:
    """The lower medians along an axis, and where they are; NaN, and where it is, if one is NaN."""
    lanes, axis = lanes_of("median", x, axis, 1)
    indices = kth(lanes, (lanes.shape[axis] - 1) // 2, axis)
    nan = lanes != lanes
    broken = nan.any(axis, keepdims=True)
    if broken.any():
        indices = np.where(broken, np.argmax(nan, axis, keepdims=True), indices)
    return pick_one(x, indices, axis, keepdims)


@median_.gradient
def median_x(g, indices, axis, x_shape):
    return put_back(g, indices, axis, x_shape)


@composed
def median(x: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    """median(x) = the element in the middle, the lower one of two; along an axis (values, indices).

    median(x): equal elements share the gradient evenly. NaN if an element is NaN. (NumPy's `np.median`
    is the mean of the two in the middle.) Raises ValueError along an axis of length 0.

    >>> import tinygrad_lite as tl
    >>> tl.median(tl.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if axis is not None:
        return median_(x, axis, keepdims)
    result = middle(x)
    return np.reshape(result, (1,) * np.ndim(x)) if keepdims else result


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@composed
def quantile(
    x: Array, q: Array, axis: int | None = None, keepdims: bool = False, interpolation: str = "linear"
) -> Tensor:
    """quantile(x, q) = the value at place q (n - 1) of the n sorted elements, along an axis or of all.

    q: from 0 to 1, a number or several, whose axis comes first in the result; differentiable as well.
    interpolation: between two places "linear", or "lower", "higher", "midpoint", "nearest".
    NaN if an element is NaN. Raises ValueError for no elements, or q outside of [0, 1].

    >>> import tinygrad_lite as tl
    >>> tl.quantile(tl.tensor([1.0, 2.0, 4.0]), [0.25, 0.5])
    tensor([1.5, 2. ])
    """
    x = as_tensor(x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    q = q if isinstance(q, Tensor) else as_tensor(np.asarray(q, np.float64))
    axis = axis if axis is None else axis_of(axis, x.ndim)
    check_quantile(q, interpolation)
    lanes: Any = np.ravel(x) if axis is None or x.ndim == 0 else np.moveaxis(x, axis, -1)
    if lanes.shape[-1] == 0:
        raise ValueError(f"quantile: got no elements along axis={axis} of shape {x.shape}; it needs at least one")
    result = between(sort(lanes).values, np.ravel(q).astype(np.float64) * (lanes.shape[-1] - 1), interpolation)
    result = np.moveaxis(result, -1, 0)
    if keepdims:
        result = np.reshape(result, (q.size, *(1 if axis in (None, k) else n for k, n in enumerate(x.shape))))
    return result if q.ndim else result[0]


def check_quantile(q: Tensor, interpolation: str) -> None:
    if q.ndim > 1:
        raise ValueError(f"quantile: got q of shape {q.shape}; it must be a number or have one axis")
    if not ((q._array >= 0) & (q._array <= 1)).all():
        raise ValueError(f"quantile: got q={q._array}; it must be from 0 to 1 (divide percentages by 100)")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"quantile: got interpolation={interpolation!r}; it must be one of {INTERPOLATIONS}")


def between(ordered: Any, places: Any, interpolation: str) -> Any:
    """The values of sorted lanes at places that may lie between two elements."""
    exact = places._array
    low, high = np.floor(exact).astype(int), np.ceil(exact).astype(int)
    if interpolation == "linear" or interpolation == "midpoint":
        weight = places - low if interpolation == "linear" else 0.5 * (low < high)
        weight = as_tensor(weight).astype(ordered.dtype)
        with np.errstate(invalid="ignore"):  # inf - inf, where the place is exact
            gap = (ordered[..., high] - ordered[..., low]) * weight
        result = ordered[..., low] + np.where(weight == 0, 0, gap)
    else:
        chosen = {"lower": low, "higher": high, "nearest": np.rint(exact).astype(int)}[interpolation]
        result = ordered[..., chosen]
    broken = np.isnan(ordered._array[..., -1:])  # NaN sorts last
    return np.where(broken, math.nan, result) if broken.any() else result
