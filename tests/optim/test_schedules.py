"""Schedules: PyTorch's rates at every step, exact resuming, and what they raise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import optim
from tinygrad_lite.optim import lr_scheduler

from .parity import needs_torch, torch

factor = st.floats(0.01, 1.0)
count = st.integers(1, 40)
rate = st.floats(1e-4, 1.0)
flag = st.booleans()


def half_of(t):
    return 0.5 ** (t // 10)


def uneven(t):
    return 1 / (1 + t) if t % 3 else 0.9


def options(**strategies):
    return st.fixed_dictionaries(strategies)


SIMPLE = {
    "StepLR": options(step_size=count, gamma=factor),
    "MultiStepLR": options(milestones=st.lists(st.integers(0, 60), max_size=5), gamma=factor),
    "ConstantLR": options(factor=factor, total_iters=count),
    "LinearLR": options(start_factor=factor, end_factor=st.floats(0, 1), total_iters=count),
    "ExponentialLR": options(gamma=st.floats(0.5, 1.05)),
    "PolynomialLR": options(total_iters=count, power=st.floats(0, 3)),
    "CosineAnnealingLR": options(T_max=count, eta_min=st.one_of(st.just(0.0), st.floats(0, 0.1))),
    "LambdaLR": options(lr_lambda=st.sampled_from([half_of, [half_of, uneven]])),
    "MultiplicativeLR": options(lr_lambda=st.sampled_from([lambda t: 0.95, [half_of, lambda t: 1 - t % 2 / 10]])),
    "CosineAnnealingWarmRestarts": options(T_0=count, T_mult=st.integers(1, 3), eta_min=st.floats(0, 0.1)),
}
CYCLES = {
    "CyclicLR": options(
        base_lr=rate,
        max_lr=st.one_of(rate, st.tuples(rate, rate).map(list)),
        step_size_up=st.integers(1, 30),
        step_size_down=st.one_of(st.none(), st.integers(1, 30)),
        mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
        gamma=st.floats(0.9, 1.0),
        scale_fn=st.sampled_from([None, None, lambda x: 1 / (1 + x)]),
        scale_mode=st.sampled_from(["cycle", "iterations"]),
        cycle_momentum=flag,
        base_momentum=st.floats(0.5, 0.8),
        max_momentum=st.floats(0.8, 0.99),
    ),
    "OneCycleLR": options(
        max_lr=st.one_of(rate, st.tuples(rate, rate).map(list)),
        total_steps=st.integers(101, 150),
        pct_start=st.floats(0.05, 0.45),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
        cycle_momentum=flag,
        base_momentum=st.floats(0.5, 0.8),
        max_momentum=st.floats(0.8, 0.99),
        div_factor=st.floats(1, 50),
        final_div_factor=st.floats(1, 1e4),
        three_phase=flag,
    ),
}


def optimizer(library, kind="SGD", lr=(0.5, 0.1)):
    params = {"momentum": 0.9} if kind == "SGD" else {}
    make = getattr(library.optim if library is torch else optim, kind)
    return make([{"params": [library.zeros(2, requires_grad=True)], "lr": rate} for rate in lr], **params)


def close(ours, theirs, what):
    pairs = zip(ours, theirs) if isinstance(theirs, (list, tuple)) else [(ours, theirs)]
    assert all(abs(a - b) <= 1e-10 * abs(b) + 1e-14 for a, b in pairs), f"{what}: {ours}, PyTorch {theirs}"


def same(mine, their, step):
    for a, b in zip(mine.param_groups, their.param_groups):
        for name in {"lr", "momentum", "betas", "initial_lr"} & b.keys():
            close(a[name], b[name], f"{name} at step {step}")


def run(mine, their, ours, theirs, steps=100):
    """Hold each step of a schedule to PyTorch's."""
    same(mine, their, "the first")
    for k in range(steps):
        their.step()
        ours.step()
        theirs.step()
        same(mine, their, k)
        close(ours.get_last_lr(), theirs.get_last_lr(), "get_last_lr()")
        assert ours.last_epoch == getattr(theirs, "last_epoch", ours.last_epoch)


