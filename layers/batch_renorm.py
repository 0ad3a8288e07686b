"""Batch renormalisation: batch normalisation that trains on what inference will compute.

Batch normalisation trains on the statistics of the batch, and infers with averages of them. Where batches are small
or their examples not independent, the two differ, and so do the activations. With the averages mu and sigma,

    (x - mu) / sigma = (x - mu_B) / sigma_B * r + d,    r = sigma_B / sigma,    d = (mu_B - mu) / sigma.

So a batch normalised by its own mu_B and sigma_B, then corrected by r and d, is what inference would give. The
gradient takes r and d for constants; it goes through mu_B and sigma_B, as in batch normalisation. Without that,
steps of gradient descent and the normalisation undo each other.

Source: Ioffe 2017, "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models",
arXiv:1702.03275, algorithm 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import check_channels, forget
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = ["BatchRenorm1d", "BatchRenorm2d"]


def ramp(step: int, start: int, stop: int, first: float, last: float) -> float:
    """`first` until the step `start`, `last` from the step `stop` on, and a straight line between them."""
    if step >= stop:
        return last
    return first + (last - first) * (step - start) / (stop - start) if step > start else first


class _BatchRenorm(Module):
    """Batch renormalisation, whatever the number of axes after the channels."""

    shapes: ClassVar[dict[int, str]] = {}
    running_mean: Tensor
    running_std: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.01,
        affine: bool = True,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup_steps: int = 5_000,
        r_steps: int = 40_000,
        d_steps: int = 25_000,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not (r_max >= 1 and d_max >= 0):
            raise ValueError(f"{name}: needs r_max >= 1 and d_max >= 0, got {r_max} and {d_max}")
        if not 0 <= warmup_steps <= min(r_steps, d_steps):
            raise ValueError(
                f"{name}: r and d are freed from step warmup_steps = {warmup_steps} to r_steps = {r_steps} and "
                f"d_steps = {d_steps}, which can't come before it"
            )
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.r_max, self.d_max = r_max, d_max
        self.warmup_steps, self.r_steps, self.d_steps = warmup_steps, r_steps, d_steps
        self.weight = Parameter(tl.ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(tl.zeros(num_features, dtype=dtype)) if affine else None
        self.register_buffer("running_mean", tl.zeros(num_features, dtype=dtype))
        self.register_buffer("running_std", tl.ones(num_features, dtype=dtype))
        self.register_buffer("num_batches_tracked", tl.tensor(0))

    def reset_parameters(self) -> None:
        """Forget what was learnt: weight 1, bias 0, no averages, and the schedule starts again."""
        forget(self)
        init.zeros_(self.running_mean)
        init.ones_(self.running_std)
        init.zeros_(self.num_batches_tracked)

    def limits(self) -> tuple[float, float]:
        """The largest r and d of the next batch: (1, 0) in the warm-up, at last (r_max, d_max)."""
        step = int(self.num_batches_tracked)
        r_max = ramp(step, self.warmup_steps, self.r_steps, 1.0, self.r_max)
        return r_max, ramp(step, self.warmup_steps, self.d_steps, 0.0, self.d_max)

    def forward(self, input: Tensor) -> Tensor:
        check_channels(self, input)
        averages = self.running_mean, self.running_std
        limits = self.limits()
        y = tl.batch_renorm(input, *averages, self.weight, self.bias, self.training, *limits, self.momentum, self.eps)
        if self.training and not tl.is_replay():
            with tl.no_grad():
                count = self.num_batches_tracked._writable("batch_renorm")
                count += 1
        return y

    def extra_repr(self) -> str:
        names = ("eps", "momentum", "affine", "r_max", "d_max", "warmup_steps", "r_steps", "d_steps")
        return f"{self.num_features}, " + ", ".join(f"{name}={getattr(self, name)}" for name in names)


class BatchRenorm1d(_BatchRenorm):
    """Batch renormalisation over (N, C) or (N, C, L); see `BatchRenorm2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchRenorm1d
    >>> layer = BatchRenorm1d(1, warmup_steps=0, r_steps=0, d_steps=0)
    >>> layer(tl.tensor([[1.0], [3.0]])).detach().round(decimals=3)
    tensor([[1.],
            [3.]])
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchRenorm2d(_BatchRenorm):
    """y = ((x - mu_B) / sigma_B * r + d) * weight + bias over (N, C, H, W), for each channel.

    mu_B and sigma_B = sqrt(var_B + eps) are those of the batch, over N, H and W; r and d as above, constants to the
    gradient, limited to 1 / r_max <= r <= r_max and |d| <= d_max. In training the averages mu and sigma follow:
    average <- (1 - momentum) average + momentum batch. In inference y = (x - mu) / sigma * weight + bias.

    num_features  C
    affine        whether there are weight (C,), at first 1, and bias (C,), at first 0
    r_max, d_max  the limits at last: inf for none, 1 and 0 for batch normalisation
    warmup_steps  how many training batches are normalised as in batch normalisation; from there the limits are
                  relaxed in straight lines, from 1 to r_max at batch `r_steps`, from 0 to d_max at batch `d_steps`

    The defaults of the schedule are the paper's, for ImageNet: scale them to your training. Each call in training
    counts as a batch. Buffers: running_mean (C,), running_std (C,), num_batches_tracked.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchRenorm2d
    >>> layer = BatchRenorm2d(3, warmup_steps=1, r_steps=5, d_steps=3)
    >>> for _ in range(3):
    ...     y = layer(tl.randn(2, 3, 4, 4))
    >>> layer.limits()
    (2.0, 5.0)
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}
