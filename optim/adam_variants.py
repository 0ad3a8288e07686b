"""Relatives of Adam: another norm (Adamax), Nesterov's momentum (NAdam), a warm-up by itself (RAdam)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite.optim.optimizer import FRACTION, POSITIVE, Optimizer, descent

__all__ = ["Adamax", "NAdam", "RAdam"]

RANGES = {"lr": POSITIVE, "betas": (FRACTION, FRACTION), "eps": POSITIVE, "weight_decay": POSITIVE}


def moments(
    parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """g with weight decay, and Adam's running moments m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2.

    With decoupled_weight_decay the parameter shrinks by itself: p <- p (1 - lr weight_decay).
    """
    beta1, beta2 = map(float, group["betas"])
    if group["decoupled_weight_decay"]:
        parameter *= 1 - float(group["lr"]) * float(group["weight_decay"])
        group = {**group, "weight_decay": 0.0}
    g, m, v = descent(parameter, gradient, group), state["exp_avg"], state["exp_avg_sq"]
    m += (1 - beta1) * (g - m)
    v *= beta2
    v += (1 - beta2) * (g * g)
    return g, m, v


class Adamax(Optimizer):
    """Adamax: Adam with the largest recent gradient in place of the root mean square.

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        u <- max(beta2 u, |g| + eps)
        p <- p - lr / (1 - beta1^t) m / u                 t: the number of the step

    Kingma and Ba 2015, arXiv:1412.6980, algorithm 2. The arguments as in PyTorch. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Adamax
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.9, 1.9])
    """

    ranges: ClassVar = RANGES

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": np.zeros(p.shape, p.dtype), "exp_inf": np.zeros(p.shape, p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = map(float, group["betas"])
        g, m, u = descent(parameter, gradient, group), state["exp_avg"], state["exp_inf"]
        m += (1 - beta1) * (g - m)
        np.maximum(beta2 * u, np.abs(g) + float(group["eps"]), out=u)
        parameter -= float(group["lr"]) / (1 - beta1 ** state["step"]) * m / u


class NAdam(Optimizer):
    """NAdam (Dozat 2016): Adam that looks ahead as Nesterov does, with a momentum mu that grows to beta1.

        g <- g + weight_decay p
        mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)           t: the number of the step
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        n  = (1 - mu_t) g / (1 - mu_1 ... mu_t) + mu_{t+1} m / (1 - mu_1 ... mu_{t+1})
        p <- p - lr n / (sqrt(v / (1 - beta2^t)) + eps)

    decoupled_weight_decay: p <- p (1 - lr weight_decay) first, in place of the first line (as AdamW).
    The arguments as in PyTorch, which keeps the product of the mu in single precision; so its numbers are these.
    maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import NAdam
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.894, 1.894])
    """

    ranges: ClassVar = {**RANGES, "momentum_decay": POSITIVE}
    numbers: ClassVar = {"step": int, "mu_product": np.float32}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        options |= {"momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options)

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        running = {name: np.zeros(p.shape, p.dtype) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": 0, "mu_product": np.float32(1), **running}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = map(float, group["betas"])
        lr, slowness, t = float(group["lr"]), float(group["momentum_decay"]), state["step"]
        mu, following = (beta1 * (1 - 0.96 ** (step * slowness) / 2) for step in (t, t + 1))
        state["mu_product"] *= np.float32(mu)
        product = float(state["mu_product"])
        g, m, v = moments(parameter, gradient, state, group)
        ahead = (1 - mu) / (1 - product) * g + following / (1 - product * following) * m
        parameter -= lr * ahead / (np.sqrt(v / (1 - beta2**t)) + float(group["eps"]))


class RAdam(Optimizer):
    """RAdam (Liu et al. 2020, arXiv:1908.03265, algorithm 2): Adam that starts as momentum and warms up by itself.

        g <- g + weight_decay p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        R  = 2 / (1 - beta2) - 1,  r = R - 2 t beta2^t / (1 - beta2^t)           t: the number of the step
        p <- p - lr m / (1 - beta1^t)                                            while r <= 5
        p <- p - lr m / (1 - beta1^t) sqrt(1 - beta2^t) / (sqrt(v) + eps) c      then, with
        c  = sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r))

    r is the number of gradients that v averages, in effect, and c makes up for the variance of 1 / sqrt(v).
    decoupled_weight_decay: p <- p (1 - lr weight_decay) first, in place of the first line (as AdamW).
    The arguments as in PyTorch. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import RAdam
    >>> w = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([0.8, 1.6])
    """

    ranges: ClassVar = RANGES

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, {**options, "decoupled_weight_decay": decoupled_weight_decay})

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": np.zeros(p.shape, p.dtype), "exp_avg_sq": np.zeros(p.shape, p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = map(float, group["betas"])
        lr, t = float(group["lr"]), state["step"]
        _, m, v = moments(parameter, gradient, state, group)
        most = 2 / (1 - beta2) - 1
        r = most - 2 * t * beta2**t / (1 - beta2**t)
        step = lr / (1 - beta1**t) * m
        if r > 5:
            rectified = math.sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r))
            step *= rectified * math.sqrt(1 - beta2**t) / (np.sqrt(v) + float(group["eps"]))
        parameter -= step
