"""Measuring a model: the loss and the metrics of a batch, and their means over many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["accuracy", "evaluate"]

Function = Callable[[Any, Any], Any]
"""Of a model's output and the target: a loss or a metric, as the mean over the items of the batch."""


def accuracy(output: Array, target: Array) -> float:
    """The share of the items whose largest value is that of their class. output: (N, C, ...), target: (N, ...).

    >>> from tinygrad_lite.optim import accuracy
    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    said, true = np.asarray(tl.as_tensor(output).detach()), np.asarray(target)
    if said.ndim < 2 or said.shape[:1] + said.shape[2:] != true.shape:
        raise ValueError(f"accuracy: needs (N, C, ...) and classes (N, ...), got {said.shape} and {true.shape}")
    return float((said.argmax(1) == true).mean())


def evaluate(
    model: Any, loss: Function, batches: Iterable[Any], metrics: Mapping[str, Function] | None = None
) -> dict[str, float]:
    """The means of 'loss' and of the metrics over all items, in inference mode and without gradients.

    The arguments are those of `fit`. The model is put back into the mode it was in. Raises ValueError for no
    batches.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear
    >>> from tinygrad_lite.optim import evaluate
    >>> model = Linear(2, 1)
    >>> x = tl.rand(8, 2)
    >>> evaluate(model, tl.mse_loss, [(x, model(x).detach())])
    {'loss': 0.0}
    """
    training, means = getattr(model, "training", True), Means()
    model.eval()
    try:
        with tl.no_grad():
            for batch in batches:
                inputs, target = parted(batch)
                output = model(*inputs)
                means.add(measured(loss(output, target), metrics or {}, output, target))
    finally:
        model.train(training)
    return means.values()


def parted(batch: Any) -> tuple[tuple, Any]:
    """The inputs and the target: of (*inputs, target) those, of a single array x ((x,), x)."""
    if not isinstance(batch, (tuple, list)):
        batch = (batch,)
    return tuple(batch[:-1]) or tuple(batch), batch[-1]


def measured(loss: Any, metrics: Mapping[str, Function], output: Any, target: Any) -> dict[str, float]:
    """A batch in numbers: 'loss', each metric, and 'items', how many there are: the length of the target."""
    if isinstance(output, Tensor):
        output = output.detach()
    with tl.no_grad():
        values = {name: float(metric(output, target)) for name, metric in metrics.items()}
    return {"loss": float(loss.item()), **values, "items": (getattr(target, "shape", ()) or (1,))[0]}


class Means:
    """The means of rows of numbers, each weighted by its 'items'."""

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        self.sums: dict[str, float] = {}
        self.items = 0.0
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, float]) -> None:
        self.items += row["items"]
        for name, value in row.items():
            if name != "items":
                self.sums[name] = self.sums.get(name, 0.0) + value * row["items"]

    def values(self) -> dict[str, float]:
        if not self.items:
            raise ValueError("there are no batches to measure; are they used up, or was the data filtered to nothing?")
        return {name: total / self.items for name, total in self.sums.items()}
