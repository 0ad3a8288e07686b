"""All rows, in the groups whose targets they share."""

from __future__ import annotations

from functools import cache

from benchmarks.row import Group, Row
from benchmarks.rows import convolution, dense, normalization, optimizers, overhead, pooling, recurrent, training

GROUPS: list[Group] = [
    *convolution.GROUPS,
    *pooling.GROUPS,
    *normalization.GROUPS,
    *recurrent.GROUPS,
    *dense.GROUPS,
    *optimizers.GROUPS,
    *overhead.GROUPS,
    *training.GROUPS,
]


@cache
def by_name() -> dict[str, Row]:
    return {row.name: row for group in GROUPS for row in group.rows}


def find(name: str) -> Row:
    return by_name()[name]
