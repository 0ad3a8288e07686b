"""A module as a function of its parameters, for derivatives with respect to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tinygrad_lite.layers.module import Module
from tinygrad_lite.modes import within
from tinygrad_lite.tensor import Tensor

__all__ = ["functional_call"]


def functional_call(module: Module, state: Mapping[str, Tensor], *args: Any, **params: Any) -> Any:
    """Call `module` with the Tensors in `state` in place of the parameters and buffers of these dotted names.

    The Tensors may have been computed, so gradients of any order go through them: for `tl.jvp`, `tl.hvp` and
    `tl.hessian` over weights, and for steps of training inside a loss. A shared parameter is replaced wherever
    it stands. The module is left as it was. Raises KeyError for a name that isn't there, ValueError for a shape.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, functional_call
    >>> layer = Linear(2, 1, bias=False)
    >>> def loss(weight):
    ...     return (functional_call(layer, {"weight": weight}, tl.ones(1, 2)) ** 2).sum()
    >>> tl.hessian(loss, tl.tensor([[3.0, 4.0]])).reshape(2, 2)
    tensor([[2., 2.],
            [2., 2.]])
    """
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    new: dict[int, Tensor] = {}
    for name, value in state.items():
        if name not in own:
            raise KeyError(f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}")
        if value.shape != own[name].shape:
            raise ValueError(f"functional_call: {name} has shape {own[name].shape}, got {value.shape}")
        new[id(own[name])] = value
    places = [
        (holder.__dict__, name, new[id(value)])
        for holder in module.modules()
        for name, value in list(holder.__dict__.items())
        if id(value) in new
    ]
    with within(lambda: exchanged(places)):
        return module(*args, **params)


@contextmanager
def exchanged(places: Sequence[tuple[dict, str, Any]]) -> Iterator[None]:
    """Set attributes, given as (attributes of a module, name, value), and set them back."""
    before = [attributes[name] for attributes, name, _ in places]
    try:
        for attributes, name, value in places:
            attributes[name] = value
        yield
    finally:
        for (attributes, name, _), value in zip(places, before):
            attributes[name] = value
