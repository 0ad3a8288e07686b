"""Losses as modules; each is the function of PyTorch's name in `tinygrad_lite`.

reduction: 'mean', 'sum', or 'none' for the loss of each element.
"""

from __future__ import annotations

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
    "TripletMarginLoss",
]


class _Loss(Module):
    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"{type(self).__name__}: reduction is 'none', 'mean' or 'sum', got {reduction!r}")
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class _WeightedLoss(_Loss):
    """A loss with a weight for each class or element, kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", None if weight is None else tl.as_tensor(weight))


# ------------------------------------------------------------------------------ distances


class MSELoss(_Loss):
    """(input - target)^2.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MSELoss
    >>> MSELoss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import L1Loss
    >>> L1Loss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
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


class HuberLoss(_Loss):
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


# ---------------------------------------------------------------------- classes and probabilities


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(input) at the target class, or its mean under target probabilities.

    input (N, C, *); target: classes (N, *), integers, or probabilities (N, C, *).

    weight           a factor for each class (C,); the mean is then weighted
    ignore_index     a class that doesn't count
    label_smoothing  how much of the target is spread over all classes; Szegedy et al. 2016, arXiv:1512.00567

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CrossEntropyLoss
    >>> CrossEntropyLoss()(tl.zeros(2, 4), tl.tensor([0, 3])).round(decimals=4)
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Array | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """-input at the target class, for input of log-probabilities; arguments as in `CrossEntropyLoss`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import NLLLoss
    >>> NLLLoss()(tl.tensor([[-1.0, -2.0]]), tl.tensor([1]))
    tensor(2.)
    """

    def __init__(self, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """-(target log(input) + (1 - target) log(1 - input)), for input of probabilities; logarithms from -100 up.

    weight: a factor for each element.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BCELoss
    >>> BCELoss()(tl.tensor([0.5, 0.5]), tl.tensor([0.0, 1.0])).round(decimals=4)
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """`BCELoss` of sigmoid(input), computed so that it doesn't overflow.

    weight: a factor for each element. pos_weight: a factor for the positive target, for each class.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BCEWithLogitsLoss
    >>> BCEWithLogitsLoss()(tl.zeros(2), tl.tensor([0.0, 1.0])).round(decimals=4)
    tensor(0.6931)
    """

    pos_weight: Tensor | None

    def __init__(self, weight: Array | None = None, reduction: str = "mean", pos_weight: Array | None = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", None if pos_weight is None else tl.as_tensor(pos_weight))

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
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


# -------------------------------------------------------------------------- pairs and triplets


class HingeEmbeddingLoss(_Loss):
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


class CosineEmbeddingLoss(_Loss):
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


class TripletMarginLoss(_Loss):
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


class CosineSimilarity(Module):
    """x1 . x2 / max(|x1| |x2|, eps) along an axis; PyTorch's word for it is `dim`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CosineSimilarity
    >>> CosineSimilarity()(tl.tensor([[3.0, 4.0]]), tl.tensor([[5.0, 0.0]])).round(decimals=4)
    tensor([0.6])
    """

    def __init__(self, axis: int = 1, eps: float = 1e-8, dim: int | None = None) -> None:
        super().__init__()
        self.axis, self.eps = axis if dim is None else dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return tl.cosine_similarity(x1, x2, self.axis, self.eps)

    def extra_repr(self) -> str:
        return f"axis={self.axis}, eps={self.eps}"
