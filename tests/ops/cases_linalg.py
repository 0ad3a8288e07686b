"""Calls of linear algebra: matrices kept away from singular ones and from equal eigenvalues by construction."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.ops.cases_products import batch_shapes, torched
from tests.ops.spec import SPECS, Call, Spec, arrays

length = st.sampled_from([2, 3, 1, 0])
stacks = st.sampled_from([(), (), (), (2,), (1, 2), (0,)])
shapes = st.sampled_from([(2, 3), (3, 2), (3, 3), (2, 2), (1, 3), (3, 1), (0, 2), (2, 0)])


@st.composite
def near_diagonal(draw: Any, n: int, m: int, lead: Any = None, unique: bool = False) -> np.ndarray:
    """(..., n, m) with 2, 4, 6 ... on the diagonal, in any order, and noise of up to 0.3 everywhere.

    Invertible, of full rank, with eigenvalues and singular values that differ by 0.2 at least.
    """
    lead = draw(stacks) if lead is None else lead
    diagonal = np.zeros((n, m))
    k = min(n, m)
    diagonal[range(k), range(k)] = 2.0 * np.array(draw(st.permutations(range(1, k + 1))))
    return diagonal + draw(arrays((*lead, n, m), -0.3, 0.3, unique=unique))


@st.composite
def squares(draw: Any, **params: Any) -> Call:
    n = draw(length)
    return Call((draw(near_diagonal(n, n)),), {k: draw(s) for k, s in params.items()})


@st.composite
def rectangles(draw: Any, **params: Any) -> Call:
    n, m = draw(shapes)
    return Call((draw(near_diagonal(n, m)),), {k: draw(s) for k, s in params.items()})


@st.composite
def symmetric(draw: Any, **params: Any) -> Call:
    n = draw(length)
    a = draw(near_diagonal(n, n))
    return Call((0.5 * (a + np.swapaxes(a, -1, -2)),), {k: draw(s) for k, s in params.items()})


@st.composite
def any_squares(draw: Any) -> Call:
    """Of every rank: two rows may be the same, up to a factor."""
    n = draw(length)
    a = draw(arrays((*draw(stacks), n, n), -2, 2))
    if n > 1:
        for k in range(1, draw(st.integers(1, n))):
            a[..., k, :] = a[..., 0, :] * 0.3 * k  # which rounds: singular but for the last digit
    return Call((a,))


@st.composite
def systems(draw: Any, triangular: bool = False) -> Call:
    """A and B whose stacks broadcast; for `solve` also vectors."""
    a, b = draw(batch_shapes())
    n, k = draw(length), draw(length)
    A = draw(near_diagonal(n, n, a))
    left = draw(st.booleans())
    shape = (*b, n, k) if left else (*b, k, n)
    if not triangular and left and draw(st.booleans()):
        shape = draw(st.sampled_from([(n,), A.shape[:-1]]))
    params: dict[str, Any] = {"left": left or (shape == A.shape[:-1] and not triangular)}  # a vector for each matrix
    if triangular:
        params |= {"upper": draw(st.booleans()), "unitriangular": draw(st.booleans())}
    return Call((A, draw(arrays(shape))), params)


@st.composite
def powers(draw: Any) -> Call:
    n = draw(length)
    return Call((draw(near_diagonal(n, n)) / 4, draw(st.sampled_from([2, 1, 3, 5, -1, -3, 0]))))


@st.composite
def svds(draw: Any) -> Call:
    """Without the columns that nothing determines: full matrices where they are square."""
    n, m = draw(shapes)
    return Call((draw(near_diagonal(n, m)),), {"full_matrices": n == m and draw(st.booleans())})


@st.composite
def qrs(draw: Any) -> Call:
    n, m = draw(shapes)
    return Call((draw(near_diagonal(n, m)),), {"mode": draw(st.sampled_from(["reduced", "complete"][: 1 + (n <= m)]))})


@st.composite
def vector_norms(draw: Any, orders: list, gap: float = 0.3) -> Call:
    """Any axes; elements away from 0, and no two with the same absolute value. No empty minimum or maximum."""
    ord = draw(st.sampled_from(orders))
    positive = ord is None or 0 < ord < math.inf
    shape = tuple(draw(st.lists(st.integers(0 if positive else 1, 3), max_size=3)))
    axes = st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1).map(tuple) if shape else st.none()
    axis = draw(st.one_of(st.none(), axes))
    if axis and len(axis) == 1 and draw(st.booleans()):
        axis = axis[0] - draw(st.sampled_from([0, len(shape)]))
    x = draw(arrays(shape, gap=(-gap, gap), unique=True))
    return Call((x,), {"ord": ord, "axis": axis, "keepdims": draw(st.booleans())})


@st.composite
def matrix_norms(draw: Any, orders: list) -> Call:
    """Any two axes; rows and columns whose sums of absolute values differ."""
    x = draw(near_diagonal(draw(st.integers(1, 3)), draw(st.integers(1, 3)), unique=True))
    rank = x.ndim
    rows, columns = draw(st.permutations(range(rank)))[:2]
    x = np.ascontiguousarray(np.moveaxis(x, (-2, -1), (rows, columns)))
    axis = (rows - draw(st.sampled_from([0, rank])), columns - draw(st.sampled_from([0, rank])))
    return Call((x,), {"ord": draw(st.sampled_from(orders)), "axis": axis, "keepdims": draw(st.booleans())})


@st.composite
def norms(draw: Any) -> Call:
    """Of vectors, of matrices, and of everything."""
    orders = [None, 0.5, 1, 2, 3.5, math.inf, -1]
    call = draw(st.one_of(vector_norms(orders), matrix_norms(["fro", "nuc", 1, -1, 2, -2, math.inf])))
    axis, rank = call.params["axis"], call.args[0].ndim
    if call.params["ord"] is not None and isinstance(axis, tuple) and len(axis) != 2:
        call.params["axis"] = axis[0]
    elif isinstance(axis, tuple) and len(axis) > 2:
        call.params["axis"] = axis[:2]  # PyTorch takes no more
    elif call.params["ord"] is not None and (axis is None or len(np.atleast_1d(axis)) == 2) and rank != 1:
        call = draw(matrix_norms(["fro", "nuc", 1, -1, 2, -2, math.inf]))
    return call


@st.composite
def ranks(draw: Any) -> Call:
    """Matrices of every rank, with and without a tolerance."""
    (a,) = draw(any_squares()).args
    params = [{}, {"tol": 0.5}, {"atol": 0.5}, {"rtol": 0.1}, {"atol": 1.0, "rtol": 0.1}]
    return Call((a,), draw(st.sampled_from(params)))


def leibniz(a: Any) -> Any:
    """The determinant as a sum over permutations, for the gradient of torch's own is 0 at singular matrices."""
    n = a.shape[-1]
    terms = [math.prod(a[..., i, j] for i, j in enumerate(p)) * parity(p) for p in itertools.permutations(range(n))]
    return sum(terms) + 0 * a.sum((-2, -1))  # which has the shape of an empty stack, too


