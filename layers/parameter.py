"""Parameter: a Tensor that a Module trains."""

from __future__ import annotations

from typing import Any

from tinygrad_lite.tensor import Array, Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A leaf Tensor that becomes one of a module's parameters when it is set as its attribute.

    data           an array, Tensor, number or nested list of floating-point values; copied
    requires_grad  False for a parameter that is not trained (frozen)
    dtype          float16, float32 or float64; that of the data by default

    Raises TypeError for data that is not floating-point: such values are buffers.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Parameter
    >>> Parameter(tl.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(self, data: Array, requires_grad: bool = True, dtype: Any = None) -> None:
        super().__init__(data, dtype=dtype)
        if self.dtype.kind != "f":
            raise TypeError(
                f"Parameter: needs floating-point data, got {self.dtype}; convert it (data.astype(np.float32)), "
                "or use register_buffer for values that are not trained"
            )
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
