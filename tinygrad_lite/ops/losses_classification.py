"""Losses whose target is a class, or a probability for each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.autograd import GradientError
from tinygrad_lite.ops.activations import sigmoid
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.losses import check_reduction, one_shape, reduced
from tinygrad_lite.ops.products import linear
from tinygrad_lite.ops.softmax import log_softmax, softmax, softmax_back
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor, wrap

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "linear_cross_entropy",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
]


# --------------------------------------------------------------------------------- class targets


def class_axis(rank: int) -> int:
    """Classes are axis 1 of (N, C, ...), and the only axis of (C,)."""
    return 1 if rank > 1 else 0


def as_scores(input: Array) -> Any:
    """The input as a Tensor, integers in the default floating-point dtype."""
    x = as_tensor(input)
    return x if x.dtype.kind == "f" else x.astype(DEFAULT_DTYPE)


def places(target: np.ndarray) -> tuple:
    """The index of the class `target` of each sample, in an array of shape (N, C, ...) or (C,)."""
    index: list[Any] = list(np.indices(target.shape, sparse=True))
    index.insert(class_axis(target.ndim + 1), target)
    return tuple(index)


@primitive(public=False)
def pick_class(x: Array, target: Array) -> Any:
    """The value of every sample's class: (N, C, ...) to (N, ...)."""
    return np.array(x[places(target)])


@pick_class.gradient
def pick_class_x(g, target, x_shape):
    return put_class.on(g, target, x_shape)


