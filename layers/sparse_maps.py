"""Sparsemax, Fusedmax and Oscarmax as modules: attention weights that are exactly 0, or equal in groups."""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = ["Fusedmax", "Oscarmax", "Sparsemax"]


class Sparsemax(Module):
    """The nearest probabilities to the scores along the axis `dim`; Martins and Astudillo 2016, arXiv:1602.02068.

    Many of them are exactly 0. A score of -inf is masked. See `tl.sparsemax`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Sparsemax
    >>> Sparsemax()(tl.tensor([1.0, 0.5, -2.0]))
    tensor([0.75, 0.25, 0.  ])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return tl.sparsemax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Fusedmax(Module):
    """Sparse probabilities in blocks: neighbours whose scores are similar share one; see `tl.fusedmax`.

    lambd  the weight of sum |y_(i+1) - y_i|: 0 is sparsemax, much is uniform

    Niculae and Blondel 2017, arXiv:1705.07704.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Fusedmax
    >>> Fusedmax(lambd=0.25)(tl.tensor([1.0, 1.25, 0.0, -1.0]))
    tensor([0.5, 0.5, 0. , 0. ])
    """

    def __init__(self, dim: int = -1, lambd: float = 1.0) -> None:
        super().__init__()
        self.dim, self.lambd = dim, lambd

    def forward(self, input: Tensor) -> Tensor:
        return tl.fusedmax(input, self.dim, self.lambd)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, lambd={self.lambd}"


class Oscarmax(Fusedmax):
    """Sparse probabilities in clusters: similar scores share one, wherever they stand; see `tl.oscarmax`.

    lambd  the weight of the sum over pairs of max(y_i, y_j): 0 is sparsemax, much is uniform

    Niculae and Blondel 2017, arXiv:1705.07704.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Oscarmax
    >>> Oscarmax(lambd=0.25)(tl.tensor([1.0, -1.0, 1.25]))
    tensor([0.5, 0. , 0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.oscarmax(input, self.dim, self.lambd)
