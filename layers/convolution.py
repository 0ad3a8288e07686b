"""Convolutions, in one to three dimensions, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Size = int | Sequence[int]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _tuple(value: Any, dims: int, name: str) -> tuple[int, ...]:
    """One number for every dimension, or one for each."""
    values = tuple(value) if isinstance(value, Sequence) else (value,) * dims
    if len(values) != dims:
        raise ValueError(f"{name}: needs one number or {dims}, got {value!r}")
    return values


class _Convolution(Module):
    """What all convolutions share: the weight, the bias and their initial values."""

    dims: ClassVar[int] = 2
    transposed: ClassVar[bool] = False
    padding: Any
    output_padding: tuple[int, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name, dims = type(self).__name__, self.dims
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: {in_channels} input and {out_channels} output channels can't be split into {groups} groups"
            )
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode {padding_mode!r} is none of {', '.join(PADDING_MODES)}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding is a number, one for each dimension, 'same' or 'valid', got {padding!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = _tuple(kernel_size, dims, f"{name}: kernel_size")
        self.stride = _tuple(stride, dims, f"{name}: stride")
        self.padding = padding if isinstance(padding, str) else _tuple(padding, dims, f"{name}: padding")
        self.dilation = _tuple(dilation, dims, f"{name}: dilation")
        self.padding_mode = padding_mode
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {self.stride}")
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(tl.empty(*channels, *self.kernel_size, dtype=dtype))
        self.bias = Parameter(tl.empty(out_channels, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-k, k) with k = 1 / sqrt(number of weights that an output sums over)."""
        bound = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def _around(self) -> list[int]:
        """The padding as `tl.pad` takes it: before and after, of the last dimension first."""
        if isinstance(self.padding, str):
            extra = [d * (k - 1) * (self.padding == "same") for d, k in zip(self.dilation, self.kernel_size)]
            sides = [(n // 2, n - n // 2) for n in extra]
        else:
            sides = [(n, n) for n in self.padding]
        return [n for side in reversed(sides) for n in side]

    def _convolve(self, convolution: Any, input: Tensor, weight: Tensor | None = None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = tl.pad(input, self._around(), self.padding_mode), 0
        weight = self.weight if weight is None else weight
        return convolution(input, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", (0,) * self.dims), ("dilation", (1,) * self.dims), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        text += ", bias=False" if self.bias is None else ""
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv1d(_Convolution):
    """Cross-correlation of (N, in_channels, L) with a weight (out_channels, in_channels / groups, kernel).

    Arguments as in `Conv2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Conv1d
    >>> Conv1d(2, 4, 3)(tl.ones(1, 2, 8)).shape
    (1, 4, 6)
    """

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(tl.conv1d, input)


class Conv2d(_Convolution):
    """Cross-correlation of (N, in_channels, H, W) with a weight (out_channels, in_channels / groups, *kernel).

    kernel_size, stride, dilation  one number, or one for each dimension
    padding       zeros around the image: a number, one for each dimension, 'valid' (none), or 'same' (as large an
                  output as the input, for stride 1)
    groups        the channels fall into so many groups that don't see each other; in_channels: depthwise
    bias          whether a number is added to each output channel
    padding_mode  what stands around the image: 'zeros', 'reflect', 'replicate' or 'circular'

    Weight and bias start as U(-k, k), k = 1 / sqrt(in_channels / groups * kernel height * kernel width).
    Raises ValueError where the channels can't be grouped, or for an argument of the wrong length.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Conv2d
    >>> Conv2d(3, 8, 3, stride=2, padding=1)(tl.ones(1, 3, 8, 8)).shape
    (1, 8, 4, 4)
    """

    dims = 2

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(tl.conv2d, input)


class Conv3d(_Convolution):
    """Cross-correlation of (N, in_channels, D, H, W); arguments as in `Conv2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Conv3d
    >>> Conv3d(1, 2, 3)(tl.ones(1, 1, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    dims = 3

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(tl.conv3d, input)


class _ConvolutionTranspose(_Convolution):
    """A convolution's map from output back to input."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(f"{name}: padding is a number of zeros, got {padding!r} and padding_mode={padding_mode!r}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, dtype=dtype)
        self.output_padding = _tuple(output_padding, self.dims, f"{name}: output_padding")

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """Which of the sizes that a strided convolution maps to the input's is meant."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.dims :]
        sizes = input.shape[-self.dims :]
        parts = zip(sizes, self.stride, self.padding, self.dilation, self.kernel_size)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in parts]
        extra = tuple(w - n for w, n in zip(wanted, least))
        if len(wanted) != self.dims or any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            most = [n + s - 1 for n, s in zip(least, self.stride)]
            raise ValueError(f"{type(self).__name__}: output_size is from {least} to {most}, got {list(output_size)}")
        return extra

    def _transpose(self, convolution: Any, input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return convolution(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_ConvolutionTranspose):
    """The transpose of a convolution over (N, in_channels, L); arguments as in `ConvTranspose2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ConvTranspose1d
    >>> ConvTranspose1d(2, 4, 3, stride=2)(tl.ones(1, 2, 4)).shape
    (1, 4, 9)
    """

    dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(tl.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvolutionTranspose):
    """The transpose of a convolution (Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4): it enlarges an image.

    Maps (N, in_channels, H, W) to (N, out_channels, H', W') with a weight (in_channels, out_channels / groups,
    *kernel), H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    padding         how much is cut off at each side
    output_padding  rows and columns added at one side, fewer than the stride; or give forward an `output_size`
    The other arguments as in `Conv2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ConvTranspose2d
    >>> layer = ConvTranspose2d(2, 4, 3, stride=2, padding=1)
    >>> layer(tl.ones(1, 2, 4, 4)).shape, layer(tl.ones(1, 2, 4, 4), output_size=(8, 8)).shape
    ((1, 4, 7, 7), (1, 4, 8, 8))
    """

    dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(tl.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvolutionTranspose):
    """The transpose of a convolution over (N, in_channels, D, H, W); arguments as in `ConvTranspose2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ConvTranspose3d
    >>> ConvTranspose3d(2, 4, 2, stride=2)(tl.ones(1, 2, 3, 3, 3)).shape
    (1, 4, 6, 6, 6)
    """

    dims = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(tl.conv_transpose3d, input, output_size)
