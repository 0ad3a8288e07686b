"""Pictures small enough for a deep network on two cores: CIFAR-10 at half its size, or the digits of scikit-learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_lite.data import Images, cifar10_subset, digits, stratified_split


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
