"""Summary: a table of a network's layers, with the shapes that come out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True)
class Row:
    """A module in the table: how deep it lies, and what it holds itself, without its children."""

    name: str
    kind: str
    depth: int
    output: str
    parameters: int
    buffers: int


@dataclass(frozen=True)
class Summary:
    """The rows of a summary and their totals; printed, it is a table.

    trainable: the parameters that require a gradient. nbytes: of all parameters and buffers.
    """

    rows: list[Row]
    parameters: int
    trainable: int
    buffers: int
    nbytes: int

    def __str__(self) -> str:
        cells = [("Layer", "Output shape", "Parameters", "Buffers")]
        for row in self.rows:
            label = "  " * row.depth + (f"{row.name}: {row.kind}" if row.name else row.kind)
            cells.append((label, row.output, _count(row.parameters), _count(row.buffers)))
        cells.append(("Total", "", f"{self.parameters:,}", f"{self.buffers:,}"))
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = [
            "  ".join(
                [*(c.ljust(w) for c, w in zip(line[:2], widths)), *(c.rjust(w) for c, w in zip(line[2:], widths[2:]))]
            )
            for line in cells
        ]
        rule = "-" * sum(widths, 2 * (len(widths) - 1))
        end = f"{self.trainable:,} parameters are trained; {self.nbytes / 2**20:.2f} MiB"
        return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:-1], rule, lines[-1], end])

    __repr__ = __str__


def summary(model: Module, *inputs: Any) -> Summary:
    """Run `model` once, and list its modules with output shapes, parameters and buffers.

    inputs: the arguments of the model: Tensors or arrays, or shapes (tuples of integers, the batch axis included) of
    zeros in the dtype of the parameters; none for a table without shapes.

    It runs in inference mode without recording, and leaves modes, buffers and random numbers as they were.
    A module that is used twice, or a parameter that is shared, is counted once, where it stands first.

    >>> from tinygrad_lite.layers import Linear, ReLU, Sequential, summary
    >>> summary(Sequential(Linear(4, 8), ReLU(), Linear(8, 2)), (1, 4))
    Layer        Output shape  Parameters  Buffers
    ----------------------------------------------
    Sequential   (1, 2)
      0: Linear  (1, 8)                40
      1: ReLU    (1, 8)
      2: Linear  (1, 2)                18
    ----------------------------------------------
    Total                              58        0
    58 parameters are trained; 0.00 MiB
    """
    shapes = _output_shapes(model, [_example(model, value) for value in inputs]) if inputs else {}
    rows = []
    seen: set[Tensor] = set()
    for path, module in model.named_modules():
        own = [t for t in module.parameters(recurse=False) if t not in seen]
        buffers = [t for t in module.buffers(recurse=False) if t not in seen]
        seen.update(own, buffers)
        depth = path.count(".") + 1 if path else 0
        sizes = sum(t.size for t in own), sum(t.size for t in buffers)
        rows.append(Row(path.rpartition(".")[2], type(module).__name__, depth, shapes.get(module, ""), *sizes))
    parameters = list(model.parameters())
    return Summary(
        rows,
        sum(row.parameters for row in rows),
        sum(p.size for p in parameters if p.requires_grad),
        sum(row.buffers for row in rows),
        sum(t.nbytes for t in seen),
    )


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _example(model: Module, value: Any) -> Any:
    """Zeros for a shape; anything else as it is."""
    if isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value):
        like = next(model.parameters(), None)
        return tl.zeros(*value, dtype=None if like is None else like.dtype)
    return tl.as_tensor(value) if isinstance(value, np.ndarray) else value


def _output_shapes(model: Module, inputs: list) -> dict[Module, str]:
    """What comes out of each module on `inputs`; the modules are left as they were."""
    shapes: dict[Module, str] = {}
    modules = list(model.modules())
    modes = [module.training for module in modules]

    def note(module: Module, args: tuple, output: Any) -> None:
        shapes.setdefault(module, _shape(output))

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        with tl.no_grad():
            model.eval()(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in zip(modules, modes):
            module.training = mode
    return shapes


def _shape(output: Any) -> str:
    if isinstance(output, (tuple, list)):
        return ", ".join(map(_shape, output))
    return str(tuple(output.shape)) if hasattr(output, "shape") else type(output).__name__
