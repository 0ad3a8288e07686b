"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lite.optim.optimizer import Optimizer
from tinygrad_lite.optim.plateau import ReduceLROnPlateau
from tinygrad_lite.optim.schedules import LRScheduler

__all__ = ["ChainedScheduler", "SequentialLR"]


class CombinedLR(LRScheduler):
    """Schedules of one optimizer, kept in `_schedulers`."""

    unsaved = frozenset({"optimizer", "_schedulers"})
    _schedulers: Sequence[LRScheduler]

    def _take(self, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
        """Check that all are schedules of this optimizer, and keep them."""
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: needs at least one schedule")
        for k, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler):
                raise TypeError(f"{name}: schedule {k} is a {type(schedule).__name__}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(
                    f"{name}: schedule {k} is a ReduceLROnPlateau, whose step needs a metric; step it apart"
                )
            if schedule.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ValueError(f"{name}: schedule {k} is of another optimizer")
        self.optimizer, self._schedulers = schedulers[0].optimizer, list(schedulers)

    def _note(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _back_to_the_start(self) -> None:
        self._set([group["initial_lr"] for group in self.optimizer.param_groups])

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        states = state_dict["_schedulers"]
        if len(states) != len(self._schedulers):
            raise ValueError(
                f"{type(self).__name__}: the state is of {len(states)} schedules, there are {len(self._schedulers)}"
            )
        for schedule, state in zip(self._schedulers, states):
            schedule.load_state_dict(state)


class ChainedScheduler(CombinedLR):
    """All schedules take every step, one after the other: the product of their factors.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> parts = ConstantLR(optimizer, factor=0.5, total_iters=2), ExponentialLR(optimizer, gamma=0.5)
    >>> schedule = ChainedScheduler(parts)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(3)]
    [0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._take(optimizer, schedulers)
        self.last_epoch = schedulers[0].last_epoch
        self._note()

    def step(self) -> None:
        """Take a step of each."""
        self.last_epoch += 1
        for schedule in self._schedulers:
            schedule.step()
        self._note()

    def _restart(self) -> None:
        self._back_to_the_start()
        self.last_epoch = 0
        for schedule in self._schedulers:
            schedule.last_epoch = -1
            schedule._begin()
        self._note()

    _begin = _restart


class SequentialLR(CombinedLR):
    """One schedule after the other: at each milestone the next one begins, at its own step 0.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> parts = [LinearLR(optimizer, start_factor=0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=4)]
    >>> schedule = SequentialLR(optimizer, parts, milestones=[2])
    >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for t in range(6)]
    [0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self._take(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(milestones):
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules have {len(schedulers) - 1} milestones between them, in "
                f"order, got {list(milestones)}"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._back_to_the_start()
        for schedule in self._schedulers:
            schedule.last_epoch -= 1
        self._schedulers[self._turn(0)]._begin()
        self._note()

    def _turn(self, t: int) -> int:
        return bisect_right(self._milestones, t)

    def step(self) -> None:
        """Take a step of the schedule whose turn it is."""
        self.last_epoch += 1
        turn = self._turn(self.last_epoch)
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            self._schedulers[turn]._restart()
        else:
            self._schedulers[turn].step()
        self._note()

    def _restart(self) -> None:
        self._back_to_the_start()
        self.last_epoch = 0
        for schedule in self._schedulers:
            schedule.last_epoch = -1
        self._schedulers[self._turn(0)]._begin()
        self._note()

    _begin = _restart
