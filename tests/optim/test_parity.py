"""The optimizers against PyTorch's, step by step on the same gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import optim

from .parity import to_torch

torch = pytest.importorskip("torch", reason="compares with PyTorch, which comes with the extra [torch]")

rate = st.floats(1e-4, 0.1)
decay = st.one_of(st.just(0.0), st.floats(1e-4, 0.5))
fraction = st.floats(0.1, 0.999)
flag = st.booleans()
epsilon = st.floats(1e-10, 1e-2)


@st.composite
def sgd(draw):
    momentum = draw(st.one_of(st.just(0.0), st.floats(0.1, 0.99)))
    nesterov = momentum > 0 and draw(flag)
    dampening = 0.0 if nesterov else draw(st.one_of(st.just(0.0), st.floats(0.0, 1.0)))
    params = {"lr": draw(rate), "momentum": momentum, "dampening": dampening, "weight_decay": draw(decay)}
    return "SGD", {**params, "nesterov": nesterov, "maximize": draw(flag)}


@st.composite
def adam(draw):
    params = {"lr": draw(rate), "betas": (draw(fraction), draw(fraction)), "eps": draw(epsilon)}
    kind = draw(st.sampled_from(["Adam", "AdamW"]))
    if kind == "Adam":
        params["decoupled_weight_decay"] = draw(flag)
    return kind, {**params, "weight_decay": draw(decay), "amsgrad": draw(flag), "maximize": draw(flag)}


@st.composite
def rmsprop(draw):
    params = {
        "lr": draw(rate),
        "alpha": draw(fraction),
        "eps": draw(epsilon),
        "weight_decay": draw(decay),
    }
    momentum = draw(st.one_of(st.just(0.0), fraction))
    return "RMSprop", {**params, "momentum": momentum, "centered": draw(flag), "maximize": draw(flag)}


@st.composite
def adagrad(draw):
    params = {"lr": draw(rate), "lr_decay": draw(decay), "weight_decay": draw(decay), "eps": draw(epsilon)}
    return "Adagrad", {**params, "initial_accumulator_value": draw(decay), "maximize": draw(flag)}


@st.composite
def adadelta(draw):
    params = {"lr": draw(st.floats(0.01, 2)), "rho": draw(fraction), "eps": draw(epsilon)}
    return "Adadelta", {**params, "weight_decay": draw(decay), "maximize": draw(flag)}


@st.composite
def variant(draw):
    params = {"lr": draw(rate), "betas": (draw(fraction), draw(fraction)), "eps": draw(epsilon)}
    kind = draw(st.sampled_from(["Adamax", "NAdam", "RAdam"]))
    if kind != "Adamax":
        params["decoupled_weight_decay"] = draw(flag)
    if kind == "NAdam":
        params["momentum_decay"] = draw(st.floats(0, 0.1))
    return kind, {**params, "weight_decay": draw(decay), "maximize": draw(flag)}


@st.composite
def rprop(draw):
    params = {"lr": draw(rate), "etas": (draw(st.floats(0.1, 0.9)), draw(st.floats(1.01, 3)))}
    return "Rprop", {**params, "step_sizes": (draw(st.floats(1e-7, 1e-3)), draw(rate)), "maximize": draw(flag)}


@st.composite
def asgd(draw):
    params = {"lr": draw(rate), "lambd": draw(decay), "alpha": draw(fraction), "t0": draw(st.floats(0, 100))}
    return "ASGD", {**params, "weight_decay": draw(decay), "maximize": draw(flag)}


KINDS = [sgd, adam, rmsprop, adagrad, adadelta, variant, rprop, asgd]
every = pytest.mark.parametrize("strategy", KINDS, ids=lambda s: s.__name__)

NAMES = [name for name, kind in vars(optim).items() if isinstance(kind, type) and issubclass(kind, optim.Optimizer)]
NAMES.remove("Optimizer")
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
            assert np.abs(a - b).max() <= 1e-10 * max(1, np.abs(b).max()), f"step {k}"


@every
def test_a_hundred_steps(strategy):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(strategy())
    def check(case):
        run(*pair(*case), np.random.default_rng(1), 100)

    check()


@every
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


@every
def test_pytorch_goes_on_from_here(strategy):
    """Our state after ten steps, loaded there, goes on as ours does."""

    @settings(max_examples=5, deadline=None, derandomize=True)
    @given(strategy())
    def check(case):
        ours, theirs, mine, their = pair(*case)
        run(ours, theirs, mine, their, np.random.default_rng(1), 10)
        again = getattr(torch.optim, case[0])(theirs, lr=0.123)
        again.load_state_dict(to_torch(mine.state_dict()))
        run(ours, theirs, mine, again, np.random.default_rng(2), 10)

    check()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Ftrl"])
def test_defaults(name):
    _, _, mine, their = pair(name, {})
    ours = {key: value for key, value in mine.param_groups[0].items() if key != "params"}
    assert ours == {key: their.param_groups[0][key] for key in ours}
