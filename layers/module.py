"""Module: a function with parameters, made of smaller ones.

A module's parameters, buffers and children are simply its attributes: a `Parameter` is trained, a
`Module` is a child, and a Tensor named by `register_buffer` is part of the state but is not trained.
What a module does stands in `forward`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers.hooks import NOTHING, Gates, Hooks
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["LoadResult", "Module"]


class LoadResult(NamedTuple):
    """The names that `load_state_dict` did not find in the state dict, and those that it has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Hooks):
    """A function with parameters. Subclass it, set parameters and children in `__init__`, compute in `forward`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, Module
    >>> class Block(Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.linear = Linear(width, width)
    ...     def forward(self, x):
    ...         return x + tl.relu(self.linear(x))
    >>> block = Block(4)
    >>> block
    Block(
      (linear): Linear(in_features=4, out_features=4, bias=True)
    )
    >>> [name for name, _ in block.named_parameters()]
    ['linear.weight', 'linear.bias']
    >>> block(tl.ones(2, 4)).shape
    (2, 4)
    """

    training: bool = True
    # The names of the buffers, and whether each is saved in the state dict. A module replaces the mapping by one of
    # its own and never changes it in place, so __init__ has nothing to prepare.
    _buffers: Mapping[str, bool] = NOTHING

    # ------------------------------------------------------------------------------ calling

    def forward(self, *args: Any, **params: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}: has no forward(); define what it computes")

    def __call__(self, *args: Any, **params: Any) -> Any:
        try:
            if self._forward_pre_hooks:
                args, params = self._before(args, params)
            gates = None
            if self._backward_hooks or self._backward_pre_hooks:
                gates = Gates(self)
                args = gates.inputs(args)
            out = self.forward(*args, **params)
            if self._forward_hooks:
                out = self._after(args, params, out)
            return out if gates is None else gates.outputs(out)
        except Exception as error:
            error.add_note(f"in {type(self).__name__}({self.extra_repr()})".removesuffix("()"))
            raise

    # -------------------------------------------------------------- parameters, buffers, children

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None:
            if isinstance(self.__dict__.get(name), Parameter) and not isinstance(value, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter and can't become a {type(value).__name__}; assign a "
                    f"Parameter or None, write its values with init or copy_(), or `del` it first"
                )
            if name in self._buffers and (not isinstance(value, Tensor) or isinstance(value, Parameter)):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a buffer and can't become a {type(value).__name__}; assign a "
                    "Tensor or None, or `del` it first"
                )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in self._buffers:
            self._buffers = {k: saved for k, saved in self._buffers.items() if k != name}

    def _new_name(self, name: str, what: str, kind: type) -> None:
        """Raise where `name` can't be the name of something new."""
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{what}: a name is a string that is not empty and has no '.', got {name!r}")
        old = self.__dict__.get(name)
        taken = old is not None and (not isinstance(old, kind) or (kind is Tensor and isinstance(old, Parameter)))
        if taken or hasattr(type(self), name):
            raise KeyError(f"{what}: {type(self).__name__} already has an attribute {name!r}")

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Set a parameter by name; None stands for one that is left out, as for a bias."""
        self._new_name(name, "register_parameter", Parameter)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(f"register_parameter: {name!r} needs a Parameter, got {type(parameter).__name__}")
        setattr(self, name, parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a Tensor that belongs to the state of the module, and that no optimizer trains.

        persistent: whether it is part of the state dict.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.layers import Module
        >>> module = Module()
        >>> module.register_buffer("mean", tl.zeros(2))
        >>> module.state_dict()
        {'mean': tensor([0., 0.])}
        """
        self._new_name(name, "register_buffer", Tensor)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: {name!r} needs a Tensor, got {type(tensor).__name__}; use tl.tensor(...)"
            )
        self._buffers = {**self._buffers, name: bool(persistent)}
        setattr(self, name, tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """Set a child by name."""
        self._new_name(name, "register_module", Module)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"register_module: {name!r} needs a Module, got {type(module).__name__}")
        setattr(self, name, module)

    add_module = register_module

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True, seen: set | None = None
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their dotted names; one that is used twice is listed once."""
        if seen is None:
            seen = set()
        elif not remove_duplicate:
            seen = set(seen)  # only those on the way here, so that a loop of modules comes to an end
        if self in seen:
            return
        seen.add(self)
        yield prefix, self
        for name, child in self.__dict__.items():
            if isinstance(child, Module):
                yield from child.named_modules(f"{prefix}.{name}" if prefix else name, remove_duplicate, seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one; one that is used twice is listed once."""
        seen = set()
        for name, child in self.__dict__.items():
            if isinstance(child, Module) and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        return (child for _, child in self.named_children())

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        named = [(name, self.__dict__.get(name)) for name in self._buffers]
        return [(name, value) for name, value in named if value is not None]

    def _collect(self, own: Callable, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        """What `own` finds in this module and those below, with dotted names."""
        seen = set()
        for path, module in self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]:
            for name, value in own(module):
                if value not in seen or not remove_duplicate:
                    seen.add(value)
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, each once, even where layers share it."""
        return self._collect(Module._own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._collect(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module with a dotted name ('layer1.0.conv1'); '' is this one. Raises AttributeError."""
        module: Module = self
        for name in target.split(".") if target else []:
            child = module.__dict__.get(name)
            if not isinstance(child, Module):
                known = ", ".join(name for name, _ in module.named_children()) or "none"
                raise AttributeError(
                    f"{type(module).__name__} has no child {name!r} on the way to {target!r}; it has {known}"
                )
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name. Raises AttributeError."""
        return self._get(target, "parameter", dict(self._owner(target)._own_parameters()))

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name. Raises AttributeError."""
        return self._get(target, "buffer", dict(self._owner(target)._own_buffers()))

    def _owner(self, target: str) -> Module:
        return self.get_submodule(target.rpartition(".")[0])

    def _get(self, target: str, what: str, found: dict) -> Any:
        name = target.rpartition(".")[2]
        if name not in found:
            raise AttributeError(f"{target!r}: there is no {what} {name!r}; there is {', '.join(found) or 'none'}")
        return found[name]

    # ------------------------------------------------------------------------------ modes, dtypes

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below (dropout drops, batch norm uses the batch); returns the module."""
        self.training = bool(mode)
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Set inference mode here and below; returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters, or freeze them; returns the module.

        Optimizers skip a frozen parameter, to which no gradient comes (`zero_grad()` forgets the one it may still
        have). Running statistics are no parameters: a batch norm that is to stay as it is needs `eval()` as well.

        >>> from tinygrad_lite.layers import BatchNorm1d, Linear, Sequential
        >>> net = Sequential(Linear(4, 8), BatchNorm1d(8), Linear(8, 2))
        >>> _ = net[:2].requires_grad_(False).eval()
        >>> [name for name, p in net.named_parameters() if p.requires_grad]
        ['2.weight', '2.bias']
        """
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else tl.zeros_like(parameter.grad)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` on every module, children first; returns the module.

        >>> from tinygrad_lite.layers import Linear, Sequential, init
        >>> net = Sequential(Linear(2, 2), Linear(2, 1))
        >>> _ = net.apply(lambda m: init.zeros_(m.bias) if isinstance(m, Linear) else None)
        """
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self, dtype: Any) -> Self:
        """Convert the floating-point parameters and buffers; the Parameter objects stay the same.

        Raises TypeError for what is no floating-point dtype. There are no devices.
        """
        try:
            wanted = np.dtype(dtype)
        except TypeError:
            wanted = np.dtype(object)
        if wanted not in (np.float16, np.float32, np.float64):
            raise TypeError(f"to: needs float16, float32 or float64, got {dtype!r}; there are no devices to move to")
        with tl.no_grad():
            for tensor in [*self.parameters(), *self.buffers()]:
                if tensor.dtype.kind == "f" and tensor.dtype != wanted:
                    tensor._set(tensor._array.astype(wanted))
                    tensor.grad = None if tensor.grad is None else tensor.grad.detach().astype(wanted)
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Convert to float16."""
        return self.to(np.float16)

    # ---------------------------------------------------------------------------------- state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """All parameters and persistent buffers by dotted name, as PyTorch orders and names them.

        The Tensors lie on the memory of the module, without a graph: `copy.deepcopy` them to keep a snapshot. What is
        shared stands under each of its names; `tl.save` writes it once.

        >>> from tinygrad_lite.layers import Linear
        >>> {name: t.shape for name, t in Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {prefix + name: tensor.detach() for name, tensor in self._state().items()}

    def _state(self) -> dict[str, Tensor]:
        def own(module: Module) -> list[tuple[str, Tensor]]:
            saved = [(name, buffer) for name, buffer in module._own_buffers() if module._buffers[name]]
            return [*module._own_parameters(), *saved]

        return dict(self._collect(own, "", True, False))

    def load_state_dict(self, state_dict: Mapping[str, Array], strict: bool = True) -> LoadResult:
        """Copy values into the parameters and buffers; all of them or, on an error, none.

        state_dict: names to Tensors, arrays or PyTorch tensors, converted to the dtype that is here.
        strict: whether a missing or an unexpected name is an error. Returns both lists of names.

        Raises RuntimeError that lists every missing, unexpected and misshapen entry; TypeError for a value that
        is not an array of numbers.

        >>> from tinygrad_lite.layers import Linear
        >>> layer, same = Linear(3, 2), Linear(3, 2)
        >>> same.load_state_dict(layer.state_dict())
        LoadResult(missing_keys=[], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: needs a dict of names to arrays, got {type(state_dict).__name__}")
        here = self._state()
        missing = [name for name in here if name not in state_dict]
        unexpected = [name for name in state_dict if name not in here]
        values = {name: _as_array(name, state_dict[name]) for name in here if name in state_dict}
        faults = [
            f"{name}: shape {values[name].shape}, but the module has {here[name].shape}"
            for name in values
            if values[name].shape != here[name].shape
        ]
        if strict:
            faults += [f"missing: {', '.join(missing)}"] if missing else []
            faults += [f"unexpected: {', '.join(map(str, unexpected))}"] if unexpected else []
        if faults:
            raise RuntimeError(
                f"load_state_dict: the state does not fit {type(self).__name__}\n  " + "\n  ".join(faults)
            )
        with tl.no_grad():
            for name, value in values.items():
                here[name]._writable("load_state_dict")[...] = value
        return LoadResult(missing, unexpected)

    # ---------------------------------------------------------------------------------- telling

    def extra_repr(self) -> str:
        """What stands in the brackets of the repr, for a subclass to fill."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}" for name, child in self.__dict__.items() if isinstance(child, Module)]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        body = "\n".join([self.extra_repr(), *lines] if self.extra_repr() else lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"

    def summary(self, *inputs: Any) -> Any:
        """A table of the layers with their output shapes, parameters, buffers and FLOPs; see `layers.summary`."""
        from tinygrad_lite.layers.summary import summary

        return summary(self, *inputs)


def _as_array(name: str, value: Any) -> np.ndarray:
    """A Tensor, array or PyTorch tensor as an array of numbers."""
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception as error:
        raise TypeError(
            f"load_state_dict: {name}: {type(error).__name__}: {error}; convert it to float32 first"
        ) from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"load_state_dict: {name}: needs numbers, got {array.dtype} from a {type(value).__name__}")
    return array
