"""What the examples do with data of which every item has a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.data import DataLoader, Images, stratified_split
from tinygrad_lite.layers import Module
from tinygrad_lite.optim import accuracy, evaluate


def take(data: Images, which: Any) -> Images:
    """Some of the items: which is an index array, a mask or a slice."""
    return Images(data.images[which], data.labels[which])


def split(data: Images, fraction: float, seed: int = 0) -> tuple[Images, Images]:
    """The rest, and `fraction` of the items held out, the same share of every class."""
    rest, held = stratified_split(data.labels, fraction, seed)
    return take(data, rest), take(data, held)


def standardised(train: Images, test: Images, axis: int | None = None) -> tuple[Images, Images]:
    """Items as rows of mean 0 and variance 1, by the numbers of the training data. axis 0: each column by itself."""
    rows = [part.images.reshape(len(part.images), -1).astype(np.float32) for part in (train, test)]
    mean, sd = rows[0].mean(axis), rows[0].std(axis) + 1e-8
    return Images((rows[0] - mean) / sd, train.labels), Images((rows[1] - mean) / sd, test.labels)


def measure(net: Module, data: Images, batch: int = 2_000) -> dict[str, float]:
    """The mean loss and the accuracy of a classifier, in inference mode."""
    return evaluate(net, tl.cross_entropy, DataLoader(*data, batch_size=batch), {"accuracy": accuracy})


def batches(data: Images, seed: int, batch: int = 32) -> Iterator[Any]:
    """Shuffled batches without end, all of the same size."""
    loader = DataLoader(*data, batch_size=batch, shuffle=True, seed=seed, drop_last=True)
    while True:
        yield from loader
