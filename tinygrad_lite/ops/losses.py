"""Losses between values: squares and absolute errors, likelihoods, distances and margins.

A loss and its target have one shape: (N, 1) against (N,) would broadcast to (N, N) and train on nonsense,
so it raises. Those whose target is a class stand in losses_classification.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.networks import pairwise_distance
from tinygrad_lite.ops.transcendental import xlogy
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor

__all__ = [
    "cosine_embedding_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def reduced(name: str, loss: Any, reduction: str) -> Any:
    """The losses as they are, their mean or their sum."""
    if reduction == "mean":
        return np.mean(loss)
    if reduction == "sum":
        return np.sum(loss)
    check_reduction(name, reduction)
    return loss


def check_reduction(name: str, reduction: str, also: tuple[str, ...] = ()) -> None:
    choices = ("none", "mean", "sum", *also)
    if reduction not in choices:
        raise ValueError(f"{name}: reduction is {reduction!r}; it is one of {', '.join(choices)}")


def one_shape(name: str, **arrays: Array) -> list[Any]:
    """The arrays as Tensors, integers in the dtype of the first; raise unless all have the same shape."""
    tensors = [as_tensor(a) for a in arrays.values()]
    shapes = [t.shape for t in tensors]
    if len(set(shapes)) > 1:
        given = ", ".join(f"{what} {shape}" for what, shape in zip(arrays, shapes))
        first, second = next((a, b) for a in shapes for b in shapes if a != b)
        way = f"t.reshape{second}" if math.prod(first) == math.prod(second) else "tl.broadcast_to(t, shape)"
        raise ValueError(
            f"{name}: the shapes differ: {given}; they must be the same, nothing is broadcast. Usual cause: the output "
            f"(N, 1) of a network against labels (N,). Bring them to one shape first: {way}"
        )
    dtype = tensors[0].dtype if tensors[0].dtype.kind == "f" else DEFAULT_DTYPE
    return [t if t.dtype.kind == "f" else t.astype(dtype) for t in tensors]


def sign_target(name: str, target: Array) -> Tensor:
    """The target, whose values must all be 1 or -1."""
    t = as_tensor(target)
    if not np.all(np.abs(t._array.astype(np.float64)) == 1):
        raise ValueError(f"{name}: every target must be 1 or -1; for labels 0 and 1 pass 2 * labels - 1")
    return t


# --------------------------------------------------------------------------------------- errors


@composed
def mse_loss(input: Array, target: Array, reduction: str = "mean", weight: Array | None = None) -> Tensor:
    """(x - t)^2: the squared error.

    input and target: the same shape, as weight, by which each square is multiplied; the mean is then
    divided by the sum of the weights. reduction: 'none', 'mean' or 'sum'. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.mse_loss(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]))
    tensor(2.)
    """
    x, t = one_shape("mse_loss", input=input, target=target)
    return weighted("mse_loss", np.square(x - t), weight, reduction)


def weighted(name: str, loss: Any, weight: Array | None, reduction: str) -> Any:
    """Losses times weights, reduced; their mean is weighted."""
    if weight is None:
        return reduced(name, loss, reduction)
    loss, w = one_shape(name, input=loss, weight=weight)
    return np.sum(loss * w) / np.sum(w) if reduction == "mean" else reduced(name, loss * w, reduction)


@composed
def l1_loss(input: Array, target: Array, reduction: str = "mean", weight: Array | None = None) -> Tensor:
    """|x - t|: the absolute error. Arguments as in `mse_loss`.

    >>> import tinygrad_lite as tl
    >>> tl.l1_loss(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]), reduction="sum")
    tensor(2.)
    """
    x, t = one_shape("l1_loss", input=input, target=target)
    return weighted("l1_loss", np.abs(x - t), weight, reduction)


@primitive(public=False)
def huber(x: Array, delta: float) -> Tensor:
    """x^2 / 2 up to |x| = delta, then the line delta (|x| - delta / 2) that continues it."""
    size = np.abs(x)
    inner = np.minimum(size, delta)
    return inner * (size - 0.5 * inner)


@huber.gradient
def huber_x(g, x, delta):
    return g * np.clip(x, -delta, delta)


@composed
def huber_loss(
    input: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None
) -> Tensor:
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = x - t.

    Arguments as in `mse_loss`, but the mean is divided by the number of elements, with a weight as without.
    Raises ValueError unless delta > 0. Source: Huber 1964.

    >>> import tinygrad_lite as tl
    >>> tl.huber_loss(tl.tensor([1.0, 5.0]), tl.tensor([0.0, 0.0]), reduction="none")
    tensor([0.5, 4.5])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta}; it must be positive")
    x, t = one_shape("huber_loss", input=input, target=target)
    loss = huber(x - t, delta)
    if weight is not None:
        loss, w = one_shape("huber_loss", input=loss, weight=weight)
        loss = loss * w
    return reduced("huber_loss", loss, reduction)


@composed
def smooth_l1_loss(input: Array, target: Array, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = x - t. Arguments as in `mse_loss`.

    beta = 0 is the absolute error. Raises ValueError for a negative one. Source: Girshick 2015, arXiv:1504.08083.

    >>> import tinygrad_lite as tl
    >>> tl.smooth_l1_loss(tl.tensor([1.0, 5.0]), tl.tensor([0.0, 0.0]), reduction="none")
    tensor([0.5, 4.5])
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}; it can't be negative")
    x, t = one_shape("smooth_l1_loss", input=input, target=target)
    return reduced("smooth_l1_loss", huber(x - t, beta) / beta if beta else np.abs(x - t), reduction)


# ---------------------------------------------------------------------------------- likelihoods


@composed
def kl_div(input: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t - x): the divergence of x, log-probabilities, from probabilities t.

    log_target: t is log-probabilities too. reduction: 'batchmean' divides the sum by the length of axis 0, which
    is the divergence for each sample; 'mean' divides by the number of elements. Raises ValueError where
    shapes differ. Source: Kullback and Leibler 1951.

    >>> import tinygrad_lite as tl
    >>> tl.kl_div(tl.log(tl.tensor([[0.5, 0.5]])), tl.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931472)
    """
    check_reduction("kl_div", reduction, ("batchmean",))
    x, t = one_shape("kl_div", input=input, target=target)
    loss = np.exp(t) * (t - x) if log_target else xlogy(t, t) - t * x
    if reduction == "batchmean":
        return np.sum(loss) / (x.shape[0] if x.ndim else 1)
    return reduced("kl_div", loss, reduction)


