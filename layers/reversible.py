"""Reversible blocks: activations are rebuilt in the backward pass, so that memory does not grow with depth.

Gomez, Ren, Urtasun and Grosse 2017, "The reversible residual network: backpropagation without storing activations",
arXiv:1707.04585.

With z_0 = x1, z_1 = x2 and the functions F and G of all blocks in turn as h_0, h_1, ..., a row of blocks is

    z_{k+2} = z_k + h_k(z_{k+1}),        and so       z_k = z_{k+2} - h_k(z_{k+1}).

Only the last two z are kept. To go a step back, h_k runs again on z_{k+1}: that gives both z_k and what the gradient
rules inside h_k read (algorithm 1 of the paper), for about a third more time. The tape itself is that of the formula on
the left, so gradients of any order go through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.functional import Region
from tinygrad_lite.layers.containers import Sequential
from tinygrad_lite.layers.module import Module
from tinygrad_lite.modes import replay
from tinygrad_lite.tensor import Tensor, wrap

__all__ = ["ReversibleBlock", "ReversibleSequence"]

Pair = tuple[np.ndarray, np.ndarray]


class _End:
    """The end of the row: the last two z."""

    def __init__(self, pair: Pair) -> None:
        self.pair: Pair | None = pair


class _Step(Region):
    """w = u + h(v): what the nodes of h save is dropped, and had back from (v, w).

    younger  the step that (v, w) went to, or the end
    pair     (u, v), from when this step is undone until the step before needs it
    """

    name = "ReversibleBlock"
    younger: Any

    def __init__(self, h: Module, v: Tensor) -> None:
        super().__init__(h, (), {})
        self.watch(v)
        self.pair: Pair | None = None
        self.wants_grad = v.requires_grad
        self.attributes = [(m.__dict__, {**m.__dict__, "training": m.training}) for m in h.modules()]

    def recall(self, index: int) -> list:
        """The saved values of node `index`; for the first one, undo every step from the end to this one."""
        if index not in self.values:
            line = [self]
            while line[-1].younger.pair is None:
                line.append(line[-1].younger)
            for step in reversed(line):
                step.undo()
        return self.values.pop(index)

    def undo(self) -> None:
        """Have (u, v) back from (v, w), and with it the saved values."""
        v, w = self.younger.pair
        with self.as_it_was():
            h = self.rerun(wrap(v).requires_grad_(self.wants_grad))
        self.pair, self.younger.pair = (w - h._array, v), None

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """The modules of h with the modes and the parameters of the forward pass, whatever was set since."""
        now = [dict(attributes) for attributes, _ in self.attributes]
        try:
            for attributes, then in self.attributes:
                attributes.update(then)
            yield
        finally:
            for (attributes, _), before in zip(self.attributes, now):
                attributes.clear()
                attributes.update(before)


def _halves(x: Tensor, axis: int) -> Sequence[Tensor]:
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2 or not x.shape[axis]:
        raise ValueError(f"ReversibleBlock: needs an even number of channels (axis {axis}), got shape {x.shape}")
    return tl.chunk(x, 2, axis)


def _through(h: Any, v: Tensor, like: Tensor) -> Tensor:
    """h(v), of the shape that it is added to."""
    out = h(v)
    if out.shape != like.shape:
        raise ValueError(
            f"ReversibleBlock: f and g must keep the shape of half of the channels: {like.shape} came out as "
            f"{out.shape}; a change of shape can't be undone, so make it between reversible blocks"
        )
    return out


def _forward(functions: Sequence[Module], input: Tensor, axis: int) -> Tensor:
    """z_0, z_1 -> z_n, z_{n+1}."""
    if not functions:
        return input
    u, v = _halves(input, axis)
    if not tl.is_grad_enabled():
        for h in functions:
            u, v = v, u + _through(h, v, u)
        return tl.concatenate([u, v], axis)
    steps: list[_Step] = []
    for h in functions:
        steps.append(_Step(h, v))
        u, v = v, u + _through(steps[-1].run, v, u)
    for step, younger in zip(steps, [*steps[1:], _End((u._array, v._array))]):
        step.younger = younger
    return tl.concatenate([u, v], axis)


def _inverse(functions: Sequence[Module], output: Tensor, axis: int) -> Tensor:
    """z_n, z_{n+1} -> z_0, z_1."""
    if not functions:
        return output
    u, v = _halves(output, axis)
    with replay():
        for h in reversed(functions):
            u, v = v - _through(h, u, v), u
    return tl.concatenate([u, v], axis)


class ReversibleBlock(Module):
    """y1 = x1 + F(x2), y2 = x2 + G(y1), where x1 and x2 are the first and the second half of the channels.

    f, g  modules that keep the shape of half of the channels
    axis  that of the channels

    The block keeps its output, and rebuilds from it in the backward pass what its gradients read; a row of blocks
    keeps the last output only in a `ReversibleSequence`. f and g run twice with the same random numbers (dropout), and
    running statistics follow the first time only; forward hooks inside of f and g are called both times.

    Raises TypeError for f or g that is no module, ValueError for an odd number of channels, and where f or g changes
    the shape.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, ReversibleBlock
    >>> block, x = ReversibleBlock(Linear(2, 2), Linear(2, 2)), tl.randn(3, 4)
    >>> bool(abs(block.inverse(block(x)) - x).max() < 1e-5)
    True
    """

    def __init__(self, f: Module, g: Module, axis: int = 1) -> None:
        super().__init__()
        for function in (f, g):
            if not isinstance(function, Module):
                raise TypeError(f"ReversibleBlock: f and g must be modules, got {type(function).__name__}")
        self.f, self.g, self.axis = f, g, axis

    def forward(self, input: Tensor) -> Tensor:
        return _forward([self.f, self.g], input, self.axis)

    def inverse(self, output: Tensor) -> Tensor:
        """The input that gives `output`: x2 = y2 - G(y1), x1 = y1 - F(x2), up to rounding.

        In training mode batch norm uses the statistics of what it is given, which are those of the forward pass for
        the same batch; no running statistics move. What draws random numbers can't be undone so.
        """
        return _inverse([self.f, self.g], output, self.axis)


class ReversibleSequence(Sequential):
    """Reversible blocks in a row, which keep the output of the last one only: memory is flat in their number.

    Takes blocks with the same axis, or a dict of names to blocks.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear, ReversibleBlock, ReversibleSequence
    >>> net = ReversibleSequence(*(ReversibleBlock(Linear(2, 2), Linear(2, 2)) for _ in range(8)))
    >>> x = tl.randn(3, 4, requires_grad=True)
    >>> net(x).sum().backward()
    >>> x.grad.shape, bool(abs(net.inverse(net(x)) - x).max() < 1e-3)
    ((3, 4), True)
    """

    def _checked(self, value: Any) -> ReversibleBlock:
        if not isinstance(value, ReversibleBlock):
            raise TypeError(f"ReversibleSequence: needs blocks of type ReversibleBlock, got {type(value).__name__}")
        return value

    def _made(self, entries: list[tuple[str, Any]]) -> ReversibleSequence:
        return ReversibleSequence(dict(entries))

    @property
    def axis(self) -> int:
        """That of the channels, the same for all blocks."""
        axes = {block.axis for block in self}
        if len(axes) > 1:
            raise ValueError(f"ReversibleSequence: all blocks need the same axis, got {sorted(axes)}")
        return axes.pop() if axes else 1  # of no blocks any will do

    def _functions(self) -> list[Module]:
        return [h for block in self for h in (block.f, block.g)]

    def forward(self, input: Tensor) -> Tensor:
        return _forward(self._functions(), input, self.axis)

    def inverse(self, output: Tensor) -> Tensor:
        """The input that gives `output`; see `ReversibleBlock.inverse`."""
        return _inverse(self._functions(), output, self.axis)
