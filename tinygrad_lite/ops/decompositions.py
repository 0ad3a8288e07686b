"""Decompositions of matrices: Cholesky, symmetric eigenvalues, singular values, QR.

Vectors that belong to equal eigenvalues (or singular values) can be turned into each other, and have no
derivative: a gradient that comes through them is Inf or NaN, one that comes through the values alone is right.
A symmetric operand receives a symmetric gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.autograd import GradientError
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.systems import cutoff, finite, matrix, mT, single, solution
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, wrap

__all__ = ["cholesky", "eigh", "eigvalsh", "matrix_rank", "qr", "svd", "svdvals"]


@primitive(name="linalg.cholesky")
@single
def cholesky(x: Array, upper: bool = False) -> Tensor:
    """L, lower triangular, with A = L L^T, for each positive definite matrix of a stack (..., n, n).

    upper: give L^T, and read the upper triangle of A; else only the lower one is read. Raises ValueError
    where A is not positive definite. The rule is that of Murray 2016 (arXiv:1602.07527).

    >>> import tinygrad_lite as tl
    >>> tl.linalg.cholesky(tl.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return mT(np.linalg.cholesky(mT(x))).copy() if upper else np.linalg.cholesky(x)


@cholesky.gradient
def cholesky_x(g, out, upper):
    lower, g = (mT(out), mT(g)) if upper else (out, g)
    m = np.tril(np.matmul(mT(lower), g))
    m = m + mT(np.tril(m, -1))  # twice the symmetric part of the triangle with half of the diagonal
    m = solution.on(mT(lower), mT(solution.on(mT(lower), m)))
    return 0.5 * m


@primitive(outputs="eigenvalues eigenvectors", name="linalg.eigh")
@single
def eigh(x: Array, UPLO: str = "L") -> Any:
    """A = V diag(w) V^T for each symmetric matrix of a stack (..., n, n); the eigenvalues w ascend.

    UPLO: whether the lower ("L") or the upper ("U") triangle of A is read. Returns (eigenvalues (..., n),
    eigenvectors (..., n, n)), a vector in each column. The rule is that of Giles 2008, section 3.1.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.eigh(tl.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    if x.ndim > 1:
        finite(np.triu(x) if UPLO in ("U", "u") else np.tril(x))
    return tuple(np.linalg.eigh(x, UPLO))  # type: ignore[call-overload]


@eigh.gradient
def eigh_x(g, h, eigenvalues, eigenvectors):
    w, v = eigenvalues, eigenvectors
    middle = 0.5 * turned(np.matmul(mT(v), h), w) + g[..., None] * np.eye(w.shape[-1], dtype=w.dtype)
    return np.matmul(v, np.matmul(middle, mT(v)))


def turned(m: Any, w: Any) -> Any:
    """(m_ij - m_ji) / (w_j - w_i), and 0 on the diagonal."""
    one = np.eye(w.shape[-1], dtype=w.dtype)
    half = quotient.on(m * (1 - one), w[..., None, :] - w[..., :, None] + one)
    return half + mT(half)


@primitive(public=False)
def quotient(x: Array, y: Array) -> Tensor:
    """x / y with 0 / 0 = 0: where no gradient comes in, none goes on, whatever the factor."""
    with np.errstate(all="ignore"):
        return x / np.where((x == 0) & (y == 0), 1, y)


@quotient.gradient
def quotient_x(g, y):
    return quotient.on(g, y)


@quotient.gradient
def quotient_y(g, y, out):
    return -quotient.on(g * out, y)


@composed(name="linalg.eigvalsh")
def eigvalsh(x: Array, UPLO: str = "L") -> Tensor:
    """w with A = V diag(w) V^T, ascending; see `eigh`.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.eigvalsh(tl.tensor([[0.0, 2.0], [2.0, 0.0]]))
    tensor([-2.,  2.])
    """
    return eigh(x, UPLO).eigenvalues


@primitive(outputs="U S Vh", name="linalg.svd")
@single
def svd(A: Array, full_matrices: bool = True) -> Any:
    """A = U diag(S) Vh with orthogonal columns of U and rows of Vh, for each matrix of a stack (..., n, m).

    With k = min(n, m): S is (..., k), descending; U and Vh are (..., n, n) and (..., m, m), or, with
    full_matrices=False, (..., n, k) and (..., k, m). Through the columns of U and rows of Vh beyond k, which
    nothing determines, no gradient flows. (J. Townsend, "Differentiating the singular value decomposition",
    2016; Giles 2008, section 3.2.)

    >>> import tinygrad_lite as tl
    >>> tl.linalg.svd(tl.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    return tuple(np.linalg.svd(finite(A), full_matrices))


@svd.gradient
def svd_A(gU, gS, gVh, U, S, Vh):
    n, m, k = U.shape[-2], Vh.shape[-1], S.shape[-1]
    U, gU, Vh, gVh = U[..., :k], gU[..., :k], Vh[..., :k, :], gVh[..., :k, :]
    u, v = np.matmul(mT(U), gU), np.matmul(Vh, mT(gVh))
    row, column = S[..., None, :], S[..., :, None]
    middle = turned(u, S * S) * row + column * turned(v, S * S) + gS[..., None] * np.eye(k, dtype=S.dtype)
    g = np.matmul(np.matmul(U, middle), Vh)
    if n > k:
        g = g + np.matmul(quotient.on(gU - np.matmul(U, u), row), Vh)
    if m > k:
        g = g + np.matmul(U, quotient.on(gVh - np.matmul(mT(v), Vh), column))
    return g


@composed(name="linalg.svdvals")
def svdvals(A: Array) -> Tensor:
    """The singular values of each matrix of a stack, descending; see `svd`.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.svdvals(tl.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([2., 1.])
    """
    return svd(matrix("linalg.svdvals", A, square=False), False).S


@primitive(outputs="Q R", name="linalg.qr")
@single
def qr(A: Array, mode: str = "reduced") -> Any:
    """A = Q R, Q with orthogonal columns and R upper triangular, for each matrix of a stack (..., n, m).

    mode: with k = min(n, m), "reduced" gives Q (..., n, k) and R (..., k, m); "complete" gives (..., n, n) and
    (..., n, m), without a gradient for n > m; "r" gives R alone, with an empty Q and no gradient.
    The rule is that of Roberts and Roberts 2020 (arXiv:2009.10071).

    >>> import tinygrad_lite as tl
    >>> abs(tl.linalg.qr(tl.tensor([[3.0, 1.0], [4.0, 2.0]])).R[0, 0])
    tensor(5.)
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"linalg.qr: mode {mode!r}; the modes are 'reduced', 'complete' and 'r'")
    if mode == "r":
        return np.zeros((0,), A.dtype), np.linalg.qr(A, "r")
    return tuple(np.linalg.qr(A, mode))  # type: ignore[call-overload]


@qr.gradient
def qr_A(gQ, gR, Q, R, mode):
    n, m = Q.shape[0] if mode == "r" else Q.shape[-2], R.shape[-1]
    if mode == "r" or (mode == "complete" and n > m):
        raise GradientError(f"linalg.qr: mode={mode!r} has no gradient here, for it leaves Q open; use mode='reduced'")
    if m <= n:
        return _qr_back(gQ, gR, Q, R)
    U, V, gU, gV = R[..., :n], R[..., n:], gR[..., :n], gR[..., n:]  # A = [Q U, Q V]
    left = _qr_back(gQ + np.matmul(np.matmul(Q, V), mT(gV)), gU, Q, U)
    return np.concatenate([left, np.matmul(Q, gV)], axis=-1)


def _qr_back(gQ, gR, Q, R):
    m = np.tril(np.matmul(R, mT(gR)) - np.matmul(mT(gQ), Q))
    m = m + mT(np.tril(m, -1))
    return mT(solution.on(R, mT(gQ + np.matmul(Q, m))))


@composed(name="linalg.matrix_rank")
def matrix_rank(A: Array, tol: Any = None, hermitian: bool = False, atol: Any = None, rtol: Any = None) -> Tensor:
    """The number of singular values above max(atol, rtol s_max), of each matrix of a stack; integers.

    rtol: by default max(n, m) times the rounding step of the dtype, or 0 where atol > 0 is given. tol:
    NumPy's and PyTorch's other word for atol. hermitian: A is symmetric, only its lower triangle is read.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.matrix_rank(tl.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    a = finite(as_tensor(A).detach()._array)
    a = a.astype(np.float32) if a.dtype == np.float16 else a
    if a.ndim < 2:
        raise ValueError(f"linalg.matrix_rank: got shape {a.shape}; needs matrices (..., n, m)")
    s = np.abs(np.linalg.eigvalsh(a)) if hermitian else np.linalg.svd(a, compute_uv=False)
    return wrap(np.asarray(np.sum(s > cutoff(s, a, rtol if tol is None else 0.0, atol if tol is None else tol), -1)))
