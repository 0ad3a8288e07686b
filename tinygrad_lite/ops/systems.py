"""Inverses and linear systems.

With the inverse X of A, dX = -X dA X; the solution X of A X = B has dX = A^-1 (dB - dA X). All rules here
and in the files beside this one come from such lines (M. Giles, "Collected matrix derivative results for
forward and reverse mode algorithmic differentiation", 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.elementwise import quiet
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["inv", "matrix_power", "pinv", "solve", "solve_triangular"]

P = ParamSpec("P")
R = TypeVar("R")


def single(value: Callable[P, R]) -> Callable[P, R]:
    """Compute float16 operands in float32, for LAPACK has no half precision; the results are float16 again.

    Where NaN and Inf are answers, they come without a warning.
    """

    @wraps(value)
    @quiet
    def compute(*args: Any, **params: Any) -> Any:
        if all(getattr(a, "dtype", None) != np.float16 for a in args):
            return value(*args, **params)
        dtype = np.result_type(*(a for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "f"))
        raised = [a.astype(np.float32) if getattr(a, "dtype", None) == np.float16 else a for a in args]
        out: Any = value(*raised, **params)
        cast = [a.astype(dtype) if a.dtype.kind == "f" else a for a in (out if isinstance(out, tuple) else (out,))]
        return cast if isinstance(out, tuple) else cast[0]

    return compute  # type: ignore[return-value]


def mT(x: Any) -> Any:
    """x with its last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


def finite(x: np.ndarray) -> np.ndarray:
    """x. Raises ValueError for NaN or Inf, of which some decompositions make ordinary numbers."""
    if not np.isfinite(x).all():
        raise ValueError("the matrix holds NaN or Inf; tl.detect_anomaly() finds where they were made")
    return x


