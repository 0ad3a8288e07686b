"""Losses whose target is a class, or a probability for each class, as modules.

Each is the function of PyTorch's name in `tinygrad_lite`. reduction: as in loss.py.
"""

from __future__ import annotations

import math
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.loss import Loss
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "LinearCrossEntropyLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
]


class _WeightedLoss(Loss):
    """A loss with a weight for each class or element, kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", None if weight is None else tl.as_tensor(weight))


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


class LinearCrossEntropyLoss(_WeightedLoss):
    """`CrossEntropyLoss` of the scores `linear(input)`: the last layer and its loss at once.

    input (N, in_features) or (in_features,). out_features: the shape of places that each have a class of their own;
    the scores are then (N, num_classes, *out_features). The others as in `CrossEntropyLoss`. options: how PyTorch is
    to compute it; accepted, and not needed here.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LinearCrossEntropyLoss
    >>> LinearCrossEntropyLoss(3, 4)(tl.zeros(2, 3), tl.tensor([0, 3])).detach().round(decimals=4)
    tensor(1.3863)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Array | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        super().__init__(weight, reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.linear = Linear(in_features, num_classes * math.prod(out_features), bias, dtype)

    def forward(self, input: Tensor, target: Array) -> Tensor:
        scores, bias = (self.num_classes, *self.out_features), self.linear.bias
        return tl.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*scores, -1),
            target,
            linear_bias=None if bias is None else bias.reshape(scores),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
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


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean of `BCEWithLogitsLoss` over the classes, for samples that may have several.

    input and target (N, C) or (C,), targets 0 or 1. weight: a factor for each class.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiLabelSoftMarginLoss
    >>> MultiLabelSoftMarginLoss()(tl.zeros(1, 2), tl.tensor([[1.0, 0.0]])).round(decimals=4)
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """sum over i != t of max(0, margin - input_t + input_i)^p / C: the hinge loss for C classes, t the target.

    input (N, C) or (C,). p: 1 or 2. weight: a factor for each class. Crammer and Singer 2001.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiMarginLoss
    >>> MultiMarginLoss()(tl.tensor([[0.0, 0.5]]), tl.tensor([0]))
    tensor(0.75)
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(Loss):
    """sum over j, i of max(0, 1 - input_j + input_i) / C: every class j of the sample leads every other i by 1.

    input and target (N, C) or (C,); the target names the classes of the sample, and then has -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiLabelMarginLoss
    >>> MultiLabelMarginLoss()(tl.tensor([0.0, 0.5, 0.0]), tl.tensor([1, -1, -1])).round(decimals=4)
    tensor(0.3333)
    """

    def forward(self, input: Tensor, target: Array) -> Tensor:
        return tl.multilabel_margin_loss(input, target, reduction=self.reduction)


class CTCLoss(Loss):
    """-log p(labels | input), summed over all alignments of the labels with the steps of a longer input.

    log_probs (T, N, C), with the symbol `blank` for no label; targets (N, S), or all in one row. zero_infinity: 0 where
    the labels don't fit into the steps, instead of infinity. See `tl.ctc_loss`; Graves et al. 2006.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CTCLoss
    >>> even = tl.log(tl.full((2, 1, 3), 1 / 3))
    >>> tl.exp(-CTCLoss()(even, [[1]], [2], [1])).round(decimals=4)  # three paths of nine: 1 1, 1 blank, blank 1
    tensor(0.3333)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Tensor, targets: Array, input_lengths: Array, target_lengths: Array) -> Tensor:
        return tl.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            reduction=self.reduction,
            zero_infinity=self.zero_infinity,
        )
