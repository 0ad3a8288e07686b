"""Normalisation: values shifted and scaled to mean 0 and variance 1.

    y = (x - mean) / sqrt(var + eps) * weight + bias

The layers differ in what mean and variance are taken over: a channel of all examples (batch normalisation), a channel
of one example (instance), a group of channels of one example (group), all of one example (layer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


def check_channels(layer: Any, input: Tensor) -> None:
    """Raise ValueError unless the input has one of the `shapes` of the layer, and its number of channels."""
    letters = layer.shapes.get(input.ndim, "").strip("()").split(", ")
    if "C" not in letters or input.shape[letters.index("C")] != layer.num_features:
        raise ValueError(
            f"{type(layer).__name__}: needs shape {' or '.join(layer.shapes.values())} with "
            f"C = {layer.num_features}, got {input.shape}"
        )


def forget(layer: Any) -> None:
    """Set the weight to 1 and the bias to 0."""
    for name, parameter in layer.named_parameters(recurse=False):
        (init.ones_ if name == "weight" else init.zeros_)(parameter)


class _ChannelNorm(Module):
    """What batch and instance normalisation share: a weight, a bias and running statistics for each channel."""

    shapes: ClassVar[dict[int, str]] = {}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(tl.ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(tl.zeros(num_features, dtype=dtype)) if affine and bias else None
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        tracked = track_running_stats
        self.register_buffer("running_mean", tl.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", tl.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tl.tensor(0) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget the running mean and variance."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forget what was learnt: weight 1, bias 0, no running statistics."""
        self.reset_running_stats()
        forget(self)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """Batch normalisation, whatever the number of axes after the channels."""

    def forward(self, input: Tensor, relu: bool = False, residual: Tensor | None = None) -> Tensor:
        """Normalise; with `relu` also add the residual, if there is one, and rectify, all in one operation."""
        check_channels(self, input)
        if residual is not None and not relu:
            raise ValueError(f"{type(self).__name__}: a residual is added only with relu=True")
        mean, var, momentum = self.running_mean, self.running_var, self.momentum
        if self.training and self.num_batches_tracked is not None and not tl.is_replay():
            count = self.num_batches_tracked._writable("batch_norm")
            count += 1
            momentum = 1 / int(count) if momentum is None else momentum
        elif self.training and not self.track_running_stats:
            mean = var = None
        by_batch = self.training or mean is None or var is None
        momentum = 0.0 if momentum is None else momentum
        arguments = (input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)
        return tl.batch_norm_relu(*arguments, residual) if relu else tl.batch_norm(*arguments)


