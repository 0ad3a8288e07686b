"""Run PyTorch's own samples of optimizers (its OptimizerInfo database) through ours and compare.

A sample is a set of options, in float32 or float64. Both optimizers take 25 steps from the same parameters, in two
groups of which the second has half the learning rate, on the same random gradients; where PyTorch's needs the loss as
a function, they minimise the same one. The sample agrees if all parameters are within 1e-5 (float32) or 1e-10
(float64), absolute plus relative, after every step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tests.parity.common import NOT_HERE, TOLERANCE, close, report, told, torch, value
from tinygrad_lite import optim

STEPS = 25

PROMISED = "SGD Adam AdamW Adamax NAdam RAdam RMSprop Adagrad Adadelta LBFGS"

HOW = ("foreach", "fused", "capturable", "differentiable")
"""Options that choose how PyTorch computes, not what."""


def loss_of(parameters: list, make: Callable) -> Callable:
    """The sum of cosh(p - k) over all elements, k the number of the parameter, as an optimizer calls it."""

    def loss() -> Any:
        far = [value(p) - k for k, p in enumerate(parameters)]
        for p, d in zip(parameters, far):
            p.grad = make(np.sinh(d))
        return make(np.asarray(sum(np.cosh(d).sum() for d in far)))

    return loss


def compare(info: Any, options: dict, dtype: str) -> None:
    """Raise where the two differ after one of the steps."""
    name = info.name
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (2, 5)] if name == "Muon" else [(4, 3), (), (7,)]
    start = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    ours = [tl.tensor(a, requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    mine = getattr(optim, name)(groups(info, ours, options), **options)
    their = info.optim_cls(groups(info, theirs, options), **options)
    for k in range(STEPS):
        if info.step_requires_closure:
            mine.step(loss_of(ours, tl.tensor))
            their.step(loss_of(theirs, torch.tensor))
        else:
            for a, b in zip(ours, theirs):
                g = np.asarray(rng.normal(size=a.shape), dtype)
                a.grad, b.grad = tl.tensor(g), torch.tensor(g)
            mine.step()
            their.step()
        for a, b in zip(ours, theirs):
            close(f"a parameter after step {k + 1}", a, b, TOLERANCE[dtype])


def groups(info: Any, parameters: list, options: dict) -> list:
    """The first parameter with the options, and the others with half its learning rate."""
    if not info.supports_param_groups:
        return parameters
    rate = options.get("lr", 0.01)
    return [{"params": parameters[:1]}, {"params": parameters[1:], "lr": rate / 2}]


def run(info: Any, verbose: bool) -> tuple[int, int, str]:
    """How many of an optimizer's samples agree, of how many, and why the first that differs does."""
    here = hasattr(optim, info.name)
    good = total = 0
    reason = "" if here else NOT_HERE
    for dtype in TOLERANCE:
        for sample in info.optim_inputs_func("cpu"):
            total += 1
            if not here:
                continue
            given = {key: option for key, option in sample.kwargs.items() if key not in HOW}
            options = {key: float(o) if isinstance(o, torch.Tensor) else o for key, o in given.items()}
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    compare(info, options, dtype)
                good += 1
            except Exception as error:
                reason = reason or told(error)
                if verbose:
                    print(f"    {options} {dtype}\n      {told(error)}")
    return good, total, reason


def judge(names: Sequence[str], verbose: bool) -> tuple[int, int]:
    """Run all optimizers, or those with PyTorch's names, and return how many samples agree."""
    from torch.testing._internal.common_optimizers import optim_db

    named = [(info.name, info) for info in optim_db]
    return report(named, lambda name: name in PROMISED.split(), run, names, verbose)
