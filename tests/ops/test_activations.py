"""Activations: slopes at their kinks, far tails, arguments, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl

inf = math.inf


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        (tl.relu, 0.0, 0),
        (tl.relu6, 0.0, 0),
        (tl.relu6, 6.0, 0),
        (lambda x: tl.leaky_relu(x, 0.25), 0.0, 0.25),
        (lambda x: tl.elu(x, 0.5), 0.0, 0.5),
        (tl.hardtanh, 1.0, 0),
        (tl.hardtanh, -1.0, 0),
        (tl.hardsigmoid, -3.0, 0),
        (tl.hardsigmoid, 3.0, 0),
        (tl.hardswish, -3.0, 0),
        (tl.hardswish, 3.0, 1),
        (tl.softshrink, 0.5, 0),
        (tl.hardshrink, -0.5, 0),
        (lambda x: tl.threshold(x, 1.0, 7.0), 1.0, 0),
        (lambda x: tl.logit(x, 0.25), 0.25, 1 / (0.25 * 0.75)),
        (lambda x: tl.logit(x, 0.25), 0.1, 0),
        (tl.logit, 2.0, math.nan),
    ],
)
def test_slopes_at_kinks_are_pytorchs(function, x, want):
    x = tl.tensor(x, dtype=np.float64, requires_grad=True)
    function(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("sigmoid", 0, 1),
        ("logsigmoid", -1e4, 0),
        ("softplus", 0, 1e4),
        ("silu", 0, 1e4),
        ("mish", 0, 1e4),
        ("gelu", 0, 1e4),
        ("elu", -1, 1e4),
        ("softsign", -1e4 / 10001, 1e4 / 10001),
        ("hardswish", 0, 1e4),
    ],
)
def test_far_tails_are_exact_and_silent(name, left, right, dtype):
    x = tl.tensor([-1e4, 1e4], dtype=dtype, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = getattr(tl, name)(x)
        first = tl.grad(y.sum(), x, create_graph=True)
        second = tl.grad((first * first).sum(), x, allow_unused=True)
    np.testing.assert_allclose(y.detach().numpy(), [left, right], rtol=1e-6)
    assert np.isfinite(first.detach().numpy()).all()
    assert second is None or np.isfinite(second.numpy()).all()


def test_small_probabilities_keep_their_digits():
    x = tl.tensor([-40.0], dtype=np.float64)
    assert tl.sigmoid(x).item() == pytest.approx(math.exp(-40), rel=1e-14)
    assert tl.softplus(x).item() == pytest.approx(math.exp(-40), rel=1e-14)
    assert tl.logsigmoid(-x).item() == pytest.approx(-math.exp(-40), rel=1e-14)
    y = tl.tensor([40.0], dtype=np.float64, requires_grad=True)
    tl.logsigmoid(y).backward()
    assert y.grad.item() == pytest.approx(math.exp(-40), rel=1e-14)


def test_softplus_is_the_identity_above_its_threshold():
    x = tl.tensor([2.0, 4.0], dtype=np.float64)
    assert tl.softplus(x, beta=2.0, threshold=5.0).tolist() == [math.log1p(math.exp(4)) / 2, 4.0]


def test_prelu_takes_one_weight_or_one_for_each_channel():
    x = tl.tensor(-np.ones((2, 3, 4)))
    weight = tl.tensor([0.1, 0.2, 0.3], dtype=np.float64, requires_grad=True)
    y = tl.prelu(x, weight)
    np.testing.assert_allclose(y.detach().numpy()[1, :, 0], [-0.1, -0.2, -0.3])
    y.sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), [-8, -8, -8])
    assert tl.prelu(tl.tensor(-2.0), tl.tensor([0.25])).shape == ()
    assert tl.prelu(tl.tensor([-2.0, -2.0, -2.0]), tl.tensor(0.25)).tolist() == [-0.5, -0.5, -0.5]


def test_leaky_relu_with_any_slope():
    x = tl.tensor([-2.0, 0.0, 2.0])
    assert tl.leaky_relu(x).tolist() == pytest.approx([-0.02, 0, 2])
    assert tl.leaky_relu(x, 2.0).tolist() == [-4, 0, 2]
    assert tl.leaky_relu(x, negative_slope=-1.0).tolist() == [2, 0, 2]
    assert tl.leaky_relu(x, tl.tensor([0.5, 1.0, 1.0])).tolist() == [-1, 0, 2]


def test_relu_propagates_nan_and_keeps_integers():
    assert np.isnan(tl.relu(tl.tensor(math.nan)).item())
    assert np.isnan(tl.relu(tl.tensor(np.full(10000, math.nan))).numpy()).all()
    assert tl.relu(tl.tensor([-1, 2])).dtype == np.int64
    assert tl.relu6(tl.tensor([-1, 9])).tolist() == [0, 6]
    x = np.random.default_rng(0).standard_normal((100, 101)).astype(np.float32)
    np.testing.assert_array_equal(tl.relu(tl.tensor(x)).numpy(), np.where(x > 0, x, 0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tl.gelu(x, "sigmoid"), ValueError, "gelu: got approximate='sigmoid'; needs 'none' or 'tanh'"),
        (lambda x: tl.glu(x), ValueError, r"glu: got input \(3, 5\) and axis=-1; needs an even number"),
        (lambda x: tl.glu(x, 2), IndexError, r"glu: got axis=2 for input \(3, 5\)"),
        (lambda x: tl.glu(tl.tensor(1.0)), IndexError, "glu: got axis=-1"),
        (lambda x: tl.prelu(x, tl.ones(3)), ValueError, r"prelu: got weight \(3,\) .* one for each of the 5 channels"),
        (lambda x: tl.prelu(x, tl.ones(1, 5)), ValueError, r"prelu: got weight \(1, 5\)"),
        (lambda x: tl.softshrink(x, -1.0), ValueError, "softshrink: got lambd=-1.0; needs a number >= 0"),
        (lambda x: tl.celu(x, 0), ValueError, "celu: got alpha=0"),
        (lambda x: tl.hardtanh(x, 1.0, -1.0), ValueError, "hardtanh: got min_val=1.0 and max_val=-1.0"),
        (lambda x: tl.threshold(x), TypeError, "threshold: an argument is missing"),
    ],
)
def test_errors_name_the_operation_and_the_cause(call, error, message):
    with pytest.raises(error, match=message):
        call(tl.ones(3, 5))


def test_random_slopes_in_a_checkpoint_are_drawn_once():
    x = tl.full((50,), -1.0, requires_grad=True)
    y = tl.checkpoint(lambda x: tl.rrelu(x, 0.1, 0.9, True) * 1, x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), -y.detach().numpy())
    assert len(set(x.grad.tolist())) > 40


def test_bounds_of_random_slopes():
    with pytest.raises(ValueError, match="rrelu: got lower=0.9 and upper=0.1; needs lower <= upper"):
        tl.rrelu(tl.ones(2), 0.9, 0.1)
