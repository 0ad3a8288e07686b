"""Many tensors into one, one into many, and many times the same: cat, stack, split, tile, meshgrid and their like."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.indexing import along, getitem, getitem_
from tinygrad_lite.ops.shapes import broadcast_tensors, broadcast_to, normal_axis, ravel, reshape, shape_of
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, to_array

__all__ = [
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "hstack",
    "meshgrid",
    "repeat",
    "repeat_interleave",
    "split",
    "stack",
    "tensor_split",
    "tile",
    "unbind",
    "vstack",
]

Arrays = Sequence[Array]

# ----------------------------------------------------------------------------------- many into one


@primitive
def cat(tensors: Arrays, axis: int = 0) -> Tensor:
    """The tensors one after the other along an axis.

    Their other sizes must agree; the dtype is the common one. A 1-d tensor without elements is left out (PyTorch).

    >>> import tinygrad_lite as tl
    >>> tl.cat([tl.ones(1, 2), tl.zeros(2, 2)])
    tensor([[1., 1.],
            [0., 0.],
            [0., 0.]])
    """
    if any(np.ndim(t) > 1 for t in tensors):
        kept = [t for t in tensors if np.shape(t) != (0,)]
        return np.concatenate(kept, axis, dtype=np.result_type(*tensors))
    return np.concatenate(tensors, axis)


@cat.gradients
def cat_gradients(g, axis, shapes, needs):
    axis %= g.ndim
    gradients, start = [], 0
    for shape, needed in zip(shapes, needs):
        left_out = len(shape) != g.ndim
        stop = start if left_out else start + shape[axis]
        piece = g[along(axis, slice(start, stop))]
        gradients.append((np.reshape(piece, shape) if left_out else piece) if needed else None)
        start = stop
    return gradients


concatenate = concat = cat


@primitive
def stack(tensors: Arrays, axis: int = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis.

    >>> import tinygrad_lite as tl
    >>> tl.stack([tl.ones(2), tl.zeros(2)], axis=1)
    tensor([[1., 0.],
            [1., 0.]])
    """
    return np.stack(tensors, axis)


@stack.gradients
def stack_gradients(g, axis, needs):
    axis %= g.ndim
    return [g[along(axis, k)] if needed else None for k, needed in enumerate(needs)]


def at_least(tensors: Arrays, ndim: int) -> list[Tensor]:
    """The tensors, with axes of size 1 in front of those with less than `ndim`."""
    made = [as_tensor(t) for t in tensors]
    return [t if t.ndim >= ndim else reshape(t, (1,) * (ndim - t.ndim) + t.shape) for t in made]


