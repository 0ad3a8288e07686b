"""Convolution and its transpose, in one, two and three dimensions; unfold and fold.

All of it is one sum of three arrays, input, weight and output (kernels/twins/convolution.py), which is linear in each.
The three primitives are its derivatives with respect to one of them, so each one's gradient rules are the
other two, to any order (Dumoulin and Visin 2016, arXiv:1603.07285, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "unfold"]

Size = int | Sequence[int]
"""A number for each spatial axis, or one for all."""


def sizes(value: Any, rank: int, asked_by: str, least: int = 0) -> tuple[int, ...]:
    """`value` as `rank` integers, none below `least`; `asked_by` says what they are, as in 'conv2d: stride'."""
    if type(value) is int:
        found = (value,) * rank
    else:
        found = tuple(value) if np.ndim(value) else (value,)
        if len(found) not in (1, rank):
            raise ValueError(f"{asked_by} is {value}; it needs one number, or {rank}, one for each spatial axis")
        if any(int(n) != n for n in found):
            raise TypeError(f"{asked_by} is {value}; it needs integers")
        found = tuple(map(int, found)) * (rank if len(found) == 1 else 1)
    if min(found) < least:
        raise ValueError(f"{asked_by} is {value}; it must be at least {least}")
    return found


class Window(NamedTuple):
    """How a kernel moves: for each spatial axis its step, the zeros before the input, the distance of its places."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def together(*arrays: np.ndarray | None) -> tuple[Any, ...]:
    """The dtype of the result, and the arrays in the dtype to compute in: the same, but float32 for float16."""
    dtypes = {a.dtype for a in arrays if a is not None}
    dtype = dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)
    if not dtypes and dtype != np.float16:
        return dtype, *arrays
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return dtype, *(a if a is None else a.astype(wide, copy=False) for a in arrays)


# --------------------------------------------------------------- the three derivatives of one sum


@primitive(public=False)
def convolve(x: Array, w: Array, bias: Array | None, window: Window, size: tuple) -> Tensor:
    """y[n, o, i] = bias[o] + sum over c, k of x[n, c, stride * i + dilation * k - padding] * w[o, c, k]

    `size` is the spatial shape of the result.
    """
    dtype, x, w, bias = together(x, w, bias)
    return kernels.convolve(x, w, bias, *window, size).astype(dtype, copy=False)


@convolve.gradient
def convolve_x(g, w, x_shape, window):
    return convolve_input.on(g, w, None, window, x_shape[2:])


@convolve.gradient
def convolve_w(g, x, w_shape, window):
    return convolve_weight.on(g, x, window, w_shape[2:])


@convolve.gradient
def convolve_bias(g):
    return of_channels(g)


def of_channels(g):
    """The sum of (N, O, ...) for each of O."""
    g = g.reshape(*g.shape[:2], prod(g.shape[2:]))
    return g.sum(2).sum(0) if isinstance(g, Tensor) else kernels.sum_channels(g)


@primitive(public=False)
def convolve_input(y: Array, w: Array, bias: Array | None, window: Window, size: tuple) -> Tensor:
    """x[n, c, j] = bias[c] + sum over o, i, k of y[n, o, i] * w[o, c, k]

    Of all i and k with stride * i + dilation * k - padding = j.
    """
    dtype, y, w, bias = together(y, w, bias)
    return kernels.convolve_input(y, w, bias, *window, size).astype(dtype, copy=False)


@convolve_input.gradient
def convolve_input_y(g, w, y_shape, window):
    return convolve.on(g, w, None, window, y_shape[2:])


@convolve_input.gradient
def convolve_input_w(g, y, w_shape, window):
    return convolve_weight.on(y, g, window, w_shape[2:])


@convolve_input.gradient
def convolve_input_bias(g):
    return of_channels(g)


@primitive(public=False)
def convolve_weight(y: Array, x: Array, window: Window, size: tuple) -> Tensor:
    """w[o, c, k] = sum over n, i of y[n, o, i] * x[n, c, stride * i + dilation * k - padding]"""
    dtype, y, x = together(y, x)
    return kernels.convolve_weight(y, x, *window, size).astype(dtype, copy=False)


@convolve_weight.gradient
def convolve_weight_y(g, x, y_shape, window):
    return convolve.on(x, g, None, window, y_shape[2:])


