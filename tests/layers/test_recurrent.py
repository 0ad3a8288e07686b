import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tests.layers.recurrent_reference import reference
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck

KINDS = ["RNN", "LSTM", "GRU"]
ALL = [*KINDS, "MultiplicativeLSTM", "LayerNormLSTM"]


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


def initial(layer, batch):
    """Random states at first."""
    lines = layer.num_layers * len(layer.directions)
    return [normal(lines, batch, size) + 0.1 * k for k, size in enumerate(layer.sizes())]


def given(states):
    return states[0] if len(states) == 1 else tuple(states)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "params", [{}, {"bias": False, "bidirectional": True}, {"num_layers": 2, "bidirectional": True}], ids=str
)
def test_each_layer_is_a_loop_over_the_equations(kind, params):
    tl.manual_seed(1)
    layer, x = getattr(layers, kind)(3, 4, **params).double(), normal(6, 5, 3)
    for parameter in layer.parameters():
        with tl.no_grad():
            parameter += 0.3 * normal(*parameter.shape)  # gains and biases too
    states = initial(layer, 5)
    for lengths in (None, [0, 6, 1, 4, 0], [0] * 5, [1, 1, 6, 6, 2]):
        out, last = layer(tl.tensor(x), given(states), lengths)
        want, ends = reference(layer, x, states, lengths or [6] * 5)
        np.testing.assert_allclose(out.detach().numpy(), want, atol=1e-12)
        for got, end in zip(last if isinstance(last, tuple) else [last], ends):
            np.testing.assert_allclose(got.detach().numpy(), end, atol=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_padding_has_no_part_in_anything(kind):
    """Not in the outputs, and no gradient goes to it."""
    tl.manual_seed(1)
    layer, x, lengths = getattr(layers, kind)(3, 4, 2, bidirectional=True).double(), normal(6, 3, 3), [0, 1, 6]
    found = []
    for value in (0.0, 100.0):
        for n, length in enumerate(lengths):
            x[length:, n] = value
        leaf = tl.tensor(x, requires_grad=True)
        out, last = layer(leaf, lengths=lengths)
        layer.zero_grad()
        (out.sum() + sum((s * s).sum() for s in (last if isinstance(last, tuple) else [last]))).backward()
        for n, length in enumerate(lengths):
            assert not leaf.grad.numpy()[length:, n].any()
        found.append([out.detach().numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_segments_with_the_state_carried_over_are_the_whole(kind):
    tl.manual_seed(1)
    layer, x = getattr(layers, kind)(3, 4, 2).double(), normal(7, 2, 3)
    whole, end = layer(tl.tensor(x))
    leaf = tl.tensor(x, requires_grad=True)
    first, carried = layer(leaf[:3])
    second, last = layer(leaf[3:], carried)
    np.testing.assert_allclose(np.concatenate([first.detach(), second.detach()]), whole.detach(), atol=1e-12)
    for a, b in zip(last, end):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-12)
    assert tl.grad(second.sum(), leaf, retain_graph=True).numpy()[:3].all()
    carried = tuple(s.detach() for s in carried) if isinstance(carried, tuple) else carried.detach()
    assert not tl.grad(layer(leaf[3:], carried)[0].sum(), leaf).numpy()[:3].any()


@pytest.mark.parametrize("kind", ALL)
def test_a_cell_is_one_time_of_a_layer(kind):
    tl.manual_seed(1)
    layer, cell = getattr(layers, kind)(3, 4).double(), getattr(layers, kind + "Cell")(3, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    states, x = initial(layer, 2), normal(1, 2, 3)
    want, got = layer(tl.tensor(x), given(states))[1], cell(tl.tensor(x[0]), given([s[0] for s in states]))
    one = cell(tl.tensor(x[0, 0]), given([s[0, 0] for s in states]))
    for a, b, c in zip(*(t if isinstance(t, tuple) else [t] for t in (want, got, one))):
        np.testing.assert_allclose(b.detach(), a.detach()[0], atol=1e-12)
        np.testing.assert_allclose(c.detach(), a.detach()[0, 0], atol=1e-12)


@needs_torch
@both_dtypes
@pytest.mark.parametrize(
    "params", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False}], ids=str
)
def test_lstm_with_a_projection(params, dtype):
    class Both:
        def forward(self, x, *states):
            return super().forward(x, states or None)[0]

    make = [type("LSTM", (Both, base), {}) for base in (layers.LSTM, torch.nn.LSTM)]
    check(*(m(3, 5, proj_size=2, **params) for m in make), normal(4, 2, 3), dtype=dtype)
    lines, batch = (4, 2) if "num_layers" in params else (1, 4 if "batch_first" in params else 2)
    states = normal(lines, batch, 2), normal(lines, batch, 5)
    check(*(m(3, 5, proj_size=2, **params) for m in make), normal(4, 2, 3), *states, dtype=dtype)


def test_lstm_with_a_projection_and_lengths():
    tl.manual_seed(1)
    layer, x = layers.LSTM(3, 4, 2, bidirectional=True, proj_size=2).double(), normal(6, 3, 3)
    states = initial(layer, 3)
    out, last = layer(tl.tensor(x), tuple(states), [0, 6, 1])
    want, ends = reference(layer, x, states, [0, 6, 1])
    np.testing.assert_allclose(out.detach(), want, atol=1e-12)
    for a, b in zip(last, ends):
        np.testing.assert_allclose(a.detach(), b, atol=1e-12)


@needs_torch
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}], ids=str)
@pytest.mark.parametrize("lengths", [[6, 3, 3, 1], [1, 6, 2, 4]], ids=str)
def test_packed_sequences(kind, params, lengths):
    def packing(base, nn, cat, array):
        class Packing(base):
            def forward(self, x, *states):
                ordered = lengths == sorted(lengths, reverse=True)
                packed = nn.pack_padded_sequence(x, array(lengths), self.batch_first, ordered)
                out, last = super().forward(packed, states[0] if len(states) == 1 else states or None)
                assert type(out) is type(packed)
                padded, ends = nn.pad_packed_sequence(out, self.batch_first)
                assert ends.tolist() == lengths
                return flat(cat, (padded, last))

        return Packing

    ours = packing(getattr(layers, kind), layers, tl.concatenate, np.array)
    theirs = packing(getattr(torch.nn, kind), torch.nn.utils.rnn, torch.cat, torch.tensor)
    x = normal(4, 6, 3) if params else normal(6, 4, 3)
    check(*(m(3, 5, **params) for m in (ours, theirs)), x, *states(kind, 4 if params else 1, 4, 5))


