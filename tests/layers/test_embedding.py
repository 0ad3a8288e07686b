import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite.layers import Embedding, EmbeddingBag, functional_call
from tinygrad_lite.testing import gradcheck, gradgradcheck


@needs_torch
@both_dtypes
@pytest.mark.parametrize("padding", [None, 0, 3, -1])
def test_embedding(padding, dtype):
    tokens = np.array([[1, 2, 2], [0, 3, 6]])
    check(Embedding(7, 3, padding), torch.nn.Embedding(7, 3, padding), tokens, dtype=dtype)


@needs_torch
@pytest.mark.parametrize(
    "params", [{"max_norm": 1.0}, {"max_norm": 0.7, "norm_type": 1.0}, {"scale_grad_by_freq": True}], ids=str
)
def test_vectors_are_shortened_and_gradients_scaled(params):
    tokens = np.array([[1, 2, 2], [0, 3, 2]])
    ours, theirs = Embedding(7, 3, **params), torch.nn.Embedding(7, 3, **params)
    check(ours, theirs, tokens, steps=2)
    assert repr(ours) == repr(theirs)


@st.composite
def bags(draw):
    """(arguments of the layer, whether with weights, input, offsets or None)"""
    mode = draw(st.sampled_from(["sum", "mean", "max"]))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    params = {"mode": mode, "padding_idx": draw(st.sampled_from([None, 2, -1]))}
    weighted = mode == "sum" and draw(st.booleans())
    if draw(st.booleans()):
        return params, weighted, rng.integers(0, 6, size=(3, draw(st.integers(1, 4)))), None
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    params["include_last_offset"] = draw(st.booleans())
    ends = np.cumsum([0, *lengths])
    offsets = ends if params["include_last_offset"] else ends[:-1]
    return params, weighted, rng.integers(0, 6, size=sum(lengths)), offsets


@needs_torch
@settings(max_examples=80, deadline=None, derandomize=True)
@given(bags(), st.sampled_from(["float32", "float64"]))
def test_bags(case, dtype):
    params, weighted, ids, offsets = case
    weights = [normal(*ids.shape)] if weighted else []
    given = [ids, offsets] if offsets is not None or weighted else [ids]
    check(EmbeddingBag(6, 3, **params), torch.nn.EmbeddingBag(6, 3, **params), *given, *weights, dtype=dtype)


@needs_torch
def test_bags_of_short_vectors():
    ours, theirs = EmbeddingBag(6, 3, max_norm=0.5), torch.nn.EmbeddingBag(6, 3, max_norm=0.5)
    check(ours, theirs, np.array([[1, 2], [2, 5]]))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients_of_bags_of_both_orders(mode):
    layer = EmbeddingBag(4, 2, mode=mode, padding_idx=1)
    ids, offsets = np.array([0, 1, 2, 2, 3]), np.array([0, 2, 2, 4])
    weights = [np.array([0.5, 2, -1, 3, 1])] if mode == "sum" else []

    def function(table, *weights):
        return functional_call(layer, {"weight": table}, ids, offsets, *weights) ** 2

    assert gradcheck(function, normal(4, 2), *weights)
    assert gradgradcheck(function, normal(4, 2), *weights)


def test_bags_with_gradients_scaled_by_frequency():
    """Against the sums of an Embedding. (PyTorch's bags take the count of another integer, as of 2.13.)"""
    one, other = EmbeddingBag(6, 3, mode="sum", scale_grad_by_freq=True), Embedding(6, 3, scale_grad_by_freq=True)
    other.load_state_dict(one.state_dict())
    ids = np.array([[5, 3], [3, 3]])
    for y in (one(ids), other(ids).sum(1)):
        y.backward(normal(2, 3).astype(np.float32))
    np.testing.assert_allclose(one.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-6)


def test_gradients_scaled_by_frequency_keep_the_values():
    layer, plain = Embedding(4, 2, scale_grad_by_freq=True), Embedding(4, 2)
    plain.load_state_dict(layer.state_dict())
    ids = np.array([1, 1, 3])
    assert np.array_equal(layer(ids).detach().numpy(), plain(ids).detach().numpy())


@pytest.mark.parametrize(
    "args, message",
    [
        (([[0, 1]], [0]), r"needs bags of one size \(B, N\), or a line .* got shape \(1, 2\), and offsets \(1,\)"),
        (([0, 1],), r"got shape \(2,\), and offsets None"),
        (([0, 1], [1]), "must rise from 0 to no more than 2"),
        (([0, 1], [0, 2, 1]), "must rise from 0"),
        (([0, 1], [0, 3]), "must rise from 0"),
        (([[0, 1]], None, [[1.0, 1.0]]), "per_sample_weights are for mode 'sum'"),
    ],
)
def test_bags_that_do_not_fit(args, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingBag(4, 2)(*args)
    with pytest.raises(ValueError, match="mode is 'median'"):
        EmbeddingBag(4, 2, mode="median")


@pytest.mark.parametrize("params", [{}, {"max_norm": 1.0}, {"scale_grad_by_freq": True}], ids=str)
@pytest.mark.parametrize("ids", [[4], [-1], [0.5]])
def test_integers_that_are_not_there(ids, params):
    with pytest.raises(IndexError, match=r"out of range for a weight of size 4|needs integers"):
        Embedding(4, 2, **params)(ids)


def test_start():
    tl.manual_seed(0)
    layer = Embedding(500, 40, padding_idx=2)
    values = layer.weight.detach().numpy()
    assert not values[2].any()
    assert abs(values.std() - 1) < 0.02
    assert repr(layer) == "Embedding(500, 40, padding_idx=2)"


def test_from_pretrained():
    vectors = np.arange(6.0).reshape(3, 2)
    layer = Embedding.from_pretrained(vectors)
    assert not layer.weight.requires_grad
    assert np.array_equal(layer(tl.tensor([2])).numpy(), [[4, 5]])
    assert Embedding.from_pretrained(vectors, freeze=False).weight.requires_grad
    bag = EmbeddingBag.from_pretrained(vectors, True, None, 2.0, False, "max", padding_idx=2)
    assert bag.mode == "max" and bag.padding_idx == 2 and bag.weight.numpy()[2].any()
    with pytest.raises(ValueError, match="rows of a matrix"):
        Embedding.from_pretrained(np.ones(3))


def test_padding_out_of_range():
    with pytest.raises(ValueError, match="padding_idx 7 is none of 7"):
        Embedding(7, 3, padding_idx=7)
