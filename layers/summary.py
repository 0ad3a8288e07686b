"""Summary: a table of a network's layers, with the shapes that come out of them and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.layers.convolution import _Convolution
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.tensor import Tensor

__all__ = ["Row", "Summary", "flops", "summary"]


@dataclass(frozen=True)
class Row:
    """A module in the table: how deep it lies, and what it holds and computes itself, without its children."""

    name: str
    kind: str
    depth: int
    output: str
    parameters: int
    buffers: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """The rows of a summary and their totals; printed, it is a table.

    trainable: the parameters that require a gradient. nbytes: of all parameters and buffers. flops: see `flops`.
    """

    rows: list[Row]
    parameters: int
    trainable: int
    buffers: int
    nbytes: int
    flops: int

    def __str__(self) -> str:
        cells: list[tuple[str, ...]] = [("Layer", "Output shape", "Parameters", "Buffers", "FLOPs")]
        for row in self.rows:
            label = "  " * row.depth + (f"{row.name}: {row.kind}" if row.name else row.kind)
            cells.append((label, row.output, *(_count(n) for n in (row.parameters, row.buffers, row.flops))))
        cells.append(("Total", "", f"{self.parameters:,}", f"{self.buffers:,}", f"{self.flops:,}"))
        if not self.rows[0].output:  # nothing was run
            cells = [line[:-1] for line in cells]
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
    """Run `model` once, and list its modules with output shapes, parameters, buffers and `flops`.

    inputs: the arguments of the model: Tensors or arrays, or shapes (tuples of integers, the batch axis included) of
    zeros in the dtype of the parameters; none for a table without shapes and FLOPs.

    It runs in inference mode without recording, and leaves modes, buffers and random numbers as they were.
    A module that is used twice, or a parameter that is shared, is counted once, where it stands first.

    >>> from tinygrad_lite.layers import Linear, ReLU, Sequential, summary
    >>> summary(Sequential(Linear(4, 8), ReLU(), Linear(8, 2)), (1, 4))
    Layer        Output shape  Parameters  Buffers  FLOPs
    -----------------------------------------------------
    Sequential   (1, 2)
      0: Linear  (1, 8)                40              56
      1: ReLU    (1, 8)
      2: Linear  (1, 2)                18              30
    -----------------------------------------------------
    Total                              58        0     86
    58 parameters are trained; 0.00 MiB
    """
    shapes, costs = _run(model, inputs) if inputs else ({}, {})
    rows = []
    seen: set[Tensor] = set()
    for path, module in model.named_modules():
        own = [t for t in module.parameters(recurse=False) if t not in seen]
        buffers = [t for t in module.buffers(recurse=False) if t not in seen]
        seen.update(own, buffers)
        depth = path.count(".") + 1 if path else 0
        sizes = sum(t.size for t in own), sum(t.size for t in buffers)
        name, kind = path.rpartition(".")[2], type(module).__name__
        rows.append(Row(name, kind, depth, shapes.get(module, ""), *sizes, costs.get(module, 0)))
    parameters = list(model.parameters())
    return Summary(
        rows,
        sum(row.parameters for row in rows),
        sum(p.size for p in parameters if p.requires_grad),
        sum(row.buffers for row in rows),
        sum(t.nbytes for t in seen),
        sum(costs.values()),
    )


def flops(model: Module, *inputs: Any) -> int:
    """The floating-point operations of one forward pass, by the formulas of Molchanov et al. 2017.

    A convolution with C_in channels, a kernel of K x K and an output of C_out x H x W counts
    2 H W (C_in K^2 + 1) C_out, a linear layer with I inputs and O outputs (2 I - 1) O (arXiv:1611.06440, appendix A.1),
    both for each example of the batch: give a batch of 1 for the cost of one example. In groups C_in is that of a
    group. A recurrent layer counts as the linear layers that it is at each time. All else (norms, activations,
    poolings, attention) counts 0. A layer that is used twice counts twice.

    inputs: as in `summary`. The model is left as it was.

    >>> from tinygrad_lite.layers import Conv2d, flops
    >>> flops(Conv2d(3, 8, 5, padding=2), (1, 3, 32, 32)) == 2 * 32 * 32 * (3 * 5**2 + 1) * 8
    True
    """
    return sum(_run(model, inputs)[1].values())


def _flops(module: Module, input: Any, output: Any) -> int:
    """What one call of a module costs, without its children."""
    if isinstance(module, Linear):
        return output.size * (2 * module.in_features - 1)
    if isinstance(module, _Convolution):
        weights = module.weight[0].size  # that one output, or in a transposed convolution one input, has to do with
        return 2 * ((input if module.transposed else output).size * weights + output.size)
    if hasattr(module, "input_size") and hasattr(module, "hidden_size"):
        matrices = [p.shape for p in module.parameters(recurse=False) if p.ndim == 2]
        return input.size // module.input_size * sum(rows * (2 * columns - 1) for rows, columns in matrices)
    return 0


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _example(model: Module, value: Any) -> Any:
    """Zeros for a shape; anything else as it is."""
    if isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value):
        like = next(model.parameters(), None)
        return tl.zeros(*value, dtype=None if like is None else like.dtype)
    return tl.as_tensor(value) if isinstance(value, np.ndarray) else value


def _run(model: Module, inputs: tuple) -> tuple[dict[Module, str], dict[Module, int]]:
    """What comes out of each module and what it costs, on `inputs`; the modules are left as they were."""
    shapes: dict[Module, str] = {}
    costs: dict[Module, int] = {}
    modules = list(model.modules())
    modes = [module.training for module in modules]

    def note(module: Module, args: tuple, output: Any) -> None:
        shapes.setdefault(module, _shape(output))
        costs[module] = costs.get(module, 0) + _flops(module, args[0] if args else None, output)

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        with tl.no_grad():
            model.eval()(*[_example(model, value) for value in inputs])
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in zip(modules, modes):
            module.training = mode
    return shapes, costs


def _shape(output: Any) -> str:
    if isinstance(output, (tuple, list)):
        return ", ".join(map(_shape, output))
    return str(tuple(output.shape)) if hasattr(output, "shape") else type(output).__name__
