import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

KINDS = ["RNN", "LSTM", "GRU"]


def flat(cat, out):
    """Every result of a layer, in one vector."""
    out = [out] if hasattr(out, "shape") else [*out[:1], *(out[1] if isinstance(out[1], tuple) else out[1:])]
    return cat([t.reshape(-1) for t in out])


def ours(base):
    class Ours(base):
        def forward(self, x, *states):
            states = states[0] if len(states) == 1 else states or None
            return flat(tl.concatenate, super().forward(x, states))

    return Ours


def theirs(base, lengths=None):
    class Theirs(base):
        def forward(self, x, *states):
            states = states[0] if len(states) == 1 else states or None
            if lengths is None:
                return flat(torch.cat, super().forward(x, states))
            rnn = torch.nn.utils.rnn
            packed = rnn.pack_padded_sequence(x, torch.tensor(lengths), self.batch_first, enforce_sorted=False)
            out, last = super().forward(packed, states)
            axis = 1 if self.batch_first else 0
            out = rnn.pad_packed_sequence(out, self.batch_first, total_length=x.shape[axis])[0]
            return flat(torch.cat, (out, last))

    return Theirs


def with_lengths(base, lengths):
    class Ours(base):
        def forward(self, x, *states):
            states = states[0] if len(states) == 1 else states or None
            return flat(tl.concatenate, super().forward(x, states, lengths))

    return Ours


def states(kind, *shape):
    return [normal(*shape)] * (2 if "LSTM" in kind else 1)


@needs_torch
@both_dtypes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bias": False},
        {"batch_first": True},
        {"num_layers": 2, "bidirectional": True},
        {"num_layers": 3, "batch_first": True, "bias": False},
    ],
    ids=str,
)
def test_layers(kind, params, dtype):
    make = [ours(getattr(layers, kind)), theirs(getattr(torch.nn, kind))]
    check(*(m(3, 5, **params) for m in make), normal(4, 2, 3), dtype=dtype)
    lines = params.get("num_layers", 1) * (2 if params.get("bidirectional") else 1)
    batch = 4 if params.get("batch_first") else 2
    check(*(m(3, 5, **params) for m in make), normal(4, 2, 3), *states(kind, lines, batch, 5), dtype=dtype)


@needs_torch
@pytest.mark.parametrize("kind", KINDS)
def test_a_single_sequence(kind):
    make = [ours(getattr(layers, kind)), theirs(getattr(torch.nn, kind))]
    check(*(m(3, 5, bidirectional=True) for m in make), normal(4, 3))
    check(*(m(3, 5, batch_first=True) for m in make), normal(4, 3), *states(kind, 1, 5))


@needs_torch
def test_rnn_with_relu():
    make = [ours(layers.RNN), theirs(torch.nn.RNN)]
    check(*(m(3, 5, 2, "relu") for m in make), normal(4, 2, 3))


@needs_torch
@both_dtypes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("lengths", [[1, 6, 3, 6, 1], [1] * 5, [6] * 5, [2, 1, 2, 1, 2]], ids=str)
def test_sequences_of_different_lengths(kind, params, lengths, dtype):
    make = [with_lengths(getattr(layers, kind), lengths), theirs(getattr(torch.nn, kind), lengths)]
    shape = (5, 6, 3) if params.get("batch_first") else (6, 5, 3)
    lines = 4 if params.get("bidirectional") else 1
    check(*(m(3, 4, **params) for m in make), normal(*shape), *states(kind, lines, 5, 4), dtype=dtype)


@needs_torch
@both_dtypes
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("lead", [(2,), ()], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind, lead, bias, dtype):
    make = [ours_cell(getattr(layers, kind), tl.concatenate), ours_cell(getattr(torch.nn, kind), torch.cat)]
    check(*(m(3, 5, bias) for m in make), normal(*lead, 3), dtype=dtype)
    check(*(m(3, 5, bias) for m in make), normal(*lead, 3), *states(kind, *lead, 5), dtype=dtype)


def ours_cell(base, cat):
    class Cell(base):
        def forward(self, x, *states):
            out = super().forward(x, states[0] if len(states) == 1 else states or None)
            return cat([t.reshape(-1) for t in (out if isinstance(out, tuple) else [out])])

    return Cell


@pytest.mark.parametrize("kind", KINDS)
def test_weights_start_uniform(kind):
    for layer in (getattr(layers, kind)(200, 100, 2, bidirectional=True), getattr(layers, kind + "Cell")(200, 100)):
        for p in layer.parameters():
            values = p.detach().numpy()
            assert np.abs(values).max() <= 0.1
            assert abs(values.std() - 0.1 / 3**0.5) < 0.02


def test_dropout_stands_between_layers_in_training_only():
    tl.manual_seed(0)
    layer, x = layers.LSTM(3, 8, 2, dropout=0.5), tl.tensor(normal(5, 2, 3).astype(np.float32))
    assert not np.array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    one = layers.LSTM(3, 8, 1, dropout=0.5)
    np.testing.assert_array_equal(one(x)[0].detach().numpy(), one(x)[0].detach().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_both_orders_match_differences(kind):
    tl.manual_seed(0)
    module = getattr(layers, kind)(2, 2, 2, bidirectional=True).double()
    names = [name for name, _ in module.named_parameters()]
    values = [p.detach().numpy() for p in module.parameters()]

    def function(x, *weights):
        return flat(tl.concatenate, functional_call(module, dict(zip(names, weights)), x, lengths=[3, 1]))

    assert gradcheck(function, normal(3, 2, 2), *values)
    assert gradgradcheck(function, normal(3, 2, 2), *values)


def test_errors_say_what_is_needed():
    layer = layers.LSTM(3, 4)
    with pytest.raises(ValueError, match=r"needs shape \(T, N, I\) or \(T, I\) with I = 3, got \(5, 2, 4\)"):
        layer(tl.ones(5, 2, 4))
    with pytest.raises(ValueError, match="one time at least"):
        layer(tl.ones(0, 2, 3))
    with pytest.raises(ValueError, match=r"must be \(h0, c0\) of shape \(1, 2, 4\).*got \(1, 2, 4\), \(1, 1, 4\)"):
        layer(tl.ones(5, 2, 3), (tl.ones(1, 2, 4), tl.ones(1, 1, 4)))
    with pytest.raises(ValueError, match="lengths must be 2 whole numbers from 0 to 5"):
        layer(tl.ones(5, 2, 3), lengths=[1, 6])
    with pytest.raises(ValueError, match="may be 'tanh' or 'relu'"):
        layers.RNN(3, 4, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match="num_layers of 1 or more"):
        layers.GRU(3, 4, 0)
    with pytest.raises(ValueError, match="hidden_size is 0"):
        layers.GRU(3, 0)
    with pytest.raises(ValueError, match=r"needs shape \(N, I\) or \(I,\) with I = 3"):
        layers.GRUCell(3, 4)(tl.ones(2, 2, 3))
