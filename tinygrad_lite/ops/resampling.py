"""Resampling: weighted sums along axes, and what is made of them: interpolation. Also pixel shuffling.

Along one axis, each output position sees a few input positions with weights: two tables (n, T). Mean pooling
and every mode of interpolation are such sums along the axes in turn, so one primitive and its transpose do
for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import floor, prod
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.convolution import Size, sizes
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle"]

Table = tuple[np.ndarray, np.ndarray]
"""For each output position along an axis the input positions that it sees, and their weights; both (n, T)."""


# ---------------------------------------------------------------------------------- weighted sums


def along_axes(kernel: Callable, x: np.ndarray, tables: Sequence[Table | None], size: Sequence[int]) -> np.ndarray:
    """Apply a kernel on (A, L, B) along each of the last axes that has a table; `size` is the resulting shape."""
    first = x.ndim - len(tables)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    y = x.astype(np.float32 if dtype == np.float16 else dtype, copy=False)
    # The last axis has the shortest inner loops: it comes where the array is small.
    growing = prod(size) > prod(x.shape[first:])
    for k in range(len(tables))[:: -1 if growing else 1]:
        table = tables[k]
        if table is not None:
            shape = y.shape
            axis = first + k
            y = kernel(y.reshape(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])), *table, size[k])
            y = y.reshape(*shape[:axis], size[k], *shape[axis + 1 :])
    return y.astype(dtype, copy=y is x)


@primitive(public=False)
def resample(x: Array, tables: tuple[Table | None, ...]) -> Tensor:
    """y[..., i] = sum over t of weight[i, t] * x[..., index[i, t]], along each of the last axes with its table."""
    last = x.shape[x.ndim - len(tables) :]
    size = [n if table is None else len(table[0]) for n, table in zip(last, tables)]
    return along_axes(lambda a, index, weight, n: kernels.resample(a, index, weight), x, tables, size)


@resample.gradient
def resample_x(g, x_shape, tables):
    return resample_back.on(g, tables, x_shape[len(x_shape) - len(tables) :])


@primitive(public=False)
def resample_back(y: Array, tables: tuple[Table | None, ...], size: tuple) -> Tensor:
    """The transpose of `resample`; `size` is the shape of the last axes of the result."""
    return along_axes(kernels.resample_back, y, tables, size)


@resample_back.gradient
def resample_back_y(g, tables):
    return resample.on(g, tables)


@lru_cache(maxsize=512)
def shared_table(n: int, count: int) -> Table:
    """`count` windows that share an axis of n evenly: from floor(i * n / count) to ceil((i + 1) * n / count)."""
    start = np.arange(count) * n // max(count, 1)
    stop = -(-(np.arange(count) + 1) * n // max(count, 1))
    index = start[:, None] + np.arange(max(stop - start, default=1))
    valid = index < stop[:, None]
    return np.minimum(index, stop[:, None] - 1), valid / (stop - start)[:, None]


# --------------------------------------------------------------------------------- interpolation


@lru_cache(maxsize=512)
def nearest_table(n: int, size: int, step: float, exact: bool) -> Table:
    """The one position below i * step, or below the middle of i with `exact`. In float32, as PyTorch rounds."""
    place = np.floor((np.arange(size, dtype=np.float32) + np.float32(0.5 * exact)) * np.float32(step))
    return np.minimum(place.astype(np.int64), n - 1)[:, None], np.ones((size, 1))


@lru_cache(maxsize=512)
def smooth_table(n: int, size: int, step: float, align_corners: bool, cubic: bool) -> Table:
    """Two neighbours by distance, or four by the cubic of Keys 1981 with a = -3/4; the ends are repeated."""
    place = np.arange(size) * (((n - 1) / (size - 1) if size > 1 else 0.0) if align_corners else step)
    if not align_corners:
        place = place + (0.5 * step - 0.5)
    if not cubic:
        place = np.maximum(place, 0)
    base = np.minimum(np.floor(place).astype(np.int64), n - 1)
    t = np.clip(place - base, 0, 1)[:, None]
    if not cubic:
        return np.minimum(base[:, None] + [0, 1], n - 1), np.concatenate([1 - t, t], axis=1)
    a = -0.75
    near = np.concatenate([t, 1 - t], axis=1)
    near = ((a + 2) * near - (a + 3)) * near**2 + 1
    far = np.concatenate([1 + t, 2 - t], axis=1)
    far = ((far - 5) * far + 8) * far * a - 4 * a
    weight = np.stack([far[:, 0], near[:, 0], near[:, 1], far[:, 1]], axis=1)
    return np.clip(base[:, None] + np.arange(-1, 3), 0, n - 1), weight


RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
"""Modes that are for one number of spatial axes."""


@composed
def interpolate(
    input: Array,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """y[n, c, i] = Σ_t w[i, t] · x[n, c, index[i, t]], along every spatial axis

    Resize the spatial axes of input (N, C, L), (N, C, H, W) or (N, C, D, H, W) to `size`, or by `scale_factor`
    (one of them; a number, or one for each axis).
    mode           'nearest', 'nearest-exact' (rounding as image libraries do), 'linear' (3-d input), 'bilinear',
                   'bicubic' (4-d), 'trilinear' (5-d), 'area' (means, as `adaptive_avg_pool2d`)
    align_corners  for linear to trilinear: whether the first and last positions of input and output coincide
                   (True) or their outer edges do (False, the default)
    recompute_scale_factor  place the positions by the rounded sizes and not by `scale_factor`
    Raises ValueError for a mode that doesn't exist or doesn't suit the input's shape, and for an empty size.

    >>> import tinygrad_lite as tl
    >>> tl.interpolate(tl.tensor([[[0.0, 4.0]]]), size=4, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    x = as_tensor(input)
    rank = x.ndim - 2
    if rank not in (1, 2, 3) or 0 in x.shape[1:]:
        raise ValueError(f"interpolate: the input has shape {x.shape}; it must be (N, C, *spatial), only N may be 0")
    if mode not in ("nearest", "nearest-exact", "area", *RANKS):
        raise ValueError(f"interpolate: mode is {mode!r}; it must be nearest, nearest-exact, area, {', '.join(RANKS)}")
    if RANKS.get(mode, rank) != rank:
        raise ValueError(f"interpolate: mode {mode!r} needs {RANKS[mode] + 2} axes, the input has shape {x.shape}")
    if align_corners is not None and mode not in RANKS:
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}; it is for {', '.join(RANKS)}")
    spatial = x.shape[2:]
    new, steps = resized(spatial, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return resample(x, tuple(map(shared_table, spatial, new)))
    if mode in RANKS:
        aligned, cubic = bool(align_corners), mode == "bicubic"
        return resample(x, tuple(smooth_table(n, m, s, aligned, cubic) for n, m, s in zip(spatial, new, steps)))
    exact = mode == "nearest-exact"
    return resample(x, tuple(nearest_table(n, m, s, exact) for n, m, s in zip(spatial, new, steps)))


def resized(spatial: tuple, size: Any, scale_factor: Any, recompute: bool | None) -> tuple[tuple, tuple]:
    """The new size of each axis, and how far apart in the input its positions stand."""
    rank = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: size is {size} and scale_factor {scale_factor}; give one of them")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor has no meaning with size; leave it out")
        new = sizes(size, rank, "interpolate: size", 1)
        return new, tuple(n / m for n, m in zip(spatial, new))
    scales = tuple(scale_factor) if np.ndim(scale_factor) else (scale_factor,) * rank
    if len(scales) != rank:
        raise ValueError(f"interpolate: scale_factor is {scale_factor}; it needs one number, or {rank}, one an axis")
    new = sizes([floor(n * float(s)) for n, s in zip(spatial, scales)], rank, "interpolate: the new size", 1)
    return new, tuple(n / m if recompute else 1 / float(s) for n, m, s in zip(spatial, new, scales))