def matrix(name: str, x: Any, square: bool = True) -> Tensor:
    """x as a Tensor. Raises ValueError where it is not a (square) matrix, or a stack of them."""
    x = as_tensor(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ValueError(f"{name}: got shape {x.shape}; needs {'square ' if square else ''}matrices (..., n, n)")
    return x


@primitive(name="linalg.inv")
@single
def inv(x: Array) -> Tensor:
    """X = A^-1, so that A X = I; of each matrix of a stack (..., n, n).

    Raises ValueError for a singular matrix. To solve A X = B, `solve` is faster and more accurate.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.inv(tl.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return np.linalg.inv(x)


@inv.gradient
def inv_x(g, out):
    return -np.matmul(mT(out), np.matmul(g, mT(out)))


@primitive(public=False)
@single
def solution(a: Array, b: Array) -> Tensor:
    """X with A X = B, for matrices A (..., n, n) and B (..., n, k)."""
    return np.linalg.solve(a, b)


@solution.gradients
def solution_ab(g, a, out, needs):
    z = solution.on(mT(a), g)
    return [-np.matmul(z, mT(out)) if needs[0] else None, z if needs[1] else None]


@composed(name="linalg.solve")
def solve(A: Array, B: Array, left: bool = True) -> Tensor:
    """X with A X = B; with left=False, X A = B.

    A: (..., n, n). B: (..., n, k), or a vector (n,), or a vector (..., n) for each matrix A (...);
    leading axes broadcast. Raises ValueError for a singular A and where shapes don't fit.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.solve(tl.tensor([[2.0, 0.0], [0.0, 4.0]]), tl.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    A, B = matrix("linalg.solve", A), as_tensor(B)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    if not B.ndim or B.shape[-1 if vector or not left else -2] != A.shape[-1]:
        raise ValueError(f"linalg.solve: A of shape {A.shape} and B of shape {B.shape} don't fit, left={left}")
    if vector and not left:
        raise ValueError("linalg.solve: X A = B with a vector B; pass a row B[..., None, :], or left=True")
    B = B[..., None] if vector else B
    X = solution(A, B) if left else mT(solution(mT(A), mT(B)))
    return X[..., 0] if vector else X


@composed(name="linalg.solve_triangular")
def solve_triangular(A: Array, B: Array, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with T X = B (left=False: X T = B), for the upper or lower triangle T of A.

    A: (..., n, n). B: (..., n, k), with left=False (..., k, n); leading axes broadcast. unitriangular: take
    the diagonal as ones. Raises ValueError for a zero on the diagonal.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.solve_triangular(tl.tensor([[2.0, 1.0], [7.0, 4.0]]), tl.tensor([[4.0], [4.0]]), upper=True)
    tensor([[1.5],
            [1. ]])
    """
    A, B = matrix("linalg.solve_triangular", A), matrix("linalg.solve_triangular", B, square=False)
    T = np.triu(A, int(unitriangular)) if upper else np.tril(A, -int(unitriangular))
    if unitriangular:
        T = T + np.eye(A.shape[-1], dtype=A.dtype)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise ValueError(
            f"linalg.solve_triangular: A of shape {A.shape} and B of shape {B.shape} don't fit, left={left}"
        )
    return solution(T, B) if left else mT(solution(mT(T), mT(B)))


@primitive(name="linalg.pinv")
@single
def pinv(A: Array, rtol: Any = None, hermitian: bool = False, atol: Any = None) -> Tensor:
    """X = V diag(1/s) U^T for A = U diag(s) V^T: the Moore-Penrose inverse of each matrix of a stack.

    A: (..., n, m); the result is (..., m, n). Singular values up to max(atol, rtol s_max) count as 0; rtol
    is max(n, m) times the rounding step of the dtype, or 0 where atol > 0 is given. hermitian: A is
    symmetric, only its lower triangle is read. The gradient is that of Golub and Pereyra 1973 (SIAM J.
    Numer. Anal. 10), which takes the rank for constant.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.pinv(tl.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    finite(A)
    if hermitian:
        s, u = np.linalg.eigh(A)
        vh = mT(u)
    else:
        u, s, vh = np.linalg.svd(A, full_matrices=False)
    limit = cutoff(s, A, rtol, atol)
    if np.broadcast_shapes(limit.shape, s.shape) != s.shape and limit.size > 1:
        raise ValueError(f"linalg.pinv: tolerances of shape {limit.shape[:-1]} for matrices {A.shape}")
    counts = np.abs(s) > limit
    inverse = np.where(counts, 1, 0) / np.where(counts, s, 1)
    return np.matmul(mT(vh) * inverse[..., None, :].astype(s.dtype), mT(u))


@pinv.gradient
def pinv_A(g, A, out):
    h, outT = mT(g), mT(out)
    row = np.matmul(np.matmul(h, out), outT)  # g^T X X^T, and below X^T X g^T, each less its projection
    column = np.matmul(outT, np.matmul(out, h))
    row = row - np.matmul(A, np.matmul(out, row))
    column = column - np.matmul(np.matmul(column, out), A)
    return row + column - np.matmul(outT, np.matmul(g, outT))


def cutoff(s: np.ndarray, A: np.ndarray, rtol: Any, atol: Any) -> np.ndarray:
    """The size up to which the singular values `s` of A count as zero, with an axis of length 1 to compare."""
    atol = np.asarray(0.0 if atol is None else getattr(atol, "_array", atol))
    if rtol is None:
        rtol = np.where(atol > 0, 0.0, max(A.shape[-2:]) * float(np.finfo(s.dtype).eps))
    rtol = np.asarray(getattr(rtol, "_array", rtol))
    largest = np.abs(s).max(-1, initial=0)
    return np.maximum(atol, rtol * largest)[..., None]


@composed(name="linalg.matrix_power")
def matrix_power(x: Array, n: int) -> Tensor:
    """A^n = A A ... A, n times; for n < 0, that of A^-1; for n = 0, I.

    x: (..., m, m). Takes about 2 log2(n) products. Raises ValueError for a singular A with n < 0.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.matrix_power(tl.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    x = matrix("linalg.matrix_power", x)
    if n == 0:
        return np.where(False, x, np.eye(x.shape[-1], dtype=x.dtype))
    square = x if n > 0 else inv(x)
    power, n = None, abs(int(n))
    while n:
        if n & 1:
            power = square if power is None else np.matmul(power, square)
        n >>= 1
        square = np.matmul(square, square) if n else square
    return power.clone() if power is x else power  # type: ignore[union-attr,return-value]
