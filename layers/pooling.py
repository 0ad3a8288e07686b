"""Pooling: a window of values made into one, by its largest value or its mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "MaxPool1d",
    "MaxPool2d",
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
