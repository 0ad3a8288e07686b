import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.parity import check, needs_torch, normal, torch
from tinygrad_lite import layers


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
def test_repr():
    assert repr(layers.MaxPool2d(2)) == repr(torch.nn.MaxPool2d(2))
    assert repr(layers.AvgPool2d(3, 2, 1)) == repr(torch.nn.AvgPool2d(3, 2, 1))
    assert repr(layers.AdaptiveAvgPool2d(1)) == repr(torch.nn.AdaptiveAvgPool2d(1))
