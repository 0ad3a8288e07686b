import inspect

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import AlphaDropout, Dropout

LAYERS = [getattr(layers, name) for name in layers.dropout.__all__]
every = pytest.mark.parametrize("make", LAYERS, ids=lambda make: make.__name__)


def test_training_drops_and_scales():
    tl.manual_seed(0)
    x = tl.ones(10_000, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    values = y.detach().numpy()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.7)}
    assert abs((values == 0).mean() - 0.3) < 0.02
    assert np.array_equal(x.grad.numpy(), values)


@every
def test_each_is_the_function_of_its_name_in_training_and_nothing_in_inference(make):
    name = {"AlphaDropout": "alpha_dropout", "FeatureAlphaDropout": "feature_alpha_dropout"}.get(make.__name__)
    function = getattr(tl, name or make.__name__.lower())
    x = tl.randn(3, 5, 4)
    layer = make(0.4)
    tl.manual_seed(3)
    first = layer(x)
    tl.manual_seed(3)
    assert (function(x, 0.4, True) == first).all() and (first != x).any()
    assert (layer.eval()(x) == x).all()


def test_networks_of_selu_stay_normal_through_alpha_dropout():
    tl.manual_seed(0)
    x = tl.randn(500, 400)
    for _ in range(4):
        x = tl.selu(AlphaDropout(0.2)(x) @ tl.randn(400, 400) / 20)
        assert abs(x.mean().item()) < 0.05 and abs(x.var().item() - 1) < 0.1


@every
def test_probability_and_inplace(make):
    name = make.__name__
    assert repr(make(0.2)) == f"{name}(p=0.2)" and repr(make(inplace=True)) == f"{name}(p=0.5, inplace=True)"
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{name}: p is a probability"):
            make(p)
    assert (make(1.0)(tl.ones(3, 2)) == 0).all()
    x = tl.ones(3, 2)
    make(0.9, inplace=True)(x)
    assert (x == 1).all()


@needs_torch
@every
def test_arguments_are_those_of_pytorch(make):
    theirs = inspect.signature(getattr(torch.nn, make.__name__)).parameters
    ours = inspect.signature(make).parameters
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]
