"""RMSprop: steps divided by a running root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.optim.optimizer import FRACTION, POSITIVE, Job, Optimizer

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5), centered as in Graves 2013 (arXiv:1308.0850, (38) to (45)).

        g <- g + weight_decay p
        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g                  centered: v - a^2 in place of v below
        m <- momentum m + g / (sqrt(v) + eps)
        p <- p - lr m

    The arguments as in PyTorch. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import RMSprop
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.9, 1.9])
    """

    ranges: ClassVar = {
        "lr": POSITIVE,
        "alpha": FRACTION,
        "eps": POSITIVE,
        "weight_decay": POSITIVE,
        "momentum": POSITIVE,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        names = ["square_avg"] + ["momentum_buffer"] * (group["momentum"] > 0) + ["grad_avg"] * group["centered"]
        return {"step": 0, **{name: np.zeros(p.shape, p.dtype) for name in names}}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Job:
        momentum = float(group["momentum"])
        mean = state["grad_avg"] if group["centered"] else None
        running = state["square_avg"], mean, state["momentum_buffer"] if momentum else None
        numbers = float(group["lr"]), float(group["alpha"]), float(group["eps"]), float(group["weight_decay"]), momentum
        return kernels.rmsprop, (parameter, gradient, *running), (*numbers, group["maximize"])
