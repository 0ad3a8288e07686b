"""Reductions: many numbers to one, along axes.

Each takes `axis` (None for all axes, one axis or several, negative ones counted from the end, () for
none, as NumPy has it) and `keepdims` (a reduced axis stays in place, with length 1). A 0-d operand
may be reduced along axis 0 or -1.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "count_nonzero",
    "logsumexp",
    "mean",
    "nanmean",
    "nansum",
    "norm",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]

Axes = int | tuple[int, ...] | list[int] | None
"""The axes to reduce; None for all."""


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """`axis` as a tuple of different numbers from 0 to rank - 1."""
    if axis is None:
        return tuple(range(rank))
    if type(axis) is int and -rank <= axis < rank:
        return (axis % rank,)
    wanted = [index(a) for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    room = rank or 1
    for a in wanted:
        if not -room <= a < room:
            raise IndexError(f"axis {a} is out of range; it must be from {-room} to {room - 1}")
    axes = tuple(a % room for a in wanted)
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis={axis} names an axis twice; each can be reduced once")
    return axes if rank else ()


def count(shape: tuple[int, ...], axis: Any) -> int:
    """The number of elements that are reduced to one."""
    return math.prod([shape[k] for k in axes_of(axis, len(shape))])


def unreduced(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """`g`, of the shape of a result, with the reduced axes of `shape` in place, of length 1."""
    axes = axes_of(axis, len(shape))
    return np.reshape(g, tuple(1 if k in axes else n for k, n in enumerate(shape)))


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """`g`, of the shape of a result, repeated along the reduced axes of `shape`."""
    return np.broadcast_to(unreduced(g, shape, axis) if axis is not None else g, shape)


def floating(x: np.ndarray, name: str = "", dtype: Any = None) -> np.ndarray:
    """`x` in `dtype`; integers and bool in float64, as NumPy's means of them."""
    if dtype is not None:
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise TypeError(f"{name}: dtype={dtype} can't hold the result; pass a floating-point dtype")
        return x.astype(dtype, copy=False)
    return x.astype(np.float64) if x.dtype.kind != "f" else x


def narrow(total: Any, dtype: np.dtype) -> Any:
    """What was computed in float32 for a float16 operand, in float16."""
    return total.astype(dtype) if dtype == np.float16 else total


