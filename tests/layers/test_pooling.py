import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.testing import gradcheck, gradgradcheck


@st.composite
def pools(draw):
    dims = draw(st.integers(1, 2))
    kernel = draw(st.integers(2, 3))
    params = {
        "stride": draw(st.sampled_from([None, 1, 2])),
        "padding": draw(st.integers(0, 1)),
        "ceil_mode": draw(st.booleans()),
    }
    kind = draw(st.sampled_from(["Max", "Avg"]))
    if kind == "Max":
        params["dilation"] = draw(st.integers(1, 2))
        params["return_indices"] = draw(st.booleans())
    else:
        params["count_include_pad"] = draw(st.booleans())
        if dims == 2:
            params["divisor_override"] = draw(st.sampled_from([None, 3]))
    batch = draw(st.sampled_from([(), (2,)]))
    return f"{kind}Pool{dims}d", kernel, params, (*batch, 2, *[draw(st.integers(6, 8)) for _ in range(dims)])


@needs_torch
@settings(max_examples=30, deadline=None, derandomize=True)
@given(pools(), st.sampled_from(["float32", "float64"]))
def test_pool(case, dtype):
    name, kernel, params, shape = case
    ours, theirs = (getattr(place, name)(kernel, **params) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape), dtype=dtype)


@needs_torch
@pytest.mark.parametrize("kind", ["Avg", "Max"])
@pytest.mark.parametrize("size", [1, 3, (2, 4), (None, 3)])
def test_adaptive(kind, size):
    ours, theirs = (getattr(place, f"Adaptive{kind}Pool2d")(size) for place in (layers, torch.nn))
    check(ours, theirs, normal(2, 3, 6, 7))
    if isinstance(size, int):
        ours, theirs = (getattr(place, f"Adaptive{kind}Pool1d")(size) for place in (layers, torch.nn))
        check(ours, theirs, normal(2, 3, 7))


@needs_torch
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("dims", [1, 2])
def test_adaptive_maxima_with_their_places_in_one_example(size, dims):
    name, shape = f"AdaptiveMaxPool{dims}d", (3, 6, 7)[: dims + 1]
    ours, theirs = (getattr(place, name)(size, return_indices=True) for place in (layers, torch.nn))
    check(ours, theirs, normal(*shape))


@needs_torch
@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.integers(1, 2),
    st.sampled_from([1, 2, 2.5, 3.0]),
    st.integers(2, 3),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
    st.sampled_from([(2, 2), (2,)]),
)
def test_norms(dims, norm_type, kernel, stride, ceil_mode, lead):
    args = (norm_type, kernel, stride, ceil_mode)
    ours, theirs = (getattr(place, f"LPPool{dims}d")(*args) for place in (layers, torch.nn))
    x = normal(*lead, *(6, 7)[:dims])
    check(ours, theirs, x if norm_type in (1, 2) else abs(x))


@needs_torch
def test_norms_of_nothing():
    x = np.maximum(normal(1, 2, 6, 6), 0)
    x[0, 0, :3] = 0
    check(layers.LPPool2d(2, 2), torch.nn.LPPool2d(2, 2), x)
    check(layers.LPPool2d(2, (2, 3)), torch.nn.LPPool2d(2, (2, 3)), x)


@needs_torch
@pytest.mark.parametrize("lead", [(2, 3), (3,)])
@pytest.mark.parametrize("params", [{}, {"stride": 3, "padding": 1}, {"stride": 4}], ids=str)
@pytest.mark.parametrize("dims", [1, 2])
def test_maxima_put_back(dims, params, lead):
    shape = (*lead, *(8, 7)[:dims])
    pool = getattr(torch.nn, f"MaxPool{dims}d")(3, **params, return_indices=True)
    maxima, places = (t.numpy() for t in pool(torch.tensor(normal(*shape))))
    ours, theirs = (getattr(place, f"MaxUnpool{dims}d")(3, **params) for place in (layers, torch.nn))
    check(ours, theirs, maxima, places, shape[-dims:])
    assert ours(tl.tensor(maxima), tl.tensor(places), shape).shape == shape
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "layer",
    [
        layers.LPPool2d(2, 2),
        layers.AvgPool2d(2, 1, 1, count_include_pad=False),
        layers.MaxPool2d(2, dilation=2, stride=1),
        layers.AdaptiveAvgPool2d((2, 3)),
        layers.AdaptiveMaxPool2d(3),
        lambda x: layers.MaxUnpool2d(2)(x, np.arange(16).reshape(1, 1, 4, 4) * 3 % 64),
    ],
)
def test_gradients_of_both_orders(layer):
    x = normal(1, 1, 4, 4) + 3
    assert gradcheck(lambda x: layer(x) ** 2, x)
    assert gradgradcheck(lambda x: layer(x) ** 2, x)


def test_maxima_put_back_wrongly():
    layer = layers.MaxUnpool2d(2)
    maxima, places = layers.MaxPool2d(2, return_indices=True)(tl.randn(1, 2, 4, 4))
    with pytest.raises(ValueError, match="give both results of MaxPool2d"):
        layer(maxima, places[0])
    with pytest.raises(ValueError, match=r"output_size \(6, 4\) is a stride \(2, 2\) or more away from \(4, 4\)"):
        layer(maxima, places, (6, 4))
    with pytest.raises(IndexError):
        layer(maxima, places + 16)
    with pytest.raises(ValueError, match="norm_type is 0; it must be positive"):
        layers.LPPool1d(0, 2)


@needs_torch
def test_repr():
    assert repr(layers.LPPool2d(2, 3)) == repr(torch.nn.LPPool2d(2, 3))
    assert repr(layers.MaxPool2d(2)) == repr(torch.nn.MaxPool2d(2))
    assert repr(layers.AvgPool2d(3, 2, 1)) == repr(torch.nn.AvgPool2d(3, 2, 1))
    assert repr(layers.AdaptiveAvgPool2d(1)) == repr(torch.nn.AdaptiveAvgPool2d(1))
