"""Parameter: a Tensor that a Module trains; and which of them weight decay is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_lite.tensor import Array, Tensor

if TYPE_CHECKING:
    from tinygrad_lite.layers.module import Module

__all__ = ["Parameter", "decay_groups"]


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


def decay_groups(module: Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters of a module as groups for an optimizer, so that matrices decay, and biases and scales don't.

    Weight decay is meant to keep weights small that are multiplied with the input; a bias or the scale of a
    normalisation (a parameter of less than two axes) it would only pull away from where it belongs. Frozen parameters
    are left out, and a shared one stands in its group once.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BatchNorm1d, Linear, Sequential, decay_groups
    >>> net = Sequential(Linear(3, 4), BatchNorm1d(4), Linear(4, 2))
    >>> groups = decay_groups(net, weight_decay=0.01)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(2, 0.01), (4, 0.0)]
    >>> optimizer = tl.optim.SGD(groups, lr=0.1)
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    split = [([p for p in trained if p.ndim > 1], weight_decay), ([p for p in trained if p.ndim <= 1], 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in split if params]
