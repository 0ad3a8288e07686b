"""Batch renormalisation against the equations of the paper, against batch normalisation, and against differences."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite import layers
from tinygrad_lite.autograd import GradientError
from tinygrad_lite.layers import BatchNorm1d, BatchNorm2d, BatchRenorm1d, BatchRenorm2d, functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

FREE = {"warmup_steps": 0, "r_steps": 0, "d_steps": 0}
LAYERS = [(BatchRenorm1d, BatchNorm1d, (6, 3)), (BatchRenorm2d, BatchNorm2d, (3, 3, 2, 4))]


def ready(layer, dtype="float64"):
    """The layer with weights and averages that are not those it starts with."""
    rng = np.random.default_rng(1)
    with tl.no_grad():
        layer.weight.copy_(rng.normal(size=3))
        layer.bias.copy_(rng.normal(size=3))
        layer.running_mean.copy_(rng.normal(size=3) / 2)
        layer.running_std.copy_(rng.uniform(0.5, 2, size=3))
    return layer.to(dtype)


def test_three_steps_of_the_algorithm():
    layer = ready(BatchRenorm1d(3, eps=0.1, momentum=0.2, r_max=1.5, d_max=0.3, **FREE))
    w, b, mean, std = (np.array(t.detach()) for t in (layer.weight, layer.bias, layer.running_mean, layer.running_std))
    for k in range(3):
        x = normal(5, 3) * (k + 1)
        mean_b, std_b = x.mean(0), np.sqrt(x.var(0) + 0.1)
        r, d = np.clip(std_b / std, 1 / 1.5, 1.5), np.clip((mean_b - mean) / std, -0.3, 0.3)
        want = ((x - mean_b) / std_b * r + d) * w + b
        np.testing.assert_allclose(layer(tl.tensor(x)).detach().numpy(), want, rtol=1e-12, atol=1e-12)
        mean, std = mean + 0.2 * (mean_b - mean), std + 0.2 * (std_b - std)
        np.testing.assert_allclose(layer.running_mean.numpy(), mean)
        np.testing.assert_allclose(layer.running_std.numpy(), std)
    got = layer.eval()(tl.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, (x - mean) / std * w + b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean)


@pytest.mark.parametrize("renorm, norm, shape", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("params", [{"r_max": 1, "d_max": 0, **FREE}, {"warmup_steps": 9}], ids=["limits", "warm-up"])
def test_without_freedom_it_is_batch_norm_bit_for_bit(renorm, norm, shape, params, dtype):
    one, other = ready(renorm(3, **params), dtype), norm(3).to(dtype)
    other.load_state_dict(one.state_dict(), strict=False)
    leaves = [tl.tensor(normal(*shape).astype(dtype), requires_grad=True) for _ in range(2)]
    found = []
    for layer, x in zip((one, other), leaves):
        y = layer(x)
        grads = tl.grad(y, [x, layer.weight, layer.bias], normal(*shape).astype(dtype), create_graph=True)
        second = tl.grad((grads[0] ** 2).sum() + grads[1].sum(), [x, layer.weight])
        found.append([y.detach(), *[g.detach() for g in grads], *second])
    for a, b in zip(*found):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("renorm, _, shape", LAYERS)
@pytest.mark.parametrize("affine", [True, False])
def test_without_limits_training_computes_what_inference_will(renorm, _, shape, affine):
    layer = renorm(3, affine=affine, momentum=0, r_max=np.inf, d_max=np.inf, **FREE).double()
    layer = ready(layer) if affine else layer
    x = tl.tensor(normal(*shape) * 3 + 10)
    np.testing.assert_allclose(layer(x).detach().numpy(), layer.eval()(x).detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("renorm, _, shape", LAYERS)
def test_r_and_d_are_constants_to_gradients_of_both_orders(renorm, _, shape):
    layer = ready(renorm(3, momentum=0, **FREE))

    def function(x, weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, x)

    values = normal(*shape), *(np.array(p.detach()) for p in layer.parameters())
    assert gradcheck(function, *values).verdict == "held constant"
    if shape == (6, 3):
        assert gradgradcheck(function, *values).verdict == "held constant"
        layer.eval()
        assert gradcheck(function, *values).verdict == "right"


@pytest.mark.parametrize(
    "step, r_max, d_max",
    [(0, 1, 0), (5_000, 1, 0), (15_000, 11 / 7, 2.5), (22_500, 2, 4.375), (25_000, 15 / 7, 5), (40_000, 3, 5)],
)
def test_the_schedule_of_the_paper(step, r_max, d_max):
    layer = BatchRenorm1d(2)
    layer.num_batches_tracked.copy_(step)
    assert layer.limits() == pytest.approx((r_max, d_max))


def test_without_limits_at_last_the_ramp_is_still_of_numbers():
    layer = BatchRenorm1d(2, r_max=np.inf, d_max=np.inf, warmup_steps=1, r_steps=3, d_steps=2)
    seen = []
    for _ in range(4):
        seen.append(layer.limits())
        layer(tl.randn(4, 2))
    assert seen == [(1, 0), (1, 0), (np.inf, np.inf), (np.inf, np.inf)]


def test_only_training_counts_and_a_reset_starts_again():
    layer = BatchRenorm2d(2)
    x = tl.randn(2, 2, 3, 3)
    layer(x)
    before = {name: np.array(t) for name, t in layer.state_dict().items()}
    layer.eval()(x)
    assert all(np.array_equal(before[name], t.numpy()) for name, t in layer.state_dict().items())
    assert list(before) == ["weight", "bias", "running_mean", "running_std", "num_batches_tracked"]
    assert before["num_batches_tracked"] == 1 and before["running_mean"].any()
    layer.reset_parameters()
    fresh = BatchRenorm2d(2).state_dict()
    assert all(np.array_equal(fresh[name].numpy(), t.numpy()) for name, t in layer.state_dict().items())


def test_a_checkpoint_that_would_compute_it_wrongly_raises():
    layer, x = BatchRenorm1d(2, **FREE), tl.randn(4, 2, requires_grad=True)
    with pytest.raises(GradientError, match="averages that have moved"):
        tl.checkpoint(layer, x).sum().backward()
    warming = BatchRenorm1d(2)
    tl.checkpoint(warming, x).sum().backward()
    assert warming.num_batches_tracked.item() == 1


@pytest.mark.filterwarnings("error")
def test_an_empty_batch_leaves_the_averages_alone():
    layer, x = BatchRenorm1d(2, **FREE), tl.ones(0, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == (0, 2) and not layer.weight.grad.numpy().any()
    assert np.array_equal([layer.running_mean.numpy(), layer.running_std.numpy()], [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    "params, message",
    [
        ({"r_max": 0.5}, "needs r_max >= 1 and d_max >= 0, got 0.5"),
        ({"d_max": -1}, "needs r_max >= 1 and d_max >= 0"),
        ({"warmup_steps": 9, "r_steps": 10, "d_steps": 8}, "d_steps = 8, which can't come before it"),
    ],
)
def test_bad_arguments(params, message):
    with pytest.raises(ValueError, match=message):
        BatchRenorm2d(3, **params)


def test_bad_input():
    with pytest.raises(ValueError, match=r"BatchRenorm2d: needs shape \(N, C, H, W\) with C = 3, got \(2, 4, 5, 5\)"):
        BatchRenorm2d(3)(tl.ones(2, 4, 5, 5))
    with pytest.raises(ValueError, match="one value per channel"):
        layers.BatchRenorm1d(3, **FREE)(tl.ones(1, 3))
    with pytest.raises(ValueError, match="needs running_mean and running_std"):
        tl.batch_renorm(tl.ones(4, 3), None, None)
