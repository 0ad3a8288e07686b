"""What exact checks need: a gradient held against a difference, and how much of a graph was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl


def slope_error(loss: Callable[[], tl.Tensor], parameter: tl.Tensor, way: np.ndarray, step: float = 1e-5) -> float:
    """The relative error of the gradient of `loss` along `way` against a central difference; for float64.

    loss: computes it anew from the parameter, which is moved there and back.
    """
    exact = float((tl.grad(loss(), parameter).numpy() * way).sum())
    ends = []
    with tl.no_grad():
        for far in (step, -2 * step, step):
            parameter.add_(far * way)
            ends.append(loss().item())
    measured = (ends[0] - ends[1]) / (2 * step)
    return abs(exact - measured) / max(abs(exact), abs(measured), 1e-3)


def slope_errors(loss: Callable[[], tl.Tensor], parameter: tl.Tensor, rows: int) -> list[float]:
    """`slope_error` along a random direction in each block of so many rows of a parameter."""
    rng, errors = np.random.default_rng(0), []
    for k in range(0, len(parameter), rows):
        way = np.zeros(parameter.shape)
        way[k : k + rows] = rng.normal(size=way[k : k + rows].shape)
        errors.append(slope_error(loss, parameter, way))
    return errors


def graph_size(result: tl.Tensor) -> int:
    """How many recorded operations `backward` from a result would visit."""
    found: set[int] = set()
    waiting: list[Any] = [result.grad_fn]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "parents") and id(node) not in found:
            found.add(id(node))
            waiting += node.parents
    return len(found)
