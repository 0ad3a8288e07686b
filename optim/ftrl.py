"""FTRL-proximal: linear models on sparse features, with weights that are exactly zero."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite.optim.optimizer import POSITIVE, Optimizer

__all__ = ["Ftrl"]


class Ftrl(Optimizer):
    """Follow the regularised leader, proximally (McMahan et al. 2013, "Ad click prediction", algorithm 1).

        n' = n + g^2                                   n begins as initial_accumulator_value, z as 0
        z <- z + g - (n'^q - n^q) / lr p               q = -learning_rate_power: 1/2 in the paper
        n <- n'
        p <- (clip(z, -l1, l1) - z) / ((beta + n^q) / lr + 2 l2)

    The last line is the p that makes z p + l1 |p| + l2 p^2 + (beta + n^q) / lr p^2 / 2 smallest: 0 where |z| <= l1.
    Where l1 and l2 are 0 it is Adagrad's step, from weights that begin at 0. What they begin with is mostly
    forgotten in the first step, for no z stands behind it.

    The arguments, their defaults and the meaning of l2 (the paper's lambda_2 is 2 l2) are those of Keras, with lr for
    its learning_rate. beta: makes the first steps smaller. maximize: take -g for g.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import Ftrl
    >>> w = tl.zeros(3, requires_grad=True)
    >>> optimizer = Ftrl([w], lr=0.1, l1_regularization_strength=1.0)
    >>> w.grad = tl.tensor([3.0, 0.5, -3.0])
    >>> optimizer.step()
    >>> w.detach().round(decimals=3)
    tensor([-0.066,  0.   ,  0.066])
    """

    ranges: ClassVar = {
        "lr": POSITIVE,
        "initial_accumulator_value": POSITIVE,
        "l1_regularization_strength": POSITIVE,
        "l2_regularization_strength": POSITIVE,
        "beta": POSITIVE,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "learning_rate_power": learning_rate_power,
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "beta": beta,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        for option, wrong in [("lr", group["lr"] == 0), ("learning_rate_power", not group["learning_rate_power"] <= 0)]:
            if wrong:
                raise ValueError(f"Ftrl: {option}={group[option]}; lr is above 0, and learning_rate_power not")

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        n = np.full(p.shape, float(group["initial_accumulator_value"]), p.dtype)
        return {"step": 0, "accumulator": n, "linear": np.zeros(p.shape, p.dtype)}

    def update(self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, q = float(group["lr"]), -float(group["learning_rate_power"])
        l1, l2 = float(group["l1_regularization_strength"]), float(group["l2_regularization_strength"])
        g = -gradient if group["maximize"] else gradient
        n, z = state["accumulator"], state["linear"]
        before = n**q
        n += g * g
        after = n**q
        z += g - (after - before) / lr * parameter
        curvature = (float(group["beta"]) + after) / lr + 2 * l2
        parameter[...] = (np.clip(z, -l1, l1) - z) / np.where(curvature > 0, curvature, 1)  # 0: no gradient so far
