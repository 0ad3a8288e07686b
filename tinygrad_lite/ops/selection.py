"""Choosing between values, elementwise: maximum, minimum, clamp, where, lerp and their like."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.ops.elementwise import NUMBER, drop, keep
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor, to_array

__all__ = [
    "clamp",
    "clip",
    "copysign",
    "fmax",
    "fmin",
    "lerp",
    "maximum",
    "minimum",
    "nan_to_num",
    "where",
]


@primitive
def maximum(x: Array, y: Array) -> Tensor:
    """max(x, y), NaN if either is; where x = y, each gets half of the gradient.

    >>> import tinygrad_lite as tl
    >>> tl.maximum(tl.tensor([1.0, 5.0]), 3.0)
    tensor([3., 5.])
    """
    return np.maximum(x, y)


@maximum.gradient
def maximum_x(g, x, y):
    return 0.5 * (drop(g, x < y) + drop(g, x <= y))


@maximum.gradient
def maximum_y(g, x, y):
    return 0.5 * (drop(g, x > y) + drop(g, x >= y))


@primitive
def minimum(x: Array, y: Array) -> Tensor:
    """min(x, y), NaN if either is; where x = y, each gets half of the gradient.

    >>> import tinygrad_lite as tl
    >>> tl.minimum(tl.tensor([1.0, 5.0]), 3.0)
    tensor([1., 3.])
    """
    return np.minimum(x, y)


@minimum.gradient
def minimum_x(g, x, y):
    return 0.5 * (drop(g, x > y) + drop(g, x >= y))


@minimum.gradient
def minimum_y(g, x, y):
    return 0.5 * (drop(g, x < y) + drop(g, x <= y))


@primitive
def fmax(x: Array, y: Array) -> Tensor:
    """max(x, y), the other one where one is NaN; where x = y, x gets the gradient.

    >>> import tinygrad_lite as tl
    >>> tl.fmax(tl.tensor([1.0, float("nan")]), 3.0)
    tensor([3., 3.])
    """
    return np.fmax(x, y)


@fmax.gradient
def fmax_x(g, x, y):
    return keep(g, (x >= y) | (y != y))  # y != y: NaN


@fmax.gradient
def fmax_y(g, x, y):
    return drop(g, (x >= y) | (y != y))


@primitive
def fmin(x: Array, y: Array) -> Tensor:
    """min(x, y), the other one where one is NaN; where x = y, x gets the gradient.

    >>> import tinygrad_lite as tl
    >>> tl.fmin(tl.tensor([1.0, float("nan")]), 3.0)
    tensor([1., 3.])
    """
    return np.fmin(x, y)


@fmin.gradient
def fmin_x(g, x, y):
    return keep(g, (x <= y) | (y != y))


@fmin.gradient
def fmin_y(g, x, y):
    return drop(g, (x <= y) | (y != y))


@primitive
def clamp(x: Array, min: Array | None = None, max: Array | None = None) -> Tensor:
    """min(max(x, min), max): x, kept between two bounds, which are numbers, tensors or None.

    x gets the gradient where it lies between the bounds or on one, a bound where it takes effect.
    Where min > max the result is max. Raises ValueError without any bound.

    >>> import tinygrad_lite as tl
    >>> tl.clamp(tl.tensor([-3.0, 0.5, 3.0]), -1.0, 1.0)
    tensor([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise ValueError("clamp: got no bound; needs min, max or both")
    return np.clip(x, min, max)


@clamp.gradient
def clamp_x(g, x, min, max):
    if max is None:
        return keep(g, x >= min)
    if min is None:
        return keep(g, x <= max)
    return keep(g, (x >= min) & (x <= max))


@clamp.gradient
def clamp_min(g, x, min, max):
    return keep(g, x < min if max is None else (x < min) & (min < max))


@clamp.gradient
def clamp_max(g, x, min, max):
    return keep(g, x > max if min is None else (x > max) | (min > max))


@primitive
def where(condition: Array, x: Array, y: Array) -> Tensor:
    """x where `condition`, else y.

    >>> import tinygrad_lite as tl
    >>> tl.where(tl.tensor([True, False]), tl.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if isinstance(x, NUMBER) and isinstance(y, NUMBER):
        x, y = to_array([x, y])
    return np.where(condition, x, y)


@where.gradient
def where_x(g, condition):
    return keep(g, condition != 0)


@where.gradient
def where_y(g, condition):
    return drop(g, condition != 0)


@primitive
def lerp(x: Array, end: Array, weight: Array) -> Tensor:
    """x + weight (end - x): from x at weight 0 to `end` at weight 1, exact at both.

    >>> import tinygrad_lite as tl
    >>> tl.lerp(tl.tensor([0.0, 10.0]), tl.tensor([4.0, 20.0]), 0.25)
    tensor([ 1. , 12.5])
    """
    way = np.subtract(end, x)
    return np.where(np.less(weight, 0.5), x + weight * way, end - (1 - weight) * way)


@lerp.gradient
def lerp_x(g, weight):
    return g * (1 - weight)


@lerp.gradient
def lerp_end(g, weight):
    return g * weight


@lerp.gradient
def lerp_weight(g, x, end):
    return g * (end - x)


@primitive
def copysign(x: Array, y: Array) -> Tensor:
    """|x| with the sign of y (that of -0.0 too); no gradient flows to y, and none at x = 0.

    >>> import tinygrad_lite as tl
    >>> tl.copysign(tl.tensor([1.5, -2.0]), tl.tensor([-0.0, 3.0]))
    tensor([-1.5,  2. ])
    """
    return np.copysign(x, y)


@copysign.gradient
def copysign_x(g, x, out):
    return g * (np.sign(x) * np.sign(out))


@copysign.gradient
def copysign_y(g):
    return np.zeros_like(g)


@primitive
def nan_to_num(x: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with numbers in place of NaN, Inf and -Inf (None: the largest and the smallest of the dtype).

    >>> import tinygrad_lite as tl
    >>> tl.nan_to_num(tl.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    return np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


@nan_to_num.gradient
def nan_to_num_x(g, x):
    return keep(g, np.isfinite(x))


clip = clamp
