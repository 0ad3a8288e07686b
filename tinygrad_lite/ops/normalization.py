"""Normalisation: subtract a mean, divide by a standard deviation, then scale and shift.

Batch, instance and group normalisation differ only in what a mean is taken over. In the shape (N, G, K, L),
N samples, G groups of K channels and L places, the first averages over samples and places, a channel being a
group; the other two average over the channels and places of a group in one sample: `standardize` does all
three. In layer normalisation every element of a mean has a weight of its own: `standardize_rows`, which is
RMS normalisation where nothing is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_lite.modes import is_replay
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


@primitive(public=False)
def combine(x: Array, a: Array, y: Array | None, b: Array | None, c: Array) -> Tensor:
    """x a + y b + c, where the small arrays a, b and c broadcast; y and b may be left out together."""
    out: Any = np.asarray(x * a)
    if y is not None:
        out += y * b
    out += c
    return out.astype(x.dtype, copy=False)


@combine.gradient
def combine_x(g, a):
    return g * a


@combine.gradient
def combine_a(g, x):
    return g * x


@combine.gradient
def combine_y(g, b):
    return g * b


@combine.gradient
def combine_b(g, y):
    return g * y


@combine.gradient
def combine_c(g):
    return g


# ---------------------------------------------------------------------------- the two normalisations


def working(x: Any) -> Any:
    """float16 as float32, in which sums are taken."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def centred(x: np.ndarray, labels: str, kept: str, centre: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x minus its mean (new memory; float16 as float32), the mean and the variance.

    labels: a letter for each axis; kept: the letters of those that are not averaged over. Without `centre`
    the mean is taken to be 0.
    """
    x = working(x)
    shape = [n if letter in kept else 1 for letter, n in zip(labels, x.shape)]
    count = x.dtype.type(x.size // max(prod(shape), 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # an empty mean is NaN
        mean = np.einsum(f"{labels}->{kept}", x).reshape(shape) / count if centre else np.zeros(shape, x.dtype)
        out = x - mean
        return out, mean, np.einsum(f"{labels},{labels}->{kept}", out, out).reshape(shape) / count


def summed(t: Any, axis: int) -> Any:
    """The sum along an axis, which stays."""
    return t if t.shape[axis] == 1 else np.sum(t, axis=axis, keepdims=True)


def standardize_back(g, scale, sum_g, sum_gx, x, mean, var, g_mean, g_var, eps):  # type: ignore
    """The gradient of x. d mean / dx = 1 / n, d var / dx = 2 (x - mean) / n, d rstd / dvar = -rstd^3 / 2.

    scale: the factor of g. sum_g and sum_gx: the sums, over what a mean is taken of, of g weight and of
    g weight (x - mean).
    """
    rstd = 1 / np.sqrt(var + eps)
    inverse = prod(mean.shape) / max(prod(x.shape), 1)
    slope = (2 * g_var - sum_gx * (rstd * rstd * rstd)) * inverse
    return combine.on(g, scale, x, slope, (g_mean - sum_g * rstd) * inverse - slope * mean)


def in_groups(shape: tuple[int, ...], groups: int) -> tuple[int, ...]:
    """(N, C, ...) as (N, G, K, L)."""
    n, c, *places = shape
    return n, groups, c // max(groups, 1), prod(places)


@primitive(outputs="out mean var", public=False)
def standardize(x: Array, weight: Array | None, bias: Array | None, groups: int, over_samples: bool, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, the mean, and the biased variance.

    x: (N, C, ...) with channels in `groups` groups; weight and bias: (C,). A mean is taken over the channels
    and places of a group, in each sample, or `over_samples` as well (then a channel is a group).
    """
    shape = in_groups(x.shape, groups)
    out, mean, var = centred(x.reshape(shape), "ngkl", "g" if over_samples else "ng")
    column = (*shape[1:3], 1)
    rstd = 1 / np.sqrt(var + eps)
    out *= rstd if weight is None else rstd * weight.reshape(column)
    if bias is not None:
        out += bias.reshape(column)
    return out.reshape(x.shape).astype(x.dtype, copy=False), mean, var