@composed
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - t x: minus the log-likelihood of counts t, up to log t!, where x is the log of the rate.

    log_input=False: x is the rate, and the loss x - t log(x + eps). full: add Stirling's approximation of
    log t! where t > 1. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.poisson_nll_loss(tl.tensor([0.0, 0.0]), tl.tensor([1.0, 3.0]))
    tensor(1.)
    """
    x, t = one_shape("poisson_nll_loss", input=input, target=target)
    loss = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        many = np.where(t > 1, t, 1)
        stirling = many * np.log(many) - many + 0.5 * np.log(2 * math.pi * many)
        loss = loss + np.where(t > 1, stirling, 0)
    return reduced("poisson_nll_loss", loss, reduction)


@composed
def gaussian_nll_loss(
    input: Array, target: Array, var: Array, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log v + (x - t)^2 / v) / 2: minus the log-likelihood of t under a normal with mean x and variance v.

    input, target: the same shape; axes of length 1 are repeated to fit, but there must be as many axes, or none
    for a number. var: likewise, or the shape of input without the last axis. Values below eps are taken as
    eps; the gradient goes on as if they weren't. full: add log(2 pi) / 2.

    Raises ValueError for other shapes, and for a negative variance. Source: Nix and Weigend 1994.

    >>> import tinygrad_lite as tl
    >>> tl.gaussian_nll_loss(tl.tensor([1.0]), tl.tensor([3.0]), tl.tensor([1.0]))
    tensor(2.)
    """
    x, t, v = as_tensor(input), as_tensor(target), as_tensor(var)
    if t.ndim not in (0, x.ndim):
        one_shape("gaussian_nll_loss", input=x, target=t)  # says what to do
    if v.ndim and v.shape == x.shape[:-1]:
        v = v.reshape((*v.shape, 1))
    if v.ndim not in (0, x.ndim):
        raise ValueError(
            f"gaussian_nll_loss: var has shape {v.shape}; for an input {x.shape} it must be the same, or "
            f"{x.shape[:-1]}, or {(*x.shape[:-1], 1)}"
        )
    if np.any(v._array < 0):
        raise ValueError("gaussian_nll_loss: var has a negative value; give variances, e.g. np.exp(log_var)")
    v = v + np.maximum(eps - v.detach(), 0)
    loss = 0.5 * (np.log(v) + np.square(x - t) / v)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced("gaussian_nll_loss", loss, reduction)


# --------------------------------------------------------------------------------------- margins


