"""Pooling: ties, NaN, dtypes, indices, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


def test_of_equal_values_the_first_has_the_gradient():
    x = tl.tensor(np.ones((1, 4, 4)), requires_grad=True)
    tl.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0], np.kron(np.ones((2, 2)), [[1, 0], [0, 0]]))


def test_overlapping_windows_add_their_gradients():
    x = tl.tensor([[0.0, 5.0, 1.0, 2.0]], requires_grad=True)
    tl.max_pool1d(x, 2, stride=1).backward(tl.tensor([[1.0, 10.0, 100.0]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 11, 0, 100]])


def test_nan_is_the_largest():
    x = np.array([[1.0, np.nan, 3.0, 4.0]])
    y, place = tl.max_pool1d(x, 2, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), [[np.nan, 4]])
    np.testing.assert_array_equal(place.numpy(), [[1, 3]])
    assert np.isnan(tl.avg_pool1d(x, 2).numpy()).tolist() == [[True, False]]


def test_padding_is_never_the_maximum():
    np.testing.assert_array_equal(tl.max_pool1d(-np.ones((1, 3)), 3, 1, 1).numpy(), -np.ones((1, 3)))


def test_indices_are_places_in_the_flattened_plane():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
    for y, place in (tl.max_pool2d(x, 3, 2, 1, return_indices=True), tl.adaptive_max_pool2d(x, (2, 3), True)):
        assert place.dtype == np.int64
        flat = place.numpy().reshape(2, 3, -1)
        np.testing.assert_array_equal(np.take_along_axis(x.reshape(2, 3, -1), flat, 2), y.numpy().reshape(2, 3, -1))


def test_means_count_as_asked():
    x = np.ones((1, 3))
    np.testing.assert_allclose(tl.avg_pool1d(x, 2, padding=1).numpy(), [[0.5, 1]])
    np.testing.assert_allclose(tl.avg_pool1d(x, 2, padding=1, count_include_pad=False).numpy(), [[1, 1]])
    np.testing.assert_allclose(tl.avg_pool1d(x, 2, ceil_mode=True).numpy(), [[1, 1]])
    np.testing.assert_allclose(tl.avg_pool2d(np.ones((1, 2, 2)), 2, divisor_override=-2).numpy(), [[[-2]]])


def test_a_mean_of_each_channel():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(tl.adaptive_avg_pool2d(x, 1).numpy()[..., 0, 0], x.mean((2, 3)))
    np.testing.assert_allclose(tl.adaptive_avg_pool2d(x, (None, 1)).numpy()[..., 0], x.mean(3))
    np.testing.assert_allclose(tl.adaptive_avg_pool2d(x, (4, 5)).numpy(), x)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(name, dtype):
    x = tl.tensor(np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(dtype), requires_grad=True)
    y = getattr(tl, name)(x, 2)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype


def test_integers_have_maxima_and_means():
    x = np.arange(4).reshape(1, 4)
    assert tl.max_pool1d(x, 2).dtype == np.int64
    np.testing.assert_array_equal(tl.max_pool1d(x, 2).numpy(), [[1, 3]])
    np.testing.assert_array_equal(tl.avg_pool1d(x, 2).numpy(), [[0.5, 2.5]])


def test_stride_may_be_left_empty():
    x = np.arange(8.0).reshape(1, 8)
    np.testing.assert_array_equal(tl.max_pool1d(x, 3, stride=[]).numpy(), tl.max_pool1d(x, 3).numpy())


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"])
def test_an_empty_batch(name):
    assert getattr(tl, name)(np.zeros((0, 3, 4, 4)), 2).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tl.max_pool2d(np.ones((4, 4)), 2), "max_pool2d: the input has shape"),
        (lambda: tl.max_pool2d(np.ones((2, 0, 4, 4)), 2), "only N may be 0"),
        (lambda: tl.max_pool2d(np.ones((1, 2, 4, 4)), 5), "one pooling too many"),
        (lambda: tl.max_pool2d(np.ones((1, 2, 4, 4)), 2, padding=2), "more than half"),
        (lambda: tl.max_pool1d(np.ones((1, 1)), 2, padding=1, dilation=2), "meets nothing"),
        (lambda: tl.max_pool2d(np.ones((1, 2, 4, 4)), (2, 2, 2)), "one number, or 2"),
        (lambda: tl.max_pool2d(np.ones((1, 2, 4, 4)), 0), "at least 1"),
        (lambda: tl.avg_pool2d(np.ones((1, 2, 4, 4)), 2, divisor_override=0), "divisor_override is 0"),
        (lambda: tl.adaptive_avg_pool2d(np.ones((1, 2, 4, 4)), (1, 2, 3)), "or None to keep an axis"),
        (lambda: tl.adaptive_max_pool1d(np.ones((1, 2)), -1), "at least 0"),
    ],
)
def test_bad_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
