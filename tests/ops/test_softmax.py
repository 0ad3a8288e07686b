"""Softmax and its relatives: extreme values, dtypes, and the random one."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.testing import gradcheck, gradgradcheck


def test_huge_scores_neither_overflow_nor_lose_the_logarithm():
    x = tl.tensor([1e30, 0.0, -1e30], requires_grad=True)
    np.testing.assert_array_equal(tl.softmax(x).detach().numpy(), [1, 0, 0])
    np.testing.assert_allclose(tl.log_softmax(x).detach().numpy(), [0, -1e30, -2e30])
    g = tl.grad(tl.log_softmax(x)[1], x)
    np.testing.assert_array_equal(g.numpy(), [-1, 1, 0])


@pytest.mark.filterwarnings("error")
def test_a_masked_entry_is_zero_and_a_row_of_them_is_nan_without_a_warning():
    x = tl.tensor([[0.0, -np.inf], [-np.inf, -np.inf], [np.inf, 0.0]])
    p = tl.softmax(x, 1).numpy()
    np.testing.assert_array_equal(p[0], [1, 0])
    assert np.isnan(p[1]).all() and np.isnan(p[2]).any()
    assert np.isnan(tl.log_softmax(x, 1).numpy()[1]).all()


@pytest.mark.parametrize("f", [tl.softmax, tl.log_softmax, tl.softmin])
def test_dtypes(f):
    for dtype in (np.float16, np.float32, np.float64):
        x = tl.tensor(np.linspace(-3, 3, 7, dtype=dtype), requires_grad=True)
        y = f(x)
        assert y.dtype == dtype
        assert tl.grad((y * y).sum(), x).dtype == dtype
    assert f(tl.tensor([1, 2, 3])).dtype == np.float32
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = f(x, 0, dtype=np.float64)
    assert y.dtype == np.float64 and tl.grad(y[0], x).dtype == np.float32
    with pytest.raises(TypeError, match=r"softm\w+: the result can't be int64"):
        f(x, 0, dtype=np.int64)


def test_float16_sums_many_terms_without_losing_them():
    p = tl.softmax(tl.zeros(4096, dtype=np.float16))
    assert p.dtype == np.float16 and abs(p.numpy().astype(float).sum() - 1) < 1e-3


def test_pytorch_and_numpy_names_for_the_axis():
    x = tl.tensor(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(tl.softmax(x, dim=0).numpy(), tl.softmax(x, axis=0).numpy())
    np.testing.assert_array_equal(x.softmax(0).numpy(), tl.softmax(input=x, dim=-2).numpy())
    with pytest.raises(IndexError, match=r"softmax: axis 2 is out of range"):
        tl.softmax(x, 2)


def drawn(x: tl.Tensor, **params: object) -> tl.Tensor:
    tl.manual_seed(3)
    return tl.gumbel_softmax(x, **params)


def test_gumbel_softmax_has_the_gradient_of_its_draw_to_second_order():
    x = np.random.default_rng(0).standard_normal((2, 3))
    gradcheck(drawn, x)
    gradgradcheck(drawn, x)
    gradcheck(lambda x: drawn(x, tau=0.5, axis=0), x)


def test_gumbel_softmax_draws_each_class_as_often_as_softmax_says():
    tl.manual_seed(0)
    logits = np.log([0.5, 0.3, 0.2])
    draws = tl.gumbel_softmax(np.tile(logits, (20000, 1)), hard=True).numpy()
    assert set(np.unique(draws.round(12))) == {0, 1}
    np.testing.assert_allclose(draws.mean(axis=0), [0.5, 0.3, 0.2], atol=0.02)


def test_a_hard_gumbel_draw_passes_the_gradient_of_the_soft_one():
    x = tl.tensor(np.random.default_rng(1).standard_normal((4, 3)), requires_grad=True)
    w = np.random.default_rng(2).standard_normal((4, 3))
    soft, hard = (tl.grad((drawn(x, hard=h) * w).sum(), x).numpy() for h in (False, True))
    np.testing.assert_allclose(hard, soft)
    with pytest.raises(ValueError, match="gumbel_softmax: tau is 0; the temperature must be positive"):
        tl.gumbel_softmax(x, tau=0)
    assert tl.gumbel_softmax(tl.tensor(1.0), hard=True, axis=0).item() == 1
