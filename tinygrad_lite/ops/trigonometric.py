"""Trigonometric and hyperbolic functions and their inverses, elementwise. Angles are in radians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_lite.ops.elementwise import blockwise, real
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


@primitive
@real
def sin(x: Array) -> Tensor:
    """sin(x), x in radians.

    >>> import tinygrad_lite as tl
    >>> tl.sin(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 0.8415])
    """
    return np.sin(x)


@sin.gradient
def sin_x(g, x):
    return g * np.cos(x)


@primitive
@real
def cos(x: Array) -> Tensor:
    """cos(x), x in radians.

    >>> import tinygrad_lite as tl
    >>> tl.cos(tl.tensor([0.0, 1.0])).round(4)
    tensor([1.    , 0.5403])
    """
    return np.cos(x)


@cos.gradient
def cos_x(g, x):
    return -g * np.sin(x)


@primitive
@real
def tan(x: Array) -> Tensor:
    """sin(x) / cos(x), x in radians.

    >>> import tinygrad_lite as tl
    >>> tl.tan(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 1.5574])
    """
    return np.tan(x)


@tan.gradient
def tan_x(g, out):
    return g * (1 + out * out)


@primitive
@real
def arcsin(x: Array) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside of [-1, 1].

    >>> import tinygrad_lite as tl
    >>> tl.arcsin(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 1.5708])
    """
    return np.arcsin(x)


@arcsin.gradient
def arcsin_x(g, x):
    return g / np.sqrt((1 - x) * (1 + x))


@primitive
@real
def arccos(x: Array) -> Tensor:
    """The angle in [0, pi] whose cosine is x; NaN outside of [-1, 1].

    >>> import tinygrad_lite as tl
    >>> tl.arccos(tl.tensor([1.0, 0.0])).round(4)
    tensor([0.    , 1.5708])
    """
    return np.arccos(x)


@arccos.gradient
def arccos_x(g, x):
    return -g / np.sqrt((1 - x) * (1 + x))


@primitive
@real
def arctan(x: Array) -> Tensor:
    """The angle in (-pi/2, pi/2) whose tangent is x.

    >>> import tinygrad_lite as tl
    >>> tl.arctan(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 0.7854])
    """
    return np.arctan(x)


@arctan.gradient
def arctan_x(g, x):
    return g / (1 + x * x)


@primitive
@real
def atan2(x: Array, y: Array) -> Tensor:
    """The angle in [-pi, pi] of the point (y, x): arctan(x / y), with the quadrant from both signs.

    At the origin its gradient is taken as 0.

    >>> import tinygrad_lite as tl
    >>> tl.atan2(tl.tensor([0.0, 1.0]), tl.tensor([-1.0, 1.0])).round(4)
    tensor([3.1416, 0.7854])
    """
    return np.arctan2(x, y)


def squared_radius(x: Any, y: Any) -> Any:
    """x^2 + y^2, and 1 at the origin, where the slopes of the angle are taken as 0."""
    square = x * x + y * y
    return np.where(square == 0, 1, square)


@atan2.gradient
def atan2_x(g, x, y):
    return g * (y / squared_radius(x, y))


@atan2.gradient
def atan2_y(g, x, y):
    return -g * (x / squared_radius(x, y))


@primitive
@real
def hypot(x: Array, y: Array) -> Tensor:
    """sqrt(x^2 + y^2), without overflow.

    >>> import tinygrad_lite as tl
    >>> tl.hypot(tl.tensor([3.0, 3e30]), tl.tensor([4.0, 4e30]))
    tensor([5.e+00, 5.e+30])
    """
    return np.hypot(x, y)


@hypot.gradient
def hypot_x(g, x, out):
    return g * (x / out)


@hypot.gradient
def hypot_y(g, y, out):
    return g * (y / out)


@primitive
@real
def deg2rad(x: Array) -> Tensor:
    """x pi / 180.

    >>> import tinygrad_lite as tl
    >>> tl.deg2rad(tl.tensor([180.0])).round(4)
    tensor([3.1416])
    """
    return np.deg2rad(x)


@deg2rad.gradient
def deg2rad_x(g):
    return g * (math.pi / 180)


@primitive
@real
def rad2deg(x: Array) -> Tensor:
    """x 180 / pi.

    >>> import tinygrad_lite as tl
    >>> tl.rad2deg(tl.tensor([3.1415927])).round(4)
    tensor([180.])
    """
    return np.rad2deg(x)


@rad2deg.gradient
def rad2deg_x(g):
    return g * (180 / math.pi)


# ------------------------------------------------------------------------------------------ hyperbolic


@primitive
@real
def sinh(x: Array) -> Tensor:
    """(e^x - e^-x) / 2.

    >>> import tinygrad_lite as tl
    >>> tl.sinh(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 1.1752])
    """
    return np.sinh(x)


@sinh.gradient
def sinh_x(g, x):
    return g * np.cosh(x)


@primitive
@real
def cosh(x: Array) -> Tensor:
    """(e^x + e^-x) / 2.

    >>> import tinygrad_lite as tl
    >>> tl.cosh(tl.tensor([0.0, 1.0])).round(4)
    tensor([1.    , 1.5431])
    """
    return np.cosh(x)


@cosh.gradient
def cosh_x(g, x):
    return g * np.sinh(x)


@primitive
def tanh(x: Array) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x).

    >>> import tinygrad_lite as tl
    >>> tl.tanh(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 0.7616])
    """
    return np.tanh(x) if x.dtype.kind == "f" else np.tanh(x, dtype=np.float64)


@tanh.gradient
@blockwise
def tanh_x(g, out):
    return g * (1 - out * out)


@primitive
@real
def arcsinh(x: Array) -> Tensor:
    """ln(x + sqrt(x^2 + 1)), the inverse of sinh.

    >>> import tinygrad_lite as tl
    >>> tl.arcsinh(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 0.8814])
    """
    return np.arcsinh(x)


@arcsinh.gradient
def arcsinh_x(g, x):
    return g / np.sqrt(x * x + 1)


@primitive
@real
def arccosh(x: Array) -> Tensor:
    """ln(x + sqrt(x^2 - 1)), the inverse of cosh; NaN below 1.

    >>> import tinygrad_lite as tl
    >>> tl.arccosh(tl.tensor([1.0, 2.0])).round(4)
    tensor([0.   , 1.317])
    """
    return np.arccosh(x)


@arccosh.gradient
def arccosh_x(g, x):
    return g / np.sqrt((x - 1) * (x + 1))


@primitive
@real
def arctanh(x: Array) -> Tensor:
    """ln((1 + x) / (1 - x)) / 2, the inverse of tanh; NaN outside of [-1, 1].

    >>> import tinygrad_lite as tl
    >>> tl.arctanh(tl.tensor([0.0, 0.5])).round(4)
    tensor([0.    , 0.5493])
    """
    return np.arctanh(x)


@arctanh.gradient
def arctanh_x(g, x):
    return g / ((1 - x) * (1 + x))


asin = arcsin
acos = arccos
atan = arctan
arctan2 = atan2
asinh = arcsinh
acosh = arccosh
atanh = arctanh