class BatchNorm1d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C) or (N, C, L); see `BatchNorm2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchNorm1d
    >>> BatchNorm1d(1)(tl.tensor([[-1.0], [1.0]])).detach().round(decimals=3)
    tensor([[-1.],
            [ 1.]])
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C, H, W), mean and variance of each channel.

    In training they are those of the batch (over N, H and W), and the running ones follow:
    running <- (1 - momentum) running + momentum batch, the variance with N H W - 1. In inference the running ones
    are used. Ioffe and Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.

    num_features  C
    momentum      None for the average over all batches so far
    affine, bias  whether there are weight (C,), at first 1, and bias (C,), at first 0
    track_running_stats  without them inference uses the batch as well

    Buffers: running_mean (C,), running_var (C,), num_batches_tracked.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchNorm2d
    >>> layer = BatchNorm2d(3)
    >>> layer(tl.randn(2, 3, 4, 4)).shape, layer.num_batches_tracked
    ((2, 3, 4, 4), tensor(1))
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class BatchNorm3d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C, D, H, W); see `BatchNorm2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchNorm3d
    >>> BatchNorm3d(3)(tl.randn(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    shapes: ClassVar = {5: "(N, C, D, H, W)"}


class _InstanceNorm(_ChannelNorm):
    """Instance normalisation, whatever the number of axes after the channels."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        check_channels(self, input)
        single = input.ndim == min(self.shapes)
        x = input[None] if single else input
        by_input = self.training or not self.track_running_stats
        statistics = self.running_mean, self.running_var
        y = tl.instance_norm(x, *statistics, self.weight, self.bias, by_input, self.momentum or 0.0, self.eps)
        return y[0] if single else y


class InstanceNorm1d(_InstanceNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C, L) or (C, L); see `InstanceNorm2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import InstanceNorm1d
    >>> InstanceNorm1d(1)(tl.tensor([[[-3.0, 3.0]], [[8.0, 10.0]]])).round(decimals=3).reshape(2, 2)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    shapes: ClassVar = {2: "(C, L)", 3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C, H, W) or (C, H, W), mean and variance of each map.

    num_features  C
    affine, bias  whether there are weight (C,), at first 1, and bias (C,), at first 0
    track_running_stats  whether inference uses, in place of those of the input, running means and variances, averaged
                  over examples and followed in training with `momentum`: buffers as in `BatchNorm2d`

    Ulyanov et al. 2016, arXiv:1607.08022.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import InstanceNorm2d
    >>> layer, x = InstanceNorm2d(3), tl.randn(2, 3, 4, 4)
    >>> bool(abs(layer(x) - layer(5 * x + 1)).max() < 1e-3)  # brightness and contrast don't count
    True
    """

    shapes: ClassVar = {3: "(C, H, W)", 4: "(N, C, H, W)"}


class LayerNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, mean and variance over the last axes of each example.

    normalized_shape  the shape of these axes; that of weight, at first 1, and bias, at first 0
    elementwise_affine, bias  whether there are weight and bias

    Ba et al. 2016, arXiv:1607.06450.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LayerNorm
    >>> LayerNorm(2)(tl.tensor([[-2.0, 2.0]])).detach().round(decimals=3)
    tensor([[-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(tl.ones(*shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(tl.zeros(*shape, dtype=dtype)) if elementwise_affine and bias else None

    reset_parameters = forget

    def forward(self, input: Tensor) -> Tensor:
        return tl.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """y = x / sqrt(mean(x^2) + eps) * weight, the mean over the last axes of each example; nothing is subtracted.

    normalized_shape    the shape of these axes; that of weight, at first 1
    eps                 None for the rounding step of the input's dtype (of float32 for float16)
    elementwise_affine  whether there is a weight

    Zhang and Sennrich 2019, arXiv:1910.07467.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import RMSNorm
    >>> RMSNorm(2)(tl.tensor([[1.0, 7.0]])).detach().round(decimals=3)
    tensor([[0.2, 1.4]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(tl.ones(*shape, dtype=dtype)) if elementwise_affine else None

    reset_parameters = forget

    def forward(self, input: Tensor) -> Tensor:
        return tl.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over (N, C, *), mean and variance of a group of channels.

    num_groups    into how many groups the channels of each example are divided
    num_channels  C
    affine, bias  whether there are weight (C,), at first 1, and bias (C,), at first 0

    Wu and He 2018, arXiv:1803.08494. Raises ValueError where the channels can't be divided.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GroupNorm
    >>> GroupNorm(2, 6)(tl.randn(1, 6, 5)).shape
    (1, 6, 5)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels can't be divided into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(tl.ones(num_channels, dtype=dtype)) if affine else None
        self.bias = Parameter(tl.zeros(num_channels, dtype=dtype)) if affine and bias else None

    reset_parameters = forget

    def forward(self, input: Tensor) -> Tensor:
        return tl.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """y_c = x_c / (k + alpha / size * sum of x_j^2 over `size` neighbouring channels j around c) ^ beta.

    Input (N, C, *) with at least one axis of places. Krizhevsky et al. 2012, "ImageNet Classification with Deep
    Convolutional Neural Networks", section 3.3.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LocalResponseNorm
    >>> LocalResponseNorm(2)(tl.randn(1, 3, 4, 4)).shape
    (1, 3, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return tl.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
