"""Transformers: layers of attention and of a network at each place, each with a residual and a layer norm.

Vaswani et al. 2017, arXiv:1706.03762, section 3; with norm_first as in Xiong et al. 2020, arXiv:2002.04745.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.activation import GELU
from tinygrad_lite.layers.attention import MultiheadAttention
from tinygrad_lite.layers.containers import ModuleList
from tinygrad_lite.layers.dropout import Dropout
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import LayerNorm
from tinygrad_lite.layers.piecewise import ReLU
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "PositionalEncoding",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

ACTIVATIONS: dict[str, Any] = {"relu": ReLU, "gelu": GELU}


class _Layer(Module):
    """Sublayers of attention, by their names, and the network linear2(activation(linear1(x))) after them."""

    attentions: tuple[str, ...]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise ValueError(
                    f"{type(self).__name__}: activation is {activation!r}; it may be 'relu', 'gelu' or any function"
                )
            activation = ACTIVATIONS[activation]()
        for name in self.attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype)
        self.norm_first = norm_first
        sublayers = range(1, len(self.attentions) + 2)
        for k in sublayers:
            setattr(self, f"norm{k}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for k in sublayers:
            setattr(self, f"dropout{k}", Dropout(dropout))
        self.activation: Any = activation

    def _residual(self, k: int, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """norm(x + sublayer(x)), or x + sublayer(norm(x)) with norm_first; k is the number of norm and dropout."""
        norm, dropout = getattr(self, f"norm{k}"), getattr(self, f"dropout{k}")
        return x + dropout(sublayer(norm(x))) if self.norm_first else norm(x + dropout(sublayer(x)))

    def _network(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """x <- norm1(x + attention(x)), x <- norm2(x + linear2(activation(linear1(x)))).

    d_model, nhead   the width E, and the number of heads, which divides it
    dim_feedforward  the width between linear1 and linear2
    dropout          the probability to drop, in training, an attention weight or an output of linear1 or a sublayer
    activation       "relu", "gelu", or any function or module
    batch_first      whether the input is (N, L, E) and not (L, N, E)
    norm_first       x <- x + sublayer(norm(x)) in place of x <- norm(x + sublayer(x))
    bias             whether the linear maps and norms have one

    Called with src (L, N, E) or (L, E), and optionally src_mask, src_key_padding_mask and is_causal: the attn_mask,
    key_padding_mask and is_causal of `MultiheadAttention`.

    Children: self_attn, linear1, linear2, norm1, norm2. Raises ValueError for another name of an activation.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TransformerEncoderLayer
    >>> TransformerEncoderLayer(8, 2, 16)(tl.randn(5, 3, 8), is_causal=True).shape
    (5, 3, 8)
    """

    attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attention(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        x = self._residual(1, tl.as_tensor(src), attention)
        return self._residual(2, x, self._network)


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to `memory`, what the encoder says, between the two sublayers.

    Called with tgt (L, N, E) and memory (S, N, E), or both without N; optionally with tgt_mask,
    tgt_key_padding_mask, tgt_is_causal for the attention of tgt to itself, and memory_mask,
    memory_key_padding_mask, memory_is_causal for that to memory: see `MultiheadAttention`.

    Children: self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TransformerDecoderLayer
    >>> TransformerDecoderLayer(8, 2, 16)(tl.randn(5, 3, 8), tl.randn(7, 3, 8), tgt_is_causal=True).shape
    (5, 3, 8)
    """

    attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def to_itself(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def to_memory(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )[0]

        x = self._residual(1, tl.as_tensor(tgt), to_itself)
        x = self._residual(2, x, to_memory)
        return self._residual(3, x, self._network)


def copies(layer: Module, number: int) -> ModuleList:
    """As many copies of a layer, with parameters of their own; they start equal, as in PyTorch."""
    return ModuleList(copy.deepcopy(layer) for _ in range(number))


class TransformerEncoder(Module):
    """Copies of an encoder layer one after the other, and perhaps a norm at the end.

    encoder_layer, num_layers  what is copied, and how many times
    norm                       a module, or None
    enable_nested_tensor, mask_check  for PyTorch's sake; they change nothing here

    Called as a `TransformerEncoderLayer`, with `mask` for src_mask.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TransformerEncoder, TransformerEncoderLayer
    >>> encoder = TransformerEncoder(TransformerEncoderLayer(8, 2, 16), num_layers=2)
    >>> encoder(tl.randn(5, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.num_layers = copies(encoder_layer, num_layers), num_layers
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Copies of a decoder layer one after the other, and perhaps a norm at the end.

    decoder_layer, num_layers, norm  as in `TransformerEncoder`. Called as a `TransformerDecoderLayer`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import TransformerDecoder, TransformerDecoderLayer
    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> decoder(tl.randn(5, 3, 8), tl.randn(7, 3, 8)).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers, self.num_layers = copies(decoder_layer, num_layers), num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder reads src, and a decoder reads tgt and what the encoder says; each ends with a layer norm.

    d_model, nhead, ...  those of the layers; see `TransformerEncoderLayer`
    num_encoder_layers, num_decoder_layers  how many there are
    custom_encoder, custom_decoder          modules in their place

    Called with src (S, N, E), tgt (L, N, E), or both without N, and the masks of `TransformerEncoder` and
    `TransformerDecoder` by name. Returns (L, N, E). All matrices start as `init.xavier_uniform_`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Transformer
    >>> net = Transformer(8, 2, 1, 1, 16)
    >>> net(tl.randn(7, 3, 8), tl.randn(5, 3, 8), tgt_is_causal=True).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shared: Any = (d_model, nhead, dim_feedforward, dropout, activation)
        shared += (layer_norm_eps, batch_first, norm_first, bias, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*shared), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*shared), num_decoder_layers, norm()
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz) as numbers to be added: -inf above the diagonal, 0 elsewhere.

        >>> from tinygrad_lite.layers import Transformer
        >>> Transformer.generate_square_subsequent_mask(2)
        tensor([[  0., -inf],
                [  0.,   0.]])
        """
        return tl.where(np.tri(sz, dtype=bool), tl.zeros(sz, sz, dtype=dtype), -np.inf)


class PositionalEncoding(Module):
    """x + p, with p[t, 2k] = sin(t / 10000^(2k / E)) and p[t, 2k + 1] = cos(t / 10000^(2k / E)).

    d_model      E
    dropout      the probability to drop a value of the sum in training
    max_len      how long a sequence may be
    batch_first  whether x is (N, L, E) and not (L, N, E); without N it is (L, E)

    Vaswani et al. 2017, section 3.5. Raises ValueError for another shape.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PositionalEncoding
    >>> PositionalEncoding(2)(tl.zeros(2, 2)).round(decimals=3)
    tensor([[0.   , 1.   ],
            [0.841, 0.54 ]])
    """

    def __init__(
        self, d_model: int, dropout: float = 0.0, max_len: int = 5000, batch_first: bool = False, dtype: Any = None
    ) -> None:
        super().__init__()
        self.d_model, self.max_len, self.batch_first = d_model, max_len, batch_first
        self.dropout = Dropout(dropout)
        rate = np.exp(np.arange(0, d_model, 2) * (-math.log(10000) / d_model))
        angles = np.arange(max_len)[:, None] * rate
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(max_len, -1)[:, :d_model]
        self.register_buffer("encoding", tl.tensor(waves, dtype=dtype or np.float32), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        x = tl.as_tensor(input)
        axis = 1 if x.ndim == 3 and self.batch_first else 0
        if x.ndim not in (2, 3) or x.shape[-1] != self.d_model or x.shape[axis] > self.max_len:
            raise ValueError(
                f"PositionalEncoding: needs {'(N, L, E)' if self.batch_first else '(L, N, E)'} or (L, E) with E = "
                f"{self.d_model} and L up to {self.max_len}, got {x.shape}"
            )
        encoding = self.encoding[: x.shape[axis]]
        return self.dropout(x + (tl.unsqueeze(encoding, 1) if x.ndim == 3 and not self.batch_first else encoding))

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}, batch_first={self.batch_first}"
