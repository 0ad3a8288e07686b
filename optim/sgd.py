"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.optim.optimizer import POSITIVE, Job, Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum (Sutskever et al. 2013) and Nesterov's.

        d <- g + weight_decay p
        m <- momentum m + (1 - dampening) d          at the first step m = d
        p <- p - lr m                                Nesterov: p - lr (d + momentum m)

    params, lr, momentum, dampening, weight_decay, nesterov, maximize: as in PyTorch. lr is a factor on the
    momentum sum, not inside it. maximize: climb, by taking -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8, 1.6], requires_grad=True)
    """

    ranges: ClassVar = {"lr": POSITIVE, "momentum": POSITIVE, "weight_decay": POSITIVE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs a momentum above 0 and dampening=0")

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Job:
        momentum, fresh = float(group["momentum"]), 1.0 - float(group["dampening"])
        if momentum and "momentum_buffer" not in state:
            state["momentum_buffer"] = np.zeros(parameter.shape, parameter.dtype)
            fresh = 1.0
        running = state["momentum_buffer"] if momentum else None
        numbers = float(group["lr"]), float(group["weight_decay"]), momentum, fresh
        return kernels.sgd, (parameter, gradient, running), (*numbers, group["nesterov"], group["maximize"])
