"""Calls of the activation functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.cases_elementwise import shapes
from tests.ops.spec import SPECS, Call, Spec, arrays, floats, unary


def functional(name: str) -> Callable:
    """torch.nn.functional.<name>, looked up when it is called."""
    return lambda *args, **params: getattr(importlib.import_module("torch.nn.functional"), name)(*args, **params)


@st.composite
def learned_slopes(draw: Any) -> Call:
    """prelu: one weight, or one for each channel."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=3))
    channels = shape[1] if len(shape) > 1 else 1
    return Call((draw(arrays(shape)), draw(arrays(draw(st.sampled_from([(1,), (channels,)]))))))


@st.composite
def slopes(draw: Any) -> Call:
    """leaky_relu: its slope is a number or a tensor."""
    first, second = shapes(draw, 2)
    return Call((draw(arrays(first)), draw(st.one_of(arrays(second), st.sampled_from([0.01, 0.5, 2.0, -0.25])))))


@st.composite
def halves(draw: Any) -> Call:
    """glu: an even number of elements along its axis."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    doubled = tuple(2 * n if k == axis % len(shape) else n for k, n in enumerate(shape))
    return Call((draw(arrays(doubled)),), {"axis": axis})


for _name in ("relu6", "selu", "sigmoid", "logsigmoid", "silu", "mish", "softsign", "tanhshrink"):
    SPECS[_name] = Spec(unary(), functional(_name))
# On long arrays the gradients of the straight ones are masked bit by bit.
LONG = st.just(Call(((np.arange(1026.0).reshape(2, 513) - 512.3) / 171,)))
SPECS["relu"] = Spec(st.one_of(unary(), LONG), functional("relu"))
SPECS["hardswish"] = Spec(unary(-5, 5), functional("hardswish"))
# PyTorch's own gradient of hardsigmoid has the digits of float32 only.
SPECS["hardsigmoid"] = Spec(unary(-5, 5), lambda x: functional("relu6")(x + 3) / 6)
for _name in ("elu", "celu"):
    SPECS[_name] = Spec(unary(alpha=st.sampled_from([1.0, 0.5, 2.0])), functional(_name))
for _name in ("softshrink", "hardshrink"):
    SPECS[_name] = Spec(st.one_of(unary(lambd=st.sampled_from([0.5, 0.0, 1.0])), LONG), functional(_name))

SPECS["leaky_relu"] = Spec(slopes(), lambda x, slope: x.where(x > 0, slope * x))
# What is drawn in training can't be compared with PyTorch; tests/layers/test_piecewise.py holds inference to it.
SPECS["rrelu"] = Spec(unary(gap=(-0.01, 0.01), lower=st.just(0.1), upper=st.just(0.9), training=st.booleans()))
SPECS["prelu"] = Spec(learned_slopes(), functional("prelu"))
SPECS["threshold"] = Spec(unary(threshold=st.sampled_from([-0.5, 1.0]), value=floats()), functional("threshold"))
SPECS["softplus"] = Spec(
    unary(beta=st.sampled_from([1.0, 0.5, 2.0]), threshold=st.sampled_from([20.0, 2.0])), functional("softplus")
)
SPECS["gelu"] = Spec(unary(approximate=st.sampled_from(["none", "tanh"])), functional("gelu"))
SPECS["hardtanh"] = Spec(
    unary(min_val=st.sampled_from([-1.0, -0.5]), max_val=st.sampled_from([0.25, 2.0])), functional("hardtanh")
)
SPECS["logit"] = Spec(
    unary(0.05, 0.95, eps=st.sampled_from([None, 0.3])),
    lambda x, eps: importlib.import_module("torch").logit(x, eps),
)
SPECS["glu"] = Spec(halves(), lambda x, axis: functional("glu")(x, axis))
