"""What the tests know of an operation: how to draw calls of it, and its name in PyTorch.

A family file (cases_elementwise.py, ...) fills `SPECS`; test_registry.py walks the registry, and fails
for an operation that has no entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@dataclass
class Call:
    """Arguments of one call. Floating-point arrays, in lists too, are differentiated; the rest is passed as it is."""

    args: tuple
    params: dict[str, Any] = field(default_factory=dict)


@dataclass
class Spec:
    """calls: a strategy for `Call`. torch: the same function on torch tensors, given the same arguments.

    gradient: whether the operation has one (comparisons and argmax don't). constant: names of
    parameters or positions of arguments that are not differentiated though they are floating-point.
    symmetric: the operands are symmetric matrices, of which one triangle is read; they stay so as they move.
    """

    calls: st.SearchStrategy[Call]
    torch: Callable | None = None
    gradient: bool = True
    constant: tuple[int, ...] = ()
    symmetric: bool = False


SPECS: dict[str, Spec] = {}


def floats(low: float = -3.0, high: float = 3.0, gap: tuple[float, float] | None = None) -> st.SearchStrategy[float]:
    """Numbers from `low` to `high` on a grid of 1/64 (so that no two are nearly equal), outside of `gap`."""
    numbers = st.integers(int(low * 64), int(high * 64)).map(lambda n: (n + 0.37) / 64)
    return numbers if gap is None else numbers.filter(lambda x: not gap[0] < x < gap[1])


def arrays(
    shape: Any = None,
    low: float = -3.0,
    high: float = 3.0,
    gap: tuple[float, float] | None = None,
    unique: bool = False,
) -> st.SearchStrategy[np.ndarray]:
    """float64 arrays, zero-size and 0-d included; `unique` keeps ties away from sorting and maxima."""
    shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4) if shape is None else shape
    return hnp.arrays(np.float64, shape, elements=floats(low, high, gap), unique=unique)


@st.composite
def unary(draw: Any, low: float = -3.0, high: float = 3.0, gap: Any = None, **params: Any) -> Call:
    """One operand of any shape; `params` maps names to strategies."""
    return Call((draw(arrays(None, low, high, gap)),), {k: draw(s) for k, s in params.items()})


@st.composite
def binary(draw: Any, x: Any = None, y: Any = None, **params: Any) -> Call:
    """Two operands whose shapes broadcast; `x` and `y` are keyword arguments for `arrays`."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    operands = tuple(draw(arrays(s, **(kw or {}))) for s, kw in zip(shapes, (x, y)))
    return Call(operands, {k: draw(s) for k, s in params.items()})