@primitive(public=False)
def put_class(x: Array, target: Array, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape (N, C, ...), with x (N, ...) at every sample's class."""
    y = np.zeros(shape, x.dtype)
    y[places(target)] = x
    return y


@put_class.gradient
def put_class_x(g, target):
    return pick_class.on(g, target)


def class_target(name: str, x: Tensor, target: Array, ignore_index: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The classes, checked, with 0 for those to ignore; and which ones to take."""
    t = as_tensor(target)._array
    axis = class_axis(x.ndim)
    wanted = x.shape[:axis] + x.shape[axis + 1 :]
    if x.ndim == 0 or t.shape != wanted:
        raise ValueError(
            f"{name}: the input has shape {x.shape} and the target {t.shape}; they are (N, C) and (N,), (N, C, ...) "
            "and (N, ...), or (C,) and (): classes on axis 1. Usual cause: a target (N, 1); use target.squeeze(1)"
        )
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the target is {t.dtype}, but class numbers are integers: use target.astype(int). "
            f"(Probabilities have the input's shape {x.shape}.)"
        )
    classes = x.shape[axis]
    taken = np.ones(t.shape, bool) if ignore_index is None else np.not_equal(t, ignore_index)
    if np.count_nonzero(taken) < taken.size:
        t = np.where(taken, t, 0)
    largest = t.astype(np.int64, copy=False).view(np.uint64).max(initial=0)  # there negative ones are large
    if t.size and largest >= classes and taken.any():
        bad = t[taken & ((t < 0) | (t >= classes))].flat[0]
        raise IndexError(
            f"{name}: label {bad} is out of range for {classes} classes, whose labels are 0 to {classes - 1}"
            + (f" (or ignore_index, {ignore_index})" if ignore_index is not None else "")
        )
    return t, taken


def class_weight(name: str, weight: Array | None, x: Tensor, soft: bool = False) -> Tensor | None:
    """The weight of each class; raise unless there is one for each. Only `soft` targets give it a gradient."""
    if weight is None:
        return None
    w = as_tensor(weight)
    classes = x.shape[class_axis(x.ndim)] if x.ndim else 1
    if w.shape != (classes,):
        raise ValueError(f"{name}: weight has shape {w.shape}; for {classes} classes it must be ({classes},)")
    if w.requires_grad and not soft:
        raise GradientError(f"{name}: the weight of a class is a constant, it has no gradient; pass weight.detach()")
    return w.astype(x.dtype)


def shares(
    t: np.ndarray, taken: np.ndarray, weight: Tensor | None, reduction: str, dtype: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    """By how much every sample counts, and would without class weights; for a mean, divided by the sum of the first.

    And that sum, 1 for other reductions. A mean over nothing counts nothing here; `finished` makes it NaN.
    """
    even = taken.astype(dtype)
    share = even if weight is None else np.asarray(weight._array[t] * even)
    if reduction != "mean":
        return share, even, 1.0
    total = float(np.count_nonzero(taken) if weight is None else share.sum(dtype=np.float64))
    factor = dtype.type(1 / total if total else 0)
    return share * factor, even * factor, total


def finished(loss: Any, total: float, reduction: str) -> Any:
    """The sum of the losses if they are to be reduced; NaN for the mean over nothing, as 0 / 0 is."""
    if reduction == "none":
        return loss
    loss = np.sum(loss) if loss.ndim else loss
    return loss if total else loss + np.nan


def in_rows(x: np.ndarray) -> np.ndarray:
    """Scores (N, C, ...) or (C,) as (R, C), one sample or place below the other; float16 as float32."""
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    return x if x.ndim == 2 else np.moveaxis(x, class_axis(x.ndim), -1).reshape(-1, x.shape[class_axis(x.ndim)])


@primitive(public=False)
def softmax_nll(input: Array, target: Array, share: Array, summed: bool) -> Tensor:
    """-share * log softmax(input) at the class of each sample, or their sum."""
    rows = in_rows(input)
    loss = kernels.nll_rows(rows, target.reshape(-1), share.reshape(-1).astype(rows.dtype, copy=False))
    loss = loss.sum() if summed else loss.reshape(target.shape)
    return loss.astype(input.dtype, copy=False)


@softmax_nll.gradient
def softmax_nll_input(g, input, target, share):
    return softmax_nll_back.on(input, target, g * share)


@primitive(public=False)
def softmax_nll_back(x: Array, target: Array, share: Array) -> Tensor:
    """share * (softmax(x) - one-hot), for the class of each sample: the gradient of its loss."""
    rows = in_rows(x)
    out = kernels.nll_rows_back(rows, target.reshape(-1), share.reshape(-1).astype(rows.dtype, copy=False))
    out = out if x.ndim == 2 else np.moveaxis(out.reshape(*target.shape, rows.shape[1]), -1, class_axis(x.ndim))
    return out.astype(x.dtype, copy=False)


@softmax_nll_back.gradient
def softmax_nll_back_x(h, x, share):
    axis = class_axis(x.ndim)
    return softmax_back.on(h * np.expand_dims(share, axis), softmax.on(x, axis), axis)


@softmax_nll_back.gradient
def softmax_nll_back_share(h, x, target):
    axis = class_axis(x.ndim)
    return np.sum(h * softmax.on(x, axis), axis=axis) - pick_class.on(h, target)


@composed
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-w_t log softmax(x)_t: minus the log-probability of the class t, given scores x for all classes.

    input: (N, C), (N, C, d1, ...) or (C,). target: integers from 0 to C - 1, of shape (N,), (N, d1, ...) or ();
    or probabilities q of the input's shape, and the loss is -sum_c w_c q_c log softmax(x)_c. weight: (C,), of each
    class; the mean over integer targets is divided by the sum of their weights. ignore_index: a label that counts
    for nothing. label_smoothing: the part of the target that is spread evenly over all classes.

    Raises ValueError for shapes that don't match, TypeError for targets that are no integers, IndexError for a label
    out of range. Source of label smoothing: Szegedy et al. 2015, arXiv:1512.00567.

    >>> import tinygrad_lite as tl
    >>> scores = tl.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    >>> tl.cross_entropy(scores, tl.tensor([0, 1]))
    tensor(2.6264653)
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing is {label_smoothing}; it is a part, from 0 to 1")
    x, given = as_scores(input), as_tensor(target)
    axis = class_axis(x.ndim)
    soft = x.ndim > 0 and given.shape == x.shape
    w = class_weight(name, weight, x, soft)
    column = None if w is None else w.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    if soft:
        if given.dtype.kind != "f":
            raise TypeError(
                f"{name}: a target of the input's shape {x.shape} is probabilities, and must be floating-point, not "
                f"{given.dtype}; class numbers have the shape {x.shape[:axis] + x.shape[axis + 1 :]}"
            )
        if ignore_index >= 0:
            raise ValueError(f"{name}: ignore_index={ignore_index} is for class numbers; the target is probabilities")
        spread = given * (1 - label_smoothing) + label_smoothing / x.shape[axis] if label_smoothing else given
        chances = log_softmax(x, axis) if column is None else log_softmax(x, axis) * column
        return reduced(name, -np.sum(spread * chances, axis=axis), reduction)
    t, taken = class_target(name, x, given, ignore_index)
    share, even, total = shares(t, taken, w, reduction, x.dtype)
    if not label_smoothing:
        return finished(softmax_nll(x, t, wrap(share), reduction != "none"), total, reduction)
    chances = log_softmax(x, axis)
    everywhere = np.sum(chances if column is None else chances * column, axis=axis) * even
    smoothed = everywhere * (label_smoothing / x.shape[axis]) + pick_class(chances, t) * share * (1 - label_smoothing)
    return finished(-np.where(taken, smoothed, 0), total, reduction)


@composed
def linear_cross_entropy(
    input: Array,
    linear_weight: Array,
    target: Array,
    *,
    linear_bias: Array | None = None,
    weight: Array | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of the scores x W^T + b, for the last layer and its loss at once.

    input: (N, in) or (in,). linear_weight: (C, in), or (C, d1, ..., in) for scores (N, C, d1, ...), with linear_bias
    (C, d1, ...). options: how PyTorch is to compute it; not needed here. The others as in `cross_entropy`.

    Raises as `cross_entropy` does, and ValueError for a weight that doesn't fit.

    >>> import tinygrad_lite as tl
    >>> tl.linear_cross_entropy(tl.tensor([1.0, 2.0]), tl.tensor([[2.0, 0.0], [0.0, 1.0]]), tl.tensor(0))
    tensor(0.6931472)
    """
    x, w = as_scores(input), as_tensor(linear_weight)
    if x.ndim not in (1, 2) or w.ndim < 2 or w.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"linear_cross_entropy: the input has shape {x.shape} and linear_weight {w.shape}; they are (N, in) or "
            "(in,), and (C, in) or (C, d1, ..., in)"
        )
    bias = None if linear_bias is None else as_tensor(linear_bias).reshape(-1)
    scores = linear(x, w.reshape(-1, w.shape[-1]), bias).reshape(x.shape[:-1] + w.shape[:-1])
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, ignored, reduction, label_smoothing)


