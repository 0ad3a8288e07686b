"""Masked convolutions: an output sees only what comes before it, so that a network can predict pixel after pixel.

    p(x) = product over i of p(x_i | x_1, ..., x_{i-1}),   pixels row by row, from left to right

    mask A      mask B
    1 1 1       1 1 1      Weights of a 3 x 3 kernel that stay. A, for the first layer: a pixel doesn't see itself.
    1 0 0       1 1 0      B, for those after it: it sees itself, which by then knows only of pixels before it.
    0 0 0       0 0 0

The colours of a pixel come one after the other as well: red sees the pixels before, green also red, and so on.

Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks", arXiv:1601.06759,
sections 3.4 and 3.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers.convolution import Conv1d, Conv2d, _Convolution
from tinygrad_lite.tensor import Tensor

__all__ = ["MaskedConv1d", "MaskedConv2d"]


def causal(mask_type: str, shape: tuple[int, ...], colors: int) -> np.ndarray:
    """The mask of a weight of `shape` (out_channels, in_channels, *kernel): 1 where it stays."""
    place = np.arange(np.prod(shape[2:])).reshape(shape[2:])
    centre = place.size // 2
    color_out, color_in = (np.arange(n) * colors // n for n in shape[:2])
    compare = np.greater if mask_type == "A" else np.greater_equal
    at_centre = compare.outer(color_out, color_in).reshape(*shape[:2], *[1] * place.ndim)
    return (place < centre) | ((place == centre) & at_centre)


class _MaskedConvolution(_Convolution):
    """A convolution whose weight is multiplied by a mask, in the result and so in the gradient."""

    mask: Tensor

    def __init__(
        self, mask_type: str, in_channels: int, out_channels: int, *args: Any, colors: int = 1, **params: Any
    ) -> None:
        super().__init__(in_channels, out_channels, *args, **params)
        name = type(self).__name__
        if mask_type not in ("A", "B"):
            raise ValueError(f"{name}: mask_type is {mask_type!r}; it may be 'A' or 'B'")
        if self.padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode {self.padding_mode!r} would show what comes later; use 'zeros'")
        if not all(k % 2 for k in self.kernel_size):
            raise ValueError(f"{name}: a kernel of {self.kernel_size} has no centre; its sizes must be odd")
        if colors < 1 or in_channels % colors or out_channels % colors or (colors > 1 and self.groups > 1):
            raise ValueError(
                f"{name}: {in_channels} input and {out_channels} output channels in {self.groups} groups can't be "
                f"shared evenly by {colors} colors; several colors need groups=1"
            )
        self.mask_type, self.colors = mask_type, colors
        mask = causal(mask_type, self.weight.shape, colors).astype(self.weight.dtype)
        self.register_buffer("mask", tl.tensor(mask), persistent=False)

    def _convolve(self, convolution: Any, input: Tensor, weight: Tensor | None = None) -> Tensor:
        return super()._convolve(convolution, input, self.weight * self.mask)

    def extra_repr(self) -> str:
        colors = "" if self.colors == 1 else f", colors={self.colors}"
        return f"{self.mask_type!r}, {super().extra_repr()}{colors}"


class MaskedConv1d(_MaskedConvolution, Conv1d):
    """A convolution along (N, in_channels, L) that sees what comes before; arguments as in `MaskedConv2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaskedConv1d
    >>> MaskedConv1d("A", 1, 1, 5).mask
    tensor([[[1., 1., 0., 0., 0.]]])
    """


class MaskedConv2d(_MaskedConvolution, Conv2d):
    """A convolution over (N, in_channels, H, W) that sees the rows above, and what is to the left.

    mask_type  'A': without the pixel itself, for the first layer; 'B': with it
    colors     the channels fall into so many equal parts, first to last, for the colours of a pixel. Of the
               pixel itself a channel sees the colours before its own, with 'B' its own too

    The other arguments as in `Conv2d`: padding='same' lets output and input pixels correspond. The state dict is
    that of `Conv2d`. Raises ValueError for an even kernel, for channels that can't be divided by the colors, and
    for padding by other than zeros.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaskedConv2d
    >>> layer = MaskedConv2d("A", 1, 8, 3, padding="same")
    >>> layer.mask[0, 0]
    tensor([[1., 1., 1.],
            [1., 0., 0.],
            [0., 0., 0.]])
    >>> layer(tl.ones(1, 1, 28, 28)).shape
    (1, 8, 28, 28)
    """
