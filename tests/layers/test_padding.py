import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.testing import gradcheck, gradgradcheck

FAMILIES = ["Zero", "Constant", "Reflection", "Replication", "Circular"]


@st.composite
def pads(draw):
    """(name, arguments, input shape)"""
    family, dims = draw(st.sampled_from(FAMILIES)), draw(st.integers(1, 2))
    side = st.integers(-1, 3)
    padding = draw(st.one_of(side, st.tuples(*[side] * (2 * dims))))
    args = (padding, 1.5) if family == "Constant" else (padding,)
    lead = draw(st.sampled_from([(2,), (2, 3)]))
    return f"{family}Pad{dims}d", args, (*lead, *[draw(st.integers(4, 5)) for _ in range(dims)])


@needs_torch
@settings(max_examples=60, deadline=None, derandomize=True)
@given(pads(), st.sampled_from(["float32", "float64"]))
def test_padding(case, dtype):
    name, args, shape = case
    ours, theirs = (getattr(place, name)(*args) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape), dtype=dtype)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_both_orders(family):
    args = ((1, 2, 0, 1), 1.0) if family == "Constant" else ((1, 2, 0, 1),)
    layer = getattr(layers, f"{family}Pad2d")(*args)
    assert gradcheck(lambda x: layer(x) ** 2, normal(1, 3, 4))
    assert gradgradcheck(lambda x: layer(x) ** 2, normal(1, 3, 4))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"ZeroPad2d: padding is one number or 4, got \(1, 2\)"):
        layers.ZeroPad2d((1, 2))
    with pytest.raises(ValueError, match="mode 'reflect' has at most 2"):
        layers.ReflectionPad1d(3)(tl.tensor(np.ones((1, 3))))
