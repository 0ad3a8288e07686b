"""The optimizers against PyTorch's, step by step on the same gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import optim

torch = pytest.importorskip("torch", reason="compares with PyTorch, which comes with the extra [torch]")

rate = st.floats(1e-4, 0.1)
decay = st.one_of(st.just(0.0), st.floats(1e-4, 0.5))
fraction = st.floats(0.1, 0.999)
flag = st.booleans()


@st.composite
def sgd(draw):
    momentum = draw(st.one_of(st.just(0.0), st.floats(0.1, 0.99)))
    nesterov = momentum > 0 and draw(flag)
    dampening = 0.0 if nesterov else draw(st.one_of(st.just(0.0), st.floats(0.0, 1.0)))
    params = {"lr": draw(rate), "momentum": momentum, "dampening": dampening, "weight_decay": draw(decay)}
    return "SGD", {**params, "nesterov": nesterov, "maximize": draw(flag)}


@st.composite
def adam(draw):
    params = {"lr": draw(rate), "betas": (draw(fraction), draw(fraction)), "eps": draw(st.floats(1e-10, 1e-2))}
    kind = draw(st.sampled_from(["Adam", "AdamW"]))
    return kind, {**params, "weight_decay": draw(decay), "amsgrad": draw(flag), "maximize": draw(flag)}


@st.composite
def rmsprop(draw):
    params = {
        "lr": draw(rate),
        "alpha": draw(fraction),
        "eps": draw(st.floats(1e-10, 1e-2)),
        "weight_decay": draw(decay),
    }
    momentum = draw(st.one_of(st.just(0.0), fraction))
    return "RMSprop", {**params, "momentum": momentum, "centered": draw(flag), "maximize": draw(flag)}


SHAPES = [(3, 4), (), (5,)]


def pair(name, params, seed=0):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=shape) for shape in SHAPES]
    ours = [tl.tensor(v, requires_grad=True) for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    return ours, theirs, getattr(optim, name)(ours, **params), getattr(torch.optim, name)(theirs, **params)


def run(ours, theirs, mine, their, rng, steps):
    for k in range(steps):
        for a, b in zip(ours, theirs):
            g = rng.normal(size=a.shape)
            a.grad, b.grad = tl.tensor(g), torch.tensor(g)
        mine.step()
        their.step()
        for a, b in zip(ours, theirs):
            a, b = a.detach().numpy(), b.detach().numpy()
            assert np.abs(a - b).max() <= 1e-12 * max(1, np.abs(b).max()), k


@pytest.mark.parametrize("strategy", [sgd, adam, rmsprop], ids=lambda s: s.__name__)
def test_fifty_steps(strategy):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(strategy())
    def check(case):
        run(*pair(*case), np.random.default_rng(1), 50)

    check()


@pytest.mark.parametrize("strategy", [sgd, adam, rmsprop], ids=lambda s: s.__name__)
def test_going_on_from_pytorch(strategy):
    """PyTorch's state after ten steps, loaded here, goes on as PyTorch does."""

    @settings(max_examples=10, deadline=None, derandomize=True)
    @given(strategy())
    def check(case):
        ours, theirs, mine, their = pair(*case)
        run(ours, theirs, mine, their, np.random.default_rng(1), 10)
        name, params = case
        again = getattr(optim, name)(ours, lr=0.123)
        again.load_state_dict(their.state_dict())
        assert all(again.param_groups[0][key] == value for key, value in params.items())
        run(ours, theirs, again, their, np.random.default_rng(2), 10)

    check()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults(name):
    _, _, mine, their = pair(name, {})
    ours = {key: value for key, value in mine.param_groups[0].items() if key != "params"}
    assert ours == {key: their.param_groups[0][key] for key in ours}
