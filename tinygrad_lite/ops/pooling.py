"""Pooling: the maximum or the mean of each window of a plane, for windows that slide or that share it evenly.

A window along one axis is a row of a table: of positions for a maximum, of ends for a mean; and a window of a plane is
a pair of such rows. So sliding and adaptive pooling, in one and two dimensions, differ only in their tables.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.convolution import Size, sizes
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.resampling import shared_table
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

Windows = tuple[np.ndarray, np.ndarray]
"""Along an axis: where each window begins and ends (n, 2), and what a value in it counts (n,)."""

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]


# -------------------------------------------------------------------------------------- maxima


def plane_of(x: np.ndarray, rank: int) -> np.ndarray:
    """x (..., H, W), H being 1 where windows have rank 1."""
    return x if rank == 2 else x[..., None, :]


def row_of(y: np.ndarray, rank: int) -> np.ndarray:
    """The way back."""
    return y if rank == 2 else y[..., 0, :]


@primitive(outputs="values indices", discrete="indices", public=False)
def largest(x: Array, tables: tuple[np.ndarray, ...]) -> Any:
    """The largest value in each window of the last axes, and its place in the flattened plane."""
    rank = len(tables)
    rows, columns = tables if rank == 2 else (np.zeros((1, 1), np.int64), *tables)
    values, indices = kernels.max_pool(plane_of(x, rank), rows, columns)
    return row_of(values, rank), row_of(indices, rank)


@largest.gradient
def largest_x(g, indices, x_shape, tables):
    return put.on(g, indices, x_shape[len(x_shape) - len(tables) :])


@primitive(public=False)
def put(x: Array, indices: Array, size: tuple) -> Tensor:
    """Zeros with planes of `size`, in which every value of x is added at its place."""
    return kernels.scatter_planes(x, indices, size)


@put.gradient
def put_x(g, indices, size):
    return pick.on(g, indices, len(size))


@primitive(public=False)
def pick(x: Array, indices: Array, rank: int) -> Tensor:
    """The values of x at places in its flattened planes: the last `rank` axes."""
    lead = x.shape[: x.ndim - rank]
    flat = x.reshape(*lead, prod(x.shape[len(lead) :]))
    n = prod(indices.shape[len(lead) :])
    return np.take_along_axis(flat, indices.reshape(*lead, n), -1).reshape(indices.shape)


@pick.gradient
def pick_x(g, indices, x_shape, rank):
    return put.on(g, indices, x_shape[len(x_shape) - rank :])


# --------------------------------------------------------------------------------------- means

ALONE = np.array([[0, 1]]), np.ones(1)
"""The window along the axis that a plane of rank 1 lacks."""


@primitive(public=False)
def average(x: Array, windows: tuple) -> Tensor:
    """The sum of each window of the last axes, times its share; `windows` of each as in kernels/twins/pooling.py."""
    rank = len(windows)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    return row_of(kernels.mean_pool(plane_of(x, rank), *(ALONE, *windows)[-2:]), rank)


@average.gradient
def average_x(g, x_shape, windows):
    return average_back.on(g, windows, x_shape[len(x_shape) - len(windows) :])


@primitive(public=False)
def average_back(x: Array, windows: tuple, size: tuple) -> Tensor:
    """The transpose of `average`; `size` is the shape of the last axes of the result."""
    rank = len(size)
    return row_of(kernels.mean_pool_back(plane_of(x, rank), *(ALONE, *windows)[-2:], (1, *size)[-2:]), rank)


@average_back.gradient
def average_back_x(g, windows):
    return average.on(g, windows)


# -------------------------------------------------------------------------------------- windows


def window_count(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit; with ceil_mode the last may hang over the end, but not start after it."""
    span = n + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - (ceil_mode and (count - 1) * stride >= n + padding)


