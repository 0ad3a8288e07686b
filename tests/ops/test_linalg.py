"""Linear algebra: what the walk over the registry does not look at."""

from __future__ import annotations

import itertools
import math
import re
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl

rng = np.random.default_rng(0)
LA = tl.linalg


def square(n=3, dtype=np.float64):
    """Well-conditioned, with different singular values."""
    return (np.diag(np.arange(2.0, n + 2)) + 0.3 * rng.standard_normal((n, n))).astype(dtype)


def positive(n=3, dtype=np.float64):
    a = square(n)
    return (a @ a.T + np.eye(n)).astype(dtype)


def leaf(a):
    return tl.tensor(np.asarray(a), requires_grad=True)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ------------------------------------------------------------------------------- names and dtypes


def test_names_begin_with_linalg():
    assert tl.registry["linalg.inv"] is LA.inv
    assert "grad_fn=<linalg.inv>" in repr(LA.inv(leaf(np.eye(2))))
    assert LA.eigh(tl.eye(2))._fields == ("eigenvalues", "eigenvectors")
    assert LA.svd(tl.eye(2))._fields == ("U", "S", "Vh")
    assert LA.qr(tl.eye(2))._fields == ("Q", "R")
    assert LA.slogdet(tl.eye(2))._fields == ("sign", "logabsdet")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    ["inv", "det", "slogdet", "logdet", "cholesky", "eigh", "svd", "svdvals", "qr", "pinv", "norm", "matrix_norm"],
)
def test_floating_point_dtypes_stay(name, dtype):
    x = leaf(positive(dtype=dtype))
    y = getattr(LA, name)(x)
    ys = [y] if isinstance(y, tl.Tensor) else list(y)
    assert {t.dtype for t in ys} == {np.dtype(dtype)}
    g = tl.grad(sum(t.sum() for t in ys if t.requires_grad), x, create_graph=True)
    assert g.dtype == dtype and np.isfinite(g.detach().numpy()).all()


def test_solve_in_half_and_mixed_precision():
    a, b = leaf(positive(dtype=np.float16)), leaf(np.ones(3, np.float16))
    x = LA.solve(a, b)
    assert x.dtype == np.float16
    assert [g.dtype for g in tl.grad(x.sum(), [a, b])] == [np.float16] * 2
    assert LA.solve(a, tl.ones(3)).dtype == np.float32
    assert LA.solve(a, tl.ones(3, dtype=np.float64)).dtype == np.float64


def test_integers_become_float64():
    x = tl.tensor([[2, 0], [0, 4]])
    assert LA.inv(x).tolist() == [[0.5, 0.0], [0.0, 0.25]]
    assert LA.det(x).item() == pytest.approx(8.0) and LA.norm(x).dtype == np.float64
    assert LA.solve(x, tl.tensor([2, 2])).tolist() == [1.0, 0.5]


def test_numpy_functions_stay_in_the_graph():
    a, b = positive(), rng.standard_normal(3)
    x = leaf(a)
    pairs = [
        (np.linalg.inv(x), np.linalg.inv(a)),
        (np.linalg.det(x), np.linalg.det(a)),
        (np.linalg.slogdet(x)[1], np.linalg.slogdet(a)[1]),
        (np.linalg.solve(x, b), np.linalg.solve(a, b)),
        (np.linalg.cholesky(x), np.linalg.cholesky(a)),
        (np.linalg.eigh(x, UPLO="U")[0], np.linalg.eigvalsh(a)),
        (np.linalg.eigvalsh(x), np.linalg.eigvalsh(a)),
        (np.linalg.svd(x).S, np.linalg.svd(a)[1]),
        (np.linalg.svd(x, compute_uv=False), np.linalg.svd(a)[1]),
        (np.linalg.qr(x)[1], np.linalg.qr(a)[1]),
        (np.linalg.pinv(x), np.linalg.pinv(a)),
        (np.linalg.norm(x), np.linalg.norm(a)),
        (np.linalg.norm(x, "nuc"), np.linalg.norm(a, "nuc")),
        (np.linalg.norm(x, 1, axis=0), np.linalg.norm(a, 1, axis=0)),
        (np.linalg.matrix_power(x, -2), np.linalg.matrix_power(a, -2)),
        (np.linalg.multi_dot([x, a, b]), np.linalg.multi_dot([a, a, b])),
        (np.linalg.vector_norm(x, axis=0, ord=3), np.linalg.vector_norm(a, axis=0, ord=3)),
        (np.cross(x, b), np.cross(a, b)),
    ]
    for ours, want in pairs:
        np.testing.assert_allclose(ours.detach().numpy(), want, atol=1e-12)
        assert ours.requires_grad
    assert np.linalg.matrix_rank(x).item() == 3


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "logdet", "cholesky", "eigh", "eigvalsh", "matrix_power"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_other_than_square_matrices_are_refused(name, shape):
    with pytest.raises(ValueError, match=f"{name}: "):
        getattr(LA, name)(tl.ones(shape), *([2] if name == "matrix_power" else []))


