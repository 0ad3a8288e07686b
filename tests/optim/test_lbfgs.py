"""L-BFGS: PyTorch's path step by step, exact resuming, and what it raises."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.optim import LBFGS

from .parity import needs_torch, to_torch, torch

MIX = np.linspace(-1, 1, 12).reshape(3, 4) + np.eye(3, 4)


def rosenbrock(x, y, library):
    """A curved valley in 4 and 3 dimensions, tied together; written for both libraries."""
    valley = (3 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    return valley + ((library.tensor(MIX) @ x - y) ** 2).sum() + 0.1 * (y**4).sum()


def problem(library, make, seed, **params):
    """Tensors, an optimizer, and the function that its step needs."""
    rng = np.random.default_rng(seed)
    tensors = [library.tensor(rng.normal(size=n), requires_grad=True) for n in (4, 3)]
    optimizer = make(tensors, **params)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(*tensors, library)
        loss.backward()
        return loss

    return tensors, optimizer, closure


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0.01, 1),
        "max_iter": st.integers(1, 12),
        "max_eval": st.one_of(st.none(), st.integers(1, 15)),
        "history_size": st.integers(2, 6),
        "tolerance_grad": st.sampled_from([1e-7, 1e-3]),
        "tolerance_change": st.sampled_from([1e-9, 1e-4]),
    }
)


def values(tensors):
    return np.concatenate([t.detach().numpy() for t in tensors])


def follow(ours, mine, theirs, their):
    """Our parameters and state become PyTorch's."""
    with tl.no_grad():
        for a, b in zip(ours, theirs):
            a.copy_(b.detach().numpy())
    mine.load_state_dict(their.state_dict())


@needs_torch
@pytest.mark.parametrize("line_search_fn", ["strong_wolfe", None])
def test_every_step_is_pytorchs(line_search_fn):
    """Without a search the path jumps, and rounding grows with it; there each call begins where PyTorch is."""

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(options, st.integers(0, 1000))
    def check(params, seed):
        params = {**params, "line_search_fn": line_search_fn}
        ours, mine, closure = problem(tl, LBFGS, seed, **params)
        theirs, their, torch_closure = problem(torch, torch.optim.LBFGS, seed, **params)
        for k in range(100 // params["max_iter"]):
            a, b = mine.step(closure), their.step(torch_closure)
            np.testing.assert_allclose(a.item(), b.item(), rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(values(ours), values(theirs), rtol=1e-9, atol=1e-9, err_msg=f"call {k}")
            state, want = mine.state[ours[0]], their.state[theirs[0]]
            assert (state["n_iter"], state["func_evals"]) == (want["n_iter"], want["func_evals"])
            if line_search_fn is None:
                follow(ours, mine, theirs, their)

    check()


@needs_torch
def test_going_on_from_pytorch_and_back():
    params = {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3}
    theirs, their, torch_closure = problem(torch, torch.optim.LBFGS, 0, **params)
    their.step(torch_closure)
    ours, mine, closure = problem(tl, LBFGS, 0)
    follow(ours, mine, theirs, their)
    assert mine.param_groups[0]["history_size"] == 3
    again, other, again_closure = problem(torch, torch.optim.LBFGS, 0)
    with torch.no_grad():
        for a, b in zip(again, theirs):
            a.copy_(b)
    other.load_state_dict(to_torch(mine.state_dict()))
    for step, function in [(mine.step, closure), (their.step, torch_closure), (other.step, again_closure)]:
        step(function)
    np.testing.assert_allclose(values(ours), values(theirs), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(values(again), values(theirs), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resuming_is_exact(line_search_fn, dtype, tmp_path):
    params = {"line_search_fn": line_search_fn, "max_iter": 3, "lr": 1.0 if line_search_fn else 1e-3}

    def fresh():
        tensors, optimizer, closure = problem(tl, LBFGS, 1, **params)
        with tl.no_grad():
            for t in tensors:
                t._set(t._array.astype(dtype))
        return tensors, optimizer, closure

    straight, optimizer, closure = fresh()
    for _ in range(6):
        optimizer.step(closure)
    first, optimizer, closure = fresh()
    for _ in range(3):
        optimizer.step(closure)
    tl.save({"optimizer": optimizer.state_dict(), "tensors": first}, tmp_path / "state.npz")
    state = tl.load(tmp_path / "state.npz")
    second, optimizer, closure = fresh()
    with tl.no_grad():
        for t, value in zip(second, state["tensors"]):
            t.copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    for _ in range(3):
        optimizer.step(closure)
    assert all(t.dtype == dtype for t in second)
    assert np.array_equal(values(straight), values(second))


def test_the_valley_is_walked_to_its_end():
    for seed in range(5):
        _, optimizer, closure = problem(
            tl, LBFGS, seed, line_search_fn="strong_wolfe", max_iter=200, tolerance_change=1e-14
        )
        first = optimizer.step(closure).item()
        gradient = np.concatenate([p.grad.numpy() for p in optimizer.param_groups[0]["params"]])
        assert closure().item() < first and np.abs(gradient).max() < 1e-6


def test_a_parameter_without_a_gradient_stays():
    used, frozen = tl.ones(2, requires_grad=True), tl.ones(3)
    optimizer = LBFGS([frozen, used], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (used * used).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert (frozen == 1).all() and (used != 1).all()


def test_no_step_to_take():
    """At a minimum nothing moves; with lr=0 the search ends, and nothing moves either."""
    for start, params in [(0.0, {}), (1.0, {"lr": 0.0, "line_search_fn": "strong_wolfe"})]:
        x = tl.full((2,), start, requires_grad=True)
        optimizer = LBFGS([x], **params)

        def closure(x=x):
            x.grad = None
            loss = (x * x).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        assert (x == start).all()


def test_what_it_raises():
    a, b = (tl.ones(2, requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="one group of parameters"):
        LBFGS([{"params": [a]}, {"params": [b]}])
    with pytest.raises(ValueError, match="None or 'strong_wolfe', got 'armijo'"):
        LBFGS([a], line_search_fn="armijo")
    with pytest.raises(ValueError, match="history_size=0"):
        LBFGS([a], history_size=0)
    with pytest.raises(TypeError, match="needs a function that computes the loss"):
        LBFGS([a]).step()
    a.grad = tl.ones(3)
    with pytest.raises(ValueError, match=r"a gradient of shape \(3,\) for a parameter of shape \(2,\)"):
        LBFGS([a]).step(lambda: 1.0)


def test_a_bad_state_changes_nothing():
    _, optimizer, closure = problem(tl, LBFGS, 0)
    optimizer.step(closure)
    state = optimizer.state_dict()
    wrong = copy.deepcopy(state)
    wrong["state"][0]["old_dirs"][0] = tl.ones(2)
    with pytest.raises(ValueError, match=r"a vector of shape \(2,\), all parameters are 7"):
        optimizer.load_state_dict(wrong)
    assert optimizer.state_dict()["state"][0]["n_iter"] == state["state"][0]["n_iter"]
