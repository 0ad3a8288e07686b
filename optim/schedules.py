"""Schedules: how the learning rate changes from step to step. PyTorch's `torch.optim.lr_scheduler`.

    for epoch in range(90):
        train(...)                      # calls optimizer.step()
        schedule.step()                 # t, the number of calls, grows by one

Most schedules are a factor f(t) of the rate that the optimizer began with, and are written here as f. A step multiplies
by f(t) / f(t - 1), so that schedules can be chained and a rate that was changed by hand stays changed. Those
that restart or that go up as well as down are in cycles.py, those made of others in combined_schedules.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

from tinygrad_lite.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


class LRScheduler:
    """The base of all schedules. A subclass says in `get_lr` what the rates are at step `last_epoch`.

    optimizer   the rates of its groups are set; what they are now is kept in each as 'initial_lr'
    last_epoch  -1 begins; k goes on after step k, with an optimizer whose groups have their 'initial_lr'

    To go on from a file, make the schedule as the first time, and then load the state of the optimizer and its own:
    to make a schedule sets rates. `last_epoch` is the number of steps, `base_lrs` are the rates to begin with.
    """

    unsaved: ClassVar = frozenset({"optimizer"})
    """Attributes that are no part of the state."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: needs an optimizer, got a {type(optimizer).__name__}")
        self.optimizer = optimizer
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{name}: last_epoch={last_epoch} goes on from a checkpoint, and group {k} of the optimizer has no "
                    "'initial_lr'; load the optimizer's state first, or leave last_epoch out"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def get_lr(self) -> list[float]:
        """The rate of each group at step `last_epoch`; the groups have those of the step before."""
        raise NotImplementedError(f"{type(self).__name__}: has no get_lr(); define the rates of the groups")

    def get_last_lr(self) -> list[float]:
        """The rate of each group since the last step."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one, and set the rates. Call it after the optimizer's step."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def _begin(self) -> None:
        """The first step, when the schedule is made."""
        self.step()

    def _restart(self) -> None:
        """Begin at 0, wherever the rates are: what SequentialLR does when it is this schedule's turn."""
        self.last_epoch = 0
        self._set(self.get_lr())

    def _set(self, rates: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: made for {len(rates)} groups of parameters, and the optimizer has "
                f"{len(groups)}; add groups before the schedule is made"
            )
        for group, rate in zip(groups, rates):
            group["lr"] = rate
        self._note()

    def _note(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _each(self, value: Any, what: str) -> list:
        """A value for each group, from one for all or a list."""
        count = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, (list, tuple)) else [value] * count
        if len(values) != count:
            raise ValueError(f"{type(self).__name__}: {what} has {len(values)} values for {count} groups")
        return values

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that is needed to go on; functions are not in it. `tl.save` writes it."""
        return {name: deepcopy(value) for name, value in vars(self).items() if name not in self.unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of `state_dict`, PyTorch's included. The rates are in the optimizer's state.

        >>> import tinygrad_lite as tl
        >>> from tinygrad_lite.optim import SGD, StepLR
        >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
        >>> first, second = (StepLR(optimizer, step_size=3) for _ in range(2))
        >>> first.step()
        >>> second.load_state_dict(first.state_dict())
        >>> second.last_epoch
        1
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or "_last_lr" not in state_dict:
            raise ValueError(f"{name}: load_state_dict needs what the state_dict() of a schedule returned")
        if len(state_dict["_last_lr"]) != len(self.optimizer.param_groups):
            raise ValueError(
                f"{name}: the state is of {len(state_dict['_last_lr'])} groups of parameters, the optimizer has "
                f"{len(self.optimizer.param_groups)}"
            )
        known = vars(self).keys() - self.unsaved
        vars(self).update({key: deepcopy(value) for key, value in state_dict.items() if key in known})


class FactorLR(LRScheduler):
    """lr_t = eta_min + (lr_{t-1} - eta_min) f(t) / f(t - 1): if no one interferes, eta_min + (lr_0 - eta_min) f(t)."""

    eta_min: float = 0.0
    jumps: ClassVar = False
    """Whether a schedule that is made with last_epoch takes the step to the next at once: PyTorch's jumps do."""

    def f(self, t: int) -> float:
        """f(t), for t = 0, 1, ..."""
        raise NotImplementedError(f"{type(self).__name__}: has no f(t); define the factor of the rate at step t")

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        now, before = self.f(t), self.f(t - 1) if t > 0 else 1.0

        def following(rate: float, base: float) -> float:
            if now == before:
                return rate
            if before == 0:
                return rate + (base - self.eta_min) * now
            return self.eta_min + (rate - self.eta_min) * (now / before)

        return [following(float(g["lr"]), base) for g, base in zip(self.optimizer.param_groups, self.base_lrs)]

    def _begin(self) -> None:
        if self.last_epoch == -1 or self.jumps:
            self.step()
        else:
            self.last_epoch += 1
            self._note()

    def _restart(self) -> None:
        self._set(self.base_lrs)
        super()._restart()

    def _whole(self, **counts: int) -> None:
        """Raise for numbers of steps below 1."""
        for option, count in counts.items():
            if count != int(count) or count < 1:
                raise ValueError(f"{type(self).__name__}: {option} is a number of steps, at least 1, got {count}")

    def _portion(self, **portions: float) -> None:
        """Raise for numbers outside of 0 to 1."""
        for option, portion in portions.items():
            if not 0 <= portion <= 1:
                raise ValueError(f"{type(self).__name__}: {option} is from 0 to 1, got {portion}")


