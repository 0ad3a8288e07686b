"""Every layer's gradients, with respect to its input and parameters, against differences; first and second order."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

target = np.array([0, 2, 1])
NETWORKS = [
    (layers.Linear(3, 2), (3, 3)),
    (layers.Conv1d(2, 4, 2, groups=2, padding_mode="circular", padding=1), (2, 2, 4)),
    (layers.Conv2d(1, 2, 2, stride=2, dilation=2), (1, 1, 5, 5)),
    (layers.ConvTranspose2d(1, 2, 2, stride=2), (1, 1, 2, 2)),
    (layers.BatchNorm1d(2), (4, 2)),
    (layers.BatchNorm2d(2).eval(), (2, 2, 2, 2)),
    (layers.LayerNorm((2, 3)), (2, 2, 3)),
    (layers.GroupNorm(2, 4), (2, 4, 2)),
    (layers.PReLU(2), (3, 2)),
    (layers.Sequential(layers.Linear(3, 4), layers.BatchNorm1d(4), layers.Tanh(), layers.Linear(4, 3)), (3, 3)),
    (layers.ResNet(1, (1, 2), 1, 1, "B"), (2, 1, 3, 3)),
]


def function(module):
    """The module as a function of its input and parameters."""
    names = [name for name, _ in module.named_parameters()]
    return lambda x, *values: functional_call(module, dict(zip(names, values)), x)


@pytest.mark.parametrize("module, shape", NETWORKS, ids=lambda v: type(v).__name__ if hasattr(v, "forward") else "")
def test_gradients(module, shape):
    tl.manual_seed(0)
    module = module.double()
    values = [np.asarray(p.detach()) for p in module.parameters()]
    values = [v + 0.1 * normal(*v.shape) for v in values]
    assert gradcheck(function(module), normal(*shape), *values)
    if not isinstance(module, layers.ResNet):
        assert gradgradcheck(function(module), normal(*shape), *values)


def test_functional_call():
    net = layers.Sequential(layers.Linear(2, 2), layers.Linear(2, 2))
    net[1].weight = net[0].weight
    own, x = net[0].weight, tl.ones(1, 2)
    zeros = functional_call(net, {"0.weight": tl.zeros(2, 2)}, x)
    assert np.array_equal(zeros.detach().numpy(), net[1].bias.detach().reshape(1, 2).numpy())
    assert net[0].weight is own and net[1].weight is own
    with pytest.raises(KeyError, match=r"Sequential has no parameter or buffer .2.weight."):
        functional_call(net, {"2.weight": x}, x)
    with pytest.raises(ValueError, match=r"0.bias has shape \(2,\), got \(1, 2\)"):
        functional_call(net, {"0.bias": x}, x)
    with pytest.raises(ValueError):
        functional_call(net, {"0.weight": tl.zeros(2, 2)}, tl.ones(1, 3))
    assert net[0].weight is own


def test_a_step_of_training_inside_the_loss():
    """The gradient through an inner step, as meta-learning takes it (Finn et al. 2017), against differences."""
    net = layers.Sequential(layers.Linear(2, 3), layers.Tanh(), layers.Linear(3, 1)).double()
    names = [name for name, _ in net.named_parameters()]
    x, y = tl.tensor(normal(4, 2)), tl.tensor(normal(4, 1))

    def outer(*weights):
        weights = [w if w.requires_grad else w.detach().requires_grad_() for w in weights]
        inner = ((functional_call(net, dict(zip(names, weights)), x) - y) ** 2).mean()
        grads = tl.grad(inner, weights, create_graph=True)
        stepped = {name: w - 0.1 * g for name, w, g in zip(names, weights, grads)}
        return ((functional_call(net, stepped, x) - y) ** 2).mean()

    assert gradcheck(tl.enable_grad()(outer), *[np.asarray(p.detach()) for p in net.parameters()])
