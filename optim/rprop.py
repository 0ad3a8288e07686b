"""Rprop: each weight has a step of its own, which only the sign of the gradient changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite.optim.optimizer import FRACTION, POSITIVE, Optimizer

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun 1993), for gradients of all data, not of batches.

        s <- s * (eta+ where g and the last g agree in sign, eta- where they don't, 1 where one is 0)
        s <- clip(s, step_sizes)                        s begins as lr
        g <- 0 where the signs differ: a step too far is not taken on, and the next one does not count as a turn
        p <- p - s sign(g)

    etas = (eta-, eta+). The arguments as in PyTorch. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Rprop
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Rprop([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.78, 1.78])
    """

    ranges: ClassVar = {"lr": POSITIVE, "etas": (FRACTION, (1.0, math.inf)), "step_sizes": (POSITIVE, POSITIVE)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": 0,
            "prev": np.zeros(p.shape, p.dtype),
            "step_size": np.full(p.shape, float(group["lr"]), p.dtype),
        }

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        less, more = map(float, group["etas"])
        size, last = state["step_size"], state["prev"]
        g = -gradient if group["maximize"] else gradient
        agreement = np.sign(g * last)
        np.multiply(size, more, out=size, where=agreement > 0)
        np.multiply(size, less, out=size, where=agreement < 0)
        np.clip(size, *map(float, group["step_sizes"]), out=size)
        g = np.where(agreement < 0, 0, g)
        parameter -= size * np.sign(g)
        last[...] = g
