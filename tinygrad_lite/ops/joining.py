"""Many tensors into one, and one into many: cat, stack, split, repeat and their like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.ops.shapes import normal_axis, reshape, shape_of
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

Arrays = Sequence[Array]

__all__ = [
    "cat",
    "concat",
    "concatenate",
    "stack",
]


def along(axis: int, part: Any) -> tuple:
    """The index that takes `part` of one axis (not negative) and all of the others."""
    return (slice(None),) * axis + (part,)


@primitive
def cat(tensors: Arrays, axis: int = 0) -> Tensor:
    """The tensors one after the other along an axis; a 1-d tensor without elements is left out (PyTorch).

    Their other sizes must agree; the dtype is the common one.

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
        size = shape[axis] if len(shape) == g.ndim else 0
        piece = g[along(axis, slice(start, start + size))] if needed else None
        gradients.append(np.reshape(piece, shape) if needed and len(shape) != g.ndim else piece)
        start += size
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
