"""Affine and bilinear maps, and changes of shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten"]


class Linear(Module):
    """y = x W^T + b, for x of shape (..., in_features).

    weight (out_features, in_features) and bias (out_features,) start as U(-k, k) with k = 1 / sqrt(in_features).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear
    >>> Linear(3, 2)(tl.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(tl.empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(tl.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(max(self.in_features, 1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return tl.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """y_o = x1^T W_o x2 + b_o, for x1 of shape (..., in1_features) and x2 of shape (..., in2_features).

    weight (out_features, in1_features, in2_features) and bias (out_features,) start as U(-k, k) with
    k = 1 / sqrt(in1_features). Raises ValueError where the inputs have other shapes.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Bilinear
    >>> Bilinear(3, 4, 2)(tl.ones(5, 3), tl.ones(5, 4)).shape
    (5, 2)
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(tl.empty(out_features, in1_features, in2_features, dtype=dtype))
        self.bias = Parameter(tl.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(max(self.in1_features, 1))
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        lead, sizes = input1.shape[:-1], (self.in1_features, self.in2_features)
        if input1.shape != (*lead, sizes[0]) or input2.shape != (*lead, sizes[1]):
            raise ValueError(
                f"Bilinear: needs inputs (..., {sizes[0]}) and (..., {sizes[1]}) of as many examples, got "
                f"{input1.shape} and {input2.shape}"
            )
        # It is linear in the products of all pairs of features.
        pairs = (input1[..., :, None] * input2[..., None, :]).reshape(*lead, sizes[0] * sizes[1])
        return tl.linear(pairs, self.weight.reshape(self.out_features, sizes[0] * sizes[1]), self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """What it is given, whatever arguments it is made with.

    >>> from tinygrad_lite.layers import Identity
    >>> Identity()(3)
    3
    """

    def __init__(self, *args: Any, **params: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` made into one; by default all but the first.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Flatten
    >>> Flatten()(tl.ones(2, 3, 4)).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return tl.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` made into axes of `unflattened_size`, of which one may be -1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Unflatten
    >>> Unflatten(1, (3, 4))(tl.ones(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        dim = self.dim + input.ndim if self.dim < 0 else self.dim
        if not 0 <= dim < input.ndim:
            raise IndexError(f"Unflatten: dim {self.dim} is out of range for shape {input.shape}")
        return tl.reshape(input, (*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
