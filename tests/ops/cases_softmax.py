"""Calls of softmax and its relatives."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays


@st.composite
def along_axis(draw: Any) -> Call:
    """Any shape, zero-size and 0-d too, and any axis of it."""
    x = draw(arrays(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    if draw(st.booleans()):
        return Call((x,))
    rank = max(x.ndim, 1)
    return Call((x, draw(st.integers(-rank, rank - 1))))


def functional(name: str) -> Any:
    def call(x: Any, axis: int = -1) -> Any:
        import torch

        return getattr(torch.nn.functional, name)(x, axis)

    return call


for _name in ("softmax", "log_softmax", "softmin"):
    SPECS[_name] = Spec(along_axis(), functional(_name))


@st.composite
def gumbel(draw: Any) -> Call:
    x = draw(arrays(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)))
    return Call((x,), {"tau": draw(st.sampled_from([0.5, 1.0, 2.0])), "axis": draw(st.integers(-x.ndim, x.ndim - 1))})


SPECS["gumbel_softmax"] = Spec(gumbel())  # the harness seeds each call
