import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, both_modes, check, close, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck


@needs_torch
@both_dtypes
@both_modes
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"momentum": None},
        {"affine": False},
        {"track_running_stats": False},
        {"eps": 0.1, "momentum": 0.5},
        {"bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "name, shape", [("1d", (5, 3)), ("1d", (4, 3, 2)), ("2d", (3, 3, 2, 4)), ("3d", (2, 3, 2, 1, 2))]
)
def test_batch_norm(name, shape, params, training, dtype):
    ours, theirs = (getattr(place, f"BatchNorm{name}")(3, **params) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape) * 3 + 2, dtype=dtype, training=training, steps=3)


@needs_torch
def test_training_then_inference():
    ours, theirs = layers.BatchNorm2d(2).double(), torch.nn.BatchNorm2d(2).double()
    for k in range(4):
        x = normal(3, 2, 4, k + 2)
        ours(tl.tensor(x))
        theirs(torch.tensor(x))
    ours.eval()
    theirs.eval()
    close(ours(tl.tensor(x)), theirs(torch.tensor(x)), "float64", "inference")
    before = {name: np.array(t) for name, t in ours.state_dict().items()}
    ours(tl.tensor(x))
    assert all(np.array_equal(before[name], np.asarray(t)) for name, t in ours.state_dict().items())
    ours.reset_parameters()
    assert ours.num_batches_tracked.item() == 0
    assert np.array_equal(ours.running_var.numpy(), [1, 1])


@needs_torch
def test_frozen_statistics_set_by_hand():
    ours, theirs = layers.BatchNorm1d(2).double(), torch.nn.BatchNorm1d(2).double()
    ours.running_mean = theirs.running_mean = None
    ours.running_var = theirs.running_var = None
    x = normal(5, 2)
    close(ours.eval()(tl.tensor(x)), theirs.eval()(torch.tensor(x)), "float64", "no statistics")


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.BatchNorm1d(3), (2, 3, 4, 4)),
        (layers.BatchNorm2d(3), (2, 4, 5, 5)),
        (layers.InstanceNorm1d(3), (4, 2)),
        (layers.InstanceNorm2d(3), (3, 4, 2, 2)),
    ],
)
def test_wrong_shape(layer, shape):
    with pytest.raises(ValueError, match=rf"{type(layer).__name__}: needs shape .* with C = 3, got"):
        layer(tl.ones(*shape))


@needs_torch
@both_dtypes
@pytest.mark.parametrize("params", [{}, {"elementwise_affine": False}, {"bias": False}, {"eps": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [5, (4, 5)])
def test_layer_norm(shape, params, dtype):
    ours, theirs = (place.LayerNorm(shape, **params) for place in (layers, torch.nn))
    check(ours, theirs, normal(3, 4, 5), dtype=dtype)


@needs_torch
@both_dtypes
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3, 5)])
def test_group_norm(groups, shape, dtype):
    if shape == (3, 4) and groups == 4:
        return  # one value a group
    for params in ({}, {"affine": False}, {"eps": 0.1}, {"bias": False}):
        ours, theirs = (place.GroupNorm(groups, 4, **params) for place in (layers, torch.nn))
        check(ours, theirs, normal(*shape), dtype=dtype)


def test_groups_must_divide():
    with pytest.raises(ValueError, match="5 channels can't be divided into 2 groups"):
        layers.GroupNorm(2, 5)


