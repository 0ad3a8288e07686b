"""Activations made of straight pieces, as modules (Hardswish: of parabolas); each is the function of the same name."""

from __future__ import annotations

from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers.activation import InPlace
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class ReLU(InPlace):
    """max(x, 0).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReLU
    >>> ReLU()(tl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.relu(input)


class ReLU6(InPlace):
    """min(max(x, 0), 6); Howard et al. 2017, arXiv:1704.04861.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReLU6
    >>> ReLU6()(tl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardtanh(input, 0.0, 6.0)


class LeakyReLU(InPlace):
    """x for x > 0, else negative_slope x; Maas et al. 2013.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LeakyReLU
    >>> LeakyReLU()(tl.tensor([-1.0, 2.0]))
    tensor([-0.01,  2.  ])
    """

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return tl.leaky_relu(input, self.negative_slope)


class PReLU(Module):
    """x for x > 0, else weight x, with a trained weight; He et al. 2015, arXiv:1502.01852.

    num_parameters: 1, or the number of channels (axis 1). init: the weight at first.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PReLU
    >>> PReLU()(tl.tensor([-1.0, 2.0])).detach()
    tensor([-0.25,  2.  ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(tl.full((num_parameters,), float(init), dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        return tl.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(InPlace):
    """x for x > 0, else a x, each a drawn from U(lower, upper); in inference a = (lower + upper) / 2.

    The numbers come from `tl.generator()`. Xu et al. 2015, arXiv:1505.00853.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import RReLU
    >>> RReLU(0.25, 0.75).eval()(tl.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    shown = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        return tl.rrelu(input, self.lower, self.upper, self.training)


class Threshold(InPlace):
    """x for x > threshold, else value.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Threshold
    >>> Threshold(1.0, -9.0)(tl.tensor([0.5, 2.0]))
    tensor([-9.,  2.])
    """

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        return tl.threshold(input, self.threshold, self.value)


class Hardtanh(InPlace):
    """x, cut off at min_val and max_val.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardtanh
    >>> Hardtanh()(tl.tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """

    shown = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardtanh(input, self.min_val, self.max_val)


class Hardsigmoid(InPlace):
    """x / 6 + 1/2, cut off at 0 and 1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardsigmoid
    >>> Hardsigmoid()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.3333, 0.8333])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardsigmoid(input)


class Hardswish(InPlace):
    """x hardsigmoid(x); Howard et al. 2019, arXiv:1905.02244.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardswish
    >>> Hardswish()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.3333,  1.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardswish(input)


class _Shrink(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return f"lambd={self.lambd}"


class Hardshrink(_Shrink):
    """x for |x| > lambd, else 0.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardshrink
    >>> Hardshrink()(tl.tensor([-2.0, 0.25, 1.0]))
    tensor([-2.,  0.,  1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x - lambd above lambd, x + lambd below -lambd, 0 between: the proximal map of lambd |x|.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softshrink
    >>> Softshrink()(tl.tensor([-2.0, 0.25, 1.0]))
    tensor([-1.5,  0. ,  0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.softshrink(input, self.lambd)
