"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.optim.optimizer import FRACTION, POSITIVE, Job, Optimizer

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1).

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)       t: the number of the step

    amsgrad: the largest v so far in place of v (Reddi et al. 2018, arXiv:1904.09237). maximize: take -g for g.
    decoupled_weight_decay: the decay of AdamW. The other arguments as in PyTorch.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Adam
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.9, 1.9])
    """

    ranges: ClassVar = {"lr": POSITIVE, "betas": (FRACTION, FRACTION), "eps": POSITIVE, "weight_decay": POSITIVE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {**options, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
        return {"step": 0, **{name: np.zeros(p.shape, p.dtype) for name in names}}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> Job:
        lr, decay = float(group["lr"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        rate = lr / (1 - beta1 ** state["step"])
        scale = math.sqrt(1 - beta2 ** state["step"])
        shrink, decay = (1 - lr * decay, 0.0) if group["decoupled_weight_decay"] else (1.0, decay)
        running = state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"] if group["amsgrad"] else None
        numbers = rate, beta1, beta2, scale, float(group["eps"]), shrink, decay, group["maximize"]
        return kernels.adam, (parameter, gradient, *running), numbers


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: p <- p (1 - lr weight_decay), then Adam's step.

    Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import AdamW
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> AdamW([w]).param_groups[0]["weight_decay"]
    0.01
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"maximize": maximize, "decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)
