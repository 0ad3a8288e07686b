"""Softmax and its relatives: positive numbers that sum to one along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor, generator
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor, wrap

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def shifted(x: np.ndarray, axis: int, dtype: Any) -> tuple[Any, np.dtype]:
    """x minus its maximum along the axis, so that exp can't overflow, and the dtype for the result.

    float16 is computed in float32; integers give the default float.
    """
    dtype = np.dtype(dtype or (x.dtype if x.dtype.kind == "f" else DEFAULT_DTYPE))
    if dtype.kind != "f":
        raise TypeError(f"the result can't be {dtype}; pass a floating-point dtype, or none")
    x = x.astype(np.float32 if dtype == np.float16 else dtype, copy=False)
    with np.errstate(invalid="ignore"):  # inf - inf, in a row that is masked completely, is NaN
        return np.asarray(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)), dtype


@primitive
def softmax(x: Array, axis: int = -1, dtype: Any = None) -> Tensor:
    """softmax(x)_i = exp(x_i) / sum_j exp(x_j), along an axis.

    x: any shape; integers are converted to float. axis: where the results sum to one (PyTorch's `dim`).
    dtype: convert x to it first. A row of -inf alone has no softmax: it gives NaN.

    >>> import tinygrad_lite as tl
    >>> tl.softmax(tl.tensor([0.0, 0.0, -float("inf")]))
    tensor([0.5, 0.5, 0. ])
    """
    e, dtype = shifted(x, axis, dtype)
    np.exp(e, out=e)
    e /= np.sum(e, axis=axis, keepdims=True)
    return e.astype(dtype, copy=False)


@softmax.gradient
def softmax_x(g, out, axis):
    gy = g * out
    return gy - out * np.sum(gy, axis=axis, keepdims=True)


@primitive
def log_softmax(x: Array, axis: int = -1, dtype: Any = None) -> Tensor:
    """log_softmax(x)_i = x_i - log(sum_j exp(x_j)), along an axis; exact where softmax underflows.

    Arguments as in `softmax`.

    >>> import tinygrad_lite as tl
    >>> tl.log_softmax(tl.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    z, dtype = shifted(x, axis, dtype)
    with np.errstate(divide="ignore"):  # along an axis of length 0
        z -= np.log(np.sum(np.exp(z), axis=axis, keepdims=True))
    return z.astype(dtype, copy=False)


@log_softmax.gradient
def log_softmax_x(g, out, axis):
    return g - np.exp(out) * np.sum(g, axis=axis, keepdims=True)


@composed
def softmin(x: Array, axis: int = -1, dtype: Any = None) -> Tensor:
    """softmin(x) = softmax(-x), along an axis. Arguments as in `softmax`.

    >>> import tinygrad_lite as tl
    >>> tl.softmin(tl.tensor([0.0, 0.0, float("inf")]))
    tensor([0.5, 0.5, 0. ])
    """
    return softmax(-as_tensor(x), axis, dtype)


@composed
def gumbel_softmax(logits: Array, tau: float = 1, hard: bool = False, axis: int = -1) -> Tensor:
    """softmax((logits + n) / tau), n = -log(-log(u)), u uniform: a differentiable draw of a class.

    logits: unnormalised log-probabilities of any shape, classes along `axis`. tau: the temperature; a low
    one is near to one-hot. hard: return the one-hot draw itself, with the gradient of the soft one.
    Raises ValueError unless tau > 0. Source: Jang, Gu and Poole 2017, arXiv:1611.01144.

    >>> import tinygrad_lite as tl
    >>> tl.gumbel_softmax(tl.tensor([0.0, 1000.0]), hard=True)
    tensor([0., 1.])
    """
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau is {tau}; the temperature must be positive")
    logits = as_tensor(logits)
    noise = -np.log(generator().standard_exponential(logits.shape))  # -log(u) is exponential
    soft = softmax((logits + np.asarray(noise, logits.dtype)) / tau, axis)
    if not hard:
        return soft
    values = np.atleast_1d(soft.detach()._array)
    drawn = np.zeros_like(values)
    if values.size:
        np.put_along_axis(drawn, np.argmax(values, axis, keepdims=True), 1, axis)
    return soft + wrap((drawn - values).reshape(soft.shape))
