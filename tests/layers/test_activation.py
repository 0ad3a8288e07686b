import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

PLAIN = "SELU SiLU Mish Sigmoid LogSigmoid Tanh Tanhshrink Softsign ELU CELU GELU Softplus Softmax2d"

CASES = [
    *[(name, (), {}) for name in PLAIN.split()],
    ("ELU", (), {"alpha": 2.0}),
    ("CELU", (1.7,), {}),
    ("GELU", (), {"approximate": "tanh"}),
    ("Softplus", (2.0, 1.5), {}),
    ("GLU", (), {}),
    ("GLU", (), {"dim": 0}),
    *[(name, (), {"dim": dim}) for name in ("Softmax", "LogSoftmax", "Softmin") for dim in (0, 1, -1)],
]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("name, args, params", CASES, ids=str)
def test_activation(name, args, params, dtype):
    ours, theirs = (getattr(place, name)(*args, **params) for place in (layers, torch.nn))
    # PyTorch's gradient of CELU has 1/alpha in float32 only.
    looser = 1000 if dtype == "float64" and name == "CELU" else 1
    check(ours, theirs, 2 * normal(4, 3, 2), dtype=dtype, looser=looser)


def test_every_activation_is_compared():
    assert {name for name, _, _ in CASES} == set(layers.activation.__all__)


def test_axis_and_dim():
    x = tl.tensor(normal(2, 4))
    for name in ("Softmax", "GLU"):
        layer = getattr(layers, name)
        assert (layer(1)(x) == layer(axis=1)(x)).all() and (layer(1)(x) == layer(dim=1)(x)).all()
        assert repr(layer(dim=1)) == f"{name}(axis=1)"
    with pytest.raises(TypeError, match="Softmax: say along which axis"):
        layers.Softmax()
    with pytest.raises(ValueError, match=r"Softmax2d: needs images .*got \(2, 4\)"):
        layers.Softmax2d()(x)
    assert repr(layers.GELU("tanh")) == "GELU(approximate='tanh')"


@pytest.mark.parametrize("name", ["SELU", "SiLU", "Mish", "ELU", "CELU"])
def test_inplace_is_accepted_and_leaves_the_input_alone(name):
    x = tl.tensor(normal(3, 2), requires_grad=True)
    layer = getattr(layers, name)(inplace=True)
    y = layer(x)
    y.sum().backward()
    assert (x == normal(3, 2)).all() and (y == getattr(layers, name)()(x)).all()
    assert "inplace=True" in repr(layer) and "inplace" not in repr(getattr(layers, name)())
