"""Averaged stochastic gradient descent: the average of the path is better than its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite.optim.optimizer import POSITIVE, Optimizer, descent

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged SGD (Polyak and Juditsky 1992), with the rates of Bottou 2010.

        g  <- g + weight_decay p
        p  <- (1 - lambd eta) p - eta g                 eta begins as lr
        ax <- ax + mu (p - ax)                          mu begins as 1
        eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)              t: the number of the step

    The average of each parameter after step t0 is `optimizer.state[p]["ax"]`. The arguments as in PyTorch, which
    keeps eta and mu in single precision; so its numbers are these. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import ASGD
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.8, 1.6])
    """

    ranges: ClassVar = {"lr": POSITIVE, "lambd": POSITIVE, "t0": POSITIVE, "weight_decay": POSITIVE}
    numbers: ClassVar = {"step": int, "eta": np.float32, "mu": np.float32}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        super().__init__(params, {**options, "maximize": maximize})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "eta": np.float32(float(group["lr"])), "mu": np.float32(1), "ax": np.zeros(p.shape, p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, lambd, t = float(group["lr"]), float(group["lambd"]), state["step"]
        eta, average = float(state["eta"]), state["ax"]
        g = descent(parameter, gradient, group)
        parameter *= 1 - lambd * eta
        parameter -= eta * g
        average += float(state["mu"]) * (parameter - average)
        state["eta"] = np.float32(lr / (1 + lambd * lr * t) ** float(group["alpha"]))
        state["mu"] = np.float32(1 / max(1, t - float(group["t0"])))
