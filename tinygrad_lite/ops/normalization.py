"""Normalisation: subtract a mean, divide by a standard deviation, then scale and shift.

Batch, instance, group and layer normalisation differ only in what a mean is taken over. All are `standardize`, of an
input seen in the shape (A, R, G, K, L): the means of R rows and G groups are over A samples, K channels and L places.
In batch normalisation A is the batch and a channel is a group; in the others R is, and A is 1. In layer normalisation
a channel is a single value: L is 1. RMS normalisation is layer normalisation where nothing is subtracted.

The gradients are a kernel on arrays. On Tensors, for higher orders, they are what specifies it, its NumPy twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.autograd import GradientError
from tinygrad_lite.modes import is_replay
from tinygrad_lite.ops.creation import as_tensor, stop_gradient
from tinygrad_lite.ops.piecewise import relu
from tinygrad_lite.ops.transcendental import sqrt
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor

__all__ = [
    "batch_norm",
    "batch_norm_relu",
    "batch_renorm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]

View = tuple[int, int, int, int, int]


@primitive(outputs="out mean var", discrete="mean var", public=False)
def standardize(x: Array, weight: Array | None, bias: Array | None, view: View, eps: float, centre: bool = True) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, the mean (0 without `centre`), and the biased variance.

    x: anything that can be seen in the shape `view` = (A, R, G, K, L); weight and bias: G K values. mean, var: R G.
    """
    return kernels.normalize(x, weight, bias, None, view, eps, centre, False)


@standardize.gradients
def standardize_all(g, x, weight, mean, var, view, eps, centre, shapes):
    return standardize_back(g, x, weight, None, mean, var, view, eps, centre, shapes, False)


@primitive(outputs="out mean var", discrete="mean var", public=False)
def standardize_relu(
    x: Array, weight: Array | None, bias: Array | None, residual: Array | None, view: View, eps: float
) -> Any:
    """relu(standardize(x) + residual), in one pass over x."""
    return kernels.normalize(x, weight, bias, residual, view, eps, True, True)


@standardize_relu.gradients
def standardize_relu_all(g, x, weight, out, mean, var, view, eps, shapes, needs):
    return standardize_back(g, x, weight, out, mean, var, view, eps, True, shapes, needs[3])


def standardize_back(g, x, weight, out, mean, var, view, eps, centre, shapes, copy):  # type: ignore
    """The gradients of all operands, whose shapes are `shapes`. See kernels/twins/normalization.py."""
    back = kernels.normalize_back
    if any(isinstance(t, Tensor) for t in (g, x, weight)):
        back, mean, var = kernels.twin("normalize_back"), None, None
    dx, dweight, dbias, dresidual = back(g, x, weight, out, mean, var, view, eps, centre, copy)
    vectors = (np.reshape(t, shape) if shape else None for t, shape in zip((dweight, dbias), shapes[1:3]))
    return dx, *vectors, dresidual if copy else None


@primitive(public=False)
def affine(x: Array, scale: Array, shift: Array) -> Tensor:
    """x * scale + shift, for each channel; x (N, C, ...), scale and shift (C,)."""
    return kernels.affine(x.reshape(*x.shape[:2], prod(x.shape[2:])), scale, shift).reshape(x.shape)


@affine.gradient
def affine_x(g, scale):
    return affine.on(g, scale, np.zeros(scale.shape, scale.dtype))


@affine.gradient
def affine_scale(g, x):
    return np.sum(g * x, axis=(0, *range(2, x.ndim)))


@affine.gradient
def affine_shift(g):
    return np.sum(g, axis=(0, *range(2, g.ndim)))


# ---------------------------------------------------------------------------------- public functions


def floating(x: Array) -> Tensor:
    """x as a Tensor of floating-point numbers."""
    x = as_tensor(x)
    return x if x.dtype.kind == "f" else x.astype(DEFAULT_DTYPE)


