"""Derivatives of functions: vjp, jvp (forward mode), hvp, Jacobian and Hessian; and recomputation.

Forward mode needs no rules of its own. A gradient rule is linear in the upstream gradient, and the
tangent of an operation is the transpose of that linear map; reverse mode applied to the rule itself
transposes it (J. Townsend, "A new trick for calculating Jacobian vector products", 2017; Radul et
al. 2023, arXiv:2204.10923). So `jvp` walks the same tape from the oldest node to the youngest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from tinygrad_lite.autograd import (
    GradientError,
    Node,
    Several,
    check_unchanged,
    clock,
    fit,
    grad,
    recall,
    youngest_first,
)
from tinygrad_lite.modes import RECORD, REGION, REPLAY, enable_grad, modes
from tinygrad_lite.ops.creation import as_tensor, clone, generator
from tinygrad_lite.tensor import Tensor, wrap


class Trace:
    """One run of a function on fresh inputs, and whether somebody else may differentiate what comes out."""

    def __init__(self, function: Callable, primals: Any, asked_by: str) -> None:
        self.single_in = not isinstance(primals, (tuple, list))
        given = [as_tensor(x) for x in ([primals] if self.single_in else primals)]
        for k, x in enumerate(given):
            if x.dtype.kind != "f":
                raise TypeError(f"{asked_by}: input {k} is {x.dtype}; only floating-point inputs have derivatives")
        recorded = bool(modes.flags & RECORD)
        with enable_grad():
            # The clone of an input with a history stays in that history: so derivatives nest.
            self.inputs = [
                clone(x) if x.requires_grad and recorded else Tensor(x._array, requires_grad=True) for x in given
            ]
            outputs = function(*self.inputs)
        self.single_out = isinstance(outputs, Tensor)
        self.outputs: list[Tensor] = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        for k, y in enumerate(self.outputs):
            if not isinstance(y, Tensor):
                raise TypeError(f"{asked_by}: the function returned {type(y).__name__} as output {k}, not a Tensor")
        self.nodes = youngest_first({y._source() for y in self.outputs if y.requires_grad})
        ours = {id(x) for x in self.inputs}
        self.nested = recorded and any(
            isinstance(parent, Tensor) and id(parent) not in ours for node in self.nodes for parent in node.parents
        )

    def matching(self, vectors: Any, tensors: list[Tensor], single: bool, asked_by: str) -> list[Tensor]:
        """`vectors` as Tensors, one for each of `tensors` and of its shape and dtype."""
        made = [as_tensor(v) for v in ([vectors] if single else vectors)]
        if [v.shape for v in made] != [t.shape for t in tensors]:
            raise ValueError(
                f"{asked_by}: the vectors have shapes {[v.shape for v in made]}, but must match "
                f"{[t.shape for t in tensors]}"
            )
        self.nested = self.nested or (bool(modes.flags & RECORD) and any(v.requires_grad for v in made))
        return [v.astype(t.dtype) for v, t in zip(made, tensors)]

    def result(self, tensors: Sequence[Tensor | None], likes: list[Tensor], single: bool) -> Any:
        """What to hand out: zeros for None; without the graph, unless a derivative may be taken of it."""
        full = [wrap(np.zeros(x.shape, x.dtype)) if t is None else t for t, x in zip(tensors, likes)]
        if not self.nested:
            full = [wrap(t._array) for t in full]
        return full[0] if single else tuple(full)

    def pull(self, cotangents: Sequence[Tensor | None], create_graph: bool) -> list[Tensor | None]:
        """The gradients of the outputs, weighted by `cotangents`, with respect to the inputs."""
        pairs = [(y, c) for y, c in zip(self.outputs, cotangents) if y.requires_grad and c is not None]
        if not pairs:
            return [None] * len(self.inputs)
        ys, cs = zip(*pairs)
        return list(grad(ys, self.inputs, cs, retain_graph=True, create_graph=create_graph, allow_unused=True))


def vjp(function: Callable, primals: Any, cotangents: Any = None) -> tuple[Any, Any]:
    """The outputs of `function(*primals)`, and the product of `cotangents` with its Jacobian.

    primals: a Tensor or a tuple of them. cotangents: one for each output and of its shape; None for ones,
    where every output is a single number. Returns (outputs, gradients), single or a tuple as `function`
    and `primals` are. Raises ValueError where shapes differ, TypeError for integer inputs.

    >>> import tinygrad_lite as tl
    >>> y, g = tl.vjp(lambda x: x * x, tl.tensor([1.0, 2.0]), tl.tensor([1.0, 10.0]))
    >>> g
    tensor([ 2., 40.])
    """
    trace = Trace(function, primals, "vjp")
    if cotangents is None:
        if any(y.size != 1 for y in trace.outputs):
            raise ValueError(f"vjp: outputs of shapes {[y.shape for y in trace.outputs]} need cotangents")
        made = [wrap(np.ones(y.shape, y.dtype)) for y in trace.outputs]
    else:
        made = trace.matching(cotangents, trace.outputs, trace.single_out, "vjp")
    gradients = trace.pull(made, trace.nested)
    return (
        trace.result(trace.outputs, trace.outputs, trace.single_out),
        trace.result(gradients, trace.inputs, trace.single_in),
    )


def jvp(function: Callable, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The outputs of `function(*primals)`, and the product of its Jacobian with `tangents` (forward mode).

    primals and tangents: a Tensor each, or tuples of them with equal shapes. Returns (outputs, tangents of
    the outputs). Raises ValueError where shapes differ, TypeError for integer inputs.

    >>> import tinygrad_lite as tl
    >>> y, dy = tl.jvp(lambda x: x * x, tl.tensor([1.0, 2.0]), tl.tensor([1.0, 10.0]))
    >>> dy
    tensor([ 2., 40.])
    """
    trace = Trace(function, primals, "jvp")
    made = trace.matching(tangents, trace.inputs, trace.single_in, "jvp")
    known: dict[Any, Any] = {x._source(): t for x, t in zip(trace.inputs, made)}
    with enable_grad(), np.errstate(all="ignore"):
        for node in reversed(trace.nodes):
            if node not in known and any(parent in known for parent in node.parents if parent is not None):
                known[node] = push(node, known)
    pushed = [known.get(y._source()) if y.requires_grad else None for y in trace.outputs]
    return (
        trace.result(trace.outputs, trace.outputs, trace.single_out),
        trace.result(pushed, trace.outputs, trace.single_out),
    )


