"""Sparsemax, fusedmax and oscarmax: the problems that they solve, their Jacobians, masks, and the edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.ops.spec import arrays
from tinygrad_lite.ops import sparse_maps
from tinygrad_lite.testing import gradcheck, gradgradcheck

MAPS = [tl.sparsemax, tl.fusedmax, tl.oscarmax]
quick = settings(max_examples=60, deadline=None, derandomize=True)
rng = np.random.default_rng(0)


def on_simplex(v: np.ndarray) -> np.ndarray:
    """The nearest probabilities to v, by bisection for the threshold."""
    low, high = v.max() - 1, v.max()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(v - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(v - low, 0)


def solved(x: np.ndarray, pairs: list, lambd: float, steps: int = 800) -> np.ndarray:
    """argmin over the simplex of ||y - x||^2 / 2 + lambd sum over pairs |y_i - y_j|, by ADMM with the step 1."""
    n = len(x)
    d = np.zeros((len(pairs), n))
    for row, (i, j) in enumerate(pairs):
        d[row, i], d[row, j] = 1, -1
    a = np.vstack([d, np.eye(n)])  # z = a y: the differences, and a copy of y that is on the simplex
    inverse = np.linalg.inv(np.eye(n) + a.T @ a)
    z = u = np.zeros(len(a))
    for _ in range(steps):
        y = inverse @ (x + a.T @ (z - u))
        v = a @ y + u
        differences = np.sign(v[:-n]) * np.maximum(np.abs(v[:-n]) - lambd, 0)
        z = np.concatenate([differences, on_simplex(v[-n:])])
        u = v - z
    return z[-n:]


@pytest.mark.parametrize("lambd", [0.05, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_each_map_solves_its_problem(seed, lambd):
    x = np.random.default_rng(seed).normal(size=6)
    neighbours, all_pairs = list(itertools.pairwise(range(6))), list(itertools.combinations(range(6), 2))
    np.testing.assert_allclose(tl.sparsemax(x).numpy(), on_simplex(x), atol=1e-12)
    np.testing.assert_allclose(tl.fusedmax(x, lambd=lambd).numpy(), solved(x, neighbours, lambd), atol=1e-6)
    # max(a, b) = (a + b + |a - b|) / 2, and the sum of all y is 1.
    np.testing.assert_allclose(tl.oscarmax(x, lambd=lambd).numpy(), solved(x, all_pairs, lambd / 2), atol=1e-6)


@quick
@given(arrays(st.integers(1, 30)), st.sampled_from([0.01, 0.3, 2.0, 1e3]))
def test_total_variation_has_a_certificate(x, lambd):
    """With u_i the sum of the first i of y - x: all in [-lambd, lambd], at the ends where y jumps, and u_n = 0."""
    y = np.array(sparse_maps.total_variation(x.tolist(), lambd))
    u, jump = np.cumsum(y - x), np.diff(y)
    assert abs(u[-1]) < 1e-10
    assert (np.abs(u) <= lambd + 1e-10).all()
    np.testing.assert_allclose(u[:-1][jump != 0], lambd * np.sign(jump[jump != 0]), rtol=0, atol=1e-10)


@quick
@given(arrays(st.tuples(st.integers(1, 3), st.integers(1, 8))))
def test_isotonic_is_the_minimum_over_starts_of_the_maximum_over_ends_of_means(v):
    y, groups = sparse_maps.isotonic(v)
    for row, got in zip(v, y):
        n = len(row)
        want = [min(max(row[a : b + 1].mean() for b in range(i, n)) for a in range(i + 1)) for i in range(n)]
        np.testing.assert_allclose(got, want, atol=1e-12)
    assert len(np.unique(groups)) == sum(len(np.unique(row)) for row in y)


@quick
@given(arrays(st.integers(1, 12), unique=True), st.sampled_from(MAPS))
def test_probabilities_that_no_shift_of_the_scores_changes(x, f):
    y = f(x).numpy()
    assert (y >= 0).all() and abs(y.sum() - 1) < 1e-12
    np.testing.assert_allclose(f(x + 2.5).numpy(), y, atol=1e-12)


@quick
@given(arrays(st.integers(1, 12), unique=True))
def test_no_penalty_is_sparsemax_and_a_large_one_is_uniform(x):
    for f in (tl.fusedmax, tl.oscarmax):
        np.testing.assert_array_equal(f(x, lambd=0).numpy(), tl.sparsemax(x).numpy())
        for lambd in (1e3, 1e30):
            np.testing.assert_allclose(f(x, lambd=lambd).numpy(), np.full(len(x), 1 / len(x)), atol=1e-12)


def jacobian(f, x):
    return tl.jacobian(f, tl.tensor(x)).numpy()


@pytest.mark.parametrize("f", MAPS)
@pytest.mark.parametrize("seed", range(5))
def test_the_jacobian_is_the_one_of_sparsemax_times_averaging_in_groups(f, seed):
    x = np.random.default_rng(seed).normal(size=9) / 4
    params = {} if f is tl.sparsemax else {"lambd": 0.1}
    y, j = f(x, **params).numpy(), jacobian(lambda t: f(t, **params), x)
    support = (y > 0).astype(float)
    same = (y[:, None] == y[None, :]) & (y > 0)
    if f is tl.fusedmax:  # equal, and all between as well
        same &= [[len(set(y[min(i, k) : max(i, k) + 1])) == 1 for k in range(9)] for i in range(9)]
    averaging = same / np.maximum(same.sum(1, keepdims=True), 1)
    want = (np.diag(support) - np.outer(support, support) / support.sum()) @ averaging
    np.testing.assert_allclose(j, want, atol=1e-12)
    np.testing.assert_allclose(j, j.T, atol=1e-12)
    np.testing.assert_allclose(j.sum(1), 0, atol=1e-12)
    step = 1e-6
    differences = [(f(x + e, **params) - f(x - e, **params)).numpy() / (2 * step) for e in step * np.eye(9)]
    np.testing.assert_allclose(j.T, differences, atol=1e-8)
    assert f is tl.sparsemax or same.sum() > support.sum(), "no groups: the test shows nothing"


def test_neighbours_that_are_equal_are_so_to_the_bit_and_others_may_be_oscars():
    x = np.array([0.9, 1.0, 0.2, -3.0, 0.95])
    fused, oscar = tl.fusedmax(x, lambd=0.1).numpy(), tl.oscarmax(x, lambd=0.1).numpy()
    assert fused[0] == fused[1] and fused[4] not in fused[:4]
    assert oscar[0] == oscar[1] == oscar[4] > oscar[2]


@pytest.mark.parametrize("f", MAPS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_batch_along_any_axis_is_each_lane_by_itself_gradients_included(f, axis):
    x = np.tile(rng.normal(size=(2, 1, 5)), (1, 2, 1)) if axis == -1 else rng.normal(size=(4, 5, 3))
    g = rng.normal(size=x.shape)
    leaf = tl.tensor(x, requires_grad=True)
    y = f(leaf, axis)
    y.backward(g)
    lanes = (np.moveaxis(a, axis, -1).reshape(-1, x.shape[axis]) for a in (x, y.detach().numpy(), g, leaf.grad.numpy()))
    for lane, out, upstream, found in zip(*lanes):
        one = tl.tensor(lane, requires_grad=True)
        alone = f(one)
        alone.backward(upstream)
        np.testing.assert_allclose(out, alone.detach().numpy(), atol=1e-12)
        np.testing.assert_allclose(found, one.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("f", MAPS)
@pytest.mark.filterwarnings("error")
def test_what_is_masked_is_as_if_it_were_not_there(f):
    x = rng.normal(size=(3, 8))
    x[0, 5:] = x[1, [0, 2, 3]] = -np.inf
    leaf, g = tl.tensor(x, requires_grad=True), rng.normal(size=x.shape)
    y = f(leaf)
    y.backward(g)
    for row, out, upstream, found in zip(x, y.detach().numpy(), g, leaf.grad.numpy()):
        seen = row > -np.inf
        one = tl.tensor(row[seen], requires_grad=True)
        alone = f(one)
        alone.backward(upstream[seen])
        np.testing.assert_allclose(out[seen], alone.detach().numpy(), atol=1e-12)
        np.testing.assert_allclose(found[seen], one.grad.numpy(), atol=1e-12)
        assert not out[~seen].any() and not found[~seen].any()
    for bad in (-np.inf, np.inf, np.nan):
        assert np.isnan(f(np.array([[1.0, bad], [bad, bad]])).numpy()[1]).all()
    assert np.isnan(f(np.array([1.0, np.nan, 2.0])).numpy()).all()


@pytest.mark.parametrize("f", MAPS)
def test_gradients_of_both_orders_match_differences(f):
    x = 1.7 * rng.normal(size=(2, 5))
    assert gradcheck(lambda x: f(x / 3, axis=0), x)
    assert gradgradcheck(lambda x: f(x * x) ** 3, x / 2)


@pytest.mark.parametrize("f", MAPS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_keeps_its_dtype(f, dtype):
    x = tl.tensor(rng.normal(size=5).astype(dtype), requires_grad=True)
    y = f(x)
    (y * y).sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert abs(y.detach().numpy().astype(float).sum() - 1) < 5 * np.finfo(dtype).eps


@pytest.mark.parametrize("f", MAPS)
def test_edges(f):
    assert f(tl.tensor([2, 1, 0])).dtype == np.float32
    assert f(tl.zeros(0, 3)).shape == (0, 3) and f(tl.zeros(3, 0)).shape == (3, 0)
    assert f(tl.tensor(5.0)).item() == 1
    np.testing.assert_array_equal(f(tl.tensor([[3.0, 3.0]]), dim=1).numpy(), [[0.5, 0.5]])
    with pytest.raises(IndexError, match=rf"{f.__name__}: axis 2 is out of range"):
        f(tl.ones(2, 2), 2)


def test_a_penalty_below_0_is_refused():
    for f in (tl.fusedmax, tl.oscarmax):
        for bad in (-1, np.nan, np.inf):
            with pytest.raises(ValueError, match=rf"{f.__name__}: lambd is {bad}"):
                f(tl.ones(3), lambd=bad)
