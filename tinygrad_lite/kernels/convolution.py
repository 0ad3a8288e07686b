"""Convolution without im2col: where the numbers lie that the loops of direct.py run over.

An image is copied once, with its padding, into planes that lie flat in memory, one for each channel and each
remainder by the stride ("phase"). Then what a place of the kernel meets for successive outputs is a row of
consecutive numbers at a fixed offset, whatever stride, dilation and kernel. The zeros after a row serve as
those before the next one, and likewise for rows of an image, so little is wasted between.

Everything is done in three spatial dimensions; a missing one has size 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.kernels import direct, twins
from tinygrad_lite.kernels.compiled import FLOATS, contiguous, spread, workspace
from tinygrad_lite.kernels.direct import BYTES, CHANNELS, COLUMNS, ROWS, VECTORS
from tinygrad_lite.kernels.twins import Sizes

FLATS = 1024  # positions that a block of small images should have
ELEMENTS = 1 << 16  # packed numbers that a block should not exceed: they stay in the second-level cache

Three = tuple[int, int, int]
NO_BIAS = {dtype: np.zeros(0, dtype) for dtype in FLOATS}
UNIT = ((1, 1, 1), (0, 0, 0))  # stride and padding that change nothing


class Plan(NamedTuple):
    """Where everything lies; see direct.py for the words."""

    reds: int
    outs: int
    enter: tuple[Three, Three]
    leave: tuple[Three, Three]
    span: Three
    pitch: Three
    phases: np.ndarray
    taps: np.ndarray
    tap_sets: np.ndarray
    out_step: int
    red_step: int
    offset: np.ndarray
    sets: np.ndarray
    block: int  # images at a time
    plane: int  # how far apart packed planes lie
    step: int  # and planes of results
    space: int  # for all of them
    advance: int  # positions in a tile
    columns: np.ndarray  # offset, filled up to whole tiles
    weights: int  # how many packed weights a group has
    operations: int  # how many multiplications and additions, in a group


def three(sizes: Sizes, missing: int) -> Three:
    """The sizes for three axes."""
    return (*[missing] * (3 - len(sizes)), *sizes)  # type: ignore[return-value]


def volume(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) as a contiguous (N, C, D, H, W)"""
    shape = x.shape
    return contiguous(x).reshape(*shape[:2], *[1] * (5 - len(shape)), *shape[2:])


