"""Batches of arrays, and a split that keeps the classes in proportion."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Array, Tensor, to_array, wrap

EXAMPLE = "DataLoader(images, labels, batch_size=64)"


class DataLoader:
    """Batches of arrays that belong together: images and labels, say.

    arrays      one or more arrays, Tensors or lists of the same length; item i is the i-th of each
    batch_size  the number of items in a batch; the last batch is shorter where it doesn't divide
    shuffle     a new random order in each epoch
    seed        what the order and the transform's random numbers follow from, with the number of the
                epoch: the same seed gives the same epochs. None: `tl.manual_seed` decides
    drop_last   leave the last batch out where it is shorter
    transform   `transform(*arrays, rng)` is given the arrays of a batch (copies, which it may change)
                and a NumPy Generator, and returns as many arrays: (x, y, rng) -> (x, y)

    Iterating gives a tuple of Tensors a batch, or the Tensor itself where there is one array, and can be
    repeated: each time is an epoch. `len(loader)` is the number of batches. `loader.epoch` counts the
    epochs that were begun; set it to resume a training.

    Raises ValueError for no items, arrays of different lengths or a bad batch size.

    >>> import numpy as np
    >>> from tinygrad_lite.data import DataLoader
    >>> loader = DataLoader(np.arange(5), np.arange(5) ** 2, batch_size=2, shuffle=True, seed=0)
    >>> for x, y in loader:
    ...     print(x, y)
    tensor([2, 4]) tensor([ 4, 16])
    tensor([3, 0]) tensor([9, 0])
    tensor([1]) tensor([1])
    """

    def __init__(
        self,
        *arrays: Array,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not arrays:
            raise ValueError(f"DataLoader: got no arrays; pass the data first: {EXAMPLE}")
        self.arrays = tuple(items(a, k) for k, a in enumerate(arrays))
        lengths = [len(a) for a in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(f"DataLoader: the arrays have {lengths} items; they need the same number")
        if not lengths[0]:
            raise ValueError("DataLoader: the arrays are empty; was the data loaded, or filtered to nothing?")
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
            raise TypeError(f"DataLoader: batch_size is a whole number, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
        if transform is not None and not callable(transform):
            raise TypeError(f"DataLoader: transform is a function (x, y, rng) -> (x, y), got {transform!r}")
        if seed is not None and (not hasattr(seed, "__index__") or seed < 0):
            raise ValueError(f"DataLoader: seed is a whole number from 0 on, or None, got {seed!r}")
        self.batch_size = operator.index(batch_size)
        self.shuffle, self.seed, self.drop_last, self.transform = shuffle, seed, drop_last, transform
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.arrays[0]), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __repr__(self) -> str:
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.arrays)
        return f"DataLoader({shapes}, batch_size={self.batch_size}, shuffle={self.shuffle}, seed={self.seed})"

    def __iter__(self) -> Iterator[Any]:
        n, epoch = len(self.arrays[0]), self.epoch
        self.epoch += 1
        random = self.shuffle or self.transform is not None
        if self.seed is None and random:
            rng = np.random.default_rng(tl.generator().integers(1 << 62))
        else:
            rng = np.random.default_rng([self.seed or 0, epoch])
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        return self._batches(order, rng)

    def _batches(self, order: np.ndarray, rng: np.random.Generator) -> Iterator[Any]:
        for k in range(len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            batch = [a[chosen] for a in self.arrays]  # copies
            tensors = [wrap(a) for a in batch] if self.transform is None else self._transformed(batch, rng)
            yield tensors[0] if len(tensors) == 1 else tuple(tensors)

    def _transformed(self, batch: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """The batch after the transform. The Tensors are copies: the transform may keep and reuse its arrays."""
        changed = self.transform(*batch, rng)  # type: ignore[misc]
        if len(batch) == 1 and not isinstance(changed, (tuple, list)):
            changed = [changed]
        if not isinstance(changed, (tuple, list)) or len(changed) != len(batch):
            got = f"{len(changed)} values" if isinstance(changed, (tuple, list)) else type(changed).__name__
            raise TypeError(
                f"DataLoader: the transform was given {len(batch)} arrays and must return as many, but returned {got}; "
                "end it with `return x, y`"
            )
        return [tl.tensor(a) for a in changed]


def items(data: Array, k: int) -> np.ndarray:
    """Argument `k` of a DataLoader as an array of items."""
    if np.isscalar(data):
        raise TypeError(
            f"DataLoader: argument {k} is a single value, {data!r}, and has no items; the batch size is given by name: "
            f"{EXAMPLE}"
        )
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        raise TypeError(
            f"DataLoader: argument {k} is a {type(data).__name__} of several arrays; hand them over with a star: "
            "DataLoader(*data, batch_size=64)"
        )
    if not isinstance(data, (list, tuple, range)) and not hasattr(data, "__array__"):
        raise TypeError(
            f"DataLoader: argument {k} is a {type(data).__name__}; pass images and labels as arrays: {EXAMPLE}"
        )
    try:
        array = to_array(data)
    except (TypeError, ValueError) as error:
        raise TypeError(f"DataLoader: argument {k} is no array of numbers: {error}") from error
    if array.ndim == 0:
        raise ValueError(f"DataLoader: argument {k} is a 0-d array and has no items; pass images and labels: {EXAMPLE}")
    return array


def stratified_split(labels: Array, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Indices (rest, held_out): `fraction` of the items is held out, the same share of every class.

    labels: N labels of any kind. The split follows from labels, fraction and seed alone. Both results
    are sorted; held_out has round(fraction * N) items as far as both sides can have one of every class.

    Raises ValueError for a fraction that is not between 0 and 1, and for a class with a single item.

    >>> from tinygrad_lite.data import stratified_split
    >>> rest, held_out = stratified_split([0, 0, 0, 0, 1, 1, 1, 1], fraction=0.25)
    >>> len(rest), len(held_out)
    (6, 2)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"stratified_split: needs N labels, got an array of shape {labels.shape}")
    if not 0 < fraction < 1:
        raise ValueError(f"stratified_split: fraction must lie between 0 and 1, got {fraction}")
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        lonely = classes[counts.argmin()]
        raise ValueError(f"stratified_split: class {lonely!r} has one item, which can't be on both sides")
    wanted = counts * fraction
    held = np.clip(np.floor(wanted).astype(int), 1, counts - 1)
    missing = max(round(float(fraction) * labels.size) - int(held.sum()), 0)
    room = [k for k in np.argsort(held - wanted, kind="stable") if held[k] < counts[k] - 1]
    held[room[:missing]] += 1  # the largest remainders first
    rng = np.random.default_rng(seed)
    chosen = np.zeros(labels.size, bool)
    for k in range(len(classes)):
        chosen[rng.permutation(np.flatnonzero(members == k))[: held[k]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
