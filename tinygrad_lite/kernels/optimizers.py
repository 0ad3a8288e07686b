"""The updates of optimizers in Numba: one pass over memory, whose speed is the bound. See twins/optimizers.py.

A kernel runs in the thread that calls it; `Optimizer.step` spreads all parameters over the threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled
from tinygrad_lite.kernels.functions import maximum
from tinygrad_lite.kernels.twins import optimizers as twins


def update(kernel: Callable[..., None], twin: Callable[..., None], arrays: tuple, numbers: tuple) -> None:
    """Call the kernel with flat arrays, empty ones for None; or the twin, where they are not of the kind it takes."""
    dtype = arrays[0].dtype
    if dtype not in FLOATS or any(a is not None and (a.dtype is not dtype or not a.flags.carray) for a in arrays):
        return twin(*arrays, *numbers)
    return kernel(*(np.empty(0, dtype) if a is None else a.reshape(-1) for a in arrays), *numbers)


@compiled
def gradient(p, g, decay, maximize):
    number = type(p)
    return (-g if maximize else g) + (number(decay) * p if decay != 0 else number(0))


@compiled
def each_sgd(p, g, m, lr, decay, momentum, fresh, nesterov, maximize):
    number = p.dtype.type
    for i in range(len(p)):
        d = gradient(p[i], g[i], decay, maximize)
        if len(m):
            new = number(momentum) * m[i] + number(fresh) * d
            d = d + number(momentum) * new if nesterov else new
            m[i] = new
        p[i] -= number(lr) * d


def sgd(p: np.ndarray, g: np.ndarray, m: np.ndarray | None, *numbers: Any) -> None:
    """See twins.sgd."""
    update(each_sgd, twins.sgd, (p, g, m), numbers)


@compiled
def each_adam(p, g, m, v, top, rate, beta1, beta2, scale, eps, shrink, decay, maximize):
    number = p.dtype.type
    for i in range(len(p)):
        d = gradient(p[i], g[i], decay, maximize)
        first = m[i] + number(1 - beta1) * (d - m[i])
        second = number(beta2) * v[i] + number(1 - beta2) * (d * d)
        m[i], v[i] = first, second
        if len(top):
            second = top[i] = maximum(top[i], second)
        p[i] = number(shrink) * p[i] - number(rate) * first / (math.sqrt(second) / number(scale) + number(eps))


def adam(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, top: np.ndarray | None, *numbers: Any) -> None:
    """See twins.adam."""
    update(each_adam, twins.adam, (p, g, m, v, top), numbers)


@compiled
def each_rmsprop(p, g, v, mean, m, lr, alpha, eps, decay, momentum, maximize):
    number = p.dtype.type
    for i in range(len(p)):
        d = gradient(p[i], g[i], decay, maximize)
        second = number(alpha) * v[i] + number(1 - alpha) * (d * d)
        v[i] = second
        if len(mean):
            first = mean[i] + number(1 - alpha) * (d - mean[i])
            mean[i] = first
            second -= first * first
        step = d / (math.sqrt(second) + number(eps))
        if len(m):
            step += number(momentum) * m[i]
            m[i] = step
        p[i] -= number(lr) * step


def rmsprop(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, mean: np.ndarray | None, m: np.ndarray | None, *numbers: Any
) -> None:
    """See twins.rmsprop."""
    update(each_rmsprop, twins.rmsprop, (p, g, v, mean, m), numbers)


@compiled
def each_adagrad(p, g, total, rate, eps, decay, maximize):
    number = p.dtype.type
    for i in range(len(p)):
        d = gradient(p[i], g[i], decay, maximize)
        total[i] += d * d
        p[i] -= number(rate) * d / (math.sqrt(total[i]) + number(eps))


def adagrad(p: np.ndarray, g: np.ndarray, total: np.ndarray, *numbers: Any) -> None:
    """See twins.adagrad."""
    update(each_adagrad, twins.adagrad, (p, g, total), numbers)
