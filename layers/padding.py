"""Padding: values around an input, along its last axis or its last two.

`padding` is one number for all sides, or one for each: (left, right), or (left, right, top, bottom). Negative ones
cut. The five families differ in what stands around x = a b c:

    ZeroPad         0 0 | a b c | 0 0
    ConstantPad     v v | a b c | v v
    ReflectionPad   c b | a b c | b a
    ReplicationPad  a a | a b c | c c
    CircularPad     b c | a b c | a b
"""

from __future__ import annotations

from collections.abc import Sequence

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class _Pad(Module):
    dims = 1
    mode = "constant"
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self.dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(f"{type(self).__name__}: padding is one number or {sides}, got {padding!r}")

    def forward(self, input: Tensor) -> Tensor:
        return tl.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Pad):
    """Zeros around (..., L).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ZeroPad1d
    >>> ZeroPad1d((1, 2))(tl.tensor([[1, 2, 3]]))
    tensor([[0, 1, 2, 3, 0, 0]])
    """


class ZeroPad2d(_Pad):
    """Zeros around (..., H, W).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ZeroPad2d
    >>> ZeroPad2d((0, 1, -1, 0))(tl.tensor([[[1, 2], [3, 4]]]))
    tensor([[[3, 4, 0]]])
    """

    dims = 2


class ConstantPad1d(_Pad):
    """`value` around (..., L).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ConstantPad1d
    >>> ConstantPad1d(1, 7)(tl.tensor([[1, 2]]))
    tensor([[7, 1, 2, 7]])
    """

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """`value` around (..., H, W).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ConstantPad2d
    >>> ConstantPad2d((1, 0, 0, 1), 7)(tl.tensor([[[1, 2]]]))
    tensor([[[7, 1, 2],
             [7, 7, 7]]])
    """

    dims = 2


class ReflectionPad1d(_Pad):
    """A mirror at the first and the last value of (..., L); fewer than L values on a side.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReflectionPad1d
    >>> ReflectionPad1d(2)(tl.tensor([[1, 2, 3]]))
    tensor([[3, 2, 1, 2, 3, 2, 1]])
    """

    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """A mirror at the outermost values of (..., H, W).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReflectionPad2d
    >>> ReflectionPad2d((1, 0, 0, 1))(tl.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 1, 2],
             [4, 3, 4],
             [2, 1, 2]]])
    """

    dims = 2


class ReplicationPad1d(_Pad):
    """The first and the last value of (..., L) again and again.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReplicationPad1d
    >>> ReplicationPad1d(2)(tl.tensor([[1, 2, 3]]))
    tensor([[1, 1, 1, 2, 3, 3, 3]])
    """

    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """The outermost values of (..., H, W) again and again.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ReplicationPad2d
    >>> ReplicationPad2d((1, 0, 0, 1))(tl.tensor([[[1, 2], [3, 4]]]))
    tensor([[[1, 1, 2],
             [3, 3, 4],
             [3, 3, 4]]])
    """

    dims = 2


class CircularPad1d(_Pad):
    """What stands at the other end of (..., L), as if it were a ring; at most L values on a side.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CircularPad1d
    >>> CircularPad1d((2, 1))(tl.tensor([[1, 2, 3]]))
    tensor([[2, 3, 1, 2, 3, 1]])
    """

    mode = "circular"


class CircularPad2d(CircularPad1d):
    """What stands at the other side of (..., H, W), as if it were a torus.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import CircularPad2d
    >>> CircularPad2d((1, 0, 0, 1))(tl.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 1, 2],
             [4, 3, 4],
             [2, 1, 2]]])
    """

    dims = 2
