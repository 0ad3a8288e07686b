"""The style of the figures, and what several of them show. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.common.extras import need
from examples.common.report import replacing

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Okabe and Ito's, which people with any kind of colour vision can tell apart."""

STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.dpi": 110,
}


def pyplot() -> Any:
    """matplotlib.pyplot in our style; it draws to files and needs no screen."""
    need("matplotlib").use("Agg")
    plt = need("matplotlib.pyplot")
    plt.rcParams.update(STYLE)
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=COLOURS)
    return plt


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as beside:
        figure.savefig(beside)
    pyplot().close(figure)
    return path


def panels(*titles: str, columns: int = 3, size: tuple[float, float] = (4.0, 3.4)) -> tuple[Any, list[Any]]:
    """A figure with a panel for each title, at most `columns` beside each other; size: of one, in inches."""
    plt = pyplot()
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(columns * size[0], rows * size[1]), squeeze=False)
    for axes, title in zip(grid.flat, titles):
        axes.set_title(title)
    for axes in grid.flat[len(titles) :]:
        axes.set_axis_off()
    return figure, list(grid.flat[: len(titles)])


def bands(axes: Any, x: Sequence[float], runs: Mapping[str, Any], xlabel: str, ylabel: str) -> None:
    """For each name a line, the mean of its seeds, in a band of one standard deviation.

    runs: (seeds, len(x)) each, or the seeds' lists of the same length.
    """
    for name, values in runs.items():
        values = np.asarray(values, float)
        mean = values.mean(0)
        (line,) = axes.plot(x, mean, label=name)
        if len(values) > 1:
            sd = values.std(0, ddof=1)
            axes.fill_between(x, mean - sd, mean + sd, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=10)  # below, where no line can be


def bars(axes: Any, runs: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, marks: Mapping[str, float]) -> None:
    """For each name a bar, the mean of its seeds, with every seed as a point, and a line across for each of `marks`."""
    for k, values in enumerate(runs.values()):
        axes.bar(k, np.mean(values), color=COLOURS[k % len(COLOURS)], alpha=0.6)
        axes.plot([k] * len(values), values, "k.", markersize=5)
    for k, (name, value) in enumerate(marks.items()):
        axes.axhline(value, color="0.3", linestyle=("--", ":", "-.")[k % 3], label=name)
    axes.set_xticks(range(len(runs)), list(runs))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(axis="x", visible=False)
    if marks:
        axes.legend()


def confusion(axes: Any, counts: np.ndarray, names: Sequence[str]) -> None:
    """A confusion matrix: how often the true class of a row was taken for the class of a column.

    The right ones, on the diagonal, are blue and the mistakes orange, each by its share of the row.
    """
    n = len(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    right = np.eye(n, dtype=bool)
    worst = max(shares[~right].max(initial=0), 1e-9)
    colours = np.ones((n, n, 3))
    for where, hue, strength in ((right, COLOURS[0], shares * 0.85), (~right, COLOURS[1], shares / worst * 0.85)):
        rgb = np.array([int(hue[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        colours[where] = (1 - strength[where, None]) + strength[where, None] * rgb
    axes.imshow(colours)
    for i, j in zip(*np.nonzero(counts)):
        axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=9, color="w" if i == j else "k")
    axes.set_xticks(range(n), names)
    axes.set_yticks(range(n), names)
    axes.set(xlabel="the network said", ylabel="it was")
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color="0.9", alpha=1)
    axes.tick_params(which="minor", length=0)


def curves(axes: Any, runs: Mapping[str, Sequence[float]], ylabel: str) -> None:
    """A line for each run: one value an epoch."""
    for name, values in runs.items():
        axes.plot(range(1, len(values) + 1), values, marker="." if len(values) < 40 else "", label=name)
    axes.set_ylabel(ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)


def mistakes(figure: Any, images: np.ndarray, labels: np.ndarray, said: np.ndarray, n: int = 9) -> None:
    """A row of images (N, 1, H, W): those taken for another class, the surest first, then the least sure others.

    said: (N, classes), the probabilities.
    """
    guess, sure = said.argmax(1), said.max(1)
    wrong = guess != labels
    order = np.argsort(np.where(wrong, -1 - sure, sure))[:n]
    title = f"The mistakes of the saved network ({wrong.sum():,}), the surest first"
    title += "" if wrong.sum() >= n else "; then the least sure of its right answers"
    figure.suptitle(title, x=0.01, ha="left", size=12)
    for axes, i in zip(figure.subplots(1, n), order):
        verdict = f"{labels[i]} taken for {guess[i]}" if wrong[i] else f"{labels[i]}, right"
        picture(axes, images[i, 0], f"{verdict}\n{sure[i]:.0%} sure", COLOURS[1] if wrong[i] else COLOURS[0])


def picture(axes: Any, image: np.ndarray, title: str, colour: str = "0.8") -> None:
    """A grey image (H, W) from 0 to 1 as ink on paper, without axes, in a frame."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=10, loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for side in axes.spines.values():
        side.set(visible=True, color=colour, linewidth=1.5)
