"""Reductions and scans: special values, ties, dtypes, axes, errors, and NumPy's functions on Tensors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl

nan, inf = math.nan, math.inf

TO_ONE = ("sum", "mean", "prod", "var", "std", "amax", "amin", "logsumexp", "norm", "nansum", "nanmean")
SCANS = ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def value_and_gradient(f, data, weights=None):
    x = tl.tensor(np.asarray(data, np.float64), requires_grad=True)
    y = f(x)
    weights = np.ones(y.shape) if weights is None else np.asarray(weights, np.float64)
    return y.detach().numpy(), tl.grad(y, x, weights).numpy()


def check(f, data, value, gradient, weights=None):
    got = value_and_gradient(f, data, weights)
    np.testing.assert_allclose(got[0], value)
    np.testing.assert_allclose(got[1], gradient)


# ------------------------------------------------------------------------------------------- axes


@pytest.mark.parametrize("name", TO_ONE)
def test_a_scalar_reduces_along_axis_0_and_last(name):
    for axis in (None, 0, -1, (), (0,)):
        for keepdims in (False, True):
            assert getattr(tl, name)(tl.tensor(2.0), axis=axis, keepdims=keepdims).shape == ()


@pytest.mark.parametrize("name", TO_ONE)
def test_shapes_follow_numpy(name):
    x = np.ones((2, 3, 4))
    for axis in (None, 0, -1, (0, 2), (-1, 1), [1], np.int64(2), (0, 1, 2), ()):
        plain = tuple(axis) if isinstance(axis, list) else axis
        for keepdims in (False, True):
            want = np.sum(x, axis=plain, keepdims=keepdims).shape
            assert getattr(tl, name)(tl.tensor(x), axis=axis, keepdims=keepdims).shape == want


def test_pytorchs_words_for_the_arguments():
    x = tl.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert tl.sum(input=x, dim=1, keepdim=True).shape == (2, 1)
    assert tl.var(x, dim=1, unbiased=False).tolist() == [0.25, 2.25]
    assert tl.var(x, 1, False).tolist() == tl.var(x, axis=1, ddof=0).tolist() == [0.25, 2.25]
    assert tl.var(x, False).item() == tl.var(x, correction=0).item() == 3.5
    assert tl.var_mean(x, False)[1].item() == 3.0
    assert tl.std_mean(x, dim=0, unbiased=True, keepdim=True)[0].shape == (1, 2)


@pytest.mark.parametrize("name", [*TO_ONE, "all", "any", "count_nonzero"])
@pytest.mark.parametrize(
    "axis, kind, text",
    [
        (2, IndexError, "axis 2 is out of range; it must be from -2 to 1"),
        ((0, -3), IndexError, "axis -3 is out of range"),
        ((0, -2), ValueError, "names an axis twice"),
        (1.5, TypeError, "integer"),
    ],
)
def test_a_wrong_axis_is_named(name, axis, kind, text):
    with pytest.raises(kind, match=rf"{name}.*{text}"):
        getattr(tl, name)(tl.zeros(2, 3), axis=axis)


# ----------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("name", [*TO_ONE, *SCANS, "diff"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_dtypes_stay(name, dtype):
    x = tl.tensor([[1.0, 2.0, 3.0], [0.5, 0.25, 2.0]], dtype=dtype, requires_grad=True)
    y = getattr(tl, name)(x, axis=1)
    y = y.values if name in ("cummax", "cummin") else y
    assert y.dtype == dtype and tl.grad(y.sum(), x).dtype == dtype
    want = getattr(tl, name)(tl.tensor(x.detach().numpy().astype(np.float64)), axis=1)
    np.testing.assert_allclose(y.detach(), want.values if isinstance(want, tuple) else want, rtol=2e-3)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.bool_])
def test_integers_and_bool(dtype):
    x = tl.tensor(np.array([[1, 0], [1, 1]], dtype))
    for name in ("sum", "prod", "nansum", "cumsum", "cumprod", "count_nonzero"):
        assert getattr(tl, name)(x, axis=0).dtype == np.int64, name
    for name in ("mean", "var", "std", "nanmean", "logsumexp", "norm", "logcumsumexp"):
        assert getattr(tl, name)(x, axis=0).dtype == np.float64, name
    for name in ("amax", "amin", "diff"):
        assert getattr(tl, name)(x, axis=0).dtype == dtype, name
    assert tl.sum(tl.tensor(np.full(300, 200, np.uint8))).item() == 60000


def test_float16_is_added_up_in_float32():
    x = tl.tensor(np.full((4096, 2), 0.1), dtype=np.float16)
    np.testing.assert_allclose(tl.sum(x, axis=0), [409.5, 409.5], rtol=1e-3)
    np.testing.assert_allclose(tl.mean(x, axis=0), [0.1, 0.1], rtol=1e-3)
    np.testing.assert_allclose(tl.cumsum(x, axis=0)[-1], [409.5, 409.5], rtol=1e-3)
    assert tl.std(tl.tensor([1000.0, -1000.0], dtype=np.float16), correction=0).item() == 1000.0
    assert tl.norm(tl.tensor([3000.0, 4000.0], dtype=np.float16)).item() == 5000.0


def test_dtype_of_the_result():
    x = tl.tensor([1.5, 2.5], dtype=np.float16, requires_grad=True)
    for f in (tl.sum, tl.mean, tl.prod, tl.nansum, tl.nanmean, tl.norm):
        y = f(x, dtype=np.float64)
        assert y.dtype == np.float64 and tl.grad(y, x).dtype == np.float16
    assert tl.cumsum(x, 0, dtype=np.float32).dtype == tl.cumprod(x, 0, dtype=np.float32).dtype == np.float32
    assert tl.sum(tl.tensor([1, 2]), dtype=np.float32).dtype == np.float32
    assert tl.mean(tl.tensor([1, 2]), dtype=np.float32).dtype == np.float32
    with pytest.raises(TypeError, match=r"mean: dtype=int64 can't hold the result"):
        tl.mean(x, dtype=int)


# ---------------------------------------------------------------------------------- special values


def test_nothing_to_reduce():
    empty = tl.zeros(0, 3)
    assert tl.sum(empty, 0).tolist() == [0, 0, 0] and tl.prod(empty, 0).tolist() == [1, 1, 1]
    assert tl.logsumexp(empty, 0).tolist() == [-inf] * 3
    assert tl.all(empty).item() and not tl.any(empty).item() and tl.norm(empty).item() == 0
    for name in ("mean", "var", "std", "nanmean"):
        assert np.isnan(getattr(tl, name)(empty, 0)).all() and getattr(tl, name)(empty, 1).shape == (0,)
    for f in (tl.amax, tl.amin, tl.aminmax):
        with pytest.raises(ValueError, match="zero-size"):
            f(empty, 0)
    assert tl.amax(empty, 1).shape == tl.aminmax(empty, 1).min.shape == (0,)
    x = tl.zeros(0, 3, requires_grad=True)
    for name in ("sum", "mean", "prod", "var", "std", "logsumexp", "nanmean"):
        y = getattr(tl, name)(x)
        assert tl.grad(y, x).shape == (0, 3)
    for p in (inf, -inf):
        with pytest.raises(ValueError, match="norm"):
            tl.norm(tl.zeros(0), p)


def test_equal_maxima_share_the_gradient():
    check(tl.amax, [3, 1, 3, 3], 3, [1 / 3, 0, 1 / 3, 1 / 3])
    check(tl.amin, [[1, 1], [2, 0]], 0, [[0, 0], [0, 1]])
    check(lambda x: tl.amin(x, axis=1), [[1, 1], [2, 0]], [1, 0], [[0.5, 0.5], [0, 1]])
    check(lambda x: tl.aminmax(x).max, [2, 2, 0], 2, [0.5, 0.5, 0])
    check(lambda x: tl.norm(x, inf), [2, -2, 0], 2, [0.5, -0.5, 0])


def test_nan_spreads_except_where_it_is_left_out():
    for name in ("sum", "mean", "prod", "var", "amax", "amin", "logsumexp", "norm"):
        assert math.isnan(getattr(tl, name)(tl.tensor([1.0, nan])).item()), name
    check(tl.nansum, [nan, 2, 3], 5, [0, 1, 1])
    check(tl.nanmean, [nan, 2, 4], 3, [0, 0.5, 0.5])
    check(lambda x: tl.nanmean(x, axis=1), [[nan, nan], [1, nan]], [nan, 1], [[0, 0], [1, 0]])
    assert math.isnan(value_and_gradient(tl.amax, [nan, 1])[1][0])


def test_logsumexp_of_infinities():
    check(tl.logsumexp, [-inf, 1], 1, [0, 1])
    assert tl.logsumexp(tl.tensor([-inf, -inf])).item() == -inf
    assert tl.logsumexp(tl.tensor([inf, 1.0])).item() == inf
    check(lambda x: tl.logsumexp(x, -1), [[1000, 1000], [-1000, -1000]], [1000 + math.log(2), math.log(2) - 1000], 0.5)
    check(lambda x: tl.logcumsumexp(x, 0), [-1e300, 800, 800], [-1e300, 800, 800 + math.log(2)], [1, 1.5, 0.5])
    assert tl.logcumsumexp(tl.tensor([-inf, 0.0]), 0).tolist() == [-inf, 0]


def test_deviation_without_spread_or_freedom():
    check(tl.std, [2, 2, 2], 0, [0, 0, 0])
    assert math.isnan(tl.std(tl.tensor([1.0])).item()) and tl.var(tl.tensor([1.0, 2.0]), correction=3).item() == inf
    check(lambda x: tl.var(x, correction=2), [1, 2], inf, [-inf, inf])
    check(lambda x: tl.var(x, correction=-2), [1, 3], 0.5, [-0.5, 0.5])
    assert tl.var(tl.tensor([1.0, 3.0]), correction=None).item() == 2.0
    large = tl.tensor([1e4, 1e4 + 1])
    assert tl.var(large, correction=0).item() == 0.25


@pytest.mark.parametrize("p", [2, 1, 3, 1.5, 0.5, inf, -inf, -1, 0, "fro"])
def test_the_gradient_of_a_norm_at_zero_is_zero(p):
    x = tl.zeros(3, requires_grad=True)
    y = tl.norm(x, p)
    assert y.item() == 0 and tl.grad(y, x).tolist() == [0, 0, 0]


def test_norms():
    check(tl.norm, [3, -4], 5, [0.6, -0.8])
    check(lambda x: tl.norm(x, 1), [0, 2, -3], 5, [0, 1, -1])
    check(lambda x: tl.norm(x, -inf, axis=1), [[3, -2], [1, 1]], [2, 1], [[0, -1], [0.5, 0.5]])
    check(lambda x: tl.norm(x, 0), [0, 2, -3], 2, [0, 0, 0])
    assert tl.norm(tl.ones(2, 3, 4), 1, axis=(0, 1)).tolist() == [6, 6, 6, 6]
    assert math.isclose(tl.norm(tl.tensor([[3.0, 0.0], [0.0, -4.0]]), "nuc").item(), 7, rel_tol=1e-6)
    with pytest.raises(ValueError, match="norm: got p='abc'; it must be a number, 'fro' or 'nuc'"):
        tl.norm(tl.ones(2), "abc")


@pytest.mark.parametrize("data", [[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
def test_products_with_zeros_to_third_order(data):
    """The derivatives of xyz: the products of what is left."""
    x = tl.tensor(data, dtype=np.float64)
    a, b, c = data
    for product in (tl.prod, lambda x: tl.cumprod(x, 0)[2], lambda x: tl.prod(x.reshape(3, 1), (0, 1))):
        check(product, data, a * b * c, [b * c, a * c, a * b])
        np.testing.assert_allclose(tl.hessian(product, x), [[0, c, b], [c, 0, a], [b, a, 0]], atol=1e-12)
        slopes = tl.jacobian(lambda x, product=product: tl.hessian(product, x), x).numpy()
        want = [[[float({i, j, k} == {0, 1, 2}) for k in range(3)] for j in range(3)] for i in range(3)]
        np.testing.assert_allclose(slopes, want, atol=1e-12)


# ------------------------------------------------------------------------------------------- scans


def test_long_scans_are_right():
    """The recurrence takes doubling steps: lengths around the powers of two."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100):
        data = rng.uniform(0.7, 1.3, n)
        weights = rng.standard_normal(n)
        want = np.cumsum((weights * np.cumprod(data))[::-1])[::-1] / data
        check(lambda x: tl.cumprod(x, 0), data, np.cumprod(data), want, weights)
        out = np.logaddexp.accumulate(data)
        want = [(weights[i:] * np.exp(data[i] - out[i:])).sum() for i in range(n)]
        check(lambda x: tl.logcumsumexp(x, 0), data, out, want, weights)
        check(lambda x: tl.cumsum(x, 0), data, np.cumsum(data), np.cumsum(weights[::-1])[::-1], weights)


