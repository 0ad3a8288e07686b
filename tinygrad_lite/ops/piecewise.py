"""Activation functions made of straight pieces (hardswish: of parabolas).

The slopes at their kinks are PyTorch's: that of relu at 0 is 0, that of leaky_relu is `negative_slope`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_lite.ops.creation import as_tensor, generator
from tinygrad_lite.ops.elementwise import NUMBER, blockwise, drop, keep, straight
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, wrap

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "softshrink",
    "threshold",
]


@primitive
@straight
def relu(input: Array) -> Tensor:
    """max(input, 0).

    >>> import tinygrad_lite as tl
    >>> tl.relu(tl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return np.maximum(input, 0)


@relu.gradient
@straight
def relu_input(g, out):
    return drop(g, out <= 0)


@primitive
@straight
def leaky_relu(input: Array, negative_slope: Array = 0.01) -> Tensor:
    """input where input > 0, else negative_slope * input.

    negative_slope: a number, or a Tensor that broadcasts with `input` and has a gradient.

    >>> import tinygrad_lite as tl
    >>> tl.leaky_relu(tl.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5,  2. ])
    """
    if isinstance(negative_slope, NUMBER) and 0 <= negative_slope <= 1:
        return np.maximum(input, negative_slope * input)
    return np.maximum(input, 0) + negative_slope * np.minimum(input, 0)


@leaky_relu.gradient
@blockwise
def leaky_relu_input(g, input, negative_slope):
    return keep(g, input > 0) + negative_slope * drop(g, input > 0)


@leaky_relu.gradient
def leaky_relu_negative_slope(g, input):
    return g * np.minimum(input, 0)


@composed
def prelu(input: Array, weight: Array) -> Tensor:
    """input where input > 0, else weight * input, the weight being learned (He et al. 2015, arXiv:1502.01852).

    weight: one number, or one for each channel, the second axis of `input`.
    Raises ValueError where the sizes differ.

    >>> import tinygrad_lite as tl
    >>> tl.prelu(tl.tensor([[-1.0, -1.0]]), tl.tensor([0.5, 0.25]))
    tensor([[-0.5 , -0.25]])
    """
    input, weight = as_tensor(input), as_tensor(weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ValueError(
            f"prelu: got weight {weight.shape} for input {input.shape}; needs one weight, or one for each "
            f"of the {channels} channels (axis 1)"
        )
    if input.ndim > 1 and weight.size > 1:
        weight = np.reshape(weight, (channels,) + (1,) * (input.ndim - 2))
    elif weight.ndim:
        weight = np.reshape(weight, ())
    return leaky_relu(input, weight)


@composed
def rrelu(input: Array, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """input where input > 0, else a * input, with a drawn from U(lower, upper) for each element.

    Unless training, a is the mean of that, (lower + upper) / 2. The numbers come from `tl.generator()`.
    Raises ValueError unless lower <= upper. Source: Xu et al. 2015, arXiv:1505.00853.

    >>> import tinygrad_lite as tl
    >>> tl.rrelu(tl.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5,  2. ])
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: got lower={lower} and upper={upper}; needs lower <= upper")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    input = as_tensor(input)
    return leaky_relu(input, wrap(generator().uniform(lower, upper, input.shape).astype(input.dtype)))


@primitive
def threshold(input: Array, threshold: float, value: float) -> Tensor:
    """input where input > threshold, else value.

    >>> import tinygrad_lite as tl
    >>> tl.threshold(tl.tensor([-1.0, 0.5, 2.0]), 1.0, -9.0)
    tensor([-9., -9.,  2.])
    """
    return np.where(np.less_equal(input, threshold), value, input)


@threshold.gradient
def threshold_input(g, input, threshold):
    return drop(g, input <= threshold)


@primitive
@straight
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """min(max(input, min_val), max_val); the slope at both bounds is 0.

    Raises ValueError where min_val > max_val.

    >>> import tinygrad_lite as tl
    >>> tl.hardtanh(tl.tensor([-2.0, 0.5]))
    tensor([-1. ,  0.5])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: got min_val={min_val} and max_val={max_val}; needs min_val <= max_val")
    return np.clip(input, min_val, max_val)


@hardtanh.gradient
@straight
def hardtanh_input(g, out, min_val, max_val):
    return keep(g, (out > min_val) & (out < max_val))


@composed
def relu6(input: Array) -> Tensor:
    """min(max(input, 0), 6) (Howard et al. 2017, arXiv:1704.04861).

    >>> import tinygrad_lite as tl
    >>> tl.relu6(tl.tensor([-2.0, 0.5, 8.0]))
    tensor([0. , 0.5, 6. ])
    """
    return hardtanh(input, 0, 6)


@primitive
@blockwise
def hardsigmoid(input: Array) -> Tensor:
    """min(max(input + 3, 0), 6) / 6 (Howard et al. 2019, arXiv:1905.02244).

    >>> import tinygrad_lite as tl
    >>> tl.hardsigmoid(tl.tensor([-4.0, 0.0, 1.5]))
    tensor([0.  , 0.5 , 0.75])
    """
    return np.clip(input + 3, 0, 6) / 6


@hardsigmoid.gradient
@blockwise
def hardsigmoid_input(g, input):
    return keep(g / 6, np.abs(input) < 3)


@primitive
@blockwise
def hardswish(input: Array) -> Tensor:
    """input * hardsigmoid(input) (Howard et al. 2019, arXiv:1905.02244).

    >>> import tinygrad_lite as tl
    >>> tl.hardswish(tl.tensor([-4.0, 3.0, 1.5]))
    tensor([-0.   ,  3.   ,  1.125])
    """
    return input * (np.clip(input + 3, 0, 6) / 6)


@hardswish.gradient
@blockwise
def hardswish_input(g, input):
    return keep(g, input >= 3) + keep(g * (input / 3 + 0.5), np.abs(input) < 3)


@primitive
def softshrink(input: Array, lambd: float = 0.5) -> Tensor:
    """input - lambd above lambd, input + lambd below -lambd, 0 between.

    Raises ValueError for a negative lambd.

    >>> import tinygrad_lite as tl
    >>> tl.softshrink(tl.tensor([-2.0, 0.25, 1.0]))
    tensor([-1.5,  0. ,  0.5])
    """
    if lambd < 0:
        raise ValueError(f"softshrink: got lambd={lambd}; needs a number >= 0")
    return input - np.clip(input, -lambd, lambd)


@softshrink.gradient
def softshrink_input(g, out):
    return keep(g, np.abs(out) > 0)


@primitive
def hardshrink(input: Array, lambd: float = 0.5) -> Tensor:
    """input where |input| > lambd, else 0.

    >>> import tinygrad_lite as tl
    >>> tl.hardshrink(tl.tensor([-2.0, 0.25, 1.0]))
    tensor([-2.,  0.,  1.])
    """
    return np.where(np.abs(input) <= lambd, 0, input)


@hardshrink.gradient
def hardshrink_input(g, input, lambd):
    return keep(g, np.abs(input) > lambd)
