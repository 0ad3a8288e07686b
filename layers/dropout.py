"""Dropout: a part of the values set to zero in training."""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, each value is zero with probability p, else divided by 1 - p; in inference, the input.

    Srivastava et al. 2014. The numbers come from `tl.generator()`. Raises ValueError for p outside [0, 1].

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Dropout
    >>> layer = Dropout(0.5)
    >>> sorted(set(layer(tl.ones(100)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(tl.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is a probability, got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return tl.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
