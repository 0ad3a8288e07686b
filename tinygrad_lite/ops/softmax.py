"""Softmax and its relatives: positive numbers that sum to one along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.creation import as_tensor, generator
from tinygrad_lite.ops.shapes import normal_axis
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor, wrap

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def along(axis: int, kernel: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """A kernel for the last axis, along any; a number is a row of its own. float16 is computed in float32."""
    shape, dtype = arrays[0].shape, arrays[0].dtype
    axis = normal_axis("softmax", axis, len(shape))
    if dtype == np.float16:
        arrays = tuple(a.astype(np.float32) for a in arrays)
    if axis == len(shape) - 1:
        out = kernel(*arrays)
    else:
        out = kernel(*(a.reshape(shape or 1).swapaxes(axis, -1) for a in arrays)).swapaxes(axis, -1).reshape(shape)
    return out.astype(dtype, copy=False)


def real(x: np.ndarray, dtype: Any) -> np.ndarray:
    """x in the floating-point dtype asked for; else in its own, or the default one for integers."""
    dtype = np.dtype(dtype or (x.dtype if x.dtype.kind == "f" else DEFAULT_DTYPE))
    if dtype.kind != "f":
        raise TypeError(f"the result can't be {dtype}; pass a floating-point dtype, or none")
    return x.astype(dtype, copy=False)


@primitive
def softmax(x: Array, axis: int = -1, dtype: Any = None) -> Tensor:
    """softmax(x)_i = exp(x_i) / sum_j exp(x_j), along an axis.

    x: any shape; integers are converted to float. axis: where the results sum to one (PyTorch's `dim`).
    dtype: convert x to it first. A row of -inf alone has no softmax: it gives NaN.

    >>> import tinygrad_lite as tl
    >>> tl.softmax(tl.tensor([0.0, 0.0, -float("inf")]))
    tensor([0.5, 0.5, 0. ])
    """
    return along(axis, kernels.softmax_rows, real(x, dtype))


@softmax.gradient
def softmax_x(g, out, axis):
    return softmax_back.on(g, out, axis)


@primitive(public=False)
def softmax_back(g: Array, y: Array, axis: int) -> Tensor:
    """y (g - sum(g y)), for y = softmax(x) and the gradient g of y."""
    return along(axis, kernels.softmax_rows_back, g, y)


@softmax_back.gradient
def softmax_back_g(h, y, axis):
    return softmax_back.on(h, y, axis)


@softmax_back.gradient
def softmax_back_y(h, g, y, axis):
    return h * (g - np.sum(g * y, axis=axis, keepdims=True)) - g * np.sum(h * y, axis=axis, keepdims=True)


@primitive
def log_softmax(x: Array, axis: int = -1, dtype: Any = None) -> Tensor:
    """log_softmax(x)_i = x_i - log(sum_j exp(x_j)), along an axis; exact where softmax underflows.

    Arguments as in `softmax`.

    >>> import tinygrad_lite as tl
    >>> tl.log_softmax(tl.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    return along(axis, kernels.log_softmax_rows, real(x, dtype))


@log_softmax.gradient
def log_softmax_x(g, out, axis):
    return log_softmax_back.on(g, out, axis)


@primitive(public=False)
def log_softmax_back(g: Array, y: Array, axis: int) -> Tensor:
    """g - exp(y) sum(g), for y = log_softmax(x) and the gradient g of y."""
    return along(axis, kernels.log_softmax_rows_back, g, y)


@log_softmax_back.gradient
def log_softmax_back_g(h, y, axis):
    return h - np.sum(h * np.exp(y), axis=axis, keepdims=True)


@log_softmax_back.gradient
def log_softmax_back_y(h, g, y, axis):
    return -h * np.exp(y) * np.sum(g, axis=axis, keepdims=True)


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
