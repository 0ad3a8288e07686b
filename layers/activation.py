"""Smooth activations as modules, for use in `Sequential`; each is the function of the same name.

Those made of straight pieces are in piecewise.py.
"""

from __future__ import annotations

from typing import ClassVar

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class InPlace(Module):
    """An activation that PyTorch can compute in place of its input.

    Here `inplace` is accepted and changes nothing: the result is the same, and the tape may still need the input.
    `shown` names the arguments in the repr.
    """

    shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return ", ".join([f"{name}={getattr(self, name)}" for name in self.shown] + ["inplace=True"] * self.inplace)


class SELU(InPlace):
    """1.0507 x for x > 0, else 1.0507 * 1.6733 (e^x - 1); Klambauer et al. 2017, arXiv:1706.02515.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SELU
    >>> SELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.selu(input)


class SiLU(InPlace):
    """x sigmoid(x), also called swish; Ramachandran et al. 2017, arXiv:1710.05941.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SiLU
    >>> SiLU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.silu(input)


class Mish(InPlace):
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
        return tl.tanhshrink(input)


class Softsign(Module):
    """x / (1 + |x|).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softsign
    >>> Softsign()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.5   ,  0.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.softsign(input)


class ELU(InPlace):
    """x for x > 0, else alpha (e^x - 1); Clevert et al. 2016, arXiv:1511.07289.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ELU
    >>> ELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.6321,  2.    ])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return tl.elu(input, self.alpha)


class CELU(InPlace):
    """x for x > 0, else alpha (e^(x / alpha) - 1); Barron 2017, arXiv:1704.07483.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CELU
    >>> CELU()(tl.tensor([-1.0, 2.0])).round(decimals=4)
    tensor([-0.6321,  2.    ])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return tl.celu(input, self.alpha)


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


class GLU(Module):
    """a sigmoid(b), a and b being the halves of the input along an axis; PyTorch's word for it is `dim`.

    Dauphin et al. 2016, arXiv:1612.08083.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GLU
    >>> GLU()(tl.tensor([4.0, 0.0]))
    tensor([2.])
    """

    def __init__(self, axis: int = -1, dim: int | None = None) -> None:
        super().__init__()
        self.axis = axis if dim is None else dim

    def forward(self, input: Tensor) -> Tensor:
        return tl.glu(input, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


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


class Softmax2d(Module):
    """`Softmax` over the channels at every place of an image (N, C, H, W) or (C, H, W).

    Raises ValueError for an input of another rank.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Softmax2d
    >>> Softmax2d()(tl.zeros(1, 4, 3, 3)).sum(1).shape
    (1, 3, 3)
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: needs images (N, C, H, W) or (C, H, W), got {input.shape}; see Softmax")
        return tl.softmax(input, -3)


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
