"""Early stopping: when it says so, and that it goes on from its state."""

import math

import pytest

import tinygrad_lite as tl
from tinygrad_lite.optim import EarlyStopping


def said(metrics, **params):
    """How many metrics it took to stop, or None, and the object."""
    stopping = EarlyStopping(**params)
    for k, metric in enumerate(metrics, start=1):
        if stopping.step(metric):
            return k, stopping
    return None, stopping


def test_it_stops_after_so_many_steps_without_an_improvement():
    assert said([3, 2, 1, 1, 1, 1, 1], patience=3)[0] == 6
    assert said([3, 2, 3, 1, 3, 0, 3], patience=2)[0] is None
    assert said([1, 1], patience=1)[0] == 2


def test_higher_may_be_better():
    when, stopping = said([0.1, 0.5, 0.4, 0.3], patience=2, mode="max")
    assert when == 4 and stopping.best == 0.5 and stopping.best_step == 2


def test_small_improvements_do_not_count():
    when, stopping = said([1.0, 0.95, 0.91, 0.85], patience=2, min_delta=0.1)
    assert when == 3 and stopping.best == 1.0
    assert said([1.0, 0.95, 0.89, 0.85], patience=2, min_delta=0.1)[0] is None


def test_nan_is_never_better():
    when, stopping = said([math.nan, 1.0, math.nan, math.nan], patience=2)
    assert when == 4 and stopping.best == 1.0 and not stopping.improved
    assert said([math.nan] * 3, patience=3)[0] == 3


def test_improved_says_whether_the_last_one_was_the_best():
    stopping = EarlyStopping()
    assert not stopping.improved
    assert [stopping.step(tl.tensor(x)) or stopping.improved for x in (3.0, 4.0, 2.0, 2.0)] == [
        True,
        False,
        True,
        False,
    ]


def test_going_on(tmp_path):
    metrics = [5.0, 4.0, 4.5, 4.4, 4.3, 4.2]
    for when in range(len(metrics)):
        first = EarlyStopping(patience=3, min_delta=0.1, mode="min")
        for metric in metrics[:when]:
            first.step(metric)
        tl.save(first.state_dict(), tmp_path / "state.npz")
        second = EarlyStopping()
        second.load_state_dict(tl.load(tmp_path / "state.npz"))
        assert [second.step(metric) for metric in metrics[when:]] == [first.step(metric) for metric in metrics[when:]]
        assert vars(first) == vars(second)


def test_what_is_refused():
    with pytest.raises(ValueError, match="patience is at least 1, got 0"):
        EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="min_delta is not negative, got -1"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ValueError, match="mode is 'min' or 'max', got 'up'"):
        EarlyStopping(mode="up")
    with pytest.raises(ValueError, match="needs what state_dict"):
        EarlyStopping().load_state_dict({"best": 1.0})
