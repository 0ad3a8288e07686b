"""Pooling, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.library import Library, Step, forward_backward, numbers
from benchmarks.row import Group, Row


def row(name: str, shape: tuple[int, ...], result: tuple[int, ...], call: Callable[[Library, Any], Any]) -> Row:
    def build(lib: Library) -> Step:
        x, upstream = lib.tensor(numbers(*shape), True), lib.tensor(numbers(*result, seed=1))
        return forward_backward(lambda x: call(lib, x), x, upstream=upstream)

    size = 4 * shape[0] * shape[1] * (shape[2] * shape[3] + result[2] * result[3])
    return Row(f"{name} {shape}", build, traffic=2.0 * size)


def rows() -> list[Row]:
    found = []
    for n, c, h in ((128, 16, 32), (32, 64, 64)):
        half = (n, c, h // 2, h // 2)
        found += [
            row("max_pool2d 2x2", (n, c, h, h), half, lambda lib, x: lib.f.max_pool2d(x, 2)),
            row("avg_pool2d 2x2", (n, c, h, h), half, lambda lib, x: lib.f.avg_pool2d(x, 2)),
            row("global average", (n, c, h, h), (n, c, 1, 1), lambda lib, x: lib.f.adaptive_avg_pool2d(x, 1)),
        ]
    large, half = (8, 64, 112, 112), (8, 64, 56, 56)
    return [
        *found,
        row("max_pool2d 3x3 stride 2", large, half, lambda lib, x: lib.f.max_pool2d(x, 3, 2, 1)),
        row("avg_pool2d 3x3 stride 2", large, half, lambda lib, x: lib.f.avg_pool2d(x, 3, 2, 1)),
    ]


GROUPS = [Group("pooling", 1.2, 1.5, rows())]
