import math

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, torch
from tinygrad_lite.layers import GRU, LSTM, Linear, LSTMCell, Parameter, Sequential, init

SHAPE = (300, 20, 3, 3)


def filled(name, *args, shape=SHAPE, **params):
    tl.manual_seed(0)
    t = tl.empty(*shape, dtype="float64")
    assert getattr(init, name)(t, *args, **params) is t
    return t.numpy()


@pytest.mark.parametrize(
    "name, params, std",
    [
        ("xavier_uniform_", {}, math.sqrt(2 / (180 + 2700))),
        ("xavier_normal_", {"gain": 2.0}, 2 * math.sqrt(2 / (180 + 2700))),
        ("kaiming_uniform_", {}, math.sqrt(2 / 180)),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, math.sqrt(1 / 3 / 180)),
        ("kaiming_normal_", {"nonlinearity": "relu"}, math.sqrt(2 / 180)),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}, 5 / 3 / math.sqrt(2700)),
        ("uniform_", {"a": -2.0, "b": 4.0}, 6 / math.sqrt(12)),
        ("normal_", {"mean": 1.0, "std": 3.0}, 3.0),
    ],
)
def test_spread(name, params, std):
    values = filled(name, **params)
    centre = 1.0 if name in ("uniform_", "normal_") else 0.0
    assert abs(values.std() / std - 1) < 0.02
    assert abs(values.mean() - centre) < 0.03 * std
    bound = math.sqrt(3) * std if "uniform" in name else 6 * std
    assert np.abs(values - centre).max() <= bound
    if "uniform" in name:
        assert np.abs(values - centre).max() > 0.99 * bound


def test_truncated():
    values = filled("trunc_normal_", 0.5, 2.0, -1.0, 1.5)
    assert values.min() >= -1 and values.max() <= 1.5
    z = (np.array([-1.0, 1.5]) - 0.5) / 2
    phi, cdf = np.exp(-z * z / 2) / math.sqrt(2 * math.pi), [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z]
    assert abs(values.mean() - (0.5 + 2 * (phi[0] - phi[1]) / (cdf[1] - cdf[0]))) < 0.01
    with pytest.raises(ValueError, match="must hold a part of"):
        init.trunc_normal_(tl.empty(2), 0.0, 0.01, 1.0, 2.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3), (6, 1, 2), (1, 1)])
def test_orthogonal(shape):
    matrix = filled("orthogonal_", 2.0, shape=shape).reshape(shape[0], -1) / 2
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert np.allclose(small, np.eye(len(small)))


def test_constants():
    assert (filled("constant_", 3.0) == 3).all()
    assert (filled("ones_") == 1).all() and (filled("zeros_") == 0).all()
    assert np.array_equal(filled("eye_", shape=(2, 3)), np.eye(2, 3))


@needs_torch
@pytest.mark.parametrize("shape", [(4, 3, 3), (3, 4, 2, 5), (6, 2, 3, 3, 3)])
@pytest.mark.parametrize("groups", [1, 3])
def test_dirac_as_pytorch(shape, groups):
    if shape[0] % groups:
        with pytest.raises(ValueError, match="4 output channels can't be divided into 3 groups"):
            init.dirac_(tl.empty(*shape), groups)
        return
    wanted = torch.nn.init.dirac_(torch.empty(shape), groups)
    assert np.array_equal(filled("dirac_", groups, shape=shape), wanted.numpy())


@pytest.mark.parametrize("sparsity, zeros", [(0.0, 0), (0.25, 3), (0.99, 10), (1.0, 10)])
def test_sparse(sparsity, zeros):
    matrix = filled("sparse_", sparsity, 0.1, shape=(10, 400))
    assert ((matrix == 0).sum(axis=0) == zeros).all()
    if zeros < 5:
        assert abs(matrix[matrix != 0].std() / 0.1 - 1) < 0.05
        assert np.ptp((matrix == 0).mean(axis=1)) < 0.2, "which rows are zero differs from column to column"


