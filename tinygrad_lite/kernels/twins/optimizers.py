"""The updates of optimizers in plain NumPy: what their kernels compute, in place, for any floating-point dtype.

Arrays: the parameter p, its gradient g, which stays, and running values, all of one shape; None for those that a
variant does without. Numbers: PyTorch's options, and what is made of them before a step. maximize takes -g for g.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def gradient(p: np.ndarray, g: np.ndarray, decay: float, maximize: bool) -> np.ndarray:
    """g or -g, plus decay p."""
    g = -g if maximize else g
    return g + decay * p if decay else g


def sgd(
    p: np.ndarray, g: np.ndarray, m: np.ndarray | None,
    lr: float, decay: float, momentum: float, fresh: float, nesterov: bool, maximize: bool,
) -> None:  # fmt: skip
    """m <- momentum m + fresh g;  p <- p - lr m, or Nesterov's p - lr (g + momentum m);  without m, p - lr g"""
    g = gradient(p, g, decay, maximize)
    if m is None:
        p -= lr * g
        return
    m *= momentum
    m += fresh * g
    p -= lr * (g + momentum * m if nesterov else m)


def adam(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, top: np.ndarray | None,
    rate: float, beta1: float, beta2: float, scale: float, eps: float, shrink: float, decay: float, maximize: bool,
) -> None:  # fmt: skip
    """m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  p <- shrink p - rate m / (sqrt(v) / scale + eps)

    top: the largest v so far, in place of v in the last equation.
    """
    g = gradient(p, g, decay, maximize)
    m += (1 - beta1) * (g - m)
    v *= beta2
    v += (1 - beta2) * (g * g)
    if top is not None:
        v = np.maximum(top, v, out=top)
    p *= shrink
    p -= rate * m / (np.sqrt(v) / scale + eps)


def rmsprop(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, mean: np.ndarray | None, m: np.ndarray | None,
    lr: float, alpha: float, eps: float, decay: float, momentum: float, maximize: bool,
) -> None:  # fmt: skip
    """v <- alpha v + (1 - alpha) g^2;  m <- momentum m + g / (sqrt(v) + eps);  p <- p - lr m

    mean: the running mean of g, whose square is then subtracted from v. Without m its momentum is 0.
    """
    g = gradient(p, g, decay, maximize)
    v *= alpha
    v += (1 - alpha) * (g * g)
    variance = v
    if mean is not None:
        mean += (1 - alpha) * (g - mean)
        variance = v - mean * mean
    step = g / (np.sqrt(variance) + eps)
    if m is not None:
        m *= momentum
        m += step
        step = m
    p -= lr * step


def adagrad(
    p: np.ndarray, g: np.ndarray, total: np.ndarray, rate: float, eps: float, decay: float, maximize: bool
) -> None:
    """total <- total + g^2;  p <- p - rate g / (sqrt(total) + eps)"""
    g = gradient(p, g, decay, maximize)
    total += g * g
    p -= rate * g / (np.sqrt(total) + eps)


def arrays(count: int, t: Any) -> list[np.ndarray]:
    return [np.ones(3, t) for _ in range(count)]


EXAMPLES: dict[str, Any] = {
    "sgd": lambda t: [(*arrays(3, t), 0.1, 0.01, 0.9, 1.0, True, False)],
    "adam": lambda t: [(*arrays(5, t), 0.1, 0.9, 0.99, 1.0, 1e-8, 1.0, 0.01, False)],
    "rmsprop": lambda t: [(*arrays(2, t), np.full(3, 4, t), *arrays(2, t), 0.1, 0.9, 1e-8, 0.01, 0.9, False)],
    "adagrad": lambda t: [(*arrays(3, t), 0.1, 1e-10, 0.01, False)],
}
"""Small calls that reach all compiled code; see kernels.examples."""
