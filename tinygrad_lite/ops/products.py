"""Products of vectors and matrices, and what is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.contraction import einsum, product, tensordot
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.determinants import logdet
from tinygrad_lite.ops.norms import cdist
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "cdist",
    "chain_matmul",
    "cross",
    "dot",
    "einsum",
    "inner",
    "kron",
    "linear",
    "logdet",
    "matmul",
    "mm",
    "mv",
    "outer",
    "tensordot",
    "trace",
    "vdot",
]


@primitive
def matmul(x: Array, y: Array) -> Tensor:
    """out_ij = sum_k x_ik y_kj: the matrix product over the last two axes; leading axes broadcast.

    x: (..., n, k) or (k,); y: (..., k, m) or (k,). A vector on the left is a row, on the right a column,
    and its axis is gone from the result. Raises ValueError for 0-d operands and where the k differ.

    >>> import tinygrad_lite as tl
    >>> tl.matmul(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    try:
        if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous:  # one product, not one for each batch
            return np.reshape(product(rows(x), y), (*x.shape[:-1], y.shape[-1]))
        return product(x, y)
    except (ValueError, AttributeError):
        raise ValueError(
            f"matmul: got shapes {np.shape(x)} and {np.shape(y)}; needs (..., n, k) and (..., k, m), or vectors (k,), "
            "whose k are the same and whose leading axes broadcast. To scale by a number, write x * number"
        ) from None


@matmul.gradient
def matmul_x(g, y):
    if y.ndim == 1:
        return g[..., None] * y
    if g.ndim < y.ndim:  # x is a vector
        return product(y, g[..., None])[..., 0]
    return matmul.on(g, y.T) if y.ndim == 2 < g.ndim else product(g, np.swapaxes(y, -1, -2))


@matmul.gradient
def matmul_y(g, x, y_shape):
    if x.ndim == 1:
        return x[:, None] * g[..., None, :] if len(y_shape) > 1 else x * g
    if len(y_shape) == 1:
        return product(rows(x).T, np.reshape(g, -1))
    if len(y_shape) == 2:
        return product(rows(x).T, rows(g))
    return product(np.swapaxes(x, -1, -2), g)


def rows(x: Any) -> Any:
    """x as a matrix: its vectors along the last axis, one below the other."""
    return x if x.ndim == 2 else np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


@primitive
def linear(input: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """out_nj = sum_i input_ni weight_ji + bias_j.

    input: (..., in); weight: (out, in) or (in,); bias: (out,) or (). The result is (..., out) or (...).
    Raises ValueError where the lengths differ.

    >>> import tinygrad_lite as tl
    >>> tl.linear(tl.tensor([1.0, 2.0]), tl.tensor([[3.0, 4.0]]), tl.tensor([0.5]))
    tensor([11.5])
    """
    many = input.ndim > 2
    try:
        out = product(rows(input) if many else input, weight.T if 0 < weight.ndim < 3 else None)
    except (ValueError, AttributeError):
        raise ValueError(
            f"linear: input of shape {input.shape} and weight of shape {weight.shape}; they need (..., in) and "
            "(out, in). A weight that is stored as (in, out) has to be transposed"
        ) from None
    if bias is not None:
        try:
            out = shifted(out, bias, weight)
        except ValueError:
            raise ValueError(f"linear: bias of shape {np.shape(bias)} for weight of shape {weight.shape}") from None
    return np.reshape(out, input.shape[:-1] + weight.shape[:-1]) if many else out


def shifted(out: Any, bias: Any, weight: Any) -> Any:
    """out + bias, in place where it can be."""
    usual = type(bias) is np.ndarray and bias.ndim == 1 and bias.dtype is out.dtype and out.ndim
    if not usual and np.shape(bias) not in (weight.shape[:-1], (1,), ()):
        raise ValueError
    if not usual:
        return out + bias
    out += bias  # a ValueError where the lengths differ
    return out


@linear.gradient
def linear_input(g, weight):
    if weight.ndim == 1:
        return g[..., None] * weight
    return product(g, weight) if g.ndim < 3 else matmul.on(g, weight)


@linear.gradient
def linear_weight(g, input):
    if g.ndim < input.ndim:  # weight is a vector
        return product(np.reshape(g, -1), rows(input)) if input.ndim > 1 else g * input
    return product(rows(g).T, rows(input)) if input.ndim > 1 else g[:, None] * input


@linear.gradient
def linear_bias(g):
    if g.ndim < 2:
        return g
    g = rows(g)
    if isinstance(g, Tensor) or g.size < 10_000:
        return product(np.ones(len(g), g.dtype), g)  # BLAS sums over rows faster than np.sum
    return kernels.sum_channels(g[:, :, None])


# ------------------------------------------------------------------------ matmul of given ranks


def ranks(name: str, wanted: tuple[int, ...], *operands: Any) -> list[Tensor]:
    """The operands as Tensors. Raises ValueError where one has not the rank that is wanted."""
    made = [as_tensor(x) for x in operands]
    if any(t.ndim != n for t, n in zip(made, wanted)):
        raise ValueError(
            f"{name}: got {' and '.join(str(t.shape) for t in made)}; needs operands of "
            f"{', '.join(map(str, wanted))} axes. For other ranks there is matmul"
        )
    return made


def stacks(name: str, x: Any, y: Any) -> list[Tensor]:
    """Two stacks of matrices as Tensors. Raises ValueError where they differ in length, or don't fit."""
    x, y = ranks(name, (3, 3), x, y)
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
        raise ValueError(f"{name}: got {x.shape} and {y.shape}; needs (b, n, k) and (b, k, m)")
    return [x, y]


@composed
def mm(x: Array, mat2: Array) -> Tensor:
    """out_ij = sum_k x_ik y_kj for two matrices; `matmul` takes all ranks.

    >>> import tinygrad_lite as tl
    >>> tl.mm(tl.tensor([[1.0, 2.0]]), tl.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    return matmul(*ranks("mm", (2, 2), x, mat2))


@composed
def bmm(x: Array, mat2: Array) -> Tensor:
    """out_bij = sum_k x_bik y_bkj for two stacks of matrices of the same length.

    >>> import tinygrad_lite as tl
    >>> tl.bmm(tl.ones(5, 2, 3), tl.ones(5, 3, 4)).shape
    (5, 2, 4)
    """
    return matmul(*stacks("bmm", x, mat2))


@composed
def mv(x: Array, vec: Array) -> Tensor:
    """out_i = sum_k x_ik v_k for a matrix and a vector.

    >>> import tinygrad_lite as tl
    >>> tl.mv(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    return matmul(*ranks("mv", (2, 1), x, vec))


@composed
def dot(x: Array, tensor: Array) -> Tensor:
    """out = sum_k x_k y_k for two vectors; `matmul` and `inner` take other ranks.

    >>> import tinygrad_lite as tl
    >>> tl.dot(tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return matmul(*ranks("dot", (1, 1), x, tensor))


@composed
def vdot(x: Array, y: Array) -> Tensor:
    """out = sum_k x_k y_k for two vectors, as `dot` (they differ for complex numbers only).

    >>> import tinygrad_lite as tl
    >>> tl.vdot(tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return matmul(*ranks("vdot", (1, 1), x, y))


@composed
def inner(x: Array, y: Array) -> Tensor:
    """out_ij = sum_k x_ik y_jk over the last axes of both; with a 0-d operand, the product.

    The result has the other axes of x and then those of y. Raises ValueError where the k differ.

    >>> import tinygrad_lite as tl
    >>> tl.inner(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    x, y = as_tensor(x), as_tensor(y)
    if not (x.ndim and y.ndim):
        return x * y
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"inner: got {x.shape} and {y.shape}, whose last axes differ")
    return tensordot(x, y, ([-1], [-1]))


@composed
def outer(x: Array, vec2: Array) -> Tensor:
    """out_ij = x_i y_j for two vectors.

    >>> import tinygrad_lite as tl
    >>> tl.outer(tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0, 5.0]))
    tensor([[ 3.,  4.,  5.],
            [ 6.,  8., 10.]])
    """
    x, y = ranks("outer", (1, 1), x, vec2)
    return np.reshape(x, (-1, 1) if x.size else (0, 1)) * y


@composed
def kron(x: Array, y: Array) -> Tensor:
    """The Kronecker product: every element of x times the whole of y, laid out in blocks.

    out[i*m + j] = x[i] y[j] along each axis, of length n m; the shorter shape is padded with 1 in front.

    >>> import tinygrad_lite as tl
    >>> tl.kron(tl.tensor([1.0, 10.0]), tl.tensor([1.0, 2.0, 3.0]))
    tensor([ 1.,  2.,  3., 10., 20., 30.])
    """
    x, y = as_tensor(x), as_tensor(y)
    rank = max(x.ndim, y.ndim)
    n, m = ((1,) * (rank - t.ndim) + t.shape for t in (x, y))
    blocks = np.reshape(x, [k for pair in zip(n, (1,) * rank) for k in pair]) * np.reshape(
        y, [k for pair in zip((1,) * rank, m) for k in pair]
    )
    return np.reshape(blocks, [i * j for i, j in zip(n, m)])


@composed
def trace(x: Array) -> Tensor:
    """out = sum_i x_ii for a matrix, square or not.

    >>> import tinygrad_lite as tl
    >>> tl.trace(tl.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    (x,) = ranks("trace", (2,), x)
    return np.sum(np.diagonal(x))


# --------------------------------------------------------------------------- products and a sum


def _scaled_sum(name: str, x: Any, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta x + alpha product; with beta = 0, x is left out, NaN and all."""
    x = as_tensor(x)
    product = product if alpha == 1 else alpha * product
    if np.broadcast_shapes(x.shape, product.shape) != product.shape:
        raise ValueError(f"{name}: input of shape {x.shape} does not broadcast to the product, {product.shape}")
    if beta == 0:
        return product
    return (x if beta == 1 else beta * x) + product


@composed
def addmm(x: Array, mat1: Array, mat2: Array, beta: float = 1, alpha: float = 1) -> Tensor:
    """out = beta x + alpha (a @ b) for two matrices; x broadcasts.

    >>> import tinygrad_lite as tl
    >>> tl.addmm(tl.tensor([1.0]), tl.tensor([[1.0, 2.0]]), tl.tensor([[3.0], [4.0]]), alpha=10)
    tensor([[111.]])
    """
    return _scaled_sum("addmm", x, matmul(*ranks("addmm", (2, 2), mat1, mat2)), beta, alpha)


@composed
def addmv(x: Array, mat: Array, vec: Array, beta: float = 1, alpha: float = 1) -> Tensor:
    """out = beta x + alpha (a @ v) for a matrix and a vector; x broadcasts.

    >>> import tinygrad_lite as tl
    >>> tl.addmv(tl.tensor([1.0]), tl.tensor([[1.0, 2.0]]), tl.tensor([3.0, 4.0]))
    tensor([12.])
    """
    return _scaled_sum("addmv", x, matmul(*ranks("addmv", (2, 1), mat, vec)), beta, alpha)


@composed
def addbmm(x: Array, batch1: Array, batch2: Array, beta: float = 1, alpha: float = 1) -> Tensor:
    """out = beta x + alpha sum_b (a_b @ c_b) for two stacks of matrices; x broadcasts.

    >>> import tinygrad_lite as tl
    >>> tl.addbmm(tl.zeros(2, 4), tl.ones(5, 2, 3), tl.ones(5, 3, 4))
    tensor([[15., 15., 15., 15.],
            [15., 15., 15., 15.]])
    """
    return _scaled_sum("addbmm", x, einsum("bij,bjk->ik", *stacks("addbmm", batch1, batch2)), beta, alpha)


@composed
def baddbmm(x: Array, batch1: Array, batch2: Array, beta: float = 1, alpha: float = 1) -> Tensor:
    """out_b = beta x_b + alpha (a_b @ c_b) for two stacks of matrices; x broadcasts.

    >>> import tinygrad_lite as tl
    >>> tl.baddbmm(tl.zeros(1), tl.ones(5, 2, 3), tl.ones(5, 3, 4), alpha=2).shape
    (5, 2, 4)
    """
    return _scaled_sum("baddbmm", x, matmul(*stacks("baddbmm", batch1, batch2)), beta, alpha)


@composed
def chain_matmul(*matrices: Any) -> Tensor:
    """out = a_1 @ a_2 @ ... @ a_n, in the order that takes the fewest multiplications.

    The matrices may also come as one list. The first may be a row and the last a column vector, of one
    axis, which is then gone from the result. (Cormen et al., Introduction to Algorithms, section 15.2.)

    >>> import tinygrad_lite as tl
    >>> tl.chain_matmul(tl.ones(2, 3), tl.ones(3, 4), tl.ones(4))
    tensor([12., 12.])
    """
    listed = len(matrices) == 1 and isinstance(matrices[0], (list, tuple))
    chain = [as_tensor(a) for a in (matrices[0] if listed else matrices)]
    if not chain or any(a.ndim != 2 for a in chain[1:-1]) or any(a.ndim not in (1, 2) for a in chain):
        raise ValueError(f"chain_matmul: got {[a.shape for a in chain]}; needs matrices, vectors only at the ends")
    if len(chain) == 1:
        return chain[0]
    n = [chain[0].shape[0] if chain[0].ndim == 2 else 1, *(a.shape[0] for a in chain[1:])]
    n.append(chain[-1].shape[1] if chain[-1].ndim == 2 else 1)
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(chain))}
    for length in range(1, len(chain)):
        for i in range(len(chain) - length):
            j = i + length
            best[i, j] = min((best[i, k][0] + best[k + 1, j][0] + n[i] * n[k + 1] * n[j + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Tensor:
        k = best[i, j][1]
        return chain[i] if i == j else matmul(product(i, k), product(k + 1, j))

    return product(0, len(chain) - 1)


# ------------------------------------------------------------------------------ in three dimensions


@primitive
def cross(x: Array, y: Array, axis: int | None = None) -> Tensor:
    """out = x cross y = (x_2 y_3 - x_3 y_2, x_3 y_1 - x_1 y_3, x_1 y_2 - x_2 y_1), along an axis of length 3.

    x and y broadcast. axis: by default the first of length 3; unless it is negative, x and y must have as many
    axes. Raises ValueError where an axis has another length.

    >>> import tinygrad_lite as tl
    >>> tl.cross(tl.tensor([1.0, 0.0, 0.0]), tl.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    axis = _axis_of_three(np.shape(x), np.shape(y), axis)
    return np.cross(x, y, axis=axis)


@cross.gradient
def cross_x(g, y, axis, x_shape, y_shape):
    return cross.on(y, g, _axis_of_three(x_shape, y_shape, axis))


@cross.gradient
def cross_y(g, x, axis, x_shape, y_shape):
    return cross.on(g, x, _axis_of_three(x_shape, y_shape, axis))


def _axis_of_three(x: tuple[int, ...], y: tuple[int, ...], axis: int | None) -> int:
    """The axis of a cross product, counted from the end; where none is named, the first of length 3."""
    shape = np.broadcast_shapes(x, y)
    if axis is None:
        axis = shape.index(3) if 3 in shape else len(shape)
    short = min(len(x), len(y))
    if (axis >= 0 and len(x) != len(y)) or not -short <= axis < short or x[axis] != 3 or y[axis] != 3:
        raise ValueError(f"cross: got {x} and {y}; needs as many axes in both, and length 3 along axis {axis}")
    return axis % len(shape) - len(shape)
