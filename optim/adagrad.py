"""Adagrad: steps divided by the root of the sum of all squared gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.optim.optimizer import POSITIVE, Job, Optimizer

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011, JMLR 12, the diagonal version).

        g <- g + weight_decay p
        s <- s + g^2                                        s begins as initial_accumulator_value
        p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)       t: the number of the step

    A weight that rarely has a gradient keeps its large step, which suits embeddings and sparse features.
    The arguments as in PyTorch. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Adagrad
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.9, 1.9])
    """

    ranges: ClassVar = {
        "lr": POSITIVE,
        "lr_decay": POSITIVE,
        "weight_decay": POSITIVE,
        "initial_accumulator_value": POSITIVE,
        "eps": POSITIVE,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        options["initial_accumulator_value"] = initial_accumulator_value
        super().__init__(params, {**options, "maximize": maximize})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "sum": np.full(p.shape, float(group["initial_accumulator_value"]), p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Job:
        rate = float(group["lr"]) / (1 + (state["step"] - 1) * float(group["lr_decay"]))
        numbers = rate, float(group["eps"]), float(group["weight_decay"]), group["maximize"]
        return kernels.adagrad, (parameter, gradient, state["sum"]), numbers
