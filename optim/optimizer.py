"""Optimizer: what all optimizers share: groups of parameters, their options, and the state to resume from.

An optimizer is its hyper-parameters (`ranges` says which values make sense), and `update`: how one
parameter changes, given its gradient, in place on arrays. Where an element changes without regard to the
others, `update` may name a kernel for it, which `step` then calls for all parameters in several threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import optimizers as twins
from tinygrad_lite.tensor import Tensor, to_array

__all__ = ["Optimizer"]

OPERATIONS = 40
"""How many arithmetic operations the memory that is read and written for one element is worth."""

Job = tuple[Callable[..., None], Sequence[Any], Sequence[Any]]
"""A kernel, the arrays that it is to be called with, of one shape or None, and then the numbers."""

POSITIVE = (0.0, math.inf)
FRACTION = (0.0, 1.0)
"""Ranges of hyper-parameters: from the first up to, and without, the second."""

SCHEDULED = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")
"""What schedules note in a group, beside its options."""


def descent(parameter: np.ndarray, gradient: np.ndarray, group: dict[str, Any]) -> np.ndarray:
    """The gradient g of what is made small: g + weight_decay p, with -g for g where maximize is set."""
    return twins.gradient(parameter, gradient, float(group["weight_decay"]), group["maximize"])


class Optimizer:
    """The base of all optimizers. A subclass defines `ranges` and `update`.

    params    an iterable of Tensors, or of dicts {'params': [...], 'lr': ...}: groups with options of their own
    defaults  the options of a group that does not say otherwise

    Raises TypeError or ValueError for an empty list, for what is no leaf Tensor of floats, for a parameter
    given twice, and for options that are unknown or out of range.

    `param_groups` is a list of dicts of options, which may be changed between steps.
    """

    ranges: ClassVar[Mapping[str, tuple]] = {}
    """A range for each option that has one, and two of them for an option of two numbers."""

    numbers: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"step": int}
    """The entries of a parameter's state that are one number whatever its shape, and their types."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        name = type(self).__name__
        if isinstance(params, (Tensor, dict)):
            raise TypeError(
                f"{name}: params is a list of tensors or of groups, got a {type(params).__name__}; write [p]"
            )
        params = list(params)
        if not params:
            raise ValueError(f"{name}: got an empty list of parameters; was model.parameters() used up before?")
        if any(isinstance(p, dict) for p in params):
            for group in params:
                self.add_param_group(group)
        else:
            self.add_param_group({"params": params})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own: {'params': [...], 'lr': 0.01}.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.optim import SGD
        >>> a, b = tl.zeros(2, requires_grad=True), tl.zeros(3, requires_grad=True)
        >>> optimizer = SGD([a], lr=0.1)
        >>> optimizer.add_param_group({"params": [b], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{name}: a group is a dict with 'params', and groups can't be mixed with single parameters"
            )
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        if not params:
            raise ValueError(f"{name}: a group with an empty list of parameters")
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for k, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: parameter {k} is a {type(p).__name__}, and only Tensors are trained")
            if not p.is_leaf:
                raise ValueError(
                    f"{name}: parameter {k} was computed from other tensors, and only leaves are trained; "
                    "give what it was computed from, or p.detach().requires_grad_()"
                )
            if p.dtype.kind != "f":
                raise TypeError(f"{name}: parameter {k} is {p.dtype}, and only floating-point tensors are trained")
            if id(p) in known:
                raise ValueError(f"{name}: parameter {k} is given twice, and would be updated twice a step")
            known.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self._check(group)
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Raise for options that don't exist or that are out of range."""
        name = type(self).__name__
        unknown = group.keys() - self.defaults.keys() - {"params", "name", *SCHEDULED}
        if unknown:
            options = ", ".join(self.defaults)
            raise ValueError(f"{name}: a group has the unknown option {', '.join(sorted(unknown))}; there is {options}")
        for option, ranges in self.ranges.items():
            value, two = group[option], isinstance(ranges[0], tuple)
            if two and (not isinstance(value, (tuple, list)) or len(value) != 2):
                raise ValueError(f"{name}: {option} are two numbers, got {value!r}")
            for number, (low, high) in zip(value, ranges) if two else [(value, ranges)]:
                if not low <= float(number) < high:
                    raise ValueError(
                        f"{name}: {option}={value} is out of range; it is from {low} up to, without, {high}"
                    )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else tl.zeros_like(p.grad)

    # ------------------------------------------------------------------------------ stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        closure: computes the loss and its gradients anew; it is called first, and its loss is returned.
        """
        loss = None
        if closure is not None:
            with tl.enable_grad():
                loss = closure()
        with tl.no_grad():
            jobs = [self._step(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
            carry_out([job for job in jobs if job])
        return loss

    def _step(self, p: Tensor, group: dict[str, Any]) -> Job | None:
        name = type(self).__name__
        g = to_array(p.grad, p.dtype)
        if g.shape != p.shape:
            raise ValueError(f"{name}: a gradient of shape {g.shape} for a parameter of shape {p.shape}")
        state = self.state.get(p)
        if state is None:
            state = self.state[p] = self.start(p._array, group)
        if "step" in state:
            state["step"] += 1
        array = p._writable(name)
        job = self.update(array, g, state, group)
        if job is None or array.flags.c_contiguous:
            return job
        kernel, arrays, numbers = job
        kernel(*arrays, *numbers)  # now and whole, for its parts would not be views
        return None

    def start(self, p: np.ndarray, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first step: arrays of its shape and numbers, by name."""
        return {}

    def update(
        self, parameter: np.ndarray, gradient: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> Job | None:
        """Change an array in place, given its gradient (which is not to be changed), state and options.

        Or return the kernel that does it for some elements at a time, and its arguments.
        """
        raise NotImplementedError(f"{type(self).__name__}: has no update(); define how a parameter changes in a step")

    # -------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that is needed to go on exactly: {'state': ..., 'param_groups': ...}.

        As in PyTorch, a parameter stands there by its place in the groups, and its state by name:
        arrays as Tensors, and numbers. `tl.save` writes it.
        """
        places = {id(p): k for k, p in enumerate(self._all())}
        state = {
            places[id(p)]: {name: copied(value) for name, value in values.items()} for p, values in self.state.items()
        }
        groups = [{**group, "params": [places[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of `state_dict`, an optimizer's of the same kind and groups, PyTorch's included.

        Raises ValueError where groups, shapes or options don't fit; nothing is changed then.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.optim import Adam
        >>> w = tl.zeros(2, requires_grad=True)
        >>> first, second = Adam([w]), Adam([w])
        >>> w.grad = tl.ones(2)
        >>> first.step()
        >>> second.load_state_dict(first.state_dict())
        >>> second.state[w]["step"]
        1
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= state_dict.keys():
            raise ValueError(f"{name}: load_state_dict needs an optimizer's {{'state': ..., 'param_groups': ...}}")
        loaded = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        if [len(group["params"]) for group in loaded] != sizes:
            raise ValueError(
                f"{name}: the state has groups of {[len(group['params']) for group in loaded]} parameters, "
                f"this optimizer of {sizes}"
            )
        groups = []
        for mine, other in zip(self.param_groups, loaded):
            kept = {k: tuple(v) if isinstance(v, list) else v for k, v in other.items() if k in self.defaults}
            extra = {k: other[k] for k in ("name", *SCHEDULED) if k in other}
            groups.append({**mine, **kept, **extra})
            self._check(groups[-1])
        here = self._all()
        places = [place for group in loaded for place in group["params"]]
        states = {place: state_dict["state"][place] for place in places if place in state_dict["state"]}
        by_place = dict(zip(places, here))
        state = {by_place[place]: self._restored(by_place[place], values) for place, values in states.items()}
        self.param_groups[:] = groups
        self.state = state

    def _restored(self, p: Tensor, values: Mapping[str, Any]) -> dict[str, Any]:
        """The state of one parameter, as arrays of its own in the dtype of the parameter."""
        restored: dict[str, Any] = {}
        for name, value in values.items():
            if name in self.numbers:
                restored[name] = self.numbers[name](value)
            elif value is not None:
                array = np.asarray(value.detach() if hasattr(value, "detach") else value)
                array = np.array(array, dtype=p.dtype, order="C")
                if array.shape != p.shape:
                    raise ValueError(
                        f"{type(self).__name__}: load_state_dict: {name} has shape {array.shape}, "
                        f"its parameter {p.shape}"
                    )
                restored[name] = array
        return restored

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = []
        for k, group in enumerate(self.param_groups):
            options = ", ".join(f"{name}={value}" for name, value in group.items() if name != "params")
            lines.append(f"\n  group {k}: {len(group['params'])} parameters, {options}")
        return f"{type(self).__name__}({''.join(lines)}\n)"


def copied(value: Any) -> Any:
    """An array as a Tensor of its own, also where it stands in a list; a number as it is."""
    if isinstance(value, list):
        return [copied(v) for v in value]
    return tl.tensor(value) if isinstance(value, np.ndarray) else value


def carry_out(jobs: Sequence[Job]) -> None:
    """Call all kernels, spread over the threads: each takes its share of all elements, parts of arrays where cut."""
    sizes = [arrays[0].size for _, arrays, _ in jobs]

    def task(first: int, last: int) -> None:
        start = 0
        for (kernel, arrays, numbers), size in zip(jobs, sizes):
            a, b = max(first - start, 0), min(last - start, size)
            start += size
            if b - a == size:
                kernel(*arrays, *numbers)
            elif a < b:
                kernel(*(x if x is None else x.reshape(-1)[a:b] for x in arrays), *numbers)

    spread(task, sum(sizes), OPERATIONS * sum(sizes))
