"""What the walk of the registry doesn't see: shapes, dtypes, threads, and what is kept for the way back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_lite as tl

rng = np.random.default_rng(0)


def weights(gates, inputs, hidden, dtype=np.float64):
    shapes = (gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)
    return [tl.tensor((0.3 * rng.standard_normal(s)).astype(dtype), requires_grad=True) for s in shapes]


@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_a_sequence_padded_is_a_shorter_sequence(gates):
    x, ws = rng.standard_normal((6, 3, 2)), weights(gates, 2, 4)
    op, states = (tl.lstm, (None, None)) if gates == 4 else (tl.gru, (None,))
    for reverse in (False, True):
        out, *last = op(tl.tensor(x), *states, *ws, lengths=[6, 2, 0], reverse=reverse)
        short, *end = op(tl.tensor(x[:2]), *states, *ws, reverse=reverse)
        np.testing.assert_allclose(out.detach()[:2, 1], short.detach()[:, 1], atol=1e-12)
        assert not out.detach().numpy()[2:, 1].any()
        assert not out.detach().numpy()[:, 2].any()
        for a, b in zip(last, end):
            np.testing.assert_allclose(a.detach()[1], b.detach()[1], atol=1e-12)
            assert not a.detach().numpy()[2].any()


@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_in_reverse_it_is_the_sequence_turned_round_gradients_included(gates):
    x, ws = rng.standard_normal((5, 3, 2)), weights(gates, 2, 4)
    op, states = (tl.lstm, (None, None)) if gates == 4 else (tl.gru, (None,))
    g = rng.standard_normal((5, 3, 4))
    found = []
    for turn in (1, -1):
        leaf = tl.tensor(x[::turn], requires_grad=True)
        out = op(leaf, *states, *ws, reverse=turn == 1)[0]
        gradients = tl.grad(out, [leaf, *ws], g[::turn])
        found.append([out.detach().numpy()[::turn], gradients[0].numpy()[::turn], *(t.numpy() for t in gradients[1:])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gates", [4, 3], ids=["lstm", "gru"])
def test_two_directions_are_two_calls_side_by_side_gradients_included(gates, reverse):
    op, kept, lengths = (tl.lstm, 2, [5, 3, 0]) if gates == 4 else (tl.gru, 1, None)
    x, *states = (tl.tensor(rng.standard_normal(s), requires_grad=True) for s in ((5, 3, 2), *[(2, 3, 4)] * kept))
    one, other = weights(gates, 2, 4), weights(gates, 2, 4)
    both = op(x, *states, *one, lengths, reverse, other)
    calls = [op(x, *(s[k] for s in states), *ws, lengths, reverse != bool(k)) for k, ws in enumerate((one, other))]
    out, *ends = zip(*calls)
    wanted = [tl.concatenate(out, axis=-1), *(tl.stack(end) for end in ends)]
    gs, leaves = [rng.standard_normal(t.shape) for t in wanted], [x, *states, *one, *other]
    for got, want, g in zip(both, wanted, gs):
        np.testing.assert_allclose(got.detach(), want.detach(), atol=1e-12)
        for a, b in zip(*(tl.grad(t, leaves, g, retain_graph=True, allow_unused=True) for t in (got, want))):
            np.testing.assert_allclose(0 if a is None else a.numpy(), 0 if b is None else b.numpy(), atol=1e-12)


def test_states_of_one_direction_may_have_its_axis():
    x, ws, h = rng.standard_normal((4, 3, 2)), weights(4, 2, 5), rng.standard_normal((3, 5))
    plain, more = tl.lstm(x, h, -h, *ws), tl.lstm(x, h[None], -h[None], *ws)
    assert more.h.shape == more.c.shape == (1, 3, 5)
    for a, b in zip(plain, more):
        np.testing.assert_array_equal(a.detach(), b.detach().numpy().reshape(a.shape))


def test_the_first_gradient_is_the_same_with_and_without_a_graph():
    """The kernel makes the one, the twins the other."""
    x = tl.tensor(rng.standard_normal((5, 3, 2)), requires_grad=True)
    for op, states, ws in ((tl.lstm, (None, None), weights(4, 2, 3)), (tl.gru, (None,), weights(3, 2, 3))):
        out = op(x, *states, *ws, lengths=[5, 3, 1], reverse=True).out
        fast = tl.grad(out, [x, *ws], np.ones(out.shape), retain_graph=True)
        slow = tl.grad(out, [x, *ws], np.ones(out.shape), create_graph=True)
        for a, b in zip(fast, slow):
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_keeps_its_dtype(dtype):
    x = tl.tensor(rng.standard_normal((3, 2, 2)).astype(dtype), requires_grad=True)
    ws = weights(4, 2, 3, dtype)
    out, h, c = tl.lstm(x, None, None, *ws)
    (out.sum() + h.sum() + c.sum()).backward()
    assert {t.dtype for t in (out, h, c, x.grad, *(w.grad for w in ws))} == {np.dtype(dtype)}


def test_two_threads_train_at_once_and_any_number_gives_the_same():
    x, ws = tl.tensor(rng.standard_normal((20, 24, 16)).astype(np.float32)), weights(4, 16, 64, np.float32)
    g, before = np.ones((20, 24, 64), np.float32), tl.get_num_threads()

    def step():
        return [a.numpy() for a in tl.grad(tl.lstm(x, None, None, *ws).out, ws, g)]

    tl.set_num_threads(1)
    want, got = step(), []
    tl.set_num_threads(3)
    threads = [threading.Thread(target=lambda: got.extend(step() for _ in range(5))) for _ in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    tl.set_num_threads(before)
    assert len(got) == 10
    for gradients in got:
        for a, b in zip(gradients, want):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": np.ones((2, 3))}, r"needs \(T, N, I\)"),
        ({"x": np.ones((0, 3, 2))}, "T at least 1"),
        ({"h0": np.ones((3, 5))}, r"h0 has shape \(3, 5\), but must be \(3, 4\)"),
        ({"c0": np.ones(4)}, r"c0 has shape \(4,\), but must be \(3, 4\)"),
        ({"weight_ih": np.ones((12, 2))}, r"weight_ih has shape \(12, 2\), but must be \(16, 2\)"),
        ({"weight_hh": np.ones((12, 4))}, r"weight_hh has shape \(12, 4\), but must be \(16, 4\)"),
        ({"bias_hh": np.ones(4)}, r"bias_hh has shape \(4,\), but must be \(16,\)"),
        ({"lengths": [1, 2]}, "lengths must be 3 whole numbers from 0 to 5"),
        ({"lengths": [1.0, 2.0, 3.0]}, "whole numbers"),
        ({"lengths": [1, 2, 6]}, "from 0 to 5"),
        ({"reverse_weights": [np.ones((16, 2))]}, "reverse_weights must be weight_ih, weight_hh, bias_ih, bias_hh"),
        ({"reverse_weights": [np.ones((16, 2)), np.ones((4, 4)), None, None]}, "weight_hh in reverse_weights has"),
        ({"reverse_weights": [None] * 4}, r"weight_ih in reverse_weights has shape \(\), but must be \(16, 2\)"),
        ({"h0": np.ones((3, 4)), "reverse_weights": [None] * 4}, r"h0 has shape \(3, 4\), but must be \(2, 3, 4\)"),
    ],
)
def test_wrong_shapes_are_named(change, message):
    given = {"x": np.ones((5, 3, 2)), "h0": None, "c0": None, "weight_ih": np.ones((16, 2))}
    given |= {"weight_hh": np.ones((16, 4)), "bias_hh": np.ones(16)} | change
    with pytest.raises(ValueError, match=message):
        tl.lstm(**given)


def test_a_gradient_through_a_gradient_of_an_lstm():
    """A penalty on the gradient of the input, which PyTorch refuses, against differences."""
    x0, ws = rng.standard_normal((4, 2, 3)), weights(4, 3, 3)

    def penalty(w):
        x = tl.tensor(x0, requires_grad=True)
        (g,) = tl.grad(tl.lstm(x, None, None, ws[0], w, *ws[2:]).out.sum(), [x], create_graph=True)
        return (g * g).sum()

    penalty(ws[1]).backward()
    v, step = rng.standard_normal(ws[1].shape), 1e-6
    up, down = (penalty(ws[1].detach() + sign * step * v).item() for sign in (1, -1))
    np.testing.assert_allclose((ws[1].grad.numpy() * v).sum(), (up - down) / (2 * step), rtol=1e-6)
