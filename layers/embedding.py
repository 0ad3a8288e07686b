"""Embeddings: a trained vector for each integer, alone or summed over bags of them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.ops.gathering import check_indices, sum_rows
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What both layers share: the vectors, and how they are looked up."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"{type(self).__name__}: padding_idx {padding_idx} is none of {num_embeddings} embeddings")
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.weight = Parameter(tl.empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings: Array, freeze: bool = True, *args: Any, **params: Any) -> Self:
        """A layer with the vectors of a matrix (num_embeddings, embedding_dim), not trained if `freeze`.

        The other arguments are those of the layer after its sizes.
        """
        weight = Parameter(embeddings, requires_grad=not freeze)
        if weight.ndim != 2:
            raise ValueError(f"{cls.__name__}: the vectors are the rows of a matrix, got shape {weight.shape}")
        layer: Any = cls(*weight.shape, *args, **params)
        layer.weight = weight
        return layer

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tl.no_grad():
                self.weight._writable("Embedding")[self.padding_idx] = 0

    def vectors(self, ids: np.ndarray) -> Tensor:
        """The rows of the weight for these integers."""
        if self.max_norm is not None:
            self.shorten(np.unique(ids))
        rows = tl.embedding(ids, self.weight, self.padding_idx)
        if self.scale_grad_by_freq:
            count = np.bincount(ids.reshape(-1), minlength=1)[ids]
            fixed = tl.stop_gradient(rows)  # so the value stays, and the gradient is divided
            rows = fixed + (rows - fixed) * (1 / count).astype(rows.dtype)[..., None]
        return rows

    def shorten(self, ids: np.ndarray) -> None:
        """Scale the vectors of these integers down to a norm of `max_norm`, in place."""
        check_indices(type(self).__name__, ids, self.num_embeddings, "a weight")
        rows = self.weight.detach().numpy()[ids]
        norms = np.linalg.norm(rows, self.norm_type, axis=1, keepdims=True)
        if self.max_norm is not None and (norms > self.max_norm).any():
            scale = np.where(norms > self.max_norm, self.max_norm / (norms + 1e-7), 1)
            with tl.no_grad():
                self.weight._writable("Embedding")[ids] = rows * scale

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v)


class Embedding(_Table):
    """y = weight[x]: integers of any shape (*) become vectors (*, embedding_dim).

    num_embeddings  how many integers there are: 0 to num_embeddings - 1
    padding_idx     an integer whose vector starts as zero and is not trained
    max_norm        vectors that are used and longer than this are made that long before, in the weight itself; the
                    norm is that of `norm_type`
    scale_grad_by_freq  whether the gradient of a vector is divided by how often it is used in the call

    weight (num_embeddings, embedding_dim) starts as N(0, 1). Raises IndexError for an integer that isn't there.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Embedding
    >>> Embedding(10, 3)(tl.tensor([[1, 2], [3, 4]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, dtype)

    def forward(self, input: Array) -> Tensor:
        return self.vectors(np.asarray(input))


class EmbeddingBag(_Table):
    """y = sum, mean or max of weight[x] over each bag of integers x: a text as the sum of its words.

    mode                 "sum", "mean" or "max"
    include_last_offset  whether the offsets end with the end of the last bag
    padding_idx          an integer that is left out of all bags

    The other arguments as in `Embedding`. Called as layer(input, offsets, per_sample_weights):
    input               bags of one size (B, N), or one after the other in one line
    offsets             for a line: where in it each bag begins. An empty bag gives zeros
    per_sample_weights  like input: factors of the vectors, for mode "sum"

    Returns (B, embedding_dim). Raises ValueError where these don't fit, IndexError for an integer that isn't there.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import EmbeddingBag
    >>> layer = EmbeddingBag.from_pretrained([[1.0, 0.0], [0.0, 1.0]], mode="sum")
    >>> layer(tl.tensor([0, 1, 1, 0]), offsets=tl.tensor([0, 3]))
    tensor([[1., 2.],
            [1., 0.]])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        *,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, dtype)
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode is {mode!r}; it may be 'sum', 'mean' or 'max'")
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input: Array, offsets: Array = None, per_sample_weights: Array = None) -> Tensor:
        ids = np.asarray(input)
        lengths = self.lengths(ids, offsets)
        if per_sample_weights is not None and (self.mode != "sum" or np.shape(per_sample_weights) != ids.shape):
            raise ValueError(
                f"EmbeddingBag: per_sample_weights are for mode 'sum' and like the input {ids.shape}; the mode is "
                f"{self.mode!r}, their shape {np.shape(per_sample_weights)}"
            )
        ids, bags = ids.reshape(-1)[: lengths.sum()], np.repeat(np.arange(len(lengths)), lengths)
        kept = np.flatnonzero(ids != self.padding_idx)
        ids, bags = ids[kept], bags[kept]
        rows = self.vectors(ids)
        if per_sample_weights is not None:
            rows = rows * tl.reshape(per_sample_weights, (-1, 1))[kept]
        lengths = np.bincount(bags, minlength=len(lengths))
        if self.mode == "max" and len(ids):
            return largest(rows, lengths)
        total = sum_rows(rows, bags, len(lengths))
        return total / np.maximum(lengths, 1).astype(total.dtype)[:, None] if self.mode == "mean" else total

    def lengths(self, ids: np.ndarray, offsets: Array) -> np.ndarray:
        """How many integers each bag has. Raises ValueError where input and offsets don't fit."""
        if ids.ndim == 2 and offsets is None:
            return np.full(len(ids), ids.shape[1])
        starts = np.asarray(offsets)
        if ids.ndim != 1 or starts.ndim != 1:
            raise ValueError(
                "EmbeddingBag: needs bags of one size (B, N), or a line of integers and offsets (B,); got shape "
                f"{ids.shape}, and offsets {None if offsets is None else starts.shape}"
            )
        ends = starts if self.include_last_offset else np.append(starts, len(ids))
        lengths = np.diff(ends)
        if len(ends) and (ends[0] != 0 or (lengths < 0).any() or ends[-1] > len(ids)):
            raise ValueError(
                f"EmbeddingBag: offsets {starts} must rise from 0 to no more than {len(ids)}, the number of integers"
            )
        return lengths

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, mode={self.mode!r}"


def largest(rows: Tensor, lengths: np.ndarray) -> Tensor:
    """The largest values of `lengths[0]` rows, of the `lengths[1]` rows after them, and so on; 0 for no rows."""
    step = np.arange(lengths.max())
    inside = (step < lengths[:, None])[..., None]
    places = np.minimum((np.cumsum(lengths) - lengths)[:, None] + step, len(rows) - 1)
    return tl.where(inside.any(1), tl.amax(tl.where(inside, rows[places], -np.inf), 1), 0)