def channels(name: str, x: Tensor, **vectors: Any) -> int:
    """The number of channels of x (N, C, ...). Raise unless each vector is None or has one value for each."""
    if x.ndim < 2:
        raise ValueError(f"{name}: the input has shape {x.shape}; it needs samples and channels: (N, C) or (N, C, ...)")
    c = x.shape[1]
    for what, vector in vectors.items():
        if vector is not None and (shape := vector.shape if isinstance(vector, Tensor) else np.shape(vector)) != (c,):
            raise ValueError(
                f"{name}: {what} has shape {shape}, but the input {x.shape} has {c} channels (axis 1), so it must be "
                f"({c},)"
            )
    return c


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
    return by_given(x, as_tensor(running_mean), sqrt(as_tensor(running_var) + eps), weight, bias)


def by_given(x: Tensor, mean: Tensor, std: Tensor, weight: Any, bias: Any) -> Tensor:
    """(x - mean) / std * weight + bias for each channel, as one product and one sum."""
    scale = 1 / std if weight is None else weight / std
    shift = mean * scale
    shift = -shift if bias is None else bias - shift
    return affine(x, scale, shift)


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
    statistics = running_mean, running_var
    return over_batch("batch_norm", input, statistics, weight, bias, training, momentum, eps, False, None)


@composed
def batch_norm_relu(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    residual: Array | None = None,
) -> Tensor:
    """y = max((x - mean) / sqrt(var + eps) * weight + bias + residual, 0), `batch_norm` and what often follows it.

    In training that is one operation, which keeps its input and its result only. residual: like the input, or None;
    the others as in `batch_norm`. Raises ValueError as it does.

    >>> import tinygrad_lite as tl
    >>> tl.batch_norm_relu(tl.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[0.      ],
            [0.999995]])
    """
    statistics = running_mean, running_var
    return over_batch("batch_norm_relu", input, statistics, weight, bias, training, momentum, eps, True, residual)


def values_per_channel(name: str, x: Tensor) -> int:
    """How many values a channel of x (N, C, ...) has. Raise for a single one."""
    count = x.size // max(x.shape[1], 1)
    if count == 1:
        raise ValueError(
            f"{name}: an input of shape {x.shape} has one value per channel, which in training has no variance; "
            "use a batch of two or more, or training=False"
        )
    return count


