"""Determinants, with gradients that hold at singular matrices too.

The derivative of det(A) with respect to A is the matrix of cofactors, C = det(A) A^-T, which exists for
every A. So it is computed from a singular value decomposition and not from the inverse (N. Higham, "What
Is the Adjugate of a Matrix?", 2020), and its own derivative likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.systems import inv, matrix, mT, single
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["det", "logdet", "slogdet"]


@primitive(name="linalg.det")
@single
def det(x: Array) -> Tensor:
    """det(A), of each matrix of a stack (..., n, n); 1 for the empty matrix.

    The gradient is the matrix of cofactors, for singular matrices too; so is the second order.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.det(tl.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=float)).round(6)
    tensor(-2., dtype=float64)
    """
    return np.linalg.det(x)


@det.gradient
def det_x(g, x):
    return g[..., None, None] * cofactors.on(x)


@primitive(public=False)
@single
def cofactors(x: Array) -> Tensor:
    """C = d det(A) / dA = det(U V) U diag(gamma) V^T with gamma_i the product of the other singular values."""
    inverse = _accurate_inverse(x)
    if inverse is not None:
        return mT(inverse) * np.linalg.det(x)[..., None, None]
    u, s, vh = np.linalg.svd(x)
    gamma = _before(s) * _before(s[..., ::-1])[..., ::-1]
    return _sign(u, vh) * np.matmul(u * gamma[..., None, :], vh)


def _accurate_inverse(x: np.ndarray) -> np.ndarray | None:
    """The inverses, where they lose no more than a quarter of the digits; else None."""
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    condition = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
    return None if np.any(condition > np.finfo(x.dtype).eps ** -0.25) else inverse


@cofactors.gradient
def cofactors_x(g, x):
    return cofactor_slope.on(g, x)


@primitive(public=False)
@single
def cofactor_slope(h: Array, x: Array) -> Tensor:
    """The change of C(A) as A moves along H (and, since it is symmetric, its gradient for an upstream H).

    Where A is diagonal, with entries s, the determinant of A + E is to second order
    sum_ij P_ij (E_ii E_jj - E_ij E_ji) / 2, P_ij being the product of all s but s_i and s_j.
    """
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    later = np.arange(n) > np.arange(n)[:, None]  # where j > i
    between = np.cumprod(np.where(later, s[..., None, :], 1), -1)  # s_i+1 ... s_j
    between = np.concatenate([np.ones_like(between[..., :1]), between[..., :-1]], -1) if n else between
    after = _before(s[..., ::-1])[..., ::-1]
    p = np.where(later, _before(s)[..., :, None] * between * after[..., None, :], 0)
    p = p + mT(p)
    e = np.matmul(mT(u), np.matmul(h, mT(vh)))
    diagonal = np.matmul(p, np.diagonal(e, 0, -2, -1)[..., None])
    change = diagonal * np.eye(n, dtype=x.dtype) - p * mT(e)
    return _sign(u, vh) * np.matmul(u, np.matmul(change, vh))


@cofactor_slope.gradient
def cofactor_slope_h(g, x):
    return cofactor_slope.on(g, x)


@cofactor_slope.gradient
def cofactor_slope_x(g, h, x):
    """The third derivative of det, of invertible matrices only: with B = A^-T, that of
    det(A) ((G : B)(H : B) - tr(H^T B G^T B))."""
    b = mT(inv.on(x))
    gbh = np.matmul(mT(g), np.matmul(b, mT(h)))  # G^T B H^T
    hbg = np.matmul(mT(h), np.matmul(b, mT(g)))
    gb, hb = _dot(g, b), _dot(h, b)
    crossed = _dot(mT(hbg), b)
    inner = (gb * hb - crossed) * np.eye(x.shape[-1], dtype=x.dtype)
    mixed = np.matmul(gbh + hbg - hb * mT(g) - gb * mT(h), b)
    return det.on(x)[..., None, None] * np.matmul(b, inner + mixed)


def _before(s: np.ndarray) -> np.ndarray:
    """For each element, the product of those before it."""
    return np.concatenate([np.ones_like(s[..., :1]), np.cumprod(s[..., :-1], -1)], -1)


def _sign(u: np.ndarray, vh: np.ndarray) -> np.ndarray:
    """det(U V), 1 or -1."""
    return np.sign(np.linalg.det(np.matmul(u, vh)))[..., None, None]


def _dot(a: Any, b: Any) -> Any:
    """A : B, the sum of the products of their elements, with two axes of length 1."""
    return np.sum(a * b, axis=(-2, -1), keepdims=True)


@primitive(outputs="sign logabsdet", discrete="sign", name="linalg.slogdet")
@single
def slogdet(x: Array) -> Any:
    """(sign, log |det(A)|), of each matrix of a stack (..., n, n), without overflow; (0, -Inf) for a singular A.

    Returns (sign, logabsdet); the sign, -1, 0 or 1, has no gradient. At a singular matrix the gradient is Inf or NaN.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.slogdet(tl.tensor([[0.0, 1.0], [1.0, 0.0]]))
    slogdet(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    sign, logabsdet = np.linalg.slogdet(x)
    return np.where(np.isnan(logabsdet), logabsdet, sign), logabsdet


@slogdet.gradient
def slogdet_x(g, x):
    return g[..., None, None] * mT(inv.on(x))


@composed
def logdet(x: Array) -> Tensor:
    """log(det(A)), of each matrix of a stack (..., n, n): NaN for a negative determinant, -Inf for a singular A.

    >>> import tinygrad_lite as tl
    >>> tl.logdet(tl.eye(3) * 2.0)
    tensor(2.0794415)
    """
    sign, logabsdet = slogdet(matrix("logdet", x))
    return logabsdet + np.log(sign)
