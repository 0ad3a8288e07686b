"""One name for what both libraries have, so that a row is written once and run in either.

Most names are the same in both: what `lib.f.conv2d` is, tinygrad_lite has as `tl.conv2d` and PyTorch as
`torch.nn.functional.conv2d`. Where they differ a `Library` says how.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Step = Callable[[], Sequence[Any]]
"""One timed step of a row. It returns what is compared between the libraries."""


class Library:
    """PyTorch or tinygrad_lite: f (functions), nn (layers), optim, and what they name differently."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.ours = name == "tinygrad_lite"
        if self.ours:
            self.all: Any = importlib.import_module("tinygrad_lite")
            self.f, self.nn, self.optim = self.all, self.all.layers, self.all.optim
        else:
            self.all = importlib.import_module("torch")
            self.f, self.nn, self.optim = self.all.nn.functional, self.all.nn, self.all.optim
        self.all.set_num_threads(threads)
        self.no_grad = self.all.no_grad

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        t = self.all.tensor(array) if self.ours else self.all.from_numpy(array.copy())
        return t.requires_grad_() if grad else t

    def numpy(self, t: Any) -> np.ndarray:
        return np.array(t.detach().numpy()) if hasattr(t, "detach") else np.asarray(t)

    def load(self, module: Any, state: dict[str, np.ndarray]) -> Any:
        """Give a module the values in `state`, by name."""
        module.load_state_dict({name: self.tensor(value) for name, value in state.items()})
        return module


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Normal float32 numbers, the same in both libraries."""
    return (np.random.default_rng((seed, *shape)).standard_normal(shape) * scale).astype(np.float32)


def forward_backward(function: Callable[..., Any], *leaves: Any, upstream: Any = None) -> Step:
    """A step that computes `function(*leaves)` and the gradients of the leaves that need one.

    upstream: the gradient of the result; where None, the result is a number.
    """
    learning = [t for t in leaves if t is not None and t.requires_grad]

    def step() -> Sequence[Any]:
        for t in learning:
            t.grad = None
        out = function(*leaves)
        out.backward() if upstream is None else out.backward(upstream)
        return [out, *(t.grad for t in learning)]

    return step


def forward_only(lib: Library, function: Callable[..., Any], *leaves: Any) -> Step:
    """A step that computes `function(*leaves)` without gradients."""

    def step() -> Sequence[Any]:
        with lib.no_grad():
            return [function(*leaves)]

    return step
