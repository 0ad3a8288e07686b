"""`tl.linalg`: linear algebra under the names of `torch.linalg` and `np.linalg`.

The operations stand in systems.py, determinants.py, decompositions.py and norms.py; matrix products are flat in
`tl` (products.py). All take stacks of matrices (..., n, m). In the registry their names begin with "linalg.".
"""

from __future__ import annotations

from typing import Any

from tinygrad_lite.ops import products
from tinygrad_lite.ops.decompositions import cholesky, eigh, eigvalsh, matrix_rank, qr, svd, svdvals
from tinygrad_lite.ops.determinants import det, logdet, slogdet
from tinygrad_lite.ops.norms import matrix_norm, norm, vector_norm
from tinygrad_lite.ops.systems import inv, matrix_power, pinv, solve, solve_triangular
from tinygrad_lite.primitive import composed
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "cholesky",
    "cross",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "logdet",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vector_norm",
]


@composed(name="linalg.multi_dot")
def multi_dot(tensors: Any) -> Tensor:
    """out = a_1 @ a_2 @ ... @ a_n, in the order that takes the fewest multiplications; see `tl.chain_matmul`.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.multi_dot([tl.ones(2, 3), tl.ones(3, 4), tl.ones(4)])
    tensor([12., 12.])
    """
    return products.chain_matmul(*tensors)


@composed(name="linalg.cross")
def cross(x: Array, y: Array, axis: int = -1) -> Tensor:
    """out = x cross y, along an axis of length 3, the last by default; see `tl.cross`.

    >>> import tinygrad_lite as tl
    >>> tl.linalg.cross(tl.tensor([1.0, 0.0, 0.0]), tl.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return products.cross(x, y, axis)
