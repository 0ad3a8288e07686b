"""History: what a training measured, as arrays and as a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lite import io

__all__ = ["Columns", "History"]

TRAINING, VALIDATION = "#0072B2", "#D55E00"
"""Blue and vermilion of Okabe and Ito's colours, which people with any kind of colour vision can tell apart."""


class Columns(Mapping[str, np.ndarray]):
    """A table that grows row by row; its columns are arrays by name.

    >>> from tinygrad_lite.optim import Columns
    >>> table = Columns()
    >>> table.append(loss=2.0, lr=0.1)
    >>> table.append(loss=1.5, lr=0.1)
    >>> table["loss"], table.rows
    (array([2. , 1.5]), 2)
    """

    def __init__(self) -> None:
        self._lists: dict[str, list[float]] = {}

    def append(self, **row: float) -> None:
        """Add a row; all rows have the same names. Raises ValueError for others."""
        if self._lists and self._lists.keys() != row.keys():
            raise ValueError(f"Columns: a row of {', '.join(row)} in a table of {', '.join(self)}")
        for name, value in row.items():
            self._lists.setdefault(name, []).append(value)

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self._lists.values()), []))

    def since(self, row: int) -> Iterator[dict[str, float]]:
        """The rows from number `row` on, as dicts."""
        for values in zip(*(column[row:] for column in self._lists.values())):
            yield dict(zip(self._lists, values))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._lists:
            raise KeyError(f"there is no column {name!r}; there is {', '.join(self) or 'none yet'}")
        return np.asarray(self._lists[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    def __repr__(self) -> str:
        return f"Columns({self.rows} rows of {', '.join(self) or 'nothing'})"

    def state_dict(self) -> dict[str, Any]:
        return dict(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._lists = {name: np.asarray(column).tolist() for name, column in state_dict.items()}


class History:
    """What `fit` measured.

    steps    a row for each step: 'loss', the metrics, 'items' in the batch, and 'lr', that of the first group
    epochs   a row for each epoch: the means of those over its items; 'validation_loss' and 'validation_...' of
             each metric, if it was evaluated; 'step', the number of steps by its end
    seconds  how long the training took, with what came before it was resumed
    stopped  whether early stopping ended it

    The columns are arrays: `history.steps["loss"]`.

    >>> from tinygrad_lite.optim import History
    >>> history = History()
    >>> history.steps.append(loss=0.7, lr=0.1, items=64)
    >>> history
    History(1 steps, 0 epochs)
    """

    def __init__(self) -> None:
        self.steps, self.epochs = Columns(), Columns()
        self.seconds = 0.0
        self.stopped = False

    @property
    def begin(self) -> int:
        """The number of steps before the epoch that is under way."""
        return int(self.epochs["step"][-1]) if self.epochs else 0

    def __repr__(self) -> str:
        return f"History({self.steps.rows} steps, {self.epochs.rows} epochs)"

    def state_dict(self) -> dict[str, Any]:
        """A copy of all of it, for `tl.save`."""
        tables = {"steps": self.steps.state_dict(), "epochs": self.epochs.state_dict()}
        return {**tables, "seconds": self.seconds, "stopped": self.stopped}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.steps.load_state_dict(state_dict["steps"])
        self.epochs.load_state_dict(state_dict["epochs"])
        self.seconds, self.stopped = state_dict["seconds"], state_dict["stopped"]

    def plot(self, path: str | os.PathLike | None = None) -> Any:
        """Loss, metrics and learning rate against the step. Returns the matplotlib Figure.

        path: where to write it, whole or not at all; the suffix says how (.png, .svg, .pdf).
        Raises ModuleNotFoundError without matplotlib, ValueError before the first step.
        """
        try:
            from matplotlib.figure import Figure
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "History.plot: needs the package matplotlib: pip install tinygrad_lite[examples]"
            ) from None
        if not self.steps:
            raise ValueError("History.plot: there is nothing to see before the first step")
        names = [name for name in self.steps if name != "items"]
        figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
            self._panel(axes, name)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
        if path is not None:
            path = Path(path)
            with io.replacing(path) as file:
                figure.savefig(file, format=path.suffix.removeprefix(".") or "png", dpi=120)
        return figure

    def _panel(self, axes: Any, name: str) -> None:
        """One quantity: each step pale, the mean of each epoch where it ends."""
        steps = np.arange(1, self.steps.rows + 1)
        axes.plot(
            steps, self.steps[name], color=TRAINING, alpha=1 if name == "lr" else 0.3, label="training, each step"
        )
        for column, colour, style, label in (
            (name, TRAINING, "o-", "training, mean of the epoch"),
            (f"validation_{name}", VALIDATION, "s--", "validation"),
        ):
            if column in self.epochs and name != "lr":
                axes.plot(self.epochs["step"], self.epochs[column], style, color=colour, markersize=4, label=label)
        axes.set(xlabel="step", ylabel="learning rate" if name == "lr" else name)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