def parity(p: tuple[int, ...]) -> int:
    return (-1) ** sum(p[i] > p[j] for i, j in itertools.combinations(range(len(p)), 2))


ORDERS = [2, 2, 1, 0, 0.5, 1.5, 3, 3.5, -1, -2, math.inf, -math.inf]
MATRIX_ORDERS = ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf]
words = {"axis": "dim", "keepdims": "keepdim"}

for _name, _calls in {
    "inv": squares(),
    "slogdet": squares(),
    "solve": systems(),
    "solve_triangular": systems(triangular=True),
    "matrix_power": powers(),
    "svdvals": rectangles(),
    "qr": qrs(),
    "pinv": rectangles(rtol=st.sampled_from([None, 1e-8])),
    "vector_norm": vector_norms(ORDERS),
    "matrix_norm": matrix_norms(MATRIX_ORDERS),
    "norm": norms(),
}.items():
    SPECS[f"linalg.{_name}"] = Spec(_calls, torched(f"linalg.{_name}", **words))
SPECS["linalg.det"] = Spec(any_squares(), leibniz)
SPECS["logdet"] = Spec(squares(), torched("logdet"))
SPECS["linalg.matrix_rank"] = Spec(ranks(), torched("linalg.matrix_rank"), gradient=False)
SPECS["linalg.svd"] = Spec(svds())  # the sign of the vectors is left open: test_linalg.py compares with torch
triangle = st.sampled_from(["L", "U"])
SPECS["linalg.cholesky"] = Spec(symmetric(upper=st.booleans()), torched("linalg.cholesky"), symmetric=True)
SPECS["linalg.eigh"] = Spec(symmetric(UPLO=triangle), symmetric=True)
SPECS["linalg.eigvalsh"] = Spec(symmetric(UPLO=triangle), torched("linalg.eigvalsh"), symmetric=True)
