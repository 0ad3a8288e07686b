"""Sorting and selecting: ties, NaN, order, dtypes, errors, and NumPy's functions on Tensors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.ops.test_reductions import check

nan, inf = math.nan, math.inf
rng = np.random.default_rng(0)

PAIRS = {
    "max": lambda x: tl.max(x, 1),
    "min": lambda x: tl.min(x, 1),
    "median": lambda x: tl.median(x, 1),
    "sort": lambda x: tl.sort(x, 1),
    "topk": lambda x: tl.topk(x, 2, 1),
    "kthvalue": lambda x: tl.kthvalue(x, 2, 1),
}
"""Operations that give (values, indices), along axis 1."""


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ------------------------------------------------------------------------------- values and indices


@pytest.mark.parametrize("name", PAIRS)
def test_values_are_the_elements_at_the_indices(name):
    x = tl.tensor(rng.integers(0, 4, (5, 6, 2)).astype(float), requires_grad=True)
    result = PAIRS[name](x)
    values, indices = result
    assert result._fields == ("values", "indices") and indices.dtype == np.int64 and not indices.requires_grad
    at = indices.numpy().reshape(5, -1, 2)
    np.testing.assert_array_equal(
        np.take_along_axis(x.detach().numpy(), at, 1).reshape(values.shape), values.detach().numpy()
    )
    weights = rng.standard_normal(values.shape)
    want = np.zeros(x.shape)
    np.put_along_axis(want, at, weights.reshape(at.shape), 1)
    np.testing.assert_array_equal(tl.grad(values, x, weights), want)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8])
def test_dtypes_stay(name, dtype):
    x = tl.tensor(np.array([[3, 1, 2], [2, 3, 1]], dtype), requires_grad=np.dtype(dtype).kind == "f")
    values = PAIRS[name](x).values
    assert values.dtype == dtype
    if x.requires_grad:
        assert tl.grad(values.sum(), x).dtype == dtype


def test_scalars_are_lanes_of_one():
    x = tl.tensor(2.0, requires_grad=True)
    for result in (tl.max(x, 0), tl.min(x, -1, True), tl.median(x, 0), tl.sort(x), tl.topk(x, 1), tl.kthvalue(x, 1, 0)):
        assert result.values.shape == result.indices.shape == () and result.indices.item() == 0
        assert tl.grad(result.values, x).item() == 1.0
    assert tl.argmax(x, 0).shape == tl.argsort(x).shape == () and tl.quantile(x, 0.3, -1).item() == 2.0


# ------------------------------------------------------------------------------ maxima and minima


def test_the_three_forms_of_max():
    check(tl.max, [3, 1, 3], 3, [0.5, 0, 0.5])
    check(lambda x: tl.max(x, 0).values, [3, 1, 3], 3, [1, 0, 0])
    check(lambda x: tl.max(x, np.array([3.0, 5.0, 0.0])), [3, 1, 3], [3, 5, 3], [0.5, 0, 1])
    check(lambda x: tl.min(x, other=2.0), [3, 1, 2], [2, 1, 2], [0, 1, 0.5])
    check(lambda x: tl.max(x, 2.5), [3, 1], [3, 2.5], [1, 0])
    assert tl.min(tl.tensor([[3.0, 1.0], [0.0, 7.0]]), dim=1, keepdim=True).values.tolist() == [[1.0], [0.0]]
    assert tl.max(tl.tensor([1, 5]), tl.tensor([3, 3])).tolist() == [3, 5]


def test_nan_is_larger_than_any_number():
    x = tl.tensor([1.0, nan, 3.0, nan, 2.0])
    assert tl.max(x, 0).indices.item() == tl.min(x, 0).indices.item() == tl.argmax(x).item() == tl.argmin(x).item() == 1
    assert tl.sort(x).indices.tolist() == [0, 4, 2, 1, 3]
    assert tl.sort(x, descending=True).indices.tolist() == [1, 3, 2, 4, 0]
    assert tl.topk(x, 3).indices.tolist() == [1, 3, 2] and tl.topk(x, 2, largest=False).values.tolist() == [1.0, 2.0]
    assert tl.kthvalue(x, 3).values.item() == 3.0
    assert tl.median(x, 0).indices.item() == 1 and math.isnan(tl.median(x).item())
    one_broken = tl.tensor([[1.0, 2.0, 3.0], [4.0, nan, 5.0]])
    np.testing.assert_equal(tl.quantile(one_broken, [0.0, 0.5], 1).numpy(), [[1.0, nan], [2.0, nan]])
    assert tl.median(tl.tensor([[1.0, nan], [2.0, 3.0]]), 0).values.tolist()[0] == 1.0


# ---------------------------------------------------------------------------------------- sorting


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_keep_their_order(descending):
    data = rng.integers(0, 3, (4, 40))
    sign = -1 if descending else 1
    want = np.argsort(sign * data, axis=1, kind="stable")
    x = tl.tensor(data)
    np.testing.assert_array_equal(tl.sort(x, 1, descending).indices, want)
    np.testing.assert_array_equal(tl.argsort(x, 1, descending, stable=True), want)
    few = tl.topk(x, 40, 1, largest=descending)
    np.testing.assert_array_equal(few.indices, want)


@pytest.mark.parametrize("largest", [False, True])
def test_topk_is_the_head_of_the_sorted(largest):
    x = tl.tensor(rng.permutation(60).reshape(3, 5, 4).astype(np.float32))
    for axis in (0, 1, -1):
        ordered = tl.sort(x, axis, descending=largest).values.numpy()
        for k in range(x.shape[axis] + 1):
            got = tl.topk(x, k, axis, largest, sorted=False).values
            np.testing.assert_array_equal(got, np.take(ordered, range(k), axis))
            if k:
                kth = tl.kthvalue(x, k, axis, keepdims=True).values
                np.testing.assert_array_equal(kth, np.take(tl.sort(x, axis).values.numpy(), [k - 1], axis))


def test_lanes_without_elements():
    empty = tl.zeros(3, 0)
    assert tl.sort(empty).values.shape == tl.topk(empty, 0).values.shape == tl.argsort(empty).shape == (3, 0)
    assert tl.max(empty, 0).values.shape == tl.median(empty, 0).indices.shape == (0,)
    assert tl.kthvalue(empty, 1, 0).values.shape == (0,)
    assert math.isnan(tl.median(empty).item())
    for f, name in ((tl.max, "max"), (tl.min, "min"), (tl.median, "median")):
        with pytest.raises(ValueError, match=rf"{name}: axis 1 of shape \(3, 0\) has no elements; it needs at least 1"):
            f(empty, 1)
    with pytest.raises(ValueError, match="quantile: got no elements"):
        tl.quantile(empty, 0.5, 1)
    for f in (tl.max, tl.min, tl.argmax, tl.argmin):
        with pytest.raises(ValueError):
            f(empty)


# -------------------------------------------------------------------------- medians and quantiles


def test_the_median_is_the_lower_one():
    check(tl.median, [4, 1, 3, 2], 2, [0, 0, 0, 1])
    check(tl.median, [2, 2, 1, 7], 2, [0.5, 0.5, 0, 0])
    check(lambda x: tl.median(x, 0).values, [4, 1, 3, 2], 2, [0, 0, 0, 1])
    assert tl.median(tl.ones(2, 3), keepdims=True).shape == (1, 1)
    assert tl.median(tl.tensor([4, 1, 3])).dtype == np.int64


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_equal_numpys(interpolation):
    data = rng.standard_normal((3, 7, 2))
    q = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0]
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            got = tl.quantile(tl.tensor(data), q, axis, keepdims, interpolation)
            np.testing.assert_allclose(got, np.quantile(data, q, axis, method=interpolation, keepdims=keepdims))


def test_quantiles_of_special_values():
    assert tl.quantile(tl.tensor([1.0, inf]), [0.0, 1.0]).tolist() == [1.0, inf]
    assert tl.quantile([1, 2, 4], 0.25).item() == 1.5 and tl.quantile(tl.tensor([1, 2]), 0.5).dtype == np.float64
    assert tl.quantile(tl.tensor([1.0, 2.0], dtype=np.float16), 0.5).dtype == np.float16
    assert tl.quantile(tl.ones(3), np.zeros(0)).shape == (0,)
    check(lambda x: tl.quantile(x, 0.25), [4, 1, 3], 2, [0, 0.5, 0.5])
    check(lambda q: tl.quantile(tl.tensor([4.0, 1.0, 3.0]), q), [0.25, 0.75], [2, 3.5], [4, 2])


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda x: tl.topk(x, 4), ValueError, r"topk: got k=4; it must be from 0 to 3"),
        (lambda x: tl.topk(x, -1), ValueError, r"topk: got k=-1"),
        (lambda x: tl.kthvalue(x, 0), ValueError, r"kthvalue: got k=0; it must be from 1 to 3"),
        (lambda x: tl.sort(x, 2), IndexError, r"sort: axis 2 is out of range; it must be from -2 to 1"),
        (lambda x: tl.max(x, 5), IndexError, r"max: axis 5 is out of range"),
        (lambda x: tl.max(x, (0, 1)), TypeError, r"max: got axis=\(0, 1\).*use tl.amax"),
        (lambda x: tl.argmax(x, (0, 1)), TypeError, r"argmax"),
        (lambda x: tl.quantile(x, 50), ValueError, r"quantile: got q=50.0; it must be from 0 to 1"),
        (lambda x: tl.quantile(x, [0.5, 1.5]), ValueError, r"quantile: got q=\[0.5 1.5\]"),
        (lambda x: tl.quantile(x, nan), ValueError, r"quantile: got q=nan"),
        (lambda x: tl.quantile(x, [[0.5]]), ValueError, r"quantile: got q of shape \(1, 1\)"),
        (lambda x: tl.quantile(x, 0.5, interpolation="cubic"), ValueError, r"interpolation='cubic'.*midpoint"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call(tl.ones(2, 3))


# ------------------------------------------------------------------------------------------- NumPy


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sort(x, axis=0),
        lambda x: np.sort(x, axis=None),
        lambda x: np.argsort(x, axis=1),
        lambda x: np.argmax(x, axis=0),
        lambda x: np.argmin(x),
        lambda x: np.argmax(x, axis=1, keepdims=True),
        lambda x: np.median(x, axis=1),
    ],
)
def test_numpys_functions(f):
    data = rng.permutation(12).reshape(3, 4) / 4
    np.testing.assert_allclose(f(tl.tensor(data)), f(data))


def test_methods():
    x = tl.tensor([[3.0, 1.0, 2.0]])
    assert x.max().item() == 3.0 and x.min(1).indices.tolist() == [1] and x.argmax().item() == 0
    assert x.sort(descending=True)[0].tolist() == [[3.0, 2.0, 1.0]] and x.argsort(1).tolist() == [[1, 2, 0]]
    assert x.topk(2).values.tolist() == [[3.0, 2.0]] and x.median().item() == 2.0 and x.quantile(0.5).item() == 2.0
