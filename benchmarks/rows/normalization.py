"""Normalisation and dropout, forward and backward."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from benchmarks.library import Library, Step, forward_backward, numbers
from benchmarks.row import Group, Row


def traffic(shape: tuple[int, ...], passes: int) -> float:
    return 4.0 * prod(shape) * passes


def batch_norm(shape: tuple[int, ...], add: bool) -> Row:
    """relu(batch_norm(x) + y) in training: one call in tinygrad_lite, the functions that there are in PyTorch."""

    def build(lib: Library) -> Step:
        c = shape[1]
        x, y = lib.tensor(numbers(*shape), True), lib.tensor(numbers(*shape, seed=1), True)
        w, b = lib.tensor(numbers(c, seed=2), True), lib.tensor(numbers(c, seed=3), True)
        mean, var = lib.tensor(np.zeros(c, np.float32)), lib.tensor(np.ones(c, np.float32))

        def function(x: Any, w: Any, b: Any, y: Any = None) -> Any:
            if lib.ours:
                return lib.f.batch_norm_relu(x, mean, var, w, b, training=True, residual=y)
            out = lib.f.batch_norm(x, mean, var, w, b, training=True)
            return lib.f.relu(out if y is None else out + y)

        leaves = (x, w, b, y) if add else (x, w, b)
        return forward_backward(function, *leaves, upstream=lib.tensor(numbers(*shape, seed=4)))

    name = "batch_norm + add + relu" if add else "batch_norm + relu"
    return Row(f"{name} {shape}", build, traffic=traffic(shape, 9 if add else 6), tolerance=1e-3)


def layer_norm(*shape: int) -> Row:
    def build(lib: Library) -> Step:
        x, w, b = (lib.tensor(numbers(*s, seed=k), True) for k, s in enumerate((shape, shape[-1:], shape[-1:])))
        upstream = lib.tensor(numbers(*shape, seed=4))
        return forward_backward(lambda x, w, b: lib.f.layer_norm(x, shape[-1:], w, b), x, w, b, upstream=upstream)

    return Row(f"layer_norm {shape}", build, traffic=traffic(shape, 6))


def group_norm(groups: int, *shape: int) -> Row:
    def build(lib: Library) -> Step:
        x, w, b = (lib.tensor(numbers(*s, seed=k), True) for k, s in enumerate((shape, shape[1:2], shape[1:2])))
        upstream = lib.tensor(numbers(*shape, seed=4))
        return forward_backward(lambda x, w, b: lib.f.group_norm(x, groups, w, b), x, w, b, upstream=upstream)

    return Row(f"group_norm {groups} groups {shape}", build, traffic=traffic(shape, 6))


def dropout(*shape: int) -> Row:
    def build(lib: Library) -> Step:
        x, upstream = lib.tensor(numbers(*shape), True), lib.tensor(np.ones(shape, np.float32))
        return forward_backward(lambda x: lib.f.dropout(x, 0.5, training=True), x, upstream=upstream)

    def chances(results: Any) -> list[np.ndarray]:
        out, gradient = results
        return [np.mean(out != 0), np.mean(gradient), np.mean((out != 0) == (gradient != 0))]

    return Row(f"dropout {shape}", build, traffic=traffic(shape, 4), summary=chances, tolerance=5e-3)


GROUPS = [
    Group(
        "normalisation and dropout", 1.0, 1.4,
        [
            *(batch_norm(shape, add) for add in (False, True)
              for shape in ((128, 16, 32, 32), (128, 64, 8, 8), (8, 64, 56, 56))),
            layer_norm(4096, 256),
            layer_norm(32, 128, 512),
            group_norm(8, 32, 64, 32, 32),
            dropout(1024, 4096),
        ],
    )
]  # fmt: skip
