"""Images in lanes: where the numbers of a convolution lie while it is computed.

The vector instructions of a processor do the same to 8 or 16 numbers, its lanes. If each lane holds an image of its
own, a convolution has no edges to care for in its inner loops: whatever the width of the image, stride, dilation
and kernel, each place is one whole vector, and its neighbours are vectors at fixed distances. Where there are fewer
images than lanes, or they are large, images are cut along their first spatial axis into bands of rows,
each in a lane of its own. A `slab` is what a band meets of an array (some rows more than it has itself): consecutive
numbers in memory, for each channel. A block, as many slabs as there are lanes, is transposed on its way
into the vectors (`gather`) and back (`scatter`), with zeros for what lies outside of the image.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.kernels.compiled import compiled
from tinygrad_lite.kernels.vectors import gather, scatter

Sizes = tuple[int, ...]


class Plan(NamedTuple):
    """What a loop is called with, made once for a shape."""

    items: int  # which threads share out
    operations: float  # additions and multiplications: whether threads are worth it
    work: float  # what it costs, in multiplications of vectors: which plan is taken
    space: int  # of the workspace of a thread
    arguments: tuple[Any, ...]  # between the arrays and the workspace
    weights: Any = None  # how they are packed
    size: Any = 0  # of the packed weights, or the shape of their gradient


class Lanes(NamedTuple):
    """How slabs are gathered into vectors, or scattered from them."""

    starts: np.ndarray  # where the slab of each lane of each block starts in the first channel
    low: np.ndarray  # from which of its numbers
    high: np.ndarray  # up to which it lies inside of the array
    whole: np.ndarray  # (blocks, 2): from which to which number all lanes of a block do
    where: np.ndarray  # which vector of a buffer each number becomes


def slabs(
    starts: np.ndarray, first: np.ndarray, rows: int, spatial: Sizes, where: np.ndarray, lanes: int, room: int = 0
) -> Lanes:
    """Slabs of `rows` rows from row `first` (which may lie outside) of the arrays that begin at `starts`.

    Of what is only read, and lies before `room`, a whole vector may be taken where a slab ends within.
    """
    inner = prod(spatial[1:])
    low = np.clip(-first, 0, rows) * inner
    high = np.maximum(low, np.clip(spatial[0] - first, 0, rows) * inner)
    starts = starts + first * inner
    high[(high == rows * inner) & (starts + len(where) <= room)] = len(where)
    starts, low, high = (np.pad(a, (0, -len(a) % lanes)) for a in (starts, low, high))
    whole = np.stack([low.reshape(-1, lanes).max(1), high.reshape(-1, lanes).min(1)], 1)
    return Lanes(starts, low, high, whole, where)


def of_images(
    count: int, channels: int, spatial: Sizes, bands: int, first: int, apart: int, rows: int, where: np.ndarray,
    lanes: int, read: bool = False,
) -> Lanes:  # fmt: skip
    """Each lane a band of an image: slabs of `rows` rows, `apart` rows apart, the first one from row `first`."""
    image, band = np.divmod(np.arange(count * bands), bands)
    size = prod(spatial)
    room = (count - 1) * channels * size + size if read else 0  # in the first channel; in the last, it's the end
    return slabs(image * (channels * size), first + band * apart, rows, spatial, where, lanes, room)


def of_channels(
    channels: int, spatial: Sizes, bands: int, first: int, apart: int, rows: int, where: np.ndarray, lanes: int
) -> Lanes:
    """Each lane a channel of the same image; the blocks of the second band follow those of the first."""
    begin = np.arange(channels) * prod(spatial)
    each = [slabs(begin, np.full(channels, first + b * apart), rows, spatial, where, lanes) for b in range(bands)]
    starts, low, high, whole = map(np.concatenate, zip(*(a[:4] for a in each)))
    return Lanes(starts, low, high, whole, where)


def share(blocks: int, most: int) -> int:
    """Into how many parts outputs are cut, `most` at most, so that up to four threads have the same to do."""
    return 1 if blocks >= 16 or blocks % 4 == 0 else min(most, 2 if blocks % 2 == 0 else 4)


def flat(places: list[np.ndarray], size: Sizes) -> np.ndarray:
    """The flat places in an array of this size of all combinations of places along its axes."""
    total = np.zeros(1, np.int64)
    for along, n in zip(places, size):
        total = (total[:, None] * n + np.asarray(along, np.int64)).ravel()
    return total


def table(inside: list[np.ndarray], size: Sizes, lanes: int) -> np.ndarray:
    """Which vector of a buffer of this size each number of a slab becomes; the one after its end, if it is cut off.

    inside: for each axis, where in the buffer its numbers go.
    """
    keep = np.ones(1, bool)
    for along, n in zip(inside, size):
        keep = (keep[:, None] & (along >= 0) & (along < n)).ravel()
    where = np.where(keep, flat(inside, size), prod(size))
    return np.pad(where, (0, -len(where) % lanes), constant_values=prod(size)) * lanes


@compiled
def take(space, at, x, start, lanes, block, width):
    """Gather one channel, which starts at `start` in x, of a block of slabs into the buffer at `at`."""
    starts, low, high, whole, where = lanes
    for p in range(0, len(where), width):
        inside = np.int64(whole[block, 0] <= p and p + width <= whole[block, 1])
        gather(space, at, where, x, start, starts, low, high, block * width, p, inside)


@compiled
def give(y, start, lanes, block, width, space, at, more):
    """Scatter one channel of a block of slabs from the buffer, and add `more`."""
    starts, low, high, whole, where = lanes
    for p in range(0, len(where), width):
        inside = np.int64(whole[block, 0] <= p and p + width <= whole[block, 1])
        scatter(y, start, starts, low, high, block * width, space, at, where, p, inside, more)
