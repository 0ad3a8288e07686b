"""The parts of a data set that its authors have split."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class TrainTest(NamedTuple, Generic[T]):
    """Two parts: `train, test = ...`."""

    train: T
    test: T


class TrainDevTest(NamedTuple, Generic[T]):
    """Three parts, `dev` to choose by: `train, dev, test = ...`."""

    train: T
    dev: T
    test: T
