"""What a row of the benchmark is, and what a group of rows has to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.library import Library, Step


@dataclass(frozen=True)
class Row:
    """One thing both libraries do.

    name       what, with the sizes
    build      makes the step to be timed, given a library
    work       floating-point operations of a step, where they are what takes the time
    traffic    bytes that a step has to read and write at least, where they are
    tolerance  the largest difference between the results, as a share of the largest value in each
    summary    what to compare of the results, where chance is in them
    """

    name: str
    build: Callable[[Library], Step]
    work: float = 0.0
    traffic: float = 0.0
    tolerance: float = 1e-4
    summary: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]] | None = None


@dataclass(frozen=True)
class Group:
    """Rows of a kind. The ratio theirs / ours is to be at least `every` in each, and `mean` in geometric mean."""

    name: str
    every: float
    mean: float
    rows: Sequence[Row]


def differences(row: Row, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """The largest difference as a share of the largest value. Raises AssertionError if it is above the tolerance."""
    if row.summary:
        ours, theirs = row.summary(ours), row.summary(theirs)
    worst = 0.0
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a.shape != b.shape:
            raise AssertionError(f"{row.name}: result {k} has shape {a.shape}, PyTorch's {b.shape}")
        scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
        found = float(np.max(np.abs(a - b), initial=0.0)) / scale
        if not found <= row.tolerance:
            raise AssertionError(f"{row.name}: result {k} differs by {found:.1e} of its largest value")
        worst = max(worst, found)
    return worst


def numpy_of(lib: Library, results: Sequence[Any]) -> list[np.ndarray]:
    return [lib.numpy(t) for t in results]
