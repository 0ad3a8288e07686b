"""Dropout, attention and distances: what is random, masks, and the edges."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.testing import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
DROPOUTS = [tl.dropout, tl.dropout1d, tl.dropout2d, tl.dropout3d, tl.alpha_dropout, tl.feature_alpha_dropout]


def seeded(f):
    """`f`, with the same random numbers at each call."""

    def call(*args, **params):
        tl.manual_seed(7)
        return f(*args, **params)

    return call


# -------------------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("f", DROPOUTS)
def test_a_seed_repeats_the_mask_and_gradients_of_both_orders_belong_to_it(f):
    x = rng.standard_normal((3, 4, 2))
    a, b = (seeded(f)(x, 0.4, True).numpy() for _ in range(2))
    np.testing.assert_array_equal(a, b)
    gradcheck(seeded(lambda x: f(x, 0.4, True)), x)
    gradgradcheck(seeded(lambda x: f(x * x, 0.4, True)), x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_with_probability_p_and_scales_the_rest(p):
    tl.manual_seed(0)
    y = tl.dropout(tl.ones(200, 500), p).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / (1 - p))}
    assert abs((y == 0).mean() - p) < 0.01


def test_alpha_dropout_keeps_the_mean_and_the_variance():
    tl.manual_seed(0)
    y = tl.alpha_dropout(tl.randn(400, 500), 0.3, True).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02
    x = tl.randn(200, 50, 20)
    y = tl.feature_alpha_dropout(x, 0.3, True).numpy()
    assert abs(y.mean()) < 0.03 and abs(y.var() - 1) < 0.03
    dropped = y.std(-1) < 1e-5
    assert abs(dropped.mean() - 0.3) < 0.01
    # The rest is one affine map of the input, with the coefficients of equation (12) in Klambauer et al. 2017.
    s, q = -1.7580993408473766, 0.7
    a = (q + s**2 * q * (1 - q)) ** -0.5
    np.testing.assert_allclose(y[~dropped], a * x.numpy()[~dropped] - a * (1 - q) * s, atol=1e-5)
    np.testing.assert_allclose(y[dropped], a * s - a * (1 - q) * s, atol=1e-5)
    assert not tl.alpha_dropout(tl.ones(9), 1.0, True).numpy().any()


@pytest.mark.parametrize("f", DROPOUTS)
def test_p_0_and_evaluation_change_nothing_and_p_1_drops_all(f):
    x = tl.randn(2, 3, 4, requires_grad=True)
    assert f(x, 0.0, True) is x and f(x, 0.7, False) is x
    y = f(x, 1.0, True)
    assert not y.detach().numpy().any()
    assert not tl.grad(y.sum(), x).numpy().any()


@pytest.mark.parametrize("f", DROPOUTS)
@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
def test_p_is_a_probability(f, p):
    with pytest.raises(ValueError, match=rf"{f.__name__}: p is {p}; it is the probability to drop"):
        f(tl.ones(2, 3), p, True)


@pytest.mark.parametrize(
    ("f", "shape", "channels"),
    [
        (tl.dropout1d, (8, 16, 3), 2),
        (tl.dropout1d, (64, 3), 1),
        (tl.dropout2d, (8, 16, 3, 2), 2),
        (tl.dropout2d, (8, 16), 2),
        (tl.dropout3d, (8, 16, 2, 1, 2), 2),
        (tl.dropout3d, (64, 2, 1, 2), 1),
    ],
)
def test_channels_are_dropped_as_a_whole(f, shape, channels):
    y = seeded(f)(tl.ones(shape)).numpy().reshape(*shape[:channels], -1)
    assert (y == y[..., :1]).all()
    assert 0 < y[..., 0].mean() < 2


def test_channels_need_an_axis():
    for f in (tl.dropout2d, tl.feature_alpha_dropout):
        with pytest.raises(ValueError, match=rf"{f.__name__}: the input has shape \(3,\); it needs channels"):
            f(tl.ones(3))


def test_dropout_keeps_a_seed_and_no_mask():
    x = tl.ones(1000, requires_grad=True)
    assert not any(isinstance(a, np.ndarray) for a in tl.dropout(x).grad_fn.saved)


def test_dropout_in_a_checkpoint_repeats_its_mask():
    x = tl.randn(50, requires_grad=True)
    y = tl.checkpoint(lambda x: tl.dropout(x * x), x)
    dropped = y.detach().numpy() == 0
    np.testing.assert_array_equal(tl.grad(y.sum(), x).numpy() == 0, dropped)


# ------------------------------------------------------------------------------------- attention


def qkv(*lead: int) -> list[tl.Tensor]:
    return [tl.tensor(rng.standard_normal((*lead, n, 4)), requires_grad=True) for n in (3, 5, 5)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("additive", [False, True])
def test_a_query_that_may_look_nowhere_gets_zeros_and_finite_gradients(additive):
    q, k, v = qkv(2)
    mask = np.ones((3, 5), bool)
    mask[1] = False
    y = tl.scaled_dot_product_attention(q, k, v, np.where(mask, 0, -np.inf) if additive else mask)
    assert not y.detach().numpy()[:, 1].any() and y.detach().numpy()[:, 0].all()
    gs = tl.grad((y * y).sum(), (q, k, v))
    assert all(np.isfinite(g.numpy()).all() for g in gs) and not gs[0].numpy()[:, 1].any()


def test_causal_is_the_lower_triangle_and_excludes_another_mask():
    q, k, v = qkv()
    a = tl.scaled_dot_product_attention(q, k, v, is_causal=True)
    b = tl.scaled_dot_product_attention(q, k, v, np.tril(np.ones((3, 5), bool)))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(a.detach().numpy()[0], v.detach().numpy()[0])
    with pytest.raises(ValueError, match="scaled_dot_product_attention: is_causal is a mask itself"):
        tl.scaled_dot_product_attention(q, k, v, np.ones((3, 5), bool), is_causal=True)


def test_the_mask_is_differentiated_where_it_is_added():
    q, k, v = (t.detach() for t in qkv(2))
    gradcheck(lambda m: tl.scaled_dot_product_attention(q, k, v, m), rng.standard_normal((3, 5)))


def test_attention_with_dropout_is_repeatable_and_has_right_gradients():
    q, k, v = (t.detach().numpy() for t in qkv())
    f = seeded(lambda q, k, v: tl.scaled_dot_product_attention(q, k, v, dropout_p=0.5))
    gradcheck(f, q, k, v)
    assert (f(q, k, v).numpy() != tl.scaled_dot_product_attention(q, k, v).numpy()).any()


def test_attention_keeps_its_dtype_and_names_shapes_that_dont_match():
    for dtype in (np.float16, np.float32):
        q, k, v = (tl.tensor(t.detach().numpy(), dtype=dtype) for t in qkv())
        assert tl.scaled_dot_product_attention(q, k, v, np.ones((3, 5), bool)).dtype == dtype
    with pytest.raises(ValueError, match=r"query \(3, 4\), key \(5, 3\) and value \(5, 4\) don't match"):
        tl.scaled_dot_product_attention(tl.ones(3, 4), tl.ones(5, 3), tl.ones(5, 4))
    with pytest.raises(ValueError, match=r"enable_gqa: 3 heads of query can't be shared by 2 of key"):
        tl.scaled_dot_product_attention(tl.ones(3, 2, 2), tl.ones(2, 2, 2), tl.ones(2, 2, 2), enable_gqa=True)


# ------------------------------------------------------------------------------------- distances


def test_vectors_of_length_0_have_similarity_0_and_finite_gradients():
    x = tl.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    y = tl.cosine_similarity(x, tl.ones(2, 2))
    np.testing.assert_allclose(y.detach().numpy(), [0, 0.5**0.5], rtol=1e-6)
    assert np.isfinite(tl.grad(y.sum(), x).numpy()).all()
    assert np.isfinite(tl.grad(tl.normalize(x).sum(), x).numpy()).all()


def test_axes_of_operands_of_different_rank():
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal(4)
    want = (a @ b) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b)
    np.testing.assert_allclose(tl.cosine_similarity(a, b, dim=2).numpy(), want)
    np.testing.assert_allclose(tl.cosine_similarity(b, a, axis=-1).numpy(), want)
    with pytest.raises(ValueError, match=r"cosine_similarity: .*broadcast"):
        tl.cosine_similarity(np.ones((2, 3)), np.ones((2, 4)))


def test_pairwise_distance_of_equal_points_has_a_gradient():
    x = tl.ones(2, 3, requires_grad=True)
    d = tl.pairwise_distance(x, tl.ones(2, 3), keepdim=True)
    assert d.shape == (2, 1) and np.isfinite(tl.grad(d.sum(), x).numpy()).all()
    np.testing.assert_allclose(tl.pairwise_distance(np.zeros(2), np.array([3.0, 4.0]), p=np.inf, eps=0).numpy(), 4)
