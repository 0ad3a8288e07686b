"""Calls of sorting and selecting, on distinct values, so that differences don't cross a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.cases_elementwise import HALF_STEP
from tests.ops.cases_reductions import one_axis, peer, reductions
from tests.ops.spec import SPECS, Call, Spec, arrays, binary

DISTINCT = {"unique": True}


def none_or_one(rank: int) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), one_axis(rank))


@st.composite
def ranked(draw: Any, low: int, **params: Any) -> Call:
    """One operand, and k from `low` to the length of the axis."""
    call = draw(reductions(DISTINCT, empty=low == 0, axes=one_axis, **params))
    shape, axis = call.args[0].shape, call.params["axis"]
    return Call((*call.args, draw(st.integers(low, shape[axis] if shape else 1))), call.params)


@st.composite
def extremes(draw: Any) -> Call:
    """All elements, along an axis, or of two operands which have no value in common."""
    kind = draw(st.sampled_from(["all", "axis", "two"]))
    if kind == "two":
        call = draw(binary())
        return Call((call.args[0], np.asarray(call.args[1] + HALF_STEP)))
    if kind == "all":
        return Call((draw(arrays(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), unique=True)),))
    return draw(reductions(DISTINCT, empty=False, axes=one_axis))


@st.composite
def medians(draw: Any) -> Call:
    """Of all elements or along an axis; only then has PyTorch's a keepdim."""
    call = draw(reductions(DISTINCT, empty=False, axes=none_or_one))
    return Call(call.args) if call.params["axis"] is None else call


@st.composite
def quantiles(draw: Any) -> Call:
    call = draw(reductions(DISTINCT, axes=none_or_one, smallest=1))
    many = draw(st.sampled_from([(), (), (0,), (1,), (3,)]))
    call.params["interpolation"] = draw(st.sampled_from(["linear", "linear", "midpoint", "lower", "higher", "nearest"]))
    return Call((*call.args, draw(arrays(many, 0, 0.99))), call.params)


for name in ("max", "min"):
    SPECS[name] = Spec(extremes(), peer(name))
for name in ("argmax", "argmin"):
    SPECS[name] = Spec(reductions(DISTINCT, empty=False, axes=none_or_one), peer(name), gradient=False)
SPECS["median"] = Spec(medians(), peer("median"))
SPECS["quantile"] = Spec(quantiles(), peer("quantile"))
for name in ("sort", "argsort"):
    SPECS[name] = Spec(
        reductions(DISTINCT, axes=one_axis, keepdims=False, descending=st.booleans(), stable=st.booleans()),
        peer(name),
        gradient=name == "sort",
    )
SPECS["topk"] = Spec(ranked(0, keepdims=False, largest=st.booleans()), peer("topk"))
SPECS["kthvalue"] = Spec(ranked(1), peer("kthvalue"))
