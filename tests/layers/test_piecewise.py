import inspect

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

INPLACE = "ReLU ReLU6 Hardsigmoid Hardswish LeakyReLU Hardtanh RReLU"

CASES = [
    *[(name, (), {}) for name in [*INPLACE.split(), "PReLU", "Hardshrink", "Softshrink"]],
    ("LeakyReLU", (0.3,), {}),
    ("Hardtanh", (-0.5, 0.7), {}),
    ("PReLU", (3,), {"init": 0.1}),
    ("RReLU", (0.2, 0.6), {}),
    ("Threshold", (0.4, -1.5), {}),
    ("Hardshrink", (1.1,), {}),
    ("Softshrink", (1.1,), {}),
]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("name, args, params", CASES, ids=str)
def test_activation(name, args, params, dtype):
    ours, theirs = (getattr(place, name)(*args, **params) for place in (layers, torch.nn))
    # PyTorch's gradient of Hardsigmoid has 1/6 in float32 only.
    looser = 1000 if dtype == "float64" and name == "Hardsigmoid" else 1
    check(ours, theirs, 2 * normal(4, 3, 2), dtype=dtype, looser=looser, training=name != "RReLU")


def test_every_activation_is_compared():
    assert {name for name, _, _ in CASES} == set(layers.piecewise.__all__)


@needs_torch
@pytest.mark.parametrize("name", [*layers.piecewise.__all__, *layers.activation.__all__])
def test_arguments_are_those_of_pytorch(name):
    """But for devices, a second name of bounds, and `axis`, which stands before `dim`."""
    gone = ("device", "min_value", "max_value", "axis", "dim", "args", "kwargs")
    ours, theirs = (inspect.signature(getattr(place, name)).parameters.values() for place in (layers, torch.nn))
    kept = [[(p.name, p.default) for p in parameters if p.name not in gone] for parameters in (ours, theirs)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("name", INPLACE.split())
def test_inplace_is_accepted_and_leaves_the_input_alone(name):
    x = tl.tensor(normal(3, 2), requires_grad=True)
    layer = getattr(layers, name)(inplace=True).eval()
    y = layer(x)
    y.sum().backward()
    assert (x == normal(3, 2)).all() and (y == getattr(layers, name)().eval()(x)).all()
    assert "inplace=True" in repr(layer) and "inplace" not in repr(getattr(layers, name)())


def test_the_slopes_of_rrelu_are_uniform_and_repeat_with_the_seed():
    x = tl.full((20_000,), -1.0, requires_grad=True)
    layer = layers.RReLU(0.2, 0.6)
    tl.manual_seed(0)
    y = layer(x)
    y.sum().backward()
    slopes = x.grad.numpy()
    assert np.array_equal(-slopes, y.detach().numpy())
    assert 0.2 <= slopes.min() < 0.201 and 0.599 < slopes.max() <= 0.6
    assert abs(slopes.mean() - 0.4) < 0.01 and abs(slopes.std() - 0.4 / 12**0.5) < 0.01
    tl.manual_seed(0)
    assert (layer(x) == y).all()
    assert repr(layer) == "RReLU(lower=0.2, upper=0.6)"


def test_bounds_of_rrelu():
    with pytest.raises(ValueError, match="rrelu: got lower=0.5 and upper=0.1; needs lower <= upper"):
        layers.RReLU(0.5, 0.1)(tl.ones(2))
