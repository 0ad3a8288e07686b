"""Smooth activation functions of neural networks; those made of straight pieces are in piecewise.py."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.elementwise import blockwise, drop, keep, multiply, quiet, real, subtract
from tinygrad_lite.ops.special import erf
from tinygrad_lite.ops.transcendental import sigmoid
from tinygrad_lite.ops.trigonometric import tanh
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "logit",
    "logsigmoid",
    "mish",
    "selu",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanhshrink",
]


@primitive(public=False)
@quiet
@blockwise
def exponential_linear(input: Array, alpha: float, scale: float, stretch: float) -> Tensor:
    """scale * input where input > 0, else scale * alpha * (e^(stretch * input) - 1)."""
    return scale * np.maximum(input, 0) + (scale * alpha) * np.expm1(stretch * np.minimum(input, 0))


@exponential_linear.gradient
@blockwise
def exponential_linear_input(g, input, alpha, scale, stretch):
    below = (scale * alpha * stretch) * np.exp(stretch * drop(input, input >= 0))
    return keep(g * scale, input > 0) + drop(g * below, input > 0)


@composed
def elu(input: Array, alpha: float = 1.0) -> Tensor:
    """input where input > 0, else alpha (e^input - 1) (Clevert et al. 2015, arXiv:1511.07289).

    >>> import tinygrad_lite as tl
    >>> tl.elu(tl.tensor([-1.0, 2.0])).round(4)
    tensor([-0.6321,  2.    ])
    """
    return exponential_linear(input, alpha, 1.0, 1.0)


@composed
def celu(input: Array, alpha: float = 1.0) -> Tensor:
    """max(0, input) + min(0, alpha (e^(input / alpha) - 1)) (Barron 2017, arXiv:1704.07483).

    Raises ValueError for alpha = 0.

    >>> import tinygrad_lite as tl
    >>> tl.celu(tl.tensor([-1.0, 2.0]), 2.0).round(4)
    tensor([-0.7869,  2.    ])
    """
    if alpha == 0:
        raise ValueError("celu: got alpha=0; needs another number, for the input is divided by it")
    return exponential_linear(input, alpha, 1.0, 1 / alpha)


@composed
def selu(input: Array) -> Tensor:
    """1.0507 input where input > 0, else 1.7581 (e^input - 1) (Klambauer et al. 2017, arXiv:1706.02515, eq. 2).

    >>> import tinygrad_lite as tl
    >>> tl.selu(tl.tensor([-1.0, 2.0])).round(4)
    tensor([-1.1113,  2.1014])
    """
    return exponential_linear(input, 1.6732632423543772, 1.0507009873554805, 1.0)


@primitive
@blockwise
def logsigmoid(input: Array) -> Tensor:
    """ln(sigmoid(input)) = -ln(1 + e^-input), without overflow.

    >>> import tinygrad_lite as tl
    >>> tl.logsigmoid(tl.tensor([0.0, -1000.0])).round(4)
    tensor([-6.931e-01, -1.000e+03])
    """
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


@logsigmoid.gradient
@blockwise
def logsigmoid_input(g, out):
    return g * -np.expm1(out)  # 1 - sigmoid(input), with all its digits


@primitive
@quiet
@blockwise
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """ln(1 + e^(beta input)) / beta, and the input itself where beta * input > threshold.

    >>> import tinygrad_lite as tl
    >>> tl.softplus(tl.tensor([0.0, 1000.0])).round(4)
    tensor([6.931e-01, 1.000e+03])
    """
    z = beta * input
    return np.where(z > threshold, input, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta)


@softplus.gradient
@blockwise
def softplus_input(g, input, beta, threshold):
    z = beta * input
    return g * np.where(z > threshold, 1, sigmoid.on(z))


@primitive
@quiet
@blockwise
def silu(input: Array) -> Tensor:
    """input * sigmoid(input) (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    >>> import tinygrad_lite as tl
    >>> tl.silu(tl.tensor([-1.0, 0.0, 2.0])).round(4)
    tensor([-0.2689,  0.    ,  1.7616])
    """
    return input / (1 + np.exp(-input))


@silu.gradient
@blockwise
def silu_input(g, input):
    s = sigmoid.on(input)
    return g * (s * (1 + input * (1 - s)))


@primitive
@quiet
@blockwise
def mish(input: Array) -> Tensor:
    """input * tanh(softplus(input)) (Misra 2019, arXiv:1908.08681).

    >>> import tinygrad_lite as tl
    >>> tl.mish(tl.tensor([-1.0, 0.0, 2.0])).round(4)
    tensor([-0.3034,  0.    ,  1.944 ])
    """
    e = np.exp(np.minimum(input, 30))  # tanh(ln(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2), which is 1 from 20 on
    n = e * (e + 2)
    return input * (n / (n + 2))


@mish.gradient
@blockwise
def mish_input(g, input):
    t = np.tanh(softplus.on(input))
    return g * (t + input * sigmoid.on(input) * (1 - t * t))


@primitive(public=False)
@quiet
@blockwise
def gelu_exact(input: Array) -> Tensor:
    return input * (0.5 + 0.5 * erf.on(input * math.sqrt(0.5)))


@gelu_exact.gradient
@blockwise
def gelu_exact_input(g, input):
    below, density = 0.5 + 0.5 * erf.on(input * math.sqrt(0.5)), np.exp(-0.5 * (input * input)) / math.sqrt(2 * math.pi)
    return g * (below + input * density)


@primitive(public=False)
@quiet
@blockwise
def gelu_tanh(input: Array) -> Tensor:
    return input * (0.5 + 0.5 * np.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))))


@gelu_tanh.gradient
@blockwise
def gelu_tanh_input(g, input):
    c, square = math.sqrt(2 / math.pi), input * input
    t = np.tanh(c * input * (1 + 0.044715 * square))
    return g * (0.5 + 0.5 * t + input * (0.5 * c * (1 - t * t) * (1 + 3 * 0.044715 * square)))


@composed
def gelu(input: Array, approximate: str = "none") -> Tensor:
    """input * P(X < input) for a standard normal X, = input (1 + erf(input / sqrt(2))) / 2.

    approximate: 'none', or 'tanh' for input (1 + tanh(sqrt(2 / pi) (input + 0.044715 input^3))) / 2 (Hendrycks and
    Gimpel 2016, arXiv:1606.08415). Raises ValueError for another word.

    >>> import tinygrad_lite as tl
    >>> tl.gelu(tl.tensor([-1.0, 0.0, 2.0])).round(4)
    tensor([-0.1587,  0.    ,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: got approximate={approximate!r}; needs 'none' or 'tanh'")
    return gelu_exact(input) if approximate == "none" else gelu_tanh(input)


@primitive
@real
def softsign(input: Array) -> Tensor:
    """input / (1 + |input|).

    >>> import tinygrad_lite as tl
    >>> tl.softsign(tl.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return input / (1 + np.abs(input))


@softsign.gradient
def softsign_input(g, input):
    return g / np.square(1 + np.abs(input))


@composed
def tanhshrink(input: Array) -> Tensor:
    """input - tanh(input).

    >>> import tinygrad_lite as tl
    >>> tl.tanhshrink(tl.tensor([0.0, 2.0])).round(4)
    tensor([0.   , 1.036])
    """
    return subtract(input, tanh(input))


@primitive
@real
def logit(input: Array, eps: float | None = None) -> Tensor:
    """ln(input / (1 - input)), the inverse of sigmoid; NaN outside of [0, 1].

    eps: the input is first clamped to [eps, 1 - eps].

    >>> import tinygrad_lite as tl
    >>> tl.logit(tl.tensor([0.5, 1.0]))
    tensor([ 0., inf])
    """
    x = input if eps is None else np.clip(input, eps, 1 - eps)
    return np.log(x / (1 - x))


@logit.gradient
def logit_input(g, input, eps):
    low, high = (0, 1) if eps is None else (eps, 1 - eps)
    inside = (input >= low) & (input <= high)
    x = np.where(inside, input, 0.5)
    return g * np.where(inside, 1 / (x * (1 - x)), math.nan if eps is None else 0)


@composed
def glu(input: Array, axis: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the two halves of `input` along `axis`.

    Dauphin et al. 2016, arXiv:1612.08083. Raises ValueError for an odd number of elements along `axis`.

    >>> import tinygrad_lite as tl
    >>> tl.glu(tl.tensor([4.0, 0.0]))
    tensor([2.])
    """
    input = as_tensor(input)
    if not -input.ndim <= axis < input.ndim:
        raise IndexError(f"glu: got axis={axis} for input {input.shape}; needs an axis of the input")
    if input.shape[axis] % 2:
        raise ValueError(f"glu: got input {input.shape} and axis={axis}; needs an even number of elements there")
    a, b = np.split(input, 2, axis)
    return multiply(a, sigmoid(b))


swish = silu
