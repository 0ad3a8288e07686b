import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

PLAIN = """
    ReLU ReLU6 SELU SiLU Mish Sigmoid LogSigmoid Tanh Tanhshrink Softsign
    Hardsigmoid Hardswish LeakyReLU ELU CELU GELU Softplus Hardtanh PReLU
"""

CASES = [
    *[(name, (), {}) for name in PLAIN.split()],
    ("LeakyReLU", (0.3,), {}),
    ("ELU", (), {"alpha": 2.0}),
    ("CELU", (1.7,), {}),
    ("GELU", (), {"approximate": "tanh"}),
    ("Softplus", (2.0, 1.5), {}),
    ("Hardtanh", (-0.5, 0.7), {}),
    ("PReLU", (3,), {"init": 0.1}),
    *[(name, (), {"dim": dim}) for name in ("Softmax", "LogSoftmax", "Softmin") for dim in (0, 1, -1)],
]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("name, args, params", CASES, ids=str)
def test_activation(name, args, params, dtype):
    ours, theirs = (getattr(place, name)(*args, **params) for place in (layers, torch.nn))
    # PyTorch's gradients of these two have 1/6 and 1/alpha in float32 only.
    looser = 1000 if dtype == "float64" and name in ("Hardsigmoid", "CELU") else 1
    check(ours, theirs, 2 * normal(4, 3, 2), dtype=dtype, looser=looser)


def test_every_activation_is_compared():
    assert {name for name, _, _ in CASES} == set(layers.activation.__all__)


def test_axis_and_dim():
    x = tl.tensor(normal(2, 3))
    assert (layers.Softmax(1)(x) == layers.Softmax(axis=1)(x)).all()
    with pytest.raises(TypeError, match="Softmax: say along which axis"):
        layers.Softmax()
    assert repr(layers.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(layers.Softmax(dim=1)) == "Softmax(axis=1)"
