"""Pictures small enough for deep networks on two cores, CIFAR-10 at half its size or digits, and their training.

The recipe is that of He et al. 2015, arXiv:1512.03385, section 4.2, for a shorter training: SGD with momentum 0.9,
weight decay 0.0001 and the rate 0.1, which is reached along a line in 100 steps and falls to a tenth for the last 30%.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.data import DataLoader, Images, cifar10_subset, digits, stratified_split
from tinygrad_lite.layers import Module
from tinygrad_lite.optim import SGD, History, LambdaLR, accuracy, evaluate, fit

LR, MOMENTUM, DECAY, WARM_UP = 0.1, 0.9, 1e-4, 100


class Parts(NamedTuple):
    """Pictures to train on, to look at while training, and to read once, at the end."""

    train: Images
    held_out: Images
    test: Images


def small_images(quick: bool) -> Parts:
    """The digits, 1,150 + 288 + 359 of 8 x 8, if quick; else CIFAR-10, subset: 15,000 + 5,000 + 1,000 of 16 x 16.

    The pixels of CIFAR-10 are means over 2 x 2. The split is the same each time; each channel has mean 0 and deviation
    1 over the pictures to train on.
    """
    if quick:
        rest, test = split(digits(), 0.2)
        train, held_out = split(rest, 0.2)
    else:
        rest, test = (Images(halved(part.images), part.labels) for part in cifar10_subset())
        train, held_out = split(rest, 0.25)
    mean, deviation = (f(train.images, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    return Parts(*(Images((part.images - mean) / deviation, part.labels) for part in (train, held_out, test)))


def halved(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) to (N, C, H / 2, W / 2), the means over 2 x 2 pixels."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def split(data: Images, fraction: float) -> tuple[Images, Images]:
    """All but a fraction of the pictures, and the fraction; the classes in proportion."""
    first, second = (Images(data.images[part], data.labels[part]) for part in stratified_split(data.labels, fraction))
    return first, second


def learn(
    net: Module,
    data: Parts,
    seed: int,
    epochs: int,
    batch: int,
    name: str,
    lr: float = LR,
    transform: Callable[..., Any] | None = None,
) -> History:
    """Train `net`; its history has loss and accuracy while training, and after each epoch those held out.

    The order of the batches follows from the seed, whatever the network. name: of the bar. transform: of a batch, as
    DataLoader has it.
    """
    loader = DataLoader(*data.train, batch_size=batch, shuffle=True, seed=seed, drop_last=True, transform=transform)
    steps = epochs * len(loader)
    optimizer = SGD(net.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=DECAY)
    return fit(
        net, optimizer, tl.cross_entropy, loader, epochs,
        validate=DataLoader(*data.held_out, batch_size=500),
        metrics={"accuracy": accuracy},
        schedule=LambdaLR(optimizer, lambda t: min(1, (t + 1) / WARM_UP) * (0.1 if t >= 0.7 * steps else 1)),
        schedule_by="step",
        progress=name,
    )  # fmt: skip


def measured(net: Module, data: Images) -> dict[str, float]:
    """Loss and accuracy of a network in inference mode."""
    return evaluate(net, tl.cross_entropy, DataLoader(*data, batch_size=500), {"accuracy": accuracy})
