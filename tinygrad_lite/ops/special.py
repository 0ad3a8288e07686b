"""The error function, which NumPy does not have, and sinc."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.ops.elementwise import blockwise, quiet, real
from tinygrad_lite.primitive import primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["erf", "erfc", "sinc"]


def polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial with these coefficients, the highest power first, by Horner's rule."""
    total = coefficients[0] * x
    for c in coefficients[1:-1]:
        total += c
        total *= x
    return total + coefficients[-1]


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), with
# the coefficients of his SPECFUN (1990): erf(x) / x in x^2 up to 0.46875; exp(x^2) erfc(x) in x up to 4; and the
# correction in 1 / x^2 of its asymptote 1 / (x sqrt(pi)) from there on.
NEAR = (
    [0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947],
    [1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062],
)
MIDDLE = (
    [
        2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
        881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725,
    ],
    [
        1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019,
        3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942,
    ],
)  # fmt: skip
FAR = (
    [
        0.0163153871373020978, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246,
        0.0160837851487422766, 6.58749161529837803e-4,
    ],
    [
        1.0, 2.56852019228982242, 1.87295284992346725, 0.527905102951428412, 0.0605183413124413191,
        2.33520497626869185e-3,
    ],
)  # fmt: skip
SINGLE = (
    [2.046020672e-6, 2.848450570e-4, 3.772607102e-3, 5.276947480e-2, 0.1905950521, 1.128379146],
    [3.804778458e-5, 1.163872042e-3, 1.498331181e-2, 0.1141832622, 0.5022431972, 1.0],
)
"""erf(x) / x in x^2 for |x| < 3.925, where float32 has reached 1: our fit, relative error 2e-8."""

SINGLE_TAIL = (
    [0.0327981944, 0.2292267846, 0.7316208911, 1.238426423, 1.000000006],
    [0.05813258722, 0.4063202972, 1.325399863, 2.402266319, 2.366806169, 1.0],
)
"""exp(x^2) erfc(x) in x from 0 to 10.1, where float32 ends: our fit, relative error 6e-9."""


def ratio(fraction: tuple[Sequence[float], Sequence[float]], x: Any) -> Any:
    return polynomial(fraction[0], x) / polynomial(fraction[1], x)


def erfc_of_size(a: Any) -> Any:
    """erfc(a) for a >= 0; in float64 only from 0.46875 on."""
    a = np.minimum(a, 30)
    if a.dtype == np.float32:
        scaled = ratio(SINGLE_TAIL, a)
    else:
        scaled = np.asarray(ratio(MIDDLE, a))
        far = a > 4
        if far.any():
            b = a[far]
            z = 1 / (b * b)
            scaled[far] = (1 / math.sqrt(math.pi) - z * ratio(FAR, z)) / b
    high = np.trunc(a * 16) / 16  # its square is exact, so that the argument of exp(-a^2) isn't rounded
    return scaled * (np.exp(-high * high) * np.exp((high - a) * (a + high)))


@primitive
@quiet
@blockwise
def erf(x: Array) -> Tensor:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.

    Accurate to 1e-15 of the value in float64 (Cody 1969) and to 4e-7 in float32.

    >>> import tinygrad_lite as tl
    >>> tl.erf(tl.tensor([0.0, 1.0])).round(4)
    tensor([0.    , 0.8427])
    """
    if x.dtype == np.float32:
        x = np.clip(x, -3.925, 3.925)
        return np.clip(x * ratio(SINGLE, x * x), -1, 1)
    out = np.asarray(np.copysign(1 - erfc_of_size(np.abs(x)), x))
    near = np.abs(x) < 0.46875
    b = x[near]
    out[near] = b * ratio(NEAR, b * b)
    return out


@erf.gradient
@blockwise
def erf_x(g, x):
    return g * (np.exp(-x * x) * (2 / math.sqrt(math.pi)))


@primitive
@quiet
@blockwise
def erfc(x: Array) -> Tensor:
    """1 - erf(x), with all its digits where that is small.

    Accurate to 1e-15 of the value in float64 (Cody 1969) and to 7e-7 in float32.

    >>> import tinygrad_lite as tl
    >>> tl.erfc(tl.tensor([0.0, 1.0])).round(4)
    tensor([1.    , 0.1573])
    """
    s = np.copysign(1, x)  # below 0: 2 - erfc(-x)
    out = np.asarray(s * erfc_of_size(np.abs(x)) + (1 - s))
    if x.dtype != np.float32:
        near = np.abs(x) < 0.46875
        b = x[near]
        out[near] = 1 - b * ratio(NEAR, b * b)
    return out


@erfc.gradient
def erfc_x(g, x):
    return g * (np.exp(-x * x) * (-2 / math.sqrt(math.pi)))


SINC_SERIES = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(9, 0, -1)]
"""sinc'(t) / t in t^2, the derivative of 1 - t^2 / 3! + t^4 / 5! - ..., to 1e-16 for |t| < 1."""


@primitive
@real
def sinc(x: Array) -> Tensor:
    """sin(pi x) / (pi x), and 1 at x = 0.

    >>> import tinygrad_lite as tl
    >>> tl.sinc(tl.tensor([0.0, 0.5])).round(4)
    tensor([1.    , 0.6366])
    """
    t = math.pi * np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.sin(t) / t)


@sinc.gradient
def sinc_x(g, x):
    t = math.pi * x
    is_near = np.abs(t) < 1  # there cos(t) - sin(t) / t cancels
    near, far = np.where(is_near, t, 0), np.where(is_near, 1, t)
    series = 0
    for c in SINC_SERIES:
        series = series * (near * near) + c
    return g * (math.pi * np.where(is_near, series * near, (np.cos(far) - np.sin(far) / far) / far))