@convolve_weight.gradient
def convolve_weight_x(g, y, x_shape, window):
    return convolve_input.on(y, g, None, window, x_shape[2:])


# -------------------------------------------------------------------------------- what users call


def fixed(value: Any) -> Any:
    """A list or array as a tuple, to be a key of a cache."""
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def check_operands(name: str, rank: int, x: tuple, w: tuple, bias: tuple | None, channels: int, groups: Any) -> None:
    """Raise where the shapes of input, weight and bias don't suit each other; the result has `channels`."""
    if len(x) not in (rank + 1, rank + 2):
        layout = ("N, C, L", "N, C, H, W", "N, C, D, H, W")[rank - 1]
        raise ValueError(f"{name}: the input has shape {x}; it must be ({layout}), or that without N for a single one")
    if len(w) != rank + 2:
        raise ValueError(f"{name}: the weight has shape {w}; it must have {rank + 2} axes, {rank} for the kernel")
    if 0 in w[2:] or 0 in x[-rank:]:
        raise ValueError(f"{name}: input {x} and weight {w}; a spatial axis must not be empty")
    if type(groups) is not int or groups < 1 or w[0] % groups:
        raise ValueError(f"{name}: groups is {groups}; it must be at least 1 and divide {w[0]}, the weight's channels")
    if bias is not None and bias != (channels,):
        raise ValueError(f"{name}: the bias has shape {bias}; it needs ({channels},), one an output channel")