def pair(name, params, kind="SGD"):
    mine, their = optimizer(tl, kind), optimizer(torch, kind)
    return mine, their, getattr(optim, name)(mine, **params), getattr(torch.optim.lr_scheduler, name)(their, **params)


ignore = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, about an optimizer that makes no step


@needs_torch
@ignore
@pytest.mark.parametrize("name", [*SIMPLE, *CYCLES])
def test_every_rate_is_pytorchs(name):
    @settings(max_examples=25, deadline=None, derandomize=True)
    @given({**SIMPLE, **CYCLES}[name], st.sampled_from(["SGD", "Adam"]))
    def check(params, kind):
        run(*pair(name, params, kind))

    check()


@needs_torch
@ignore
@pytest.mark.parametrize("name", SIMPLE)
def test_a_rate_changed_by_hand_is_treated_as_pytorch_does(name):
    @settings(max_examples=10, deadline=None, derandomize=True)
    @given(SIMPLE[name], st.integers(0, 30))
    def check(params, when):
        mine, their, ours, theirs = pair(name, params)
        run(mine, their, ours, theirs, when)
        for one in (mine, their):
            one.param_groups[0]["lr"] *= 3
            one.param_groups[1]["lr"] = 0.01
        for k in range(60):
            their.step()
            ours.step()
            theirs.step()
            same(mine, their, k)

    check()


@needs_torch
@ignore
@pytest.mark.parametrize("name", [*SIMPLE, *CYCLES])
def test_going_on_from_pytorch_and_from_a_step(name):
    @settings(max_examples=10, deadline=None, derandomize=True)
    @given({**SIMPLE, **CYCLES}[name], st.integers(0, 40))
    def check(params, when):
        mine, their, ours, theirs = pair(name, params)
        run(mine, their, ours, theirs, when)
        again = optimizer(tl)
        schedule = getattr(optim, name)(again, **params)
        again.load_state_dict(their.state_dict())
        schedule.load_state_dict(theirs.state_dict())
        run(again, their, schedule, theirs, 20)
        if name != "CosineAnnealingWarmRestarts":  # PyTorch takes last_epoch for T_cur too, whatever the period
            mine, ours = after(again, name, params, when + 20, tl)
            their, theirs = after(their, name, params, when + 20, torch)
            run(mine, their, ours, theirs, 20)

    check()


def after(old, name, params, when, library):
    """A new optimizer with the rates of an old one, and a schedule that begins after step `when`."""
    new = optimizer(library)
    for group, other in zip(new.param_groups, old.param_groups):
        group.update({key: value for key, value in other.items() if key != "params"})
    return new, getattr(optim if library is tl else torch.optim.lr_scheduler, name)(new, **params, last_epoch=when)


@st.composite
def parts(draw, size):
    names = draw(st.lists(st.sampled_from(sorted(SIMPLE)), min_size=size, max_size=size))
    return [(name, draw(SIMPLE[name])) for name in names]


@needs_torch
@ignore
@settings(max_examples=60, deadline=None, derandomize=True)
@given(parts(3), st.lists(st.integers(0, 30), min_size=2, max_size=2).map(sorted))
def test_one_after_the_other_is_pytorchs(chosen, milestones):
    mine, their = optimizer(tl), optimizer(torch)
    ours = [getattr(optim, name)(mine, **params) for name, params in chosen]
    theirs = [getattr(torch.optim.lr_scheduler, name)(their, **params) for name, params in chosen]
    one = optim.SequentialLR(mine, ours, milestones)
    other = torch.optim.lr_scheduler.SequentialLR(their, theirs, milestones)
    run(mine, their, one, other, 60)


