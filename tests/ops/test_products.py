"""Matrix products, einsum and distances: what the walk over the registry does not look at."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.ops import contraction

rng = np.random.default_rng(0)


def leaf(*shape, dtype=np.float64):
    return tl.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


@pytest.fixture
def products(monkeypatch):
    """The shapes of the products that are computed."""
    calls = []
    product = contraction.product

    def spy(x, y):
        if type(x) is np.ndarray and type(y) is np.ndarray:
            calls.append((x.shape, y.shape))
        return product(x, y)

    for module in (contraction, tl.ops.products):
        monkeypatch.setattr(module, "product", spy)
    return calls


# ---------------------------------------------------------------------------------------- matmul


def test_matmul_is_one_product_forward_and_one_for_each_gradient(products):
    x, y = leaf(2, 3), leaf(3, 4)
    tl.matmul(x, y).backward(np.ones((2, 4)))
    assert products == [((2, 3), (3, 4)), ((2, 4), (4, 3)), ((3, 2), (2, 4))]


@pytest.mark.parametrize("op", [tl.matmul, lambda x, y: tl.linear(x, y.T), lambda x, y: tl.einsum("bni,ij->bnj", x, y)])
def test_a_stack_times_a_matrix_folds_into_one_product(products, op):
    x, y = leaf(5, 2, 3), leaf(3, 4)
    op(x, y).backward(np.ones((5, 2, 4)))
    assert [sorted(a + b) for a, b in products] == [[3, 3, 4, 10], [3, 4, 4, 10], [3, 4, 10, 10]]


def test_matmul_does_not_save_what_it_does_not_need():
    x, w = tl.tensor(np.ones((2, 3))), leaf(3, 4)
    assert [a is None for a in tl.matmul(x, w).grad_fn.saved[:2]] == [False, True]
    node = tl.linear(x, leaf(4, 3), leaf(4)).grad_fn
    assert [a is None for a in node.saved[:3]] == [False, True, True]


def test_matmul_through_numpy_and_operators_stays_in_the_graph():
    x, a = leaf(2, 3), rng.standard_normal((3, 2))
    for y in (x @ a, np.matmul(x, a), np.dot(x, a), x.matmul(a), tl.matmul(x, a.tolist())):
        np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() @ a, rtol=1e-6)
        assert y.requires_grad
    np.testing.assert_allclose((a @ x).detach().numpy(), a @ x.detach().numpy())


@pytest.mark.parametrize("names", ["x y", "input other"])
def test_matmul_takes_the_words_of_pytorch(names):
    first, second = names.split()
    assert tl.matmul(**{first: tl.ones(2, 3), second: tl.ones(3)}).shape == (2,)


@pytest.mark.parametrize(
    "x, y",
    [
        (np.ones(2), 2.0),
        (2.0, np.ones(2)),
        (np.ones(()), np.ones(2)),
        (np.ones((2, 3)), np.ones((2, 3))),
        (np.ones((2, 2, 3)), np.ones((2, 3))),
        (np.ones((2, 2, 3)), np.ones((3, 3, 2))),
    ],
)
def test_matmul_refuses_what_does_not_fit(x, y):
    with pytest.raises(ValueError, match=re.escape(f"matmul: got shapes {np.shape(x)} and {np.shape(y)}; needs")):
        tl.matmul(tl.tensor(x) if isinstance(x, np.ndarray) else x, tl.tensor(y) if isinstance(y, np.ndarray) else y)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_products_keep_the_dtype(dtype):
    x, y, b = leaf(2, 3, 4, dtype=dtype), leaf(4, 4, dtype=dtype), leaf(4, dtype=dtype)
    results = [
        x @ y,
        tl.linear(x, y, b),
        tl.einsum("...ij,jk->i", x, y),
        tl.cdist(x, y),
        tl.addmm(b, x[0], y, alpha=0.5),
    ]
    for t in results:
        assert t.dtype == dtype
        gradients = tl.grad(t.sum(), [x, y, b], create_graph=True, allow_unused=True)
        assert {g.dtype for g in gradients if g is not None} == {np.dtype(dtype)}


def test_half_precision_sums_in_single():
    x = tl.ones(1, 5000, dtype=np.float16)
    assert (x @ x.T).item() == 5000  # every partial sum above 2048 would be rounded


def test_mixed_and_integer_dtypes_promote_as_in_numpy():
    assert (tl.ones(2, 2, dtype=np.float32) @ np.ones((2, 2))).dtype == np.float64
    assert (tl.ones(2, 2, dtype=np.float16) @ tl.ones(2, 2)).dtype == np.float32
    assert (tl.tensor([[1, 2]]) @ tl.tensor([[3], [4]])).tolist() == [[11]]
    assert tl.linear(tl.ones(2, dtype=np.float32), tl.ones(3, 2, dtype=np.float64), tl.ones(3)).dtype == np.float64
    assert tl.linear(tl.ones(2), tl.ones(3, 2), tl.ones(3, dtype=np.float64)).dtype == np.float64


# ---------------------------------------------------------------------------------------- linear


def test_linear_leaves_its_operands_as_they_were():
    x, w, b = leaf(2, 3), leaf(4, 3), leaf(4)
    before = [t.detach().clone() for t in (x, w, b)]
    tl.linear(x, w, b).sum().backward()
    assert all(np.array_equal(t.detach(), u) for t, u in zip((x, w, b), before))


def test_linear_takes_a_single_bias():
    b = tl.tensor([1.0], requires_grad=True)
    y = tl.linear(tl.ones(5, 2), tl.ones(3, 2), b)
    y.sum().backward()
    assert y.shape == (5, 3) and y[0, 0].item() == 3.0 and b.grad.tolist() == [15.0]


@pytest.mark.parametrize(
    "shapes",
    [[(2, 3), (3, 4)], [(), (3,)], [(3,), ()], [(2, 3), (1, 4, 3)], [(2, 3), (4, 3), (3,)], [(2, 3), (4, 3), (2, 4)]],
)
def test_linear_refuses_what_does_not_fit(shapes):
    with pytest.raises(ValueError, match=r"linear: .* of shape"):
        tl.linear(*(tl.ones(s) for s in shapes))


# ---------------------------------------------------------------------------------------- einsum


def test_einsum_spellings():
    x, y = leaf(2, 3), leaf(3, 4)
    want = tl.matmul(x, y).detach().numpy()
    for z in (
        tl.einsum("ij,jk->ik", x, y),
        tl.einsum(" i j , j k -> i k ", [x, y]),
        tl.einsum("ij,jk", x, y),
        tl.einsum("...j,jk", x, y),
        tl.einsum(x, [0, 1], y, [1, 2], [0, 2]),
        tl.einsum(x, [0, 1], y, [1, 2]),
        tl.einsum(x, [Ellipsis, 1], y, [1, 2], [Ellipsis, 2]),
        np.einsum("ij,jk->ik", x, y),
    ):
        np.testing.assert_allclose(z.detach().numpy(), want)


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij->ji", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ii", [(3, 3)]),
        ("iij->ji", [(3, 3, 2)]),
        ("iiii->i", [(3, 3, 3, 3)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("i,j,k->kji", [(2,), (3,), (4,)]),
        ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 5), (5, 2)]),
        ("ijk,jl,kl->il", [(2, 3, 4), (3, 5), (4, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("i...->...i", [(2, 3, 4)]),
        (",ij->ij", [(), (2, 3)]),
        ("ab,b,a->", [(2, 3), (3,), (2,)]),
        ("Ab,bA->A", [(2, 3), (3, 2)]),
        ("bd,bd->d", [(5, 3), (5, 3)]),
    ],
)
def test_einsum_equals_numpy(equation, shapes):
    arrays = [rng.standard_normal(s) for s in shapes]
    np.testing.assert_allclose(tl.einsum(equation, *arrays).numpy(), np.einsum(equation, *arrays), atol=1e-12)


def test_einsum_contracts_the_cheapest_pair_first(products):
    tl.einsum("ij,jk,k->i", np.ones((50, 40)), np.ones((40, 30)), np.ones(30))
    assert all(a[-2:] != (50, 40) or b[-1] == 1 for a, b in products)


def test_einsum_gradient_of_a_diagonal_is_on_the_diagonal():
    x = leaf(3, 3)
    tl.einsum("ii->i", x).sum().backward()
    assert x.grad.tolist() == np.eye(3).tolist()


def test_einsum_stretches_a_diagonal_of_length_one():
    assert tl.einsum("i,ii->", [1.0, 2.0, 3.0], [[2.0]]).item() == 12.0
    assert tl.einsum("i,ii->i", [1.0, 2.0, 3.0], [[2.0]]).tolist() == [2.0, 4.0, 6.0]


def test_einsum_does_not_hand_out_its_operand():
    x = tl.tensor([[1.0, 2.0]])
    y = tl.einsum("ij->ij", x)
    assert y is not x


@pytest.mark.parametrize(
    "equation, shapes, text",
    [
        ("ij,jk", [(2, 3)], "names 2 operands, and got 1"),
        ("ij", [(2,)], r"'ij' .* shape \(2,\)"),
        ("i", [(2, 3)], r"'i' .* shape \(2, 3\)"),
        ("...ijk", [(2, 3)], "does not fit"),
        ("ij,jk", [(2, 3), (4, 5)], "'j' .* lengths 3 and 4"),
        ("ii", [(2, 3)], "'i' .* lengths 2 and 3"),
        ("ii", [(1, 3)], "'i' .* lengths"),
        ("...i,...i", [(2, 3), (4, 3)], "'...' .* lengths 2 and 4"),
        ("ij->ik", [(2, 3)], "no operand has"),
        ("ij->ii", [(2, 2)], "repeats a letter"),
        ("i-j", [(2, 2)], "needs letters"),
        ("i...j...", [(2, 2)], "'...' at most once"),
        ("i1", [(2, 2)], "needs letters"),
    ],
)
def test_einsum_says_what_does_not_fit(equation, shapes, text):
    with pytest.raises(ValueError, match=f"einsum: .*{text}"):
        tl.einsum(equation, *(tl.ones(s) for s in shapes))


def test_tensordot_spellings_and_errors():
    x, y = leaf(2, 3, 4), leaf(4, 3, 5)
    want = np.tensordot(x.detach().numpy(), y.detach().numpy(), ([1, 2], [1, 0]))
    for z in (
        tl.tensordot(x, y, dims=([1, 2], [1, 0])),
        tl.tensordot(x, y, axes=((-2, -1), (-2, 0))),
        np.tensordot(x, y, ([1, 2], [1, 0])),
    ):
        np.testing.assert_allclose(z.detach().numpy(), want)
    assert tl.tensordot(x, y, dims=(2, 0)).shape == (2, 3, 3, 5)
    with pytest.raises(ValueError, match=r"tensordot: .* paired axes differ"):
        tl.tensordot(x, y)
    with pytest.raises(ValueError, match="tensordot: dims=4"):
        tl.tensordot(x, y, 4)
    with pytest.raises(ValueError, match=r"tensordot: 2 axes .* and 1"):
        tl.tensordot(x, y, ([0, 1], [0]))
    with pytest.raises(IndexError, match="tensordot"):
        tl.tensordot(x, y, ([3], [0]))


# ------------------------------------------------------------------------------- products by rank


@pytest.mark.parametrize(
    "name, shapes",
    [
        ("mm", [(2, 3), (3,)]),
        ("mv", [(2, 3), (3, 1)]),
        ("dot", [(2, 2), (2, 2)]),
        ("vdot", [(), (2,)]),
        ("bmm", [(2, 3), (3, 2)]),
        ("outer", [(2, 2), (2,)]),
        ("trace", [(2, 2, 2)]),
        ("addmm", [(1,), (2, 3), (3,)]),
        ("baddbmm", [(1,), (2, 3), (3, 2)]),
    ],
)
def test_products_of_given_ranks_refuse_others(name, shapes):
    with pytest.raises(ValueError, match=f"{name}: got .* axes"):
        getattr(tl, name)(*(tl.ones(s) for s in shapes))


def test_lengths_that_would_broadcast_silently_are_refused():
    with pytest.raises(ValueError, match=r"bmm: .* needs \(b, n, k\)"):
        tl.bmm(tl.ones(1, 2, 3), tl.ones(2, 3, 2))
    with pytest.raises(ValueError, match=r"inner: .* last axes differ"):
        tl.inner(tl.ones(1), tl.ones(3))
    with pytest.raises(ValueError, match=r"addmm: input of shape .* does not broadcast"):
        tl.addmm(tl.ones(3, 2, 2), tl.ones(2, 3), tl.ones(3, 2))
    with pytest.raises(ValueError, match="addmv"):
        tl.addmv(tl.ones(3), tl.ones(2, 3), tl.ones(3))


def test_beta_of_zero_leaves_the_input_out():
    x = tl.tensor([np.nan], requires_grad=True)
    y = tl.addmm(x, tl.ones(2, 3), tl.ones(3, 2), beta=0)
    assert y.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert tl.addmm(input=x, mat1=tl.ones(2, 3), mat2=tl.ones(3, 2)).isnan().all()


def test_numpy_functions_stay_in_the_graph():
    x, y = leaf(2, 3), leaf(3)
    a, b = x.detach().numpy(), y.detach().numpy()
    for ours, want in [
        (np.outer(x, y), np.outer(a, b)),
        (np.kron(x, y), np.kron(a, b)),
        (np.inner(x, y), np.inner(a, b)),
        (np.vdot(y, y), np.vdot(b, b)),
        (np.trace(x, 1), np.trace(a, 1)),
        (np.dot(x, y), np.dot(a, b)),
    ]:
        np.testing.assert_allclose(ours.detach().numpy(), want)
        assert ours.requires_grad


def test_chain_matmul_takes_the_cheapest_order(products):
    tl.chain_matmul(tl.ones(10, 100), tl.ones(100, 5), tl.ones(5, 50))
    assert products == [((10, 100), (100, 5)), ((10, 5), (5, 50))]
    products.clear()
    tl.linalg.multi_dot([tl.ones(50, 5), tl.ones(5, 100), tl.ones(100)])
    assert products == [((5, 100), (100,)), ((50, 5), (5,))]
    with pytest.raises(ValueError, match=r"chain_matmul: .* vectors only at the ends"):
        tl.chain_matmul(tl.ones(2, 2), tl.ones(2), tl.ones(2, 2))
    with pytest.raises(ValueError, match="chain_matmul"):
        tl.chain_matmul([])


@pytest.mark.parametrize(
    "shapes, axis", [([(2,), (2,)], None), ([(3,), (2, 3)], 0), ([(3, 2), (3, 2)], 1), ([(3,), (3,)], 1)]
)
def test_cross_refuses_what_is_not_in_three_dimensions(shapes, axis):
    with pytest.raises(ValueError, match=r"cross: .* length 3"):
        tl.cross(*(tl.ones(s) for s in shapes), axis)


# ------------------------------------------------------------------------------------- distances


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"])
def test_cdist_has_no_gradient_between_points_that_coincide(mode):
    x = leaf(4, 3)
    tl.cdist(x, x.detach(), compute_mode=mode).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_cdist_of_many_rows_takes_a_product_and_keeps_its_digits(monkeypatch):
    products, matmul = [], np.matmul
    monkeypatch.setattr(np, "matmul", lambda x, y: (products.append(x), matmul(x, y))[1])
    x = rng.standard_normal((30, 2)).astype(np.float32) + 1000
    far = tl.cdist(x, x + np.float32(0.5))
    assert products
    exact = tl.cdist(x.astype(float), (x + np.float32(0.5)).astype(float), compute_mode="donot_use_mm_for_euclid_dist")
    np.testing.assert_allclose(far.numpy(), exact.numpy(), rtol=1e-4)


def test_cdist_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="cdist: got"):
        tl.cdist(tl.ones(2, 3), tl.ones(2, 4))
    with pytest.raises(ValueError, match="p=-1"):
        tl.cdist(tl.ones(2, 3), tl.ones(2, 3), -1)