def over_batch(
    name: str,
    input: Array,
    statistics: tuple,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
    rectify: bool,
    residual: Any,
) -> Tensor:
    """`batch_norm`, and with `rectify` `batch_norm_relu`."""
    x = floating(input)
    running_mean, running_var = statistics
    c = channels(name, x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if residual is not None and np.shape(residual) != x.shape:
        raise ValueError(f"{name}: residual has shape {np.shape(residual)}, but the input {x.shape}; they are added")
    if not training:
        y = by_running(x, running_mean, running_var, weight, bias, eps)
        y = y if residual is None else y + residual
        return relu(y) if rectify else y
    count = values_per_channel(name, x)
    view = (len(x), 1, c, 1, prod(x.shape[2:]))
    if rectify:
        out, mean, var = standardize_relu(x, weight, bias, residual, view, eps)
    else:
        out, mean, var = standardize(x, weight, bias, view, eps)
    if count:
        track(name, running_mean, mean._array.reshape(c), momentum)
        track(name, running_var, var._array.reshape(c) * (count / (count - 1)), momentum)
    return out


@composed
def batch_renorm(
    input: Array,
    running_mean: Array,
    running_std: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    r_max: float = 1.0,
    d_max: float = 0.0,
    momentum: float = 0.01,
    eps: float = 1e-5,
) -> Tensor:
    """y = ((x - mean) / std * r + d) * weight + bias, r = std / running_std, d = (mean - running_mean) / running_std.

    `batch_norm` that trains on what inference will compute: without limits on r and d, y is the input normalised by
    the running statistics. To the gradient r and d are constants, so it goes through mean and std as in `batch_norm`.
    input: (N, C) or (N, C, ...). The others: (C,), weight and bias or None.
    training      normalise by the mean and std = sqrt(var + eps) of this input, and after that move the running ones
                  (arrays or Tensors, in place) towards them by the fraction `momentum`; otherwise y is
                  (x - running_mean) / running_std * weight + bias
    r_max, d_max  limits, 1 / r_max <= r <= r_max and |d| <= d_max: with 1 and 0 training is that of `batch_norm`

    Raises ValueError as `batch_norm` does, and for r_max < 1 or d_max < 0. Source: Ioffe 2017, arXiv:1702.03275.

    >>> import tinygrad_lite as tl
    >>> mean, std = tl.zeros(1), tl.ones(1)
    >>> tl.batch_renorm(tl.tensor([[1.0], [3.0]]), mean, std, training=True, r_max=3, d_max=5, momentum=0.5)
    tensor([[1.],
            [3.]])
    >>> mean
    tensor([1.])
    """
    x = floating(input)
    channels("batch_renorm", x, weight=weight, bias=bias, running_mean=running_mean, running_std=running_std)
    if running_mean is None or running_std is None:
        raise ValueError("batch_renorm: needs running_mean and running_std, at first zeros and ones")
    if not (r_max >= 1 and d_max >= 0):
        raise ValueError(f"batch_renorm: needs r_max >= 1 and d_max >= 0, got {r_max} and {d_max}")
    if not training:
        return by_given(x, as_tensor(running_mean), as_tensor(running_std), weight, bias)
    count = values_per_channel("batch_renorm", x)
    if count and (r_max > 1 or d_max > 0):
        if is_replay():
            raise GradientError(
                "batch_renorm: r and d come from averages that have moved since, so a checkpoint can't compute them "
                "again; keep the layer outside of it"
            )
        batch = (0, *range(2, x.ndim))
        mean, std = np.mean(x, batch), sqrt(np.var(x, batch) + eps)
        r = stop_gradient(np.clip(std / running_std, 1 / r_max, r_max))
        d = stop_gradient(np.clip((mean - running_mean) / running_std, -d_max, d_max))
        shift = d if weight is None else d * weight
        bias = shift if bias is None else shift + bias
        weight = r if weight is None else r * weight
    out, mean, var = standardize(x, weight, bias, (len(x), 1, x.shape[1], 1, prod(x.shape[2:])), eps)
    if count:
        track("batch_renorm", running_mean, mean._array.reshape(-1), momentum)
        track("batch_renorm", running_std, np.sqrt(var._array.reshape(-1) + eps), momentum)
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
    out, mean, var = standardize(x, weight, bias, (1, len(x), c, 1, count), eps)
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
    return standardize(x, weight, bias, (1, len(x), num_groups, c // num_groups, prod(x.shape[2:])), eps)[0]


def trailing(name: str, x: Tensor, normalized_shape: int | Sequence[int], **arrays: Any) -> tuple[int, ...]:
    """`normalized_shape` as a tuple; raise unless x ends in it, and each of the arrays is None or has that shape."""
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not shape or x.shape[max(x.ndim - len(shape), 0) :] != shape:
        raise ValueError(f"{name}: the input has shape {x.shape}, which must end in normalized_shape={shape}")
    for what, array in arrays.items():
        if array is not None and np.shape(array) != shape:
            raise ValueError(f"{name}: {what} has shape {np.shape(array)}; it must be normalized_shape={shape}")
    return shape


def rows(x: Tensor, shape: tuple[int, ...]) -> View:
    """x as vectors, each with a mean of its own."""
    return 1, prod(x.shape[: x.ndim - len(shape)]), 1, prod(shape), 1


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
    return standardize(x, weight, bias, rows(x, shape), eps)[0]


@composed
def rms_norm(
    input: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, eps: float | None = None
) -> Tensor:
    """y = x / sqrt(mean(x^2) + eps) * weight, over the last axes.

    input: any shape that ends in `normalized_shape`, the shape of weight. eps: by default the rounding step of
    the input's dtype, of float32 for float16. Raises ValueError for other shapes.
    Source: Zhang and Sennrich 2019, arXiv:1910.07467.

    >>> import tinygrad_lite as tl
    >>> tl.rms_norm(tl.tensor([3.0, 4.0]), 2)
    tensor([0.84852815, 1.1313709 ])
    """
    x = floating(input)
    shape = trailing("rms_norm", x, normalized_shape, weight=weight)
    eps = float(np.finfo(np.promote_types(x.dtype, np.float32)).eps) if eps is None else eps
    return standardize(x, weight, None, rows(x, shape), eps, False)[0]


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
