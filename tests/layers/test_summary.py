import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import BatchNorm2d, Conv2d, Dropout, Embedding, Flatten, Linear, ResNet, Sequential, summary


def net():
    return Sequential(Conv2d(1, 4, 3), BatchNorm2d(4), Dropout(), Flatten(), Linear(4 * 36, 10))


def test_table():
    model = net()
    model[0].requires_grad_(False)
    assert str(summary(model, (2, 1, 8, 8))) == "\n".join(
        [
            "Layer             Output shape  Parameters  Buffers",
            "---------------------------------------------------",
            "Sequential        (2, 10)",
            "  0: Conv2d       (2, 4, 6, 6)          40",
            "  1: BatchNorm2d  (2, 4, 6, 6)           8        9",
            "  2: Dropout      (2, 4, 6, 6)",
            "  3: Flatten      (2, 144)",
            "  4: Linear       (2, 10)            1,450",
            "---------------------------------------------------",
            "Total                                1,498        9",
            "1,458 parameters are trained; 0.01 MiB",
        ]
    )


def test_model_is_left_as_it_was():
    model = net()
    model[2].eval()
    before = {name: np.array(t) for name, t in model.state_dict().items()}
    state = tl.generator().bit_generator.state
    model.summary((2, 1, 8, 8))
    assert [m.training for m in model.modules()] == [True, True, True, False, True, True]
    assert all(np.array_equal(before[name], np.asarray(t)) for name, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert tl.generator().bit_generator.state == state
    with pytest.raises(ValueError, match=r"in Conv2d|BatchNorm2d|conv2d"):
        model.summary((2, 3, 8, 8))
    assert model[0].training and not model[2].training
    assert not any(m._forward_hooks for m in model.modules())


def test_inputs():
    words = Sequential(Embedding(10, 3), Flatten())
    assert summary(words, np.array([[1, 2]])).rows[0].output == "(1, 6)"
    assert summary(words, tl.tensor([[1, 2]])).rows[0].output == "(1, 6)"
    assert summary(words).rows[0].output == ""
    assert summary(net().double(), (1, 1, 8, 8)).nbytes == 1498 * 8 + 8 * 8 + 8


def test_shared_parameters_count_once():
    layer = Linear(3, 3)
    tied = Linear(3, 3, bias=False)
    tied.weight = layer.weight
    table = summary(Sequential(layer, layer, tied), (1, 3))
    assert table.parameters == 12
    assert [row.parameters for row in table.rows] == [0, 12, 0]


def test_depth():
    table = ResNet(1, (4, 8), 1).summary((1, 1, 8, 8))
    assert "      downsample: PaddedShortcut  (1, 8, 4, 4)" in str(table)
