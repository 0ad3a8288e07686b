"""Calls of sparsemax, fusedmax and oscarmax."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays


@st.composite
def scores(draw: Any, **params: Any) -> Call:
    """Any shape, zero-size and 0-d too, and any axis. The grid of numbers is such that 1 is no difference of sums."""
    x = 0.77 * draw(arrays(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), unique=True))
    rank = max(x.ndim, 1)
    return Call((x, draw(st.integers(-rank, rank - 1))), {k: draw(s) for k, s in params.items()})


SPECS["sparsemax"] = Spec(scores())
for _name in ("fusedmax", "oscarmax"):
    SPECS[_name] = Spec(scores(lambd=st.sampled_from([0.0, 0.0531, 0.2713, 3.19])))