def push(node: Node, tangents: dict[Any, Any]) -> Any:
    """The tangent of a node's result from those of its parents: the transpose of its gradient rules.

    For a node with several results, the list of their tangents.
    """
    op = node.op
    if type(node.saved) is not list:
        recall(node)
    if node.cells:
        check_unchanged(node)
    saved = op.lift(node)
    if op.name == "select":
        return tangents[node.parents[0]][saved[1]]
    likes = [(node.shape, node.dtype)] if node.shape is not None else saved[-1]
    dummies = [wrap(np.zeros(*like)).requires_grad_() for like in likes]
    g = dummies[0] if node.shape is not None else Several(dict(enumerate(dummies)), likes)
    if op.joint is not None:
        pulled = op.joint.pull(g, saved)
    else:
        pulled = [pull(g, saved) if parent in tangents else None for parent, pull in zip(node.parents, op.pulls)]  # type: ignore[misc]
    rows = [
        (fit(row, parent, node), tangents[parent])
        for row, parent in zip(pulled, node.parents)
        if isinstance(row, Tensor) and row.requires_grad and parent is not None and parent in tangents
    ]
    made: Sequence = [None] * len(dummies)
    if rows:
        made = grad([row for row, _ in rows], dummies, [t for _, t in rows], create_graph=True, allow_unused=True)
    filled = [wrap(np.zeros(d.shape, d.dtype)) if t is None else t for t, d in zip(made, dummies)]
    return filled[0] if node.shape is not None else filled


def _scalar_vjp(function: Callable, primals: Any, asked_by: str) -> tuple[Tensor, Any]:
    """The value and the gradient of a function that must return a single number."""

    def checked(*xs: Tensor) -> Tensor:
        value = function(*xs)
        if not isinstance(value, Tensor) or value.size != 1:
            shape = value.shape if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{asked_by}: the function must return a single number, it returned {shape}")
        return value

    return vjp(checked, primals)


def hvp(function: Callable, primals: Any, vectors: Any) -> tuple[Any, Any]:
    """The value of a scalar `function`, and the product of its Hessian with `vectors` (forward over reverse).

    Costs a few gradients, and never forms the Hessian (Pearlmutter 1994). Arguments as in `jvp`.

    >>> import tinygrad_lite as tl
    >>> value, product = tl.hvp(lambda x: (x**3).sum(), tl.tensor([1.0, 2.0]), tl.tensor([1.0, 0.0]))
    >>> product
    tensor([6., 0.])
    """
    seen: list[Tensor] = []

    def gradient(*xs: Tensor) -> Any:
        value, gradients = _scalar_vjp(function, xs if isinstance(primals, (tuple, list)) else xs[0], "hvp")
        seen.append(value)
        return gradients

    _, product = jvp(gradient, primals, vectors)
    return seen[0] if product is None or (modes.flags & RECORD and seen[0].requires_grad) else seen[0].detach(), product