@needs_torch
@ignore
@settings(max_examples=40, deadline=None, derandomize=True)
@given(parts(2))
def test_all_at_once_is_pytorchs(chosen):
    mine, their = optimizer(tl), optimizer(torch)
    ours = [getattr(optim, name)(mine, **params) for name, params in chosen]
    theirs = [getattr(torch.optim.lr_scheduler, name)(their, **params) for name, params in chosen]
    run(mine, their, optim.ChainedScheduler(ours), torch.optim.lr_scheduler.ChainedScheduler(theirs), 60)


PLATEAU = options(
    mode=st.sampled_from(["min", "max"]),
    factor=st.floats(0, 0.9),
    patience=st.integers(0, 5),
    threshold=st.floats(0, 0.3),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    cooldown=st.integers(0, 3),
    min_lr=st.sampled_from([0.0, 0.01, [0.1, 0.0]]),
    eps=st.sampled_from([1e-8, 1e-2]),
)


@needs_torch
@settings(max_examples=50, deadline=None, derandomize=True)
@given(PLATEAU, st.integers(0, 100), st.integers(0, 100))
def test_a_plateau_is_pytorchs(params, seed, when):
    mine, their, ours, theirs = pair("ReduceLROnPlateau", params)
    for k, metric in enumerate(np.random.default_rng(seed).normal(size=100).cumsum()):
        if k == when:
            mine.load_state_dict(their.state_dict())
            ours = optim.ReduceLROnPlateau(mine, mode=params["mode"])
            ours.load_state_dict(theirs.state_dict())
        ours.step(tl.tensor(metric))
        theirs.step(metric)
        same(mine, their, k)
        assert (ours.best, ours.num_bad_epochs, ours.cooldown_counter) == (
            theirs.best,
            theirs.num_bad_epochs,
            theirs.cooldown_counter,
        )


@needs_torch
@settings(max_examples=30, deadline=None, derandomize=True)
@given(options(T_0=st.integers(1, 9), T_mult=st.integers(1, 3)), st.lists(st.floats(0, 100), max_size=8))
def test_restarts_at_fractions_of_epochs_are_pytorchs(params, epochs):
    mine, their, ours, theirs = pair("CosineAnnealingWarmRestarts", params)
    for epoch in epochs:
        ours.step(epoch + 1e-3)
        theirs.step(epoch + 1e-3)
        same(mine, their, epoch)
        assert (ours.last_epoch, ours.T_i) == (theirs.last_epoch, theirs.T_i)


@needs_torch
def test_defaults_are_pytorchs():
    from inspect import signature

    for name in torch.optim.lr_scheduler.__all__:
        ours = signature(getattr(optim, name).__init__).parameters
        theirs = signature(getattr(torch.optim.lr_scheduler, name).__init__).parameters
        assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}, name
        assert list(ours) == list(theirs), name


