"""Embedding: a vector for each integer."""

from __future__ import annotations

from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """y = weight[x]: integers of any shape (*) become vectors (*, embedding_dim).

    num_embeddings  how many integers there are: 0 to num_embeddings - 1
    padding_idx     an integer whose vector starts as zero and is not trained

    weight (num_embeddings, embedding_dim) starts as N(0, 1).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Embedding
    >>> Embedding(10, 3)(tl.tensor([[1, 2], [3, 4]])).shape
    (2, 2, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} is none of {num_embeddings} embeddings")
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(tl.empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings: Array, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """An Embedding with the vectors of a matrix (num_embeddings, embedding_dim), not trained if `freeze`."""
        weight = Parameter(embeddings, requires_grad=not freeze)
        if weight.ndim != 2:
            raise ValueError(f"Embedding: the vectors are the rows of a matrix, got shape {weight.shape}")
        layer = cls(weight.shape[0], weight.shape[1], padding_idx)
        layer.weight = weight
        return layer

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tl.no_grad():
                self.weight._writable("Embedding")[self.padding_idx] = 0

    def forward(self, input: Array) -> Tensor:
        return tl.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
