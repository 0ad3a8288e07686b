"""Batches of arrays, and a split that keeps the classes in proportion."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

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
    epochs that were begun; set it to resume a training at the start of one, and `load_state_dict` to
    resume it after any batch.

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
        self.seed = None if seed is None else operator.index(seed)
        self.shuffle, self.drop_last, self.transform = shuffle, drop_last, transform
        self.epoch = 0
        self._place: Place | None = None  # in the epoch that is under way
        self._resumed = False  # whether the next iteration goes on from there

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.arrays[0]), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __repr__(self) -> str:
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.arrays)
        return f"DataLoader({shapes}, batch_size={self.batch_size}, shuffle={self.shuffle}, seed={self.seed})"

    def __iter__(self) -> Iterator[Any]:
        if self._place is None or not self._resumed:
            self._place = Place(self._key(), 0, {})
            self.epoch += 1
        place, self._resumed = self._place, False
        rng = np.random.default_rng(place.key)
        n = len(self.arrays[0])
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        if place.random:
            rng.bit_generator.state = place.random
        return self._batches(place, order, rng)

    def _key(self) -> list[int]:
        """What all random numbers of the next epoch follow from."""
        random = self.shuffle or self.transform is not None
        if self.seed is None and random:
            return [int(tl.generator().integers(1 << 62))]
        return [self.seed or 0, self.epoch]

    def _batches(self, place: Place, order: np.ndarray, rng: np.random.Generator) -> Iterator[Any]:
        for k in range(place.batch, len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            batch = [a[chosen] for a in self.arrays]  # copies
            tensors = [wrap(a) for a in batch] if self.transform is None else self._transformed(batch, rng)
            self._place = Place(place.key, k + 1, rng.bit_generator.state)
            yield tensors[0] if len(tensors) == 1 else tuple(tensors)
        self._place = None

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

    # -------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, to the batch, for `tl.save`. Iterations that overlap share one place: the last's."""
        place = self._place._asdict() if self._place else None
        return {"epoch": self.epoch, "place": place, "made_with": self._made_with()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Stand where another loader of the same data stood: the next iteration gives what it had left in its epoch.

        Raises ValueError where the number of items, batch size, order or seed are others.

        >>> from tinygrad_lite.data import DataLoader
        >>> loader, other = (DataLoader(range(6), batch_size=2, shuffle=True, seed=0) for _ in range(2))
        >>> next(iter(loader))
        tensor([3, 2])
        >>> other.load_state_dict(loader.state_dict())
        >>> list(other)
        [tensor([5, 4]), tensor([0, 1])]
        """
        here, there = self._made_with(), dict(state_dict["made_with"])
        if here != there:
            other = ", ".join(
                f"{name}={there.get(name)} and not {value}" for name, value in here.items() if there.get(name) != value
            )
            raise ValueError(f"DataLoader: load_state_dict: the state is that of a loader with {other}")
        self.epoch = int(state_dict["epoch"])
        place = state_dict["place"]
        self._place = Place(list(place["key"]), int(place["batch"]), place["random"]) if place else None
        self._resumed = place is not None

    def _made_with(self) -> dict[str, Any]:
        options = {name: getattr(self, name) for name in ("batch_size", "shuffle", "seed", "drop_last")}
        return {"items": len(self.arrays[0]), **options}


class Place(NamedTuple):
    """Between two batches of an epoch.

    key     what the epoch's random numbers follow from
    batch   how many batches were given
    random  the state of the generator that the transform draws from, {} before the first batch
    """

    key: list[int]
    batch: int
    random: Mapping[str, Any]


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
