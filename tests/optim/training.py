"""A training with everything that has a state; run as a program, to be killed: python -m tests.optim.training PATH."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.data import DataLoader, random_affine
from tinygrad_lite.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, Module, ReLU, Sequential
from tinygrad_lite.optim import Adam, History, accuracy, fit

EPOCHS, ITEMS, BATCH = 6, 70, 8


class Warmup:
    """A schedule with PyTorch's interface: lr rises for ten steps, then falls."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.count, self.base = optimizer, 0, optimizer.param_groups[0]["lr"]

    def step(self) -> None:
        self.count += 1
        self.optimizer.param_groups[0]["lr"] = self.base * min(self.count / 10, 10 / self.count)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "base": self.base}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self.base = state["count"], state["base"]


class Patience:
    """Early stopping: `step(value)` says whether there was nothing better for so many epochs."""

    def __init__(self, patience: int) -> None:
        self.patience, self.best, self.waited = patience, float("inf"), 0

    def step(self, value: float) -> bool:
        self.waited = 0 if value < self.best else self.waited + 1
        self.best = min(value, self.best)
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]


class Average:
    """A moving average of parameters, which can take their place."""

    def __init__(self, parameters: Iterable[tl.Tensor]) -> None:
        self.parameters = list(parameters)
        self.averages = [p.detach().clone() for p in self.parameters]

    def update(self) -> None:
        self.averages = [0.9 * a + 0.1 * p.detach() for a, p in zip(self.averages, self.parameters)]

    @contextmanager
    def average_parameters(self) -> Iterator[None]:
        kept = [p.detach().clone() for p in self.parameters]
        self.write(self.averages)
        yield
        self.write(kept)

    def write(self, values: Sequence[tl.Tensor]) -> None:
        with tl.no_grad():
            for p, value in zip(self.parameters, values):
                p[...] = value

    def state_dict(self) -> dict[str, Any]:
        return {"averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.averages = state["averages"]


def network() -> Module:
    return Sequential(Conv2d(1, 4, 3, padding=1), BatchNorm2d(4), ReLU(), Flatten(), Dropout(0.3), Linear(4 * 6 * 6, 3))


def train(path: Path | None, resume: bool = False, seed: int | None = None, **options: Any) -> tuple[Module, History]:
    """The training; the order of its batches comes from `tl.manual_seed` without a seed of its own."""
    tl.manual_seed(5)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, ITEMS)
    images = (rng.normal(size=(ITEMS, 1, 6, 6)) + labels[:, None, None, None]).astype(np.float32)
    model = network()
    average = Average(model.parameters())
    optimizer = Adam(model.parameters(), lr=0.01)
    batches = DataLoader(
        images,
        labels,
        batch_size=BATCH,
        shuffle=True,
        seed=seed,
        transform=lambda x, y, rng: (random_affine(x, rng, rotate=10, shift=1), y),
    )
    options = {"epochs": EPOCHS, "metrics": {"accuracy": accuracy}, "progress": False, **options}
    history = fit(
        model,
        optimizer,
        tl.cross_entropy,
        batches,
        validate=DataLoader(images[:20], labels[:20], batch_size=8, shuffle=True),
        schedule=Warmup(optimizer),
        schedule_by="step",
        average=average,
        early_stopping=Patience(100),
        checkpoint=path,
        resume=resume,
        **options,
    )
    return model, history


if __name__ == "__main__":
    said = []

    def ready(output: Any, target: Any) -> float:
        """A metric that says when the first step is done."""
        said or print("ready", flush=True)
        said.append(1)
        return accuracy(output, target)

    train(Path(sys.argv[1]), resume=True, save_every=1, metrics={"accuracy": ready})
    print("done", flush=True)
