"""Batch normalisation of small groups within a batch, and the small network in which norms are compared.

Smaller batches have poorer statistics, but noisier gradients as well. To see what the statistics alone do, the batch
stays, and each of its groups is normalised by itself: the ghost batches of Hoffer, Hubara and Soudry 2017,
arXiv:1705.08741. The running averages follow the mean over the groups, once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers import Conv2d, Linear, Module, ReLU, Sequential


class Ghosts(Module):
    """Batch normalisation or renormalisation whose statistics, in training, are those of a group of the batch.

    norm: the layer that is used in inference, and for whole batches. A group has every groups-th example: the batch
    (n groups, C, ...), seen without a copy as (n, groups C, ...), has a channel for each. All groups meet the averages
    as they were before the batch. `seen` is the last batch of the training.
    """

    seen: np.ndarray

    def __init__(self, norm: Any, groups: int) -> None:
        super().__init__()
        self.norm, self.groups = norm, groups

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        norm = self.norm
        if self.training:
            self.seen = x.detach().numpy()
        if not self.training or self.groups == 1:
            return norm(x)
        renorm = hasattr(norm, "limits")
        averages = norm.running_mean, norm.running_std if renorm else norm.running_var
        mean, spread, weight, bias = (tl.tile(t, self.groups) for t in (*averages, norm.weight, norm.bias))
        function, limits = (tl.batch_renorm, norm.limits()) if renorm else (tl.batch_norm, ())
        wide = x.reshape(-1, mean.size, *x.shape[2:])
        y = function(wide, mean, spread, weight, bias, True, *limits, norm.momentum, norm.eps)
        for average, each in zip(averages, (mean, spread)):
            average.copy_(each.reshape(self.groups, -1).mean(0))
        norm.num_batches_tracked.add_(1)
        return y.reshape(x.shape)


class MeanOverPlaces(Module):
    """(N, C, H, W) to (N, C)."""

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        return x.mean((2, 3))


def small_network(norm: Callable[[int], Module], bias: bool = False) -> Sequential:
    """Convolutions 3 x 3 to 16, 32 and 64 channels, the last two with stride 2, each normed and rectified; 10 classes.

    norm: from the number of channels to the layer. bias: of the convolutions.
    """
    parts: list[Module] = []
    for before, after, stride in ((1, 16, 1), (16, 32, 2), (32, 64, 2)):
        parts += [Conv2d(before, after, 3, stride, padding=1, bias=bias), norm(after), ReLU()]
    return Sequential(*parts, MeanOverPlaces(), Linear(64, 10))