@pytest.mark.parametrize("name", ["svd", "svdvals", "qr", "pinv", "matrix_rank", "matrix_norm"])
def test_vectors_are_refused(name):
    with pytest.raises(ValueError, match=f"linalg.{name}: "):
        getattr(LA, name)(tl.ones(3))


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: LA.inv(tl.ones(2, 2)), "linalg.inv: Singular"),
        (lambda: LA.solve(tl.ones(2, 2), tl.ones(2)), "linalg.solve: .*Singular"),
        (lambda: LA.matrix_power(tl.ones(2, 2), -1), "linalg.matrix_power: .*Singular"),
        (lambda: LA.cholesky(tl.tensor([[1.0, 2.0], [2.0, 1.0]])), "linalg.cholesky: .*positive definite"),
        (lambda: LA.solve(tl.eye(2), tl.ones(3)), r"linalg.solve: A of shape \(2, 2\) and B of shape \(3,\)"),
        (lambda: LA.solve(tl.eye(2), tl.ones(3, 2)), "linalg.solve: .* left=True"),
        (lambda: LA.solve(tl.eye(2), tl.ones(2), left=False), "linalg.solve: .* with a vector B"),
        (lambda: LA.solve_triangular(tl.eye(2), tl.ones(3, 2), upper=True), "linalg.solve_triangular: A of shape"),
        (lambda: LA.solve_triangular(tl.eye(2), tl.ones(2), upper=True), "linalg.solve_triangular: got shape"),
        (lambda: LA.eigh(tl.tensor([[math.nan]])), "linalg.eigh: the matrix holds NaN"),
        (lambda: LA.svd(tl.tensor([[math.inf]])), "linalg.svd: the matrix holds NaN or Inf"),
        (lambda: LA.pinv(tl.tensor([[math.inf]])), "linalg.pinv: the matrix holds NaN or Inf"),
        (lambda: LA.matrix_rank(tl.tensor([[math.inf]])), "linalg.matrix_rank: the matrix holds NaN or Inf"),
        (lambda: LA.eigh(tl.eye(2), "X"), "linalg.eigh: UPLO"),
        (lambda: LA.qr(tl.eye(2), "raw"), "linalg.qr: mode 'raw'"),
        (lambda: LA.norm(tl.ones(2, 2, 2), 1), "linalg.norm: ord=1 of shape"),
        (lambda: LA.norm(tl.ones(2, 2), 3), "linalg.matrix_norm: ord=3"),
        (lambda: LA.norm(tl.ones(2), "fro"), "linalg.norm: ord='fro'"),
        (lambda: LA.norm(tl.ones(2, 2, 2), 2, (0, 1, 2)), "linalg.norm: ord=2"),
        (lambda: LA.matrix_norm(tl.ones(2, 2), axis=(0, 0)), "linalg.matrix_norm: "),
        (lambda: LA.vector_norm(tl.ones(2, 0), math.inf), "linalg.vector_norm: ord=inf of no elements"),
        (lambda: LA.cross(tl.ones(3, 2), tl.ones(3, 2)), "linalg.cross: .* length 3"),
    ],
)
def test_errors_name_the_operation_and_the_cause(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# ---------------------------------------------------------------------------------- determinants


def cofactor_matrix(a):
    def minor(i, j):
        return np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))

    return np.array([[minor(i, j) * (-1) ** (i + j) for j in range(len(a))] for i in range(len(a))])


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_gradient_of_det_is_the_matrix_of_cofactors_at_every_rank(rank):
    a = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    x = leaf(a)
    LA.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), cofactor_matrix(a), atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_second_order_of_det_holds_at_singular_matrices(rank):
    a, v, w = rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 3)), *rng.standard_normal((2, 3, 3))
    x = leaf(a)
    slope = (tl.grad(LA.det(x), x, create_graph=True) * v).sum()
    want = ((cofactor_matrix(a + 1e-5 * w) - cofactor_matrix(a - 1e-5 * w)) * v).sum() / 2e-5
    np.testing.assert_allclose((tl.grad(slope, x).numpy() * w).sum(), want, rtol=1e-6, atol=1e-8)


