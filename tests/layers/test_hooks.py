import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, normal, torch
from tinygrad_lite.layers import Linear, Module, ReLU, Sequential


class Scaled(Module):
    def forward(self, x, scale=1.0):
        return x * scale


def test_forward_hooks_in_their_order():
    layer, x, calls = ReLU(), tl.ones(1, 2), []
    note = lambda name: lambda *args: calls.append(name)  # noqa: E731
    layer.register_forward_hook(note("after"))
    layer.register_forward_hook(note("first after"), prepend=True)
    layer.register_forward_pre_hook(note("before"))
    layer.register_forward_pre_hook(note("first before"), prepend=True)
    layer(x)
    assert calls == ["first before", "before", "first after", "after"]


def test_hooks_with_keyword_arguments():
    layer, seen = Scaled(), []
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"scale": 2 * kwargs["scale"]}), with_kwargs=True
    )
    layer.register_forward_hook(lambda module, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True)
    layer.register_forward_hook(lambda module, args, out: out + 1)
    assert (layer(tl.ones(2), scale=3.0) == 7).all()
    [(args, kwargs, out)] = seen
    assert len(args) == 1 and kwargs == {"scale": 6.0} and (out == 6).all()


def listen(layer, dtype=float):
    """What the backward hooks of a layer hear, as arrays."""
    heard = []

    def arrays(gradients):
        return [None if g is None else g.detach().numpy().astype(dtype) for g in gradients]

    layer.register_full_backward_hook(lambda module, ins, outs: heard.append((arrays(ins), arrays(outs))))
    return heard


@needs_torch
def test_backward_hooks_hear_what_those_of_pytorch_hear():
    class Ours(Module):
        def forward(self, x, k, y, z):
            return (x * y).sum(), (x * k, z)

    class Theirs(torch.nn.Module):
        forward = Ours.forward

    class Flat(Module):
        def forward(self, x, k, y, z):
            return (x * y).sum(), x * k, z * y

    class TheirFlat(torch.nn.Module):
        forward = Flat.forward

    for ours, theirs in ((Ours(), Theirs()), (Flat(), TheirFlat())):
        mine, their = listen(ours), listen(theirs)
        x, y, z = normal(3, 2), normal(2), normal(2)
        a = ours(tl.tensor(x, requires_grad=True), 2, *(tl.tensor(v, requires_grad=True) for v in (y, z)))
        b = theirs(torch.tensor(x, requires_grad=True), 2, *(torch.tensor(v, requires_grad=True) for v in (y, z)))
        for outs in (a, b):
            (outs[0] * 3).backward(retain_graph=True)
            if isinstance(ours, Flat):
                (outs[1].sum() + outs[2].sum() * 0.5).backward()
        assert len(mine) == len(their) == 1 + isinstance(ours, Flat)
        for (ins, outs), (their_ins, their_outs) in zip(mine, their):
            for g, h in zip(ins, their_ins, strict=True):
                assert (g is None) == (h is None)
                assert g is None or np.allclose(g, h)
            for g, h in zip(outs, their_outs, strict=True):  # PyTorch has None for an output that was not used
                assert (g is None and h is None) or np.allclose(g, 0 if h is None else h)


def test_gradients_are_the_same_with_and_without_backward_hooks():
    net, x = Sequential(Linear(3, 4), ReLU(), Linear(4, 2)), tl.tensor(normal(5, 3), dtype="float32")
    twin = copy.deepcopy(net)
    for module in net.modules():
        listen(module)
    for whole in (net, twin):
        whole(x).sum().backward()
    assert all(np.array_equal(p.grad, q.grad) for p, q in zip(net.parameters(), twin.parameters()))


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_hooks_replace_gradients(create_graph):
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    layer = Scaled()
    layer.register_full_backward_pre_hook(lambda module, outs: (outs[0] * 10,))
    layer.register_full_backward_hook(lambda module, ins, outs: ins[0] + outs[0] * x.detach())
    layer.register_full_backward_hook(lambda module, ins, outs: (ins[0] * 2,))
    (slope,) = tl.grad((layer(x) ** 2).sum(), [x], create_graph=create_graph)
    assert np.allclose(slope.detach(), 2 * (20 * x + 20 * x * x).detach())
    assert slope.requires_grad == create_graph


def test_the_order_of_backward_hooks_and_their_removal():
    calls, layer = [], Scaled()
    handles = [
        layer.register_full_backward_hook(lambda *args: calls.append("second")),
        layer.register_full_backward_hook(lambda *args: calls.append("first"), prepend=True),
        layer.register_full_backward_pre_hook(lambda *args: calls.append("pre")),
    ]
    layer(tl.ones(2, requires_grad=True)).sum().backward()
    assert calls == ["pre", "first", "second"]
    for handle in handles:
        handle.remove()
    layer(tl.ones(2, requires_grad=True)).sum().backward()
    assert len(calls) == 3


def test_an_input_that_wants_no_gradient_has_none():
    layer = Scaled()
    heard = listen(layer)
    layer(tl.ones(2, requires_grad=True), tl.ones(2)).sum().backward()
    assert heard[0][0][1] is None and (heard[0][0][0] == 1).all()


def test_where_no_input_wants_a_gradient():
    layer = Linear(2, 1)
    heard = listen(layer)
    layer(tl.ones(3, 2)).sum().backward()
    [(ins, outs)] = heard
    assert ins == [None] and np.array_equal(outs[0], np.ones((3, 1)))
    with tl.no_grad():
        layer(tl.ones(3, 2))
    assert len(heard) == 1


def test_a_gradient_of_a_gradient_passes_a_module_with_hooks():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    net = Sequential(Scaled())
    listen(net)
    (slope,) = tl.grad((net(x) ** 3).sum(), [x], create_graph=True)
    (curve,) = tl.grad(slope.sum(), [x])
    assert np.allclose(curve, 6 * x.detach())


def test_what_a_backward_hook_may_not_return():
    layer = Scaled()
    layer.register_full_backward_hook(lambda module, ins, outs: (tl.ones(3),))
    with pytest.raises(tl.GradientError, match=r"Scaled: a backward hook returned \(3,\); .* same shapes: \(2,\)"):
        layer(tl.ones(2, requires_grad=True)).sum().backward()
    layer = Scaled()
    layer.register_full_backward_pre_hook(lambda module, outs: ())
    with pytest.raises(tl.GradientError, match=r"must return as many gradients as it was given"):
        layer(tl.ones(2, requires_grad=True)).sum().backward()
