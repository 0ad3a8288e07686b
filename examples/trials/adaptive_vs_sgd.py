"""What was tried for the gate of `adaptive_vs_sgd` that fails: momentum at most half a point behind Adam on images.

Momentum is 6 points behind after four epochs, in training as well. Each way is for both methods, each at its best of
three or more rates, a factor of 3 apart (seed 100); then two new seeds. All errors are those of the 2,000 images held
out.

- 16 epochs: the claim is about where training ends, and in four epochs the faster method is ahead.
- Batches of 32: four times as many steps in as many epochs.
- The rate halves after each quarter of the training (the paper's other schedule, decay at fixed times), or falls along
  a cosine: by held-out error it may fall too early, when an error of 2,000 images rises by chance.
- 16 epochs along a cosine, tried last, since each of the two came nearer; at the best rates of 4 such epochs.
- Gradients that are not cut: the norm of 5 could bind momentum, whose rate is high, and never Adam.
- A weight decay of 5e-4, as the paper's networks have.

What came out: no gradient is ever cut. In 16 epochs momentum is 2.5 points behind, along a cosine 0.9. The two together
bring it 0.4 points ahead of Adam: with a longer training and rates that fall to nothing the gate would hold.

    python -m examples trials adaptive_vs_sgd
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from examples.common import percent, spread
from examples.common.trials import SEEDS, Trials
from examples.training import adaptive_vs_sgd as example
from tinygrad_lite.optim import LambdaLR, Optimizer

GATE, LIMIT = "CIFAR-10, subset: test error of momentum - Adam", 0.005
IMAGES = "CIFAR-10, subset"
BEST = {"momentum": 0.9, "Adam": 0.009}  # of the example's search
EPOCHS = 4


class ByTime:
    """A schedule that follows the time and not the held-out error, in so many steps as that is looked at."""

    def __init__(self, share: Callable[[float], float], optimizer: Optimizer) -> None:
        self.schedule = LambdaLR(optimizer, lambda k: share(k / example.CHECKED))

    def step(self, error: float) -> None:
        self.schedule.step()


def halves(time: float) -> float:
    """Half as much after each quarter."""
    return 0.5 ** int(4 * time)


def cosine(time: float) -> float:
    """From 1 to 0."""
    return (1 + np.cos(np.pi * time)) / 2


WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "16 epochs": {"epochs": 16},
    "batches of 32": {"batch": 32},
    "the rate halves after each quarter": {"schedule": partial(ByTime, halves)},
    "the rate falls along a cosine": {"schedule": partial(ByTime, cosine)},
    "gradients not cut": {"clip": np.inf},
    "weight decay 5e-4": {"decay": 5e-4},
    "16 epochs along a cosine": {
        "epochs": 16,
        "schedule": partial(ByTime, cosine),
        "rates": {"momentum": (0.3,), "Adam": (0.009,)},
    },
}


def held_out(way: str, method: str, seed: int, lr: float) -> float:
    """Train; the error of the images held out, at the end."""
    options = {"epochs": EPOCHS, **WAYS[way], "rates": (lr,) * len(example.METHODS)}
    epochs = options.pop("epochs")
    task = replace(example.TASKS[IMAGES], **options)
    return example.train(way, method, 0, seed, epochs, task)["errors"][-1]


def main(argv: list[str]) -> int:
    """Run the trials; returns the exit code."""
    with Trials(__file__, __doc__ or "", argv, {"epochs": EPOCHS, "rates": BEST}) as run:
        for way in WAYS:
            errors, told = {}, []
            for method, middle in BEST.items():
                name = f"{way}, {method}"
                rates = WAYS[way].get("rates", {}).get(method, (middle / 3, middle, middle * 3))
                lr = run.best_rate(name, partial(held_out, way, method, SEEDS[0]), rates)
                errors[method] = [
                    run.unit(f"{name}, seed {seed}", held_out, way, method, seed, lr, seed=seed)
                    for seed in run.seeds[1:]
                ]
                told.append(f"{method} {spread(errors[method], percent)} at {lr:.2g}")
            gap = np.subtract(errors["momentum"], errors["Adam"])
            run.report.trial(GATE, way, gap, show="{:+.2%}".format, at_most=LIMIT, baseline=", ".join(told))
    return run.exit_code