@needs_torch
@both_dtypes
@both_modes
@pytest.mark.parametrize(
    "params",
    [{}, {"affine": True}, {"affine": True, "bias": False, "eps": 0.1}, {"track_running_stats": True, "momentum": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("name, shape", [("1d", (3, 4)), ("1d", (4, 3, 5)), ("2d", (3, 2, 4)), ("2d", (2, 3, 2, 4))])
def test_instance_norm(name, shape, params, training, dtype):
    ours, theirs = (getattr(place, f"InstanceNorm{name}")(3, **params) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape) * 3 + 2, dtype=dtype, training=training, steps=3)


@needs_torch
def test_instance_norm_infers_with_what_it_tracked():
    ours, theirs = (place.InstanceNorm2d(2, track_running_stats=True).double() for place in (layers, torch.nn))
    for k in range(3):
        x = normal(3, 2, 4, k + 2)
        ours(tl.tensor(x))
        theirs(torch.tensor(x))
    close(ours.eval()(tl.tensor(x)), theirs.eval()(torch.tensor(x)), "float64", "inference")
    ours.reset_parameters()
    assert not ours.running_mean.numpy().any()


@needs_torch
@both_dtypes
@pytest.mark.parametrize("params", [{}, {"elementwise_affine": False}, {"eps": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [5, (4, 5)])
def test_rms_norm(shape, params, dtype):
    ours, theirs = (place.RMSNorm(shape, **params) for place in (layers, torch.nn))
    check(ours, theirs, normal(3, 4, 5), dtype=dtype)


def test_rms_norm_of_small_half_precision_numbers_is_not_drowned_by_eps():
    x = tl.tensor(np.array([1e-3, -1e-3], np.float16))
    y = layers.RMSNorm(2).half()(x).detach().numpy()
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, [0.945, -0.945], atol=2e-3)  # 1 / sqrt(1 + 2^-23 / 1e-6)


@needs_torch
@pytest.mark.parametrize("args", [(1,), (2,), (5, 0.3, 0.5, 2.0)])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 4, 3, 2)])
def test_local_response_norm(args, shape):
    check(layers.LocalResponseNorm(*args), torch.nn.LocalResponseNorm(*args), normal(*shape))


def test_the_same_things_by_other_names():
    x = tl.tensor(normal(2, 4, 3, 5))
    same = [
        (layers.GroupNorm(1, 4), layers.LayerNorm((4, 3, 5))),
        (layers.GroupNorm(4, 4), layers.InstanceNorm2d(4)),
    ]
    for one, other in same:
        np.testing.assert_allclose(one(x).detach().numpy(), other(x).detach().numpy(), atol=1e-12)
    alone = layers.BatchNorm2d(4)(x[:1]).detach().numpy()
    np.testing.assert_allclose(alone, layers.InstanceNorm2d(4)(x[:1]).numpy(), atol=1e-12)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.InstanceNorm1d(2, affine=True), (2, 2, 4)),
        (layers.InstanceNorm2d(2, track_running_stats=True).eval(), (2, 2, 2, 2)),
        (layers.RMSNorm((2, 3)), (2, 2, 3)),
        (layers.LocalResponseNorm(2, alpha=0.5), (2, 3, 2)),
    ],
    ids=lambda v: type(v).__name__ if hasattr(v, "forward") else "",
)
def test_gradients_of_both_orders(layer, shape):
    layer = layer.double()
    names = [name for name, _ in layer.named_parameters()]
    values = [np.array(p.detach()) + 0.1 * normal(*p.shape) for p in layer.parameters()]

    def function(x, *parameters):
        return functional_call(layer, dict(zip(names, parameters)), x)

    assert gradcheck(function, normal(*shape), *values)
    assert gradgradcheck(function, normal(*shape), *values)


@pytest.mark.parametrize("layer", [layers.LayerNorm(3), layers.GroupNorm(1, 3), layers.RMSNorm(3)])
def test_reset(layer):
    with tl.no_grad():
        for p in layer.parameters():
            p.copy_(7)
    layer.reset_parameters()
    assert all((p.detach().numpy() == (name == "weight")).all() for name, p in layer.named_parameters())


@needs_torch
@pytest.mark.parametrize("name", ["BatchNorm2d", "LayerNorm", "GroupNorm", "InstanceNorm1d", "RMSNorm"])
def test_repr(name):
    args = (1, 3) if name == "GroupNorm" else (3,)
    ours, theirs = (repr(getattr(place, name)(*args)) for place in (layers, torch.nn))
    assert ours == theirs.replace(", bias=True", "").replace(", bias=False", "")


def test_batch_norm_rectifies_and_adds_when_asked():
    x, y = (tl.tensor(normal(5, 2, 3 + k)[:, :, :3]) for k in range(2))
    one, other = (layers.BatchNorm1d(2) for _ in range(2))
    got, want = one(x, relu=True, residual=y), tl.relu(other(x) + y)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="BatchNorm1d: a residual is added only with relu=True"):
        one(x, residual=y)
