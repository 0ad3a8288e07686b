"""Convolutions: forward and backward, and forward alone without gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from benchmarks.library import Library, Step, forward_backward, forward_only, numbers
from benchmarks.row import Group, Row


@dataclass(frozen=True)
class Case:
    """A convolution: the shapes of input and weight, and how it is called."""

    name: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    function: str = "conv2d"
    options: dict[str, Any] = field(default_factory=dict)
    mask: np.ndarray | None = None  # what the weight is multiplied by

    def call(self, lib: Library) -> Callable[..., Any]:
        function, mask = getattr(lib.f, self.function), None if self.mask is None else lib.tensor(self.mask)

        def convolve(x: Any, w: Any, b: Any) -> Any:
            return function(x, w if mask is None else w * mask, b, **self.options)

        return convolve

    def leaves(self, lib: Library, grad: bool) -> tuple[Any, ...]:
        outs = self.w[1] if "transpose" in self.function else self.w[0]
        return (
            lib.tensor(numbers(*self.x), grad),
            lib.tensor(numbers(*self.w, scale=0.1), grad),
            lib.tensor(numbers(outs), grad),
        )

    def size(self) -> tuple[int, ...]:
        """The shape of the result."""
        stride, padding, dilation = (
            self.options.get(k, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1))
        )
        if "transpose" in self.function:
            places = [(n - 1) * stride - 2 * padding + k for n, k in zip(self.x[2:], self.w[2:])]
            return (self.x[0], self.w[1], *places)
        places = [(n + 2 * padding - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(self.x[2:], self.w[2:])]
        return (self.x[0], self.w[0], *places)

    def work(self) -> float:
        """Multiplications and additions of the forward pass, as the definition of the sum counts them."""
        if "transpose" in self.function:
            return 2.0 * prod(self.x) * prod(self.w[1:])
        return 2.0 * prod(self.size()) * prod(self.w[1:])

    def both(self) -> Row:
        def build(lib: Library) -> Step:
            upstream = lib.tensor(numbers(*self.size(), seed=1))
            return forward_backward(self.call(lib), *self.leaves(lib, True), upstream=upstream)

        return Row(self.name, build, work=3 * self.work())

    def forward(self) -> Row:
        def build(lib: Library) -> Step:
            return forward_only(lib, self.call(lib), *self.leaves(lib, False))

        return Row(f"{self.name}, forward only", build, work=self.work())


def square(kind: str, n: int, c: int, k: int, h: int, kernel: int, **options: Any) -> Case:
    """A two-dimensional convolution of n images, h x h, from c channels to k."""
    w = (k, c // options.get("groups", 1), kernel, kernel)
    return Case(f"conv2d {kind} ({n}, {c}, {k}, {h})", (n, c, h, h), w, options=options)


def causal(size: int) -> np.ndarray:
    """1 for the places above, and left of the centre: what a PixelCNN may look at (van den Oord et al. 2016)."""
    mask = np.zeros((size, size), np.float32)
    mask[: size // 2], mask[size // 2, : size // 2] = 1, 1
    return mask


PLAIN = [
    square("3x3", *sizes, kernel=3, padding=1)
    for sizes in (
        (128, 3, 16, 32), (128, 16, 16, 32), (128, 32, 32, 16), (128, 64, 64, 8),
        (32, 64, 64, 32), (8, 64, 64, 56), (8, 128, 128, 28), (4, 256, 256, 14),
    )
]  # fmt: skip

OTHERS = [
    square("3x3 stride 2", 128, 16, 32, 32, 3, stride=2, padding=1),
    square("1x1", 32, 64, 256, 16, 1),
    square("7x7 stride 2", 8, 3, 64, 112, 7, stride=2, padding=3),
    square("5x5", 64, 1, 32, 28, 5, padding=2),
    square("3x3 depthwise", 16, 64, 64, 32, 3, padding=1, groups=64),
    square("3x3 dilated", 16, 32, 32, 32, 3, padding=2, dilation=2),
    Case(
        "conv_transpose2d 4x4 stride 2 (32, 64, 32, 16)", (32, 64, 16, 16), (64, 32, 4, 4), "conv_transpose2d",
        {"stride": 2, "padding": 1},
    ),
    *(Case(f"conv1d width {k} (50, 300, 100, 56)", (50, 300, 56), (100, 300, k), "conv1d") for k in (3, 4, 5)),
    replace(square("masked 7x7", 16, 32, 32, 28, 7, padding=3), mask=causal(7)),
]  # fmt: skip

GROUPS = [
    Group("conv2d 3x3 stride 1", 1.0, 1.4, [case.both() for case in PLAIN]),
    Group("other convolutions", 1.0, 1.3, [case.both() for case in OTHERS]),
    Group("convolutions, forward only", 1.0, 1.2, [case.forward() for case in PLAIN + OTHERS]),
]