@composed
def vstack(tensors: Arrays) -> Tensor:
    """The tensors below one another: cat along axis 0, with 1-d tensors as rows.

    >>> import tinygrad_lite as tl
    >>> tl.vstack([tl.ones(2), tl.zeros(1, 2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    return cat(at_least(tensors, 2), 0)


@composed
def hstack(tensors: Arrays) -> Tensor:
    """The tensors beside one another: cat along axis 1, of 1-d tensors along axis 0.

    >>> import tinygrad_lite as tl
    >>> tl.hstack([tl.ones(2), tl.zeros(1)])
    tensor([1., 1., 0.])
    """
    made = at_least(tensors, 1)
    return cat(made, 0 if made and made[0].ndim == 1 else 1)


# ----------------------------------------------------------------------------------- one into many


@primitive(outputs="*pieces", public=False, name="split")
def pieces(x: Array, edges: Sequence[int], axis: int) -> tuple[Tensor, ...]:
    """x cut along an axis: what lies between each edge, from 0 to the size of the axis, and the next."""
    return tuple(x[along(axis, slice(a, b))] for a, b in pairwise(edges))  # type: ignore[return-value]


@pieces.gradient
def pieces_x(gs, axis):
    return np.concatenate(gs, axis)


@primitive(outputs="*slices", public=False, name="unbind")
def slices(x: Array, axis: int) -> tuple[Tensor, ...]:
    """The slices of x along an axis."""
    return tuple(x[(*along(axis, k), ...)] for k in range(x.shape[axis]))  # type: ignore[return-value]


@slices.gradient
def slices_x(gs, axis):
    return np.stack(gs, axis)


def cut_axis(name: str, x: Tensor, axis: int) -> int:
    if not x.ndim:
        raise ValueError(f"{name}: a 0-d tensor has no axis to cut")
    return normal_axis(name, axis, x.ndim)


@composed
def split(x: Array, split_size_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """x in pieces along an axis, as views: of one size each (the last may be smaller), or of the sizes of a list.

    Raises ValueError where the sizes don't sum to that of the axis.

    >>> import tinygrad_lite as tl
    >>> tl.split(tl.arange(5), 2), tl.split(tl.arange(3), [1, 2])
    ((tensor([0, 1]), tensor([2, 3]), tensor([4])), (tensor([0]), tensor([1, 2])))
    """
    x = as_tensor(x)
    axis, given = cut_axis("split", x, axis), split_size_or_sections
    n = x.shape[axis]
    if not np.ndim(given):
        size = int(given)  # type: ignore[arg-type]
        if size < 0 or size == 0 < n:
            raise ValueError(f"split: a size of {size} for an axis of size {n}; needs 1 or more")
        return pieces(x, [*range(0, max(n, 1), max(size, 1)), n], axis)
    sizes = [int(size) for size in given]  # type: ignore[union-attr]
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ValueError(f"split: the sizes {sizes} don't sum to {n}, the size of axis {axis} of {x.shape}")
    return pieces(x, [0, *np.cumsum(sizes).tolist()], axis)


@composed
def chunk(x: Array, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
    """x in at most `chunks` pieces along an axis, all of one size but the last; views. See `tensor_split`.

    >>> import tinygrad_lite as tl
    >>> tl.chunk(tl.arange(5), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x = as_tensor(x)
    if chunks < 1:
        raise ValueError(f"chunk: got {chunks} chunks; needs 1 or more")
    axis = cut_axis("chunk", x, axis)
    size = -(-x.shape[axis] // chunks)
    return split(x, size, axis) if size else pieces(x, [0] * (chunks + 1), axis)


@composed
def tensor_split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """x in that many pieces along an axis, the first ones larger by 1 if need be; or cut at these indices. Views.

    >>> import tinygrad_lite as tl
    >>> tl.tensor_split(tl.arange(5), 3), tl.tensor_split(tl.arange(5), (1, 4))
    ((tensor([0, 1]), tensor([2, 3]), tensor([4])), (tensor([0]), tensor([1, 2, 3]), tensor([4])))
    """
    x, given = as_tensor(x), to_array(indices_or_sections)
    axis = cut_axis("tensor_split", x, axis)
    n = x.shape[axis]
    if given.ndim:
        edges = [0, *map(int, given), n]
        if edges == sorted(edges):
            return pieces(x, edges, axis)
        return tuple(getitem_(x, along(axis, slice(a, b))) for a, b in pairwise(edges))
    sections = int(given)
    if sections < 1:
        raise ValueError(f"tensor_split: got {sections} sections; needs 1 or more")
    return pieces(x, [k * (n // sections) + min(k, n % sections) for k in range(sections + 1)], axis)


@composed
def unbind(x: Array, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, without that axis; views.

    >>> import tinygrad_lite as tl
    >>> tl.unbind(tl.tensor([[1, 2], [3, 4]]), axis=1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    x = as_tensor(x)
    return slices(x, cut_axis("unbind", x, axis))


# ------------------------------------------------------------------------------ many times the same


@composed
def tile(x: Array, dims: int | Sequence[int]) -> Tensor:
    """x laid out dims[k] times along each axis; with more dims than axes, x gets new ones in front, and the reverse.

    >>> import tinygrad_lite as tl
    >>> tl.tile(tl.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    shape = shape_of(x)
    times = (dims,) if isinstance(dims, (int, np.integer)) else tuple(dims)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: {times} times; needs 0 or more on each axis")
    times = (1,) * (len(shape) - len(times)) + times
    shape = (1,) * (len(times) - len(shape)) + shape
    apart = [n for size in shape for n in (1, size)]
    spread = [n for pair in zip(times, shape) for n in pair]
    return reshape(broadcast_to(reshape(x, apart), spread), tuple(n * size for n, size in zip(times, shape)))


@composed
def repeat(x: Array, sizes: int | Sequence[int]) -> Tensor:
    """x laid out sizes[k] times along each axis (`Tensor.repeat` of PyTorch): `tile`, with a size for every axis of x.

    To repeat each element, as np.repeat does, see `repeat_interleave`.

    >>> import tinygrad_lite as tl
    >>> tl.repeat(tl.tensor([1, 2]), (2, 1))
    tensor([[1, 2],
            [1, 2]])
    """
    sizes = (sizes,) if isinstance(sizes, (int, np.integer)) else tuple(sizes)
    if len(sizes) < len(shape_of(x)):
        raise ValueError(f"repeat: sizes {sizes} for a tensor of shape {shape_of(x)}; needs one an axis. See tile")
    return tile(x, sizes)


@composed
def repeat_interleave(
    x: Array, repeats: int | Array, axis: int | None = None, output_size: int | None = None
) -> Tensor:
    """Each slice of x along an axis `repeats` times; without an axis, each of all its elements.

    repeats: one number, or integers (n,) for the n slices. output_size: the size that results, to check it.

    >>> import tinygrad_lite as tl
    >>> tl.repeat_interleave(tl.tensor([1, 2]), 2), tl.repeat_interleave(tl.tensor([1, 2]), [0, 3])
    (tensor([1, 1, 2, 2]), tensor([2, 2, 2]))
    """
    x, counts = as_tensor(x), to_array(repeats)
    if axis is None or not x.ndim:
        x, axis = ravel(x), 0 if axis is None else normal_axis("repeat_interleave", axis, 0)
    axis = normal_axis("repeat_interleave", axis, x.ndim)
    n = x.shape[axis]
    if counts.dtype.kind not in "iu" or (counts < 0).any() or counts.size not in (1, n) or counts.ndim > 1:
        raise ValueError(f"repeat_interleave: repeats {counts.tolist()} for {n} slices; needs integers, one or {n}")
    total = int(counts.sum()) if counts.size == n else n * int(counts.flat[0])
    if output_size is not None and output_size != total:
        raise ValueError(f"repeat_interleave: output_size is {output_size}, but the repeats make {total}")
    if counts.size != 1:
        return getitem(x, along(axis, np.repeat(np.arange(n), counts)))
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    wide = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, int(counts.flat[0]), *after))
    return reshape(wide, (*before, total, *after))


@composed
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: of k tensors of sizes n1 ... nk, k tensors of shape (n1, ..., nk).

    tensors: 1-d or 0-d, each an argument or all in one list. indexing: "ij", or "xy" for the first two axes
    exchanged (the default of np.meshgrid). Views.

    >>> import tinygrad_lite as tl
    >>> tl.meshgrid(tl.arange(2), tl.arange(3))[0]
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    made = [as_tensor(t) for t in given]
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}; needs 'ij' or 'xy'")
    if not made or any(t.ndim > 1 for t in made):
        raise ValueError(f"meshgrid: shapes {[t.shape for t in made]}; needs some, each of one axis at most")
    places = list(range(len(made)))
    if indexing == "xy" and len(made) > 1:
        places[:2] = 1, 0
    rank = len(made)
    return broadcast_tensors(*(reshape(t, (1,) * k + (-1,) + (1,) * (rank - 1 - k)) for t, k in zip(made, places)))
