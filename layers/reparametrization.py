"""Weights made of others: weight normalisation and spectral normalisation of any layer.

    weight normalisation     w = g v / |v|     trained: g, the length, and v, whose length has no effect
    spectral normalisation   w = W / sigma(W)  trained: W, divided by its largest singular value

`weight_norm(layer)` takes the parameter `weight` away from a layer and gives it `weight_g` and `weight_v`; from then
on `layer.weight` is computed whenever it is read, so the layer itself knows nothing of it.

PyTorch has both twice, as torch.nn.utils.weight_norm and as torch.nn.utils.parametrizations.weight_norm. The names
here are those of the first, weight_g and weight_v, weight_orig, weight_u and weight_v: they say what they are, most
saved models have them, and the second loads weight_g and weight_v as well. As in the second, the weight can't be out
of date.

Sources: Salimans and Kingma 2016, arXiv:1602.07868; Miyato et al. 2018, arXiv:1802.05957.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Tensor

__all__ = ["init_weight_norm_", "remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


# ------------------------------------------------------------------------- attributes that are computed


def define(module: Module, name: str, function: Callable[[Any], Tensor] | None) -> None:
    """Let `module.name` be what `function(module)` gives; with None an attribute like others again.

    Python finds such properties in the class, so the module gets a class of its own, below that which it had.
    """
    kind = type(module)
    plain, computed = getattr(kind, "_plain", kind), dict(getattr(kind, "_computed", {}))
    if function is None:
        del computed[name]
    else:
        computed[name] = function
    own = {"__module__": plain.__module__, "__doc__": plain.__doc__, "_plain": plain, "_computed": computed}
    properties = {key: property(value) for key, value in computed.items()}
    module.__class__ = type(plain.__name__, (plain,), own | properties) if computed else plain


def taken(what: str, module: Module, name: str, dim: int) -> Parameter:
    """Take a parameter away from its module. Raises ValueError where there is none, or it has no such axis."""
    parameter = module.__dict__.get(name)
    if not isinstance(parameter, Parameter):
        has = ", ".join(key for key, _ in module.named_parameters(recurse=False)) or "none"
        raise ValueError(f"{what}: {type(module).__name__} has no parameter {name!r} of its own; it has {has}")
    if not 0 <= dim < parameter.ndim:
        raise ValueError(f"{what}: dim is {dim}, for a {name!r} of shape {parameter.shape}")
    delattr(module, name)
    return parameter


def parts(module: Module, name: str, *endings: str) -> list[Any]:
    """What `module.name` is computed from: `name`_g and so on."""
    return [getattr(module, f"{name}_{ending}") for ending in endings]


def put_back(what: str, module: Module, name: str, *endings: str) -> None:
    """Make a parameter of what is computed from parts with these endings."""
    if not all(f"{name}_{ending}" in module.__dict__ for ending in endings):
        raise ValueError(f"{what}: {name!r} of this {type(module).__name__} is not computed that way")
    with tl.no_grad():
        weight = Parameter(getattr(module, name), parts(module, name, *endings)[0].requires_grad)
    define(module, name, None)
    for ending in endings:
        delattr(module, f"{name}_{ending}")
    module.register_parameter(name, weight)


# ------------------------------------------------------------------------------ weight normalisation


def length(v: Tensor, dim: int | None) -> Tensor:
    """|v| along all axes but `dim`, which stays with the others as 1; of all of v for None."""
    if dim is None:
        return tl.norm(v)
    return tl.norm(v, axis=tuple(k for k in range(v.ndim) if k != dim), keepdims=True)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Let `module.weight` be g v / |v|, for each row of it, or what else `dim` numbers; returns the module.

    name  the parameter; `name`_g and `name`_v come in its place, such that its value stays
    dim   the axis of the outputs, each of which has a length of its own; None (or, as in PyTorch, -1) for one
          length of all

    The gradient of v is orthogonal to v, so steps of SGD make it longer, and the steps after it smaller: in
    effect the learning rate adapts. Raises ValueError if the module has no such parameter, or that no such axis.
    Source: Salimans and Kingma 2016, arXiv:1602.07868, equation 2.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, weight_norm
    >>> layer = weight_norm(Linear(3, 2))
    >>> {name: p.shape for name, p in layer.named_parameters()}
    {'bias': (2,), 'weight_g': (2, 1), 'weight_v': (2, 3)}
    >>> layer.weight.shape
    (2, 3)
    """
    dim = None if dim == -1 else dim
    weight = taken("weight_norm", module, name, dim or 0)
    with tl.no_grad():
        g = Parameter(length(weight, dim), weight.requires_grad)
    module.register_parameter(f"{name}_g", g)
    module.register_parameter(f"{name}_v", weight)

    def normalized(module: Any) -> Tensor:
        g, v = parts(module, name, "g", "v")
        return v * (g / length(v, dim))

    define(module, name, normalized)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a parameter of what `weight_norm` computes; returns the module. Raises ValueError if there is none."""
    put_back("remove_weight_norm", module, name, "g", "v")
    return module


def init_weight_norm_(module: Module, *inputs: Any) -> None:
    """Start a network from data: let all layers under `weight_norm` give mean 0 and variance 1 on this batch.

    Calls `module(*inputs)`. Each such layer whose outputs are axis 1, as of `Linear` on (N, C) and of convolutions,
    has g <- g / s and b <- (b - m) / s, for the mean m and the standard deviation s of each output; the layers
    after it see the new values. Source: Salimans and Kingma 2016, arXiv:1602.07868, section 3.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, ReLU, Sequential, init_weight_norm_, weight_norm
    >>> net, x = Sequential(weight_norm(Linear(3, 5)), ReLU(), weight_norm(Linear(5, 2))), tl.randn(100, 3)
    >>> init_weight_norm_(net, x)
    >>> bool(abs(net(x).std(0, correction=0) - 1).max() < 1e-3)
    True
    """

    def standardize(layer: Any, args: tuple, y: Tensor) -> Tensor:
        axes = (0, *range(2, y.ndim))
        mean, std = y.mean(axes, keepdims=True), y.std(axes, correction=0, keepdims=True)
        if layer.weight_g.size != std.size or layer.bias is None:
            raise ValueError(
                f"init_weight_norm_: {layer!r} needs a bias, and a weight_g of {std.size} values, one an output"
            )
        if not std.numpy().all():
            raise ValueError(f"init_weight_norm_: an output of {layer!r} is the same for the whole batch")
        layer.weight_g.copy_(layer.weight_g / std.reshape(layer.weight_g.shape))
        layer.bias.copy_((layer.bias - mean.reshape(-1)) / std.reshape(-1))
        return (y - mean) / std

    normed = [layer for layer in module.modules() if "weight_g" in layer.__dict__]
    hooks = [layer.register_forward_hook(standardize) for layer in normed]
    try:
        with tl.no_grad():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()


# ---------------------------------------------------------------------------- spectral normalisation


def matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix, whose rows are the axis `dim`."""
    return tl.flatten(tl.moveaxis(weight, dim, 0), 1)


