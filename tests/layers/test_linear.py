import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.testing import gradcheck, gradgradcheck


@needs_torch
@both_dtypes
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 3, 4), (0, 4)])
def test_linear(shape, bias, dtype):
    check(layers.Linear(4, 3, bias=bias), torch.nn.Linear(4, 3, bias=bias), normal(*shape), dtype=dtype)


@needs_torch
@both_dtypes
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
def test_bilinear(lead, bias, dtype):
    ours, theirs = (place.Bilinear(4, 3, 2, bias=bias) for place in (layers, torch.nn))
    check(ours, theirs, normal(*lead, 4), normal(*lead, 3), dtype=dtype)
    assert repr(ours) == repr(theirs)


def test_bilinear_gradients_of_both_orders_start_and_shapes():
    layer = layers.Bilinear(2, 3, 2).double()
    assert gradcheck(layer, normal(4, 2), normal(4, 3))
    assert gradgradcheck(layer, normal(4, 2), normal(4, 3))
    wide = layers.Bilinear(400, 20, 10).weight.detach().numpy()
    assert np.abs(wide).max() <= 1 / 20 and abs(wide.std() - 1 / 20 / 3**0.5) < 0.001
    with pytest.raises(ValueError, match=r"needs inputs \(..., 2\) and \(..., 3\) .* got \(4, 2\) and \(5, 3\)"):
        layer(tl.ones(4, 2), tl.ones(5, 3))


def test_linear_starts_as_pytorch():
    tl.manual_seed(0)
    layer = layers.Linear(400, 300)
    for p in layer.parameters():
        values = p.detach().numpy()
        assert np.abs(values).max() <= 1 / 20
        assert abs(values.std() - 1 / 20 / 3**0.5) < 0.003


def test_a_wrong_shape_names_the_layer():
    net = layers.Sequential(layers.Linear(4, 3))
    with pytest.raises(Exception) as caught:
        net(tl.ones(2, 5))
    assert "linear" in str(caught.value)
    assert caught.value.__notes__ == ["in Linear(in_features=4, out_features=3, bias=True)", "in Sequential"]


@needs_torch
@pytest.mark.parametrize("args", [(), (0,), (1, 2), (0, -1), (-2, -1)])
def test_flatten(args):
    check(layers.Flatten(*args), torch.nn.Flatten(*args), normal(2, 3, 4, 5))


@needs_torch
@pytest.mark.parametrize("dim, size", [(1, (3, 4)), (-1, (2, -1, 3)), (0, (1, 2))])
def test_unflatten(dim, size):
    check(layers.Unflatten(dim, size), torch.nn.Unflatten(dim, size), normal(2, 12) if dim else normal(2, 5))


def test_unflatten_out_of_range():
    with pytest.raises(IndexError, match="dim 3 is out of range"):
        layers.Unflatten(3, (1, 2))(tl.ones(2, 2))


def test_identity():
    x = tl.ones(2)
    assert layers.Identity(3, anything=4)(x) is x
