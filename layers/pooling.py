"""Pooling: a window of values made into one, by its largest value, its mean or its norm; and maxima put back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.ops.convolution import sizes
from tinygrad_lite.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxUnpool1d",
    "MaxUnpool2d",
]

Size = int | Sequence[int]


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _pool(self, pool: Any, input: Tensor) -> Any:
        return pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class MaxPool1d(_MaxPool):
    """The largest value of each window along (N, C, L); arguments as in `MaxPool2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaxPool1d
    >>> MaxPool1d(2)(tl.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def forward(self, input: Tensor) -> Any:
        return self._pool(tl.max_pool1d, input)


class MaxPool2d(_MaxPool):
    """The largest value of each window over (N, C, H, W).

    kernel_size, stride, padding, dilation  one number, or one for each dimension; the stride is the size of the
                    window if it isn't given; padding counts as minus infinity
    return_indices  return the places of the largest values in each H W map as well
    ceil_mode       whether a window that reaches over the edge counts

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaxPool2d
    >>> MaxPool2d(2)(tl.ones(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    def forward(self, input: Tensor) -> Any:
        return self._pool(tl.max_pool2d, input)


class _MaxUnpool(Module):
    dims = 2

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(kernel_size, self.dims, f"{name}: kernel_size", 1)
        self.stride = self.kernel_size if stride is None else sizes(stride, self.dims, f"{name}: stride", 1)
        self.padding = sizes(padding, self.dims, f"{name}: padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """`output_size`: which of the sizes that the pooling makes the input's is meant; all axes, or the last."""
        name, dims = type(self).__name__, self.dims
        if input.ndim not in (dims + 1, dims + 2) or input.shape != indices.shape:
            raise ValueError(
                f"{name}: input and indices have shapes {input.shape} and {indices.shape}; they need one shape, "
                f"with {dims + 1} or {dims + 2} axes: give both results of MaxPool{dims}d(..., return_indices=True)"
            )
        axes = list(zip(input.shape[-dims:], self.kernel_size, self.stride, self.padding))
        usual = tuple((n - 1) * s - 2 * p + k for n, k, s, p in axes)
        size = usual if output_size is None else tuple(output_size)[-dims:]
        if len(size) < dims or any(abs(a - b) >= s for a, b, s in zip(size, usual, self.stride)):
            raise ValueError(f"{name}: output_size {size} is a stride {self.stride} or more away from {usual}")
        lead = input.shape[:-dims]
        flat = tl.zeros(*lead, math.prod(size), dtype=input.dtype)
        maxima, places = (tl.flatten(t, t.ndim - dims) for t in (input, indices))
        return tl.scatter(flat, -1, places, maxima).reshape(*lead, *size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The maxima of `MaxPool1d` at their places again, and 0 elsewhere; arguments as in `MaxUnpool2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaxPool1d, MaxUnpool1d
    >>> maxima, places = MaxPool1d(2, return_indices=True)(tl.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    >>> MaxUnpool1d(2)(maxima, places)
    tensor([[[0., 3., 2., 0.]]])
    """

    dims = 1


class MaxUnpool2d(_MaxUnpool):
    """The maxima of `MaxPool2d` at their places again, and 0 elsewhere: (N, C, H, W) to (N, C, H', W').

    kernel_size, stride, padding  those of the pooling

    Where overlapping windows chose one place, the last of them fills it and has the gradient. Raises ValueError for
    indices of another shape, IndexError for a place outside of the output. Zeiler and Fergus 2014, arXiv:1311.2901.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import MaxPool2d, MaxUnpool2d
    >>> maxima, places = MaxPool2d(2, return_indices=True)(tl.randn(1, 3, 5, 5))
    >>> MaxUnpool2d(2)(maxima, places, output_size=(5, 5)).shape  # without it: 4 x 4
    (1, 3, 5, 5)
    """


class AvgPool1d(Module):
    """The mean of each window along (N, C, L); arguments as in `AvgPool2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AvgPool1d
    >>> AvgPool1d(2)(tl.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return tl.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(AvgPool1d):
    """The mean of each window over (N, C, H, W).

    kernel_size, stride, padding  one number, or one for each dimension; the stride is the size of the window if it
                       isn't given
    ceil_mode          whether a window that reaches over the edge counts
    count_include_pad  whether padding counts, as zeros
    divisor_override   what the sum is divided by, in place of the number of values

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AvgPool2d
    >>> AvgPool2d(2)(tl.ones(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return tl.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _LPPool(Module):
    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        if not norm_type > 0:
            raise ValueError(f"{type(self).__name__}: norm_type is {norm_type}; it must be positive")
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def _pool(self, average: Any, input: Tensor, count: int) -> Tensor:
        total = average(input**self.norm_type, self.kernel_size, self.stride, 0, self.ceil_mode) * count
        nothing = total == 0  # where the root has no slope; the gradient is 0 there
        return tl.where(nothing, 0, tl.where(nothing, 1, total) ** (1 / self.norm_type))

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The norm of each window along (N, C, L); arguments as in `LPPool2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LPPool1d
    >>> LPPool1d(2, 2)(tl.tensor([[[3.0, 4.0, 0.0, 1.0]]]))
    tensor([[[5., 1.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self._pool(tl.avg_pool1d, input, sizes(self.kernel_size, 1, "LPPool1d: kernel_size")[0])


class LPPool2d(_LPPool):
    """y = (sum of x^p)^(1/p) over each window of (N, C, H, W), p being `norm_type`: 1 for sums, and towards inf maxima.

    |x| is not taken: an odd p wants values that are not negative. Where all of a window is 0, so is the gradient.
    kernel_size, stride, ceil_mode as in `AvgPool2d`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LPPool2d
    >>> LPPool2d(2, 2)(tl.ones(1, 3, 4, 4))[0, 0]
    tensor([[2., 2.],
            [2., 2.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self._pool(tl.avg_pool2d, input, math.prod(sizes(self.kernel_size, 2, "LPPool2d: kernel_size")))


class _AdaptivePool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means over windows along (N, C, L), such that `output_size` values come out.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AdaptiveAvgPool1d
    >>> AdaptiveAvgPool1d(2)(tl.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means over windows of (N, C, H, W), such that maps of `output_size` come out.

    output_size: a number, or one for each dimension, where None stands for the input's.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AdaptiveAvgPool2d
    >>> AdaptiveAvgPool2d(1)(tl.ones(1, 3, 5, 7)).shape
    (1, 3, 1, 1)
    """

    def forward(self, input: Tensor) -> Tensor:
        return tl.adaptive_avg_pool2d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest values of windows along (N, C, L), such that `output_size` values come out.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AdaptiveMaxPool1d
    >>> AdaptiveMaxPool1d(2)(tl.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def forward(self, input: Tensor) -> Any:
        return tl.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest values of windows of (N, C, H, W), such that maps of `output_size` come out.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import AdaptiveMaxPool2d
    >>> AdaptiveMaxPool2d((1, None))(tl.ones(1, 3, 5, 7)).shape
    (1, 3, 1, 7)
    """

    def forward(self, input: Tensor) -> Any:
        return tl.adaptive_max_pool2d(input, self.output_size, self.return_indices)