@lru_cache(maxsize=1024)
def sliding(
    name: str, rank: int, x: tuple, w: tuple, bias: tuple | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Window, tuple[int, ...]]:
    """The window of a convolution and the spatial size of its result, from shapes and arguments, which are checked."""
    check_operands(name, rank, x, w, bias, w[0] if w else 0, groups)
    if x[-rank - 1] != w[1] * groups:
        raise ValueError(
            f"{name}: the input {x} has {x[-rank - 1]} channels, and the weight {w} with groups={groups} needs "
            f"{w[1] * groups}; usual cause: a layer with other in_channels, or channels that come last"
        )
    stride = sizes(stride, rank, f"{name}: stride", 1)
    dilation = sizes(dilation, rank, f"{name}: dilation", 1)
    spatial, kernel = x[-rank:], w[2:]
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel))
    if padding == "same":
        if max(stride) > 1:
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}; choose a padding in numbers")
        padding, size = tuple((e - 1) // 2 for e in extent), spatial
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"{name}: padding is {padding!r}; it must be numbers, 'same' or 'valid'")
    else:
        padding = sizes(0 if padding == "valid" else padding, rank, f"{name}: padding")
        size = tuple((n + 2 * p - e) // s + 1 for n, p, e, s in zip(spatial, padding, extent, stride))
    if min(size) < 1:
        raise ValueError(
            f"{name}: a kernel of {kernel} with dilation {dilation} is larger than the input {spatial} "
            f"with padding {padding}; pad more, or pool less before"
        )
    return Window(stride, padding, dilation, groups), size


def convolution(
    name: str, rank: int, input: Array, weight: Array, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    x, w = as_tensor(input), as_tensor(weight)
    b = None if bias is None else np.shape(bias)
    window, size = sliding(name, rank, x.shape, w.shape, b, fixed(stride), fixed(padding), fixed(dilation), groups)
    single = x.ndim == rank + 1
    if single:
        x = x.reshape(1, *x.shape)
    y = convolve(x, w, bias, window, size)
    return y.reshape(*y.shape[1:]) if single else y


@composed
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """y[n, o, i] = b[o] + Σ_c,k x[n, c, s·i + d·k − p] · w[o, c, k]

    Cross-correlation along one axis; see `conv2d`. input (N, C, L) or (C, L), weight (O, C / groups, K),
    bias (O). Returns (N, O, L') or (O, L').

    >>> import tinygrad_lite as tl
    >>> tl.conv1d(tl.tensor([[1.0, 2.0, 4.0]]), tl.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@composed
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """y[n, o, i, j] = b[o] + Σ_c,k,l x[n, c, s·i + d·k − p, s·j + d·l − p] · w[o, c, k, l]

    Cross-correlation, x being 0 outside.
    input     (N, C, H, W), or (C, H, W) for a single image
    weight    (O, C / groups, KH, KW)
    bias      (O), or None
    stride    s: how far the kernel moves from one output to the next
    padding   p: how many zeros stand before and after; 'valid' for none, 'same' for an output of the
              input's size (stride 1; where an odd number is needed the extra zero stands after)
    dilation  d: the distance between the kernel's places
    groups    into how many groups channels are divided; an output channel sees those of its group
    Returns (N, O, H', W'), H' = ⌊(H + 2p − d·(KH − 1) − 1) / s⌋ + 1. Raises ValueError where shapes don't fit.

    >>> import tinygrad_lite as tl
    >>> x = tl.arange(9.0).reshape(1, 3, 3)
    >>> tl.conv2d(x, tl.ones(1, 1, 2, 2), bias=tl.tensor([0.5]))
    tensor([[[ 8.5, 12.5],
             [20.5, 24.5]]])
    """
    return convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@composed
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """y[n, o, i] = b[o] + Σ_c,k x[n, c, s·i + d·k − p] · w[o, c, k], i and k in three dimensions

    Cross-correlation; see `conv2d`. input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, KD, KH, KW).

    >>> import tinygrad_lite as tl
    >>> tl.conv3d(tl.ones(1, 1, 2, 2, 2), tl.ones(1, 1, 2, 2, 2)).item()
    8.0
    """
    return convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@lru_cache(maxsize=1024)
def spreading(
    name: str, rank: int, y: tuple, w: tuple, bias: tuple | None, stride: Any, padding: Any, extra: Any, groups: int,
    dilation: Any,
) -> tuple[Window, tuple[int, ...]]:  # fmt: skip
    """As `sliding`, for a transposed convolution."""
    check_operands(name, rank, y, w, bias, w[1] * groups if len(w) > 1 and type(groups) is int else 0, groups)
    if y[-rank - 1] != w[0]:
        raise ValueError(
            f"{name}: the input {y} has {y[-rank - 1]} channels, and the weight {w} needs {w[0]}; "
            "the weight of a transposed convolution is (in_channels, out_channels / groups, *kernel)"
        )
    stride = sizes(stride, rank, f"{name}: stride", 1)
    dilation = sizes(dilation, rank, f"{name}: dilation", 1)
    padding = sizes(padding, rank, f"{name}: padding")
    extra = sizes(extra, rank, f"{name}: output_padding")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ValueError(
            f"{name}: output_padding is {extra}; it must be smaller than the stride {stride} or the dilation {dilation}"
        )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(y[-rank:], stride, padding, dilation, w[2:], extra)
    )
    if min(size) < 1:
        raise ValueError(f"{name}: the output would have size {size}; padding {padding} is too large for input {y}")
    return Window(stride, padding, dilation, groups), size


def transposed(
    name: str, rank: int, input: Array, weight: Array, bias: Any, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    y, w = as_tensor(input), as_tensor(weight)
    b = None if bias is None else np.shape(bias)
    window, size = spreading(
        name, rank, y.shape, w.shape, b, fixed(stride), fixed(padding), fixed(output_padding), groups, fixed(dilation)
    )
    single = y.ndim == rank + 1
    if single:
        y = y.reshape(1, *y.shape)
    x = convolve_input(y, w, bias, window, size)
    return x.reshape(*x.shape[1:]) if single else x


@composed
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """y[n, c, j] = b[c] + Σ_o Σ_{i,k: s·i + d·k − p = j} x[n, o, i] · w[o, c, k]

    The transpose of `conv1d` (its gradient); see `conv_transpose2d`. input (N, C, L) or (C, L), weight
    (C, O / groups, K).

    >>> import tinygrad_lite as tl
    >>> tl.conv_transpose1d(tl.tensor([[1.0, 2.0]]), tl.tensor([[[1.0, 10.0]]]), stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composed
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """y[n, c, j] = b[c] + Σ_o Σ_{i,k: s·i + d·k − p = j} x[n, o, i] · w[o, c, k], i, j, k in two dimensions

    The transpose of `conv2d` as a linear map, that is, its gradient with respect to the input.
    input           (N, C, H, W) or (C, H, W)
    weight          (C, O / groups, KH, KW): the input's channels first
    bias            (O), or None
    stride          s: how far apart in the output the inputs stand
    padding         p: how much is cut off the output on every side
    output_padding  how many rows and columns are added at the end, to choose one of the sizes that `conv2d`
                    with this stride maps to the input's; smaller than the stride or the dilation
    Returns (N, O, H', W'), H' = (H − 1)·s − 2p + d·(KH − 1) + output_padding + 1. Raises ValueError where
    shapes don't fit.

    >>> import tinygrad_lite as tl
    >>> tl.conv_transpose2d(tl.ones(1, 1, 1), tl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    return transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composed
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """y[n, c, j] = b[c] + Σ_o Σ_{i,k: s·i + d·k − p = j} x[n, o, i] · w[o, c, k], i, j, k in three dimensions

    The transpose of `conv3d`; see `conv_transpose2d`. input (N, C, D, H, W) or (C, D, H, W), weight
    (C, O / groups, KD, KH, KW).

    >>> import tinygrad_lite as tl
    >>> tl.conv_transpose3d(tl.ones(1, 1, 1, 2), tl.ones(1, 1, 1, 1, 2))
    tensor([[[[1., 2., 1.]]]])
    """
    return transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


# ----------------------------------------------------------------------------------- unfold and fold


def places(name: str, spatial: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, tuple]:
    """The parameters of a sliding window over a plane, and how many places it has along each axis."""
    spatial = sizes(spatial, 2, f"{name}: output_size", 1)
    kernel = sizes(kernel_size, 2, f"{name}: kernel_size", 1)
    dilation = sizes(dilation, 2, f"{name}: dilation", 1)
    padding = sizes(padding, 2, f"{name}: padding")
    stride = sizes(stride, 2, f"{name}: stride", 1)
    size = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(spatial, padding, dilation, kernel, stride)
    )
    if min(size) < 1:
        raise ValueError(
            f"{name}: a window of {kernel} with dilation {dilation} does not fit {spatial} with padding {padding}"
        )
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "size": size}


@primitive
def unfold(input: Array, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """y[n, (c, k, l), (i, j)] = x[n, c, s·i + d·k − p, s·j + d·l − p]

    Every window of the input as a column: input (N, C, H, W) or (C, H, W) gives (N, C·KH·KW, places).

    >>> import tinygrad_lite as tl
    >>> tl.unfold(tl.arange(6.0).reshape(1, 2, 3), (2, 2))
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ValueError(f"unfold: the input has shape {input.shape}; it must be (N, C, H, W) or (C, H, W), not empty")
    window = places("unfold", input.shape[-2:], kernel_size, dilation, padding, stride)
    y = kernels.unfold(input.reshape(-1, *input.shape[-3:]), **window)
    return y.reshape(*input.shape[:-3], *y.shape[1:])


@unfold.gradient
def unfold_input(g, input_shape, kernel_size, dilation, padding, stride):
    return fold.on(g, input_shape[-2:], kernel_size, dilation, padding, stride)


@primitive
def fold(
    input: Array, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """y[n, c, a, b] = Σ x[n, (c, k, l), (i, j)] over all s·i + d·k − p = a, s·j + d·l − p = b

    The transpose of `unfold`: columns are put back where they came from, and summed where they overlap.
    input (N, C·KH·KW, places) or (C·KH·KW, places) gives (N, C, *output_size) or (C, *output_size).

    >>> import tinygrad_lite as tl
    >>> tl.fold(tl.ones(4, 2), (2, 3), (2, 2))
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    if input.ndim not in (2, 3):
        raise ValueError(f"fold: the input has shape {input.shape}; it must be (N, C * kernel, places), or without N")
    window = places("fold", output_size, kernel_size, dilation, padding, stride)
    kernel, size = window["kernel"], window["size"]
    rows, columns = input.shape[-2:]
    if rows == 0 or rows % (kernel[0] * kernel[1]) or columns != size[0] * size[1]:
        raise ValueError(
            f"fold: the input has shape {input.shape}; its second last axis must be a multiple of the kernel's "
            f"{kernel[0]} * {kernel[1]}, its last one {size[0]} * {size[1]}, the places of the window"
        )
    spatial = sizes(output_size, 2, "fold: output_size", 1)
    y = kernels.fold(input.reshape(-1, rows, columns), spatial, **window)
    return y.reshape(*input.shape[:-2], *y.shape[1:])


@fold.gradient
def fold_input(g, kernel_size, dilation, padding, stride):
    return unfold.on(g, kernel_size, dilation, padding, stride)