def pitches(
    span: Three, results: Three, size: Three, stride: Three, padding: Three, phases: list[list[int]]
) -> Three:
    """How far apart rows are laid: the span less the zeros that stand both before and after every row.

    But at least as far as there are results in a row.
    """
    found = []
    for u, least, n, s, p, axis in zip(span, results, size, stride, padding, phases):
        before = min(min(max(-((a - p) // s), 0), u) for a in axis)
        after = min(u - min(max(-((a - p - n) // s), 0), u) for a in axis)
        found.append(max(u - min(before, after), least))
    return tuple(found)  # type: ignore[return-value]


class Layout:
    """How packed planes and results lie in the workspace."""

    def __init__(
        self, count: int, reds: int, phases: int, outs: int, pitch: Three, reach: Three, itemsize: int
    ) -> None:
        each = prod(pitch)
        self.count, self.reds, self.outs = count, reds, outs
        self.rows = (pitch[1] * pitch[2], pitch[2], 1)
        self.block = max(1, min(count, FLATS // each, ELEMENTS // (reds * phases * each)))
        self.advance = VECTORS * BYTES // itemsize
        self.step = self.block * each + self.advance
        self.plane = -(-(self.step + self.at(reach)) // 16) * 16
        self.space = reds * phases * self.plane + (-(-outs // CHANNELS) * CHANNELS + ROWS) * self.step
        self.flats = count * each

    def at(self, place: Sequence[int]) -> int:
        """Where in its plane a place lies."""
        return sum(a * b for a, b in zip(place, self.rows))

    def fields(self, offset: list[int]) -> dict[str, Any]:
        """What a Plan holds of this."""
        columns = np.zeros(-(-len(offset) // COLUMNS) * COLUMNS, np.int64)
        columns[: len(offset)] = offset
        weights = -(-self.outs // CHANNELS) * CHANNELS * len(offset)
        return {
            "reds": self.reds, "outs": self.outs, "block": self.block, "plane": self.plane, "step": self.step,
            "space": self.space, "advance": self.advance, "offset": np.array(offset), "columns": columns,
            "weights": weights, "operations": 2 * self.outs * len(offset) * self.flats,
        }  # fmt: skip


@lru_cache(maxsize=1024)
def forward_plan(
    count: int, reds: int, outs: int, spatial: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    size: Sizes, itemsize: int,
) -> Plan:  # fmt: skip
    """For the output and for the gradient of the weight: the input is packed by phases."""
    spatial, kernel, size = three(spatial, 1), three(kernel, 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    phases = [sorted({k * d % s for k in range(n)}) for n, d, s in zip(kernel, dilation, stride)]
    reach = tuple((n - 1) * d // s for n, d, s in zip(kernel, dilation, stride))
    span = tuple(n + r for n, r in zip(size, reach))
    pitch = pitches(span, size, spatial, stride, padding, phases)
    places = list(product(*phases))
    lies = Layout(count, reds, len(places), outs, pitch, reach, itemsize)
    moves = [[k * d for k, d in zip(tap, dilation)] for tap in product(*map(range, kernel))]
    taps = [
        places.index(tuple(m % s for m, s in zip(move, stride))) * lies.plane
        + lies.at([m // s for m, s in zip(move, stride)])
        for move in moves
    ]
    offset = [red * len(places) * lies.plane + tap for red in range(reds) for tap in taps]
    return Plan(
        enter=(stride, padding), leave=UNIT, span=span, pitch=pitch, phases=np.array(places),
        taps=np.arange(len(taps)), tap_sets=np.array([[0, len(taps)]]), out_step=reds * len(taps), red_step=len(taps),
        sets=np.array([[0, len(offset), 0, 0, 0]]), **lies.fields(offset),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def input_plan(
    count: int, reds: int, outs: int, places: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    size: Sizes, itemsize: int,
) -> Plan:  # fmt: skip
    """For the gradient of the input: each phase of it is a convolution of y with the taps that lead to it."""
    places, kernel, size = three(places, 1), three(kernel, 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    reach = tuple((n - 1) * d // s for n, d, s in zip(kernel, dilation, stride))
    first = [p // s for p, s in zip(padding, stride)]
    results = tuple((n - 1 + p) // s - a + 1 for n, p, s, a in zip(size, padding, stride, first))
    span = tuple(n + r for n, r in zip(results, reach))
    before = tuple(r - a for r, a in zip(reach, first))
    pitch = pitches(span, results, places, UNIT[0], before, [[0], [0], [0]])
    lies = Layout(count, reds, 1, outs, pitch, reach, itemsize)
    found: dict[tuple, list] = {phase: [] for phase in product(*map(range, stride))}
    for k, tap in enumerate(product(*map(range, kernel))):
        moves = [i * d for i, d in zip(tap, dilation)]
        back = [r - m // s for r, m, s in zip(reach, moves, stride)]
        found[tuple(m % s for m, s in zip(moves, stride))].append((k, lies.at(back)))
    taps, offset, sets, tap_sets = [], [], [], []
    for phase, pairs in found.items():
        tap_sets.append([len(taps), len(taps) + len(pairs)])
        sets.append([len(offset), len(offset) + reds * len(pairs), *phase])
        taps += [k for k, _ in pairs]
        offset += [red * lies.plane + at for red in range(reds) for _, at in pairs]
    leave = (stride, tuple(p - s * a for p, s, a in zip(padding, stride, first)))
    return Plan(
        enter=(UNIT[0], before), leave=leave, span=span, pitch=pitch, phases=np.zeros((1, 3), np.int64),
        taps=np.array(taps), tap_sets=np.array(tap_sets), out_step=len(taps), red_step=outs * len(taps),
        sets=np.array(sets), **lies.fields(offset),
    )  # fmt: skip


def suits(x: np.ndarray, other: np.ndarray, result: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return bool(x.dtype in FLOATS and other.dtype == x.dtype and x.size and other.size and result.size)


def run(plan: Plan, x: np.ndarray, y: np.ndarray, w: np.ndarray, bias: np.ndarray | None, groups: int) -> None:
    """Convolve x into y: pack the weights once, then share the images out."""
    dtype = w.dtype
    w, packed = contiguous(w).ravel(), np.empty(groups * plan.weights, dtype)
    direct.pack_weight(
        w, groups, plan.outs, plan.reds, plan.out_step, plan.red_step, plan.taps, plan.tap_sets, packed
    )
    bias = NO_BIAS[dtype] if bias is None else contiguous(bias)
    x, to = volume(x), volume(y)

    def task(start: int, stop: int) -> None:
        direct.convolve_images(
            x, to, packed, bias, start, stop, plan.block, plan.reds, plan.outs, plan.enter, plan.leave,
            plan.span, plan.pitch, plan.plane, plan.step, plan.offset, plan.sets, plan.phases,
            workspace(plan.space, dtype), plan.advance,
        )  # fmt: skip

    spread(task, len(x), groups * plan.operations)


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve."""
    y = np.empty((len(x), len(w), *size), x.dtype)
    if not suits(x, w, y):
        return twins.convolve(x, w, bias, stride, padding, dilation, groups, size)
    reds, outs = w.shape[1], len(w) // groups
    plan = forward_plan(len(x), reds, outs, x.shape[2:], w.shape[2:], stride, padding, dilation, size, x.itemsize)
    run(plan, x, y, w, bias, groups)
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(y, w, x):
        return twins.convolve_input(y, w, stride, padding, dilation, groups, size)
    reds, outs = len(w) // groups, w.shape[1]
    plan = input_plan(len(y), reds, outs, y.shape[2:], w.shape[2:], stride, padding, dilation, size, y.itemsize)
    run(plan, y, x, w, None, groups)
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    reds, outs = x.shape[1] // groups, y.shape[1] // groups
    if not suits(x, y, x) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    plan = forward_plan(len(x), reds, outs, x.shape[2:], size, stride, padding, dilation, y.shape[2:], x.itemsize)
    dtype = x.dtype
    x, g = volume(x), volume(y)
    parts: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        part = np.zeros((groups, -(-outs // ROWS) * ROWS, len(plan.columns)), dtype)
        direct.correlate_weight(
            x, g, part.ravel(), start, stop, plan.block, reds, outs, plan.enter, plan.span, plan.pitch, plan.plane,
            plan.step, plan.columns, plan.phases, UNIT, workspace(plan.space, dtype), BYTES // dtype.itemsize,
        )  # fmt: skip
        parts[start] = part

    spread(task, len(x), groups * plan.operations)
    total = reduce(np.add, (parts[start] for start in sorted(parts)))  # in order, to be the same every time
    return np.ascontiguousarray(total[:, :outs, : len(plan.offset)]).reshape(groups * outs, reds, *size)


unfold, fold = twins.unfold, twins.fold