class StepLR(FactorLR):
    """f(t) = gamma^floor(t / step_size)

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, StepLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for t in range(4):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    jumps = True

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self._whole(step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(FactorLR):
    """f(t) = gamma^(the number of milestones up to t)

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, MultiStepLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[2, 3], gamma=0.5)
    >>> for t in range(4):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    jumps = True

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones: Mapping[int, int] = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return self.gamma ** sum(count for milestone, count in self.milestones.items() if milestone <= t)


class ConstantLR(FactorLR):
    """f(t) = factor while t < total_iters, then 1

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, ConstantLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(3)]
    [0.5, 1.0, 1.0]
    """

    jumps = True

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        self._portion(factor=factor)
        self._whole(total_iters=total_iters)
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return self.factor if t < self.total_iters else 1.0


class LinearLR(FactorLR):
    """f(t) = start_factor + (end_factor - start_factor) min(t / total_iters, 1): a warm-up, by its defaults.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, LinearLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 4) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self._portion(start_factor=start_factor, end_factor=end_factor)
        if start_factor == 0:
            raise ValueError("LinearLR: start_factor is above 0; begin with a small one, such as 1e-3")
        self._whole(total_iters=total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(t / self.total_iters, 1)


class ExponentialLR(FactorLR):
    """f(t) = gamma^t

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, ExponentialLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(3)]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return self.gamma**t


class PolynomialLR(FactorLR):
    """f(t) = (1 - min(t / total_iters, 1))^power

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, PolynomialLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = PolynomialLR(optimizer, total_iters=4, power=2)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(4)]
    [0.5625, 0.25, 0.0625, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self._whole(total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return (1 - min(t / self.total_iters, 1)) ** self.power


class CosineAnnealingLR(FactorLR):
    """f(t) = (1 + cos(pi t / T_max)) / 2, above eta_min: down in T_max steps, and up again if it goes on.

    Loshchilov and Hutter 2017, arXiv:1608.03983, (5), without the restarts.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, CosineAnnealingLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=4)
    >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for t in range(4)]
    [0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self._whole(T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def f(self, t: int) -> float:
        return (1 + math.cos(math.pi * t / self.T_max)) / 2


class LambdaLR(LRScheduler):
    """lr_t = lr_0 f(t), for a function of yours, or one for each group.

    State that a function keeps in attributes of its own is saved too; the functions themselves are not.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, LambdaLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(3)]
    [0.5, 0.3333333333333333, 0.25]
    """

    unsaved = frozenset({"optimizer", "lr_lambdas"})

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = optimizer
        self.lr_lambdas = self._each(lr_lambda, "lr_lambda")
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda is a function, got a {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self) -> dict[str, Any]:
        states = [deepcopy(getattr(function, "__dict__", None)) or None for function in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if state is not None:
                vars(function).update(deepcopy(state))


class MultiplicativeLR(LambdaLR):
    """lr_t = lr_{t-1} f(t), for a function of yours, or one for each group.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, MultiplicativeLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = MultiplicativeLR(optimizer, lambda t: 0.5)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(3)]
    [0.5, 0.25, 0.125]
    """

    def get_lr(self) -> list[float]:
        return [group["lr"] * f(self.last_epoch) for group, f in zip(self.optimizer.param_groups, self.lr_lambdas)]

    def _begin(self) -> None:
        self.last_epoch += 1
        self._note()
