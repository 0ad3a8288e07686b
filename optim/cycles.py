"""Schedules that go up and down: warm restarts, one cycle, many cycles, the last two with the momentum in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite.optim.optimizer import Optimizer
from tinygrad_lite.optim.schedules import LRScheduler

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (lr_0 - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    T_cur counts the steps since the last restart; the i-th period is T_i = T_0 T_mult^i steps long.
    Loshchilov and Hutter 2017, arXiv:1608.03983, (5).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, CosineAnnealingWarmRestarts
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 3) for t in range(4)]
    [0.5, 1.0, 0.5, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for option, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {option} is a whole number, at least 1, got {value}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one, or to an epoch, which may be a fraction: step(epoch + batch / batches) after each batch."""
        if epoch is None and self.last_epoch >= 0:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self._jump(0.0 if epoch is None else epoch)
        self._set(self.get_lr())

    def _jump(self, epoch: float) -> None:
        """Find the period of an epoch: n whole ones before it are T_0 (T_mult^n - 1) / (T_mult - 1) steps."""
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epochs begin at 0, got {epoch}")
        self.last_epoch, self.T_cur, self.T_i = math.floor(epoch), epoch, self.T_0
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult


class MomentumLR(LRScheduler):
    """A schedule that also sets the momentum: SGD's `momentum`, or the first of Adam's `betas`."""

    cycle_momentum: bool

    def _prepare_momentum(self, base: Any, most: Any, last_epoch: int) -> None:
        """Note in each group the range of its momentum, and begin at its upper end."""
        if not self.cycle_momentum:
            return
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"{type(self).__name__}: {type(self.optimizer).__name__} has no momentum and no betas; "
                "take cycle_momentum=False"
            )
        groups = self.optimizer.param_groups
        for group, low, high in zip(groups, self._each(base, "base_momentum"), self._each(most, "max_momentum")):
            if last_epoch == -1:
                self._set_momentum(group, high)
                group["base_momentum"], group["max_momentum"] = low, high

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if "betas" in self.optimizer.defaults:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(MomentumLR):
    """Up and down between two rates (Smith 2017, arXiv:1506.01186).

        h  = the height of a triangle with the sides step_size_up and step_size_down, from 0 to 1 and back
        lr = base_lr + (max_lr - base_lr) h s
        momentum = max_momentum - (max_momentum - base_momentum) h s

    mode      'triangular': s = 1; 'triangular2': s = 1 / 2^(cycle - 1); 'exp_range': s = gamma^t
    scale_fn  s as a function in place of `mode`, of the cycle (1, 2, ...) or, with scale_mode='iterations', of t
    The other arguments as in PyTorch; base_lr, max_lr and the momenta may be lists, a value for each group.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, CyclicLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> [schedule.step() or optimizer.param_groups[0]["lr"] for t in range(4)]
    [0.5, 1.0, 0.5, 0.0]
    """

    unsaved = frozenset({"optimizer", "_scale_fn"})

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode is 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        if step_size_up <= 0:
            raise ValueError(f"CyclicLR: step_size_up is above 0, got {step_size_up}")
        self.optimizer = optimizer
        self.max_lrs, base_lrs = self._each(max_lr, "max_lr"), self._each(base_lr, "base_lr")
        self.total_size = float(step_size_up) + (step_size_up if step_size_down is None else step_size_down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        self._prepare_momentum(base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs):
                group["lr"] = rate
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """s: how high the peak is, of the number of the cycle or of the step."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                low, high = group["base_momentum"], group["max_momentum"]
                self._set_momentum(group, high - (high - low) * height)
        return [base + (most - base) * height for base, most in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(MomentumLR):
    """Up to max_lr and down to almost nothing, once, with the momentum in turn (Smith 2018, arXiv:1803.09820).

        phase           steps, up to                 rate                             momentum
        1               pct_start total_steps - 1    max_lr / div_factor -> max_lr    max_momentum -> base_momentum
        2               total_steps - 1              max_lr -> min_lr                 base_momentum -> max_momentum
        three_phase: 2  2 pct_start total_steps - 2  max_lr -> max_lr / div_factor    base_momentum -> max_momentum
                     3  total_steps - 1              max_lr / div_factor -> min_lr    max_momentum

    min_lr = max_lr / div_factor / final_div_factor. a -> b is b + (a - b) (1 + cos(pi x)) / 2 for x from 0 to 1, and
    with anneal_strategy='linear' a + (b - a) x. total_steps, or epochs and steps_per_epoch, say how long it lasts;
    the arguments as in PyTorch. Call `step` after every batch. Raises ValueError for a step after the last.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.optim import SGD, OneCycleLR
    >>> optimizer = SGD([tl.zeros(2, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> [schedule.step() or round(optimizer.param_groups[0]["lr"], 2) for t in range(9)]
    [0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps < 1:
            raise ValueError(f"OneCycleLR: needs a whole number of steps, at least 1, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is from 0 to 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is 'cos' or 'linear', got {anneal_strategy!r}")
        self.optimizer, self.total_steps = optimizer, total_steps
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, cycle_momentum
        self._schedule_phases = phases(pct_start * total_steps, total_steps, three_phase)
        if last_epoch == -1:
            for group, most in zip(optimizer.param_groups, self._each(max_lr, "max_lr")):
                group["initial_lr"], group["max_lr"] = most / div_factor, most
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self._prepare_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, x: float) -> float:
        if self._anneal_func_type == "linear":
            return start + (end - start) * x
        return end + (start - end) * (1 + math.cos(math.pi * x)) / 2

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {t} of {self.total_steps}; it is made for so many steps, and ends there"
            )
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if t <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        x = (t - start) / (phase["end_step"] - start) if phase["end_step"] != start else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], x))
            if self.cycle_momentum:
                momentum = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], x)
                self._set_momentum(group, momentum)
        return rates


def phases(peak: float, total_steps: int, three_phase: bool) -> list[dict[str, Any]]:
    """The phases of one cycle: their last steps, and from which to which entry of a group they go."""
    rates, momenta = ["initial_lr", "max_lr", "min_lr"], ["max_momentum", "base_momentum", "max_momentum"]
    ends = [peak - 1, total_steps - 1]
    if three_phase:
        rates, momenta = ["initial_lr", "max_lr", "initial_lr", "min_lr"], [*momenta, "max_momentum"]
        ends = [peak - 1, 2 * peak - 2, total_steps - 1]
    return [
        {"end_step": end, "start_lr": a, "end_lr": b, "start_momentum": m, "end_momentum": n}
        for end, a, b, m, n in zip(ends, rates, rates[1:], momenta, momenta[1:])
    ]
