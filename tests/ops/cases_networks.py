"""Calls of dropout, attention and distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays


def functional(name: str) -> Any:
    def call(*args: Any, **params: Any) -> Any:
        import torch

        for ours, theirs in (("axis", "dim"), ("keepdims", "keepdim")):
            if ours in params:
                params[theirs] = params.pop(ours)
        return getattr(torch.nn.functional, name)(*args, **params)

    return call


@st.composite
def dropouts(draw: Any, rank: int | None) -> Call:
    """Masks that the harness seeds; test_networks.py looks at their statistics, PyTorch's can't be had."""
    shape: Any = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    if rank:
        shape = st.tuples(*[st.integers(0, 3)] * (rank + 2))
    p, training = draw(st.sampled_from([(0.3, True), (0.5, True), (1.0, True), (0.0, True), (0.5, False)]))
    return Call((draw(arrays(shape)), p, training))


for _name, _rank in (
    ("dropout", None),
    ("alpha_dropout", None),
    ("dropout1d", 1),
    ("dropout2d", 2),
    ("dropout3d", 3),
    ("feature_alpha_dropout", 1),
):
    SPECS[_name] = Spec(dropouts(_rank))


@st.composite
def attentions(draw: Any) -> Call:
    """Leading axes, unequal lengths, bool and additive masks, also such that a query may look nowhere."""
    lead = draw(st.sampled_from([(), (2,), (2, 1), (0,), (1, 2)]))
    length, keys, width, values = (draw(st.integers(1, 3)) for _ in range(4))
    q, k, v = (draw(arrays((*lead, a, b))) for a, b in ((length, width), (keys, width), (keys, values)))
    params: dict[str, Any] = {"scale": draw(st.sampled_from([None, 0.5]))}
    kind = draw(st.sampled_from(["none", "causal", "bool", "float", "broadcast"]))
    if kind == "causal":
        params["is_causal"] = True
    elif kind == "bool":
        params["attn_mask"] = draw(hnp.arrays(bool, (*lead, length, keys)))
    elif kind == "float":
        params["attn_mask"] = draw(arrays((*lead, length, keys)))
    elif kind == "broadcast":
        params["attn_mask"] = np.where(draw(hnp.arrays(bool, (keys,))), 0, -1.5)
    return Call((q, k, v), params)


@st.composite
def grouped_heads(draw: Any) -> Call:
    heads, times = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    q = draw(arrays((1, heads * times, 2, 2)))
    return Call((q, draw(arrays((1, heads, 3, 2))), draw(arrays((1, heads, 3, 2)))), {"enable_gqa": True})


SPECS["scaled_dot_product_attention"] = Spec(
    st.one_of(attentions(), attentions(), grouped_heads()), functional("scaled_dot_product_attention")
)


@st.composite
def normalised(draw: Any) -> Call:
    x = draw(arrays(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 2)), gap=(-0.2, 0.2)))
    axis = draw(st.sampled_from([0, 1, -1, (0, 2)])) if x.size else draw(st.sampled_from([1, -1]))
    return Call((x,), {"p": draw(st.sampled_from([1.0, 2.0, 3.0])), "axis": axis})


SPECS["normalize"] = Spec(normalised(), functional("normalize"))


@st.composite
def similar(draw: Any) -> Call:
    """Two operands that broadcast, of different rank too."""
    shape = draw(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)))
    other = draw(st.sampled_from([shape, shape[1:], (1, *shape[1:]), (*shape[:1], 1, shape[2])]))
    x1, x2 = draw(arrays(shape, gap=(-0.2, 0.2))), draw(arrays(other, gap=(-0.2, 0.2)))
    axis = draw(st.sampled_from([1, 2, -1, -2]))
    return Call((x1, x2) if draw(st.booleans()) else (x2, x1), {"axis": axis})


SPECS["cosine_similarity"] = Spec(similar(), functional("cosine_similarity"))


@st.composite
def distant(draw: Any) -> Call:
    shape = draw(st.sampled_from([(3,), (2, 3), (0, 2), (2, 2, 1)]))
    other = draw(st.sampled_from([shape, shape[-1:], (*shape[:-1], 1)]))
    x1, x2 = draw(arrays(shape, 1, 3)), draw(arrays(other, -3, 0.5))
    p = draw(st.sampled_from([1.0, 2.0, 3.0]))
    return Call((x1, x2, p), {"keepdims": draw(st.booleans())})


SPECS["pairwise_distance"] = Spec(distant(), functional("pairwise_distance"))