# ------------------------------------------------------------------------------------ pixel shuffle


@primitive
def pixel_shuffle(input: Array, upscale_factor: int) -> Tensor:
    """y[..., c, r·i + a, r·j + b] = x[..., c·r² + a·r + b, i, j]

    Channels become pixels (Shi et al. 2016, arXiv:1609.05158): (..., C·r², H, W) to (..., C, H·r, W·r) for
    r = `upscale_factor`. Raises ValueError where r² does not divide the channels.

    >>> import tinygrad_lite as tl
    >>> tl.pixel_shuffle(tl.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: the input has shape {input.shape}, upscale_factor {r}; it needs (..., C * r * r, H, W)"
        )
    *lead, c, h, w = input.shape
    y = input.reshape(*lead, c // (r * r), r, r, h, w)
    return np.moveaxis(y, (-4, -3), (-3, -1)).reshape(*lead, c // (r * r), h * r, w * r)


@pixel_shuffle.gradient
def pixel_shuffle_input(g, upscale_factor):
    return pixel_unshuffle.on(g, upscale_factor)


@primitive
def pixel_unshuffle(input: Array, downscale_factor: int) -> Tensor:
    """y[..., c·r² + a·r + b, i, j] = x[..., c, r·i + a, r·j + b]

    The inverse of `pixel_shuffle`: (..., C, H·r, W·r) to (..., C·r², H, W) for r = `downscale_factor`.
    Raises ValueError where r does not divide the height and the width.

    >>> import tinygrad_lite as tl
    >>> tl.pixel_unshuffle(tl.arange(4.0).reshape(1, 2, 2), 2).reshape(4)
    tensor([0., 1., 2., 3.])
    """
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-2] % r or input.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle: the input has shape {input.shape}, downscale_factor {r}; it needs (..., C, H * r, W * r)"
        )
    *lead, c, h, w = input.shape
    y = input.reshape(*lead, c, h // r, r, w // r, r)
    return np.moveaxis(y, (-3, -1), (-4, -3)).reshape(*lead, c * r * r, h // r, w // r)


@pixel_unshuffle.gradient
def pixel_unshuffle_input(g, downscale_factor):
    return pixel_shuffle.on(g, downscale_factor)
