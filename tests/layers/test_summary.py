import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import (
    GRU,
    LSTM,
    VGG,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    Linear,
    LSTMCell,
    ResNet,
    RevNet,
    Sequential,
    flops,
    summary,
)


def net():
    return Sequential(Conv2d(1, 4, 3), BatchNorm2d(4), Dropout(), Flatten(), Linear(4 * 36, 10))


def test_table():
    model = net()
    model[0].requires_grad_(False)
    assert str(summary(model, (2, 1, 8, 8))) == "\n".join(
        [
            "Layer             Output shape  Parameters  Buffers   FLOPs",
            "-----------------------------------------------------------",
            "Sequential        (2, 10)",
            "  0: Conv2d       (2, 4, 6, 6)          40            5,760",
            "  1: BatchNorm2d  (2, 4, 6, 6)           8        9",
            "  2: Dropout      (2, 4, 6, 6)",
            "  3: Flatten      (2, 144)",
            "  4: Linear       (2, 10)            1,450            5,740",
            "-----------------------------------------------------------",
            "Total                                1,498        9  11,500",
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
    assert "FLOPs" not in str(summary(words)) and "FLOPs" in str(summary(words, np.array([[1, 2]])))
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


# ------------------------------------------------------------------------------------------ flops


def test_convolutions_and_linear_layers_by_the_published_formulas():
    """Molchanov et al. 2017, appendix A.1: for one image, here through a stride, groups and a wider kernel."""
    conv = Conv2d(4, 6, (3, 5), stride=2, padding=1)
    assert flops(conv, (1, 4, 9, 9)) == 2 * 5 * 4 * (4 * 3 * 5 + 1) * 6
    assert flops(Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5)) == 2 * 3 * 3 * (2 * 9 + 1) * 6
    assert flops(Conv1d(2, 3, 3), (1, 2, 7)) == 2 * 5 * (2 * 3 + 1) * 3
    assert flops(Linear(7, 3), (1, 7)) == (2 * 7 - 1) * 3


def formula(layers, size):
    """2 H W (C_in K^2 + 1) C_out, summed over the convolutions of a VGG."""
    total, before = 0, 3
    for n in layers:
        if n == "M":
            size //= 2
        else:
            total += 2 * size * size * (before * 9 + 1) * n
            before = n
    return total


def test_the_flops_of_a_network():
    layers = [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"]
    assert round(formula(layers, 224) / 1e9, 1) == 30.7, "VGG-16 has 15.3 billion multiplications in convolutions"
    narrow = [n if n == "M" else n // 16 for n in layers]
    assert VGG(narrow, hidden=(), pooled=1, num_classes=1).summary((1, 3, 32, 32)).flops == formula(narrow, 32) + 63


def test_a_transposed_convolution_costs_as_much_as_the_convolution_it_transposes():
    bias = lambda output: 2 * output  # noqa: E731
    forward = flops(Conv2d(2, 3, 3, stride=2), (1, 2, 9, 9)) - bias(3 * 16)
    assert flops(ConvTranspose2d(3, 2, 3, stride=2), (1, 3, 4, 4)) - bias(2 * 81) == forward


def test_batches_and_layers_used_twice():
    layer = Linear(3, 3)
    assert flops(layer, (5, 2, 3)) == 10 * flops(layer, (1, 3))
    twice = summary(Sequential(layer, layer), (1, 3))
    assert twice.flops == 2 * flops(layer, (1, 3)) == twice.rows[1].flops


def test_recurrent_layers_are_linear_layers_at_each_time():
    once = 4 * 5 * (2 * 3 - 1) + 4 * 5 * (2 * 5 - 1)
    assert flops(LSTM(3, 5), (7, 2, 3)) == 14 * once
    assert flops(LSTMCell(3, 5), (2, 3)) == 2 * once
    assert flops(GRU(3, 5, bidirectional=True), (7, 2, 3)) == 2 * 14 * once * 3 // 4


def test_flops_run_the_model_and_leave_it_as_it_was():
    model = net()
    assert flops(model, (2, 1, 8, 8)) == 11_500 == model.summary((2, 1, 8, 8)).flops
    assert model.training and not any(m._forward_hooks for m in model.modules())
    assert flops(RevNet(1, (4, 8), 1), (1, 1, 8, 8)) > 0
