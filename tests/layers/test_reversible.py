import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import normal
from tests.layers.test_gradients import function
from tinygrad_lite.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    Module,
    ReLU,
    ReversibleBlock,
    ReversibleSequence,
    Sequential,
    Tanh,
)
from tinygrad_lite.testing import gradcheck, gradgradcheck


def residual(channels=2, dropout=0.0):
    layers = [BatchNorm2d(channels), ReLU(), Conv2d(channels, channels, 3, padding=1)]
    return Sequential(*layers, *([Dropout(dropout)] if dropout else []))


def row(blocks, make=residual):
    tl.manual_seed(0)
    return ReversibleSequence(*(ReversibleBlock(make(), make()) for _ in range(blocks))).double()


def stored(net, x):
    """The same composition, on a tape that keeps every activation."""
    x1, x2 = tl.chunk(x, 2, net.axis)
    for block in net:
        x1 = x1 + block.f(x2)
        x2 = x2 + block.g(x1)
    return tl.concatenate([x1, x2], net.axis)


def result(net, run, x, dtype="float64"):
    """Output, gradients and buffers of one step with a random upstream gradient."""
    x = tl.tensor(x, dtype=dtype, requires_grad=True)
    net.zero_grad()
    tl.manual_seed(1)
    y = run(x)
    y.backward(np.random.default_rng(2).normal(size=y.shape))
    arrays = [y.detach(), x.grad, *(p.grad for p in net.parameters()), *net.buffers()]
    return [np.array(a, dtype="float64") for a in arrays]


def same(ours, wanted, tolerance):
    for a, b in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-3)])
def test_gradients_and_buffers_are_those_of_stored_activations(training, dtype, tolerance):
    x = normal(4, 4, 5, 5)
    net, twin = row(3).to(dtype).train(training), row(3).to(dtype).train(training)
    same(result(net, net, x, dtype), result(twin, lambda x: stored(twin, x), x, dtype), tolerance)


def test_a_block_alone():
    x, net, twin = normal(4, 4, 5, 5), row(1), row(1)
    same(result(net, net[0], x), result(twin, lambda x: stored(twin, x), x), 1e-10)


def test_dropout_repeats_its_masks():
    x, net, twin = normal(4, 4, 5, 5), row(3, lambda: residual(2, 0.5)), row(3, lambda: residual(2, 0.5))
    same(result(net, net, x), result(twin, lambda x: stored(twin, x), x), 1e-10)


def test_inverse():
    net, x = row(32).float(), tl.tensor(normal(4, 4, 5, 5), dtype="float32")
    before = [np.array(b) for b in net.buffers()]
    with tl.no_grad():
        for training in (True, False):
            y = net.train(training)(x)
            moved = [np.array(b) for b in net.buffers()]
            assert np.abs(np.asarray(net.inverse(y)) - np.asarray(x)).max() < 1e-3
            assert all(np.array_equal(a, b) for a, b in zip(moved, net.buffers())), "inverse moved running statistics"
    assert not all(np.array_equal(a, b) for a, b in zip(before, moved))
    assert np.allclose(net[0].inverse(net[0](x)).detach(), x, atol=1e-5)


SIZES = st.lists(st.sampled_from([2, 4, 6]), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 4), SIZES, st.integers(0, 5), st.booleans())
def test_inverse_and_gradients_for_any_shape_axis_and_depth(blocks, sizes, seed, from_the_end):
    axis = seed % len(sizes) - len(sizes) * from_the_end
    tl.manual_seed(seed)
    width = sizes[-1] // 2 if axis in (-1, len(sizes) - 1) else sizes[-1]
    make = lambda: Sequential(Linear(width, 3), Tanh(), Linear(3, width))  # noqa: E731
    net = ReversibleSequence(*(ReversibleBlock(make(), make(), axis) for _ in range(blocks))).double()
    x = tl.randn(*sizes, dtype="float64", requires_grad=True)
    g = np.random.default_rng(seed).normal(size=sizes)
    assert np.allclose(net.inverse(net(x)).detach(), x.detach(), rtol=0, atol=1e-10)
    assert np.allclose(tl.grad(net(x), x, g), tl.grad(stored(net, x), x, g), rtol=0, atol=1e-10)


