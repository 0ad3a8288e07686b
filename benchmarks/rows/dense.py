"""Dense layers, softmax cross-entropy, embedding and attention, forward and backward."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.library import Library, Step, forward_backward, numbers
from benchmarks.row import Group, Row


def perceptron(batch: int, *widths: int) -> Row:
    """Linear layers with ReLU between, cross-entropy, and the gradients of all weights."""

    def build(lib: Library) -> Step:
        x = lib.tensor(numbers(batch, widths[0]))
        labels = lib.tensor(np.random.default_rng(0).integers(0, widths[-1], batch))
        weights = [lib.tensor(numbers(o, i, scale=i**-0.5), True) for i, o in pairwise(widths)]
        biases = [lib.tensor(numbers(o, seed=1, scale=0.1), True) for o in widths[1:]]

        def function(*leaves: Any) -> Any:
            h = x
            for k, (w, b) in enumerate(zip(leaves[::2], leaves[1::2])):
                h = lib.f.linear(h if k == 0 else lib.f.relu(h), w, b)
            return lib.f.cross_entropy(h, labels)

        return forward_backward(function, *(t for pair in zip(weights, biases) for t in pair))

    name = "-".join(map(str, widths))
    return Row(
        f"linear + relu {name}, batch {batch}", build, work=6.0 * batch * sum(a * b for a, b in pairwise(widths))
    )


def cross_entropy(batch: int, classes: int) -> Row:
    def build(lib: Library) -> Step:
        x = lib.tensor(numbers(batch, classes), True)
        labels = lib.tensor(np.random.default_rng(0).integers(0, classes, batch))
        return forward_backward(lambda x: lib.f.cross_entropy(x, labels), x)

    return Row(f"softmax cross-entropy ({batch}, {classes})", build, traffic=12.0 * batch * classes)


def embedding(rows: int, width: int, ids: int) -> Row:
    def build(lib: Library) -> Step:
        table = lib.tensor(numbers(rows, width), True)
        index = lib.tensor(np.random.default_rng(0).integers(0, rows, ids))
        return forward_backward(
            lambda table: lib.f.embedding(index, table), table, upstream=lib.tensor(numbers(ids, width, seed=1))
        )

    return Row(f"embedding ({rows}, {width}), {ids} ids", build, traffic=4.0 * width * (rows + 5 * ids))


def attention(batch: int, heads: int, length: int, width: int) -> Row:
    shape = (batch, heads, length, width)

    def build(lib: Library) -> Step:
        q, k, v = (lib.tensor(numbers(*shape, seed=s), True) for s in range(3))
        return forward_backward(
            lib.f.scaled_dot_product_attention, q, k, v, upstream=lib.tensor(numbers(*shape, seed=3))
        )

    return Row(f"attention {shape}", build, work=12.0 * batch * heads * length * length * width)


GROUPS = [
    Group(
        "dense layers",
        1.0,
        1.3,
        [
            perceptron(128, 784, 512, 512, 10),
            cross_entropy(4096, 1000),
            embedding(10000, 128, 4096),
            attention(16, 8, 128, 64),
        ],
    )
]
