"""Early stopping: enough, when a metric on held-out data no longer gets better (Prechelt 1998)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Says when to stop: after `patience` steps in a row without a metric better by more than `min_delta`.

    patience   how many steps without an improvement are too many, at least 1
    min_delta  how much better counts
    mode       'min': lower is better; 'max': higher

    `best` is the best metric so far, from step `best_step` (the first is 1); `improved` says whether the last one
    was it, so that its weights are worth saving; `stopped` whether it is time to stop. nan is never better.

    >>> from tinygrad_lite.optim import EarlyStopping
    >>> stopping = EarlyStopping(patience=2)
    >>> [stopping.step(loss) for loss in (3.0, 2.0, 2.5, 2.1)]
    [False, False, False, True]
    >>> stopping.best, stopping.best_step
    (2.0, 2)
    """

    def __init__(self, patience: int = 10, min_delta: float = 0.0, mode: str = "min") -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience is at least 1, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta is not negative, got {min_delta}")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode is 'min' or 'max', got {mode!r}")
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best = math.inf if mode == "min" else -math.inf
        self.best_step = self.last_step = 0

    @property
    def improved(self) -> bool:
        """Whether the last step was the best so far."""
        return 0 < self.best_step == self.last_step

    @property
    def stopped(self) -> bool:
        """Whether there was no improvement for as long as there was patience."""
        return self.last_step - self.best_step >= self.patience

    def step(self, metric: Any) -> bool:
        """Take note of a metric, a number or a Tensor of one; return whether it is time to stop."""
        value = float(metric)
        self.last_step += 1
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_step = value, self.last_step
        return self.stopped

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return dict(vars(self))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of `state_dict`."""
        if not isinstance(state_dict, Mapping) or not vars(self).keys() <= state_dict.keys():
            raise ValueError("EarlyStopping: load_state_dict needs what state_dict() returned")
        vars(self).update({name: state_dict[name] for name in vars(self)})