def test_what_was_stored_may_be_overwritten():
    """Nothing that backward reads lies in the memory of the input or of an activation on the way."""
    x = normal(4, 4, 5, 5)
    net, twin, seen = row(3), row(3), []
    for block in net:
        for h in (block.f, block.g):
            h.register_forward_pre_hook(lambda module, args: seen.append(args[0]._array))

    def spoilt(x):
        y = net(x)
        for array in [x._array, *seen[:-1]]:  # the last one is half of the output
            array[...] = np.nan
        return y

    same(result(net, spoilt, x), result(twin, lambda x: stored(twin, x), x), 1e-10)
    assert len(seen) == 12, "f and g of each block run twice"


def peak(blocks, reversible):
    """Bytes of the largest moment of a forward and a backward pass, beyond the parameters."""
    net = ReversibleSequence(*(ReversibleBlock(Tanh(), Linear(8, 8)) for _ in range(blocks)))
    x = tl.ones(16_000, 16, requires_grad=True)
    gc.collect()
    gc.disable()  # what is not freed by counting references counts
    tracemalloc.start()
    (net(x) if reversible else stored(net, x)).sum().backward()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.enable()
    return size


def test_memory_is_flat_in_depth():
    peak(4, True), peak(4, False)  # which may compile kernels
    assert peak(32, True) < 1.15 * peak(4, True)
    assert peak(32, False) > 4 * peak(4, False)


def test_a_graph_that_is_dropped_leaves_nothing_behind():
    net, x = row(4, lambda: Linear(8, 8)), tl.ones(1000, 16, dtype="float64", requires_grad=True)
    net(x)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    net(x)
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    gc.enable()
    assert left < x.nbytes / 4


def test_any_order():
    make = lambda: Sequential(Linear(2, 2), Tanh())  # noqa: E731
    net = row(2, make)
    values = [np.asarray(p.detach()) for p in net.parameters()]
    assert gradcheck(function(net), normal(3, 4), *values)
    assert gradgradcheck(function(net), normal(3, 4), *values)
    x, v = tl.tensor(normal(3, 4)), tl.tensor(normal(3, 4)[::-1])
    ours, wanted = (tl.jvp(run, x, v)[1] for run in (net, lambda x: stored(net, x)))
    assert np.allclose(ours.detach(), wanted.detach(), rtol=0, atol=1e-12)


def test_penalty_on_the_gradient():
    """A gradient of a gradient with respect to the parameters, through batch norm in training."""

    def penalties(net, run):
        x = tl.tensor(normal(4, 4, 3, 3), requires_grad=True)
        (slope,) = tl.grad((run(x) ** 2).sum(), [x], create_graph=True)
        (slope**2).sum().backward()
        return [np.asarray(p.grad) for p in net.parameters()]

    net, twin = row(2), row(2)
    same(penalties(net, net), penalties(twin, lambda x: stored(twin, x)), 1e-9)


def test_backward_twice():
    net, x = row(2), tl.tensor(normal(4, 4, 3, 3), requires_grad=True)
    loss = net(x).sum()
    loss.backward(retain_graph=True)
    once = np.array(x.grad)
    loss.backward()
    assert np.allclose(x.grad, 2 * once)
    with pytest.raises(tl.GradientError, match="a second time"):
        loss.backward()


def test_gradient_of_one_parameter_alone():
    net, twin, x = row(3), row(3), tl.tensor(normal(4, 4, 3, 3))
    for block in (0, 1, 2):
        ours = tl.grad((net(x) ** 2).sum(), net[block].f[2].weight)
        wanted = tl.grad((stored(twin, x) ** 2).sum(), twin[block].f[2].weight)
        assert np.allclose(ours, wanted, rtol=1e-9)


def test_frozen_blocks():
    net, twin = row(3), row(3)
    for whole in (net, twin):
        whole[0].requires_grad_(False)
        whole[2].f.requires_grad_(False)
    x = tl.tensor(normal(4, 4, 3, 3))
    net(x).sum().backward()
    stored(twin, x).sum().backward()
    for (name, p), q in zip(net.named_parameters(), twin.parameters()):
        assert (p.grad is None) == (q.grad is None) == (not p.requires_grad), name
        assert p.grad is None or np.allclose(p.grad, q.grad, rtol=0, atol=1e-10)


