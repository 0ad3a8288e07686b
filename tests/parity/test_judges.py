"""The judges are judged: they find the layer and the optimizer that are slightly wrong."""

from types import SimpleNamespace

import pytest

import tinygrad_lite as tl
from tests.parity import modules, optimizers
from tests.parity.samples import Sample, remembering
from tinygrad_lite import layers, optim

torch = pytest.importorskip("torch", reason="compares with PyTorch, which comes with the extra [torch]")


def subject(module, arguments, *shape):
    """One of PyTorch's modules, with one sample."""

    def samples(dtype, training):
        x = torch.ones(shape, dtype=getattr(torch, dtype), requires_grad=True)
        return [Sample((arguments, {}), ((x,), {}))]

    return module, [samples]


def linear(*shape):
    return subject(torch.nn.Linear, (3, 2), *shape)


class WrongValue(layers.Linear):
    def forward(self, input):
        return super().forward(input) * (1 + 1e-3)


class WrongGradient(layers.Linear):
    def forward(self, input):
        return super().forward(tl.stop_gradient(input)) + 0 * input.sum()


class WrongState(layers.Linear):
    def forward(self, input):
        out = super().forward(input)
        with tl.no_grad():
            self.bias._writable("")[...] += 1
        return out


@pytest.mark.parametrize(
    "layer, found",
    [(WrongValue, "the result"), (WrongGradient, "the gradient of input 0"), (WrongState, "the state bias")],
)
def test_a_wrong_layer_is_found(layer, found, monkeypatch):
    assert modules.run(linear(4, 3), False) == (4, 4, "")
    monkeypatch.setattr(layers, "Linear", layer)
    good, total, reason = modules.run(linear(4, 3), False)
    assert (good, total) == (0, 4) and found in reason


def test_what_both_refuse_agrees_and_what_is_missing_does_not(monkeypatch):
    assert modules.run(linear(4, 5), False)[:2] == (4, 4)
    monkeypatch.delattr(layers, "Linear")
    assert modules.run(linear(4, 3), False) == (0, 4, "not here")


def test_arguments_that_are_functions_or_modules():
    assert modules.counterpart(torch.nn.functional.gelu) is tl.gelu
    with remembering(torch.nn.Linear):
        linear = torch.nn.Linear(3, 2, bias=False, device="cpu", dtype=torch.float64)
    ours = modules.counterpart(linear)
    assert isinstance(ours, layers.Linear) and ours.weight.shape == (2, 3) and ours.bias is None


def test_random_samples_are_left_out():
    assert modules.run(subject(torch.nn.Dropout, (0.5,), 4, 3), False) == (2, 2, "")  # inference


def test_a_wrong_optimizer_is_found(monkeypatch):
    sample = SimpleNamespace(params=None, kwargs={"lr": torch.tensor(0.1)}, desc="")
    info = SimpleNamespace(
        name="SGD",
        optim_cls=torch.optim.SGD,
        optim_inputs_func=lambda device: [sample],
        supports_param_groups=True,
        step_requires_closure=False,
    )
    assert optimizers.run(info, False) == (2, 2, "")
    monkeypatch.setattr(optim, "SGD", lambda params, lr: optim.Adam(params, lr))
    assert optimizers.run(info, False)[:2] == (0, 2)