@standardize.gradients
def standardize_all(g, g_mean, g_var, x, weight, mean, var, groups, over_samples, eps, needs):
    x_shape, grouped = x.shape, in_groups(x.shape, groups)
    g, x = (np.reshape(working(t), grouped) for t in (g, x))
    # The sums of g and of g (x - mean) in a channel.
    kept, shape = ("gk", (1, *grouped[1:3], 1)) if over_samples else ("ngk", (*grouped[:3], 1))
    sum_g = np.reshape(np.einsum(f"ngkl->{kept}", g), shape)
    sum_gx = np.reshape(np.einsum(f"ngkl,ngkl->{kept}", g, x), shape) - mean * sum_g
    rstd = 1 / np.sqrt(var + eps)
    dbias, dweight = (np.reshape(summed(t, 0), x_shape[1]) for t in (sum_g, sum_gx * rstd))
    dx = None
    if needs[0]:
        scale = rstd
        if weight is not None:
            weight = np.reshape(weight, shape[1:])
            sum_g, sum_gx, scale = sum_g * weight, sum_gx * weight, rstd * weight
        dx = standardize_back(g, scale, summed(sum_g, 2), summed(sum_gx, 2), x, mean, var, g_mean, g_var, eps)
        dx = np.reshape(dx, x_shape)
    return dx, dweight, dbias


@primitive(outputs="out mean var", public=False)
def standardize_rows(
    x: Array, weight: Array | None, bias: Array | None, rank: int, eps: float, centre: bool = True
) -> Any:
    """As `standardize`, where a mean is taken over the last `rank` axes of x, the shape of weight and bias."""
    size = prod(x.shape[x.ndim - rank :])
    out, mean, var = centred(x.reshape(prod(x.shape[: x.ndim - rank]), size), "md", "m", centre)
    out /= np.sqrt(var + eps)
    if weight is not None:
        out *= weight.reshape(size)
    if bias is not None:
        out += bias.reshape(size)
    return out.reshape(x.shape).astype(x.dtype, copy=False), mean, var


@standardize_rows.gradients
def standardize_rows_all(g, g_mean, g_var, x, weight, mean, var, rank, eps, centre, needs):
    x_shape, shape = x.shape, x.shape[x.ndim - rank :]
    g, x = (np.reshape(working(t), (prod(x_shape[: len(x_shape) - rank]), prod(shape))) for t in (g, x))
    rstd = 1 / np.sqrt(var + eps)
    dx = dweight = None
    if needs[0]:
        h = g if weight is None else g * np.reshape(weight, x.shape[1])
        sum_g = np.sum(h, axis=1, keepdims=True)
        sum_gx = np.expand_dims(np.einsum("md,md->m", h, x), 1) - mean * sum_g
        if not centre:
            sum_g = g_mean = 0.0
        dx = np.reshape(standardize_back(h, rstd, sum_g, sum_gx, x, mean, var, g_mean, g_var, eps), x_shape)
    if needs[1]:
        pulled = np.einsum("md,md,m->d", g, x, rstd[:, 0]) - np.einsum("md,m->d", g, (mean * rstd)[:, 0])
        dweight = np.reshape(pulled, shape)
    return dx, dweight, np.reshape(np.sum(g, axis=0), shape)


# ---------------------------------------------------------------------------------- public functions


def floating(x: Array) -> Tensor:
    """x as a Tensor of floating-point numbers."""
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else x.astype(DEFAULT_DTYPE)


def channels(name: str, x: Tensor, **vectors: Any) -> int:
    """The number of channels of x (N, C, ...). Raise unless each vector is None or has one value for each."""
    if x.ndim < 2:
        raise ValueError(f"{name}: the input has shape {x.shape}; it needs samples and channels: (N, C) or (N, C, ...)")
    for what, vector in vectors.items():
        if vector is not None and np.shape(vector) != (x.shape[1],):
            raise ValueError(
                f"{name}: {what} has shape {np.shape(vector)}, but the input {x.shape} has {x.shape[1]} channels "
                f"(axis 1), so it must be ({x.shape[1]},)"
            )
    return x.shape[1]