def test_modes_and_parameters_are_those_of_the_forward_pass():
    """What is set between forward and backward changes no gradient, and stays set."""
    x, net, twin = normal(4, 4, 3, 3), row(2), row(2)
    new = Conv2d(2, 2, 3, padding=1).double()
    first = net[0].f[2]

    def disturbed(x):
        y = net(x)
        net[0].f[2] = new
        net.eval()
        new.train()
        return y

    old = list(net.parameters())
    result(net, disturbed, x)
    ours = [np.asarray(p.grad) for p in old]
    same(ours, result(twin, lambda x: stored(twin, x), x)[2 : 2 + len(ours)], 1e-10)
    assert net[0].f[2] is new and not net[0].f[0].training and first.training


def test_inside_a_checkpoint():
    x, net, twin = normal(4, 4, 3, 3), row(2), row(2)
    same(result(net, lambda x: tl.checkpoint(net, x), x), result(twin, lambda x: stored(twin, x), x), 1e-10)


def test_a_parameter_changed_before_backward_is_noticed():
    net = row(2)
    loss = net(tl.tensor(normal(4, 4, 3, 3))).sum()
    with tl.no_grad():
        net[0].f[2].weight += 1.0
    with pytest.raises(tl.GradientError, match=r"ReversibleBlock: .*changed in place|conv2d: .*changed in place"):
        loss.backward()


def test_backward_hooks_inside_are_called_once():
    net, twin, heard = row(2), row(2), []
    for block in net:
        block.f.register_full_backward_hook(lambda module, ins, outs: heard.append((ins[0], outs[0])))
    x = normal(4, 4, 3, 3)
    same(result(net, net, x), result(twin, lambda x: stored(twin, x), x), 1e-10)
    assert len(heard) == 2 and all(g.shape == (4, 2, 3, 3) for pair in heard for g in pair)


def test_blocks_that_share_their_functions():
    f, g = Sequential(Linear(2, 2), Tanh()).double(), Sequential(Linear(2, 2), Tanh()).double()
    net = ReversibleSequence(*(ReversibleBlock(f, g) for _ in range(3)))
    x = normal(5, 4)
    same(result(net, net, x), result(net, lambda x: stored(net, x), x), 1e-10)


def test_containers():
    net = row(3)
    assert isinstance(net[1:], ReversibleSequence) and len(net[1:]) == 2
    assert list(net.state_dict())[:2] == ["0.f.0.weight", "0.f.0.bias"]
    x = tl.ones(2, 3)
    assert ReversibleSequence()(x) is x and ReversibleSequence().inverse(x) is x


def test_errors():
    with pytest.raises(TypeError, match="f and g must be modules, got primitive|got Primitive"):
        ReversibleBlock(tl.tanh, Tanh())
    with pytest.raises(TypeError, match="needs blocks of type ReversibleBlock, got Linear"):
        ReversibleSequence(Linear(2, 2))
    block = ReversibleBlock(Linear(2, 2), Linear(2, 1))
    with pytest.raises(ValueError, match=r"needs an even number of channels \(axis 1\), got shape \(2, 3\)"):
        block(tl.ones(2, 3))
    with pytest.raises(ValueError, match=r"must keep the shape .* \(2, 2\) came out as \(2, 1\)"):
        block(tl.ones(2, 4))
    with pytest.raises(ValueError, match=r"needs the same axis|all blocks need the same axis, got \[0, 1\]"):
        ReversibleSequence(block, ReversibleBlock(Tanh(), Tanh(), axis=0))(tl.ones(2, 4))


def test_a_function_that_differs_when_run_again():
    class Fickle(Module):
        calls = 0

        def forward(self, x):
            Fickle.calls += 1
            return tl.exp(tl.exp(x)) if Fickle.calls > 1 else tl.exp(x)

    net = ReversibleSequence(ReversibleBlock(Fickle(), Tanh()))
    y = net(tl.ones(2, 2, requires_grad=True)).sum()
    with pytest.raises(tl.GradientError, match="ReversibleBlock: the function recorded 1 operations at first and 2"):
        y.backward()
