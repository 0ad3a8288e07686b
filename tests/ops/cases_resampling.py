"""Calls of interpolate and of the pixel shuffles."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ops.cases_convolution import per_axis, torched
from tests.ops.spec import SPECS, Call, Spec, arrays


@st.composite
def interpolations(draw: Any) -> Call:
    rank = draw(st.integers(1, 3))
    smooth = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[rank]
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", *smooth]))
    lead = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    x = draw(arrays((*lead, *(draw(st.integers(2, 4)) for _ in range(rank)))))
    params: dict[str, Any] = {"mode": mode}
    if mode in smooth:
        params["align_corners"] = draw(st.sampled_from([None, True, False]))
    if draw(st.booleans()):
        return Call((x, per_axis(draw, rank, 1, 6)), params)
    scale = st.sampled_from([0.5, 0.8, 1, 1.7, 2, 2.5])
    params["scale_factor"] = draw(st.one_of(scale, st.tuples(*[scale] * rank)))
    params["recompute_scale_factor"] = draw(st.sampled_from([None, True, False]))
    return Call((x,), params)


@st.composite
def shuffles(draw: Any, back: bool) -> Call:
    r = draw(st.integers(1, 3))
    lead = draw(st.sampled_from([(), (2,), (1, 2)]))  # PyTorch gets empty ones wrong
    c, h, w = (draw(st.integers(1, 2)) for _ in range(3))
    shape = (c, h * r, w * r) if back else (c * r * r, h, w)
    return Call((draw(arrays((*lead, *shape))), r))


SPECS["interpolate"] = Spec(interpolations(), torched("interpolate"))
SPECS["pixel_shuffle"] = Spec(shuffles(False), torched("pixel_shuffle"))
SPECS["pixel_unshuffle"] = Spec(shuffles(True), torched("pixel_unshuffle"))
