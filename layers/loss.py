"""Losses between values as modules; each is the function of PyTorch's name in `tinygrad_lite`.

reduction: 'mean', 'sum', or 'none' for the loss of each element. Those whose target is a class stand in
loss_classification.py.
"""

from __future__ import annotations

from collections.abc import Callable

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "CosineEmbeddingLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class Loss(Module):
    """What all losses share: how the losses of the elements are reduced."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"{type(self).__name__}: reduction is 'none', 'mean' or 'sum', got {reduction!r}")
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


# ------------------------------------------------------------------------------ distances


class MSELoss(Loss):
    """(input - target)^2.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MSELoss
    >>> MSELoss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """|input - target|.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import L1Loss
    >>> L1Loss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """d^2 / (2 beta) for d = |input - target| < beta, else d - beta / 2; Girshick 2015, arXiv:1504.08083.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SmoothL1Loss
    >>> SmoothL1Loss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(0.75)
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """d^2 / 2 for d = |input - target| < delta, else delta (d - delta / 2); Huber 1964.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import HuberLoss
    >>> HuberLoss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(0.75)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


# ------------------------------------------------------------------------------ likelihoods


class KLDivLoss(Loss):
    """target (log(target) - input), for input of log-probabilities, and target too with log_target.

    reduction: 'batchmean' as well, the sum divided by the size of the batch: the divergence itself.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import KLDivLoss
    >>> KLDivLoss(reduction="batchmean")(tl.log(tl.tensor([[0.5, 0.5]])), tl.tensor([[0.5, 0.5]]))
    tensor(0.)
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("sum" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    """e^input - target input: minus the log-likelihood of counts, for input the log of their rate.

    log_input=False: input is the rate itself, and eps is added before its logarithm is taken. full: with Stirling's
    approximation of log target!.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PoissonNLLLoss
    >>> PoissonNLLLoss()(tl.zeros(2), tl.tensor([1.0, 3.0]))
    tensor(1.)
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.poisson_nll_loss(
            input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """(log var + (input - target)^2 / var) / 2: minus the log-likelihood of the target under N(input, var).

    var is taken as eps at least. full: with the constant log(2 pi) / 2. Nix and Weigend 1994.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GaussianNLLLoss
    >>> GaussianNLLLoss()(tl.tensor([1.0]), tl.tensor([3.0]), tl.tensor([1.0]))
    tensor(2.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Array, var: Array) -> Tensor:
        return tl.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


# ------------------------------------------------------------------------- margins


class HingeEmbeddingLoss(Loss):
    """input where the target is 1, max(0, margin - input) where it is -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import HingeEmbeddingLoss
    >>> HingeEmbeddingLoss()(tl.tensor([0.5, 0.25]), tl.tensor([1, -1]))
    tensor(0.625)
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + e^(-target input)), for targets 1 and -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import SoftMarginLoss
    >>> SoftMarginLoss()(tl.zeros(2), tl.tensor([1.0, -1.0])).round(decimals=4)
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.soft_margin_loss(input, target, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """max(0, margin - target (input1 - input2)): input1 should be the larger where the target is 1, input2 where -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MarginRankingLoss
    >>> MarginRankingLoss(0.5)(tl.tensor([1.0, 1.0]), tl.tensor([0.0, 3.0]), tl.tensor([1.0, 1.0]))
    tensor(1.25)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Array) -> Tensor:
        return tl.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CosineEmbeddingLoss
    >>> a = tl.tensor([[1.0, 0.0]])
    >>> CosineEmbeddingLoss()(a, a, tl.tensor([-1]))
    tensor(1.)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Array) -> Tensor:
        return tl.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference.

    eps: added to each difference. swap: take the smaller of d(anchor, negative) and d(positive, negative).
    Balntas et al. 2016.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TripletMarginLoss
    >>> a, b = tl.tensor([[1.0, 0.0]]), tl.tensor([[0.0, 0.0]])
    >>> TripletMarginLoss()(a, a, b).round(decimals=4)
    tensor(0.)
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return tl.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` with any distance d(x, y); `tl.pairwise_distance` if it is not given.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TripletMarginWithDistanceLoss
    >>> x = tl.tensor([[0.0], [1.0]])
    >>> TripletMarginWithDistanceLoss(distance_function=lambda a, b: abs(a - b).sum(-1))(x, x, x)
    tensor(1.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return tl.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
