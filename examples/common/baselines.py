"""What a method must beat to be worth its trouble."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.data import Images


def nearest_neighbour(train: Images, test: Images) -> float:
    """The accuracy of giving each test image the label of the training image whose pixels are nearest to its own."""
    known = train.images.reshape(len(train.labels), -1)
    squares = (known**2).sum(1)
    right = 0
    for k in range(0, len(test.labels), 500):
        unknown = test.images[k : k + 500].reshape(-1, known.shape[1])
        nearest = (squares - 2 * unknown @ known.T).argmin(1)
        right += int((train.labels[nearest] == test.labels[k : k + 500]).sum())
    return right / len(test.labels)


def ngram_loss(train: np.ndarray, test: np.ndarray, size: int, n: int) -> float:
    """Nats a character of counts of up to n characters, mixed by how many different ones follow (Witten and Bell 1991).

    p_n(c | last n-1) = (count(last, c) + d(last) p_n-1(c | last n-2)) / (count(last) + d(last)), p_0 = 1 / size.
    """
    p = np.full(len(test), 1 / size)
    for k in range(1, n + 1):
        codes, asked = (sum(part[i : len(part) - k + 1 + i] * size ** (k - 1 - i) for i in range(k))
                        for part in (train, test))  # fmt: skip
        whole, counts = np.unique(codes, return_counts=True)
        before, first = np.unique(whole // size, return_index=True)
        totals, different = np.add.reduceat(counts, first), np.diff(np.append(first, len(whole)))
        together = looked_up(whole, counts, asked)
        total, d = looked_up(before, totals, asked // size), looked_up(before, different, asked // size)
        lower = p[k - 1 :]
        p[k - 1 :] = np.where(total > 0, (together + d * lower) / np.maximum(total + d, 1), lower)
    return float(-np.log(p[1:]).mean())


def looked_up(keys: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The value of each key that is asked for, 0 where it is none of the (sorted) keys."""
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)
