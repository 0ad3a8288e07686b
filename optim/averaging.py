"""An exponential moving average of weights: smoother than the weights themselves, and often better.

Polyak and Juditsky 1992; as the teacher of a student network Tarvainen and Valpola 2017, arXiv:1703.01780.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Tensor, to_array

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage:
    """a <- d a + (1 - d) p after each step, with d = min(decay, 1 - 1 / (t + 1)) at the t-th update.

    parameters  Tensors, such as `model.parameters()`; averages of buffers come with [*model.parameters(), *buffers]
    decay       how slowly the averages follow: about 1 / (1 - decay) steps
    ramp        begin with a smaller d, which makes `a` the plain mean of what came so far; without it d = decay

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import ExponentialMovingAverage
    >>> w = tl.zeros(1, requires_grad=True)
    >>> average = ExponentialMovingAverage([w], decay=0.9)
    >>> for value in (3.0, 6.0):
    ...     with tl.no_grad():
    ...         _ = w.fill_(value)
    ...     average.update()
    >>> with average.average_parameters():
    ...     print(w)
    tensor([3.], requires_grad=True)
    >>> w
    tensor([6.], requires_grad=True)
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float = 0.999, ramp: bool = True) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("ExponentialMovingAverage: nothing to average; was model.parameters() used up before?")
        for k, p in enumerate(self.parameters):
            if not isinstance(p, Tensor) or p.dtype.kind != "f":
                kind = p.dtype if isinstance(p, Tensor) else type(p).__name__
                raise TypeError(f"ExponentialMovingAverage: {k} is a {kind}; only floating-point Tensors have averages")
        if not 0 <= decay <= 1:
            raise ValueError(f"ExponentialMovingAverage: decay is from 0 to 1, got {decay}")
        self.decay, self.ramp, self.num_updates = decay, ramp, 0
        self.averages = [p._array.copy() for p in self.parameters]

    def update(self) -> None:
        """Take the parameters as they are now into the averages. Call it after the optimizer's step."""
        self.num_updates += 1
        d = min(self.decay, 1 - 1 / (self.num_updates + 1)) if self.ramp else self.decay
        for average, p in zip(self.averages, self.parameters):
            average += (1 - d) * (p._array - average)

    @contextmanager
    def average_parameters(self) -> Iterator[None]:
        """Put the averages in the place of the parameters, inside a `with` block: to evaluate, or as a teacher.

        Nothing is copied, and a graph that was recorded before or is recorded inside stays right.
        """
        kept = [(p._array, p._cell, p._shared) for p in self.parameters]
        self._hold([(average, None, False) for average in self.averages])
        try:
            yield
        finally:
            self._hold(kept)

    def _hold(self, memory: list[tuple]) -> None:
        """Let the parameters stand on this memory, whose stamps of the last write come along."""
        for p, (array, cell, shared) in zip(self.parameters, memory):
            p._array, p._cell, p._shared = array, cell, shared

    def copy_to(self, parameters: Iterable[Tensor] | None = None) -> None:
        """Write the averages into the parameters of another model, such as a teacher, or into their own."""
        targets = self.parameters if parameters is None else list(parameters)
        if [p.shape for p in targets] != [average.shape for average in self.averages]:
            raise ValueError("ExponentialMovingAverage: copy_to needs as many parameters, of the same shapes")
        with tl.no_grad():
            for p, average in zip(targets, self.averages):
                p._writable("copy_to")[...] = average

    def state_dict(self) -> dict[str, Any]:
        """A copy of the averages, and how many updates made them. `tl.save` writes it."""
        averages = [tl.tensor(average) for average in self.averages]
        return {"decay": self.decay, "ramp": self.ramp, "num_updates": self.num_updates, "averages": averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of `state_dict`. Raises ValueError, and changes nothing, where it does not fit."""
        if not isinstance(state_dict, Mapping) or not {"decay", "num_updates", "averages"} <= state_dict.keys():
            raise ValueError("ExponentialMovingAverage: load_state_dict needs what state_dict() returned")
        averages = [to_array(average) for average in state_dict["averages"]]
        if [a.shape for a in averages] != [a.shape for a in self.averages]:
            raise ValueError("ExponentialMovingAverage: the state is of parameters of other shapes")
        self.averages = [np.array(a, mine.dtype) for a, mine in zip(averages, self.averages)]
        self.decay, self.ramp = state_dict["decay"], state_dict.get("ramp", True)
        self.num_updates = int(state_dict["num_updates"])
