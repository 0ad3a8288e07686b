"""Hooks: functions that a module calls before and after its forward pass, and when gradients come back through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Arrays, Tensor, wrap

__all__ = ["Handle"]

NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Handle(NamedTuple):
    """What registering a hook returns; `remove()` takes the hook away again."""

    module: Any
    place: str
    number: int

    def remove(self) -> None:
        hooks = getattr(self.module, self.place)
        setattr(self.module, self.place, {k: hook for k, hook in hooks.items() if k != self.number})


class Hooks:
    """The hooks of a module, by number. The mappings are replaced, never changed, so `__init__` prepares nothing."""

    _forward_pre_hooks: Mapping[int, Callable] = NOTHING
    _forward_hooks: Mapping[int, Callable] = NOTHING
    _backward_pre_hooks: Mapping[int, Callable] = NOTHING
    _backward_hooks: Mapping[int, Callable] = NOTHING
    _numbers = count()

    def _register(self, place: str, hook: Callable, prepend: bool) -> Handle:
        number = next(self._numbers)
        before = getattr(self, place)
        setattr(self, place, {number: hook, **before} if prepend else {**before, number: hook})
        return Handle(self, place, number)

    # ------------------------------------------------------------------------------- forward

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args)` before each forward; what it returns, if anything, replaces the arguments.

        prepend: call it before the other hooks. with_kwargs: call `hook(module, args, kwargs)`, which returns nothing
        or the pair (args, kwargs).
        """

        def general(module: Any, args: tuple, kwargs: dict) -> tuple | None:
            changed = hook(module, args)
            return None if changed is None else (changed if isinstance(changed, tuple) else (changed,), kwargs)

        return self._register("_forward_pre_hooks", hook if with_kwargs else general, prepend)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args, output)` after each forward; what it returns, if anything, replaces the output.

        prepend: call it before the other hooks. with_kwargs: call `hook(module, args, kwargs, output)`.
        Returns a handle whose `remove()` takes the hook away.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.layers import Linear
        >>> layer = Linear(3, 2)
        >>> handle = layer.register_forward_hook(lambda module, args, out: print(out.shape))
        >>> _ = layer(tl.ones(5, 3))
        (5, 2)
        >>> handle.remove()
        >>> _ = layer(tl.ones(5, 3))
        """

        def general(module: Any, args: tuple, kwargs: dict, output: Any) -> Any:
            return hook(module, args, output)

        return self._register("_forward_hooks", hook if with_kwargs else general, prepend)

    def _before(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The arguments as the hooks before forward leave them."""
        for hook in self._forward_pre_hooks.values():
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        return args, kwargs

    def _after(self, args: tuple, kwargs: dict, output: Any) -> Any:
        """The result as the hooks after forward leave it."""
        for hook in self._forward_hooks.values():
            changed = hook(self, args, kwargs, output)
            output = output if changed is None else changed
        return output

    # ------------------------------------------------------------------------------ backward

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Both are tuples, with an entry for each positional argument and each output: a Tensor, zeros where nothing
        flowed, or None for what wants no gradient. What the hook returns, if anything, replaces grad_input. Where no
        input wants a gradient it is called as soon as grad_output is known. prepend: call it before the other hooks.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.layers import ReLU
        >>> layer = ReLU()
        >>> handle = layer.register_full_backward_hook(lambda module, ins, outs: print(ins, outs))
        >>> layer(tl.tensor([-1.0, 1.0], requires_grad=True)).sum().backward()
        (tensor([0., 1.]),) (tensor([1., 1.]),)
        """
        return self._register("_backward_hooks", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when the gradients of the outputs are known.

        What it returns, if anything, replaces them. prepend: call it before the other hooks.
        """
        return self._register("_backward_pre_hooks", hook, prepend)


class Gates:
    """The two ends of a call of a module: its inputs and outputs pass a gate that hears their gradients."""

    def __init__(self, module: Hooks) -> None:
        self.module = module
        self.hooks = tuple(module._backward_hooks.values())
        self.pre_hooks = tuple(module._backward_pre_hooks.values())
        self.grad_input: list = []
        self.grad_output: Sequence | None = None
        self.wanted = False  # whether an input wants a gradient

    def inputs(self, args: tuple) -> tuple:
        """The arguments, at the gate."""
        self.grad_input = [None] * len(args)
        passed = through(args, self.leave)
        self.wanted = passed is not args
        return passed

    def outputs(self, output: Any) -> Any:
        """The output, at the gate; its entries if it is a tuple."""
        if not isinstance(output, tuple):
            return through((output,), self.enter)[0]
        passed = through(output, self.enter)
        return passed if type(output) is tuple else type(output)(*passed)

    def enter(self, gradients: tuple) -> tuple:
        """The gradients of the outputs have come."""
        for hook in self.pre_hooks:
            gradients = self.replaced(gradients, hook(self.module, gradients))
        self.grad_output = gradients
        if not self.wanted:
            self.leave(tuple(self.grad_input))
        return gradients

    def leave(self, gradients: tuple) -> tuple:
        """The gradients of the inputs have come."""
        if self.grad_output is None:  # by a way that does not lead through the outputs, as in a second derivative
            return gradients
        for hook in self.hooks:
            gradients = self.replaced(gradients, hook(self.module, gradients, self.grad_output))
        self.grad_output = None
        return gradients

    def replaced(self, gradients: tuple, answer: Any) -> tuple:
        """What a hook answered, or the gradients as they are."""
        if answer is None:
            return gradients
        answer = answer if isinstance(answer, tuple) else (answer,)
        fits = [(a is None) == (g is None) and (a is None or a.shape == g.shape) for a, g in zip(answer, gradients)]
        if len(answer) != len(gradients) or not all(fits):
            raise ValueError(
                f"{type(self.module).__name__}: a backward hook returned {shapes(answer)}; it must return as many "
                f"gradients as it was given, of the same shapes: {shapes(gradients)}"
            )
        return answer


def shapes(values: tuple) -> str:
    return ", ".join(str(getattr(value, "shape", None)) for value in values)


def through(values: tuple, heard: Callable[[tuple], tuple]) -> tuple:
    """`values`, of which those that want a gradient pass a gate; `heard` is given a gradient or None for each."""
    places = [k for k, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places or not tl.is_grad_enabled():
        return values

    def at_places(gradients: list) -> list:
        all_of_them: list = [None] * len(values)
        for k, g in zip(places, gradients):
            all_of_them[k] = g
        answer = heard(tuple(all_of_them))
        return [answer[k] for k in places]

    passed = list(values)
    for k, t in zip(places, gate([values[k] for k in places], at_places)):
        passed[k] = t
    return tuple(passed)


@tl.primitive(outputs="*passed", public=False)
def gate(tensors: Arrays, heard: Callable) -> tuple[Tensor, ...]:
    """The tensors as they are, as views; on the way back `heard` is given their gradients, and may replace them."""
    return tuple(t[...] for t in tensors)  # type: ignore[return-value]


@gate.gradients
def gate_gradients(gs, heard):
    if any(isinstance(g, Tensor) for g in gs):
        return heard([tl.as_tensor(g) for g in gs])
    return [tl.as_tensor(g)._array for g in heard([wrap(np.asarray(g)) for g in gs])]
