"""The line search ends at a point that satisfies the strong Wolfe conditions, or at the best that it has seen."""

import math
from importlib import import_module

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.optim.line_search import C1, C2, Point, inside, minimum_of_cubic, strong_wolfe

from .parity import needs_torch, torch

number = st.floats(-2, 2)


def line(loss, slope):
    """Points of a function of one variable, and a list of the steps that were looked at."""
    seen = []

    def look(t):
        seen.append(t)
        return Point(t, loss(t), np.array([slope(t)]), slope(t))

    return look, seen


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(0.1, 5), number, number, st.floats(0.5, 4), st.floats(1e-4, 100))
def test_both_conditions_hold(down, bend, height, frequency, first):
    """On a bowl with waves on it, that goes down at 0."""

    def loss(t):
        return -down * t + 0.5 * (0.1 + abs(bend)) * t * t + height * (math.cos(frequency * t) - 1)

    def slope(t):
        return -down + (0.1 + abs(bend)) * t - height * frequency * math.sin(frequency * t)

    look, seen = line(loss, slope)
    start = Point(0.0, loss(0.0), np.array([slope(0.0)]), slope(0.0))
    found = strong_wolfe(look, start, first, 1.0, 60)
    assert found.loss <= start.loss + C1 * found.t * start.slope
    assert abs(found.slope) <= C2 * abs(start.slope)
    assert found.t in seen and len(seen) <= 61


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10), st.floats(0.01, 100))
def test_the_budget_is_kept_and_the_better_end_is_taken(budget, first):
    look, seen = line(lambda t: (t - 1) ** 4 - t, lambda t: 4 * (t - 1) ** 3 - 1)
    start = look(0.0)
    seen.clear()
    found = strong_wolfe(look, start, first, 1.0, budget)
    assert len(seen) <= budget + 1 and found.loss <= start.loss


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0.1, 3), number, number, st.floats(-3, 3), st.floats(0.5, 3))
def test_the_minimum_of_a_cubic_is_exact(lead, middle, shift, left, width):
    """Of lead (t - middle)^2 (t - middle + 3 shift), at either of its ends, in either order."""

    def point(t):
        u = t - middle
        return Point(t, lead * u * u * (u + 3 * shift), np.zeros(1), lead * (3 * u * u + 6 * shift * u))

    a, b = point(left), point(left + width)
    bottom = middle + (0.0 if shift > 0 else -2 * shift)  # where the slope is 0 and the bend is upward
    wanted = min(max(bottom, a.t), b.t)
    for one, other in ((a, b), (b, a)):
        if abs(shift) > 0.1:
            assert math.isclose(minimum_of_cubic(one, other, a.t, b.t), wanted, rel_tol=1e-6, abs_tol=1e-6)


def test_where_there_is_no_minimum_it_is_the_middle():
    downhill = Point(0.0, 0.0, np.zeros(1), -2.0), Point(1.0, -1.5, np.zeros(1), -2.0)
    assert minimum_of_cubic(*downhill, 0.0, 1.0) == 0.5
    same = Point(1.0, 0.0, np.zeros(1), -1.0)
    assert minimum_of_cubic(same, same, 0.0, 3.0) == 1.5


def test_a_bracket_that_moves_no_parameter_is_left():
    """The wider it is to begin with, in what it does to parameters, the more cuts it takes."""
    tries = []
    for reach in (1e-12, 1e-10, 1e-8):
        look, seen = line(lambda t: math.expm1(5 * t) - 5.0001 * t, lambda t: 5 * math.exp(5 * t) - 5.0001)
        strong_wolfe(look, Point(0.0, 0.0, np.zeros(1), -1e-4), 50.0, reach, 100)
        tries.append(len(seen))
    assert tries[0] == 1 < tries[1] < tries[2]


@needs_torch
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.floats(0.1, 5), st.floats(-3, 3), st.floats(0.5, 8), st.floats(-6, 6), st.floats(1e-3, 50), st.integers(1, 40)
)
def test_it_looks_where_pytorch_looks(down, height, frequency, steep, first, budget):
    """On a bowl with waves and a wall, whose cubics are often smallest at an end."""

    def loss(t):
        return -down * t + 0.05 * t * t + height * (math.cos(frequency * t) - 1) + math.log1p(math.exp(steep * (t - 1)))

    def slope(t):
        wall = steep / (1 + math.exp(-steep * (t - 1)))
        return -down + 0.1 * t - height * frequency * math.sin(frequency * t) + wall

    look, seen = line(loss, slope)
    start = look(0.0)
    if start.slope >= 0:
        return
    theirs = []

    def look_there(x, t, d):
        theirs.append(float(t))
        return loss(float(t)), torch.tensor([slope(float(t))], dtype=torch.float64)

    one = torch.ones(1, dtype=torch.float64)
    g = torch.tensor([start.slope], dtype=torch.float64)
    wanted = import_module("torch.optim.lbfgs")._strong_wolfe(
        look_there, None, first, one, start.loss, g, g[0], max_ls=budget
    )
    found = strong_wolfe(look, start, first, 1.0, budget)
    np.testing.assert_allclose(seen[1:], theirs, rtol=1e-6)
    assert math.isclose(found.t, float(wanted[2]), rel_tol=1e-6)


def test_a_cut_is_not_twice_at_an_end():
    """The second time it is a tenth inside, at the end that is near; at once where it would be the end itself."""
    a, b = Point(0.0, 0.25, np.zeros(1), -1.0), Point(10.0, 90.25, np.zeros(1), 19.0)  # (t - 1/2)^2
    near, stuck = inside([a, b], stuck=False)
    assert 0 < near < 1 and stuck
    assert inside([a, b], stuck=True) == (1.0, False)
    mirrored = [Point(10.0 - p.t, p.loss, p.gradient, -p.slope) for p in (a, b)]
    far, stuck = inside(mirrored, stuck=False)
    assert math.isclose(far, 10 - near) and stuck
    assert inside(mirrored, stuck=True) == (9.0, False)
    downhill = [Point(0.0, 0.0, np.zeros(1), -1.0), Point(10.0, -20.0, np.zeros(1), -1.0)]  # smallest at the end
    assert inside(downhill, stuck=False) == (9.0, False)