def everything(one):
    """A schedule of each kind, with what else takes part in it."""
    warm = [optim.LinearLR(one, total_iters=3), optim.CosineAnnealingLR(one, T_max=9)]
    return {
        "StepLR": lambda: optim.StepLR(one, 3),
        "MultiStepLR": lambda: optim.MultiStepLR(one, [2, 5, 5]),
        "CosineAnnealingLR": lambda: optim.CosineAnnealingLR(one, 6, 0.01),
        "LambdaLR": lambda: optim.LambdaLR(one, [half_of, Warm()]),
        "MultiplicativeLR": lambda: optim.MultiplicativeLR(one, Warm()),
        "CosineAnnealingWarmRestarts": lambda: optim.CosineAnnealingWarmRestarts(one, 3, 2),
        "CyclicLR": lambda: optim.CyclicLR(one, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
        "OneCycleLR": lambda: optim.OneCycleLR(one, 0.1, 30, three_phase=True),
        "SequentialLR": lambda: optim.SequentialLR(one, warm, [3]),
        "ChainedScheduler": lambda: optim.ChainedScheduler(warm),
    }


class Warm:
    """A function with state."""

    def __init__(self):
        self.calls = 0

    def __call__(self, t):
        self.calls += 1
        return 1 / self.calls


@pytest.mark.parametrize("name", everything(optimizer(tl)))
@pytest.mark.parametrize("when", [0, 1, 4, 10])
def test_resuming_is_exact(name, when, tmp_path):
    one = optimizer(tl)
    schedule, wanted = everything(one)[name](), []
    for k in range(20):
        if k == when:
            tl.save({"optimizer": one.state_dict(), "schedule": schedule.state_dict()}, tmp_path / "state.npz")
        schedule.step()
        wanted.append([(group["lr"], group["momentum"]) for group in one.param_groups])
    other = optimizer(tl)
    schedule, found = everything(other)[name](), []
    state = tl.load(tmp_path / "state.npz")
    other.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    for _ in range(when, 20):
        schedule.step()
        found.append([(group["lr"], group["momentum"]) for group in other.param_groups])
    assert found == wanted[when:]


def test_the_state_is_a_copy():
    schedule = optim.MultiStepLR(optimizer(tl), [1, 2])
    state = schedule.state_dict()
    schedule.step()
    assert state["last_epoch"] == 0 and state["_last_lr"] == [0.5, 0.1]
    schedule.load_state_dict(state)
    schedule.milestones[7] = 1
    assert 7 not in state["milestones"]


def test_a_rate_of_zero_is_left_again():
    """Where f was 0 there is no ratio; the schedule goes on from the rate it began with."""
    one = optimizer(tl, lr=(1.0,))
    schedule = optim.ConstantLR(one, factor=0.0, total_iters=2)
    assert [schedule.step() or schedule.get_last_lr()[0] for _ in range(3)] == [0.0, 1.0, 1.0]


def test_combinations_in_combinations():
    """A chain in a sequence begins at its own step 0, as if it were alone."""
    one, alone = optimizer(tl, lr=(1.0,)), optimizer(tl, lr=(1.0,))

    def chain(optimizer):
        return optim.ChainedScheduler([optim.LinearLR(optimizer, 0.5), optim.ExponentialLR(optimizer, 0.9)])

    sequence = optim.SequentialLR(one, [optim.ConstantLR(one, 0.1, 100), chain(one)], [4])
    whole = optim.SequentialLR(one, [sequence, optim.StepLR(one, 100)], [20])
    rates = [whole.get_last_lr()[0]]
    rates += [whole.step() or whole.get_last_lr()[0] for _ in range(24)]
    single = chain(alone)
    wanted = [0.1] * 4 + [single.get_last_lr()[0]]
    wanted += [single.step() or single.get_last_lr()[0] for _ in range(15)] + [1.0] * 5
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda one: optim.StepLR([1], 3), TypeError, "StepLR: needs an optimizer, got a list"),
        (lambda one: optim.StepLR(one, 0), ValueError, "StepLR: step_size is a number of steps, at least 1, got 0"),
        (lambda one: optim.StepLR(one, 3, last_epoch=5), KeyError, "group 0 of the optimizer has no 'initial_lr'"),
        (lambda one: optim.ConstantLR(one, factor=2), ValueError, "ConstantLR: factor is from 0 to 1, got 2"),
        (lambda one: optim.LinearLR(one, start_factor=0), ValueError, "start_factor is above 0"),
        (lambda one: optim.LinearLR(one, total_iters=0), ValueError, "LinearLR: total_iters is a number of steps"),
        (lambda one: optim.CosineAnnealingLR(one, T_max=0), ValueError, "T_max is a number of steps"),
        (lambda one: optim.LambdaLR(one, 3), TypeError, "LambdaLR: lr_lambda is a function, got a int"),
        (lambda one: optim.LambdaLR(one, [abs] * 3), ValueError, "lr_lambda has 3 values for 2 groups"),
        (lambda one: optim.CosineAnnealingWarmRestarts(one, 0), ValueError, "T_0 is a whole number, at least 1"),
        (lambda one: optim.CosineAnnealingWarmRestarts(one, 2).step(-1), ValueError, "epochs begin at 0, got -1"),
        (lambda one: optim.CyclicLR(one, 0.1, 1, mode="up"), ValueError, "CyclicLR: mode is 'triangular'"),
        (lambda one: optim.CyclicLR(one, 0.1, 1, step_size_up=0), ValueError, "step_size_up is above 0"),
        (lambda one: optim.CyclicLR(one, [0.1], 1), ValueError, "CyclicLR: base_lr has 1 values for 2 groups"),
        (lambda one: optim.OneCycleLR(one, 1.0), ValueError, "OneCycleLR: needs total_steps, or epochs and"),
        (lambda one: optim.OneCycleLR(one, 1.0, 0), ValueError, "a whole number of steps, at least 1, got 0"),
        (lambda one: optim.OneCycleLR(one, 1.0, 9, pct_start=2), ValueError, "pct_start is from 0 to 1, got 2"),
        (lambda one: optim.OneCycleLR(one, 1.0, 9, anneal_strategy="sin"), ValueError, "got 'sin'"),
        (lambda one: optim.SequentialLR(one, [], []), ValueError, "SequentialLR: needs at least one schedule"),
        (lambda one: optim.SequentialLR(one, [optim.StepLR(one, 3)], [2]), ValueError, "1 schedules have 0 milestones"),
        (lambda one: optim.ChainedScheduler([3]), TypeError, "ChainedScheduler: schedule 0 is a int"),
        (lambda one: optim.ChainedScheduler([optim.ReduceLROnPlateau(one)]), ValueError, "step it apart"),
        (
            lambda one: optim.ChainedScheduler([optim.StepLR(one, 3), optim.StepLR(optimizer(tl), 3)]),
            ValueError,
            "schedule 1 is of another optimizer",
        ),
        (lambda one: optim.ReduceLROnPlateau(one, factor=1), ValueError, "factor is below 1, got 1"),
        (lambda one: optim.ReduceLROnPlateau(one, mode="up"), ValueError, "mode is 'min' or 'max'"),
        (lambda one: optim.ReduceLROnPlateau(one, min_lr=[0.1]), ValueError, "min_lr has 1 values for 2 groups"),
        (lambda one: optim.LRScheduler(one), NotImplementedError, "LRScheduler: has no get_lr"),
        (lambda one: optim.StepLR(one, 3).load_state_dict({}), ValueError, "needs what the state_dict"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(optimizer(tl))


def test_cycling_the_momentum_needs_one():
    one = optim.Adagrad([tl.zeros(2, requires_grad=True)])
    with pytest.raises(ValueError, match="Adagrad has no momentum and no betas; take cycle_momentum=False"):
        optim.OneCycleLR(one, 0.1, 10)
    optim.OneCycleLR(one, 0.1, 10, cycle_momentum=False).step()


def test_a_step_after_the_last():
    schedule = optim.OneCycleLR(optimizer(tl), 0.1, 3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="step 4 of 3"):
        schedule.step()


def test_a_cycle_whose_way_up_is_one_step():
    schedule = optim.OneCycleLR(optimizer(tl, lr=(1.0,)), 1.0, 10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0] and math.isclose(
        schedule.step() or schedule.get_last_lr()[0], 0.9698, abs_tol=1e-3
    )


def test_groups_added_later():
    one = optimizer(tl)
    schedule = optim.StepLR(one, 3)
    one.add_param_group({"params": [tl.zeros(2, requires_grad=True)]})
    with pytest.raises(ValueError, match="made for 2 groups of parameters, and the optimizer has 3"):
        schedule.step()
    with pytest.raises(ValueError, match="the state is of 2 groups of parameters, the optimizer has 3"):
        schedule.load_state_dict(schedule.state_dict())


def test_pytorchs_names():
    assert lr_scheduler.StepLR is optim.StepLR and lr_scheduler.ReduceLROnPlateau is optim.ReduceLROnPlateau