def test_running_extremes_point_to_the_last_of_equals():
    for op, data in ((tl.cummax, [1, 3, 3, 2, 3]), (tl.cummin, [-1, -3, -3, -2, -3])):
        result = op(tl.tensor(data), axis=0)
        assert result.indices.tolist() == [0, 1, 2, 2, 4] and np.abs(result.values).tolist() == [1, 3, 3, 3, 3]
        check(lambda x, op=op: op(x, 0).values, data, result.values, [1, 1, 20, 0, 30], [1, 1, 10, 10, 30])
    broken = tl.cummax(tl.tensor([1.0, nan, 2.0, nan]), 0)
    assert broken.indices.tolist() == [0, 1, 1, 3] and np.isnan(broken.values.numpy()[1:]).all()


@pytest.mark.parametrize("name", SCANS)
def test_scans_of_scalars_and_nothing(name):
    y = getattr(tl, name)(tl.tensor(2.0, requires_grad=True), -1)
    y = y[0] if isinstance(y, tuple) else y
    assert y.item() == 2.0 and y.shape == ()
    y = getattr(tl, name)(tl.zeros(3, 0), 1)
    assert (y[0] if isinstance(y, tuple) else y).shape == (3, 0)
    with pytest.raises(IndexError, match=rf"{name}: axis 1 is out of range; it must be from -1 to 0"):
        getattr(tl, name)(tl.zeros(3), 1)
    with pytest.raises(TypeError, match="argument is missing"):
        getattr(tl, name)(tl.zeros(3))


