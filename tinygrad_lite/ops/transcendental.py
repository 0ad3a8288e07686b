"""Roots, exponentials and logarithms, elementwise; and what is made of them."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_lite.ops.elementwise import NUMBER, blockwise, quiet, real
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "rsqrt",
    "sigmoid",
    "sqrt",
    "xlogy",
]


@primitive
@real
def sqrt(x: Array) -> Tensor:
    """The square root of x; NaN below 0.

    >>> import tinygrad_lite as tl
    >>> tl.sqrt(tl.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return np.sqrt(x)


@sqrt.gradient
def sqrt_x(g, out):
    return g * (0.5 / out)


@primitive
@real
def rsqrt(x: Array) -> Tensor:
    """1 / sqrt(x).

    >>> import tinygrad_lite as tl
    >>> tl.rsqrt(tl.tensor([4.0, 16.0]))
    tensor([0.5 , 0.25])
    """
    return 1 / np.sqrt(x)


@rsqrt.gradient
def rsqrt_x(g, out):
    return g * (-0.5 * out * out * out)


@primitive
@real
def exp(x: Array) -> Tensor:
    """e^x.

    >>> import tinygrad_lite as tl
    >>> tl.exp(tl.tensor([0.0, 1.0])).round(4)
    tensor([1.    , 2.7183])
    """
    return np.exp(x)


@exp.gradient
def exp_x(g, out):
    return g * out


@primitive
@real
def exp2(x: Array) -> Tensor:
    """2^x.

    >>> import tinygrad_lite as tl
    >>> tl.exp2(tl.tensor([0.0, 3.0])).round(4)
    tensor([1., 8.])
    """
    return np.exp2(x)


@exp2.gradient
def exp2_x(g, out):
    return g * (out * math.log(2))


@primitive
@real
def expm1(x: Array) -> Tensor:
    """e^x - 1, accurate near 0.

    >>> import tinygrad_lite as tl
    >>> tl.expm1(tl.tensor([0.0, 1e-8]))
    tensor([0.e+00, 1.e-08])
    """
    return np.expm1(x)


@expm1.gradient
def expm1_x(g, out):
    return g * (out + 1)


@primitive
@real
def log(x: Array) -> Tensor:
    """ln(x): -Inf at 0, NaN below.

    >>> import tinygrad_lite as tl
    >>> tl.log(tl.tensor([1.0, 0.0]))
    tensor([  0., -inf])
    """
    return np.log(x)


@log.gradient
def log_x(g, x):
    return g / x


@primitive
@real
def log1p(x: Array) -> Tensor:
    """ln(1 + x), accurate near 0.

    >>> import tinygrad_lite as tl
    >>> tl.log1p(tl.tensor([0.0, 1e-8]))
    tensor([0.e+00, 1.e-08])
    """
    return np.log1p(x)


@log1p.gradient
def log1p_x(g, x):
    return g / (x + 1)


@primitive
@real
def log2(x: Array) -> Tensor:
    """ln(x) / ln(2).

    >>> import tinygrad_lite as tl
    >>> tl.log2(tl.tensor([1.0, 8.0])).round(4)
    tensor([0., 3.])
    """
    return np.log2(x)


@log2.gradient
def log2_x(g, x):
    return g / (x * math.log(2))


@primitive
@real
def log10(x: Array) -> Tensor:
    """ln(x) / ln(10).

    >>> import tinygrad_lite as tl
    >>> tl.log10(tl.tensor([1.0, 1000.0])).round(4)
    tensor([0., 3.])
    """
    return np.log10(x)


@log10.gradient
def log10_x(g, x):
    return g / (x * math.log(10))


@primitive
@quiet
@blockwise
def sigmoid(x: Array) -> Tensor:
    """1 / (1 + e^-x).

    >>> import tinygrad_lite as tl
    >>> tl.sigmoid(tl.tensor([0.0, 1000.0]))
    tensor([0.5, 1. ])
    """
    return 1 / (1 + np.exp(-x))


@sigmoid.gradient
@blockwise
def sigmoid_x(g, out):
    return g * (out * (1 - out))


@primitive
@real
def logaddexp(x: Array, y: Array) -> Tensor:
    """ln(e^x + e^y), without overflow.

    >>> import tinygrad_lite as tl
    >>> tl.logaddexp(tl.tensor([0.0, 100.0]), tl.tensor([0.0, 100.0])).round(4)
    tensor([  0.6931, 100.6931])
    """
    return np.logaddexp(x, y)


@logaddexp.gradient
def logaddexp_x(g, x, y):
    return g * sigmoid.on(x - y)


@logaddexp.gradient
def logaddexp_y(g, x, y):
    return g * sigmoid.on(y - x)


@primitive
@real
def xlogy(x: Array, y: Array) -> Tensor:
    """x ln(y), and 0 where x = 0, unless y is NaN.

    >>> import tinygrad_lite as tl
    >>> tl.xlogy(tl.tensor([0.0, 2.0]), tl.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    y = np.asarray(y, x.dtype) if isinstance(y, NUMBER) else y
    return x * np.log(np.where(np.equal(x, 0) & ~np.isnan(y), 1, y))


@xlogy.gradient
def xlogy_x(g, x, y):
    return g * np.log(np.where((x == 0) & (y <= 0), 1, y))


@xlogy.gradient
def xlogy_y(g, x, y):
    return g * (x / y)