@composed
def hinge_loss(input: Array, target: Array, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """max(0, margin - t x): the loss of a support vector machine, for targets 1 and -1.

    input and target: the same shape. Raises ValueError where shapes differ, and for other targets.
    Source: Cortes and Vapnik 1995.

    >>> import tinygrad_lite as tl
    >>> tl.hinge_loss(tl.tensor([0.5, 0.5]), tl.tensor([1.0, -1.0]))
    tensor(1.)
    """
    x, t = one_shape("hinge_loss", input=input, target=sign_target("hinge_loss", target))
    return reduced("hinge_loss", np.clip(margin - t * x, 0, None), reduction)


@composed
def hinge_embedding_loss(input: Array, target: Array, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where t = 1, max(0, margin - x) where t = -1: for distances x of pairs that are alike or not.

    input and target: the same shape. Raises ValueError where shapes differ, and for other targets.

    >>> import tinygrad_lite as tl
    >>> tl.hinge_embedding_loss(tl.tensor([0.25, 0.25]), tl.tensor([1.0, -1.0]), reduction="none")
    tensor([0.25, 0.75])
    """
    name = "hinge_embedding_loss"
    x, t = one_shape(name, input=input, target=sign_target(name, target))
    return reduced(name, np.where(t > 0, x, np.clip(margin - x, 0, None)), reduction)


@composed
def margin_ranking_loss(
    input1: Array, input2: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, -t (x1 - x2) + margin): x1 should rank above x2 where t = 1, below where t = -1.

    All the same shape. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.margin_ranking_loss(tl.tensor([1.0, 1.0]), tl.tensor([0.0, 3.0]), tl.tensor([1.0, 1.0]), margin=0.5)
    tensor(1.25)
    """
    name = "margin_ranking_loss"
    x1, x2, t = one_shape(name, input1=input1, input2=input2, target=target)
    return reduced(name, np.clip(margin - t * (x1 - x2), 0, None), reduction)


@composed
def soft_margin_loss(input: Array, target: Array, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-t x)), for targets 1 and -1.

    input and target: the same shape. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> tl.soft_margin_loss(tl.tensor([0.0, 1000.0]), tl.tensor([1.0, -1.0]), reduction="none")
    tensor([6.931472e-01, 1.000000e+03])
    """
    name = "soft_margin_loss"
    x, t = one_shape(name, input=input, target=target)
    return reduced(name, np.logaddexp(0, -t * x), reduction)


@composed
def cosine_embedding_loss(
    input1: Array, input2: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1.

    input1, input2: (N, D), or (D,). target: (N,), or (). The squared lengths have 1e-12 added.
    Raises ValueError for other shapes and targets.

    >>> import tinygrad_lite as tl
    >>> tl.cosine_embedding_loss(tl.tensor([[1.0, 0.0]]), tl.tensor([[0.0, 2.0]]), tl.tensor([1]))
    tensor(1.)
    """
    name = "cosine_embedding_loss"
    x1, x2 = one_shape(name, input1=input1, input2=input2)
    t = sign_target(name, target)
    if x1.ndim not in (1, 2) or t.shape != x1.shape[:-1]:
        raise ValueError(
            f"{name}: the inputs have shape {x1.shape}, the target {t.shape}; they are (N, D) and (N,), or (D,) and ()"
        )
    lengths = (np.sum(x1 * x1, axis=-1) + 1e-12) * (np.sum(x2 * x2, axis=-1) + 1e-12)
    cosine = np.sum(x1 * x2, axis=-1) / np.sqrt(lengths)
    return reduced(name, np.where(t > 0, 1 - cosine, np.clip(cosine - margin, 0, None)), reduction)


@composed
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with d = ||x - y + eps||_p on the last axis.

    All the same shape, (..., D). swap: use d(positive, negative) where it is the smaller negative distance.
    Raises ValueError where shapes differ. Source: Balntas et al. 2016.

    >>> import tinygrad_lite as tl
    >>> tl.triplet_margin_loss(tl.tensor([[0.0]]), tl.tensor([[3.0]]), tl.tensor([[1.0]]))
    tensor(3.)
    """
    name = "triplet_margin_loss"
    points = one_shape(name, anchor=anchor, positive=positive, negative=negative)
    loss = triplet(points, lambda x, y: pairwise_distance(x, y, p, eps), margin, swap)
    return reduced(name, loss, reduction)


@composed
def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with any distance d, `pairwise_distance` if None.

    All the same shape. swap: as in `triplet_margin_loss`. Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([[0.0], [1.0]])
    >>> tl.triplet_margin_with_distance_loss(x, x, x, lambda a, b: abs(a - b).sum(-1))
    tensor(1.)
    """
    name = "triplet_margin_with_distance_loss"
    points = one_shape(name, anchor=anchor, positive=positive, negative=negative)
    return reduced(name, triplet(points, distance_function or pairwise_distance, margin, swap), reduction)


def triplet(points: Sequence[Tensor], distance: Callable, margin: float, swap: bool) -> Any:
    """The loss of each triplet."""
    anchor, positive, negative = points
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    return np.clip(near - far + margin, 0, None)
