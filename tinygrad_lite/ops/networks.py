"""Functions of neural networks that stand alone: dropout, attention, and distances between vectors."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.creation import as_tensor, generator
from tinygrad_lite.ops.softmax import softmax, softmax_back
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, wrap

__all__ = [
    "alpha_dropout",
    "cosine_similarity",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "normalize",
    "pairwise_distance",
    "scaled_dot_product_attention",
]


# -------------------------------------------------------------------------------------- dropout


@primitive(public=False)
def thin(x: Array, seed: int, p: float, scale: float) -> Tensor:
    """x * m * scale, where m is 0 with probability p, in steps of 2^-16, else 1; the same seed gives the same m.

    So no mask is kept: backward draws it again.
    """
    return kernels.thin(x, seed, p, scale)


@thin.gradient
def thin_x(g, seed, p, scale):
    return thin.on(g, seed, p, scale)


SELU_SATURATION = -1.7580993408473766
"""What selu goes to at minus infinity: minus its scale times its alpha."""


def seed_of_mask() -> int:
    """64 bits of `tl.generator()`."""
    return int.from_bytes(generator().bytes(8), sys.byteorder)


def to_drop(name: str, input: Array, p: float, channels: bool) -> Tensor:
    """The input as a Tensor. Raises ValueError unless 0 <= p <= 1, and where it needs channels and has none."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is {p}; it is the probability to drop a value, from 0 to 1")
    x = as_tensor(input)
    if channels and x.ndim < 2:
        raise ValueError(f"{name}: the input has shape {x.shape}; it needs channels: (N, C, ...) or (C, ...)")
    return x


def masked(x: Tensor, seed: int, p: float, scale: float, lead: int) -> Any:
    """x * m * scale, with an m for each place of the first `lead` axes."""
    if lead == x.ndim:
        return thin(x, seed, p, scale)
    return x * thin(np.ones(x.shape[:lead] + (1,) * (x.ndim - lead), x.dtype), seed, p, scale)


def dropped(name: str, input: Array, p: float, training: bool, rank: int | None) -> Any:
    """Dropout of single values, or of whole channels where `rank` tells how many axes of places they have."""
    x = to_drop(name, input, p, rank is not None)
    if not training or p == 0:
        return x
    lead = x.ndim if rank is None else 1 if rank in (1, 3) and x.ndim == rank + 1 else 2
    return masked(x, seed_of_mask(), p, 1 / (1 - p) if p < 1 else 0.0, lead)


def alpha_dropped(name: str, input: Array, p: float, training: bool, channels: bool) -> Any:
    """Alpha dropout of single values, or of whole channels."""
    x = to_drop(name, input, p, channels)
    if not training or p == 0:
        return x
    seed, lead = seed_of_mask(), 2 if channels else x.ndim
    if p == 1:
        return masked(x, seed, p, 0.0, lead)
    a = ((1 - p) * (1 + p * SELU_SATURATION**2)) ** -0.5
    ones = np.ones(x.shape[:lead] + (1,) * (x.ndim - lead), x.dtype)
    # a (x m + s (1 - m)) + b, in which b = -a p s, is a x m + a s (1 - p - m)
    return masked(x, seed, p, a, lead) + (a * SELU_SATURATION) * (1 - p - thin(ones, seed, p, 1.0))


@composed
def dropout(input: Array, p: float = 0.5, training: bool = True) -> Tensor:
    """y = x * m / (1 - p), each m being 0 with probability p, else 1; y = x unless training.

    input: any shape. The mask comes from `tl.generator()`, so `tl.manual_seed` makes it repeatable; p is kept to
    five decimals. Raises ValueError unless 0 <= p <= 1. Source: Srivastava et al. 2014.

    >>> import tinygrad_lite as tl
    >>> _ = tl.manual_seed(4)
    >>> tl.dropout(tl.ones(6))
    tensor([0., 2., 2., 0., 0., 0.])
    """
    return dropped("dropout", input, p, training, None)


