"""Losses: shapes and targets that are refused, edges, and what a graph captures."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.autograd import GradientError
from tinygrad_lite.testing import gradcheck

rng = np.random.default_rng(0)

PAIRED = [
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "hinge_loss",
    "hinge_embedding_loss", "soft_margin_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "multilabel_soft_margin_loss",
]  # fmt: skip
EVERY = [*PAIRED, "gaussian_nll_loss", "margin_ranking_loss", "cosine_embedding_loss", "triplet_margin_loss",
         "triplet_margin_with_distance_loss", "cross_entropy", "nll_loss", "multi_margin_loss",
         "multilabel_margin_loss", "linear_cross_entropy"]  # fmt: skip


def arguments(name: str) -> list:
    """Valid ones, for a batch of 4."""
    ones = tl.ones(4, 3)
    special = {
        "gaussian_nll_loss": [ones, ones, ones],
        "margin_ranking_loss": [ones, ones, ones],
        "cosine_embedding_loss": [ones, ones, tl.ones(4)],
        "triplet_margin_loss": [ones, ones, ones],
        "triplet_margin_with_distance_loss": [ones, ones, ones],
        "multilabel_margin_loss": [ones, np.tile([2, 0, -1], (4, 1))],
    }
    classes = [ones, np.zeros(4, int)] if name in ("cross_entropy", "nll_loss", "multi_margin_loss") else [ones, ones]
    if name == "linear_cross_entropy":
        return [ones, tl.ones(5, 3), np.zeros(4, int)]
    return special.get(name, classes)


# ------------------------------------------------------------------------------ shapes, reductions


@pytest.mark.parametrize("name", [*PAIRED, "gaussian_nll_loss"])
def test_a_column_against_a_row_is_refused_with_both_shapes_and_the_way_out(name):
    rest = [tl.ones(4, 1)] if name == "gaussian_nll_loss" else []
    with pytest.raises(ValueError, match=rf"{name}: the shapes differ: input \(4, 1\), target \(4,\).*reshape"):
        getattr(tl, name)(tl.ones(4, 1), tl.ones(4), *rest)


@pytest.mark.parametrize("name", EVERY)
def test_reductions_are_the_mean_and_the_sum_of_none(name):
    f, args = getattr(tl, name), arguments(name)
    each = f(*args, reduction="none").numpy()
    np.testing.assert_allclose(f(*args, reduction="sum").item(), each.sum(), rtol=1e-6)
    np.testing.assert_allclose(f(*args).item(), each.mean(), rtol=1e-6)
    with pytest.raises(
        ValueError, match=rf"{name}: (cross_entropy: )?reduction is 'average'; it is one of none, mean, sum"
    ):
        f(*args, reduction="average")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EVERY)
def test_the_mean_over_nothing_is_nan_and_the_sum_0(name):
    args = [a if name == "linear_cross_entropy" and k == 1 else a[:0] for k, a in enumerate(arguments(name))]
    assert np.isnan(getattr(tl, name)(*args).item())
    assert getattr(tl, name)(*args, reduction="sum").item() == 0


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_loss_has_the_dtype_of_its_input(name, dtype):
    args = [a.astype(dtype) if isinstance(a, tl.Tensor) else a for a in arguments(name)]
    args[0] = args[0].detach().requires_grad_()
    for reduction in ("mean", "none"):
        loss = getattr(tl, name)(*args, reduction=reduction)
        assert loss.dtype == dtype
        assert tl.grad(loss.sum(), args[0]).dtype == dtype


def test_lists_and_integer_targets_of_a_regression():
    assert tl.mse_loss([1.0, 2.0], [0, 4]).item() == 2.5
    assert tl.hinge_loss([0.5], [1]).dtype == tl.l1_loss([1], [2]).dtype == np.float32


# --------------------------------------------------------------------------------- class targets


@pytest.mark.parametrize("f", [tl.cross_entropy, tl.nll_loss, tl.multi_margin_loss])
def test_targets_that_are_no_class_numbers(f):
    name = f.__name__
    x = tl.randn(4, 3)
    with pytest.raises(TypeError, match=rf"{name}: the target is float64, but class numbers are integers: use"):
        f(x, np.zeros(4))
    with pytest.raises(TypeError, match=rf"{name}: the target is bool"):
        f(x, np.zeros(4, bool))
    with pytest.raises(IndexError, match=rf"{name}: label 3 is out of range for 3 classes, whose labels are 0 to 2"):
        f(x, np.array([0, 3, 1, 2]))
    with pytest.raises(IndexError, match=rf"{name}: label -1 is out of range for 3 classes"):
        f(x, np.array([0, -1, 1, 2]))
    with pytest.raises(ValueError, match=rf"{name}: the input has shape \(4, 3\) and the target \(4, 1\).*squeeze"):
        f(x, np.zeros((4, 1), int))
    with pytest.raises(ValueError, match=rf"{name}: weight has shape \(4,\); for 3 classes it must be \(3,\)"):
        f(x, np.zeros(4, int), weight=np.ones(4))
    with pytest.raises(GradientError, match=rf"{name}: the weight of a class is a constant"):
        f(x, np.zeros(4, int), weight=tl.ones(3, requires_grad=True))


@pytest.mark.parametrize("f", [tl.cross_entropy, tl.nll_loss, tl.multi_margin_loss])
def test_scores_of_integers(f):
    assert f([[1, 2]], [0]).dtype == np.float32
    assert f([[1, 2]], [0]).item() == f([[1.0, 2.0]], [0]).item()


def test_several_classes_end_at_the_first_negative_number():
    x = tl.tensor([0.1, 0.2, 0.4, 0.8])
    loss = tl.multilabel_margin_loss(x, np.array([3, 0, -1, 1]))
    # PyTorch's own example: 0.25 * ((1 - (0.1 - 0.2)) + (1 - (0.1 - 0.4)) + (1 - (0.8 - 0.2)) + (1 - (0.8 - 0.4)))
    assert abs(loss.item() - 0.85) < 1e-6
    assert tl.multilabel_margin_loss(x, np.array([-1, 9, 9, 9])).item() == 0
    with pytest.raises(IndexError, match="multilabel_margin_loss: label 4 is out of range for 4 classes"):
        tl.multilabel_margin_loss(x, np.array([0, 4, -1, -1]))
    with pytest.raises(TypeError, match="multilabel_margin_loss: the target is float64, but class numbers are"):
        tl.multilabel_margin_loss(x, np.zeros(4))
    with pytest.raises(ValueError, match=r"multilabel_margin_loss: the input has shape \(4,\), the target \(1,\)"):
        tl.multilabel_margin_loss(x, np.zeros(1, int))


def test_linear_cross_entropy_is_both_at_once():
    x, w, b = tl.randn(4, 3), tl.randn(5, 3), tl.randn(5)
    labels, weight = np.array([0, 4, 2, 2]), tl.rand(5)
    got = tl.linear_cross_entropy(x, w, labels, linear_bias=b, weight=weight, ignore_index=0)
    want = tl.cross_entropy(tl.linear(x, w, b), labels, weight=weight, ignore_index=0)
    assert got.item() == want.item()
    for bad in (tl.randn(5, 2), tl.randn(3)):
        with pytest.raises(ValueError, match=r"linear_cross_entropy: the input has shape \(4, 3\) and linear_weight"):
            tl.linear_cross_entropy(x, bad, labels)


@pytest.mark.parametrize("f", [tl.cross_entropy, tl.nll_loss])
def test_ignored_labels_count_for_nothing_not_even_infinite_ones(f):
    x = tl.tensor([[-1.0, -2.0, -0.5], [-np.inf, -1.0, -np.inf]], requires_grad=True)
    loss = f(x, np.array([1, -7]), ignore_index=-7)
    assert loss.item() == f(x[:1], np.array([1])).item()
    assert not tl.grad(loss, x).numpy()[1].any()
    nothing = f(x[:1], np.array([-7]), ignore_index=-7)
    assert np.isnan(nothing.item()) and not tl.grad(nothing, x).numpy().any()
    assert f(x, np.array([-7, -7]), ignore_index=-7, reduction="sum").item() == 0


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize("f", [tl.cross_entropy, tl.nll_loss, tl.multi_margin_loss])
def test_a_target_changed_later_does_not_change_the_gradient(f, kind):
    x = tl.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    labels = np.array([0, 1, 2, 0])
    want = tl.grad(f(x, labels), x).numpy()
    target = labels.copy() if kind == "array" else tl.tensor(labels)
    loss = f(x, target)
    target[...] = 1
    np.testing.assert_array_equal(tl.grad(loss, x).numpy(), want)


@pytest.mark.parametrize("name", PAIRED)
def test_a_target_array_changed_later_does_not_change_the_gradient(name):
    x = tl.tensor(rng.uniform(0.1, 0.9, (4, 3)), requires_grad=True)
    target = np.ones((4, 3))
    want = tl.grad(getattr(tl, name)(x, target.copy()), x).numpy()
    loss = getattr(tl, name)(x, target)
    target[...] = -1
    np.testing.assert_array_equal(tl.grad(loss, x).numpy(), want)


def test_soft_targets():
    x = tl.randn(4, 3, requires_grad=True)
    labels = np.array([0, 1, 2, 0])
    hard, soft = tl.cross_entropy(x, labels), tl.cross_entropy(x, np.eye(3, dtype=np.float32)[labels])
    np.testing.assert_allclose(hard.item(), soft.item(), rtol=1e-6)
    gradcheck(tl.cross_entropy, rng.standard_normal((2, 3)), rng.random((2, 3)), rng.random(3))
    with pytest.raises(TypeError, match=r"cross_entropy: a target of the input's shape \(4, 3\) is probabilities"):
        tl.cross_entropy(x, np.ones((4, 3), int))
    with pytest.raises(ValueError, match="cross_entropy: ignore_index=0 is for class numbers"):
        tl.cross_entropy(x, np.ones((4, 3)), ignore_index=0)
    with pytest.raises(ValueError, match=r"cross_entropy: label_smoothing is 1\.5"):
        tl.cross_entropy(x, labels, label_smoothing=1.5)


@pytest.mark.filterwarnings("error")
def test_cross_entropy_of_huge_scores():
    x = tl.tensor([[1e30, 0.0], [-1e30, 0.0], [-np.inf, 1.0]], requires_grad=True)
    loss = tl.cross_entropy(x, np.array([0, 0, 1]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [0, 1e30, 0], rtol=1e-6)
    np.testing.assert_array_equal(tl.grad(loss.sum(), x).numpy(), [[0, 0], [-1, 1], [0, 0]])


def test_cross_entropy_keeps_its_input_and_no_more():
    x = tl.randn(100, 50, requires_grad=True)
    node = tl.cross_entropy(x, np.zeros(100, int), reduction="none").grad_fn
    assert sum(a.size for a in node.saved if isinstance(a, np.ndarray)) == 5000 + 2 * 100


def test_one_sample_without_a_batch():
    x = rng.standard_normal(3)
    want = np.log(np.exp(x).sum()) - x[1]
    assert abs(tl.cross_entropy(x, 1).item() - want) < 1e-12
    assert abs(tl.cross_entropy(x, tl.tensor(1), reduction="none").item() - want) < 1e-12
    assert tl.multi_margin_loss(x, np.array([1]), reduction="none").shape == (1,)
    assert tl.multi_margin_loss(tl.tensor(2.0), 0).item() == 0


# ------------------------------------------------------------------------------------- yes or no


@pytest.mark.filterwarnings("error")
def test_binary_cross_entropy_at_0_and_1_is_finite_as_in_pytorch():
    x = tl.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = tl.binary_cross_entropy(x, tl.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, 100, 100])
    np.testing.assert_allclose(tl.grad(loss.sum(), x).numpy(), [0, 0, -1e12, 1e12], rtol=1e-5)


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_binary_cross_entropy_wants_probabilities(bad):
    with pytest.raises(ValueError, match=r"binary_cross_entropy: the input holds values from .* probabilities"):
        tl.binary_cross_entropy(tl.tensor([0.5, bad]), tl.ones(2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("pos_weight", [None, [2.0]])
def test_logits_of_any_size(pos_weight):
    x = tl.tensor([-1e4, 1e4, -30.0, 30.0], requires_grad=True, dtype=np.float64)
    loss = tl.binary_cross_entropy_with_logits(x, np.array([1.0, 0, 0, 1]), reduction="none", pos_weight=pos_weight)
    p = 1 if pos_weight is None else 2
    np.testing.assert_allclose(loss.detach().numpy(), [1e4 * p, 1e4, np.exp(-30), np.exp(-30) * p], rtol=1e-9)
    np.testing.assert_allclose(tl.grad(loss.sum(), x).numpy(), [-p, 1, np.exp(-30), -p * np.exp(-30)], rtol=1e-2)


def test_weights_broadcast_to_the_input_and_not_beyond():
    x, t = tl.randn(4, 3), tl.ones(4, 3)
    assert tl.binary_cross_entropy_with_logits(x, t, tl.ones(3), "none", tl.ones(4, 1)).shape == (4, 3)
    with pytest.raises(ValueError, match=r"weight has shape \(2, 4, 3\), which doesn't broadcast to the input's"):
        tl.binary_cross_entropy_with_logits(x, t, tl.ones(2, 4, 3))
    with pytest.raises(
        ValueError, match=r"pos_weight has shape \(4,\), which doesn't broadcast to the input's \(4, 3\)"
    ):
        tl.binary_cross_entropy_with_logits(x, t, pos_weight=tl.ones(4))
    with pytest.raises(ValueError, match=r"mse_loss: the shapes differ: input \(4, 3\), weight \(3,\)"):
        tl.mse_loss(x, t, weight=tl.ones(3))


# ------------------------------------------------------------------------------ edges of the others


@pytest.mark.parametrize("name", ["hinge_loss", "hinge_embedding_loss", "cosine_embedding_loss"])
def test_targets_are_1_or_minus_1(name):
    args = arguments(name)
    args[-1] = tl.zeros(args[-1].shape)
    with pytest.raises(ValueError, match=rf"{name}: every target must be 1 or -1; for labels 0 and 1 pass"):
        getattr(tl, name)(*args)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tl.huber_loss(x, x, delta=0), "huber_loss: delta is 0; it must be positive"),
        (lambda x: tl.smooth_l1_loss(x, x, beta=-1), "smooth_l1_loss: beta is -1; it can't be negative"),
        (lambda x: tl.multi_margin_loss(x, [0], p=3), "multi_margin_loss: p is 3; it is 1 or 2"),
        (lambda x: tl.gaussian_nll_loss(x, x, -x), "gaussian_nll_loss: var has a negative value"),
        (lambda x: tl.gaussian_nll_loss(x, x, tl.ones(2, 2, 2)), r"gaussian_nll_loss: var has shape \(2, 2, 2\)"),
        (lambda x: tl.cosine_embedding_loss(x, x, tl.ones(2)), r"cosine_embedding_loss: .* \(N, D\) and \(N,\)"),
        (lambda x: tl.margin_ranking_loss(x, x, tl.ones(1)), r"margin_ranking_loss: the shapes differ"),
        (lambda x: tl.triplet_margin_loss(x, x, tl.ones(3)), r"triplet_margin_loss: the shapes differ"),
    ],
)
def test_what_else_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(tl.ones(1, 3))


def test_kl_div_of_zero_probabilities():
    x = tl.tensor([[-1.0, -2.0]], requires_grad=True)
    loss = tl.kl_div(x, tl.tensor([[0.0, 1.0]]), reduction="batchmean")
    assert loss.item() == 2
    np.testing.assert_array_equal(tl.grad(loss, x).numpy(), [[0, -1]])


def test_small_variances_are_clamped_and_a_number_is_one():
    x, t = tl.tensor([1.0]), tl.tensor([2.0])
    assert tl.gaussian_nll_loss(x, t, 4.0).item() == pytest.approx(0.5 * (np.log(4) + 0.25))
    v = tl.tensor([0.0], requires_grad=True)
    loss = tl.gaussian_nll_loss(x, t, v, eps=0.5)
    assert loss.item() == pytest.approx(0.5 * (np.log(0.5) + 2))
    assert tl.grad(loss, v).item() == pytest.approx(0.5 * (2 - 4))


@pytest.mark.parametrize("x", [-0.5, 0.5])
def test_the_corner_of_huber_is_smooth_to_first_order(x):
    t = tl.tensor([x], requires_grad=True)
    loss = tl.huber_loss(t, tl.zeros(1), delta=0.5)
    assert loss.item() == 0.125 and tl.grad(loss, t).item() == x


def test_equal_points_have_finite_gradients():
    x = tl.ones(2, 3, requires_grad=True)
    for f in (tl.triplet_margin_loss(x, x, x), tl.cosine_embedding_loss(x, x, tl.ones(2)), tl.l1_loss(x, x.detach())):
        assert np.isfinite(tl.grad(f, x).numpy()).all()
    zero = tl.zeros(2, 3, requires_grad=True)
    assert np.isfinite(tl.grad(tl.cosine_embedding_loss(zero, zero, -tl.ones(2)), zero).numpy()).all()