@composed
def nll_loss(
    input: Array, target: Array, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-w_t x_t: minus the log-probability of the class t, given log-probabilities x of all classes.

    Arguments and errors as in `cross_entropy` with integer targets.

    >>> import tinygrad_lite as tl
    >>> tl.nll_loss(tl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), tl.tensor([0, 1]))
    tensor(2.5)
    """
    check_reduction("nll_loss", reduction)
    x = as_scores(input)
    t, taken = class_target("nll_loss", x, target, ignore_index)
    share, _, total = shares(t, taken, class_weight("nll_loss", weight, x), reduction, x.dtype)
    return finished(np.where(share == 0, 0, pick_class(x, t)) * -share, total, reduction)


@composed
def multi_margin_loss(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over i != t of w_t max(0, margin - x_t + x_i)^p / C: the hinge loss for C classes.

    input: (N, C) or (C,), scores. target: (N,), or () or (1,), integers. p: 1 or 2. weight: (C,), of each class.
    Raises as `cross_entropy` does, and ValueError for another p. Source: Crammer and Singer 2001.

    >>> import tinygrad_lite as tl
    >>> tl.multi_margin_loss(tl.tensor([[0.0, 0.5]]), tl.tensor([0]))
    tensor(0.75)
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{name}: p is {p}; it is 1 or 2")
    x, given = as_scores(input), as_tensor(target)
    if x.ndim > 2:
        raise ValueError(f"{name}: the input has shape {x.shape}; it must be (N, C) or (C,)")
    x = x if x.ndim else x.reshape(1)
    t, _ = class_target(name, x, given.reshape(()) if x.ndim == 1 and given.shape == (1,) else given, None)
    w = class_weight(name, weight, x)
    gap: Any = margin - np.expand_dims(pick_class(x, t), -1) + x
    over = gap * ((gap > 0)._array & (np.arange(x.shape[-1]) != t[..., None]))
    loss = np.sum(over if p == 1 else over * over, axis=-1) / x.shape[-1]
    return reduced(name, (loss if w is None else loss * w._array[t]).reshape(given.shape), reduction)


@composed
def multilabel_margin_loss(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """sum over j, i of max(0, 1 - x_j + x_i) / C: every class j of the sample should lead every other i by 1.

    input: (N, C) or (C,), scores. target: the same shape, integers: the classes of each sample, and after them -1.
    Raises ValueError for shapes that differ, TypeError for targets that are no integers, IndexError for a class out
    of range.

    >>> import tinygrad_lite as tl
    >>> tl.multilabel_margin_loss(tl.tensor([0.0, 0.5, 0.0]), tl.tensor([1, -1, -1]))
    tensor(0.33333334)
    """
    name = "multilabel_margin_loss"
    x, t = as_scores(input), as_tensor(target)._array
    if x.ndim > 2 or t.shape != x.shape:
        raise ValueError(f"{name}: the input has shape {x.shape}, the target {t.shape}; both are (N, C) or (C,)")
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: the target is {t.dtype}, but class numbers are integers: use target.astype(int)")
    x, t = (x, t) if x.ndim else (x.reshape(1), t.reshape(1))
    classes = x.shape[-1]
    named = np.logical_and.accumulate(t >= 0, axis=-1)  # what stands before the first negative number
    if (t[named] >= classes).any():
        raise IndexError(f"{name}: label {t[named].max()} is out of range for {classes} classes")
    t = np.where(named, t, 0)
    own = np.any((t[..., None] == np.arange(classes)) & named[..., None], axis=-2)
    gap: Any = 1 - np.expand_dims(np.take_along_axis(x, t, -1), -1) + np.expand_dims(x, -2)
    over = gap * ((gap._array > 0) & named[..., None] & ~own[..., None, :])
    return reduced(name, np.sum(over, axis=(-2, -1)) / classes, reduction)


# ----------------------------------------------------------------------------------- yes or no


@primitive(public=False)
def logarithmic(input: Array, target: Array) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)), with logarithms that stop at -100."""
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
    return -(target * yes + (1 - target) * no)


