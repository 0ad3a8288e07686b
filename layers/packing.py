"""Sequences of different lengths in one array: padded to the longest, or packed without padding.

Packed, the sequences are sorted from the longest to the shortest, and their elements stand time by time: all that
have a first element, then all that have a second one, and so on. Names and layout are those of PyTorch's
torch.nn.utils.rnn. Here recurrent layers take padded sequences and `lengths` as well, which is all that a packed
sequence is turned into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence"]


class PackedSequence(NamedTuple):
    """Sequences without padding; made by `pack_padded_sequence`.

    data              (sum of lengths, ...), time by time
    batch_sizes       (T,), how many sequences have an element at each time
    sorted_indices    (N,), which sequence comes first, second, ... ; None where they were sorted already
    unsorted_indices  (N,), the inverse of it: at which place each sequence is
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def places(batch_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The time and the rank of each packed element."""
    times = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    return times, np.arange(len(times)) - (np.cumsum(batch_sizes) - batch_sizes)[times]


def pack_padded_sequence(
    input: Tensor, lengths: Array, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack sequences that are padded to one length.

    input           (T, N, ...), or (N, T, ...) with batch_first
    lengths         (N,), whole numbers from 1 to T
    enforce_sorted  raise where they don't descend; else the sequences are sorted, and sorted back later

    Raises ValueError for other lengths.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import pack_padded_sequence
    >>> x = tl.tensor([[1, 2, 3], [4, 0, 0]])
    >>> packed = pack_padded_sequence(x, [3, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    x, ends = tl.as_tensor(input), np.asarray(lengths)
    if x.ndim < 2 or ends.dtype.kind not in "iu" or ends.shape != (x.shape[0 if batch_first else 1],) or not ends.size:
        raise ValueError(
            f"pack_padded_sequence: needs {'(N, T, ...)' if batch_first else '(T, N, ...)'} and N whole numbers as "
            f"lengths, got shape {x.shape} and {ends}"
        )
    x, ends = tl.swapaxes(x, 0, 1) if batch_first else x, ends.astype(int)
    if ends.min() < 1 or ends.max() > len(x):
        raise ValueError(f"pack_padded_sequence: lengths go from 1 to {len(x)}, got {ends}")
    order = np.argsort(-ends, kind="stable")
    if enforce_sorted and (np.diff(ends) > 0).any():
        raise ValueError(
            f"pack_padded_sequence: lengths {ends} don't descend; sort the sequences, or pass enforce_sorted=False"
        )
    batch_sizes = np.sum(np.arange(ends.max())[:, None] < ends, axis=1)
    times, ranks = places(batch_sizes)
    packed = x[times, order[ranks]], tl.tensor(batch_sizes)
    return PackedSequence(*packed, *([] if enforce_sorted else [tl.tensor(order), tl.tensor(np.argsort(order))]))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: padded sequences (T, N, ...), and their lengths (N,).

    batch_first    (N, T, ...) instead
    padding_value  what stands past the end of a sequence
    total_length   T, by default the longest length. Raises ValueError where it is less than that

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import pack_padded_sequence, pad_packed_sequence
    >>> packed = pack_padded_sequence(tl.tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    batch_sizes = sequence.batch_sizes.numpy()
    steps = len(batch_sizes) if total_length is None else total_length
    if steps < len(batch_sizes):
        raise ValueError(f"pad_packed_sequence: total_length is {steps}, but a sequence has {len(batch_sizes)}")
    times, ranks = places(batch_sizes)
    where = np.full((steps, batch_sizes[0]), -1)
    where[times, ranks] = np.arange(len(times))
    if sequence.unsorted_indices is not None:
        where = where[:, sequence.unsorted_indices.numpy()]
    lengths, where = np.sum(where >= 0, axis=0), where.T if batch_first else where
    seen = (where >= 0).reshape(*where.shape, *[1] * (sequence.data.ndim - 1))
    padded = tl.where(seen, sequence.data[where], tl.tensor(padding_value, dtype=sequence.data.dtype))
    return padded, tl.tensor(lengths)


def repacked(input: Tensor, like: PackedSequence, batch_first: bool) -> PackedSequence:
    """Padded sequences packed as `like` is."""
    times, ranks = places(like.batch_sizes.numpy())
    columns = ranks if like.sorted_indices is None else like.sorted_indices.numpy()[ranks]
    return like._replace(data=input[columns, times] if batch_first else input[times, columns])


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, ...) side by side, (T, N, ...), padded to the longest.

    batch_first    (N, T, ...) instead
    padding_value  what stands past the end of a sequence, or before its start where padding_side is "left"

    Raises ValueError for no sequences, or for shapes that differ in more than the length.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import pad_sequence
    >>> pad_sequence([tl.tensor([1, 2, 3]), tl.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    xs = [tl.as_tensor(x) for x in sequences]
    if not xs or any(x.ndim < 1 or x.shape[1:] != xs[0].shape[1:] for x in xs) or padding_side not in ("left", "right"):
        raise ValueError(
            "pad_sequence: needs sequences (L, ...) that differ in L alone, and padding_side 'left' or 'right'; got "
            f"{', '.join(str(x.shape) for x in xs) or 'none'} and {padding_side!r}"
        )
    steps = max(len(x) for x in xs)

    def padded(x: Tensor) -> Tensor:
        parts = [x, tl.full((steps - len(x), *x.shape[1:]), padding_value, dtype=x.dtype)]
        return tl.concatenate(parts if padding_side == "right" else parts[::-1], 0)

    return tl.stack([padded(x) for x in xs], 0 if batch_first else 1)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, ...): `pack_padded_sequence` of `pad_sequence`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import pack_sequence
    >>> pack_sequence([tl.tensor([1, 2, 3]), tl.tensor([4])]).data
    tensor([1, 4, 2, 3])
    """
    lengths = np.array([len(x) for x in sequences], int)
    return pack_padded_sequence(pad_sequence(sequences), lengths, False, enforce_sorted)
