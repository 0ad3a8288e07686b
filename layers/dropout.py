"""Dropouts: a part of the values set to zero, or to where selu saturates, in training; each is a function too.

The numbers come from `tl.generator()`, so that `tl.manual_seed` makes them repeatable.
"""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.activation import InPlace
from tinygrad_lite.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(InPlace):
    """p: the probability to drop a value. Raises ValueError for p outside [0, 1]."""

    shown = ("p",)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is a probability, got {p}")
        self.p = p


class Dropout(_Dropout):
    """In training, each value is zero with probability p, else divided by 1 - p; in inference, the input.

    Srivastava et al. 2014. Raises ValueError for p outside [0, 1].

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Dropout
    >>> layer = Dropout(0.5)
    >>> sorted(set(layer(tl.ones(100)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(tl.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of (N, C, L) or (C, L).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Dropout1d
    >>> Dropout1d(0.5)(tl.ones(2, 3, 4)).std(-1).max()
    tensor(0.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of (N, C, H, W): neighbouring pixels say the same, so they go together.

    Tompson et al. 2015, arXiv:1411.4280. As in PyTorch, an input of three axes is (N, C, L).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Dropout2d
    >>> Dropout2d(0.5)(tl.ones(2, 3, 4, 4)).std((-2, -1)).max()
    tensor(0.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Dropout3d
    >>> Dropout3d(0.5)(tl.ones(2, 3, 4, 4, 4)).std((-3, -2, -1)).max()
    tensor(0.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """y = a (x m + s (1 - m)) + b: a dropped value (m = 0) becomes s = -1.758, where `SELU` saturates.

    a = ((1 - p) (1 + p s^2))^-1/2 and b = -a p s keep mean 0 and variance 1, as self-normalising networks need.
    Klambauer et al. 2017, arXiv:1706.02515.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AlphaDropout
    >>> sorted(set(AlphaDropout(0.5)(tl.zeros(100)).round(decimals=4).tolist()))  # doctest: +ELLIPSIS
    [-0.779..., 0.779...]
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of (N, C, ...).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import FeatureAlphaDropout
    >>> FeatureAlphaDropout(0.5)(tl.ones(2, 3, 4, 4)).std((-2, -1)).max()
    tensor(0.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.feature_alpha_dropout(input, self.p, self.training)
