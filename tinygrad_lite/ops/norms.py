"""Norms of vectors and matrices, and distances between vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.decompositions import svdvals
from tinygrad_lite.ops.reductions import axes_of, count, unreduced
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["cdist", "matrix_norm", "norm", "vector_norm"]


@primitive(name="linalg.vector_norm")
def vector_norm(x: Array, ord: float = 2, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """|x| = (sum_i |x_i|^p)^(1/p) over the axes (None for all), where p is `ord`.

    ord: any number; inf and -inf give the largest and the smallest |x_i|, 0 counts those that are not 0.
    dtype: to compute in. The gradient is 0 where the norm is 0; for inf, equal |x_i| share it.
    Raises ValueError for an empty maximum or minimum.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.vector_norm(tl.tensor([[3.0, 4.0], [6.0, 8.0]]), axis=1)
    tensor([ 5., 10.])
    """
    dtype = np.dtype(dtype or (x.dtype if x.dtype.kind == "f" else np.float64))
    size = np.abs(x.astype(np.float32 if dtype == np.float16 else dtype, copy=False))
    axes = axes_of(axis, x.ndim)
    if math.isinf(ord):
        if not count(x.shape, axis) and x.ndim:
            raise ValueError(f"linalg.vector_norm: ord={ord} of no elements: shape {x.shape}, axis {axis}")
        out = np.max(size, axes, keepdims=keepdims) if ord > 0 else np.min(size, axes, keepdims=keepdims)
    elif ord == 0:
        out = np.sum(size != 0, axes, dtype=size.dtype, keepdims=keepdims)
    elif ord == 1:
        out = np.sum(size, axes, keepdims=keepdims)
    elif ord == 2:
        out = np.sqrt(np.sum(size * size, axes, keepdims=keepdims))
    else:
        with np.errstate(divide="ignore", over="ignore"):  # 0^p is Inf for p < 0, and then the norm is 0
            out = np.sum(size ** float(ord), axes, keepdims=keepdims) ** (1 / float(ord))
    return out.astype(dtype, copy=False)


@vector_norm.gradient
def vector_norm_x(g, x, out, ord, axis):
    if ord == 0:
        return np.zeros_like(x)
    g, out = unreduced(g, x.shape, axis), unreduced(out, x.shape, axis)
    if ord == 1:
        return g * np.sign(x)
    if math.isinf(ord):
        extreme = (np.abs(x) == out) | (x != x)
        return g * np.sign(x) * (extreme / np.sum(extreme, axis=axes_of(axis, x.ndim), keepdims=True))
    ratio = x / np.where(out == 0, math.inf, out)
    if ord == 2:
        return g * ratio
    size = np.where(x == 0, 1, np.abs(ratio))  # its power may be Inf at 0, where the sign makes 0 of it
    return g * np.sign(ratio) * size ** (float(ord) - 1)


@composed(name="linalg.matrix_norm")
def matrix_norm(
    x: Array, ord: Any = "fro", axis: tuple[int, int] = (-2, -1), keepdims: bool = False, dtype: Any = None
) -> Tensor:
    """|A| of each matrix in two axes of x, for the singular values s of A:

    ord: "fro" sqrt(sum s^2), "nuc" sum s, 2 max s, -2 min s, 1 and -1 the largest and smallest sum of |A_ij|
    over a column, inf and -inf over a row. axis: those of the rows and the columns. dtype: to compute in.
    Raises ValueError for another ord, and TypeError or ValueError for an axis that is no pair.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.matrix_norm(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), ord=1)
    tensor(6.)
    """
    x = as_tensor(x) if dtype is None else as_tensor(x).astype(dtype)
    rows, columns = axes = axes_of(tuple(axis), x.ndim) if x.ndim > 1 and len(axis) == 2 else (-1, -1)
    if rows == columns:
        raise ValueError(f"linalg.matrix_norm: shape {x.shape}, axis {axis}; needs two different axes")
    if ord == "fro":
        return vector_norm(x, 2, axes, keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        first, second = axes if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(x, 1, first, True)
        out = np.max(sums, axis=second, keepdims=True) if ord > 0 else np.min(sums, axis=second, keepdims=True)
    elif ord in (2, -2, "nuc"):
        s = svdvals(np.moveaxis(x, axes, (-2, -1)))
        out = np.sum(s, axis=-1) if ord == "nuc" else np.max(s, axis=-1) if ord == 2 else np.min(s, axis=-1)
    else:
        raise ValueError(f"linalg.matrix_norm: ord={ord!r}; it is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return np.reshape(out, [1 if k in axes else n for k, n in enumerate(x.shape) if keepdims or k not in axes])


@composed(name="linalg.norm")
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """|x|, of vectors or of matrices, as `ord` and `axis` say.

    axis: one axis for vectors, two for matrices; None for the whole of x, which for a given ord must have
    one or two axes. ord: as in `vector_norm` or `matrix_norm`; None for the root of the sum of all squares.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.norm(tl.tensor([[3.0, 0.0], [0.0, -4.0]])), tl.linalg.norm(tl.tensor([3.0, -4.0]), ord=1)
    (tensor(5.), tensor(7.))
    """
    x = as_tensor(x)
    if ord is None:
        return vector_norm(x, 2, axis, keepdims, dtype)
    if axis is None and x.ndim not in (1, 2):
        raise ValueError(f"linalg.norm: ord={ord!r} of shape {x.shape}; name the axes: one, or two for matrices")
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(x, ord, axes, keepdims, dtype)
    if len(axes) != 2:
        raise ValueError(f"linalg.norm: ord={ord!r} for shape {x.shape} and axis {axis}; no such norm")
    return matrix_norm(x, ord, axes, keepdims, dtype)


# ----------------------------------------------------------------------------------- distances


@composed
def cdist(x1: Array, x2: Array, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """out_ij = |a_i - b_j|_p, the distances between the rows of x1 and those of x2.

    x1: (..., n, k), x2: (..., m, k), leading axes broadcast; the result is (..., n, m). p >= 0, or inf. With
    more than 25 rows and p = 2, by way of a matrix product, which rounds more where points nearly coincide:
    compute_mode="donot_use_mm_for_euclid_dist" never does so, "use_mm_for_euclid_dist" always.

    >>> import tinygrad_lite as tl
    >>> tl.cdist(tl.tensor([[0.0, 0.0]]), tl.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    x1, x2 = as_tensor(x1), as_tensor(x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1] or p < 0:
        raise ValueError(f"cdist: got {x1.shape}, {x2.shape} and p={p}; needs (..., n, k), (..., m, k) and p >= 0")
    product = "donot" not in compute_mode and ("necessary" not in compute_mode or max(x1.shape[-2], x2.shape[-2]) > 25)
    if p == 2 and product:
        return euclidean(x1, x2)
    if not x1.shape[-1]:
        return np.sum(x1, axis=-1)[..., :, None] + np.sum(x2, axis=-1)[..., None, :]  # 0, for p = inf too
    return vector_norm(x1[..., :, None, :] - x2[..., None, :, :], p, -1)


@primitive(public=False)
def euclidean(x1: Array, x2: Array) -> Tensor:
    """out_ij = |a_i - b_j|, from |a|^2 + |b|^2 - 2 a b: one matrix product, and no array of differences."""
    middle = np.mean(x2, axis=-2, keepdims=True) if x2.size else 0  # the distances stay, and fewer digits cancel
    a, b = x1 - middle, x2 - middle
    out = np.matmul(a * -2, np.swapaxes(b, -1, -2))
    out += np.sum(a * a, -1)[..., :, None]
    out += np.sum(b * b, -1)[..., None, :]
    return np.sqrt(np.maximum(out, 0, out=out), out=out)


@euclidean.gradients
def euclidean_x1_x2(g, x1, x2, out):
    """sum_j w_ij (a_i - b_j) and sum_i w_ij (b_j - a_i) with w_ij = g_ij / out_ij, and 0 where points coincide."""
    w = g / np.where(out == 0, math.inf, out)
    wT = np.swapaxes(w, -1, -2)
    return [
        x1 * np.sum(w, axis=-1, keepdims=True) - np.matmul(w, x2),
        x2 * np.sum(wT, axis=-1, keepdims=True) - np.matmul(wT, x1),
    ]
