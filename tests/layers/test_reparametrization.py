"""Weight and spectral normalisation, against PyTorch, against differences, and what they leave of a layer."""

import copy
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, both_modes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import (
    functional_call,
    init_weight_norm_,
    remove_spectral_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
)
from tinygrad_lite.testing import gradcheck, gradgradcheck

MAKERS = {
    "linear": (lambda place: place.Linear(4, 3), (5, 4)),
    "convolution": (lambda place: place.Conv2d(2, 4, 3, groups=2), (2, 2, 5, 4)),
    "transposed": (lambda place: place.ConvTranspose1d(3, 2, 2), (2, 3, 4)),
    "recurrent": (lambda place: place.LSTM(4, 3), (5, 2, 4)),
}
FEED_FORWARD = ["linear", "convolution", "transposed"]


def both(kind, norm, **params):
    """Our layer and PyTorch's, normed, and an input."""
    make, shape = MAKERS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = getattr(torch.nn.utils, norm)(make(torch.nn), **params)
    return globals()[norm](make(layers), **params), theirs, normal(*shape)


def value(module):
    return np.array(module.weight.detach())


# ------------------------------------------------------------------------------ against PyTorch


@needs_torch
@both_dtypes
@pytest.mark.parametrize("kind", FEED_FORWARD)
@pytest.mark.parametrize("dim", [0, 1, None, -1])
def test_weight_norm(kind, dim, dtype):
    ours, theirs, x = both(kind, "weight_norm", dim=dim)
    check(ours, theirs, x, dtype=dtype, steps=2)


@needs_torch
@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_the_weight_of_a_recurrent_layer(norm):
    ours, theirs, x = both("recurrent", norm, name="weight_hh_l0")
    ours.double().load_state_dict(theirs.double().state_dict())
    y, z = ours(tl.tensor(x))[0], theirs(torch.tensor(x))[0]
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-10)
    y.sum().backward()
    z.sum().backward()
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-12)


@needs_torch
@both_dtypes
@both_modes
@pytest.mark.parametrize("kind", FEED_FORWARD)
@pytest.mark.parametrize("steps", [1, 3])
def test_spectral_norm(kind, steps, training, dtype):
    ours, theirs, x = both(kind, "spectral_norm", n_power_iterations=steps)
    check(ours, theirs, x, dtype=dtype, training=training, steps=3)


@needs_torch
def test_the_newer_names_of_pytorch_load_the_state():
    ours, theirs = weight_norm(layers.Linear(4, 3)), torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3))
    theirs.load_state_dict({name: torch.tensor(p.numpy()) for name, p in ours.state_dict().items()})
    np.testing.assert_allclose(theirs.weight.detach().numpy(), value(ours), rtol=1e-6)


# ----------------------------------------------------------------------------------- mathematics


@pytest.mark.parametrize("norm", [weight_norm, spectral_norm])
def test_gradients_of_both_orders(norm):
    module = norm(layers.Linear(3, 2)).double().eval()
    names = [name for name, _ in module.named_parameters()]
    values = [np.array(p.detach()) for p in module.parameters()]

    def function(x, *parameters):
        return functional_call(module, dict(zip(names, parameters)), x)

    assert gradcheck(function, normal(4, 3), *values)
    assert gradgradcheck(function, normal(4, 3), *values)


def test_the_gradient_of_v_is_orthogonal_to_v_so_that_sgd_never_shortens_it():
    layer = weight_norm(layers.Linear(6, 3)).double()
    for k in range(5):
        layer.zero_grad()
        (layer(tl.tensor(normal(8 + k, 6))) ** 3).sum().backward()
        v, g = layer.weight_v.detach().numpy(), layer.weight_v.grad.numpy()
        np.testing.assert_allclose((v * g).sum(1), 0, atol=1e-9 * np.abs(g).max())
        before = np.linalg.norm(v, axis=1)
        with tl.no_grad():
            layer.weight_v.copy_(v - 0.01 * g)
        assert (np.linalg.norm(layer.weight_v.detach().numpy(), axis=1) > before).all()


def test_the_power_method_finds_the_largest_singular_value():
    tl.manual_seed(0)
    layer = spectral_norm(layers.Conv2d(3, 5, 3)).double()
    for _ in range(200):
        layer(tl.tensor(normal(1, 3, 4, 4)))
    w = value(layer).reshape(5, -1)
    assert np.linalg.svd(w, compute_uv=False)[0] == pytest.approx(1)


def test_inference_and_reading_the_weight_leave_u_and_v_alone():
    layer = spectral_norm(layers.Linear(4, 3))
    before = layer.weight_u.numpy().copy(), layer.weight_v.numpy().copy()
    _ = layer.weight, layer.eval()(tl.ones(1, 4))
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, (layer.weight_u, layer.weight_v)))
    layer.train()(tl.ones(1, 4))
    assert not np.array_equal(before[0], layer.weight_u.numpy())


