"""Masked convolutions: which pixels and colours an output sees, and that they are convolutions otherwise."""

import itertools

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite.layers import Conv1d, Conv2d, MaskedConv1d, MaskedConv2d, ReLU, Sequential, functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck


def sees(net, shape):
    """A matrix: whether output i depends on input j, both of `shape` (C, H, W) and numbered in the order H, W, C."""
    x = tl.tensor(normal(1, *shape))
    jacobian = tl.jacobian(net, x).detach().reshape(*shape, *shape).numpy()
    order = (1, 2, 0)
    axes = (*order, *(3 + k for k in order))
    n = int(np.prod(shape))
    return jacobian.transpose(axes).reshape(n, n) != 0


@pytest.mark.parametrize("colors", [1, 3])
def test_no_output_sees_its_own_or_a_later_value(colors):
    """Strictly: the Jacobian is exactly 0 there. And the value before is seen, so the mask is not too strict."""
    tl.manual_seed(0)
    net = Sequential(
        MaskedConv2d("A", colors, 6, 3, padding="same", colors=colors),
        MaskedConv2d("B", 6, colors, 3, padding="same", colors=colors),
    ).double()
    seen = sees(net, (colors, 4, 4))
    assert not np.triu(seen).any()
    first_of_a_row = np.arange(1, len(seen)) % (4 * colors) == 0  # the one before stands at the end of another
    assert np.diag(seen, -1)[~first_of_a_row].all()


def test_mask_b_sees_itself_and_mask_a_only_what_is_before():
    for mask_type in "AB":
        layer = MaskedConv2d(mask_type, 1, 1, 3, padding="same").double()
        seen = sees(layer, (1, 3, 3))
        for (i, a), (j, b) in itertools.product(enumerate(np.ndindex(3, 3)), repeat=2):
            near = abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1
            assert seen[i, j] == (near and (j < i or (j == i and mask_type == "B"))), (mask_type, a, b)


def test_the_blind_spot_of_the_paper():
    """Some pixels above, to the right, are seen by no number of such layers."""
    layers = [MaskedConv2d("A", 1, 4, 3, padding="same"), *[MaskedConv2d("B", 4, 4, 3, padding="same")] * 3]
    net = Sequential(*layers, MaskedConv2d("B", 4, 1, 1)).double()
    seen = sees(net, (1, 5, 5))
    row, above = 2 * 5, 1 * 5
    assert seen[row + 2, above : above + 4].all() and not seen[row + 2, above + 4]


def test_the_probabilities_of_all_images_add_up_to_one():
    """The product of the conditionals is a distribution: over the 2^9 binary images of 3 x 3 its sum is 1."""
    tl.manual_seed(1)
    net = Sequential(
        MaskedConv2d("A", 1, 5, 3, padding="same"), ReLU(), MaskedConv2d("B", 5, 1, 3, padding="same")
    ).double()
    images = np.array(list(itertools.product([0.0, 1.0], repeat=9))).reshape(512, 1, 3, 3)
    logits = net(tl.tensor(images)).detach().numpy()
    log_p = -np.logaddexp(0, np.where(images, -logits, logits)).sum((1, 2, 3))
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
    assert np.exp(log_p).std() > 0


@pytest.mark.parametrize(
    "masked, plain, shape", [(MaskedConv1d, Conv1d, (2, 4, 7)), (MaskedConv2d, Conv2d, (2, 4, 6, 5))]
)
@pytest.mark.parametrize("params", [{}, {"stride": 2, "bias": False}, {"groups": 2, "padding": 1}], ids=str)
def test_it_is_the_convolution_with_a_masked_weight(masked, plain, shape, params):
    one, other = masked("B", 4, 6, 3, **params).double(), plain(4, 6, 3, **params).double()
    assert list(one.state_dict()) == list(other.state_dict())
    other.load_state_dict(one.state_dict())
    other.weight.detach().copy_(other.weight.detach() * one.mask)
    x = tl.tensor(normal(*shape))
    np.testing.assert_allclose(one(x).detach().numpy(), other(x).detach().numpy(), atol=1e-12)


def test_gradients_of_both_orders_and_none_for_masked_weights():
    layer = MaskedConv2d("B", 2, 2, 3, padding=1, colors=2).double()

    def function(x, weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, x)

    values = normal(1, 2, 2, 3), *(np.array(p.detach()) for p in layer.parameters())
    assert gradcheck(function, *values)
    assert gradgradcheck(function, *values)
    layer(tl.tensor(values[0])).sum().backward()
    assert not layer.weight.grad.numpy()[layer.mask.numpy() == 0].any()


def test_repr_and_errors():
    layer = MaskedConv2d("A", 3, 6, 3, padding="same", colors=3)
    assert repr(layer) == "MaskedConv2d('A', 3, 6, kernel_size=(3, 3), stride=(1, 1), padding=same, colors=3)"
    with pytest.raises(ValueError, match="mask_type is 'C'; it may be 'A' or 'B'"):
        MaskedConv2d("C", 1, 1, 3)
    with pytest.raises(ValueError, match="padding_mode 'replicate' would show what comes later"):
        MaskedConv2d("A", 1, 1, 3, padding=1, padding_mode="replicate")
    with pytest.raises(ValueError, match=r"a kernel of \(3, 2\) has no centre"):
        MaskedConv2d("A", 1, 1, (3, 2))
    with pytest.raises(ValueError, match="3 input and 4 output channels .* shared evenly by 3 colors"):
        MaskedConv2d("A", 3, 4, 3, colors=3)
