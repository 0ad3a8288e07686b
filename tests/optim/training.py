"""A training with everything that has a state; run as a program, to be killed: python -m tests.optim.training PATH."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.data import DataLoader, random_affine
from tinygrad_lite.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, Module, ReLU, Sequential
from tinygrad_lite.optim import SGD, Adam, EarlyStopping, ExponentialMovingAverage, History, LambdaLR, accuracy, fit

EPOCHS, ITEMS, BATCH = 6, 70, 8


def network() -> Module:
    return Sequential(Conv2d(1, 4, 3, padding=1), BatchNorm2d(4), ReLU(), Flatten(), Dropout(0.3), Linear(4 * 6 * 6, 3))


def train(path: Path | None, resume: bool = False, seed: int | None = None, **options: Any) -> tuple[Module, History]:
    """The training; the order of its batches comes from `tl.manual_seed` without a seed of its own."""
    tl.manual_seed(5)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, ITEMS)
    images = (rng.normal(size=(ITEMS, 1, 6, 6)) + labels[:, None, None, None]).astype(np.float32)
    model = network()
    optimizer = Adam(model.parameters(), lr=0.01)
    batches = DataLoader(
        images,
        labels,
        batch_size=BATCH,
        shuffle=True,
        seed=seed,
        transform=lambda x, y, rng: (random_affine(x, rng, rotate=10, shift=1), y),
    )
    options = {"epochs": EPOCHS, "metrics": {"accuracy": accuracy}, "clip": 1.0, "progress": False, **options}
    history = fit(
        model,
        optimizer,
        tl.cross_entropy,
        batches,
        validate=DataLoader(images[:20], labels[:20], batch_size=8, shuffle=True),
        schedule=LambdaLR(optimizer, lambda step: min(step / 10, 10 / max(step, 1))),
        schedule_by="step",
        average=ExponentialMovingAverage(model.parameters(), decay=0.9),
        early_stopping=EarlyStopping(patience=100),
        checkpoint=path,
        resume=resume,
        **options,
    )
    return model, history


def line(**options: Any) -> tuple[Module, Any, History]:
    """A line is fitted, four batches an epoch; returns model, optimizer, history."""
    tl.manual_seed(0)
    x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    model = Linear(1, 1)
    optimizer = options.pop("optimizer", SGD)(model.parameters(), lr=options.pop("lr", 0.1))
    for key in {"schedule", "clip", "average"} & options.keys():
        if callable(options[key]):
            options[key] = options[key](model, optimizer)
    history = fit(
        model, optimizer, tl.mse_loss, DataLoader(x, 2 * x + 1, batch_size=4), **{"progress": False, **options}
    )
    return model, optimizer, history


if __name__ == "__main__":
    said = []

    def ready(output: Any, target: Any) -> float:
        """A metric that says when the first step is done."""
        said or print("ready", flush=True)
        said.append(1)
        return accuracy(output, target)

    train(Path(sys.argv[1]), resume=True, save_every=1, metrics={"accuracy": ready})
    print("done", flush=True)
