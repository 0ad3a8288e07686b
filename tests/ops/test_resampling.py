"""Interpolation and pixel shuffling: known values, dtypes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


def test_nearest_repeats():
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(tl.interpolate(x, scale_factor=2).numpy()[0, 0], np.kron(x[0, 0], np.ones((2, 2))))


def test_aligned_corners_keep_a_ramp():
    x = np.linspace(0, 1, 4).reshape(1, 1, 4)
    y = tl.interpolate(x, 7, mode="linear", align_corners=True).numpy().ravel()
    np.testing.assert_allclose(y, np.linspace(0, 1, 7))


def test_cubic_weights_add_up_to_one():
    np.testing.assert_allclose(tl.interpolate(np.ones((1, 1, 5, 4)), (9, 11), mode="bicubic").numpy(), 1)


def test_area_is_adaptive_pooling():
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 7))
    y = tl.interpolate(x, (2, 3), mode="area")
    np.testing.assert_allclose(y.numpy(), tl.adaptive_avg_pool2d(x, (2, 3)).numpy())


def test_the_same_size_is_a_copy():
    x = np.random.default_rng(0).standard_normal((1, 2, 5))
    y = tl.interpolate(x, 5)
    np.testing.assert_array_equal(y.numpy(), x)
    assert not np.shares_memory(y.numpy(), x)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(mode, dtype):
    x = tl.tensor(np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(dtype), requires_grad=True)
    y = tl.interpolate(x, 6, mode=mode)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype


def test_shuffling_there_and_back():
    x = np.random.default_rng(0).standard_normal((2, 8, 3, 2))
    y = tl.pixel_shuffle(x, 2)
    assert y.shape == (2, 2, 6, 4)
    assert y.numpy()[1, 1, 3, 2] == x[1, 4 + 2, 1, 1]  # row 2 * 1 + 1, column 2 * 1 + 0: channel 4 + 1 * 2 + 0
    np.testing.assert_array_equal(tl.pixel_unshuffle(y, 2).numpy(), x)


def test_shuffling_nothing():
    x = tl.tensor(np.zeros((0, 8, 3, 2)), requires_grad=True)
    y = tl.pixel_shuffle(x, 2)
    assert y.shape == (0, 2, 6, 4)
    assert tl.grad(y.sum(), x).shape == x.shape
    assert tl.pixel_unshuffle(y.detach(), 2).shape == x.shape


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 2, mode="bilinear"), "needs 4 axes"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 2, mode="spline"), "must be nearest"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 2, 2.0), "give one of them"),
        (lambda: tl.interpolate(np.ones((1, 2, 4))), "give one of them"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 2, align_corners=True), "no meaning for mode 'nearest'"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 2, recompute_scale_factor=True), "no meaning with size"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), 0), "at least 1"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), (2, 2)), "one number, or 1"),
        (lambda: tl.interpolate(np.ones((1, 2, 4)), scale_factor=(2, 2)), "one an axis"),
        (lambda: tl.interpolate(np.ones((2, 4)), 2), "N, C"),
        (lambda: tl.pixel_shuffle(np.ones((3, 2, 2)), 2), "C \\* r \\* r"),
        (lambda: tl.pixel_unshuffle(np.ones((1, 3, 2)), 2), "H \\* r"),
    ],
)
def test_bad_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
