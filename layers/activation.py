"""Activations as modules, for use in `Sequential`; each is the function of the same name."""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class ReLU(Module):
    """max(x, 0).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReLU
    >>> ReLU()(tl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.relu(input)


class ReLU6(Module):
    """min(max(x, 0), 6); Howard et al. 2017, arXiv:1704.04861.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReLU6
    >>> ReLU6()(tl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardtanh(input, 0.0, 6.0)


class SELU(Module):
    """1.0507 x for x > 0, else 1.0507 * 1.6733 (e^x - 1); Klambauer et al. 2017, arXiv:1706.02515.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SELU
    >>> SELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.selu(input)


class SiLU(Module):
    """x sigmoid(x), also called swish; Ramachandran et al. 2017, arXiv:1710.05941.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SiLU
    >>> SiLU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.silu(input)


class Mish(Module):
    """x tanh(softplus(x)); Misra 2019, arXiv:1908.08681.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Mish
    >>> Mish()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.3034,  1.944 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.mish(input)


class Sigmoid(Module):
    """1 / (1 + e^-x).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Sigmoid
    >>> Sigmoid()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.2689, 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + e^-x)).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LogSigmoid
    >>> LogSigmoid()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-1.3133, -0.1269])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.logsigmoid(input)


class Tanh(Module):
    """tanh(x).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Tanh
    >>> Tanh()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.7616,  0.964 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.tanh(input)


class Tanhshrink(Module):
    """x - tanh(x).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Tanhshrink
    >>> Tanhshrink()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.2384,  1.036 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input - tl.tanh(input)


class Softsign(Module):
    """x / (1 + |x|).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softsign
    >>> Softsign()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.5   ,  0.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.softsign(input)


class Hardsigmoid(Module):
    """x / 6 + 1/2, cut off at 0 and 1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardsigmoid
    >>> Hardsigmoid()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.3333, 0.8333])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardsigmoid(input)


class Hardswish(Module):
    """x hardsigmoid(x); Howard et al. 2019, arXiv:1905.02244.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardswish
    >>> Hardswish()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.3333,  1.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardswish(input)


class LeakyReLU(Module):
    """x for x > 0, else negative_slope x; Maas et al. 2013.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LeakyReLU
    >>> LeakyReLU()(tl.tensor([-1.0, 2.0]))
    tensor([-0.01,  2.  ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return tl.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x for x > 0, else alpha (e^x - 1); Clevert et al. 2016, arXiv:1511.07289.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ELU
    >>> ELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return tl.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(Module):
    """x for x > 0, else alpha (e^(x / alpha) - 1); Barron 2017, arXiv:1704.07483.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CELU
    >>> CELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return tl.celu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; Hendrycks and Gimpel 2016, arXiv:1606.08415.

    approximate: 'none', or 'tanh' for a formula in its place.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GELU
    >>> GELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return tl.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + e^(beta x)) / beta, and x where beta x > threshold.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softplus
    >>> Softplus()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.3133, 2.1269])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return tl.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """x, cut off at min_val and max_val.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Hardtanh
    >>> Hardtanh()(tl.tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        return tl.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class PReLU(Module):
    """x for x > 0, else weight x, with a trained weight; He et al. 2015, arXiv:1502.01852.

    num_parameters: 1, or the number of channels (axis 1). init: the weight at first.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PReLU
    >>> PReLU()(tl.tensor([-1.0, 2.0])).detach()
    tensor([-0.25,  2.  ])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(tl.full((num_parameters,), init, dtype="float32"))

    def forward(self, input: Tensor) -> Tensor:
        return tl.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _AlongAxis(Module):
    """An activation that looks at all values along an axis; PyTorch's word for it is `dim`."""

    def __init__(self, axis: int | None = None, dim: int | None = None) -> None:
        super().__init__()
        chosen = dim if axis is None else axis
        if chosen is None:
            raise TypeError(f"{type(self).__name__}: say along which axis; the classes are usually on axis=-1 or 1")
        self.axis = chosen

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class Softmax(_AlongAxis):
    """e^x_i / sum_j e^x_j along an axis.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softmax
    >>> Softmax(-1)(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.0474, 0.9526])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.softmax(input, self.axis)


class LogSoftmax(_AlongAxis):
    """log(e^x_i / sum_j e^x_j) along an axis.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LogSoftmax
    >>> LogSoftmax(-1)(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-3.0486, -0.0486])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.log_softmax(input, self.axis)


class Softmin(_AlongAxis):
    """e^-x_i / sum_j e^-x_j along an axis.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softmin
    >>> Softmin(-1)(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([0.9526, 0.0474])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.softmax(-input, self.axis)