@logarithmic.gradient
def logarithmic_input(g, input, target):
    return g * (input - target) / np.maximum(input * (1 - input), 1e-12)


@logarithmic.gradient
def logarithmic_target(g, input):
    return g * (np.maximum(np.log1p(-input), -100) - np.maximum(np.log(input), -100))


@composed
def binary_cross_entropy(input: Array, target: Array, weight: Array | None = None, reduction: str = "mean") -> Tensor:
    """-(t log x + (1 - t) log(1 - x)), for probabilities x.

    input: from 0 to 1, as is target, of the same shape. weight: factors that broadcast to it. A logarithm is
    taken as -100 at least. Prefer `binary_cross_entropy_with_logits`, which keeps its accuracy where x is near 0 or 1.

    Raises ValueError where shapes differ, and for an input out of range.

    >>> import tinygrad_lite as tl
    >>> tl.binary_cross_entropy(tl.tensor([0.5, 0.0]), tl.tensor([1.0, 0.0]), reduction="none")
    tensor([0.6931472, 0.       ])
    """
    name = "binary_cross_entropy"
    x, t = one_shape(name, input=input, target=target)
    if x.size and not (x._array.min() >= 0 and x._array.max() <= 1):
        raise ValueError(
            f"{name}: the input holds values from {x._array.min()} to {x._array.max()}, and probabilities lie in 0 "
            "to 1. Apply tl.sigmoid first, or better use binary_cross_entropy_with_logits on the scores"
        )
    return reduced(name, rescaled(name, logarithmic(x, t), weight), reduction)


def rescaled(name: str, loss: Any, weight: Array | None) -> Any:
    """Losses times a weight that broadcasts to their shape."""
    if weight is None:
        return loss
    check_broadcast(name, "weight", weight, loss.shape)
    return loss * weight


def check_broadcast(name: str, what: str, weight: Array, shape: tuple[int, ...]) -> None:
    given = np.shape(weight)
    if len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1])):
        raise ValueError(f"{name}: {what} has shape {given}, which doesn't broadcast to the input's {shape}")


@primitive(public=False)
def logistic(input: Array, target: Array, boost: Array | None) -> Tensor:
    """(1 - t) softplus(x) + t boost softplus(-x), in a form that neither overflows nor cancels."""
    small = np.log1p(np.exp(-np.abs(input)))
    if boost is None:
        return np.maximum(input, 0) - input * target + small
    return (1 - target) * (np.maximum(input, 0) + small) + target * boost * (np.maximum(-input, 0) + small)


@logistic.gradient
def logistic_input(g, input, target, boost):
    if boost is None:
        return g * (sigmoid.on(input) - target)
    return g * ((1 - target) * sigmoid.on(input) - target * boost * sigmoid.on(-input))


@logistic.gradient
def logistic_target(g, input, boost):
    return g * -input if boost is None else g * (boost * np.logaddexp(0, -input) - np.logaddexp(0, input))


@logistic.gradient
def logistic_boost(g, input, target):
    return g * target * np.logaddexp(0, -input)


@composed
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Tensor:
    """-(p t log s(x) + (1 - t) log(1 - s(x))), with s(x) = 1 / (1 + exp(-x)), for scores x of any size.

    input, target: the same shape, targets from 0 to 1. weight: factors that broadcast to it, as does
    pos_weight, p, by which the positive answers count more. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.binary_cross_entropy_with_logits(tl.tensor([0.0, 1000.0]), tl.tensor([1.0, 0.0]), reduction="none")
    tensor([6.931472e-01, 1.000000e+03])
    """
    name = "binary_cross_entropy_with_logits"
    x, t = one_shape(name, input=input, target=target)
    if pos_weight is not None:
        check_broadcast(name, "pos_weight", pos_weight, x.shape)
    return reduced(name, rescaled(name, logistic(x, t, pos_weight), weight), reduction)


@composed
def multilabel_soft_margin_loss(
    input: Array, target: Array, weight: Array | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of `binary_cross_entropy_with_logits`, for samples that may have several classes.

    input and target: (..., C), targets 0 or 1. weight: of each class. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.multilabel_soft_margin_loss(tl.tensor([[0.0, 0.0]]), tl.tensor([[1.0, 0.0]]))
    tensor(0.6931472)
    """
    name = "multilabel_soft_margin_loss"
    x, t = one_shape(name, input=input, target=target)
    return reduced(name, np.mean(rescaled(name, logistic(x, t, None), weight), axis=-1), reduction)
