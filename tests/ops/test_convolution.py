"""Convolution, unfold and fold: what the registry walk does not reach."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def test_the_definition_by_loops():
    x, w, b = normal(2, 4, 7, 6), normal(6, 2, 3, 2), normal(6)
    y = tl.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2).numpy()
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    for n, o, i, j in np.ndindex(y.shape):
        c = o // 3 * 2
        window = padded[n, c : c + 2, 2 * i : 2 * i + 3, j : j + 3 : 2]
        assert y[n, o, i, j] == pytest.approx(b[o] + (window * w[o]).sum())


def test_one_dimension_is_numpys_correlation():
    x, w = normal(9), normal(3)
    np.testing.assert_allclose(tl.conv1d(x.reshape(1, -1), w.reshape(1, 1, -1)).numpy()[0], np.correlate(x, w, "valid"))


def test_a_transposed_convolution_is_the_gradient_of_a_convolution():
    x, w = tl.tensor(normal(2, 3, 8, 8), requires_grad=True), normal(5, 3, 3, 3)
    y = tl.conv2d(x, w, stride=2, padding=1)
    g = normal(*y.shape)
    back = tl.grad(y, x, g)
    np.testing.assert_allclose(tl.conv_transpose2d(g, w, stride=2, padding=1, output_padding=1).numpy(), back.numpy())


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 1), (2, 3), (5, 2)])
def test_same_keeps_the_size_and_the_extra_zero_stands_after(kernel, dilation):
    y = tl.conv1d(np.ones((1, 1, 9)), np.ones((1, 1, kernel)), padding="same", dilation=dilation).numpy().ravel()
    assert y.shape == (9,)
    before = dilation * (kernel - 1) // 2
    want = [sum(0 <= i + dilation * k - before < 9 for k in range(kernel)) for i in range(9)]
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(dtype):
    x, w, b = (tl.tensor(normal(*s, dtype=dtype), requires_grad=True) for s in ((2, 3, 6, 6), (4, 3, 3, 3), (4,)))
    y = tl.conv2d(x, w, b, padding=1)
    y.sum().backward()
    assert {t.dtype for t in (y, x.grad, w.grad, b.grad)} == {np.dtype(dtype)}


def test_float16_is_summed_in_float32():
    x = np.full((1, 4096, 1), 1, np.float16)
    assert tl.conv1d(x, np.full((1, 4096, 1), 0.25, np.float16)).item() == 1024
    y = tl.conv1d(np.full((1, 4096, 1), 1, np.float16), np.full((1, 4096, 1), 0.0997, np.float16)).item()
    assert y == pytest.approx(4096 * float(np.float16(0.0997)), rel=1e-3)


def test_dtypes_are_promoted_as_numpy_does():
    assert tl.conv1d(np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2))).dtype == np.float64
    assert tl.conv1d(np.ones((1, 1, 3), int), np.ones((1, 1, 2), np.float32)).dtype == np.float64
    y = tl.conv1d(np.arange(3).reshape(1, 1, 3), np.ones((1, 1, 2), int))
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y.numpy(), [[[1, 3]]])


def test_a_gradient_is_made_only_for_what_wants_one(monkeypatch):
    from tinygrad_lite import kernels

    calls = []
    for name in ("convolve_input", "convolve_weight"):
        kernel = getattr(kernels, name)
        monkeypatch.setattr(kernels, name, lambda *a, _n=name, _k=kernel, **p: (calls.append(_n), _k(*a, **p))[1])
    w = tl.tensor(normal(2, 1, 3, 3), requires_grad=True)
    tl.conv2d(normal(1, 1, 5, 5), w).sum().backward()
    assert calls == ["convolve_weight"]


def test_what_a_rule_does_not_read_is_not_kept():
    x = tl.tensor(normal(1, 1, 5, 5), requires_grad=True)
    w = tl.tensor(normal(2, 1, 3, 3))
    y = tl.conv2d(x * 2.0, w)  # only x has a gradient, and its rule reads w alone
    saved = [a for a in y.grad_fn.saved if isinstance(a, np.ndarray)]
    assert [a.shape for a in saved] == [w.shape]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tl.conv2d(np.ones((2, 5, 5, 3)), np.ones((4, 3, 3, 3))), "has 5 channels.*needs 3"),
        (lambda: tl.conv2d(np.ones((5, 5)), np.ones((4, 3, 3, 3))), r"conv2d: the input has shape \(5, 5\)"),
        (lambda: tl.conv2d(np.ones((2, 3, 5, 5)), np.ones((4, 3, 3))), "must have 4 axes"),
        (lambda: tl.conv2d(np.ones((2, 3, 2, 2)), np.ones((4, 3, 3, 3))), "larger than the input"),
        (lambda: tl.conv2d(np.ones((2, 3, 0, 5)), np.ones((4, 3, 3, 3))), "must not be empty"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((3, 2, 3, 3)), groups=2), "divide 3"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), groups=0), "at least 1"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), np.ones((4, 1))), r"needs \(4,\)"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), stride=0), "stride is 0; it must be at least"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), padding=-1), "at least 0"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), stride=(1, 1, 1)), "one number, or 2"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), padding="full"), "'same' or 'valid'"),
        (lambda: tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), padding="same", stride=2), "needs stride 1"),
        (lambda: tl.conv_transpose2d(np.ones((2, 4, 5, 5)), np.ones((3, 4, 2, 2))), "needs 3"),
        (lambda: tl.conv_transpose2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 2, 2)), output_padding=1), "smaller than"),
        (lambda: tl.conv_transpose1d(np.ones((2, 4, 1)), np.ones((4, 4, 2)), padding=1), "too large"),
        (lambda: tl.unfold(np.ones((2, 3, 4)), 5), "does not fit"),
        (lambda: tl.unfold(np.ones((2, 3)), 1), "must be"),
        (lambda: tl.fold(np.ones((1, 5, 4)), (3, 3), 2), "multiple of the kernel's 2 \\* 2"),
        (lambda: tl.fold(np.ones((1, 8, 5)), (3, 3), 2), "the places of the window"),
    ],
)
def test_bad_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_fractions_are_refused():
    with pytest.raises(TypeError, match="needs integers"):
        tl.conv2d(np.ones((2, 4, 5, 5)), np.ones((4, 4, 3, 3)), stride=1.5)


def test_fold_of_unfold_counts_the_windows():
    x = normal(2, 3, 6, 5)
    counted = tl.fold(tl.unfold(np.ones_like(x), (3, 2), padding=1), (6, 5), (3, 2), padding=1)
    again = tl.fold(tl.unfold(x, (3, 2), padding=1), (6, 5), (3, 2), padding=1)
    np.testing.assert_allclose(again.numpy(), x * counted.numpy())


def test_unfold_times_weight_is_a_convolution():
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 3)
    y = w.reshape(4, -1) @ tl.unfold(x, 3, padding=1, stride=2).numpy()
    np.testing.assert_allclose(y.reshape(2, 4, 3, 3), tl.conv2d(x, w, padding=1, stride=2).numpy())


def test_a_strided_or_read_only_input():
    x, w = normal(5, 5, 3, 2).T, normal(2, 3, 2, 2)
    assert not x.flags.c_contiguous
    want = tl.conv2d(np.ascontiguousarray(x), w).numpy()
    np.testing.assert_allclose(tl.conv2d(x, w).numpy(), want)
    still = np.ascontiguousarray(x)
    still.flags.writeable = False
    np.testing.assert_allclose(tl.conv2d(still, w).numpy(), want)