def test_the_third_order_of_det():
    a, v, w, u = square(3), *rng.standard_normal((3, 3, 3))

    def second(a):
        x = leaf(a)
        slope = (tl.grad(LA.det(x), x, create_graph=True) * v).sum()
        return x, (tl.grad(slope, x, create_graph=True) * w).sum()

    x, y = second(a)
    want = (second(a + 1e-5 * u)[1].item() - second(a - 1e-5 * u)[1].item()) / 2e-5
    np.testing.assert_allclose((tl.grad(y, x).numpy() * u).sum(), want, rtol=1e-6)


def test_determinants_of_special_matrices():
    assert math.isnan(LA.det(tl.tensor([[math.nan]])).item())
    assert LA.det(tl.eye(64) * 1e4).item() == math.inf
    assert LA.det(tl.zeros(0, 0)).item() == 1.0
    assert LA.det(tl.zeros(2, 0, 0)).tolist() == [1.0, 1.0]
    huge = tl.eye(200) * 1e4
    assert LA.slogdet(huge).logabsdet.item() == pytest.approx(200 * math.log(1e4), rel=1e-5)
    assert LA.slogdet(tl.zeros(2, 2)).logabsdet.item() == -math.inf
    assert LA.logdet(tl.zeros(2, 2)).item() == -math.inf
    assert math.isnan(LA.logdet(-tl.eye(3)).item())
    assert math.isnan(LA.slogdet(tl.tensor([[math.nan]])).sign.item())


# -------------------------------------------------------------------------------- decompositions


@pytest.mark.parametrize("upper", [False, True])
def test_one_triangle_is_read(upper):
    a = positive()
    half = np.triu(a) if upper else np.tril(a)
    np.testing.assert_allclose(LA.cholesky(half, upper=upper).numpy(), LA.cholesky(a, upper=upper).numpy())
    np.testing.assert_allclose(LA.eigvalsh(half, "U" if upper else "L").numpy(), np.linalg.eigvalsh(a))
    x = LA.cholesky(a, upper=upper).numpy()
    np.testing.assert_allclose(x.T @ x if upper else x @ x.T, a)