def jacobian(function: Callable, primals: Any) -> Any:
    """The Jacobian: for an output of shape S and an input of shape X, a Tensor of shape S + X.

    A tuple over the inputs if `primals` is a tuple, and around it a tuple over the outputs if `function`
    returns several. One backward for each element of the outputs.

    >>> import tinygrad_lite as tl
    >>> tl.jacobian(lambda x: x * x, tl.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    trace = Trace(function, primals, "jacobian")
    answer = []
    for k, y in enumerate(trace.outputs):
        rows = []
        for i in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[i] = 1
            cotangents: list[Tensor | None] = [None] * len(trace.outputs)
            cotangents[k] = wrap(unit.reshape(y.shape))
            rows.append(trace.result(trace.pull(cotangents, trace.nested), trace.inputs, False))
        blocks = [
            np.stack(column).reshape(y.shape + x.shape) if rows else wrap(np.zeros(y.shape + x.shape, x.dtype))
            for column, x in itertools.zip_longest(zip(*rows), trace.inputs)
        ]
        answer.append(blocks[0] if trace.single_in else tuple(blocks))
    return answer[0] if trace.single_out else tuple(answer)


def hessian(function: Callable, primals: Any) -> Any:
    """The Hessian of a scalar function: for an input of shape X a Tensor of shape X + X, symmetric.

    With a tuple of inputs, a tuple of tuples: entry [i][j] has the shape of input i, then of input j.

    >>> import tinygrad_lite as tl
    >>> tl.hessian(lambda x: x[0] * x[1] ** 2, tl.tensor([3.0, 1.0]))
    tensor([[0., 2.],
            [2., 6.]])
    """
    single = not isinstance(primals, (tuple, list))

    def gradient(*xs: Tensor) -> Any:
        return _scalar_vjp(function, xs[0] if single else xs, "hessian")[1]

    return jacobian(gradient, primals)


# ------------------------------------------------------------------------------------ recomputation


class Region:
    """A stretch of the tape whose saved values are dropped, and computed again when backward needs them."""

    name = "checkpoint"

    def __init__(self, function: Callable, args: Sequence, params: dict) -> None:
        self.function, self.args, self.params = function, args, params
        self.number = next(clock)
        self.count = 0
        self.cells: list[list[int]] = []
        self.values: dict[int, list] = {}
        self.random = generator().bit_generator.state
        self.around = modes.around
        for a in args:
            if isinstance(a, Tensor):
                self.watch(a)

    def watch(self, t: Tensor) -> None:
        t._cell = t._cell or [0]
        self.cells.append(t._cell)

    def defer(self, node: Node) -> Any:
        """Called by each node of the first run: what it keeps instead of its saved values."""
        for parent in node.parents:
            if isinstance(parent, Tensor):
                self.watch(parent)
        self.count += 1
        return Deferred(self, self.count - 1)

    def run(self, *args: Any) -> Any:
        """The first run of the function; its nodes leave their saved values to this region."""
        before = modes.flags, modes.region
        modes.flags, modes.region = modes.flags | REGION, self
        try:
            return self.function(*args, **self.params)
        finally:
            modes.flags, modes.region = before

    def recall(self, index: int) -> list:
        """The saved values of node `index`; the first call runs the function again."""
        if index not in self.values:
            self.rerun(*[_same_kind(a) for a in self.args])
        return self.values.pop(index)

    def rerun(self, *args: Any) -> Any:
        """Run the function again, to have the saved values of its nodes; returns what it returns."""
        if any(cell[0] > self.number for cell in self.cells):
            raise GradientError(
                f"{self.name}: a tensor that the function reads was changed in place after the forward pass, so "
                "it can't be computed again. Change it after backward."
            )
        found = Collector()
        now = generator().bit_generator.state
        generator().bit_generator.state = self.random
        before = modes.flags, modes.region
        modes.flags, modes.region = modes.flags | RECORD | REGION | REPLAY, found
        try:
            with ExitStack() as stack:
                for context in self.around:
                    stack.enter_context(context())
                out = self.function(*args, **self.params)
        finally:
            modes.flags, modes.region = before
            generator().bit_generator.state = now
        if len(found.values) != self.count:
            raise GradientError(
                f"{self.name}: the function recorded {self.count} operations at first and {len(found.values)} "
                "when run again; it must do the same each time"
            )
        self.values = dict(enumerate(found.values))
        return out


class Deferred:
    """Stands for the saved values of one node of a Region."""

    def __init__(self, region: Region, index: int) -> None:
        self.region, self.index = region, index

    def recompute(self) -> list:
        return self.region.recall(self.index)


class Collector:
    """Takes the saved values of every node of a second run."""

    def __init__(self) -> None:
        self.values: list = []

    def defer(self, node: Node) -> Any:
        self.values.append(node.saved)
        return node.saved


def _same_kind(a: Any) -> Any:
    """A Tensor with the same values and the same wish for a gradient, but no history."""
    if not isinstance(a, Tensor):
        return a
    t = wrap(a._array)
    t._share_memory_with(a)
    t._requires_grad = a._requires_grad
    return t


def checkpoint(function: Callable, *args: Any, **params: Any) -> Any:
    """Call `function(*args)` without keeping its intermediate values; backward runs it again to have them.

    Memory for time (Chen et al. 2016, arXiv:1604.06174). `function` must do the same each time; random
    numbers from the library's generator are replayed. Gradients of any order work, as do parameters that
    `function` reads from elsewhere.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([0.0, 1.0], requires_grad=True)
    >>> tl.checkpoint(lambda x: tl.exp(tl.sin(x)), x).sum().backward()
    >>> x.grad
    tensor([1.       , 1.2533808])
    """
    if not modes.flags & RECORD:
        return function(*args, **params)
    return Region(function, args, params).run(*args)
