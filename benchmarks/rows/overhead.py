"""Small operations, where the time is that of the library and not of the arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.library import Library, Step, numbers
from benchmarks.row import Group, Row

LENGTH = 40  # operations in a chain


def chain(backward: bool) -> Row:
    def build(lib: Library) -> Step:
        x, y = lib.tensor(numbers(10, 10, scale=0.1), True), lib.tensor(numbers(10, 10, seed=1, scale=0.1), True)
        upstream = lib.tensor(np.ones((10, 10), np.float32))

        def step() -> Sequence[Any]:
            x.grad = y.grad = None
            t = x
            for _ in range(LENGTH // 4):
                t = t + y
                t = t * y
                t = t - x
                t = t.tanh()
            if not backward:
                return [t]
            t.backward(upstream)
            return [t, x.grad, y.grad]

        return step

    return Row(f"chain of {LENGTH} 10x10 operations, {'forward and backward' if backward else 'forward'}", build)


def policy(train: bool) -> Row:
    """A policy of reinforcement learning: 4-64-64-2, one observation at a time; a step of it is one of Adam's."""

    def build(lib: Library) -> Step:
        nn = lib.nn
        net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
        shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
        lib.load(net, {name: numbers(*s, seed=k, scale=0.2) for k, (name, s) in enumerate(shapes.items())})
        x, action = lib.tensor(numbers(1, 4)), lib.tensor(np.array([1]))
        optimizer = lib.optim.Adam(net.parameters(), lr=1e-3)

        def forward() -> list[Any]:
            with lib.no_grad():
                return [net(x)]

        def step() -> list[Any]:
            optimizer.zero_grad()
            loss = lib.f.cross_entropy(net(x), action)
            loss.backward()
            optimizer.step()
            return [loss]

        return step if train else forward

    return Row(f"4-64-64-2 policy, batch 1, {'training step' if train else 'forward'}", build)


GROUPS = [
    Group("small operations", 1.3, 1.6, [chain(True), policy(False), policy(True)]),
    Group("small operations, further", 1.0, 1.0, [chain(False)]),
]
