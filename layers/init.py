"""Initial weights: fill a Tensor in place from a distribution, and return it.

The numbers come from `tl.generator()`, so `tl.manual_seed` repeats them. They are drawn in float64 and
then rounded, so that a float32 and a float64 network start from the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Array, Tensor

if TYPE_CHECKING:
    from tinygrad_lite.layers.module import Module

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "forget_gate_bias_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _fill(tensor: Tensor, values: Array, name: str) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: needs a Tensor to fill, got {type(tensor).__name__}")
    with tl.no_grad():
        tensor._writable(name)[...] = values
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """U(a, b).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import init
    >>> w = init.uniform_(tl.empty(100), -1.0, 1.0)
    >>> bool((abs(w.numpy()) <= 1).all())
    True
    """
    return _fill(tensor, tl.generator().uniform(a, b, tensor.shape), "uniform_")


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """N(mean, std^2)."""
    return _fill(tensor, tl.generator().normal(mean, std, tensor.shape), "normal_")


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """N(mean, std^2) on condition that the value lies in [a, b]; what falls outside is drawn again.

    `a` and `b` are values, not multiples of std. Raises ValueError where [a, b] lies more than 4 std from the mean,
    where hardly a draw would fall inside.
    """
    low, high = (a - mean) / std, (b - mean) / std
    if not low < high or low > 4 or high < -4:
        raise ValueError(f"trunc_normal_: [{a}, {b}] must hold a part of N({mean}, {std}^2); is std too small?")
    values = tl.generator().normal(mean, std, tensor.shape)
    outside = np.flatnonzero((values < a) | (values > b))
    flat = values.reshape(-1)
    while outside.size:
        flat[outside] = tl.generator().normal(mean, std, outside.size)
        again = flat[outside]
        outside = outside[(again < a) | (again > b)]
    return _fill(tensor, flat.reshape(tensor.shape), "trunc_normal_")


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return _fill(tensor, val, "constant_")


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _fill(tensor, 1.0, "ones_")


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _fill(tensor, 0.0, "zeros_")


def eye_(tensor: Tensor) -> Tensor:
    """The identity, for a matrix."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: needs a matrix, got shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]), "eye_")


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The weight (out, in, *kernel) of a convolution that passes its channels on: 1 in the middle of the kernel.

    Channel k goes to channel k, as far as there are as many; in each of the groups.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import init
    >>> x = tl.randn(1, 2, 5)
    >>> bool((tl.conv1d(x, init.dirac_(tl.empty(2, 2, 3)), padding=1) == x).all())
    True
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: needs the weight of a convolution, (out, in, *kernel), got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} output channels can't be divided into {groups} groups")
    values = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for k in range(min(each, tensor.shape[1])):
            values[(group * each + k, k, *middle)] = 1.0
    return _fill(tensor, values, "dirac_")


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """N(0, std^2), but for a share of zeros in each column of a matrix: `sparsity` of its rows, rounded up.

    Martens 2010, "Deep learning via Hessian-free optimization", section 5.
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: needs a matrix, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a share, from 0 to 1, got {sparsity}")
    rows, columns = tensor.shape
    values = tl.generator().normal(0.0, std, tensor.shape)
    order = np.argsort(tl.generator().random((rows, columns)), axis=0)
    np.put_along_axis(values, order[: math.ceil(sparsity * rows)], 0.0, axis=0)
    return _fill(tensor, values, "sparse_")


# -------------------------------------------------------------------------------- scaled by the fan


def _fans(shape: Sequence[int], name: str) -> tuple[int, int]:
    """How many inputs a unit of a weight (out, in, *kernel) reads, and how many units read one of its inputs."""
    if len(shape) < 2:
        raise ValueError(f"{name}: needs a weight of shape (out, in, *kernel), got {tuple(shape)}; a bias has no fan")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


GAINS = {
    **dict.fromkeys(("linear", "identity", "sigmoid"), 1.0),
    **dict.fromkeys([f"conv{transpose}{d}d" for transpose in ("", "_transpose") for d in (1, 2, 3)], 1.0),
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation that makes up for what a nonlinearity takes away.

    nonlinearity: 'linear', 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'selu' or the name of a convolution.
    param: the negative slope of leaky_relu, 0.01 by default. He et al. 2015, arXiv:1502.01852, section 2.2.

    >>> from tinygrad_lite.layers import init
    >>> round(init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: {nonlinearity!r} is none of {', '.join(GAINS)}, leaky_relu")
    return GAINS[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio 2010, equation 16.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor.shape, "xavier_uniform_")))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, std^2) with std = gain sqrt(2 / (fan_in + fan_out)).

    Glorot and Bengio 2010, section 4.2.1.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor.shape, "xavier_normal_"))))


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode is 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(tensor.shape, name)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """U(-b, b) with b = gain sqrt(3 / fan).

    a: the negative slope of leaky_relu. mode: 'fan_in' keeps the scale of the signal from layer to layer,
    'fan_out' that of the gradient. He et al. 2015, arXiv:1502.01852, section 2.2.
    """
    bound = math.sqrt(3.0) * _kaiming(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """N(0, std^2) with std = gain / sqrt(fan); arguments as in `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity, "kaiming_normal_"))


def lecun_normal_(tensor: Tensor) -> Tensor:
    """N(0, 1 / fan_in): the variance of what comes out is that of what goes in.

    LeCun et al. 1998, "Efficient backprop", section 4.6; what self-normalising networks start from (Klambauer et al.
    2017, arXiv:1706.02515).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import init
    >>> _ = tl.manual_seed(0)
    >>> init.lecun_normal_(tl.empty(1000, 400)).std().round(decimals=3)
    tensor(0.05)
    """
    return normal_(tensor, 0.0, 1.0 / math.sqrt(max(_fans(tensor.shape, "lecun_normal_")[0], 1)))


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """A random matrix (the first axis by all others) with orthonormal rows or columns, times gain.

    Saxe et al. 2013, arXiv:1312.6120. Uniform over all such matrices, by the signs of R in a QR decomposition
    (Mezzadri 2007, arXiv:math-ph/0609050).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import init
    >>> w = init.orthogonal_(tl.empty(3, 5)).numpy()
    >>> bool(abs(w @ w.T - tl.eye(3).numpy()).max() < 1e-5)
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: needs two axes or more, got shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(tl.generator().normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape), "orthogonal_")


# ------------------------------------------------------------------------------------------ networks

AnyModule = TypeVar("AnyModule", bound="Module")


def forget_gate_bias_(module: AnyModule, value: float = 1.0) -> AnyModule:
    """Let every LSTM in a module remember at first: the bias of its forget gates becomes `value`; returns the module.

    A forget gate that starts at sigmoid(0) = 1/2 halves the memory, and the gradient, at each time (Gers et al. 2000;
    Jozefowicz et al. 2015, section 4, which recommends 1). The gate is given the sum of bias_ih and bias_hh, so
    `value` goes into the first and 0 into the second; the other gates keep their biases.

    Raises ValueError where there is no LSTM with biases.

    >>> from tinygrad_lite.layers import LSTM, init
    >>> lstm = init.forget_gate_bias_(LSTM(3, 2))
    >>> lstm.bias_ih_l0[2:4].detach(), lstm.bias_hh_l0[2:4].detach()
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    biases = [
        (name, bias, part.hidden_size)
        for part in module.modules()
        for name, bias in part.named_parameters(recurse=False)
        if name.startswith(("bias_ih", "bias_hh")) and bias.size == 4 * part.hidden_size
    ]
    if not biases:
        raise ValueError(f"forget_gate_bias_: {type(module).__name__} holds no LSTM or LSTMCell with biases")
    for name, bias, size in biases:
        with tl.no_grad():
            bias._writable("forget_gate_bias_")[size : 2 * size] = value if name.startswith("bias_ih") else 0.0
    return module
