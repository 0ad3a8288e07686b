import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite import layers


def size(draw, dims, low, high):
    one = st.integers(low, high)
    return draw(st.one_of(one, st.tuples(*[one] * dims)))


@st.composite
def convolutions(draw):
    """(dims, positional arguments, named arguments, input shape) of a convolution."""
    dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2]))
    channels = [groups * draw(st.integers(1, 3)) for _ in range(2)]
    padding = draw(st.sampled_from(["same", "valid", "number"]))
    params = {
        "stride": 1 if padding == "same" else size(draw, dims, 1, 2),
        "padding": size(draw, dims, 0, 2) if padding == "number" else padding,
        "dilation": size(draw, dims, 1, 2),
        "groups": groups,
        "bias": draw(st.booleans()),
        "padding_mode": draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    }
    sides = [draw(st.integers(5, 7)) for _ in range(dims)]
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    return dims, (*channels, size(draw, dims, 1, 3)), params, (*batch, channels[0], *sides)


@needs_torch
@settings(max_examples=30, deadline=None, derandomize=True)
@given(convolutions(), st.sampled_from(["float32", "float64"]))
def test_convolution(case, dtype):
    dims, args, params, shape = case
    name = f"Conv{dims}d"
    check(getattr(layers, name)(*args, **params), getattr(torch.nn, name)(*args, **params), normal(*shape), dtype=dtype)


@st.composite
def transposes(draw):
    dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 2]))
    channels = [groups * draw(st.integers(1, 2)) for _ in range(2)]
    params = {
        "stride": 2,
        "padding": size(draw, dims, 0, 1),
        "output_padding": size(draw, dims, 0, 1),
        "groups": groups,
        "bias": draw(st.booleans()),
        "dilation": size(draw, dims, 1, 2),
    }
    return dims, (*channels, size(draw, dims, 2, 3)), params, (2, channels[0], *[draw(st.integers(3, 4))] * dims)


@needs_torch
@settings(max_examples=30, deadline=None, derandomize=True)
@given(transposes(), st.sampled_from(["float32", "float64"]))
def test_transpose(case, dtype):
    dims, args, params, shape = case
    name = f"ConvTranspose{dims}d"
    check(getattr(layers, name)(*args, **params), getattr(torch.nn, name)(*args, **params), normal(*shape), dtype=dtype)


@needs_torch
def test_output_size():
    ours, theirs = layers.ConvTranspose2d(2, 3, 3, 2, 1), torch.nn.ConvTranspose2d(2, 3, 3, 2, 1)
    for wanted in ([7, 8], [8, 8], (1, 3, 8, 7)):
        check(ours, theirs, normal(1, 2, 4, 4), wanted)
    with pytest.raises(ValueError, match=r"output_size is from \[7, 7\] to \[8, 8\], got \[9, 8\]"):
        ours(tl.ones(1, 2, 4, 4).double(), [9, 8])


def test_starts_as_pytorch():
    tl.manual_seed(0)
    layer = layers.Conv2d(16, 64, 5, groups=2)
    for p in layer.parameters():
        assert np.abs(p.detach().numpy()).max() <= 1 / 200**0.5
    assert abs(layer.weight.detach().numpy().std() * 200**0.5 * 3**0.5 - 1) < 0.02


@needs_torch
def test_repr():
    args = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False, "padding_mode": "circular"}
    for params in ({}, args, {"padding": "same"}):
        assert repr(layers.Conv2d(2, 4, 3, **params)) == repr(torch.nn.Conv2d(2, 4, 3, **params))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"groups": 2}, "3 input and 4 output channels can't be split into 2 groups"),
        ({"padding_mode": "mirror"}, "padding_mode 'mirror' is none of zeros"),
        ({"padding": "full"}, "'same' or 'valid', got 'full'"),
        ({"padding": "same", "stride": 2}, "padding='same' needs stride 1"),
        ({"stride": (1, 2, 3)}, r"stride: needs one number or 2, got \(1, 2, 3\)"),
    ],
)
def test_bad_arguments(params, message):
    with pytest.raises(ValueError, match=message):
        layers.Conv2d(3, 4, 3, **params)
    with pytest.raises(ValueError, match="padding is a number of zeros"):
        layers.ConvTranspose2d(3, 4, 3, padding_mode="circular")
