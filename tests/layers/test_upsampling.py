import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.testing import gradcheck, gradgradcheck

RANKS = {"linear": [1], "bilinear": [2], "bicubic": [2], "trilinear": [3]}


@st.composite
def upsamplings(draw):
    """(arguments of Upsample, input shape)"""
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", *RANKS]))
    rank = draw(st.sampled_from(RANKS.get(mode, [1, 2, 3])))
    params = {"mode": mode}
    if draw(st.booleans()):
        one = st.integers(1, 6)
        params["size"] = draw(st.one_of(one, st.tuples(*[one] * rank)))
    else:
        one = st.sampled_from([0.5, 1, 1.7, 2, 3])
        params["scale_factor"] = draw(st.one_of(one, st.tuples(*[one] * rank)))
        params["recompute_scale_factor"] = draw(st.sampled_from([None, True]))
    if mode in RANKS:
        params["align_corners"] = draw(st.sampled_from([None, False, True]))
    return params, (2, 2, *[draw(st.integers(2, 4)) for _ in range(rank)])


@needs_torch
@settings(max_examples=50, deadline=None, derandomize=True)
@given(upsamplings(), st.sampled_from(["float32", "float64"]))
def test_upsample(case, dtype):
    params, shape = case
    check(layers.Upsample(**params), torch.nn.Upsample(**params), normal(*shape), dtype=dtype)


@needs_torch
@pytest.mark.parametrize("name", ["UpsamplingNearest2d", "UpsamplingBilinear2d"])
@pytest.mark.parametrize("params", [{"size": 5}, {"size": (3, 7)}, {"scale_factor": 2}, {"scale_factor": (1.5, 2)}])
def test_older_names(name, params):
    ours, theirs = (getattr(place, name)(**params) for place in (layers, torch.nn))
    check(ours, theirs, normal(1, 2, 3, 4))
    assert repr(ours) == repr(theirs)


@needs_torch
@pytest.mark.parametrize(
    "name, args, shape",
    [
        ("PixelShuffle", (2,), (2, 8, 3, 2)),
        ("PixelShuffle", (3,), (9, 2, 2)),
        ("PixelUnshuffle", (2,), (2, 3, 4, 6)),
        ("Unfold", (2,), (2, 3, 4, 5)),
        ("Unfold", ((2, 3), 2, 1, (1, 2)), (2, 3, 5, 6)),
        ("Fold", ((4, 5), 2), (2, 12, 12)),
        ("Fold", ((5, 6), (2, 3), 2, 1, (1, 2)), (2, 18, 10)),
    ],
)
def test_rearrangements(name, args, shape):
    ours, theirs = (getattr(place, name)(*args) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.Upsample(scale_factor=1.5, mode="bicubic"), (1, 1, 3, 2)),
        (layers.UpsamplingBilinear2d(3), (1, 1, 2, 2)),
        (layers.PixelShuffle(2), (4, 1, 2)),
        (layers.Fold((3, 3), 2), (1, 4, 4)),
    ],
    ids=lambda v: type(v).__name__ if hasattr(v, "forward") else "",
)
def test_gradients_of_both_orders(layer, shape):
    assert gradcheck(lambda x: layer(x) ** 2, normal(*shape))
    assert gradgradcheck(lambda x: layer(x) ** 2, normal(*shape))


def test_bad_arguments():
    with pytest.raises(ValueError, match="give one of them"):
        layers.Upsample()(tl.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="must be nearest"):
        layers.Upsample(2, mode="spline")(tl.ones(1, 1, 2, 2))