def test_lecun_normal_keeps_the_variance():
    weight = filled("lecun_normal_", shape=(300, 500))
    x = np.random.default_rng(0).normal(size=(500, 200))
    assert abs((weight @ x).var() - 1) < 0.02
    assert abs(filled("lecun_normal_").std() * math.sqrt(180) - 1) < 0.02


@pytest.mark.parametrize("make", [lambda: LSTM(3, 4, 2, bidirectional=True), lambda: LSTMCell(3, 4)])
def test_forget_gates_start_at_the_value(make):
    """The gate with input and state of zero is sigmoid(value), and the other gates are as they were."""
    tl.manual_seed(0)
    before = make()
    tl.manual_seed(0)
    after = make()
    assert init.forget_gate_bias_(after, 2.0) is after
    total = {}
    for (name, p), (_, q) in zip(after.named_parameters(), before.named_parameters()):
        changed = np.asarray(p.detach() != q.detach())
        if "bias" not in name:
            assert not changed.any()
            continue
        assert changed[4:8].all() and not changed[:4].any() and not changed[8:].any(), name
        key = name.replace("bias_ih", "").replace("bias_hh", "")
        total[key] = total.get(key, 0) + np.asarray(p.detach())[4:8]
    assert all((bias == 2).all() for bias in total.values())
    assert len(total) == (4 if isinstance(after, LSTM) else 1)


def test_forget_gates_inside_a_network():
    net = init.forget_gate_bias_(Sequential(Linear(2, 3), LSTM(3, 2), GRU(2, 2)))
    assert (net[1].bias_ih_l0[2:4] == 1).all()
    c = LSTMCell(1, 1)
    for p in c.parameters():
        init.zeros_(p)
    init.forget_gate_bias_(c, 1.0)
    zeros = tl.zeros(1, 1)
    remembered = c(zeros, (zeros, tl.ones(1, 1)))[1]
    assert np.allclose(remembered.detach(), 1 / (1 + math.exp(-1)))
    for wrong in (GRU(2, 2), LSTM(2, 2, bias=False), Linear(2, 2)):
        with pytest.raises(ValueError, match=rf"{type(wrong).__name__} holds no LSTM or LSTMCell with biases"):
            init.forget_gate_bias_(wrong)


@needs_torch
def test_every_name_of_pytorch():
    theirs = {name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")}
    assert theirs <= set(init.__all__)


@needs_torch
@pytest.mark.parametrize("name", [*init.GAINS, "leaky_relu"])
def test_gain_as_pytorch(name):
    if name != "identity":
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_seed():
    def weights(seed):
        tl.manual_seed(seed)
        return Linear(3, 3).weight.detach().numpy()

    assert np.array_equal(weights(1), weights(1)) and not np.array_equal(weights(1), weights(2))


def test_parameters_are_filled_in_place():
    p = Parameter(tl.zeros(3))
    init.normal_(p)
    assert p.requires_grad and p.is_leaf and (p != 0).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: init.xavier_uniform_(tl.empty(3)), r"xavier_uniform_: needs a weight of shape .* got \(3,\)"),
        (lambda: init.kaiming_normal_(tl.empty(3)), "kaiming_normal_: needs a weight"),
        (lambda: init.kaiming_normal_(tl.empty(3, 3), mode="fan"), "mode is 'fan_in' or 'fan_out', got 'fan'"),
        (lambda: init.calculate_gain("cube"), "'cube' is none of linear"),
        (lambda: init.orthogonal_(tl.empty(3)), "needs two axes or more"),
        (lambda: init.eye_(tl.empty(3)), "needs a matrix"),
        (lambda: init.dirac_(tl.empty(3, 3)), r"dirac_: needs the weight of a convolution, .* got shape \(3, 3\)"),
        (lambda: init.sparse_(tl.empty(3), 0.1), r"sparse_: needs a matrix, got shape \(3,\)"),
        (lambda: init.sparse_(tl.empty(3, 3), 1.1), "sparse_: sparsity is a share, from 0 to 1, got 1.1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    with pytest.raises(TypeError, match="zeros_: needs a Tensor to fill, got ndarray"):
        init.zeros_(np.ones(2))
