"""Ways to descend: the rules of a survey (Ruder 2016, arXiv:1609.04747), their formulas, and what to try them on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import figures
from tinygrad_lite.layers import Module
from tinygrad_lite.optim import SGD, Adadelta, Adagrad, Adam, Adamax, NAdam, Optimizer, RMSprop

PLAIN = {
    "SGD": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "Nesterov": partial(SGD, momentum=0.9, nesterov=True),
}
ADAPTIVE = {
    "Adagrad": Adagrad,
    "Adadelta": Adadelta,
    "RMSprop": partial(RMSprop, alpha=0.9),
    "Adam": Adam,
    "AdaMax": Adamax,
    "Nadam": NAdam,
    "AMSGrad": partial(Adam, amsgrad=True),
}
RULES: dict[str, Callable[..., Any]] = PLAIN | ADAPTIVE
PATH_RATES = {"SGD": 0.02, "momentum": 0.01, "Nesterov": 0.01, "Adagrad": 0.4, "Adadelta": 10.0, "RMSprop": 0.02}
"""In the figure of paths; 0.1 for the others."""


def textbook(name: str, gradient: Callable[[Any], Any], x: Any, steps: int, lr: float, eps: float) -> np.ndarray:
    """The positions after each step of a rule, by its formula."""
    velocity = total = recent = moved = mean = square = largest = top = 0 * x
    product, found = np.float32(1), []  # of Nadam's momenta, in single precision as PyTorch has it
    for t in range(1, steps + 1):
        g = gradient(x)
        before, velocity = velocity, 0.9 * velocity + lr * g
        total, recent = total + g**2, 0.9 * recent + 0.1 * g**2
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        largest, top = np.maximum(0.999 * largest, abs(g) + eps), np.maximum(top, square)
        mu, following = (0.9 * (1 - 0.96 ** (0.004 * s) / 2) for s in (t, t + 1))
        product *= np.float32(mu)
        one, two = 1 - 0.9**t, 1 - 0.999**t  # Adam's means begin at 0; divided by these they are unbiased
        ahead = (1 - mu) / (1 - float(product)) * g + following / (1 - following * float(product)) * mean
        step = {
            "SGD": lr * g,
            "momentum": velocity,
            "Nesterov": 1.9 * velocity - 0.9 * before,  # place -= velocity, where x = place - 0.9 velocity
            "Adagrad": lr * g / (np.sqrt(total) + eps),
            "Adadelta": lr * np.sqrt(moved + eps) / np.sqrt(recent + eps) * g,
            "RMSprop": lr * g / (np.sqrt(recent) + eps),
            "Adam": lr * mean / one / (np.sqrt(square / two) + eps),
            "AdaMax": lr * mean / one / largest,
            "Nadam": lr * ahead / (np.sqrt(square / two) + eps),
            "AMSGrad": lr * mean / one / (np.sqrt(top / two) + eps),
        }[name]
        moved = 0.9 * moved + 0.1 * (step / lr) ** 2
        x = x - step
        found.append(x)
    return np.stack(found)


def path(rule: Callable[..., Any], loss: Callable[[Any], Any], start: Any, steps: int, **options: Any) -> np.ndarray:
    """The positions after each step of the library's rule."""
    x = tl.tensor(np.array(start, float), requires_grad=True)
    optimizer, found = rule([x], **options), []
    for _ in range(steps):
        descend(optimizer, loss(x))
        found.append(x.detach().numpy().copy())
    return np.stack(found)


def descend(optimizer: Optimizer, loss: tl.Tensor) -> None:
    """One update against the gradient of the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def from_zero(net: Module) -> Module:
    """The network, all its weights set to 0: where a convex problem may begin."""
    with tl.no_grad():
        for p in net.parameters():
            p.mul_(0)
    return net


def draw_paths() -> Any:
    """Where the ten rules go on Beale's function and beside a saddle."""
    figure, panels = figures.panels("Beale's function, 150 steps", "A saddle, 60 steps", columns=2, size=(5.2, 4.8))
    limits, starts, ends = [(-0.5, 4.2, -1.2, 1.8), (-1.3, 1.3, -1.5, 1.5)], [(0.5, 1.4), (-1, 1e-3)], [150, 60]
    for axes, loss, (left, right, low, high), start, steps in zip(panels, (beale, saddle), limits, starts, ends):
        x = np.meshgrid(np.linspace(left, right, 120), np.linspace(low, high, 120))
        axes.contour(*x, np.cbrt(loss(x)), 25, colors="0.85", linewidths=0.8)
        for k, (name, rule) in enumerate(RULES.items()):
            way = np.array([start, *path(rule, loss, start, steps, lr=PATH_RATES.get(name, 0.1))])
            axes.plot(*way.T, label=name, **line(k))
            axes.plot(*way[-1], "o", markersize=4, color=line(k)["color"])
        axes.set(xlim=(left, right), ylim=(low, high), xlabel="first parameter", ylabel="second parameter")
    panels[0].legend(ncols=2, fontsize=9, loc="lower right")
    return figure


def beale(x: Any) -> Any:
    """Least at (3, 0.5), in a flat valley."""
    return sum((c - x[0] + x[0] * x[1] ** k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def saddle(x: Any) -> Any:
    """It falls along the second parameter only, and at first hardly."""
    return x[0] ** 2 - x[1] ** 2


def line(k: int) -> dict[str, str]:
    """How the k-th of ten lines is drawn."""
    n = len(figures.COLOURS)
    return {"color": figures.COLOURS[k % n], "linestyle": "-" if k < n else "--"}


def valley(x: Any) -> Any:
    """A loss of two parameters, which it treats differently."""
    return (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2


def slope(x: Any) -> Any:
    """The gradient of `valley`."""
    return np.array([2 * (x[0] - 1) - 20 * x[0] * (x[1] - x[0] ** 2), 10 * (x[1] - x[0] ** 2)])


def documents(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """14,000 counts of 50 words, word j of 1000 as often as 1 / j; labels by random weights; the least loss to expect.

    The first 10,000 are to learn from; that loss is of the last 1000, which have most words of the rarer half.
    """
    chance = 1 / np.arange(1, 1001)
    x = rng.multinomial(50, chance / chance.sum(), size=14_000).astype(np.float32)
    x[10_000:] = x[10_000:][np.argsort(x[10_000:, 500:].sum(1), kind="stable")]
    z = (x - x.mean(0)) @ rng.normal(size=(1000, 1)) * 0.7
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.float32)
    return x, y, tl.binary_cross_entropy_with_logits(z[-1000:], y[-1000:]).item()