@composed
def dropout1d(input: Array, p: float = 0.5, training: bool = True) -> Tensor:
    """y = x * m / (1 - p), with one m for a whole channel of (N, C, L) or (C, L). As `dropout`.

    >>> import tinygrad_lite as tl
    >>> tl.dropout1d(tl.ones(2, 3, 4), training=False).shape
    (2, 3, 4)
    """
    return dropped("dropout1d", input, p, training, 1)


@composed
def dropout2d(input: Array, p: float = 0.5, training: bool = True) -> Tensor:
    """y = x * m / (1 - p), with one m for a whole channel of (N, C, ...). As `dropout`.

    Source: Tompson et al. 2015, arXiv:1411.4280.

    >>> import tinygrad_lite as tl
    >>> _ = tl.manual_seed(4)
    >>> tl.dropout2d(tl.ones(1, 3, 1, 2))
    tensor([[[[0., 0.]],
    <BLANKLINE>
            [[2., 2.]],
    <BLANKLINE>
            [[2., 2.]]]])
    """
    return dropped("dropout2d", input, p, training, 2)


@composed
def dropout3d(input: Array, p: float = 0.5, training: bool = True) -> Tensor:
    """y = x * m / (1 - p), with one m for a whole channel of (N, C, D, H, W) or (C, D, H, W). As `dropout`.

    >>> import tinygrad_lite as tl
    >>> tl.dropout3d(tl.ones(1, 3, 2, 2, 2), training=False).shape
    (1, 3, 2, 2, 2)
    """
    return dropped("dropout3d", input, p, training, 3)


@composed
def alpha_dropout(input: Array, p: float = 0.5, training: bool = False) -> Tensor:
    """y = a (x m + s (1 - m)) + b: dropout to the value s where selu saturates, keeping mean 0 and variance 1.

    s = -1.758..., a = ((1 - p) (1 + p s^2))^-1/2, b = -a p s. input: any shape. p, training: as in `dropout`, but
    off by default, as in PyTorch. Source: Klambauer et al. 2017, arXiv:1706.02515.

    >>> import tinygrad_lite as tl
    >>> tl.alpha_dropout(tl.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return alpha_dropped("alpha_dropout", input, p, training, False)


@composed
def feature_alpha_dropout(input: Array, p: float = 0.5, training: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, ...).

    >>> import tinygrad_lite as tl
    >>> _ = tl.manual_seed(4)
    >>> tl.feature_alpha_dropout(tl.ones(1, 3, 2), training=True).round(4)
    tensor([[[-0.7792, -0.7792],
             [ 1.6656,  1.6656],
             [ 1.6656,  1.6656]]])
    """
    return alpha_dropped("feature_alpha_dropout", input, p, training, True)


# ------------------------------------------------------------------------------------- attention