def test_at_equal_eigenvalues_the_values_have_a_gradient_and_the_vectors_none():
    x = leaf(np.eye(3))
    np.testing.assert_allclose(tl.grad((LA.eigvalsh(x) ** 2).sum(), x).numpy(), 2 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(tl.grad(LA.norm(x, "nuc"), x).numpy(), np.eye(3), atol=1e-12)
    v = np.ones((3, 3))
    assert tl.jvp(lambda x: LA.eigvalsh(x).sum(), x, tl.tensor(v))[1].item() == pytest.approx(3.0)
    w, v = LA.eigh(x)
    square = (v * (w * w)[..., None, :]) @ v.mT
    assert not np.isfinite(tl.grad(square, x, rng.standard_normal((3, 3))).numpy()).all()
    assert not np.isfinite(tl.jvp(lambda x: LA.eigh(x).eigenvectors, x.detach(), tl.ones(3, 3))[1].numpy()).all()


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2)])
def test_at_singular_value_zero_the_values_have_a_gradient_and_the_vectors_none(shape):
    x = leaf(np.outer(np.arange(1.0, shape[0] + 1), np.ones(shape[1])))
    U, _, Vh = LA.svd(x.detach(), full_matrices=False)
    np.testing.assert_allclose(tl.grad(LA.svdvals(x).sum(), x).numpy(), (U @ Vh).numpy(), atol=1e-12)
    if shape[0] != shape[1]:
        t = leaf(np.zeros(shape))
        U, _, Vh = LA.svd(t, full_matrices=False)
        assert not np.isfinite(tl.grad((U if shape[0] > shape[1] else Vh)[-1, -1], t).numpy()).all()


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3), (0, 2, 3), (3, 0)])
@pytest.mark.parametrize("full", [True, False])
def test_svd_and_eigh_match_pytorch_up_to_signs(shape, full):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal(shape)
    k = min(shape[-2:])
    wu, ws, wv = rng.standard_normal(shape), rng.standard_normal((*shape[:-2], k)), rng.standard_normal(shape)

    def loss(U, S, Vh, lib):
        U, Vh = U[..., :k], Vh[..., :k, :]  # the product of their columns does not depend on the signs
        left, right = (lib.tensor(w[..., :k]) for w in (wu, np.swapaxes(wv, -1, -2)))
        whole = ((U * S[..., None, :]) @ Vh * lib.tensor(wu)).sum()
        return whole + ((U * left).sum(-2) * (Vh.mT * right).sum(-2)).sum() + (S * S * lib.tensor(ws)).sum()

    ours = leaf(x)
    theirs = torch.tensor(x, requires_grad=True)
    a, b = LA.svd(ours, full), torch.linalg.svd(theirs, full)
    assert [tuple(t.shape) for t in a] == [tuple(t.shape) for t in b]
    got, want = loss(*a, tl), loss(*b, torch)
    np.testing.assert_allclose(got.item(), want.item(), atol=1e-10)
    want.backward()
    np.testing.assert_allclose(tl.grad(got, ours).numpy(), theirs.grad.numpy(), rtol=1e-8, atol=1e-8)
    if shape[-1] == shape[-2]:
        x, w = x + np.swapaxes(x, -1, -2), rng.standard_normal(shape)
        ours, theirs = leaf(x), torch.tensor(x, requires_grad=True)
        pairs = ((LA.eigh(ours)[1], w), (torch.linalg.eigh(theirs)[1], torch.tensor(w)))
        got, want = ((v @ (w * v).sum(-2)[..., None]).sum() for v, w in pairs)
        want.backward()
        np.testing.assert_allclose(tl.grad(got, ours).numpy(), theirs.grad.numpy(), rtol=1e-8, atol=1e-8)


def test_qr_modes():
    a = rng.standard_normal((4, 2))
    x = leaf(a)
    Q, R = LA.qr(x, mode="complete")
    assert Q.shape == (4, 4) and R.shape == (4, 2)
    np.testing.assert_allclose((Q @ R).detach().numpy(), a)
    with pytest.raises(tl.GradientError, match=re.escape("linalg.qr: mode='complete' has no gradient")):
        R.sum().backward()
    r = LA.qr(x, "r")
    assert r.Q.shape == (0,) and r.R.shape == (2, 2)
    with pytest.raises(tl.GradientError, match="mode='r' has no gradient"):
        r.R.sum().backward()


