"""What is special to these LSTMs; test_recurrent.py holds them to their equations."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite import layers
from tinygrad_lite.layers import functional_call


def shapes(layer):
    return {name: p.shape for name, p in layer.named_parameters()}


def test_parameters():
    lstm = {"weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4)}
    biases = {"bias_ih_l0": (16,), "bias_hh_l0": (16,)}
    factors = {"weight_mx_l0": (4, 3), "weight_mh_l0": (4, 4)}
    gains = {"gain_ih_l0": (16,), "gain_hh_l0": (16,), "gain_c_l0": (4,)}
    assert shapes(layers.MultiplicativeLSTM(3, 4)) == lstm | biases | factors
    assert shapes(layers.MultiplicativeLSTM(3, 4, bias=False)) == lstm | factors
    assert shapes(layers.LayerNormLSTM(3, 4)) == lstm | biases | gains | {"bias_c_l0": (4,)}
    assert shapes(layers.LayerNormLSTM(3, 4, bias=False)) == lstm | gains
    two = shapes(layers.MultiplicativeLSTM(3, 4, 2, bidirectional=True))
    assert two["weight_mx_l1_reverse"] == (4, 8) and two["weight_mh_l0_reverse"] == (4, 4)
    assert "weight_mx" in shapes(layers.MultiplicativeLSTMCell(3, 4))


def test_weights_start_uniform_and_gains_as_in_layer_norm():
    tl.manual_seed(0)
    for layer in (layers.MultiplicativeLSTM(50, 100), layers.LayerNormLSTM(50, 100), layers.LayerNormLSTMCell(50, 100)):
        for name, p in layer.named_parameters():
            values = p.detach().numpy()
            if name.startswith("weight") or type(layer) is layers.MultiplicativeLSTM:
                assert 0.09 < np.abs(values).max() <= 0.1 and abs(values.mean()) < 0.01, name
            else:
                assert (values == name.startswith("gain")).all(), name


def test_without_a_factor_of_the_input_the_gates_do_not_see_the_state():
    tl.manual_seed(0)
    layer, x = layers.MultiplicativeLSTM(3, 4).double(), tl.tensor(normal(5, 2, 3))
    h, c = normal(1, 2, 4), normal(1, 2, 4)
    zero = {"weight_mx_l0": tl.zeros(4, 3, dtype=np.float64)}
    outs = [functional_call(layer, zero, x, (state, c))[0].detach().numpy() for state in (h, -h)]
    np.testing.assert_array_equal(*outs)
    assert not np.allclose(layer(x, (h, c))[0].detach(), layer(x, (-h, c))[0].detach())
    assert not np.allclose(functional_call(layer, zero, x, (h, -c))[0].detach(), outs[0])  # c carries over


def test_the_scale_and_the_mean_of_what_comes_in_do_not_matter():
    tl.manual_seed(0)
    layer, x = layers.LayerNormLSTM(3, 4).double(), tl.tensor(100 * normal(5, 2, 3))
    want = layer(x)[0].detach().numpy()
    np.testing.assert_allclose(layer(7 * x)[0].detach(), want, atol=1e-5)
    shifted = {"weight_ih_l0": layer.weight_ih_l0 + tl.tensor([1.0, 2.0, 3.0])}  # the same for all rows
    np.testing.assert_allclose(functional_call(layer, shifted, x)[0].detach(), want, atol=1e-5)


@pytest.mark.parametrize("kind", ["MultiplicativeLSTM", "LayerNormLSTM"])
def test_the_interface_is_that_of_the_lstm(kind):
    tl.manual_seed(0)
    make, x = getattr(layers, kind), normal(2, 6, 3)
    layer = make(3, 4, 2, batch_first=True, dropout=0.5, bidirectional=True).double()
    out, (h, c) = layer(tl.tensor(x))
    assert out.shape == (2, 6, 8) and h.shape == c.shape == (4, 2, 4)
    assert not np.array_equal(out.detach(), layer(tl.tensor(x))[0].detach())
    layer.eval()
    single = layer(tl.tensor(x[1]))[0].detach()
    np.testing.assert_allclose(layer(tl.tensor(x))[0].detach()[1], single, atol=1e-12)
    packed = layers.pack_padded_sequence(tl.tensor(x), [2, 6], batch_first=True, enforce_sorted=False)
    back = layers.pad_packed_sequence(layer(packed)[0], batch_first=True)[0].detach()
    np.testing.assert_array_equal(back, layer(tl.tensor(x), lengths=[2, 6])[0].detach())
    assert make(3, 4, dtype=np.float64)(tl.tensor(x))[0].dtype == np.float64
    with pytest.raises(TypeError, match="proj_size"):
        make(3, 4, proj_size=2)
