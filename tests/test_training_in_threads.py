"""Two Python threads may train at once: each gives what it gives alone, and memory does not grow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import LSTM, Linear, ResNet
from tinygrad_lite.optim import SGD, Adam

STEPS = 6


def draw(rng, parameters) -> None:
    with tl.no_grad():
        for p in parameters:
            p[...] = rng.standard_normal(p.shape).astype(np.float32) * 0.2


def images(seed: int) -> list[float]:
    """Losses of a small residual network."""
    rng = np.random.default_rng(seed)
    net = ResNet(blocks=1, widths=(8, 16), in_channels=1)
    draw(rng, net.parameters())
    x, labels = tl.tensor(rng.standard_normal((64, 1, 12, 12)).astype(np.float32)), rng.integers(0, 10, 64)
    optimizer = SGD(net.parameters(), lr=0.05, momentum=0.9)
    return [step(optimizer, lambda: tl.cross_entropy(net(x), labels)) for _ in range(STEPS)]


def sequences(seed: int) -> list[float]:
    """Losses of an LSTM."""
    rng = np.random.default_rng(seed)
    lstm, out = LSTM(20, 64), Linear(64, 5)
    parameters = [*lstm.parameters(), *out.parameters()]
    draw(rng, parameters)
    x = tl.tensor(rng.standard_normal((30, 32, 20)).astype(np.float32))
    labels = rng.integers(0, 5, 30 * 32)
    optimizer = Adam(parameters, lr=0.01)
    return [step(optimizer, lambda: tl.cross_entropy(out(lstm(x)[0]).reshape(-1, 5), labels)) for _ in range(STEPS)]


def step(optimizer, loss) -> float:
    optimizer.zero_grad()
    value = loss()
    value.backward()
    optimizer.step()
    return value.item()


def test_networks_that_train_in_two_threads_are_what_they_are_alone():
    jobs = [(images, 0), (sequences, 1), (images, 2), (sequences, 3)]
    alone = [job(seed) for job, seed in jobs]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda job: job[0](job[1]), jobs))
    assert alone == together
    assert all(losses[-1] < losses[0] for losses in alone)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is read from /proc")
def test_memory_does_not_grow_with_the_steps():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for _ in range(3):
        images(0), sequences(0)
    before = resident()
    for _ in range(10):
        images(0), sequences(0)
    assert resident() - before < 8 << 20