# --------------------------------------------------------------------------- inverses and systems


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_pinv_of_a_constant_rank_matches_pytorch(shape):
    torch = pytest.importorskip("torch")
    a = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))
    w = rng.standard_normal(shape[::-1])
    x, y = leaf(a), torch.tensor(a, requires_grad=True)
    torch.linalg.pinv(y).backward(torch.tensor(w))
    np.testing.assert_allclose(tl.grad(LA.pinv(x), x, w).numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_pinv_and_rank_take_tolerances():
    x = tl.tensor(np.diag([4.0, 1.0, 0.01]))
    assert LA.pinv(x, rtol=0.1).numpy().diagonal().tolist() == [0.25, 1.0, 0.0]
    assert LA.pinv(x, atol=2.0).numpy().diagonal().tolist() == [0.25, 0.0, 0.0]
    assert LA.pinv(x, rtol=tl.tensor(0.1), hermitian=True).numpy().diagonal().tolist() == [0.25, 1.0, 0.0]
    tolerances = ({}, {"tol": 0.1}, {"rtol": 0.5}, {"hermitian": True})
    assert [LA.matrix_rank(x, **params).item() for params in tolerances] == [3, 2, 1, 3]
    assert LA.matrix_rank(tl.zeros(2, 3, 0)).tolist() == [0, 0]


def test_powers():
    x = leaf(square())
    a = x.detach().numpy()
    for n in (-3, -1, 0, 1, 2, 7):
        np.testing.assert_allclose(LA.matrix_power(x, n).detach().numpy(), np.linalg.matrix_power(a, n), atol=1e-10)
    assert LA.matrix_power(x, 1) is not x
    assert tl.grad(LA.matrix_power(x, 0).sum(), x).tolist() == np.zeros((3, 3)).tolist()


def test_solve_takes_vectors_and_stacks():
    A, b = np.stack([square(), square()]), rng.standard_normal((2, 3))
    np.testing.assert_allclose((A @ LA.solve(A, b[..., None]).numpy())[..., 0], b)
    np.testing.assert_allclose(LA.solve(A, b).numpy(), LA.solve(A, b[..., None]).numpy()[..., 0])
    np.testing.assert_allclose((A @ LA.solve(A, b[0])[..., None]).numpy()[1, :, 0], b[0])
    np.testing.assert_allclose((LA.solve(A, b[:, None], left=False) @ A).numpy()[:, 0], b)


def test_solve_triangular_reads_one_triangle():
    A, B = square(), rng.standard_normal((3, 2))
    for upper, unit in itertools.product([True, False], [True, False]):
        T = np.triu(A) if upper else np.tril(A)
        T = T - np.diag(np.diag(T)) + np.eye(3) if unit else T
        x = LA.solve_triangular(A, B, upper=upper, unitriangular=unit)
        np.testing.assert_allclose(T @ x.numpy(), B, atol=1e-12)


# ----------------------------------------------------------------------------------------- norms


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, 0.5, -1, -2, math.inf, -math.inf])
def test_vector_norms_equal_numpy(ord):
    x = rng.standard_normal((3, 4))
    np.testing.assert_allclose(LA.norm(x, ord, axis=1).numpy(), np.linalg.norm(x, ord, axis=1))
    want = np.linalg.norm(x, ord, axis=0, keepdims=True)
    np.testing.assert_allclose(LA.norm(x, ord, dim=0, keepdim=True).numpy(), want)


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norms_equal_numpy(ord):
    x = rng.standard_normal((2, 3, 4))
    for axis in ((1, 2), (2, 0), (-1, -2)):
        np.testing.assert_allclose(LA.norm(x, ord, axis).numpy(), np.linalg.norm(x, ord, axis))


@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 3, math.inf, "fro", None])
def test_norms_have_gradient_zero_where_they_are_zero(ord):
    x = leaf(np.zeros((2, 2)))
    y = LA.norm(x, ord) if ord == "fro" or ord is None else LA.vector_norm(x, ord)
    g = tl.grad(y, x, create_graph=True)
    assert y.item() == 0 and not g.detach().numpy().any()
    if g.requires_grad:
        assert not tl.grad(g.sum(), x).numpy().any()


def test_equal_largest_elements_share_the_gradient():
    x = leaf([3.0, -3.0, 1.0])
    assert tl.grad(LA.vector_norm(x, math.inf), x).tolist() == [0.5, -0.5, 0.0]


def test_norms_of_special_values():
    assert LA.norm(tl.tensor([300.0, 400.0], dtype=np.float16)).item() == 500.0
    assert LA.vector_norm(tl.tensor([1.0, 0.0]), -1).item() == 0.0
    assert math.isnan(LA.vector_norm(tl.tensor([1.0, np.nan]), math.inf).item())
    assert LA.norm(tl.tensor(-2.0)).item() == 2.0
    assert LA.norm(tl.ones(0, 3)).item() == 0.0
    assert LA.norm(tl.ones(2, 2, dtype=np.float32), dtype=np.float64).dtype == np.float64
    x = leaf([np.nan, 1.0])
    assert math.isnan(tl.grad(LA.vector_norm(x, math.inf), x)[0].item())
