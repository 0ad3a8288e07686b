"""Adadelta: steps in the unit of the parameter, from running squares of gradients and of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite.optim.optimizer import FRACTION, POSITIVE, Optimizer, descent

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, arXiv:1212.5701, algorithm 1).

        g <- g + weight_decay p
        v <- rho v + (1 - rho) g^2
        d <- sqrt(u + eps) / sqrt(v + eps) g
        u <- rho u + (1 - rho) d^2
        p <- p - lr d

    The arguments as in PyTorch; the paper has lr = 1. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Adadelta
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adadelta([w], lr=10)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=2)
    tensor([0.97, 1.97])
    """

    ranges: ClassVar = {"lr": POSITIVE, "rho": FRACTION, "eps": POSITIVE, "weight_decay": POSITIVE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "square_avg": np.zeros(p.shape, p.dtype), "acc_delta": np.zeros(p.shape, p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps = float(group["rho"]), float(group["eps"])
        g, v, u = descent(parameter, gradient, group), state["square_avg"], state["acc_delta"]
        v *= rho
        v += (1 - rho) * (g * g)
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u *= rho
        u += (1 - rho) * (d * d)
        parameter -= float(group["lr"]) * d
