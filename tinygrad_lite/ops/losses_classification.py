"""Losses whose target is a class, or a probability for each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.activations import sigmoid
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.losses import check_reduction, one_shape, reduced
from tinygrad_lite.ops.softmax import log_softmax
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, wrap

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
]


# --------------------------------------------------------------------------------- class targets


def class_axis(rank: int) -> int:
    """Classes are axis 1 of (N, C, ...), and the only axis of (C,)."""
    return 1 if rank > 1 else 0


def places(target: np.ndarray) -> tuple:
    """The index of the class `target` of each sample, in an array of shape (N, C, ...) or (C,)."""
    index: list[Any] = list(np.indices(target.shape, sparse=True))
    index.insert(class_axis(target.ndim + 1), target)
    return tuple(index)


@primitive(public=False)
def pick_class(x: Array, target: Array) -> Tensor:
    """The value of every sample's class: (N, C, ...) to (N, ...)."""
    return np.array(x[places(target)])


@pick_class.gradient
def pick_class_x(g, target, x_shape):
    return put_class.on(g, target, x_shape)


@primitive(public=False)
def put_class(x: Array, target: Array, shape: tuple[int, ...]) -> Tensor:
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
            f"{name}: the input has shape {x.shape} and the target {t.shape}; they are (N, C) and (N,), (N, C, ...) and "
            "(N, ...), or (C,) and (), with the classes C on axis 1. Usual cause: a target (N, 1); use target.squeeze(1)"
        )
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the target is {t.dtype}, but class numbers are integers: use target.astype(int). "
            f"(Probabilities have the input's shape {x.shape}.)"
        )
    classes = x.shape[axis]
    taken = np.ones(t.shape, bool)
    if ignore_index is not None and (t == ignore_index).any():
        taken = t != ignore_index
        t = np.where(taken, t, 0)
    if t.size and (t.min() < 0 or t.max() >= classes) and taken.any():
        bad = t[taken & ((t < 0) | (t >= classes))].flat[0]
        raise IndexError(
            f"{name}: label {bad} is out of range for {classes} classes, whose labels are 0 to {classes - 1}"
            + (f" (or ignore_index, {ignore_index})" if ignore_index is not None else "")
        )
    return t, taken


def class_weight(name: str, weight: Array | None, x: Tensor) -> np.ndarray | None:
    """The weight of each class as an array; raise unless there is one for each."""
    if weight is None:
        return None
    w = as_tensor(weight)._array
    classes = x.shape[class_axis(x.ndim)]
    if w.shape != (classes,):
        raise ValueError(f"{name}: weight has shape {w.shape}; for {classes} classes it must be ({classes},)")
    return w.astype(x.dtype)


def shares(t: np.ndarray, taken: np.ndarray, weight: np.ndarray | None, reduction: str, dtype: Any) -> np.ndarray:
    """By how much every sample counts: the weight of its class, for a mean divided by the sum of them."""
    share = taken.astype(dtype) if weight is None else np.where(taken, weight[t], 0).astype(dtype, copy=False)
    if reduction == "mean":
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing to average gives NaN
            share = share / share.sum(dtype=share.dtype)
    return np.asarray(share)


@primitive(outputs="loss normaliser", public=False)
def softmax_nll(input: Array, target: Array, share: Array) -> Any:
    """The sum of share * (log sum exp of all classes - the class's own), and the log sum exp.

    The gradient is softmax minus one-hot, which needs no more than the input and the normaliser.
    """
    axis = class_axis(input.ndim)
    x = input.astype(np.float32) if input.dtype == np.float16 else input
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        e = np.asarray(x - top)
        np.exp(e, out=e)
        normaliser = np.log(np.sum(e, axis=axis)) + top.squeeze(axis)
    loss = np.where(share == 0, 0, share * (normaliser - x[places(target)]))
    return np.sum(loss)
