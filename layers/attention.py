"""Attention: averages of values, weighted by how well their keys fit a query. Multi-head and additive."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.ops.recurrent import lengths_of
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["AdditiveAttention", "MultiheadAttention"]


def as_bias(name: str, mask: Array, dtype: Any, *shapes: tuple[int, ...]) -> Tensor:
    """What a mask adds to the scores: -inf where it is True; numbers stay. Raises where it has none of the shapes."""
    mask = tl.as_tensor(mask)
    if mask.shape not in shapes or mask.dtype.kind not in "bf":
        raise ValueError(
            f"{name} needs shape {' or '.join(map(str, shapes))} here, and bool values, True for what may not be seen, "
            f"or numbers to be added to the scores; got shape {mask.shape} of {mask.dtype}"
        )
    return (mask if mask.dtype.kind == "f" else tl.where(mask, -np.inf, 0.0)).astype(dtype)


def weigh(scores: Tensor, bias: Tensor | None, function: Callable[[Tensor], Tensor] = tl.softmax) -> Tensor:
    """function(scores + bias), along the last axis; zeros where bias is -inf for all keys, so that none may be seen."""
    if bias is None:
        return function(scores)
    blind = np.all(bias.detach().numpy() == -np.inf, axis=-1, keepdims=True)
    return tl.where(blind, 0, function(scores + tl.where(blind, 0, bias)))


class MultiheadAttention(Module):
    """softmax(Q K^T / sqrt(d)) V in each of several heads, put side by side and through out_proj.

    Q = query W_q^T + b_q, and K, V likewise; head h has the d = embed_dim / num_heads columns from h d on. Vaswani et
    al. 2017, arXiv:1706.03762, section 3.2.2.

    embed_dim, num_heads  E and H; H divides E
    dropout        the probability to drop a weight in training
    bias           whether there are in_proj_bias and out_proj.bias
    add_bias_kv    whether one more key and value are learned: bias_k and bias_v (1, 1, E)
    add_zero_attn  whether there is one more key and value of zeros
    kdim, vdim     the width of key and value, by default E
    batch_first    whether query, key, value and the output are (N, L, E) and not (L, N, E)

    Called with query (L, N, E), key (S, N, kdim) and value (S, N, vdim), or without N. Optionally with
      key_padding_mask      (N, S), or (S,) without N: True for keys that are padding; or numbers to add to the scores
      attn_mask             (L, S) or (N H, L, S): True where a query may not look; or numbers to add
      is_causal             query i may look at keys 0 to i; given attn_mask as well, that is what counts
      need_weights          whether the weights are returned; without, it is faster and takes less memory
      average_attn_weights  whether these are averaged over the heads
    Returns the output (L, N, E) and the weights (N, L, S), of each head (N, H, L, S), or None. A query that may look
    nowhere gets zeros. (PyTorch gives NaN there if need_weights; it refuses is_causal without attn_mask.)

    Parameters: in_proj_weight (3E, E), the rows of W_q, W_k, W_v in turn, or q_proj_weight (E, E), k_proj_weight
    (E, kdim) and v_proj_weight (E, vdim) where kdim or vdim differ; in_proj_bias (3E,); out_proj. Raises ValueError
    for shapes that don't fit.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MultiheadAttention
    >>> layer, x = MultiheadAttention(8, 2), tl.randn(5, 3, 8)
    >>> out, weights = layer(x, x, x)
    >>> out.shape, weights.shape
    ((5, 3, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {num_heads} heads can't share embed_dim = {embed_dim} evenly")
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: dropout is a probability, got {dropout}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.add_zero_attn, self.batch_first = dropout, add_zero_attn, batch_first

        def made(*shape: int) -> Parameter:
            return Parameter(tl.empty(*shape, dtype=dtype))

        self.in_proj_weight = self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = made(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight = made(embed_dim, embed_dim)
            self.k_proj_weight = made(embed_dim, self.kdim)
            self.v_proj_weight = made(embed_dim, self.vdim)
        self.in_proj_bias = made(3 * embed_dim) if bias else None
        self.bias_k = made(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = made(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: Glorot and Bengio's uniform, and biases of 0."""
        self.out_proj.reset_parameters()
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        batched = np.ndim(query) == 3
        query, key, value = self._batch_first(*(tl.as_tensor(t) for t in (query, key, value)))
        q, k, v = (self._heads(t) for t in self._projected(query, key, value))
        length, keys, added = query.shape[1], key.shape[1], k.shape[2] - key.shape[1]
        if is_causal and attn_mask is None and (need_weights or added or key_padding_mask is not None):
            attn_mask = ~np.tri(length, keys, dtype=bool)
        bias = self._bias(key_padding_mask, attn_mask, (len(q), length, keys), batched, q.dtype)
        if bias is not None and added:  # what is added may be seen
            bias = tl.concatenate([bias, tl.zeros(*bias.shape[:-1], added, dtype=bias.dtype)], -1)
        dropout, weights = self.dropout if self.training else 0.0, None
        if need_weights:
            weights = weigh(tl.matmul(q / math.sqrt(self.head_dim), tl.swapaxes(k, -1, -2)), bias)
            weights = tl.dropout(weights, dropout)
            heads = tl.matmul(weights, v)
            weights = tl.mean(weights, 1) if average_attn_weights else weights
        else:
            heads = tl.scaled_dot_product_attention(q, k, v, bias, dropout, is_causal and attn_mask is None)
        out = self.out_proj(tl.swapaxes(heads, 1, 2).reshape(len(q), -1, self.embed_dim))
        if not batched:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else tl.swapaxes(out, 0, 1), weights

    def _batch_first(self, *inputs: Tensor) -> list[Tensor]:
        """Query, key and value with the batch first, of 1 where there is none. Raises where they don't fit."""
        if inputs[0].ndim == 2:
            axes = [tl.unsqueeze(t, 0) for t in inputs]
        else:
            axes = [t if self.batch_first or t.ndim != 3 else tl.swapaxes(t, 0, 1) for t in inputs]
        q, k, v = (t.shape for t in axes)
        widths = self.embed_dim, self.kdim, self.vdim
        if {len(q), len(k), len(v)} != {3} or (q[2], k[2], v[2]) != widths or q[0] != k[0] or k[:2] != v[:2]:
            n = "(N, L, E), (N, S, kdim), (N, S, vdim)" if self.batch_first else "(L, N, E), (S, N, kdim), (S, N, vdim)"
            raise ValueError(
                f"MultiheadAttention: needs query, key, value {n}, or all without N, where E, kdim, vdim are {widths}; "
                f"got {', '.join(str(t.shape) for t in inputs)}"
            )
        return axes

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Q, K and V, all heads side by side, with the keys and values that are added to those given."""
        weights: Any = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        if self.in_proj_weight is not None:
            weights = tl.split(self.in_proj_weight, self.embed_dim)
        biases = [None] * 3 if self.in_proj_bias is None else tl.split(self.in_proj_bias, self.embed_dim)
        q, k, v = (tl.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
        shape = len(q), 1, self.embed_dim
        if self.bias_k is not None:
            k, v = (tl.concatenate([t, tl.broadcast_to(b, shape)], 1) for t, b in ((k, self.bias_k), (v, self.bias_v)))
        if self.add_zero_attn:
            k, v = (tl.concatenate([t, tl.zeros(*shape, dtype=t.dtype)], 1) for t in (k, v))
        return q, k, v

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, E) as (N, H, L, E / H)."""
        return tl.swapaxes(x.reshape(*x.shape[:2], self.num_heads, self.head_dim), 1, 2)

    def _bias(
        self, key_padding_mask: Array | None, attn_mask: Array | None, sizes: tuple[int, ...], batched: bool, dtype: Any
    ) -> Tensor | None:
        """What the masks add to the scores (N, H, L, S), in a shape that broadcasts; None where there are none."""
        (batch, length, keys), heads = sizes, self.num_heads
        bias = None
        if attn_mask is not None:
            shapes = (length, keys), (batch * heads, length, keys)
            bias = as_bias("MultiheadAttention: attn_mask", attn_mask, dtype, *shapes)
            bias = bias.reshape(-1, heads if bias.ndim == 3 else 1, length, keys)
        if key_padding_mask is not None:
            shape = (batch, keys) if batched else (keys,)
            padding = as_bias("MultiheadAttention: key_padding_mask", key_padding_mask, dtype, shape)
            padding = padding.reshape(batch, 1, 1, keys)
            bias = padding if bias is None else bias + padding
        return bias

    def extra_repr(self) -> str:
        text = f"{self.embed_dim}, {self.num_heads}"
        usual = {"dropout": 0.0, "add_zero_attn": False, "batch_first": False}
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v)


class AdditiveAttention(Module):
    """context = sum_j a_j value_j, with a = softmax(e) and e_j = v^T tanh(W query + U key_j).

    The attention of Bahdanau, Cho and Bengio 2015, arXiv:1409.0473, section 3.1 and appendix A.1.2, where the query
    is the decoder's state, and keys and values are what the encoder says of each word.

    query_size, key_size, hidden_size  the widths of query and key, and of the sum in tanh
    bias      whether U has a bias, and with it the sum
    function  from scores to weights along the last axis, in place of softmax: `tl.sparsemax`, Fusedmax(lambd=0.1), ...

    Called with query (N, Q) or (N, L, Q), key (N, S, K) and value (N, S, V), by default key; and, for keys that are
    padding, either key_padding_mask (N, S), True there, or lengths (N,), how many keys each has. Returns the context
    (N, V) or (N, L, V), and the weights (N, S) or (N, L, S). What is masked gets the weight 0, also where all is.

    Raises ValueError for shapes that don't fit.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AdditiveAttention
    >>> context, weights = AdditiveAttention(4, 6, 8)(tl.randn(2, 4), tl.randn(2, 5, 6), lengths=[5, 3])
    >>> context.shape, weights.shape, weights[1, 3:].tolist()
    ((2, 6), (2, 5), [0.0, 0.0])
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        hidden_size: int,
        bias: bool = True,
        function: Callable[[Tensor], Tensor] = tl.softmax,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.query_proj = Linear(query_size, hidden_size, False, dtype)
        self.key_proj = Linear(key_size, hidden_size, bias, dtype)
        self.energy = Linear(hidden_size, 1, False, dtype)
        self.function = function

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor | None = None,
        key_padding_mask: Array | None = None,
        lengths: Array | None = None,
    ) -> tuple[Tensor, Tensor]:
        query, key = tl.as_tensor(query), tl.as_tensor(key)
        value = key if value is None else tl.as_tensor(value)
        if query.ndim not in (2, 3) or key.ndim != 3 or len(query) != len(key) or value.shape[:2] != key.shape[:2]:
            raise ValueError(
                "AdditiveAttention: needs query (N, Q) or (N, L, Q), key (N, S, K) and value (N, S, V), got "
                f"{query.shape}, {key.shape} and {value.shape}"
            )
        ends = lengths_of("AdditiveAttention", lengths, *key.shape[:2])
        if ends is not None:
            if key_padding_mask is not None:
                raise ValueError("AdditiveAttention: key_padding_mask and lengths say the same; give one of them")
            key_padding_mask = np.arange(key.shape[1]) >= ends[:, None]
        bias = None
        if key_padding_mask is not None:
            bias = as_bias("AdditiveAttention: key_padding_mask", key_padding_mask, key.dtype, key.shape[:2])
            bias = tl.unsqueeze(bias, 1)
        queries = tl.unsqueeze(query, 1) if query.ndim == 2 else query
        sums = tl.unsqueeze(self.query_proj(queries), 2) + tl.unsqueeze(self.key_proj(key), 1)  # (N, L, S, hidden)
        weights = weigh(tl.squeeze(self.energy(tl.tanh(sums)), -1), bias, self.function)
        context = tl.matmul(weights, value)
        return (context[:, 0], weights[:, 0]) if query.ndim == 2 else (context, weights)
