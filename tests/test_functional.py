"""vjp, jvp, hvp, Jacobian, Hessian and checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


def t(*values: float) -> tl.Tensor:
    return tl.tensor(list(values), dtype=np.float64)


def f(x: tl.Tensor) -> tl.Tensor:
    return tl.sin(x) * x * x


def slope(x: np.ndarray) -> np.ndarray:
    return np.cos(x) * x * x + 2 * np.sin(x) * x


def curvature(x: np.ndarray) -> np.ndarray:
    return -np.sin(x) * x * x + 4 * np.cos(x) * x + 2 * np.sin(x)


X = np.array([0.5, -1.2, 2.0])


def test_vjp_and_jvp_agree_with_the_slope():
    v = np.array([1.0, 2.0, -1.0])
    y, g = tl.vjp(f, t(*X), t(*v))
    np.testing.assert_allclose(g.numpy(), v * slope(X))
    y, dy = tl.jvp(f, t(*X), t(*v))
    np.testing.assert_allclose(dy.numpy(), v * slope(X))
    np.testing.assert_allclose(y.numpy(), np.sin(X) * X * X)


def test_several_inputs_and_outputs():
    def g(a, b):
        return a * b, a + b

    (y, z), (ga, gb) = tl.vjp(g, (t(2.0), t(3.0)), (t(1.0), t(10.0)))
    assert (y.item(), z.item(), ga.item(), gb.item()) == (6, 5, 13, 12)
    (_, _), (dy, dz) = tl.jvp(g, (t(2.0), t(3.0)), (t(1.0), t(0.0)))
    assert (dy.item(), dz.item()) == (3, 1)


def test_hvp_equals_the_hessian_times_the_vector():
    v = np.array([1.0, -1.0, 0.5])

    def g(x):
        return (f(x) * x[0]).sum()

    value, product = tl.hvp(g, t(*X), t(*v))
    hessian = tl.hessian(g, t(*X))
    np.testing.assert_allclose(product.numpy(), hessian.numpy() @ v)
    np.testing.assert_allclose(hessian.numpy(), hessian.numpy().T)
    assert value.item() == pytest.approx(float((np.sin(X) * X * X * X[0]).sum()))


def test_jacobian_has_output_shape_then_input_shape():
    x = tl.tensor(np.arange(6.0).reshape(2, 3))
    found = tl.jacobian(lambda x: x.sum(axis=0) * 2, x)
    assert found.shape == (3, 2, 3)
    np.testing.assert_array_equal(found.numpy(), 2 * np.broadcast_to(np.eye(3)[:, None, :], (3, 2, 3)))


def test_jacobian_and_hessian_of_several_inputs():
    (ha, hb), (hc, hd) = tl.hessian(lambda a, b: (a * a * b).sum(), (t(2.0), t(3.0)))
    assert [h.item() for h in (ha, hb, hc, hd)] == [6, 4, 4, 0]
    assert tl.jacobian(lambda a: (a, a * a), t(3.0))[1].item() == 6


def test_derivatives_nest_in_any_order():
    x, one = t(*X), t(1.0, 1.0, 1.0)

    def forward(x):
        return tl.jvp(f, x, one)[1]

    def reverse(x):
        return tl.vjp(f, x, one)[1]

    for outer in (lambda g: tl.jvp(g, x, one)[1], lambda g: tl.vjp(g, x, one)[1]):
        for inner in (forward, reverse):
            np.testing.assert_allclose(outer(inner).numpy(), curvature(X))


def test_the_result_stays_in_an_outer_graph_through_an_input_and_through_a_closure():
    x = tl.tensor(X, requires_grad=True)
    tl.vjp(f, x, np.ones(3))[1].sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), curvature(X))
    w = tl.tensor(2.0, requires_grad=True)
    tl.jvp(lambda y: y * y * w, t(3.0), t(1.0))[1].sum().backward()
    assert w.grad.item() == 6


def test_nothing_is_recorded_where_nobody_can_differentiate_further():
    assert not tl.vjp(f, t(*X), np.ones(3))[1].requires_grad
    assert not tl.hvp(lambda x: f(x).sum(), t(*X), np.ones(3))[1].requires_grad


def test_an_output_that_does_not_depend_on_the_input_has_zero_derivatives():
    _y, dy = tl.jvp(lambda x: tl.tensor([1.0, 2.0]), t(1.0), t(1.0))
    assert dy.tolist() == [0, 0]
    assert tl.jacobian(lambda x: tl.tensor([1.0, 2.0]), t(1.0)).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: tl.jvp(f, t(1.0), t(1.0, 2.0)), ValueError, r"\(2,\).*\(1,\)"),
        (lambda: tl.vjp(f, t(1.0, 2.0)), ValueError, "need cotangents"),
        (lambda: tl.jacobian(f, tl.tensor([1])), TypeError, "int64"),
        (lambda: tl.vjp(lambda x: 3.0, t(1.0)), TypeError, "returned float"),
        (lambda: tl.hessian(f, t(1.0, 2.0)), ValueError, "single number"),
    ],
)
def test_a_wrong_call_says_so(act, error, words):
    with pytest.raises(error, match=words):
        act()


# ------------------------------------------------------------------------------------ checkpoint


def deep(x: tl.Tensor) -> tl.Tensor:
    return tl.exp(tl.sin(x) * x)


def test_checkpoint_gives_the_same_gradients_to_second_order():
    def gradients(function):
        x = tl.tensor(X, requires_grad=True)
        first = tl.grad(function(x).sum(), x, create_graph=True)
        return first.detach().numpy(), tl.grad(first.sum(), x).numpy()

    for a, b in zip(gradients(deep), gradients(lambda x: tl.checkpoint(deep, x))):
        np.testing.assert_allclose(a, b)


def test_checkpoint_keeps_no_saved_values_and_runs_again_once():
    runs = []

    def counted(x):
        runs.append(1)
        return deep(x)

    x = tl.tensor(X, requires_grad=True)
    y = tl.checkpoint(counted, x)
    node = y.grad_fn
    assert not isinstance(node.saved, list)
    y.sum().backward()
    assert len(runs) == 2


def test_checkpoint_reaches_tensors_that_the_function_reads_from_elsewhere():
    w = tl.tensor(X, requires_grad=True)
    tl.checkpoint(lambda x: tl.exp(x * w), t(*X)).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), X * np.exp(X * X))


def test_checkpoint_replays_random_numbers():
    x = tl.ones(100, requires_grad=True)
    y = tl.checkpoint(lambda x: tl.exp(x * tl.rand(100)), x)
    rates = tl.log(y.detach()).numpy()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), rates * np.exp(rates), rtol=1e-4, atol=1e-6)


def test_checkpoint_notices_that_an_input_was_changed():
    x, w = t(*X), tl.tensor(X, requires_grad=True)
    y = tl.checkpoint(lambda x: tl.exp(x + w), x)
    x.zero_()
    with pytest.raises(tl.GradientError, match="checkpoint: .*changed in place"):
        y.sum().backward()


def test_checkpoint_updates_running_statistics_once():
    mean, var = tl.zeros(3), tl.ones(3)
    x = tl.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    tl.checkpoint(lambda x: tl.batch_norm(x, mean, var, training=True, momentum=0.5), x).sum().backward()
    np.testing.assert_allclose(mean.numpy(), [2.25, 2.75, 3.25])


def test_checkpoints_nest():
    x = tl.tensor(X, requires_grad=True)
    tl.checkpoint(lambda x: tl.sin(tl.checkpoint(deep, x)), x).sum().backward()
    y = tl.tensor(X, requires_grad=True)
    tl.sin(deep(y)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy())
