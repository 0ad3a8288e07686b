"""Clipping gradients: PyTorch's numbers, what is left alone, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.optim import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

from .parity import needs_torch, torch

ORDERS = [2.0, 1.0, 3.0, 0.5, math.inf]


def parameters(seed=0, scale=1.0, dtype="float64", library=tl):
    """Tensors with gradients, and one without."""
    rng = np.random.default_rng(seed)
    out = []
    for shape in [(3, 4), (), (5,), (0, 2)]:
        p = library.tensor(np.zeros(shape, dtype), requires_grad=True)
        p.grad = library.tensor(np.asarray(scale * rng.normal(size=shape), dtype))
        out.append(p)
    return [*out, library.zeros(2, requires_grad=True)]


@needs_torch
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 99),
    st.floats(1e-3, 1e3),
    st.floats(0.01, 10),
    st.sampled_from(ORDERS),
    st.sampled_from(["float32", "float64"]),
)
def test_norms_and_gradients_are_pytorchs(seed, scale, most, order, dtype):
    ours, theirs = parameters(seed, scale, dtype), parameters(seed, scale, dtype, torch)
    if order == math.inf:  # PyTorch has no largest element of nothing
        ours, theirs = ours[:3], theirs[:3]
    a = clip_grad_norm_(ours, most, order)
    b = torch.nn.utils.clip_grad_norm_(theirs, most, order)
    rough = 1e-5 if dtype == "float32" else 1e-12
    assert a.shape == () and a.dtype == dtype
    np.testing.assert_allclose(a.item(), b.item(), rtol=rough)
    clip_grad_value_(ours, most / 4)
    torch.nn.utils.clip_grad_value_(theirs, most / 4)
    for p, q in zip(ours, theirs):
        assert (p.grad is None) == (q.grad is None)
        if q.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=rough)
            assert p.grad.dtype == dtype


@pytest.mark.parametrize("order", ORDERS)
def test_the_norm_is_that_of_one_long_vector(order):
    grads = [p.grad for p in parameters() if p.grad is not None and p.size]
    whole = np.concatenate([g.numpy().ravel() for g in grads])
    np.testing.assert_allclose(get_total_norm(grads, order).item(), np.linalg.norm(whole, order), rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_a_clipped_norm_is_the_most_there_may_be(order):
    tensors = parameters(scale=100)[:3]
    before = clip_grad_norm_(tensors, 2.0, order).item()
    after = get_total_norm([p.grad for p in tensors], order).item()
    assert before > 2 and math.isclose(after, 2, rel_tol=1e-5)
    assert clip_grad_norm_(tensors, 3.0, order).item() == after


def test_small_gradients_stay_bit_for_bit():
    tensors = parameters()[:3]
    before = [np.array(p.grad) for p in tensors]
    clip_grad_norm_(tensors, 1e9)
    clip_grad_value_(tensors, 1e9)
    assert all(np.array_equal(a, p.grad.numpy()) for a, p in zip(before, tensors))


def test_one_tensor_none_and_an_iterator():
    p = parameters()[0]
    assert clip_grad_norm_(p, 1.0).item() > 0
    assert clip_grad_norm_([tl.zeros(2)], 1.0).item() == 0 and get_total_norm([]).item() == 0
    assert get_total_norm([tl.zeros(0, 2), tl.ones(1)], math.inf).item() == 1
    clip_grad_value_(p, 0.01)
    assert (abs(p.grad) <= 0.01).all()
    tensors = parameters()[:3]
    clip_grad_norm_(iter(tensors), 0.5)
    assert math.isclose(get_total_norm([q.grad for q in tensors]).item(), 0.5, rel_tol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite(bad):
    p = tl.zeros(2, requires_grad=True)
    p.grad = tl.tensor([1.0, bad])
    with pytest.raises(RuntimeError, match=f"the norm of order 2.0 is {bad}"):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad[0] == 1
    with np.errstate(invalid="ignore"):
        clip_grad_norm_([p], 1.0)
    assert np.isnan(p.grad.numpy()[1])


def test_a_gradient_that_a_graph_needs_can_not_be_clipped_unseen():
    """Clipping is an in-place write, and a second backward through what it changed is refused."""
    w = tl.tensor([3.0, 4.0], requires_grad=True)
    (w * w * w).sum().backward(create_graph=True)
    penalty = (w.grad * w.grad).sum()
    clip_grad_norm_([w], 1.0)
    with pytest.raises(tl.GradientError, match="changed in place"):
        penalty.backward()


def test_a_norm_that_is_known():
    p = tl.zeros(2, requires_grad=True)
    p.grad = tl.tensor([3.0, 4.0])
    clip_grads_with_norm_([p], 1.0, 10.0)
    np.testing.assert_allclose(p.grad.numpy(), [0.3, 0.4], rtol=1e-6)