def test_dropout_stands_between_layers_in_training_only():
    tl.manual_seed(0)
    layer, x = layers.LSTM(3, 8, 2, dropout=0.5), tl.tensor(normal(5, 2, 3).astype(np.float32))
    assert not np.array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    one = layers.LSTM(3, 8, 1, dropout=0.5)
    np.testing.assert_array_equal(one(x)[0].detach().numpy(), one(x)[0].detach().numpy())


@pytest.mark.parametrize("kind", [*ALL, "LSTM with a projection"])
def test_gradients_of_both_orders_match_differences(kind):
    tl.manual_seed(0)
    params = {"proj_size": 1} if kind == "LSTM with a projection" else {"bidirectional": kind in KINDS}
    module = getattr(layers, kind.split()[0])(1, 2, **params).double()
    names = [name for name, _ in module.named_parameters()]
    values = [p.detach().numpy() for p in module.parameters()]

    def function(x, *weights):
        return flat(tl.concatenate, functional_call(module, dict(zip(names, weights)), x, lengths=[2, 1, 0]))

    assert gradcheck(function, normal(2, 3, 1), *values)
    assert gradgradcheck(function, normal(2, 3, 1), *values)


def test_errors_say_what_is_needed():
    layer = layers.LSTM(3, 4)
    with pytest.raises(ValueError, match=r"needs shape \(T, N, I\) or \(T, I\) with I = 3, got \(5, 2, 4\)"):
        layer(tl.ones(5, 2, 4))
    with pytest.raises(ValueError, match="one time at least"):
        layer(tl.ones(0, 2, 3))
    with pytest.raises(ValueError, match=r"must be \(h0, c0\) of shape \(1, 2, 4\).*got \(1, 2, 4\), \(1, 1, 4\)"):
        layer(tl.ones(5, 2, 3), (tl.ones(1, 2, 4), tl.ones(1, 1, 4)))
    for kind in ALL:
        with pytest.raises(ValueError, match=f"{kind}: lengths must be 2 whole numbers from 0 to 5"):
            getattr(layers, kind)(3, 4)(tl.ones(5, 2, 3), lengths=[1, 6])
    with pytest.raises(ValueError, match="a PackedSequence has its lengths already"):
        layer(layers.pack_sequence([tl.ones(2, 3)]), lengths=[2])
    with pytest.raises(ValueError, match="proj_size is 4; it must be less than hidden_size = 4"):
        layers.LSTM(3, 4, proj_size=4)
    with pytest.raises(ValueError, match=r"\(h0, c0\) of shape \(1, 2, 2\), \(1, 2, 4\) for this input"):
        layers.LSTM(3, 4, proj_size=2)(tl.ones(5, 2, 3), (tl.ones(1, 2, 4), tl.ones(1, 2, 4)))
    with pytest.raises(ValueError, match="may be 'tanh' or 'relu'"):
        layers.RNN(3, 4, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match="num_layers of 1 or more"):
        layers.GRU(3, 4, 0)
    with pytest.raises(ValueError, match="hidden_size is 0"):
        layers.GRU(3, 0)
    with pytest.raises(ValueError, match=r"needs shape \(N, I\) or \(I,\) with I = 3"):
        layers.GRUCell(3, 4)(tl.ones(2, 2, 3))
