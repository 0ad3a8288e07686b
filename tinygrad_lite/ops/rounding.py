"""Rounding, and the divisions that round. Their gradients are 0, or flow past the rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.elementwise import divide, quiet
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "ceil",
    "div",
    "floor",
    "floor_divide",
    "fmod",
    "frac",
    "remainder",
    "round",
    "trunc",
]


@primitive
def floor(x: Array) -> Tensor:
    """The largest integer <= x; the gradient is 0.

    >>> import tinygrad_lite as tl
    >>> tl.floor(tl.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return np.floor(x)


@floor.gradient
def floor_x(g):
    return np.zeros_like(g)


@primitive
def ceil(x: Array) -> Tensor:
    """The smallest integer >= x; the gradient is 0.

    >>> import tinygrad_lite as tl
    >>> tl.ceil(tl.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return np.ceil(x)


@ceil.gradient
def ceil_x(g):
    return np.zeros_like(g)


@primitive
def trunc(x: Array) -> Tensor:
    """x without its fraction; the gradient is 0.

    >>> import tinygrad_lite as tl
    >>> tl.trunc(tl.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return np.trunc(x)


@trunc.gradient
def trunc_x(g):
    return np.zeros_like(g)


@primitive
def round(x: Array, decimals: int = 0) -> Tensor:
    """x rounded to `decimals` decimal places, halves to even; negative places round tens. The gradient is 0.

    >>> import tinygrad_lite as tl
    >>> tl.round(tl.tensor([0.5, 1.5, 2.345]), decimals=1)
    tensor([0.5, 1.5, 2.3])
    """
    return np.round(x, decimals)


@round.gradient
def round_x(g):
    return np.zeros_like(g)


@primitive
@quiet
def frac(x: Array) -> Tensor:
    """x - trunc(x).

    >>> import tinygrad_lite as tl
    >>> tl.frac(tl.tensor([1.5, -1.25]))
    tensor([ 0.5 , -0.25])
    """
    return x - np.trunc(x)


@frac.gradient
def frac_x(g):
    return g


# ------------------------------------------------------------------------------------------- divisions


def _integers(x: Any, y: Any) -> bool:
    return np.result_type(x, y).kind in "iub"


def _divided(op: np.ufunc, x: Any, y: Any) -> Any:
    """A rounding division; integers have no Inf to answer with, so their zero divisors raise."""
    try:
        with np.errstate(all="ignore", divide="raise" if _integers(x, y) else "ignore"):
            return op(x, y)
    except FloatingPointError:
        raise ZeroDivisionError("an integer division by zero; use floating-point tensors for Inf and NaN") from None


@primitive
def floor_divide(x: Array, y: Array) -> Tensor:
    """floor(x / y); the gradient is 0.

    Raises ZeroDivisionError for integers divided by zero.

    >>> import tinygrad_lite as tl
    >>> tl.floor_divide(tl.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return _divided(np.floor_divide, x, y)


@floor_divide.gradient
def floor_divide_x(g):
    return np.zeros_like(g)


@floor_divide.gradient
def floor_divide_y(g):
    return np.zeros_like(g)


@primitive(public=False)
def trunc_divide(x: Array, y: Array) -> Tensor:
    """trunc(x / y); the gradient is 0."""
    if _integers(x, y):
        return _divided(np.floor_divide, x - _divided(np.fmod, x, y), y)
    return np.trunc(_divided(np.divide, x, y))


@trunc_divide.gradient
def trunc_divide_x(g):
    return np.zeros_like(g)


@trunc_divide.gradient
def trunc_divide_y(g):
    return np.zeros_like(g)


@primitive
def remainder(x: Array, y: Array) -> Tensor:
    """x - y floor(x / y): it has the sign of y, as Python's %.

    Raises ZeroDivisionError for integers divided by zero.

    >>> import tinygrad_lite as tl
    >>> tl.remainder(tl.tensor([7.0, -7.0]), 3.0)
    tensor([1., 2.])
    """
    return _divided(np.remainder, x, y)


@remainder.gradient
def remainder_x(g):
    return g


@remainder.gradient
def remainder_y(g, x, y):
    return -g * np.floor_divide(x, y)


@primitive
def fmod(x: Array, y: Array) -> Tensor:
    """x - y trunc(x / y): it has the sign of x, as C's fmod.

    Raises ZeroDivisionError for integers divided by zero.

    >>> import tinygrad_lite as tl
    >>> tl.fmod(tl.tensor([7.0, -7.0]), 3.0)
    tensor([ 1., -1.])
    """
    return _divided(np.fmod, x, y)


@fmod.gradient
def fmod_x(g):
    return g


@fmod.gradient
def fmod_y(g, x, y):
    return -g * np.trunc(x / y)


DIVISIONS = {None: divide, "floor": floor_divide, "trunc": trunc_divide}


@composed
def div(x: Array, y: Array, rounding_mode: str | None = None) -> Tensor:
    """x / y; floor(x / y) or trunc(x / y) with rounding_mode 'floor' or 'trunc', whose gradient is 0.

    Raises ValueError for another mode.

    >>> import tinygrad_lite as tl
    >>> tl.div(tl.tensor([7, -7]), 2, rounding_mode="trunc")
    tensor([ 3, -3])
    """
    if rounding_mode not in DIVISIONS:
        raise ValueError(f"div: got rounding_mode={rounding_mode!r}; needs None, 'floor' or 'trunc'")
    return DIVISIONS[rounding_mode](x, y)