class PowerMethod(NamedTuple):
    """A hook: before each call in training u and v come closer to the singular vectors of the largest singular value.

    v <- W^T u / |W^T u|,  u <- W v / |W v|
    """

    name: str
    steps: int
    eps: float
    dim: int

    def __call__(self, module: Any, args: tuple, kwargs: dict) -> None:
        if module.training and not tl.is_replay():
            with tl.no_grad():
                weight, u, v = parts(module, self.name, "orig", "u", "v")
                w = matrix(weight, self.dim)
                for _ in range(self.steps):
                    v.copy_(tl.normalize(w.T @ u, axis=0, eps=self.eps))
                    u.copy_(tl.normalize(w @ v, axis=0, eps=self.eps))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Let `module.weight` be W / sigma for its largest singular value sigma; returns the module.

    A linear layer then makes no difference between inputs longer, as the critic of a GAN should not; a convolution
    is bounded by its kernel, seen as a matrix. sigma is u^T W v, where u and v, constants to the gradient, come
    closer to its singular vectors with each call in training.

    name  the parameter; `name`_orig, W, comes in its place, with the buffers `name`_u and `name`_v
    n_power_iterations  how many steps of the power method a call in training takes
    eps   no length is taken for less
    dim   the axis of the outputs; by default 1 for transposed convolutions and 0 for all else

    Raises ValueError if the module has no such parameter, or that no such axis. Source: Miyato et al. 2018,
    arXiv:1802.05957, algorithm 1.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, spectral_norm
    >>> layer = spectral_norm(Linear(3, 2), n_power_iterations=50)
    >>> _ = layer(tl.ones(1, 3))
    >>> round(tl.linalg.matrix_norm(layer.weight, 2).item(), 4)
    1.0
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations is {n_power_iterations}; it must be positive")
    axis = int(getattr(module, "transposed", False)) if dim is None else dim
    weight = taken("spectral_norm", module, name, axis)
    module.register_parameter(f"{name}_orig", weight)
    for part, size in zip("uv", matrix(weight, axis).shape):
        start = tl.normalize(tl.randn(size, dtype=weight.dtype), axis=0, eps=eps)
        module.register_buffer(f"{name}_{part}", start)

    def normalized(module: Any) -> Tensor:
        weight, u, v = parts(module, name, "orig", "u", "v")
        # Copies: a later call moves u and v, and backward still needs those of this one.
        return weight / (u.clone() @ (matrix(weight, axis) @ v.clone()))

    module.register_forward_pre_hook(PowerMethod(name, n_power_iterations, eps, axis), with_kwargs=True)
    define(module, name, normalized)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a parameter of what `spectral_norm` computes; returns the module. Raises ValueError if there is none."""
    put_back("remove_spectral_norm", module, name, "orig", "u", "v")
    hooks = module._forward_pre_hooks.items()
    module._forward_pre_hooks = {
        k: hook for k, hook in hooks if not (isinstance(hook, PowerMethod) and hook.name == name)
    }
    return module
