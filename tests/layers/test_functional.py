"""functional_call: a module with other parameters, for as long as a call, and for what is computed again of it."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import Linear, Module, Sequential, Tanh, functional_call


class Checkpointed(Module):
    """Two layers, whose saved values are dropped and computed again."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Sequential(Linear(3, 4), Tanh(), Linear(4, 1))

    def forward(self, x):
        return tl.checkpoint(self.net, x)


class Nested(Checkpointed):
    """A checkpoint within a checkpoint."""

    def forward(self, x):
        return tl.checkpoint(lambda x: tl.checkpoint(self.net, x * 1.0), x)


@pytest.mark.parametrize("kind", [Checkpointed, Nested])
def test_a_checkpoint_inside_is_computed_again_with_the_same_parameters(kind):
    """Its second run comes when the module has its own parameters back."""
    model, x = kind().double(), tl.randn(5, 3, dtype="float64")
    given = {name: tl.randn(*p.shape, dtype="float64", requires_grad=True) for name, p in model.named_parameters()}
    plain = {name.removeprefix("net."): p for name, p in given.items()}
    inside = functional_call(model, given, x)
    outside = functional_call(model.net, plain, x)
    wanted = tl.grad(outside.sum(), list(given.values()))
    for got, want in zip(tl.grad(inside.sum(), list(given.values())), wanted):
        np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-12)
    assert all(p.grad is None for p in model.parameters())


def test_the_module_is_left_as_it_was_after_an_error():
    layer = Linear(3, 2)
    before = dict(layer.named_parameters())
    with pytest.raises(ValueError, match="linear"):
        functional_call(layer, {"weight": tl.ones(2, 3)}, tl.ones(4, 5))
    assert all(p is before[name] for name, p in layer.named_parameters())


def test_names_and_shapes_that_are_not_there():
    layer = Linear(3, 2)
    with pytest.raises(KeyError, match="no parameter or buffer 'wait'"):
        functional_call(layer, {"wait": tl.ones(2, 3)}, tl.ones(1, 3))
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\), got \(3, 2\)"):
        functional_call(layer, {"weight": tl.ones(3, 2)}, tl.ones(1, 3))