@lru_cache(maxsize=512)
def sliding(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> tuple[np.ndarray, ...]:
    """Of each window along an axis of n: the positions in it (the first one instead of those outside), and whether
    they are inside."""
    count = window_count(n, kernel, stride, padding, dilation, ceil_mode)
    start = np.arange(count) * stride - padding
    index = start[:, None] + np.arange(kernel) * dilation
    valid = (index >= 0) & (index < n)
    some = np.take_along_axis(index, valid.argmax(axis=1)[:, None], axis=1)
    return np.where(valid, index, some), valid


@lru_cache(maxsize=512)
def maximum_table(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> np.ndarray:
    """Positions in order, so that the first of equal values wins; the last repeated for those outside."""
    index, valid = sliding(n, kernel, stride, padding, dilation, ceil_mode)
    if not valid.any(axis=1).all():
        raise ValueError(
            f"max_pool: a window of {kernel} with dilation {dilation} and padding {padding} meets nothing of an axis "
            f"of {n}, and has no maximum; use less padding or dilation"
        )
    last = np.where(valid, index, -1).max(axis=1, keepdims=True)
    return np.sort(np.where(valid, index, last), axis=1)


@lru_cache(maxsize=512)
def mean_windows(n: int, kernel: int, stride: int, padding: int, ceil_mode: bool, divisor: Any) -> Windows:
    """`divisor`: "padded" for all positions, "inside" for those in the array, or a number."""
    start = np.arange(window_count(n, kernel, stride, padding, 1, ceil_mode)) * stride - padding
    edges = np.stack([np.maximum(start, 0), np.minimum(start + kernel, n)], axis=1)
    if isinstance(divisor, str):
        divisor = np.minimum(start + kernel, n + padding) - start if divisor == "padded" else np.diff(edges)[:, 0]
    return edges, np.ones(len(start)) / divisor


@lru_cache(maxsize=512)
def shared_windows(n: int, count: int) -> Windows:
    """`count` windows that share an axis of n evenly: from floor(i * n / count) to ceil((i + 1) * n / count)."""
    place = np.arange(count)
    edges = np.stack([place * n // max(count, 1), -(-(place + 1) * n // max(count, 1))], axis=1)
    return edges, 1 / np.diff(edges)[:, 0]


def plane(name: str, input: Array, rank: int) -> tuple[Tensor, tuple[int, ...]]:
    """The input as a Tensor, and the shape of its last axes."""
    x = as_tensor(input)
    if x.ndim not in (rank + 1, rank + 2) or 0 in x.shape[x.ndim - rank - 1 :]:
        wanted = "(N, C, L) or (C, L)" if rank == 1 else "(N, C, H, W) or (C, H, W)"
        raise ValueError(f"{name}: the input has shape {x.shape}; it must be {wanted}, where only N may be 0")
    return x, x.shape[x.ndim - rank :]


def window_arguments(
    name: str, spatial: tuple, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[tuple]:
    """Kernel, stride, padding and dilation for each axis, checked."""
    rank = len(spatial)
    kernel = sizes(kernel_size, rank, f"{name}: kernel_size", 1)
    default = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    step = kernel if default else sizes(stride, rank, f"{name}: stride", 1)
    pad = sizes(padding, rank, f"{name}: padding")
    dilation = sizes(dilation, rank, f"{name}: dilation", 1)
    for n, k, s, p, d in zip(spatial, kernel, step, pad, dilation):
        if 2 * p > d * (k - 1) + 1:
            raise ValueError(f"{name}: padding {padding} is more than half of the window {kernel}; use tl.pad before")
        if window_count(n, k, s, p, d, ceil_mode) < 1:
            raise ValueError(
                f"{name}: a window of {kernel} with dilation {dilation} is larger than the input {spatial} with "
                f"padding {pad}; the usual cause is one pooling too many"
            )
    return list(zip(spatial, kernel, step, pad, dilation))


def output_sizes(name: str, output_size: Any, spatial: tuple) -> tuple[int, ...]:
    """The size of an adaptive result; None keeps an axis."""
    many = isinstance(output_size, (tuple, list))
    given = tuple(output_size) if many else (output_size,) * len(spatial)
    given = given * len(spatial) if len(given) == 1 else given
    if len(given) != len(spatial):
        raise ValueError(
            f"{name}: output_size is {output_size}; it needs one number, or {len(spatial)}, or None to keep an axis"
        )
    return sizes([n if g is None else g for g, n in zip(given, spatial)], len(spatial), f"{name}: output_size")


# ------------------------------------------------------------------------------ what users call


def maximum(name: str, rank: int, input: Array, return_indices: bool, *arguments: Any) -> Any:
    x, spatial = plane(name, input, rank)
    tables = tuple(maximum_table(*a, arguments[-1]) for a in window_arguments(name, spatial, *arguments))
    found = largest(x, tables)
    return found._replace(indices=found.indices.astype(np.int64)) if return_indices else found.values


def means(
    name: str, rank: int, input: Array, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, divisor: Any
) -> Tensor:
    x, spatial = plane(name, input, rank)
    axes = window_arguments(name, spatial, kernel_size, stride, padding, 1, ceil_mode)
    # A divisor in numbers is that of the whole window: it belongs to the first axis alone.
    divisors = (divisor,) * rank if isinstance(divisor, str) else (divisor, *[1] * (rank - 1))
    windows = tuple(mean_windows(n, k, s, p, ceil_mode, by) for (n, k, s, p, _), by in zip(axes, divisors))
    return average(x, windows)


@composed
def max_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """y[n, c, i] = max_k x[n, c, s·i + d·k − p]

    The largest value in each window; see `max_pool2d`. input (N, C, L) or (C, L).

    >>> import tinygrad_lite as tl
    >>> tl.max_pool1d(tl.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return maximum("max_pool1d", 1, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


@composed
def max_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """y[n, c, i, j] = max_k,l x[n, c, s·i + d·k − p, s·j + d·l − p]

    The largest value in each window; what lies outside the input never is. Its gradient goes to the first
    largest value.
    input           (N, C, H, W) or (C, H, W)
    kernel_size     the window; stride its step (default: the window), padding, dilation as in `conv2d`
    ceil_mode       also take windows that hang over the end
    return_indices  also return the place of each largest value in its flattened plane
    Returns (N, C, H', W'), or that and int64 indices of the same shape. Raises ValueError where a window does
    not fit, or the padding is more than half of it.

    >>> import tinygrad_lite as tl
    >>> tl.max_pool2d(tl.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return maximum("max_pool2d", 2, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


@composed
def avg_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """y[n, c, i] = 1/K Σ_k x[n, c, s·i + k − p]

    The mean of each window; see `avg_pool2d`. input (N, C, L) or (C, L).

    >>> import tinygrad_lite as tl
    >>> tl.avg_pool1d(tl.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    divisor = "padded" if count_include_pad else "inside"
    return means("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, divisor)


@composed
def avg_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """y[n, c, i, j] = 1/(KH·KW) Σ_k,l x[n, c, s·i + k − p, s·j + l − p]

    The mean of each window.
    input              (N, C, H, W) or (C, H, W)
    kernel_size        the window; stride its step (default: the window), padding zeros on every side
    ceil_mode          also take windows that hang over the end; what hangs over doesn't count
    count_include_pad  whether the zeros of the padding count
    divisor_override   divide by this instead of the count
    Raises ValueError where a window does not fit, or the padding is more than half of it.

    >>> import tinygrad_lite as tl
    >>> tl.avg_pool2d(tl.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5,  4.5],
             [10.5, 12.5]]])
    """
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override is 0; leave it out to divide by the size of the window")
    divisor = ("padded" if count_include_pad else "inside") if divisor_override is None else divisor_override
    return means("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, divisor)


def shared_means(name: str, rank: int, input: Array, output_size: Any) -> Tensor:
    x, spatial = plane(name, input, rank)
    size = output_sizes(name, output_size, spatial)
    return average(x, tuple(map(shared_windows, spatial, size)))


def shared_maximum(name: str, rank: int, input: Array, output_size: Any, return_indices: bool) -> Any:
    x, spatial = plane(name, input, rank)
    tables = map(shared_table, spatial, output_sizes(name, output_size, spatial))
    found = largest(x, tuple(index for index, _ in tables))
    return found._replace(indices=found.indices.astype(np.int64)) if return_indices else found.values


@composed
def adaptive_avg_pool1d(input: Array, output_size: Size) -> Tensor:
    """y[n, c, i] = mean of x[n, c, ⌊i·L/O⌋ ... ⌈(i+1)·L/O⌉ − 1]

    The means of `output_size` windows that share the axis evenly; see `adaptive_avg_pool2d`.

    >>> import tinygrad_lite as tl
    >>> tl.adaptive_avg_pool1d(tl.tensor([[1.0, 3.0, 2.0, 0.0]]), 1)
    tensor([[1.5]])
    """
    return shared_means("adaptive_avg_pool1d", 1, input, output_size)


@composed
def adaptive_avg_pool2d(input: Array, output_size: Any) -> Tensor:
    """y[n, c, i, j] = mean of x[n, c, ⌊i·H/O⌋ ... ⌈(i+1)·H/O⌉ − 1, likewise in j and W]

    The means of windows that share the plane evenly, so that the result has `output_size`: a number, or (H', W'),
    where None keeps an axis. input (N, C, H, W) or (C, H, W). `adaptive_avg_pool2d(x, 1)` is the mean of each channel.

    >>> import tinygrad_lite as tl
    >>> tl.adaptive_avg_pool2d(tl.arange(6.0).reshape(1, 2, 3), (1, None))
    tensor([[[1.5, 2.5, 3.5]]])
    """
    return shared_means("adaptive_avg_pool2d", 2, input, output_size)


@composed
def adaptive_max_pool1d(input: Array, output_size: Size, return_indices: bool = False) -> Any:
    """y[n, c, i] = max of x[n, c, ⌊i·L/O⌋ ... ⌈(i+1)·L/O⌉ − 1]

    The largest values of `output_size` windows that share the axis evenly, and their places if asked for.

    >>> import tinygrad_lite as tl
    >>> tl.adaptive_max_pool1d(tl.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return shared_maximum("adaptive_max_pool1d", 1, input, output_size, return_indices)


@composed
def adaptive_max_pool2d(input: Array, output_size: Any, return_indices: bool = False) -> Any:
    """y[n, c, i, j] = max of x[n, c, ⌊i·H/O⌋ ... ⌈(i+1)·H/O⌉ − 1, likewise in j and W]

    The largest values of windows that share the plane evenly, and their places if asked for; `output_size` as in
    `adaptive_avg_pool2d`.

    >>> import tinygrad_lite as tl
    >>> tl.adaptive_max_pool2d(tl.arange(6.0).reshape(1, 2, 3), 1)
    tensor([[[5.]]])
    """
    return shared_maximum("adaptive_max_pool2d", 2, input, output_size, return_indices)
