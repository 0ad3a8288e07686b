"""Sequences to learn from: a text read in parts side by side, and the adding problem; what a network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_lite as tl

Network = Callable[..., tuple[tl.Tensor, Any]]
"""Numbers (T, N) and a state, or None, to scores (T, N, classes) and the next state."""


def columns(ids: np.ndarray, streams: int) -> np.ndarray:
    """A text in `streams` parts side by side, (length, streams); what is left over at the end is left out."""
    return ids[: len(ids) // streams * streams].reshape(streams, -1).T


def pieces(ids: np.ndarray, streams: int, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """(x, y, begins) for ever: pieces of the text, x and y (steps, streams), y one later than x.

    A piece goes on where the one before ended, so that the state may be carried on; begins: the text starts anew.
    """
    text = columns(ids, streams)
    if len(text) <= steps:
        raise ValueError(f"pieces: {len(ids)} items in {streams} streams are too short for {steps} steps")
    while True:
        for t in range(0, len(text) - steps, steps):
            yield text[t : t + steps], text[t + 1 : t + steps + 1], t == 0


def adding(rng: np.random.Generator, length: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The adding problem of Hochreiter and Schmidhuber 1997: x (length, n, 2) and y (n,), float32.

    x: numbers from 0 to 1, and a mark at one of them in each half. y: the sum of the two that are marked. Its mean is
    1, its variance 1/6.
    """
    x = np.zeros((length, n, 2), np.float32)
    x[..., 0] = rng.random((length, n))
    for marked in (rng.integers(length // 2, size=n), rng.integers(length // 2, length, size=n)):
        x[marked, np.arange(n), 1] = 1
    return x, (x[..., 0] * x[..., 1]).sum(0)


def evaluate(net: Network, ids: np.ndarray, streams: int = 1, steps: int = 2_000, state: Any = None) -> float:
    """Nats a character. With one stream it is one pass over the whole text, the state carried on to the end."""
    text, total = columns(ids, streams), 0.0
    with tl.no_grad():
        for t in range(0, len(text) - 1, steps):
            y = text[t + 1 : t + steps + 1]
            scores, state = net(text[t : t + len(y)], state)
            total += tl.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / (text.size - streams)


def sample(net: Network, n: int, temperature: float, rng: np.random.Generator, first: int = 0) -> list[int]:
    """n numbers, each drawn from softmax(scores / temperature) after those before, which begin with `first`."""
    ids, state = [first], None
    with tl.no_grad():
        for _ in range(n):
            scores, state = net(np.array([ids[-1:]]), state)
            likely = tl.softmax(scores[0, 0].astype(np.float64) / temperature, axis=0).numpy()
            ids.append(int(rng.choice(len(likely), p=likely / likely.sum())))
    return ids[1:]


def gradient_by_lag(net: Network, ids: np.ndarray, length: int = 100) -> np.ndarray:
    """|dL_T / d state_T-k| for k = 1 to length, the mean over 64 places T; the state of an LSTM is (h, c)."""
    starts = np.random.default_rng(0).integers(len(ids) - length - 2, size=64)
    texts, states = ids[starts + np.arange(length + 2)[:, None]], [None]
    for x in texts[:-1]:
        scores, state = net(x[None], states[-1])
        states.append(state)
    loss = tl.cross_entropy(scores[-1], texts[-1], reduction="sum")
    slopes = tl.grad(loss, [part for state in states[1:-1] for part in state])
    squares = np.stack([(g.numpy() ** 2).sum((0, 2)) for g in slopes]).reshape(length, len(state), -1).sum(1)
    return np.sqrt(squares).mean(1)[::-1]


def equation_error(cell: Any, step: Callable[..., tuple]) -> float:
    """How far a recurrent layer of 4 units is from its equation, written down for one time, over 7 times.

    step: x, the states, h first, and the parameters of the layer to the states after it.
    """
    x = tl.randn(7, 3, cell.input_size)
    out, last = cell(x)
    states, errors = [tl.zeros(3, 4) for _ in (last if isinstance(last, tuple) else [last])], []
    for now, wanted in zip(x, out):
        states = step(now, *states, *cell.parameters())
        errors.append(abs(states[0] - wanted).max().item())
    return max(errors)