def test_differences():
    check(lambda x: tl.diff(x, prepend=0.0, append=tl.tensor([7.0, 7.0])), [1, 4], [1, 3, 3, 0], [0, 0])
    check(lambda x: tl.diff(x, 2, axis=0), [1, 4, 9, 16], [2, 2], [1, -1, -1, 1])
    assert tl.diff(tl.tensor([True, False, False])).tolist() == [True, False]
    assert tl.diff(tl.zeros(3), 5).shape == (0,) and tl.diff(tl.tensor([1.0, 2.0]), 0, prepend=3.0).tolist() == [1, 2]
    with pytest.raises(ValueError, match="diff: got a 0-d operand"):
        tl.diff(tl.tensor(1.0))
    with pytest.raises(ValueError, match="diff: got n=-1"):
        tl.diff(tl.zeros(3), -1)


# ------------------------------------------------------------------------------------------- NumPy


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, axis=0),
        lambda x: np.mean(x, axis=(0, 1), keepdims=True),
        lambda x: np.prod(x, axis=1),
        lambda x: np.var(x, axis=0, ddof=1),
        lambda x: np.std(x),
        lambda x: np.max(x, axis=1),
        lambda x: np.min(x),
        lambda x: np.cumsum(x),
        lambda x: np.cumprod(x, axis=0),
        lambda x: np.linalg.norm(x, axis=1),
        lambda x: np.add.reduce(x, axis=1),
        lambda x: np.logaddexp.reduce(x, axis=1),
        lambda x: np.all(x > 1, axis=0),
        lambda x: np.any(x > 1),
    ],
)
def test_numpys_functions(f):
    data = np.arange(1.0, 7.0).reshape(2, 3)
    x = tl.tensor(data, requires_grad=True)
    y = f(x)
    np.testing.assert_allclose(y.detach(), f(data))
    if y.dtype.kind == "f":
        assert tl.grad(y.sum(), x).shape == (2, 3)


def test_views_and_other_layouts():
    data = np.arange(24.0).reshape(2, 3, 4)
    x = tl.tensor(data).permute((2, 0, 1))[::-1]
    np.testing.assert_allclose(tl.prod(x + 1, axis=(0, 2)), (data + 1).prod((1, 2)))
    np.testing.assert_allclose(tl.cumsum(x, axis=1), np.cumsum(data.transpose(2, 0, 1)[::-1], axis=1))
    np.testing.assert_allclose(tl.logsumexp(x, axis=(0, 1)), np.log(np.exp(data).sum((0, 2))))
