"""Elementwise formulas in Numba: a loop around a function of one number for each, in one pass over memory.

A function is named after the formula in ops that it computes: the value of an operation, or its gradient rule.
Formulas without a function here go to the twin, which evaluates them block by block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinygrad_lite.kernels import functions
from tinygrad_lite.kernels.compiled import FLOATS, compiled
from tinygrad_lite.kernels.functions import scalar
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import elementwise as twins

OPERATIONS, LIGHT_OPERATIONS = 30, 6
"""About how many arithmetic operations one element takes, and in the formulas without exponentials."""

LIGHT = {"relu", "relu_input", "leaky_relu", "leaky_relu_input", "hardtanh", "hardtanh_input", "sigmoid_x", "tanh_x"}

FUNCTIONS: dict[str, Any] = {"sigmoid": functions.sigmoid, "erf": functions.erf}
"""The function of each formula, by its name; from numbers of one type, and options, to one of that type."""


def formula(function: Callable) -> Any:
    """List a function of numbers under its name."""
    FUNCTIONS[function.__name__] = made = scalar(function)
    return made


@cache
def loop(name: str, count: int) -> Any:
    """out[i] = function(a[i], *options), or function(a[i], b[i], *options) for a `count` of two arrays."""
    function = FUNCTIONS[name]
    if count == 1:

        def run(out, a, options):
            for i in range(len(out)):
                out[i] = function(a[i], *options)
    else:

        def run(out, a, b, options):  # type: ignore[misc]
            for i in range(len(out)):
                out[i] = function(a[i], b[i], *options)

    run.__name__ = run.__qualname__ = f"elementwise_{name}"
    return compiled(run)


def apply_formula(
    name: str, formula: Callable[..., Any], arrays: Sequence[np.ndarray], numbers: Sequence[Any]
) -> np.ndarray:
    """See twins.apply_formula."""
    x = arrays[0]
    if name not in FUNCTIONS or x.dtype not in FLOATS or len(arrays) > 2:
        return twins.apply_formula(name, formula, arrays, numbers)
    out = np.empty_like(x)  # in the order of x in memory, if it is in any
    flat = [along(out, a) for a in (out, *arrays)]
    run, options = loop(name, len(arrays)), tuple(map(float, numbers))
    work = out.size * (LIGHT_OPERATIONS if name in LIGHT else OPERATIONS)
    spread(lambda first, last: run(*[a[first:last] for a in flat], options), out.size, work)
    return out


def along(out: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The elements of `a` in the order in which those of `out` lie in memory."""
    if a.strides != out.strides or not (a.flags.aligned and a.flags.writeable):
        a, given = np.empty_like(out), a
        a[...] = given
    return a.ravel("K")


# ----------------------------------------------------------------------------- straight pieces


@formula
def relu(x):
    return type(x)(0) if x < 0 else x


@formula
def relu_input(g, out):
    return type(g)(0) if out <= 0 else g


@formula
def leaky_relu(x, slope):
    return x if x > 0 else type(x)(slope) * x


@formula
def leaky_relu_input(g, x, slope):
    return g if x > 0 else type(g)(slope) * g


@formula
def hardtanh(x, low, high):
    return functions.limited(x, type(x)(low), type(x)(high))


@formula
def hardtanh_input(g, out, low, high):
    return g if type(g)(low) < out < type(g)(high) else type(g)(0)


@formula
def hardsigmoid(x):
    number = type(x)
    return functions.limited(x + number(3), number(0), number(6)) / number(6)


@formula
def hardsigmoid_input(g, x):
    return g / type(g)(6) if abs(x) < 3 else type(g)(0)


@formula
def hardswish(x):
    return x * hardsigmoid(x)


@formula
def hardswish_input(g, x):
    number = type(x)
    curved = g * (x / number(3) + number(0.5)) if abs(x) < 3 else number(0)
    return g if x >= 3 else curved


# --------------------------------------------------------------------------------- smooth ones


@formula
def sigmoid_x(g, out):
    return g * (out * (type(g)(1) - out))


@formula
def tanh_x(g, out):
    return g * (type(g)(1) - out * out)


@formula
def exponential_linear(x, alpha, scale, stretch):
    number = type(x)
    below = number(scale * alpha) * functions.expm1(number(stretch) * min(x, number(0)))
    return number(scale) * x if x > 0 else below


@formula
def exponential_linear_input(g, x, alpha, scale, stretch):
    number = type(x)
    below = number(scale * alpha * stretch) * functions.exp(number(stretch) * min(x, number(0)))
    return g * (number(scale) if x > 0 else below)


@formula
def logsigmoid(x):
    number = type(x)
    return min(x, number(0)) - functions.log1p(functions.exp(-abs(x)))


@formula
def logsigmoid_input(g, out):
    return g * -functions.expm1(out)


@formula
def softplus(x, beta, threshold):
    number = type(x)
    z = number(beta) * x
    soft = (max(z, number(0)) + functions.log1p(functions.exp(-abs(z)))) / number(beta)
    return x if z > number(threshold) else soft


@formula
def softplus_input(g, x, beta, threshold):
    number = type(x)
    z = number(beta) * x
    return g if z > number(threshold) else g * functions.sigmoid(z)


@formula
def silu(x):
    return x / (type(x)(1) + functions.exp(-x))


@formula
def silu_input(g, x):
    number = type(x)
    s = functions.sigmoid(x)
    return g * (s * (number(1) + x * (number(1) - s)))


@scalar
def tanh_of_softplus(x):
    """(e^2 + 2 e) / (e^2 + 2 e + 2), for e = e^x; it is 1 from 20 on"""
    number = type(x)
    e = functions.exp(min(x, number(30)))
    n = e * (e + number(2))
    return n / (n + number(2))


@formula
def mish(x):
    return x * tanh_of_softplus(x)


@formula
def mish_input(g, x):
    t = tanh_of_softplus(x)
    return g * (t + x * functions.sigmoid(x) * (type(x)(1) - t * t))


@scalar
def below(x):
    """P(X < x) for a standard normal X"""
    number = type(x)
    return number(0.5) + number(0.5) * functions.erf(x * number(math.sqrt(0.5)))


@formula
def gelu_exact(x):
    return x * below(x)


@formula
def gelu_exact_input(g, x):
    number = type(x)
    density = number(1 / math.sqrt(2 * math.pi)) * functions.exp(number(-0.5) * (x * x))
    return g * (below(x) + x * density)


@formula
def gelu_tanh(x):
    number = type(x)
    t = functions.tanh(number(math.sqrt(2 / math.pi)) * (x + number(0.044715) * (x * x * x)))
    return x * (number(0.5) + number(0.5) * t)


@formula
def gelu_tanh_input(g, x):
    number = type(x)
    c = number(math.sqrt(2 / math.pi))
    t = functions.tanh(c * x * (number(1) + number(0.044715) * (x * x)))
    density = number(0.5) * c * (number(1) - t * t) * (number(1) + number(3 * 0.044715) * (x * x))
    return g * (number(0.5) + number(0.5) * t + x * density)


@formula
def erf_x(g, x):
    number = type(x)
    return g * (functions.exp(-x * x) * number(2 / math.sqrt(math.pi)))
