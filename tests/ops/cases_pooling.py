"""Calls of pooling. Maxima are taken of distinct values, so that differences don't cross a tie."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ops.cases_convolution import each, per_axis, torched
from tests.ops.spec import SPECS, Call, Spec, arrays

leads = st.sampled_from([(2, 2), (1, 1), (0, 2), (2,)])


@st.composite
def sliding(draw: Any, rank: int, unique: bool) -> Call:
    """Windows with stride, padding up to half of them, dilation (for maxima) and ceil_mode."""
    kernel = per_axis(draw, rank, 1, 3)
    dilation = per_axis(draw, rank, 1, 2) if unique else 1
    padding = tuple(draw(st.integers(0, k // 2)) for k in each(kernel, rank))
    params: dict[str, Any] = {"padding": padding, "ceil_mode": draw(st.booleans())}
    if draw(st.booleans()):
        params["stride"] = per_axis(draw, rank, 1, 3)
    if unique:
        params |= {"dilation": dilation, "return_indices": draw(st.booleans())}
    else:
        params["count_include_pad"] = draw(st.booleans())
        if rank == 2:
            params["divisor_override"] = draw(st.sampled_from([None, None, 3, -2]))
    extents = (d * (k - 1) + 1 for k, d in zip(each(kernel, rank), each(dilation, rank)))
    spatial = tuple(e + draw(st.integers(0, 3)) for e in extents)
    return Call((draw(arrays((*draw(leads), *spatial), unique=unique)), kernel), params)


@st.composite
def adaptive(draw: Any, rank: int, unique: bool) -> Call:
    spatial = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    number = st.integers(1, 6)
    size = draw(number if rank == 1 else st.one_of(number, st.tuples(*[st.one_of(number, st.none())] * rank)))
    params = {"return_indices": draw(st.booleans())} if unique else {}
    return Call((draw(arrays((*draw(leads), *spatial), unique=unique)), size), params)


for rank in (1, 2):
    for kind, unique in (("max", True), ("avg", False)):
        SPECS[f"{kind}_pool{rank}d"] = Spec(sliding(rank, unique), torched(f"{kind}_pool{rank}d"))
        SPECS[f"adaptive_{kind}_pool{rank}d"] = Spec(adaptive(rank, unique), torched(f"adaptive_{kind}_pool{rank}d"))
