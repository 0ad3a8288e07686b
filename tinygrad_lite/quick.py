"""The usual call of a simple operation, unrolled: one or two operands, no parameters, one result.

`Primitive.general` serves every operation and every kind of argument. In a chain of small operations its
loops take longer than the arithmetic, so that operators and methods come here first, where the same is
written flat. What is not usual (an operand that is neither Tensor nor number, memory that somebody else may
write to, a result that is a view, a mode of the tape) is handed on to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite.autograd import Node, clock
from tinygrad_lite.modes import RECORD, modes
from tinygrad_lite.tensor import Tensor, new

if TYPE_CHECKING:
    from tinygrad_lite.primitive import Primitive

array = np.ndarray
FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16))


def stamp(t: Any) -> Any:
    """The write stamp of a Tensor that a rule will read."""
    t._cell = cell = [0]
    return cell


def unary(op: Primitive) -> Callable[..., Any]:
    """The function of an operation of one Tensor."""
    value, general, nothing = op.value, op.general, [None, None]
    keep_x, keep_out = op.kept(1)

    def call(x: Any, **params: Any) -> Any:
        flags = modes.flags
        if type(x) is not Tensor or flags > RECORD or x._shared or params:
            return general((x,), params)
        try:
            out = value(x._array)
        except Exception:
            return general((x,), params)  # which explains
        if type(out) is not array or out.base is not None:
            return general((x,), params)
        t: Any = new(Tensor)
        t._array = out
        if x._requires_grad and flags and out.dtype in FLOATS:
            node: Any = new(Node)
            t._requires_grad, t._edge = True, node
            node.op, node.parents, node.number = op, (x if x._edge is None else x._edge,), next(clock)
            node.shape, node.dtype, node.hooks, node.line = out.shape, out.dtype, None, None
            node.saved, node.cells = nothing, ()
            if keep_out:
                node.saved, node.cells = [x._array if keep_x else None, out], [stamp(t)]
                if keep_x:
                    node.cells.insert(0, x._cell or stamp(x))
            elif keep_x:
                node.saved, node.cells = [x._array, None], (x._cell or stamp(x),)
        return t

    return call


def binary(op: Primitive) -> Callable[..., Any]:
    """The function of an operation of a Tensor and another, or a number."""
    value, general, ruled, nothing = op.value, op.general, op.ruled, [None, None, None]
    kept = [op.kept(mask) for mask in range(4)]

    def call(x: Any, y: Any) -> Any:
        b: Any
        flags = modes.flags
        if type(x) is not Tensor or x._shared or flags > RECORD:
            return general((x, y), {})
        a, mask = x._array, flags and x._requires_grad and ruled & 1
        if type(y) is Tensor:
            if y._shared:
                return general((x, y), {})
            b = y._array
            if flags and y._requires_grad:
                mask |= ruled & 2
        elif type(y) is float or type(y) is int:
            b = y
        else:
            return general((x, y), {})
        try:
            out = value(a, b)
        except Exception:
            return general((x, y), {})  # which explains
        if type(out) is not array or out.base is not None:
            return general((x, y), {})
        t = new(Tensor)
        t._array = out
        if mask and out.dtype in FLOATS:
            node: Any = new(Node)
            t._requires_grad, t._edge = True, node
            node.op, node.number = op, next(clock)
            to_x = None if not mask & 1 else x if x._edge is None else x._edge
            to_y = None if not mask & 2 else y if y._edge is None else y._edge
            node.parents = to_x, to_y
            node.shape, node.dtype, node.hooks, node.line = out.shape, out.dtype, None, None
            keep_x, keep_y, keep_out = kept[mask]
            if keep_x or keep_y or keep_out:
                node.cells = cells = []
                if keep_x:
                    cells.append(x._cell or stamp(x))
                if keep_y:
                    cells.append(None if b is y else y._cell or stamp(y))
                if keep_out:
                    cells.append(stamp(t))
                node.saved = [a if keep_x else None, b if keep_y else None, out if keep_out else None]
            else:
                node.saved, node.cells = nothing, ()
        return t

    return call


MAKERS = {1: unary, 2: binary}
