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
    return (low + high) / 2


def better(bracket: list[Point]) -> int:
    """The place of the lower loss."""
    return 1 if bracket[1].loss < bracket[0].loss else 0


def strong_wolfe(look: Callable[[float], Point], start: Point, t: float, reach: float, budget: int) -> Point:
    """The point to go to.

    look    computes the point at a step
    start   the point at step 0, whose slope is negative
    t       the first step to try
    reach   the largest change of a parameter for a step of 1
    budget  how many steps may be tried after the first
    """

    def falls_too_little(point: Point) -> bool:
        return point.loss > start.loss + C1 * point.t * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -C2 * start.slope

    # Algorithm 3.5: longer and longer steps, until one is good, or has a good one between it and the one before.
    before, here, tries = start, look(t), 0
    while True:
        if tries >= budget:
            bracket, found = [start, here], True
            break
        if falls_too_little(here) or (tries > 1 and here.loss >= before.loss):
            bracket, found = [before, here], False
            break
        if is_flat(here):
            return here
        if here.slope >= 0:
            bracket, found = [before, here], False
            break
        low, high = here.t + 0.01 * (here.t - before.t), 10 * here.t
        before, here = here, look(minimum_of_cubic(before, here, low, high))
        tries += 1

    # Algorithm 3.6: the bracket is cut until a good step is found in it; its better end is bracket[best].
    best, stuck = better(bracket), False
    while not found and tries < budget and abs(bracket[1].t - bracket[0].t) * reach >= SMALLEST:
        low, high = sorted(point.t for point in bracket)
        t = minimum_of_cubic(bracket[0], bracket[1], low, high)
        margin = 0.1 * (high - low)
        at_the_end = min(high - t, t - low) < margin
        if at_the_end and (stuck or not low < t < high):  # a step at an end cuts little off: move it inside
            t = high - margin if high - t < t - low else low + margin
            stuck = False
        else:
            stuck = at_the_end
        here = look(t)
        tries += 1
        if falls_too_little(here) or here.loss >= bracket[best].loss:
            bracket[1 - best] = here
            best = better(bracket)
        else:
            found = is_flat(here)
            if not found and here.slope * (bracket[1 - best].t - bracket[best].t) >= 0:
                bracket[1 - best] = bracket[best]
            bracket[best] = here
    return bracket[best]
