"""Resampling: larger images from smaller ones, pixels from channels, windows from images, and the ways back."""

from __future__ import annotations

from collections.abc import Sequence

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

Size = int | Sequence[int]


class Upsample(Module):
    """The places of (N, C, *) as many as `size`, or `scale_factor` times as many, each a mean of those near it.

    size, scale_factor  one of the two; one number, or one for each of the axes after the channels
    mode           'nearest', 'nearest-exact', 'linear' for (N, C, L), 'bilinear' and 'bicubic' for (N, C, H, W),
                   'trilinear' for (N, C, D, H, W), 'area'
    align_corners  whether the first and last places coincide with those of the input; else their outer edges do
    recompute_scale_factor  whether places stand by the rounded size and not by `scale_factor`

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Upsample
    >>> Upsample(scale_factor=2)(tl.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    >>> Upsample(size=(6, 9), mode="bilinear")(tl.ones(1, 3, 4, 4)).shape
    (1, 3, 6, 9)
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.scale_factor: float | tuple[float, ...] | None = None
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(map(float, scale_factor))
        elif scale_factor is not None:
            self.scale_factor = float(scale_factor)
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return tl.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        by = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{by}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of (N, C, H, W) in mode 'nearest'.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import UpsamplingNearest2d
    >>> UpsamplingNearest2d(scale_factor=2)(tl.ones(1, 1, 2, 3)).shape
    (1, 1, 4, 6)
    """

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of (N, C, H, W) in mode 'bilinear' with `align_corners`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import UpsamplingBilinear2d
    >>> UpsamplingBilinear2d(size=(1, 3))(tl.tensor([[[[0.0, 2.0]]]]))
    tensor([[[[0., 1., 2.]]]])
    """

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Module):
    """Channels become pixels: (*, C r^2, H, W) to (*, C, H r, W r), r being `upscale_factor`.

    A convolution before it makes an image r times as large, without the uneven overlaps of a transposed one.
    Shi et al. 2016, arXiv:1609.05158.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PixelShuffle
    >>> PixelShuffle(2)(tl.ones(1, 12, 5, 5)).shape
    (1, 3, 10, 10)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return tl.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels become channels: (*, C, H r, W r) to (*, C r^2, H, W), r being `downscale_factor`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PixelUnshuffle
    >>> PixelUnshuffle(2)(tl.ones(1, 3, 10, 10)).shape
    (1, 12, 5, 5)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return tl.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class Unfold(Module):
    """Each window of (N, C, H, W) as a column: (N, C kernel height kernel width, places).

    kernel_size, dilation, padding, stride  as in `Conv2d`: a convolution is the product of its weight, seen as a
    matrix, with these columns

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Unfold
    >>> Unfold(3, padding=1)(tl.ones(1, 2, 5, 5)).shape
    (1, 18, 25)
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return tl.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Fold(Unfold):
    """Columns put back where `Unfold` took them from, and summed where windows overlap: (N, C, *output_size).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Fold
    >>> Fold((2, 3), 2)(tl.ones(1, 4, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return tl.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
