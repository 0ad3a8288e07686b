"""Normalisations: running statistics, what is refused, precision, and what is kept for backward."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.autograd import GradientError

rng = np.random.default_rng(0)
NORMS = {
    "batch_norm": lambda x, w=None, b=None, **p: tl.batch_norm(x, None, None, w, b, True, **p),
    "instance_norm": lambda x, w=None, b=None, **p: tl.instance_norm(x, None, None, w, b, **p),
    "group_norm": lambda x, w=None, b=None, **p: tl.group_norm(x, 2, w, b, **p),
}


# ---------------------------------------------------------------------------- running statistics


@pytest.mark.parametrize("make", [tl.tensor, np.array], ids=["tensor", "array"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_tracks_the_mean_and_the_unbiased_variance(make, dtype):
    x = rng.standard_normal((4, 3, 5)).astype(dtype)
    mean, var = make(np.zeros(3, dtype)), make(np.ones(3, dtype))
    tl.batch_norm(tl.tensor(x, requires_grad=True), mean, var, training=True, momentum=0.25)
    np.testing.assert_allclose(np.asarray(mean), 0.25 * x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(var), 0.75 + 0.25 * x.var((0, 2), ddof=1), rtol=1e-5)
    assert mean.dtype == var.dtype == dtype
    if make is tl.tensor:
        assert not mean.requires_grad and not var.requires_grad


def test_instance_norm_tracks_the_mean_over_samples():
    x = rng.standard_normal((4, 3, 5))
    mean, var = tl.zeros(3), tl.ones(3)
    tl.instance_norm(x, mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), 0.5 * x.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), 0.5 + 0.5 * x.var(2, ddof=1).mean(0), rtol=1e-6)


def test_evaluation_uses_and_keeps_the_running_statistics():
    x, mean, var = rng.standard_normal((4, 3, 5)), tl.tensor([1.0, 2.0, 3.0]), tl.tensor([1.0, 4.0, 9.0])
    want = (x - np.array([1, 2, 3])[:, None]) / np.sqrt(np.array([1, 4, 9])[:, None] + 1e-5)
    for y in (tl.batch_norm(x, mean, var), tl.instance_norm(x, mean, var, use_input_stats=False)):
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(mean.numpy(), [1, 2, 3])
    np.testing.assert_array_equal(var.numpy(), [1, 4, 9])
    with pytest.raises(ValueError, match=r"batch_norm: without statistics of the input .* one is None"):
        tl.batch_norm(x, mean, None)


def test_a_later_change_of_the_running_statistics_does_not_reach_an_earlier_graph():
    x = tl.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    mean, var = np.zeros(3), np.ones(3)
    y = tl.batch_norm(x, mean, var, eps=0)
    var[...] = 100
    np.testing.assert_allclose(tl.grad(y.sum(), x).numpy(), 1)


def test_running_statistics_that_want_a_gradient_are_refused():
    with pytest.raises(GradientError, match="batch_norm: a leaf that requires grad can't be changed in place"):
        tl.batch_norm(tl.randn(4, 3), tl.zeros(3, requires_grad=True), tl.ones(3), training=True)


@pytest.mark.parametrize("running", [[0.0, 0.0], np.zeros(2, int)], ids=["list", "integers"])
def test_running_statistics_that_an_update_could_not_reach_are_refused(running):
    with pytest.raises(TypeError, match="batch_norm: running statistics are updated in place"):
        tl.batch_norm(tl.randn(4, 2), running, np.ones(2), training=True)


def test_an_empty_batch_leaves_the_running_statistics_alone():
    mean, var = tl.zeros(3), tl.ones(3)
    x = tl.ones(0, 3, 2, requires_grad=True)
    y = tl.batch_norm(x, mean, var, training=True)
    assert y.shape == (0, 3, 2) and tl.grad(y.sum(), x).shape == (0, 3, 2)
    np.testing.assert_array_equal([mean.numpy(), var.numpy()], [[0] * 3, [1] * 3])
    x = tl.ones(2, 0, 3, requires_grad=True)
    assert tl.grad(tl.batch_norm(x, None, None, training=True).sum(), x).shape == (2, 0, 3)


# --------------------------------------------------------------------------------------- refused


def test_one_value_has_no_variance():
    with pytest.raises(ValueError, match=r"batch_norm: an input of shape \(1, 3\) has one value per channel"):
        tl.batch_norm(tl.ones(1, 3), None, None, training=True)
    with pytest.raises(ValueError, match=r"instance_norm: an input of shape \(2, 3, 1\) has one value per channel"):
        tl.instance_norm(tl.ones(2, 3, 1))
    with pytest.raises(ValueError, match=r"group_norm: an input of shape \(1, 3\) has one value per group"):
        tl.group_norm(tl.ones(1, 3), 3)
    assert tl.batch_norm(tl.ones(1, 3), tl.zeros(3), tl.ones(3)).shape == (1, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.batch_norm(tl.ones(3), None, None, training=True), r"batch_norm: the input has shape \(3,\)"),
        (lambda: tl.batch_norm(tl.ones(4, 3), None, tl.ones(4), training=True), r"running_var has shape \(4,\)"),
        (lambda: tl.batch_norm(tl.ones(4, 3), None, None, tl.ones(3, 1), None, True), r"weight has shape \(3, 1\)"),
        (lambda: tl.instance_norm(tl.ones(4, 3, 2), None, None, None, tl.ones(1)), r"bias has shape \(1,\)"),
        (lambda: tl.group_norm(tl.ones(4, 3), 2), r"group_norm: 3 channels can't be shared by num_groups=2"),
        (lambda: tl.group_norm(tl.ones(4, 3), 0), r"group_norm: 3 channels can't be shared by num_groups=0"),
        (lambda: tl.layer_norm(tl.ones(4, 3), 4), r"layer_norm: the input has .* must end in .*\(4,\)"),
        (lambda: tl.layer_norm(tl.ones(3), (4, 3)), r"must end in normalized_shape=\(4, 3\)"),
        (lambda: tl.layer_norm(tl.ones(4, 3), ()), r"must end in normalized_shape=\(\)"),
        (lambda: tl.layer_norm(tl.ones(4, 3), 3, tl.ones(4)), r"layer_norm: weight has shape \(4,\); it must be"),
        (lambda: tl.rms_norm(tl.ones(4, 3), [2]), r"rms_norm: the input has shape"),
        (lambda: tl.local_response_norm(tl.ones(4, 3), 2), r"local_response_norm: needs \(N, C, \.\.\.\) with places"),
    ],
)
def test_wrong_shapes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("name", NORMS)
def test_float32_is_accurate_far_from_zero_and_for_tiny_variances(name):
    x = rng.standard_normal((16, 4, 50))
    for shifted in (x + 1000, x * 1e-4):
        shifted = shifted.astype(np.float32)
        exact = NORMS[name](shifted.astype(np.float64)).numpy()
        np.testing.assert_allclose(NORMS[name](shifted).numpy(), exact, atol=1e-3)


@pytest.mark.parametrize("name", NORMS)
def test_a_gradient_in_float32_is_accurate_far_from_zero(name):
    x, g = rng.standard_normal((16, 4, 50)) + 100, rng.standard_normal((16, 4, 50))
    x = x.astype(np.float32).astype(np.float64)

    def gradient(dtype):
        t = tl.tensor(x, requires_grad=True, dtype=dtype)
        return tl.grad(NORMS[name](t), t, g).numpy()

    np.testing.assert_allclose(gradient(np.float32), gradient(np.float64), atol=1e-3)


@pytest.mark.parametrize("name", NORMS)
def test_float16_is_summed_in_float32_and_stays_float16(name):
    x = tl.tensor(rng.standard_normal((8, 4, 100)) * 100 + 300, requires_grad=True, dtype=np.float16)
    w, b = (tl.ones(4, dtype=np.float16, requires_grad=True) for _ in range(2))
    y = NORMS[name](x, w, b)
    gs = tl.grad(y, (x, w, b), rng.standard_normal(y.shape))
    assert y.dtype == np.float16 and all(g.dtype == np.float16 and np.isfinite(g.numpy()).all() for g in gs)
    exact = NORMS[name](x.detach().double()).numpy() + 1
    np.testing.assert_allclose(y.detach().numpy().astype(float), exact, atol=0.02)


def test_integers_are_normalised_as_floats():
    assert tl.batch_norm(np.arange(6).reshape(3, 2), None, None, training=True).dtype == np.float32


def test_memory_in_another_order_gives_the_same():
    x = rng.standard_normal((4, 5, 6, 3))
    for norm in NORMS.values():
        last = tl.tensor(x).permute(0, 3, 1, 2)
        if norm is NORMS["group_norm"]:
            last = last[:, :2]
        first = tl.tensor(np.ascontiguousarray(last.numpy()))
        np.testing.assert_allclose(norm(last).numpy(), norm(first).numpy(), atol=1e-12)


# ------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_at_the_third_order(training):
    x, v = rng.standard_normal((2, 3, 2))
    w = tl.tensor(rng.standard_normal(2))

    def second(x):
        """A leaf at x, and a function of the second order there."""
        x = tl.tensor(x, requires_grad=True)
        mean, var = tl.zeros(2, dtype=np.float64), tl.ones(2, dtype=np.float64)
        y = tl.batch_norm(x, mean, var, w, None, training, eps=0.1)
        first = tl.grad((y**3).sum(), x, create_graph=True)
        return x, (tl.grad((first**2).sum(), x, create_graph=True) ** 2).sum()

    leaf, total = second(x)
    slope = (tl.grad(total, leaf).numpy() * v).sum()
    numeric = (second(x + 1e-6 * v)[1].item() - second(x - 1e-6 * v)[1].item()) / 2e-6
    np.testing.assert_allclose(slope, numeric, rtol=1e-6)


def test_batch_norm_keeps_its_input_and_per_channel_statistics_only():
    x, w, b = tl.randn(8, 4, 10, requires_grad=True), tl.ones(4, requires_grad=True), tl.zeros(4, requires_grad=True)
    node = tl.batch_norm(x, None, None, w, b, True).grad_fn.parents[0]
    sizes = sorted(a.size for a in node.saved if isinstance(a, np.ndarray))
    assert sizes == [4, 4, 4, 320]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("added", [True, False])
def test_batch_norm_relu_is_its_three_parts_to_the_second_order(training, added):
    x, y, v = rng.standard_normal((3, 6, 4, 5))
    mean, var, w, b = rng.standard_normal((4, 4))

    def results(f):
        xs = [tl.tensor(a, requires_grad=True) for a in (x, y, w, b)]
        statistics = tl.tensor(mean), tl.tensor(var**2)
        out = f(xs[0], *statistics, *xs[2:], xs[1] if added else None)
        wanted = xs if added else [xs[0], *xs[2:]]
        first = tl.grad((out * v).sum(), wanted, create_graph=True)
        second = tl.grad(sum((g**3).sum() for g in first), (xs[0], xs[2]))
        plain = tl.grad((f(xs[0], *statistics, *xs[2:], xs[1] if added else None) * v).sum(), wanted)
        return [t.detach().numpy() for t in (out, *first, *second, *plain, *statistics)]

    def parts(x, mean, var, w, b, y):
        z = tl.batch_norm(x, mean, var, w, b, training, 0.2)
        return tl.relu(z if y is None else z + y)

    def fused(x, mean, var, w, b, y):
        return tl.batch_norm_relu(x, mean, var, w, b, training, 0.2, residual=y)

    for got, want in zip(results(fused), results(parts), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_batch_norm_relu_keeps_its_input_its_result_and_per_channel_statistics_only():
    x, w = tl.randn(8, 4, 10, requires_grad=True), tl.ones(4, requires_grad=True)
    node = tl.batch_norm_relu(x, None, None, w, None, True, residual=tl.randn(8, 4, 10)).grad_fn.parents[0]
    assert sorted(a.size for a in node.saved if isinstance(a, np.ndarray)) == [4, 4, 4, 320, 320]


def test_a_residual_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"batch_norm_relu: residual has shape \(3,\), but the input \(4, 3\)"):
        tl.batch_norm_relu(tl.randn(4, 3), None, None, training=True, residual=tl.ones(3))


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm"])
def test_float32_gradients_match_pytorch_far_from_zero(name):
    torch = pytest.importorskip("torch")
    x = (rng.standard_normal((16, 4, 8, 8)) + 1e4).astype(np.float32)
    g = rng.standard_normal(x.shape).astype(np.float32)
    f = torch.nn.functional
    ours, theirs = {
        "batch_norm": (lambda x: tl.batch_norm(x, None, None, training=True),
                       lambda x: f.batch_norm(x, None, None, training=True)),
        "layer_norm": (lambda x: tl.layer_norm(x, (8, 8)), lambda x: f.layer_norm(x, (8, 8))),
        "group_norm": (lambda x: tl.group_norm(x, 2), lambda x: f.group_norm(x, 2)),
    }[name]  # fmt: skip
    mine, exact = tl.tensor(x, requires_grad=True), torch.tensor(x.astype(np.float64), requires_grad=True)
    y, z = ours(mine), theirs(exact)
    y.backward(tl.tensor(g))
    z.backward(torch.tensor(g.astype(np.float64)))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(mine.grad.numpy(), exact.grad.numpy(), atol=1e-5)


def test_no_gradient_is_computed_for_an_input_that_needs_none():
    w = tl.ones(4, requires_grad=True)
    for y in (tl.batch_norm(tl.randn(8, 4), None, None, w, None, True), tl.layer_norm(tl.randn(8, 4), 4, w)):
        assert tl.grad(y.sum(), w).shape == (4,)


def test_layer_norm_takes_the_shape_as_a_number_a_list_or_a_tuple():
    x = rng.standard_normal((2, 3, 4))
    a = tl.layer_norm(x, 4).numpy()
    np.testing.assert_array_equal(a, tl.layer_norm(x, [4]).numpy())
    np.testing.assert_allclose(a, (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5))
    np.testing.assert_allclose(tl.layer_norm(x, (2, 3, 4)).numpy().mean(), 0, atol=1e-12)
    assert tl.layer_norm(np.ones((0, 3)), 3).shape == (0, 3)