def reduce(ufunc: Any, x: np.ndarray, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
    """ufunc.reduce, for every kind of `axis`."""
    return ufunc.reduce(x, axes_of(axis, x.ndim), dtype, keepdims=keepdims)


def sum_dtypes(x: np.ndarray, dtype: Any) -> tuple[Any, Any]:
    """The dtype of a sum or product, and that to compute it in: integers and bool int64, float16 float32."""
    if dtype is None:
        dtype = np.int64 if x.dtype.kind in "biu" and x.dtype != np.uint64 else x.dtype
    return dtype, np.float32 if dtype == np.float16 else dtype


def accumulate(ufunc: np.ufunc, x: np.ndarray, axis: Any, keepdims: bool, dtype: Any) -> Any:
    """A sum or a product."""
    dtype, wide = sum_dtypes(x, dtype)
    total = reduce(ufunc, x, axis, keepdims, wide)
    return total if wide is dtype else total.astype(dtype)


# -------------------------------------------------------------------------------- sums and means


@primitive
def sum(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """sum(x)_j = sum_i x_ij, where i runs over the reduced axes.

    dtype: of the result, in which it is added up; integers and bool give int64. An empty sum is 0.

    >>> import tinygrad_lite as tl
    >>> tl.sum(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([3., 7.])
    """
    return accumulate(np.add, x, axis, keepdims, dtype)


@sum.gradient
def sum_x(g, x_shape, axis):
    return spread(g, x_shape, axis)


def average(x: np.ndarray, axis: Any, keepdims: bool) -> Any:
    """The mean of a floating-point array."""
    n = count(x.shape, axis)
    total = accumulate(np.add, x, axis, keepdims, np.float32 if x.dtype == np.float16 else None)
    return (total / n if n else total * math.nan).astype(x.dtype)


@primitive
def mean(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """mean(x)_j = 1/n sum_i x_ij, where i runs over the n elements of the reduced axes.

    dtype: of the result; integers and bool give float64. An empty mean is NaN.

    >>> import tinygrad_lite as tl
    >>> tl.mean(tl.tensor([[1.0, 2.0], [3.0, 5.0]]), axis=0)
    tensor([2. , 3.5])
    """
    return average(floating(x, "mean", dtype), axis, keepdims)


@mean.gradient
def mean_x(g, x_shape, axis):
    return spread(g / count(x_shape, axis), x_shape, axis)


@primitive
def nansum(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """nansum(x)_j = sum_i x_ij over those that are not NaN; no gradient goes to a NaN.

    >>> import tinygrad_lite as tl
    >>> tl.nansum(tl.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return accumulate(np.add, np.where(x == x, x, 0), axis, keepdims, dtype)


@nansum.gradient
def nansum_x(g, x, axis):
    return spread(g, x.shape, axis) * (x == x)


@primitive
def nanmean(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """nanmean(x)_j = the mean of those x_ij that are not NaN; NaN where all are.

    >>> import tinygrad_lite as tl
    >>> tl.nanmean(tl.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5)
    """
    x = floating(x, "nanmean", dtype)
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    total = reduce(np.add, np.where(x == x, x, 0), axis, keepdims, wide)
    with np.errstate(invalid="ignore"):
        return (total / reduce(np.add, x == x, axis, keepdims, np.int64)).astype(x.dtype)


@nanmean.gradient
def nanmean_x(g, x, axis):
    there = x == x
    n = np.sum(there, axis=axes_of(axis, x.ndim), keepdims=True)
    return np.where(there, (unreduced(g, x.shape, axis) / np.maximum(n, 1)).astype(g.dtype), 0)


# ------------------------------------------------------------------------------------- variances


def deviations(x: Any, axis: Any) -> Any:
    """x - mean(x)."""
    return x - np.mean(x, axis=axes_of(axis, x.ndim), keepdims=True) if x.size else x


def freedom(shape: tuple[int, ...], axis: Any, correction: Any) -> tuple[Any, float]:
    """The axes to reduce, and the degrees of freedom, n - correction; PyTorch allows var(x, unbiased)."""
    if isinstance(axis, bool):
        axis, correction = None, axis
    correction = 1 if correction is None else correction
    return axis, max(0, count(shape, axis) - correction)


def variance(x: np.ndarray, axis: Any, correction: Any, keepdims: bool) -> Any:
    """The variance of an array, float16 in float32; inf or NaN without degrees of freedom."""
    x = x.astype(np.float32) if x.dtype == np.float16 else floating(x)
    axis, degrees = freedom(x.shape, axis, correction)
    d = x - average(x, axis, True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(reduce(np.add, d * d, axis, keepdims), degrees)


@primitive
def var(x: Array, axis: Axes = None, correction: float = 1, keepdims: bool = False) -> Tensor:
    """var(x) = 1/(n - correction) sum_i (x_i - mean(x))^2, over the n elements of the reduced axes.

    correction: 1 is unbiased (Bessel), 0 the mean square; True and False mean the same, and may stand
    in place of `axis` too. Where n <= correction the variance is infinite, or NaN.

    >>> import tinygrad_lite as tl
    >>> tl.var(tl.tensor([1.0, 2.0, 3.0])), tl.var(tl.tensor([1.0, 2.0, 3.0]), correction=0)
    (tensor(1.), tensor(0.6666667))
    """
    return narrow(variance(x, axis, correction, keepdims), x.dtype)


@var.gradient
def var_x(g, x, axis, correction):
    axis, degrees = freedom(x.shape, axis, correction)
    return unreduced(g * (2 / degrees if degrees else math.inf), x.shape, axis) * deviations(x, axis)


@primitive
def std(x: Array, axis: Axes = None, correction: float = 1, keepdims: bool = False) -> Tensor:
    """std(x) = sqrt(var(x)); its gradient is 0 where all elements are equal.

    Arguments as for `var`.

    >>> import tinygrad_lite as tl
    >>> tl.std(tl.tensor([1.0, 3.0, 5.0]))
    tensor(2.)
    """
    return narrow(np.sqrt(variance(x, axis, correction, keepdims)), x.dtype)


@std.gradient
def std_x(g, x, out, axis, correction):
    axis, degrees = freedom(x.shape, axis, correction)
    slope = np.where(out == 0, 0, g / np.where(out == 0, 1, out)) * (1 / degrees if degrees else math.inf)
    return unreduced(slope, x.shape, axis) * deviations(x, axis)


@composed
def var_mean(x: Array, axis: Axes = None, correction: float = 1, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """(var(x), mean(x)). Arguments as for `var`.

    >>> import tinygrad_lite as tl
    >>> tl.var_mean(tl.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return var(x, axis, correction, keepdims), mean(x, None if isinstance(axis, bool) else axis, keepdims)


@composed
def std_mean(x: Array, axis: Axes = None, correction: float = 1, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """(std(x), mean(x)). Arguments as for `var`.

    >>> import tinygrad_lite as tl
    >>> tl.std_mean(tl.tensor([1.0, 3.0, 5.0]))
    (tensor(2.), tensor(3.))
    """
    return std(x, axis, correction, keepdims), mean(x, None if isinstance(axis, bool) else axis, keepdims)


# -------------------------------------------------------------------------------------- products


@primitive
def prod(x: Array, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """prod(x)_j = prod_i x_ij; the gradient is exact where some are zero.

    dtype: of the result, in which it is multiplied up. An empty product is 1.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> tl.prod(x).backward()
    >>> x.grad
    tensor([6., 0., 0.])
    """
    return accumulate(np.multiply, x, axis, keepdims, dtype)


@prod.gradient
def prod_x(g, x, axis):
    return unreduced(g, x.shape, axis) * product_of_others(x, axis)


def product_of_others(x: Any, axis: Any) -> Any:
    """For every element, the product of those that are reduced together with it: those before times those after."""
    axes = axes_of(axis, x.ndim)
    order = [k for k in range(x.ndim) if k not in axes] + list(axes)
    sizes = tuple(x.shape[k] for k in order)
    lanes = np.reshape(np.transpose(x, order), (*sizes[: x.ndim - len(axes)], count(x.shape, axis)))
    one = np.ones_like(lanes[..., :1])
    before = np.cumprod(np.concatenate([one, lanes[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([one, lanes[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return np.transpose(np.reshape(before * after, sizes), [order.index(k) for k in range(x.ndim)])


@primitive
def logsumexp(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """logsumexp(x)_j = log sum_i exp(x_ij), without overflow; -inf for no elements.

    >>> import tinygrad_lite as tl
    >>> tl.logsumexp(tl.tensor([1000.0, 1000.0]))
    tensor(1000.6932)
    """
    x = floating(x)
    top = np.maximum.reduce(x, axes_of(axis, x.ndim), keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        total = np.log(accumulate(np.add, np.exp(x - top), axis, keepdims, None))
    return total + np.reshape(top, total.shape)


@logsumexp.gradient
def logsumexp_x(g, x, out, axis):
    return unreduced(g, x.shape, axis) * np.exp(x - unreduced(out, x.shape, axis))


# ------------------------------------------------------------------------- maxima, counts, truth


def share(g: Any, x: Any, out: Any, axis: Any) -> Any:
    """`g` to the elements of x that equal the result, in even parts; NaN where the result is."""
    chosen = x == unreduced(out, x.shape, axis)
    n = np.sum(chosen, axis=axes_of(axis, x.ndim), keepdims=True)
    return (unreduced(g, x.shape, axis) / n).astype(g.dtype) * chosen


@primitive
def amax(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """amax(x)_j = max_i x_ij; equal maxima share the gradient evenly. NaN if one is NaN.

    Raises ValueError where an axis of length 0 is reduced.

    >>> import tinygrad_lite as tl
    >>> tl.amax(tl.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    tensor([5., 7.])
    """
    return reduce(np.maximum, x, axis, keepdims)


@amax.gradient
def amax_x(g, x, out, axis):
    return share(g, x, out, axis)


@primitive
def amin(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """amin(x)_j = min_i x_ij; equal minima share the gradient evenly. NaN if one is NaN.

    Raises ValueError where an axis of length 0 is reduced.

    >>> import tinygrad_lite as tl
    >>> tl.amin(tl.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    tensor([1., 2.])
    """
    return reduce(np.minimum, x, axis, keepdims)


@amin.gradient
def amin_x(g, x, out, axis):
    return share(g, x, out, axis)


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


@composed
def aminmax(x: Array, axis: Axes = None, keepdims: bool = False) -> MinMax:
    """(min, max) = (amin(x), amax(x)), a named tuple.

    >>> import tinygrad_lite as tl
    >>> tl.aminmax(tl.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    return MinMax(amin(x, axis, keepdims), amax(x, axis, keepdims))


@primitive
def all(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether every x_ij is true (not zero); True for no elements.

    >>> import tinygrad_lite as tl
    >>> tl.all(tl.tensor([[True, False], [True, True]]), axis=1)
    tensor([False,  True])
    """
    return reduce(np.logical_and, x, axis, keepdims)


@primitive
def any(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether some x_ij is true (not zero); False for no elements.

    >>> import tinygrad_lite as tl
    >>> tl.any(tl.tensor([[True, False], [False, False]]), axis=1)
    tensor([ True, False])
    """
    return reduce(np.logical_or, x, axis, keepdims)


@primitive
def count_nonzero(x: Array, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The number of x_ij that are not zero.

    >>> import tinygrad_lite as tl
    >>> tl.count_nonzero(tl.tensor([[0.0, 1.0], [2.0, 3.0]]), axis=0)
    tensor([1, 2])
    """
    return np.count_nonzero(x, axes_of(axis, x.ndim), keepdims=keepdims)


@composed
def norm(x: Array, p: float | str = "fro", axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """norm(x) = (sum_i |x_i|^p)^(1/p), over all elements that are reduced; the gradient at 0 is 0.

    p: a number; inf is the largest |x_i|, -inf the smallest, 0 counts x_i != 0; "fro" is 2; "nuc" is
    the sum of the singular values of the matrices in two axes. For other norms of matrices see
    `tl.linalg.norm`. Raises ValueError for another p, and for the largest or smallest of no elements.

    >>> import tinygrad_lite as tl
    >>> tl.norm(tl.tensor([3.0, -4.0])), tl.norm(tl.tensor([3.0, -4.0]), p=1)
    (tensor(5.), tensor(7.))
    """
    if p == "nuc":
        return tl.linalg.norm(x, "nuc", axis, keepdims, dtype)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: got p={p!r}; it must be a number, 'fro' or 'nuc'")
    return tl.linalg.vector_norm(x, 2.0 if isinstance(p, str) else p, axis, keepdims, dtype)