def attention_bias(mask: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """0 where a bool mask is True, -inf elsewhere."""
    bias = np.zeros(mask.shape, dtype)
    bias[~mask] = -np.inf
    return bias


@primitive(public=False)
def attention(q: Array, k: Array, v: Array, scale: float, causal: bool) -> Tensor:
    """softmax(scale q k^T) v, where with `causal` query i looks at keys 0 to i; the weights are not kept."""
    return kernels.attend(q, k, v, scale, causal)


@attention.gradients
def attention_all(g, q, k, v, scale, causal):
    if not any(isinstance(t, Tensor) for t in (g, q, k, v)):
        return kernels.attend_back(g, q, k, v, scale, causal)
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if causal:
        scores = scores + attention_bias(np.tri(*scores.shape[-2:], dtype=bool), scores.dtype)
    weights = softmax.on(scores)
    d_scores = softmax_back.on(np.matmul(g, np.swapaxes(v, -1, -2)), weights, -1) * scale
    d_q, d_k = np.matmul(d_scores, k), np.matmul(np.swapaxes(d_scores, -1, -2), q)
    return d_q, d_k, np.matmul(np.swapaxes(weights, -1, -2), g)


@composed
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T scale + mask) V, with scale = 1 / sqrt(E).

    query: (..., L, E). key: (..., S, E). value: (..., S, F). Result: (..., L, F). attn_mask: broadcasts to
    (..., L, S); bool, True where a query may look, or numbers to be added to the scores. is_causal: query i
    looks at keys 0 to i. A query that may look nowhere gets zeros. dropout_p: dropout on the weights, whenever
    it is not 0. scale: another factor. enable_gqa: heads (axis -3) of key and value may be fewer, each
    serving several neighbouring heads of query.

    Raises ValueError for shapes that don't match, and for both attn_mask and is_causal.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> tl.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.        , 0.        ],
            [0.33023846, 0.66976154]])
    """
    q, k, v = (as_tensor(t) for t in (query, key, value))
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"scaled_dot_product_attention: query {q.shape}, key {k.shape} and value {v.shape} don't match; they are "
            "(..., L, E), (..., S, E) and (..., S, F)"
        )
    if enable_gqa:
        heads, shared = q.shape[-3], k.shape[-3]
        if heads % shared:
            raise ValueError(f"enable_gqa: {heads} heads of query can't be shared by {shared} of key and value")
        k, v = (as_tensor(np.repeat(t, heads // shared, axis=-3)) for t in (k, v))
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: is_causal is a mask itself; give it or attn_mask")
    scale = 1 / math.sqrt(q.shape[-1] or 1) if scale is None else scale
    if attn_mask is None and not dropout_p and q.shape[:-2] == k.shape[:-2] == v.shape[:-2] and k.shape[-2]:
        return attention(q, k, v, scale, is_causal)
    scores: Any = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if is_causal:
        attn_mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    blind = None
    if attn_mask is not None:
        bias: Any = as_tensor(attn_mask)
        if bias.dtype == bool:
            bias = wrap(attention_bias(bias._array, scores.dtype))
        blind = np.all(bias._array == -np.inf, axis=-1, keepdims=True)
        if blind.any():  # softmax would be NaN
            bias = np.where(blind, 0, bias)
        scores = scores + bias
    weights: Any = softmax(scores, -1)
    if blind is not None and blind.any():
        weights = np.where(blind, 0, weights)
    return np.matmul(dropout(weights, dropout_p), v)


# ------------------------------------------------------------------------------------- distances


@composed
def normalize(input: Array, p: float = 2.0, axis: Any = 1, eps: float = 1e-12) -> Tensor:
    """y = x / max(||x||_p, eps), along an axis or several (PyTorch's `dim`).

    >>> import tinygrad_lite as tl
    >>> tl.normalize(tl.tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    x = as_tensor(input)
    return x / np.clip(x.norm(p, axis, keepdims=True), eps, None)


@composed
def cosine_similarity(x1: Array, x2: Array, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """cos = sum(x1 x2) / (max(||x1||, eps) max(||x2||, eps)), along an axis of operands that broadcast.

    Raises ValueError where the shapes don't broadcast.

    >>> import tinygrad_lite as tl
    >>> tl.cosine_similarity(tl.tensor([[1.0, 0.0]]), tl.tensor([[3.0, 4.0]]))
    tensor([0.6])
    """
    x1, x2 = as_tensor(x1), as_tensor(x2)
    rank = max(x1.ndim, x2.ndim)
    # Counted from the end an axis means the same for both.
    axis = axis - rank if axis >= 0 and rank else axis
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = (t if t.shape == shape else np.broadcast_to(t, shape) for t in (x1, x2))
    return np.sum(normalize(x1, 2.0, axis, eps) * normalize(x2, 2.0, axis, eps), axis=axis)


@composed
def pairwise_distance(x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """||x1 - x2 + eps||_p along the last axis.

    x1, x2: (..., D), broadcast against each other. eps keeps the gradient finite where they are equal.

    >>> import tinygrad_lite as tl
    >>> tl.pairwise_distance(tl.tensor([[0.0, 0.0]]), tl.tensor([[3.0, 4.0]]), eps=0.0)
    tensor([5.])
    """
    return (as_tensor(x1) - as_tensor(x2) + eps).norm(p, -1, keepdims=keepdims)