def test_backward_through_two_calls():
    """A critic sees real and made examples before one backward: the first call's u and v must still be there."""
    layer = spectral_norm(layers.Linear(4, 3))
    real, made = layer(tl.ones(2, 4)), layer(tl.zeros(2, 4))
    (real - made).sum().backward()
    assert layer.weight_orig.grad is not None


@pytest.mark.parametrize("place", ["linear", "convolution"])
def test_start_from_data(place):
    make, shape = MAKERS[place]
    tl.manual_seed(0)
    first, x = weight_norm(make(layers)), tl.tensor(10 * normal(40, *shape[1:]) + 3)
    second = weight_norm(layers.Linear(3, 3) if place == "linear" else layers.Conv2d(4, 3, 2))
    net = layers.Sequential(first, layers.ReLU(), second).double()
    seen = []
    init_weight_norm_(net, x)
    for layer in (first, second):
        layer.register_forward_hook(lambda layer, args, y: seen.append(y.detach().numpy()))
    net(x)
    for y in seen:
        axes = (0, *range(2, y.ndim))
        np.testing.assert_allclose(y.mean(axes), 0, atol=1e-10)
        np.testing.assert_allclose(y.std(axes), 1)


# ------------------------------------------------------------------------------ what stays, and errors


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("norm, remove", [(weight_norm, remove_weight_norm), (spectral_norm, remove_spectral_norm)])
def test_there_and_back(kind, norm, remove):
    make, shape = MAKERS[kind]
    name = "weight_hh_l0" if kind == "recurrent" else "weight"
    plain, x = make(layers).double().eval(), tl.tensor(normal(*shape))
    before, kind_before = plain(x), type(plain)
    module = norm(plain, name=name)
    assert module is plain and isinstance(module, kind_before) and repr(module).startswith(kind_before.__name__)
    if norm is weight_norm:
        for a, b in zip(_flat(module(x)), _flat(before)):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-12)
    normed = module(x)
    assert remove(module, name) is module
    assert type(module) is kind_before and not module._forward_pre_hooks
    assert sorted(module.state_dict()) == sorted(make(layers).state_dict())
    for a, b in zip(_flat(module(x)), _flat(normed)):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-12)


def _flat(y):
    return [y] if isinstance(y, tl.Tensor) else [t for part in y for t in _flat(part)]


def test_two_weights_of_one_layer():
    layer = layers.LSTM(3, 4)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        weight_norm(layer, name)
    assert {"weight_ih_l0_g", "weight_hh_l0_v"} <= set(layer.state_dict())
    remove_weight_norm(layer, "weight_ih_l0")
    assert layer.weight_hh_l0.requires_grad and "weight_hh_l0_g" in layer.state_dict()
    assert isinstance(layer.weight_ih_l0, layers.Parameter)
    layer(tl.ones(2, 1, 3))


@pytest.mark.parametrize("norm", [weight_norm, spectral_norm])
def test_a_copy_has_weights_of_its_own(norm):
    layer = norm(layers.Linear(3, 2))
    layer(tl.ones(1, 3)).sum().backward()
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(value(other.eval()), value(layer.eval()))
    with tl.no_grad():
        for p in other.parameters():
            p.copy_(p * 3 + 1)
    assert not np.array_equal(value(other), value(layer))


def test_the_optimizer_of_a_layer_still_holds_its_weight():
    layer = layers.Linear(3, 2)
    weight = layer.weight
    assert weight_norm(layer).weight_v is weight


def test_frozen_stays_frozen():
    layer = layers.Linear(3, 2).requires_grad_(False)
    assert not weight_norm(layer).weight_g.requires_grad
    assert not remove_weight_norm(layer).weight.requires_grad


def test_errors():
    layer = weight_norm(layers.Linear(3, 2))
    with pytest.raises(ValueError, match="Linear has no parameter 'weight' of its own; it has bias, weight_g"):
        weight_norm(layer)
    with pytest.raises(ValueError, match="remove_spectral_norm: 'weight' of this Linear is not computed that way"):
        remove_spectral_norm(layer)
    with pytest.raises(ValueError, match="remove_weight_norm: 'weight' of this Linear"):
        remove_weight_norm(layers.Linear(3, 2))
    plain = layers.Linear(3, 2)
    for norm in (weight_norm, spectral_norm):
        with pytest.raises(ValueError, match=rf"{norm.__name__}: dim is 2, for a 'weight' of shape \(2, 3\)"):
            norm(plain, dim=2)
    assert list(plain.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match="n_power_iterations is 0"):
        spectral_norm(layers.Linear(3, 2), n_power_iterations=0)
    with pytest.raises(AttributeError, match="weight"):
        layer.weight = layers.Parameter(tl.ones(2, 3))
    with pytest.raises(ValueError, match="needs a bias, and a weight_g of 2 values"):
        init_weight_norm_(weight_norm(layers.Linear(3, 2, bias=False)), tl.randn(4, 3))
    with pytest.raises(ValueError, match="the same for the whole batch"):
        init_weight_norm_(weight_norm(layers.Linear(3, 2)), tl.ones(4, 3))
    assert not layer._forward_hooks
