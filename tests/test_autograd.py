"""The tape: what is recorded, how gradients flow, and what is refused."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import tinygrad_lite as tl


def leaf(*values: float) -> tl.Tensor:
    return tl.tensor(list(values), requires_grad=True, dtype=np.float64)


def test_gradients_of_a_value_used_twice_add_up():
    x = leaf(1.0, 2.0)
    a = x * 3
    (a * a + a).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 18 * x.detach().numpy() + 3)


def test_order_matters_in_a_graph_where_paths_have_different_lengths():
    x = leaf(2.0)
    a = x * x
    b = a + a
    c = b * a  # a is used by b and by c: its gradient must be complete before it is passed on
    c.sum().backward()
    assert x.grad.item() == pytest.approx(8 * 2.0**3)


def test_a_second_backward_adds_to_grad_and_zero_grad_is_the_users():
    x = leaf(1.0)
    for _ in range(2):
        (x * 5).sum().backward()
    assert x.grad.item() == 10


def test_leaves_that_share_an_upstream_gradient_do_not_share_memory():
    x, y = leaf(1.0), leaf(2.0)
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())


def test_the_upstream_gradient_of_the_user_is_not_kept():
    x = leaf(1.0, 2.0)
    upstream = np.ones(2)
    (x + 0.0).backward(upstream)
    upstream[0] = 100
    assert x.grad.tolist() == [1, 1]


def test_gradients_take_the_shape_and_dtype_of_the_operand():
    x = tl.tensor([[1.0], [2.0]], requires_grad=True)
    y = tl.tensor(np.ones((4, 1, 3)), requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.shape, x.grad.dtype) == ((2, 1), np.float32)
    assert (y.grad.shape, y.grad.dtype) == ((4, 1, 3), np.float64)


def test_no_gradient_is_computed_for_an_operand_that_needs_none():
    called = []

    @tl.primitive(public=False)
    def watched(x: tl.Array, y: tl.Array) -> tl.Tensor:
        return x * y

    @watched.gradient
    def watched_x(g, y):
        called.append("x")
        return g * y

    @watched.gradient
    def watched_y(g, x):
        called.append("y")
        return g * x

    watched(leaf(2.0), tl.tensor([3.0])).sum().backward()
    assert called == ["x"]
    x, y = leaf(2.0), leaf(3.0)
    called.clear()
    tl.grad(watched(x, y).sum(), y)
    assert called == ["y"]


def test_a_node_saves_only_what_its_rules_read():
    x, y = leaf(1.0, 2.0), tl.tensor([3.0, 4.0])
    assert all(value is None for value in tl.add(x, y).grad_fn.saved)
    assert [value is not None for value in tl.multiply(x, y).grad_fn.saved] == [False, True, False]
    assert [value is not None for value in tl.tanh(x).grad_fn.saved] == [False, True]


def test_backward_frees_saved_values_and_a_second_one_is_refused():
    x = leaf(2.0)
    y = x * x
    loss = (y * y).sum()
    loss.backward()
    assert y.grad_fn.saved is None
    with pytest.raises(tl.GradientError, match="multiply: backward through this graph a second time.*retain_graph"):
        loss.backward()


def test_retain_graph_allows_a_second_backward():
    x = leaf(2.0)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.item() == 8


def test_a_second_backward_through_operations_that_save_nothing_is_right():
    x = leaf(2.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    assert x.grad.item() == 4


def test_interior_tensors_keep_no_gradient_unless_asked():
    x = leaf(2.0)
    y, z = x * 2, x * 3
    z.retain_grad()
    (y * z).sum().backward()
    assert y.grad is None
    assert z.grad.item() == 4


def test_a_chain_of_200000_operations_is_walked_and_each_rule_called_once():
    calls = 0

    @tl.primitive(public=False)
    def same(x: tl.Array) -> tl.Tensor:
        return x + 0.0

    @same.gradient
    def same_x(g):
        nonlocal calls
        calls += 1
        return g

    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = same(y)
    y.sum().backward()
    assert (x.grad.item(), calls) == (1, 200_000)


def test_a_graph_of_10000_diamonds_is_walked_once():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = (y + y) * 0.5
    y.sum().backward()
    assert x.grad.item() == 1


def test_a_training_loop_leaves_nothing_for_the_garbage_collector():
    w = tl.tensor(np.ones((64, 64)), requires_grad=True)
    x = tl.tensor(np.ones((64, 64)))

    def step() -> None:
        y = tl.tanh(x * w).sum() + (w * w).mean()
        y.backward()
        with tl.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None

    step()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 64 * 64 * 8, f"{grown} bytes more after 20 steps"


def test_hooks_see_and_replace_the_gradient_of_leaves_and_of_results():
    x = leaf(1.0)
    y = x * 2
    seen = []
    x.register_hook(lambda g: seen.append(("x", g.item())))
    remove = y.register_hook(lambda g: g * 10)
    (y * 3).sum().backward(retain_graph=True)
    assert seen == [("x", 60)]
    remove()
    x.grad = None
    (y * 3).sum().backward()
    assert x.grad.item() == 6


def test_grad_returns_gradients_and_touches_no_grad():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = tl.grad((x * y).sum(), [x, y])
    assert (gx.item(), gy.item()) == (3, 2)
    assert x.grad is None and y.grad is None


def test_grad_with_respect_to_a_result_in_the_middle():
    x = leaf(2.0)
    y = x * x
    z = (y * y).sum()
    gx, gy = tl.grad(z, [x, y])
    assert (gx.item(), gy.item()) == (32, 8)


def test_grad_names_the_input_that_was_not_used():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(tl.GradientError, match="input 1 was not used.*allow_unused"):
        tl.grad((x * 2).sum(), [x, y])
    assert tl.grad((x * 2).sum(), [x, y], allow_unused=True)[1] is None


def test_fifth_derivative_of_a_power():
    x = leaf(2.0)
    y = x**6
    for _ in range(5):
        y = tl.grad(y.sum(), x, create_graph=True)
    assert y.item() == pytest.approx(720 * 2.0)


def test_grad_of_backward_with_create_graph_can_be_differentiated():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    first.sum().backward()
    assert x.grad.item() == pytest.approx(18)


@pytest.mark.parametrize("switch", [tl.no_grad, lambda: tl.set_grad_enabled(False)])
def test_nothing_is_recorded_without_grad(switch):
    x = leaf(1.0)
    with switch():
        assert not tl.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tl.enable_grad():
            assert (x * 2).requires_grad
    assert tl.is_grad_enabled()


def test_no_grad_decorates_a_function():
    @tl.no_grad()
    def double(x):
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    assert (leaf(1.0) * 2).requires_grad


def test_the_mode_comes_back_after_an_error():
    with pytest.raises(ZeroDivisionError), tl.no_grad():
        1 / 0  # noqa: B018
    assert tl.is_grad_enabled()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: leaf(1.0, 2.0).backward(), "single number.*shape \\(2,\\).*sum"),
        (lambda: tl.tensor([1.0]).backward(), "does not require grad"),
        (lambda: (leaf(1.0) * 2).backward(np.ones(3)), "upstream gradient has shape \\(3,\\), the output \\(1,\\)"),
        (lambda: tl.grad(leaf(1.0).sum(), tl.tensor([1.0])), "input 0 does not require grad"),
        (lambda: leaf(1.0).detach().register_hook(print), "does not require grad"),
    ],
)
def test_a_wrong_call_says_what_to_do(act, words):
    with pytest.raises(tl.GradientError, match=words):
        act()


# ------------------------------------------------------------------- no silent wrong gradient


def test_changing_an_array_given_to_from_numpy_does_not_change_the_gradient():
    a = np.array([1.0, 2.0])
    w = leaf(3.0, 4.0)
    y = (tl.from_numpy(a) * w).sum()
    a[0] = 100
    y.backward()
    assert w.grad.tolist() == [1, 2]


def test_changing_a_bare_array_operand_does_not_change_the_gradient():
    a = np.array([1.0, 2.0])
    w = leaf(3.0, 4.0)
    y = (a * w).sum()
    a[0] = 100
    y.backward()
    assert w.grad.tolist() == [1, 2]


def test_a_view_of_a_shared_array_is_as_safe():
    a = np.array([[1.0, 2.0]])
    w = leaf(3.0, 4.0)
    y = (tl.from_numpy(a).reshape(2) * w).sum() + (tl.reshape(a, (2,)) * w).sum()
    a[0, 0] = 100
    y.backward()
    assert w.grad.tolist() == [2, 4]


def test_tensors_copy_the_array_they_are_made_of():
    a = np.array([1.0, 2.0])
    t = tl.tensor(a)
    a[0] = 5
    assert t.tolist() == [1, 2]


def test_arrays_handed_out_are_read_only():
    t = tl.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(t)[0] = 5


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.mul_(2),
        lambda x: x.__setitem__(0, 5.0),
        lambda x: x.detach().zero_(),
        lambda x: x.reshape(1, 2)[0].add_(1),
        lambda x: x.data.fill_(3),
    ],
)
def test_changing_a_saved_tensor_in_place_is_noticed_by_backward(change):
    x, w = tl.tensor([1.0, 2.0]), tl.tensor([3.0, 4.0], requires_grad=True)
    y = (x * w).sum()
    change(x)
    with pytest.raises(tl.GradientError, match="multiply: .*changed in place after the forward"):
        y.backward()


def test_changing_a_saved_result_in_place_is_noticed_by_backward():
    x = leaf(1.0, 2.0)
    y = tl.exp(x)
    y.detach().mul_(0)
    with pytest.raises(tl.GradientError, match="exp: .*changed in place"):
        y.sum().backward()


def test_changing_one_of_several_results_in_place_is_noticed_by_backward():
    values, indices = tl.sort(leaf(2.0, 1.0))
    indices.copy_(tl.tensor([0, 1]))
    with pytest.raises(tl.GradientError, match="sort: .*changed in place"):
        values.sum().backward()


def test_an_integer_result_has_no_gradient():
    assert not tl.sum(leaf(1.0, 2.0), dtype=np.int64).requires_grad


def test_a_step_between_two_backwards_is_noticed():
    w = leaf(1.0)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    with tl.no_grad():
        w -= w.grad
    with pytest.raises(tl.GradientError, match="changed in place"):
        loss.backward()


def test_a_step_between_a_gradient_and_its_derivative_is_noticed():
    w = leaf(1.0)
    g = tl.grad((w * w * w).sum(), w, create_graph=True)
    with tl.no_grad():
        w -= 0.5
    with pytest.raises(tl.GradientError, match="changed in place"):
        g.sum().backward()


def test_an_update_under_no_grad_changes_the_leaf_itself():
    w = leaf(1.0)
    alias = w
    (w * 2).sum().backward()
    with tl.no_grad():
        w -= 0.5 * w.grad
    assert alias is w and w.requires_grad and w.is_leaf
    assert w.item() == 0


def test_an_in_place_change_of_a_leaf_is_refused_while_recording():
    w = leaf(1.0)
    with pytest.raises(tl.GradientError, match="no_grad"):
        w += 1
    with pytest.raises(tl.GradientError, match=r"y\[i\] = value"):
        w[0] = 1


def test_in_place_forms_stay_in_the_graph():
    x = leaf(1.0, 2.0)
    y = x * 1
    y *= x
    y[0] = x[1] * 10
    y.sum().backward()
    assert x.grad.tolist() == [0, 14]


def test_an_in_place_form_on_a_view_in_the_graph_shows_the_rewrite():
    x = leaf(1.0, 2.0) * 1
    with pytest.raises(tl.GradientError, match=r"x\[i\] = "):
        x[:1] += 1
    part = x[:1]
    with pytest.raises(tl.GradientError, match="Index the whole in one step"):
        part[0] = 3


def test_indexed_assignment_is_differentiable_in_both():
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * x
    y[1:2] = v * v
    (y * y).sum().backward()
    assert x.grad.tolist() == [4, 0, 108]
    assert v.grad.item() == pytest.approx(4 * 5.0**3)


# ----------------------------------------------------------------------------- naming the fault


def test_detect_anomaly_names_the_line_that_made_the_first_nan():
    x = leaf(-1.0)
    with tl.detect_anomaly(), pytest.raises(tl.AnomalyError, match=r"log made the first .*test_autograd.py:\d+"):
        tl.log(x)


def test_detect_anomaly_names_the_line_whose_gradient_is_not_finite():
    x = leaf(0.0)
    with tl.detect_anomaly():
        y = tl.sqrt(x).sum()
        with pytest.raises(tl.AnomalyError, match=r"gradient of sqrt .*made at test_autograd.py:\d+"):
            y.backward()


def _faulty() -> tl.Tensor:
    @tl.primitive(public=False)
    def faulty(x: tl.Array) -> tl.Tensor:
        return x * 2

    @faulty.gradient
    def faulty_x(g, x):
        raise ValueError("no such thing")

    return faulty(leaf(1.0, 2.0)).sum()


def test_an_error_in_a_rule_names_the_operation_and_the_shape():
    with pytest.raises(tl.GradientError, match=r"faulty: its gradient rule failed.*\(2,\).*no such thing"):
        _faulty().backward()


def test_record_lines_adds_the_line_that_made_the_node():
    with tl.record_lines():
        loss = _faulty()
    with pytest.raises(tl.GradientError, match=r"made at test_autograd.py:\d+, in _faulty"):
        loss.backward()


def test_a_rule_of_the_wrong_shape_is_refused():
    @tl.primitive(public=False)
    def skewed(x: tl.Array) -> tl.Tensor:
        return x * 2

    @skewed.gradient
    def skewed_x(g):
        return g[:1]

    with pytest.raises(tl.GradientError, match=r"skewed: a gradient rule gave shape \(1,\) .* shape \(2,\)"):
        skewed(leaf(1.0, 2.0)).sum().backward()
