"""A line search for the strong Wolfe conditions: how far to go along a direction.

Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, in the variant of Mark Schmidt's
minFunc, as in PyTorch. phi(t) is the loss at x + t d, and phi'(t) its slope there. A step t is taken when

    phi(t) <= phi(0) + c1 t phi'(0)       the loss falls enough,
    |phi'(t)| <= c2 |phi'(0)|             and the slope is nearly flat.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__: list[str] = []

C1, C2 = 1e-4, 0.9
SMALLEST = 1e-9
"""A bracket that changes no parameter by more is not cut further."""


class Point(NamedTuple):
    """A step, and the loss, the gradient and the slope along the direction that are found there."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def falls_too_little(point: Point, start: Point) -> bool:
    return point.loss > start.loss + C1 * point.t * start.slope


def is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -C2 * start.slope


def strong_wolfe(look: Callable[[float], Point], start: Point, t: float, reach: float, budget: int) -> Point:
    """The point to go to.

    look    computes the point at a step
    start   the point at step 0, whose slope is negative
    t       the first step to try
    reach   the largest change of a parameter for a step of 1
    budget  how many steps may be tried after the first
    """
    bracket, tries = enclosed(look, start, t, budget)
    if len(bracket) == 1:
        return bracket[0]

    # Algorithm 3.6: cut the bracket until a good step is found in it. Its better end is bracket[best].
    best, stuck, found = better(bracket), False, False
    while not found and tries < budget and abs(bracket[1].t - bracket[0].t) * reach >= SMALLEST:
        t, stuck = inside(bracket, stuck)
        here = look(t)
        tries += 1
        if falls_too_little(here, start) or here.loss >= bracket[best].loss:
            bracket[1 - best] = here
            best = better(bracket)
        else:
            found = is_flat(here, start)
            if not found and here.slope * (bracket[1 - best].t - bracket[best].t) >= 0:
                bracket[1 - best] = bracket[best]
            bracket[best] = here
    return bracket[best]


def enclosed(look: Callable[[float], Point], start: Point, t: float, budget: int) -> tuple[list[Point], int]:
    """Algorithm 3.5: longer and longer steps, until one is good, or has a good one between it and the one before.

    Returns the good one, or the two around it, or what there is when the budget is spent; and the number of tries.
    """
    before, here = start, look(t)
    for tries in range(budget):
        if falls_too_little(here, start) or (tries > 1 and here.loss >= before.loss):
            return [before, here], tries
        if is_flat(here, start):
            return [here], tries
        if here.slope >= 0:
            return [before, here], tries
        low, high = here.t + 0.01 * (here.t - before.t), 10 * here.t
        before, here = here, look(minimum_of_cubic(before, here, low, high))
    return [start, here], budget


def inside(bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """Where to cut a bracket, and whether that is so near to an end that the next cut is to be moved inside."""
    low, high = sorted(point.t for point in bracket)
    t, margin = minimum_of_cubic(bracket[0], bracket[1], low, high), 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stuck or not low < t < high:
        return (high - margin if high - t < t - low else low + margin), False
    return t, True


def better(bracket: list[Point]) -> int:
    """The place of the lower loss."""
    return 1 if bracket[1].loss < bracket[0].loss else 0


def minimum_of_cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through both points, with their slopes, is smallest (Nocedal and Wright, (3.59)), in a range."""
    if a.t > b.t:
        a, b = b, a
    if a.t < b.t:
        d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        d2 = math.sqrt(square) if square >= 0 else math.nan
        below = b.slope - a.slope + 2 * d2
        if square >= 0 and below != 0:
            return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / below), low), high)
    return (low + high) / 2  # there is no minimum
