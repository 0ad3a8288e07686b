"""Derivatives of functions: vjp, jvp (forward mode), hvp, Jacobian, Hessian, and recomputation.

Forward mode needs no rules of its own. A gradient rule is linear in the upstream gradient, and the
tangent of an operation is the transpose of that linear map; reverse mode applied to the rule itself
transposes it (J. Townsend, "A new trick for calculating Jacobian vector products", 2017; Radul et
al. 2023, arXiv:2204.10923). So `jvp` walks the same tape from the oldest node to the youngest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.autograd import Node, Several, check_saved, enable_grad, fit, grad, modes, no_grad, sweep, youngest_first
from tinygrad_lite.ops.creation import as_tensor, clone
from tinygrad_lite.tensor import Array, Tensor, wrap


def _call(function: Callable, primals: Any, asked_by: str) -> tuple[list[Tensor], list[Tensor], bool, bool]:
    """Run `function` on fresh inputs; returns them, the outputs, and whether each was a single Tensor."""
    single_in = not isinstance(primals, (tuple, list))
    given = [as_tensor(x) for x in ([primals] if single_in else primals)]
    for k, x in enumerate(given):
        if x.dtype.kind != "f":
            raise TypeError(f"{asked_by}: input {k} is {x.dtype}; only floating-point inputs have derivatives")
    # A clone of an input with history stays in that history, so that derivatives can be nested.
    with enable_grad():
        inputs = [clone(x) if x.requires_grad else x.detach().clone().requires_grad_() for x in given]
        outputs = function(*inputs)
    single_out = isinstance(outputs, Tensor)
    outputs = [outputs] if single_out else list(outputs)
    for k, y in enumerate(outputs):
        if not isinstance(y, Tensor):
            raise TypeError(f"{asked_by}: the function returned {type(y).__name__} as output {k}, not a Tensor")
    return inputs, outputs, single_in, single_out


def _outer_graph(*groups: Sequence[Tensor]) -> bool:
    """Whether something outside may differentiate the result again."""
    return any(isinstance(t, Tensor) and t.requires_grad for group in groups for t in group)


def vjp(function: Callable, primals: Any, cotangents: Any = None) -> tuple[Any, Any]:
    """The outputs of `function(*primals)`, and the product of `cotangents` with its Jacobian.

    primals: a Tensor or a tuple of them. cotangents: one for each output and of its shape; None for a
    single number. Returns (outputs, gradients), each single or a tuple as the function and `primals` are.

    >>> import tinygrad_lite as tl
    >>> y, g = tl.vjp(lambda x: x * x, tl.tensor([1.0, 2.0]), tl.tensor([1.0, 10.0]))
    >>> g
    tensor([ 2., 40.])
    """
    inputs, outputs, single_in, single_out = _call(function, primals, "vjp")
    cotangents = [cotangents] if single_out or cotangents is None else list(cotangents)
    keep = _outer_graph(primals if isinstance(primals, (tuple, list)) else [primals], cotangents)
    tracked = [(y, c) for y, c in zip(outputs, cotangents * (1 if cotangents[0] is not None else len(outputs))) if y.requires_grad]
    gradients = [None] * len(inputs)
    if tracked:
        gradients = grad([y for y, _ in tracked], inputs, [c for _, c in tracked], create_graph=keep, allow_unused=True)
    filled = [wrap(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in zip(gradients, inputs)]
    if not keep:
        outputs = [y.detach() for y in outputs]
    return (outputs[0] if single_out else tuple(outputs)), (filled[0] if single_in else tuple(filled))


def push(node: Node, tangents: dict[Any, Any]) -> Any:
    """The tangent of a node's result from those of its parents: the transpose of its gradient rules."""
    if node.saved is None or node.cells:
        check_saved(node)
    op, saved = node.op, node.op.lift(node)
    if node.shape is None:  # several results: one dummy for each
        dummies = [wrap(np.zeros(*like)).requires_grad_() for like in saved[-1]]
        g: Any = Several(dict(enumerate(dummies)), saved[-1])
    else:
        g = wrap(np.zeros(node.shape, node.dtype)).requires_grad_()
        dummies = [g]
    if op.joint is not None:
        pulled = list(op.joint.pull(g, saved))
    else:
        pulled = [pull(g, saved) if parent in tangents else None for parent, pull in zip(node.parents, op.pulls)]
    if op.name == "select":
        place = saved[1]
        return tangents[node.parents[0]][place]
    rows = [
        (fit(row, parent, node), tangents[parent])
        for row, parent in zip(pulled, node.parents)
        if row is not None and parent is not None and parent in tangents
    ]
    rows = [(row, t) for row, t in rows if isinstance(row, Tensor) and row.requires_grad]
    if not rows:
        zeros = [wrap(np.zeros(d.shape, d.dtype)) for d in dummies]
    else:
        made = grad(
            [row for row, _ in rows], dummies, [t for _, t in rows], create_graph=True, allow_unused=True
        )
        zeros = [wrap(np.zeros(d.shape, d.dtype)) if m is None else m for m, d in zip(made, dummies)]
    return zeros if node.shape is None else zeros[0]


def jvp(function: Callable, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The outputs of `function(*primals)`, and the product of its Jacobian with `tangents` (forward mode).

    primals and tangents: a Tensor each, or tuples of them with equal shapes. Returns (outputs, tangents of
    the outputs). Raises ValueError where shapes differ.

    >>> import tinygrad_lite as tl
    >>> y, dy = tl.jvp(lambda x: x * x, tl.tensor([1.0, 2.0]), tl.tensor([1.0, 10.0]))
    >>> dy
    tensor([ 2., 40.])
    """
    inputs, outputs, single_in, single_out = _call(function, primals, "jvp")
    given = [as_tensor(t) for t in ([tangents] if single_in else tangents)]
    if [t.shape for t in given] != [x.shape for x in inputs]:
        raise ValueError(
            f"jvp: the tangents have shapes {[t.shape for t in given]} and the inputs {[x.shape for x in inputs]}; "
            "a tangent has the shape of its input"
        )
    keep = _outer_graph(primals if isinstance(primals, (tuple, list)) else [primals], given)
    known: dict[Any, Any] = {}
    for x, t in zip(inputs, given):
        known[x._source()] = t.astype(x.dtype)
    with enable_grad():
        for node in reversed(youngest_first({y._source() for y in outputs if y.requires_grad})):
            if node not in known and any(parent in known for parent in node.parents if parent is not None):
                known[node] = push(node, known)
    pushed = [known.get(y._source()) for y in outputs]
    pushed = [wrap(np.zeros(y.shape, y.dtype)) if t is None else t for t, y in zip(pushed, outputs)]
    if not keep:
        outputs, pushed = [y.detach() for y in outputs], [t.detach() for t in pushed]
    return (outputs[0], pushed[0]) if single_out else (tuple(outputs), tuple(pushed))
