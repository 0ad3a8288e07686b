"""Comparisons, logic and bits, elementwise. The answers are bool or integer Tensors, without a gradient."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.ops.elementwise import quiet
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
]


@primitive
def eq(x: Array, y: Array) -> Tensor:
    """x = y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.eq(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([False,  True, False])
    """
    return np.equal(x, y)


@primitive
def ne(x: Array, y: Array) -> Tensor:
    """x != y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.ne(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([ True, False,  True])
    """
    return np.not_equal(x, y)


@primitive
def lt(x: Array, y: Array) -> Tensor:
    """x < y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.lt(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([ True, False, False])
    """
    return np.less(x, y)


@primitive
def le(x: Array, y: Array) -> Tensor:
    """x <= y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.le(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([ True,  True, False])
    """
    return np.less_equal(x, y)


@primitive
def gt(x: Array, y: Array) -> Tensor:
    """x > y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.gt(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([False, False,  True])
    """
    return np.greater(x, y)


@primitive
def ge(x: Array, y: Array) -> Tensor:
    """x >= y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.ge(tl.tensor([1.0, 2.0, 3.0]), 2.0)
    tensor([False,  True,  True])
    """
    return np.greater_equal(x, y)


@primitive
def isnan(x: Array) -> Tensor:
    """Whether x is NaN, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.isnan(tl.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return np.isnan(x)


@primitive
def isinf(x: Array) -> Tensor:
    """Whether x is Inf or -Inf, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.isinf(tl.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    return np.isinf(x)


@primitive
def isfinite(x: Array) -> Tensor:
    """Whether x is neither NaN nor Inf, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.isfinite(tl.tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    return np.isfinite(x)


@primitive
@quiet
def isclose(x: Array, y: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|x - y| <= atol + rtol |y|, or x = y, as bool; `equal_nan`: whether NaN is close to NaN.

    Raises ValueError for a negative tolerance.

    >>> import tinygrad_lite as tl
    >>> tl.isclose(tl.tensor([1.0, 2.0]), tl.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: got rtol={rtol} and atol={atol}; needs tolerances >= 0")
    return np.isclose(x, y, rtol, atol, equal_nan)


# --------------------------------------------------------------------------------- logic and bits


@primitive
def logical_and(x: Array, y: Array) -> Tensor:
    """x and y, as bool; a number that is not 0 is true.

    >>> import tinygrad_lite as tl
    >>> tl.logical_and(tl.tensor([True, True]), tl.tensor([True, False]))
    tensor([ True, False])
    """
    return np.logical_and(x, y)


@primitive
def logical_or(x: Array, y: Array) -> Tensor:
    """x or y, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.logical_or(tl.tensor([True, False]), tl.tensor([False, False]))
    tensor([ True, False])
    """
    return np.logical_or(x, y)


@primitive
def logical_xor(x: Array, y: Array) -> Tensor:
    """Either x or y but not both, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.logical_xor(tl.tensor([True, True]), tl.tensor([True, False]))
    tensor([False,  True])
    """
    return np.logical_xor(x, y)


@primitive
def logical_not(x: Array) -> Tensor:
    """not x, as bool.

    >>> import tinygrad_lite as tl
    >>> tl.logical_not(tl.tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    return np.logical_not(x)


@primitive
def bitwise_and(x: Array, y: Array) -> Tensor:
    """x & y of integers, bit by bit, or of bools.

    >>> import tinygrad_lite as tl
    >>> tl.bitwise_and(tl.tensor([6, 5]), 3)
    tensor([2, 1])
    """
    return np.bitwise_and(x, y)


@primitive
def bitwise_or(x: Array, y: Array) -> Tensor:
    """x | y of integers, bit by bit, or of bools.

    >>> import tinygrad_lite as tl
    >>> tl.bitwise_or(tl.tensor([6, 5]), 3)
    tensor([7, 7])
    """
    return np.bitwise_or(x, y)


@primitive
def bitwise_xor(x: Array, y: Array) -> Tensor:
    """x ^ y of integers, bit by bit, or of bools.

    >>> import tinygrad_lite as tl
    >>> tl.bitwise_xor(tl.tensor([6, 5]), 3)
    tensor([5, 6])
    """
    return np.bitwise_xor(x, y)


@primitive
def bitwise_not(x: Array) -> Tensor:
    """~x of integers, bit by bit, or not x of bools.

    >>> import tinygrad_lite as tl
    >>> tl.bitwise_not(tl.tensor([0, 5]))
    tensor([-1, -6])
    """
    return np.invert(x)
