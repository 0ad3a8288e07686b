"""Elements in another order, padded or cut to a triangle or a diagonal: flip, roll, rot90, pad, diagonal, tril."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.indexing import along
from tinygrad_lite.ops.shapes import axes_of, normal_axis, ravel, shape_of, swapaxes
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, wrap

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "flip",
    "fliplr",
    "flipud",
    "pad",
    "roll",
    "rot90",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
]


@primitive
def flip(x: Array, axis: int | Sequence[int]) -> Tensor:
    """x in reverse order along one or several axes. A view.

    >>> import tinygrad_lite as tl
    >>> tl.flip(tl.tensor([[1, 2], [3, 4]]), (0, 1))
    tensor([[4, 3],
            [2, 1]])
    """
    return np.flip(x, axes_of("flip", axis, x.ndim)) if x.ndim else x[...]


@flip.gradient
def flip_x(g, axis):
    return np.flip(g, axis) if g.ndim else g


@composed
def fliplr(x: Array) -> Tensor:
    """x in reverse order along axis 1. A view.

    >>> import tinygrad_lite as tl
    >>> tl.fliplr(tl.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if len(shape_of(x)) < 2:
        raise ValueError(f"fliplr: x has shape {shape_of(x)}; needs two axes or more")
    return flip(x, 1)


@composed
def flipud(x: Array) -> Tensor:
    """x in reverse order along axis 0. A view.

    >>> import tinygrad_lite as tl
    >>> tl.flipud(tl.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if not shape_of(x):
        raise ValueError("flipud: x is 0-d; needs an axis")
    return flip(x, 0)


@composed
def rot90(x: Array, k: int = 1, axis: Sequence[int] = (0, 1)) -> Tensor:
    """x turned k times by 90 degrees, from the first of two axes towards the second. A view.

    >>> import tinygrad_lite as tl
    >>> tl.rot90(tl.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    x = as_tensor(x)
    axes = axes_of("rot90", axis, x.ndim)
    if len(axes) != 2 or x.ndim < 2:
        raise ValueError(f"rot90: axes {axis} of a tensor of shape {x.shape}; needs two different ones")
    turned = swapaxes(x, *axes) if k % 2 else x
    flipped = ((), axes[:1], axes, axes[1:])[k % 4]
    return flip(turned, flipped)


@primitive
def roll(x: Array, shifts: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Tensor:
    """x shifted along axes, where what leaves at the end comes in at the start: out[i] = x[i - shift].

    Without an axis the elements are shifted as if x were 1-d.

    >>> import tinygrad_lite as tl
    >>> tl.roll(tl.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if isinstance(shifts, (tuple, list)) and isinstance(axis, (tuple, list)) and len(shifts) != len(axis):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(axis)} axes; needs one for each")
    if axis == () and shifts == ():
        return x[...]
    return np.roll(x, shifts, tuple(axis) if isinstance(axis, list) else axis)


@roll.gradient
def roll_x(g, shifts, axis):
    back = tuple(-n for n in shifts) if isinstance(shifts, (tuple, list)) else -shifts
    return roll.on(g, back, axis)


# --------------------------------------------------------------------------------------- padding


@primitive(public=False)
def pad_constant(x: Array, widths: Sequence[tuple[int, int]], value: float) -> Tensor:
    """x with `value` around it: before and after each axis as often as `widths` says; negative ones cut."""
    inner = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths))
    if all(a <= 0 and b <= 0 for a, b in widths):
        return x[inner] if inner else x[...]
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, widths)], value, x.dtype)
    out[tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(out.shape, widths))] = x[inner]
    return out


@pad_constant.gradient
def pad_constant_x(g, widths):
    return pad_constant.on(g, [(-a, -b) for a, b in widths], 0)


def edges(n: int, before: int, after: int, mode: str) -> list[tuple[slice, slice]]:
    """The padded ends of an axis, whose own elements are `n`: the part to fill, and the part it is filled from."""
    end = before + n
    first, last = slice(0, before), slice(end, end + after)
    if mode == "reflect":
        stop = end - 2 - after
        ends = (first, slice(2 * before, before, -1)), (last, slice(end - 2, stop if stop >= 0 else None, -1))
    elif mode == "circular":
        ends = (first, slice(n, end)), (last, slice(before, before + after))
    else:
        ends = (first, slice(before, before + 1)), (last, slice(end - 1, end))
    return [pair for pair, size in zip(ends, (before, after)) if size]


@primitive(public=False)
def pad_edges(x: Array, widths: Sequence[tuple[int, int]], mode: str) -> Tensor:
    """x with elements of its own around it: before and after each axis as many as `widths` says (not negative)."""
    out = np.empty([n + a + b for n, (a, b) in zip(x.shape, widths)], x.dtype)
    out[tuple(slice(a, a + n) for n, (a, b) in zip(x.shape, widths))] = x
    for axis, (n, (a, b)) in enumerate(zip(x.shape, widths)):
        for part, source in edges(n, a, b, mode):
            out[along(axis, part)] = out[along(axis, source)]
    return out


@pad_edges.gradient
def pad_edges_x(g, widths, mode):
    return fold_edges.on(g, widths, mode)


@primitive(public=False)
def fold_edges(g: Array, widths: Sequence[tuple[int, int]], mode: str) -> Tensor:
    """The edges of g, added to what they were filled from: the transpose of pad_edges."""
    g = g.copy()
    sizes = [n - a - b for n, (a, b) in zip(g.shape, widths)]
    for axis, (n, (a, b)) in reversed(list(enumerate(zip(sizes, widths)))):
        for part, source in edges(n, a, b, mode):
            edge = g[along(axis, part)]
            g[along(axis, source)] += edge.sum(axis, keepdims=True) if mode == "replicate" else edge
    return g[tuple(slice(a, a + n) for n, (a, b) in zip(sizes, widths))]


@fold_edges.gradient
def fold_edges_g(g, widths, mode):
    return pad_edges.on(g, widths, mode)


@composed
def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """input with elements more, or for negative numbers fewer, at the ends of its last axes.

    pad: (before, after) of the last axis, then (before, after) of the one before it, and so on.
    mode: "constant" for `value` (0), "reflect" for a mirror at the outermost elements, "replicate" for copies
    of them, "circular" for what stands at the other end. Raises ValueError for more than a mode can supply.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([1, 2, 3])
    >>> tl.pad(x, (1, 2)), tl.pad(x, (1, -1), "reflect")
    (tensor([0, 1, 2, 3, 0, 0]), tensor([2, 1, 2]))
    """
    x = as_tensor(input)
    given = [int(n) for n in pad]
    pairs = list(zip(given[::2], given[1::2]))[::-1]
    if len(given) % 2 or len(pairs) > x.ndim:
        raise ValueError(f"pad: pad is {tuple(given)}, for {x.ndim} axes; needs two numbers an axis, from the last")
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    if any(n + min(a, 0) + min(b, 0) < 0 or n + a + b < 0 for n, (a, b) in zip(x.shape, widths)):
        raise ValueError(f"pad: pad {tuple(given)} cuts more than there is of a tensor of shape {x.shape}")
    if mode == "constant":
        return pad_constant(x, widths, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode is {mode!r}; needs 'constant', 'reflect', 'replicate' or 'circular'")
    if value:
        raise ValueError(f"pad: a value is for mode 'constant' alone, not {mode!r}")
    cuts = [(min(a, 0), min(b, 0)) for a, b in widths]
    growth = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "circular":  # goes around what the cut leaves; the other modes cut last
        x = pad_constant(x, cuts, 0)
    for axis, (n, ends) in enumerate(zip(x.shape, growth)):
        most = {"reflect": n - 1, "circular": n, "replicate": max(ends) if n else 0}[mode]
        if max(ends) > max(most, 0):
            raise ValueError(f"pad: {ends} elements around axis {axis}, of size {n}; mode {mode!r} has at most {most}")
    x = pad_edges(x, growth, mode)
    return x if mode == "circular" else pad_constant(x, cuts, 0)


# ------------------------------------------------------------------------- diagonals and triangles


@primitive
def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The elements x[i, i + offset] of two axes, as the last axis of the result. A view, not to be written to.

    >>> import tinygrad_lite as tl
    >>> tl.diagonal(tl.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return np.diagonal(x, offset, axis1, axis2)


@diagonal.gradient
def diagonal_x(g, offset, axis1, axis2, x_shape):
    return put_diagonal.on(g, offset, axis1, axis2, x_shape)


@primitive(public=False)
def put_diagonal(g: Array, offset: int, axis1: int, axis2: int, shape: Sequence[int]) -> Tensor:
    """Zeros of `shape` with g on the diagonal: the transpose of `diagonal`."""
    out = np.zeros(shape, g.dtype)
    line = np.diagonal(out, offset, axis1, axis2)
    line.flags.writeable = True  # NumPy hands it out read-only, for once it was a copy
    line[...] = g
    return out


@put_diagonal.gradient
def put_diagonal_g(g, offset, axis1, axis2):
    return np.diagonal(g, offset, axis1, axis2)


@composed
def diag_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis of x, of size n, as a diagonal of n + |offset| rows and columns, which are axes dim1 and dim2.

    >>> import tinygrad_lite as tl
    >>> tl.diag_embed(tl.tensor([1, 2]), 1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    shape = list(shape_of(x))
    if not shape:
        raise ValueError("diag_embed: x is 0-d; needs an axis")
    axis1, axis2 = (normal_axis("diag_embed", d, len(shape) + 1) for d in (dim1, dim2))
    if axis1 == axis2:
        raise ValueError(f"diag_embed: dim1 and dim2 are both axis {axis1}; needs two")
    side = shape.pop() + abs(offset)
    for axis in sorted((axis1, axis2)):
        shape.insert(axis, side)
    return put_diagonal(x, offset, axis1, axis2, tuple(shape))


diagonal_of = diagonal  # where PyTorch's name of a parameter hides it


@composed
def diag(x: Array, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix; of a vector, the matrix with that diagonal.

    >>> import tinygrad_lite as tl
    >>> tl.diag(tl.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = len(shape_of(x))
    if ndim not in (1, 2):
        raise ValueError(f"diag: x has shape {shape_of(x)}; needs one axis or two. See diagonal and diag_embed")
    return diag_embed(x, diagonal) if ndim == 1 else diagonal_of(x, diagonal)


@composed
def diagflat(x: Array, offset: int = 0) -> Tensor:
    """The matrix with all elements of x on a diagonal.

    >>> import tinygrad_lite as tl
    >>> tl.diagflat(tl.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(ravel(x), offset)


@primitive
def tril(x: Array, diagonal: int = 0) -> Tensor:
    """x below and on a diagonal of its last two axes, and 0 above it.

    diagonal: 0 for the main one, positive above it, negative below.

    >>> import tinygrad_lite as tl
    >>> tl.tril(tl.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    return np.tril(at_least_a_matrix("tril", x), diagonal)


@tril.gradient
def tril_x(g, diagonal):
    return np.tril(g, diagonal)


@primitive
def triu(x: Array, diagonal: int = 0) -> Tensor:
    """x above and on a diagonal of its last two axes, and 0 below it.

    diagonal: 0 for the main one, positive above it, negative below.

    >>> import tinygrad_lite as tl
    >>> tl.triu(tl.ones(2, 3))
    tensor([[1., 1., 1.],
            [0., 1., 1.]])
    """
    return np.triu(at_least_a_matrix("triu", x), diagonal)


@triu.gradient
def triu_x(g, diagonal):
    return np.triu(g, diagonal)


def at_least_a_matrix(name: str, x: Any) -> Any:
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {x.shape}; needs two axes or more")
    return x


def tril_indices(row: int, col: int, offset: int = 0, dtype: Any = np.int64) -> Tensor:
    """The rows and columns (2, n) of the elements that `tril` keeps of a matrix (row, col), in row-major order.

    >>> import tinygrad_lite as tl
    >>> tl.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return wrap(np.stack(np.tril_indices(row, offset, col)).astype(dtype))


def triu_indices(row: int, col: int, offset: int = 0, dtype: Any = np.int64) -> Tensor:
    """The rows and columns (2, n) of the elements that `triu` keeps of a matrix (row, col), in row-major order.

    >>> import tinygrad_lite as tl
    >>> tl.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return wrap(np.stack(np.triu_indices(row, offset, col)).astype(dtype))
