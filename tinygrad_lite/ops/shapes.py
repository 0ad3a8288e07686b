"""The same elements in another shape, without a copy where that can be: reshape, permute, squeeze, expand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, to_array

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
]


def normal_axis(name: str, axis: int, ndim: int) -> int:
    """`axis` counted from the front. PyTorch lets a 0-d tensor have axis 0 and -1."""
    size = max(ndim, 1)
    if not -size <= axis < size:
        raise IndexError(f"{name}: axis {axis} is out of range for {ndim} axes; it goes from {-size} to {size - 1}")
    return int(axis) % size


def axes_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """An int or a sequence of ints as axes counted from the front; raises where one comes twice."""
    axes = tuple(normal_axis(name, a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: an axis comes twice in {axis}")
    return axes


def shape_of(x: Array) -> tuple[int, ...]:
    return x.shape if isinstance(x, (Tensor, np.ndarray)) else to_array(x).shape


@primitive
def reshape(x: Array, shape: int | Sequence[int]) -> Tensor:
    """The elements of x, in row-major order, in another shape.

    shape: the sizes, one of which may be -1 and follows from the others. A view where the strides of x
    allow one, else a copy. Raises ValueError where the number of elements differs.

    >>> import tinygrad_lite as tl
    >>> tl.reshape(tl.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return np.reshape(x, shape)


@reshape.gradient
def reshape_x(g, x_shape):
    return np.reshape(g, x_shape)


@composed
def view(x: Array, shape: int | Sequence[int]) -> Tensor:
    """As `reshape`, but always on the memory of x.

    Raises ValueError where that is impossible, as after a transpose: use reshape.

    >>> import tinygrad_lite as tl
    >>> x = tl.zeros(4)
    >>> tl.view(x, (2, 2))[0, 0] = 7.0
    >>> x
    tensor([7., 0., 0., 0.])
    """
    x = as_tensor(x)
    y = reshape(x, shape)
    if y.size and not np.may_share_memory(x._array, y._array):
        raise ValueError(
            f"view: a {list(x.shape)} tensor with strides {x._array.strides} can't be seen as {list(y.shape)} "
            "without a copy; use reshape, or contiguous() first"
        )
    return y


@composed
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` (both included) as one; a 0-d x becomes 1-d.

    >>> import tinygrad_lite as tl
    >>> tl.flatten(tl.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    shape = shape_of(x)
    start, end = (normal_axis("flatten", a, len(shape)) for a in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(x, shape[:start] + (math.prod(shape[start : end + 1]),) + shape[end + 1 :])


@composed
def unflatten(x: Array, axis: int, sizes: Sequence[int]) -> Tensor:
    """One axis as several, of `sizes` (one may be -1): the inverse of `flatten`.

    >>> import tinygrad_lite as tl
    >>> tl.unflatten(tl.zeros(2, 12), 1, (3, -1)).shape
    (2, 3, 4)
    """
    shape = shape_of(x)
    if not shape:
        raise ValueError("unflatten: a 0-d tensor has no axis to unflatten")
    axis = normal_axis("unflatten", axis, len(shape))
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    if -1 in sizes:  # found here, for of an empty tensor the whole shape doesn't tell
        known = math.prod(n for n in sizes if n != -1)
        sizes[sizes.index(-1)] = shape[axis] // known if known else 0
    if math.prod(sizes) != shape[axis] or min(sizes, default=0) < 0:
        raise ValueError(f"unflatten: sizes {sizes} don't multiply to {shape[axis]}, which is axis {axis} of {shape}")
    return reshape(x, shape[:axis] + tuple(sizes) + shape[axis + 1 :])


@composed
def ravel(x: Array) -> Tensor:
    """All elements of x in row-major order, 1-d.

    >>> import tinygrad_lite as tl
    >>> tl.ravel(tl.ones(2, 2))
    tensor([1., 1., 1., 1.])
    """
    return reshape(x, -1)


@composed
def squeeze(x: Array, axis: int | Sequence[int] | None = None) -> Tensor:
    """x without its axes of size 1, or without those of `axis`; an axis of another size stays (PyTorch).

    >>> import tinygrad_lite as tl
    >>> tl.squeeze(tl.zeros(1, 3, 1), 0).shape
    (3, 1)
    """
    shape = shape_of(x)
    axes = range(len(shape)) if axis is None else axes_of("squeeze", axis, len(shape))
    return reshape(x, tuple(n for k, n in enumerate(shape) if n != 1 or k not in axes))


@composed
def unsqueeze(x: Array, axis: int) -> Tensor:
    """x with a new axis of size 1, at place `axis` of the result.

    >>> import tinygrad_lite as tl
    >>> tl.unsqueeze(tl.zeros(2, 3), -1).shape
    (2, 3, 1)
    """
    shape = shape_of(x)
    axis = normal_axis("unsqueeze", axis, len(shape) + 1)
    return reshape(x, (*shape[:axis], 1, *shape[axis:]))


# ------------------------------------------------------------------------------ the order of axes


@primitive
def permute(x: Array, dims: Sequence[int]) -> Tensor:
    """x with its axes in the order `dims`: axis k of the result is axis dims[k] of x. A view.

    >>> import tinygrad_lite as tl
    >>> tl.permute(tl.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    try:
        return np.transpose(x, dims)
    except (ValueError, TypeError):
        raise ValueError(f"permute: dims {dims} is not an order of all {np.ndim(x)} axes") from None


@permute.gradient
def permute_x(g, dims):
    n = g.ndim
    return np.transpose(g, tuple(sorted(range(n), key=lambda k: dims[k] % n)))


@primitive
def swapaxes(x: Array, axis0: int, axis1: int) -> Tensor:
    """x with two axes exchanged. A view.

    >>> import tinygrad_lite as tl
    >>> tl.swapaxes(tl.zeros(2, 3, 4), 0, -1).shape
    (4, 3, 2)
    """
    normal_axis("swapaxes", axis0, x.ndim), normal_axis("swapaxes", axis1, x.ndim)
    return np.swapaxes(x, axis0, axis1) if x.ndim else x[...]


@swapaxes.gradient
def swapaxes_x(g, axis0, axis1):
    return np.swapaxes(g, axis0, axis1) if g.ndim else g


@composed
def transpose(x: Array, *axes: Any, dim0: int | None = None, dim1: int | None = None) -> Tensor:
    """x with two axes exchanged: transpose(x, 0, 1). None reverses all axes; a tuple is an order of all (NumPy).

    >>> import tinygrad_lite as tl
    >>> x = tl.zeros(2, 3, 4)
    >>> tl.transpose(x, 1, 2).shape, tl.transpose(x).shape, tl.transpose(x, (1, 2, 0)).shape
    ((2, 4, 3), (4, 3, 2), (3, 4, 2))
    """
    axes = axes + tuple(d for d in (dim0, dim1) if d is not None)
    if len(axes) == 2:
        return swapaxes(x, *axes)
    if not axes or axes == (None,):
        return permute(x, tuple(range(len(shape_of(x))))[::-1])
    return permute(x, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


@primitive
def moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with the axes `source` at the places `destination`, and the others in order. A view.

    >>> import tinygrad_lite as tl
    >>> tl.moveaxis(tl.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    if x.ndim:
        return np.moveaxis(x, source, destination)
    axes_of("moveaxis", source, 0), axes_of("moveaxis", destination, 0)
    return x[...]


@moveaxis.gradient
def moveaxis_x(g, source, destination):
    return np.moveaxis(g, destination, source) if g.ndim else g


movedim = moveaxis

# ----------------------------------------------------------------------------------- broadcasting


@primitive
def broadcast_to(x: Array, shape: Sequence[int]) -> Tensor:
    """x repeated along new axes and along axes of size 1 until it has `shape`; a view, without a copy.

    The gradient is the sum over those axes.

    >>> import tinygrad_lite as tl
    >>> tl.broadcast_to(tl.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2.],
            [1., 2.]])
    """
    return np.broadcast_to(x, shape)


@broadcast_to.gradient
def broadcast_to_x(g):
    return g  # the tape sums over the axes of the broadcast


@composed
def expand(x: Array, *sizes: Any) -> Tensor:
    """x with its axes of size 1 enlarged to `sizes` by repetition, -1 keeping a size; a view (PyTorch).

    expand(x, 2, 3) or expand(x, (2, 3)). Raises ValueError for an axis whose size is neither 1 nor as asked.

    >>> import tinygrad_lite as tl
    >>> tl.expand(tl.zeros(3, 1), (-1, 4)).shape
    (3, 4)
    """
    shape = shape_of(x)
    wanted = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    new = len(wanted) - len(shape)
    if new < 0 or any(n == -1 and k < new for k, n in enumerate(wanted)):
        raise ValueError(f"expand: sizes {wanted} for shape {shape}; needs one for each axis, and -1 only for old ones")
    return broadcast_to(x, tuple(shape[k - new] if n == -1 else n for k, n in enumerate(wanted)))


@composed
def broadcast_tensors(*tensors: Array) -> tuple[Tensor, ...]:
    """All tensors, broadcast to their common shape.

    >>> import tinygrad_lite as tl
    >>> [t.shape for t in tl.broadcast_tensors(tl.zeros(3, 1), tl.zeros(4))]
    [(3, 4), (3, 4)]
    """
    if not tensors:
        raise ValueError("broadcast_tensors: got no tensors; pass each as an argument")
    try:
        shape = np.broadcast_shapes(*map(shape_of, tensors))
    except ValueError:
        raise ValueError(f"broadcast_tensors: shapes {[shape_of(t) for t in tensors]} don't broadcast") from None
    return tuple(broadcast_to(t, shape) for t in tensors)
