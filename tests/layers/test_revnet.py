import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite.layers import ResNet, ReversibleSequence, RevNet, revnet38, revnet110


@pytest.mark.parametrize("make, depth, millions", [(revnet38, 38, 0.46), (revnet110, 110, 1.73)])
def test_sizes_of_the_paper(make, depth, millions):
    net = make()
    assert sum(p.ndim > 1 for p in net.parameters()) == depth
    assert round(sum(p.size for p in net.parameters()) / 1e6, 2) == millions


def test_half_as_many_blocks_of_twice_the_channels_have_the_parameters_of_a_resnet():
    sizes = [sum(p.size for p in net.parameters()) for net in (ResNet(4, (8, 16, 32)), RevNet(2, (16, 32, 64)))]
    assert abs(sizes[1] / sizes[0] - 1) < 0.1


def stored(sequence, x):
    """A reversible sequence on a tape that keeps every activation."""
    x1, x2 = tl.chunk(x, 2, 1)
    for block in sequence:
        x1 = x1 + block.f(x2)
        x2 = x2 + block.g(x1)
    return tl.concatenate([x1, x2], 1)


def test_gradients_and_buffers_are_those_of_stored_activations(monkeypatch):
    def step():
        tl.manual_seed(0)
        net = RevNet((2, 3), (4, 6), 1, 3).double()
        x = tl.tensor(normal(4, 1, 6, 6), requires_grad=True)
        net(x).backward(normal(4, 3))
        return [np.asarray(a) for a in (x.grad, *(p.grad for p in net.parameters()), *net.buffers())]

    rebuilt = step()
    monkeypatch.setattr(ReversibleSequence, "forward", stored)
    for a, b in zip(rebuilt, step(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1.0, np.abs(b).max()))


def test_learns():
    tl.manual_seed(0)
    net = RevNet(2, (4, 8), 1, 2)
    x, y = tl.randn(16, 1, 8, 8), tl.tensor(np.arange(16) % 2)
    optimizer = tl.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = tl.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < 0.5 < losses[0]


def test_errors():
    with pytest.raises(ValueError, match=r"an even width and one block or more, got \[2, 2\] and \[4, 7\]"):
        RevNet(2, (4, 7))