def track(name: str, running: Array | None, value: np.ndarray, momentum: float) -> None:
    """running = (1 - momentum) running + momentum value, in place and outside of the graph."""
    if running is not None and not is_replay():
        if not isinstance(running, (Tensor, np.ndarray)) or running.dtype.kind != "f":
            raise TypeError(
                f"{name}: running statistics are updated in place, so give floating-point arrays or Tensors"
            )
        array = running._writable(name) if isinstance(running, Tensor) else running
        array += (momentum * (value - array)).astype(array.dtype, copy=False)


def by_running(
    x: Tensor, running_mean: Array | None, running_var: Array | None, weight: Any, bias: Any, eps: float
) -> Tensor:
    """Normalise each channel of x by a given mean and variance."""
    if running_mean is None or running_var is None:
        raise ValueError("without statistics of the input it normalises by running_mean and running_var; one is None")
    scale = 1 / np.sqrt(as_tensor(running_var) + eps)
    scale = scale if weight is None else scale * weight
    shift = -as_tensor(running_mean) * scale
    shift = shift if bias is None else shift + bias
    column = (-1,) + (1,) * (x.ndim - 2)
    return combine(x, scale.reshape(column), None, None, shift.reshape(column))


@composed
def batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel over all samples and places.

    input: (N, C) or (N, C, ...). weight, bias, running_mean, running_var: (C,) or None. training: normalise
    by the mean and the biased variance of this input, and move the running ones (arrays or Tensors, in place)
    towards its mean and unbiased variance by the fraction `momentum`; otherwise normalise by the running ones.

    Raises ValueError for other shapes, for one value per channel in training, and where running statistics
    are needed and missing. Source: Ioffe and Szegedy 2015, arXiv:1502.03167.

    >>> import tinygrad_lite as tl
    >>> tl.batch_norm(tl.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-0.999995],
            [ 0.999995]])
    """
    x = floating(input)
    c = channels("batch_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not training:
        return by_running(x, running_mean, running_var, weight, bias, eps)
    count = x.size // max(c, 1)
    if count == 1:
        raise ValueError(
            f"batch_norm: an input of shape {x.shape} has one value per channel, which in training has no variance; "
            "use a batch of two or more, or training=False"
        )
    out, mean, var = standardize(x, weight, bias, c, True, eps)
    if count:
        track("batch_norm", running_mean, mean._array.reshape(c), momentum)
        track("batch_norm", running_var, var._array.reshape(c) * (count / (count - 1)), momentum)
    return out


@composed
def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel of each sample over its places.

    input: (N, C, ...). weight, bias, running_mean, running_var: (C,) or None. use_input_stats: normalise by the
    input, and move the running ones, if given, towards the mean over samples of its means and unbiased
    variances; otherwise normalise by the running ones.

    Raises ValueError as `batch_norm` does. Source: Ulyanov et al. 2016, arXiv:1607.08022.

    >>> import tinygrad_lite as tl
    >>> tl.instance_norm(tl.tensor([[[1.0, 3.0], [0.0, 0.0]]]))
    tensor([[[-0.999995,  0.999995],
             [ 0.      ,  0.      ]]])
    """
    x = floating(input)
    c = channels("instance_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not use_input_stats:
        return by_running(x, running_mean, running_var, weight, bias, eps)
    count = prod(x.shape[2:])
    if count == 1:
        raise ValueError(
            f"instance_norm: an input of shape {x.shape} has one value per channel and sample, which has no variance; "
            "it needs two places or more"
        )
    out, mean, var = standardize(x, weight, bias, c, False, eps)
    if x.size:
        track("instance_norm", running_mean, mean._array.reshape(-1, c).mean(axis=0), momentum)
        unbiased = var._array.reshape(-1, c).mean(axis=0) * (count / (count - 1))
        track("instance_norm", running_var, unbiased, momentum)
    return out


@composed
def group_norm(
    input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Tensor:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the channels and places of a group in a sample.

    input: (N, C, ...), its channels in `num_groups` groups of neighbours. weight and bias: (C,) or None.
    Raises ValueError where C is not a multiple of num_groups, and for a single value per group.
    Source: Wu and He 2018, arXiv:1803.08494.

    >>> import tinygrad_lite as tl
    >>> tl.group_norm(tl.tensor([[1.0, 3.0, 5.0, 5.0]]), 2)
    tensor([[-0.999995,  0.999995,  0.      ,  0.      ]])
    """
    x = floating(input)
    c = channels("group_norm", x, weight=weight, bias=bias)
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"group_norm: {c} channels can't be shared by num_groups={num_groups}; it must divide them")
    if x.size == num_groups:
        raise ValueError(f"group_norm: an input of shape {x.shape} has one value per group, which has no variance")
    return standardize(x, weight, bias, num_groups, False, eps)[0]


def trailing(name: str, x: Tensor, normalized_shape: int | Sequence[int], **arrays: Any) -> tuple[int, ...]:
    """`normalized_shape` as a tuple; raise unless x ends in it, and each of the arrays is None or has that shape."""
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not shape or x.shape[max(x.ndim - len(shape), 0) :] != shape:
        raise ValueError(f"{name}: the input has shape {x.shape}, which must end in normalized_shape={shape}")
    for what, array in arrays.items():
        if array is not None and np.shape(array) != shape:
            raise ValueError(f"{name}: {what} has shape {np.shape(array)}; it must be normalized_shape={shape}")
    return shape


@composed
def layer_norm(
    input: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the last axes.

    input: any shape that ends in `normalized_shape`, over which the mean and the biased variance are taken;
    weight and bias have that shape. Raises ValueError otherwise. Source: Ba et al. 2016, arXiv:1607.06450.

    >>> import tinygrad_lite as tl
    >>> tl.layer_norm(tl.tensor([[1.0, 3.0], [0.0, 0.0]]), 2)
    tensor([[-0.999995,  0.999995],
            [ 0.      ,  0.      ]])
    """
    x = floating(input)
    shape = trailing("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    return standardize_rows(x, weight, bias, len(shape), eps)[0]


@composed
def rms_norm(
    input: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, eps: float | None = None
) -> Tensor:
    """y = x / sqrt(mean(x^2) + eps) * weight, over the last axes.

    input: any shape that ends in `normalized_shape`, the shape of weight. eps: by default the rounding step of
    the input's dtype. Raises ValueError for other shapes. Source: Zhang and Sennrich 2019, arXiv:1910.07467.

    >>> import tinygrad_lite as tl
    >>> tl.rms_norm(tl.tensor([3.0, 4.0]), 2)
    tensor([0.84852815, 1.1313709 ])
    """
    x = floating(input)
    shape = trailing("rms_norm", x, normalized_shape, weight=weight)
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    return standardize_rows(x, weight, None, len(shape), eps, False)[0]


@composed
def local_response_norm(input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """y_c = x_c / (k + alpha / size * sum of x_j^2 over `size` neighbouring channels j around c) ^ beta.

    input: (N, C, ...) with at least one axis of places. Neighbours: size // 2 before c, (size - 1) // 2 after
    it, those that exist. Raises ValueError for other shapes. Source: Krizhevsky et al. 2012, section 3.3.

    >>> import tinygrad_lite as tl
    >>> tl.local_response_norm(tl.tensor([[[1.0], [2.0]]]), 2, alpha=2.0, beta=1.0)
    tensor([[[0.5       ],
            [0.33333334]]])
    """
    x = floating(input)
    if x.ndim < 3 or size < 1:
        raise ValueError(
            f"local_response_norm: needs (N, C, ...) with places, and size >= 1; got {x.shape} and size={size}"
        )
    before = size // 2
    squares = np.pad(x * x, [(0, 0), (before, size - 1 - before)] + [(0, 0)] * (x.ndim - 2))
    window = squares[:, : x.shape[1]]
    for shift in range(1, size):
        window = window + squares[:, shift : shift + x.shape[1]]
    return x / (window * (alpha / size) + k) ** beta
