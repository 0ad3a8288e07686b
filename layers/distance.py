"""Distances between vectors as modules."""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """x1 . x2 / max(|x1| |x2|, eps) along an axis; PyTorch's word for it is `dim`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CosineSimilarity
    >>> CosineSimilarity()(tl.tensor([[3.0, 4.0]]), tl.tensor([[5.0, 0.0]])).round(decimals=4)
    tensor([0.6])
    """

    def __init__(self, axis: int = 1, eps: float = 1e-8, dim: int | None = None) -> None:
        super().__init__()
        self.axis, self.eps = axis if dim is None else dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return tl.cosine_similarity(x1, x2, self.axis, self.eps)

    def extra_repr(self) -> str:
        return f"axis={self.axis}, eps={self.eps}"


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last axis.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PairwiseDistance
    >>> PairwiseDistance(eps=0.0)(tl.tensor([[0.0, 0.0]]), tl.tensor([[3.0, 4.0]]))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return tl.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)

    def extra_repr(self) -> str:
        return f"p={self.p}, eps={self.eps}, keepdim={self.keepdim}"
