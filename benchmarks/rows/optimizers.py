"""Steps of optimisers on 10 million parameters in 60 tensors, as a residual network has them."""

from __future__ import annotations

from typing import Any

from benchmarks.library import Library, Step, numbers
from benchmarks.row import Group, Row

SHAPES = [(1024, 416)] * 20 + [(256, 288)] * 20 + [(64,)] * 20
"""10.0 million numbers: large, middling and small."""


def row(name: str, passes: int, **options: Any) -> Row:
    def build(lib: Library) -> Step:
        parameters = [lib.tensor(numbers(*s, seed=k), True) for k, s in enumerate(SHAPES)]
        for k, (p, s) in enumerate(zip(parameters, SHAPES)):
            p.grad = lib.tensor(numbers(*s, seed=100 + k))
        optimizer = getattr(lib.optim, name)(parameters, **options)

        def step() -> list[Any]:
            optimizer.step()
            return parameters

        return step

    count = sum(s[0] * (s[1] if len(s) > 1 else 1) for s in SHAPES)
    return Row(f"{name} step, 10 M parameters", build, traffic=4.0 * passes * count)


GROUPS = [
    Group(
        "optimisers",
        1.0,
        1.3,
        [row("SGD", 5, lr=0.01, momentum=0.9), row("Adam", 7, lr=0.001), row("RMSprop", 5, lr=0.001)],
    )
]
