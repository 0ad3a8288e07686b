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

from tinygrad_lite.kernels import direct
from tinygrad_lite.kernels.compiled import FLOATS, contiguous, workspace
from tinygrad_lite.kernels.direct import BYTES, CHANNELS, COLUMNS, ROWS, VECTORS
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import convolution as twins
from tinygrad_lite.kernels.twins.convolution import Sizes

FLATS = 1024  # positions that a block of small images should have
SMALL = 1 << 16  # packed numbers that a block of images should not exceed: they stay in the second-level cache
LARGE = 1 << 17  # and that one image should not exceed; a larger one is cut into bands of rows

NO_BIAS = {dtype: np.zeros(0, dtype) for dtype in FLOATS}
ONE, NONE = (1, 1, 1), (0, 0, 0)  # a stride and a padding that change nothing


class Plan(NamedTuple):
    """Where everything lies; see direct.py for the words."""

    numbers: tuple[int, ...]  # reds, outs, block, bands, plane, step, advance
    sizes: tuple[tuple[int, ...], ...]  # of x and y with channels, enter, before, leave, after, span, results, pitch
    phases: np.ndarray
    offset: np.ndarray
    columns: np.ndarray  # offset, filled up to whole tiles
    sets: np.ndarray
    taps: np.ndarray
    tap_sets: np.ndarray
    out_step: int
    red_step: int
    space: int
    weights: int  # how many packed weights a group has
    operations: int  # how many multiplications and additions, in a group


def three(sizes: Sizes, missing: int) -> Sizes:
    """The sizes for three axes."""
    return (*[missing] * (3 - len(sizes)), *sizes)


def pitches(span: Sizes, results: Sizes, size: Sizes, stride: Sizes, padding: Sizes, phases: list[list[int]]) -> Sizes:
    """How far apart rows are laid: the span less the zeros that stand both before and after every row.

    But at least as far as there are results in a row.
    """
    found = []
    for u, least, n, s, p, axis in zip(span, results, size, stride, padding, phases):
        before = min(min(max(-((a - p) // s), 0), u) for a in axis)
        after = min(u - min(max(-((a - p - n) // s), 0), u) for a in axis)
        found.append(max(u - min(before, after), least))
    return tuple(found)


class Layout:
    """How packed planes and results lie in the workspace: several small images, or a band of rows of a large one."""

    def __init__(
        self, count: int, reds: int, outs: int, spatial: Sizes, results: Sizes, reach: Sizes, enter: Sizes,
        before: Sizes, phases: list[list[int]], itemsize: int,
    ) -> None:  # fmt: skip
        self.reds, self.outs, self.phases = reds, outs, list(product(*phases))
        planes = reds * len(self.phases)
        span = tuple(n + r for n, r in zip(results, reach))
        pitch = pitches(span, results, spatial, enter, before, phases)
        rows = max(4, LARGE // (planes * pitch[0] * pitch[2]))
        self.bands = -(-results[1] // rows)
        if self.bands > 1:
            results = (results[0], -(-results[1] // self.bands), results[2])
            span = (span[0], results[1] + reach[1], span[2])
            pitch = (pitch[0], span[1], pitch[2])
        each = prod(pitch)
        self.shapes = span, results, pitch
        self.steps = (pitch[1] * pitch[2], pitch[2], 1)
        self.block = max(1, min(count, FLATS // each, SMALL // (planes * each))) if self.bands == 1 else 1
        self.advance = VECTORS * BYTES // itemsize
        self.step = -(-(self.block * each + self.advance) // 16) * 16
        self.plane = -(-(self.step + self.at(reach)) // 16) * 16
        self.space = planes * self.plane + (-(-outs // CHANNELS) * CHANNELS + ROWS) * self.step
        self.flats = count * self.bands * each

    def at(self, place: Sequence[int]) -> int:
        """Where in its plane a place lies."""
        return sum(a * b for a, b in zip(place, self.steps))

    def fields(self, offset: list[int]) -> dict[str, Any]:
        """What a Plan holds of this."""
        columns = np.zeros(-(-len(offset) // COLUMNS) * COLUMNS, np.int64)
        columns[: len(offset)] = offset
        return {
            "numbers": (self.reds, self.outs, self.block, self.bands, self.plane, self.step, self.advance),
            "space": self.space,
            "offset": np.array(offset),
            "columns": columns,
            "weights": -(-self.outs // CHANNELS) * CHANNELS * len(offset),
            "operations": 2 * self.outs * len(offset) * self.flats,
        }


@lru_cache(maxsize=1024)
def forward_plan(
    x: Sizes, w: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes, itemsize: int
) -> Plan:
    """For the output, and for the gradient of the weight; x and w are shapes. The input is packed by phases."""
    (count, *_), (outs, reds, *_) = x, w
    outs //= groups
    spatial, kernel, size = three(x[2:], 1), three(w[2:], 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    phases = [sorted({k * d % s for k in range(n)}) for n, d, s in zip(kernel, dilation, stride)]
    reach = tuple((n - 1) * d // s for n, d, s in zip(kernel, dilation, stride))
    lies = Layout(count, reds, outs, spatial, size, reach, stride, padding, phases, itemsize)
    places = lies.phases
    moves = [[k * d for k, d in zip(tap, dilation)] for tap in product(*map(range, kernel))]
    taps = [
        places.index(tuple(m % s for m, s in zip(move, stride))) * lies.plane
        + lies.at([m // s for m, s in zip(move, stride)])
        for move in moves
    ]
    offset = [red * len(places) * lies.plane + tap for red in range(reds) for tap in taps]
    return Plan(
        sizes=((groups * reds, *spatial), (groups * outs, *size), stride, padding, ONE, NONE, *lies.shapes),
        phases=np.array(places),
        sets=np.array([[0, len(offset), 0, 0, 0]]),
        taps=np.arange(len(taps)),
        tap_sets=np.array([[0, len(taps)]]),
        out_step=reds * len(taps),
        red_step=len(taps),
        **lies.fields(offset),
    )


@lru_cache(maxsize=1024)
def input_plan(
    y: Sizes, w: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes, itemsize: int
) -> Plan:
    """For the gradient of the input: each phase of it is a convolution of y with the taps that lead to it."""
    (count, *_), (reds, outs, *_) = y, w
    reds //= groups
    places, kernel, size = three(y[2:], 1), three(w[2:], 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    reach = tuple((n - 1) * d // s for n, d, s in zip(kernel, dilation, stride))
    first = [p // s for p, s in zip(padding, stride)]
    results = tuple((n - 1 + p) // s - a + 1 for n, p, s, a in zip(size, padding, stride, first))
    before = tuple(r - a for r, a in zip(reach, first))
    after = tuple(p - s * a for p, s, a in zip(padding, stride, first))
    lies = Layout(count, reds, outs, places, results, reach, ONE, before, [[0], [0], [0]], itemsize)
    found: dict[tuple, list] = {phase: [] for phase in product(*map(range, stride))}
    for k, tap in enumerate(product(*map(range, kernel))):
        moves = [i * d for i, d in zip(tap, dilation)]
        back = [r - m // s for r, m, s in zip(reach, moves, stride)]
        found[tuple(m % s for m, s in zip(moves, stride))].append((k, lies.at(back)))
    taps: list[int] = []
    offset: list[int] = []
    sets, tap_sets = [], []
    for phase, pairs in found.items():
        tap_sets.append([len(taps), len(taps) + len(pairs)])
        sets.append([len(offset), len(offset) + reds * len(pairs), *phase])
        taps += [k for k, _ in pairs]
        offset += [red * lies.plane + at for red in range(reds) for _, at in pairs]
    return Plan(
        sizes=((groups * reds, *places), (groups * outs, *size), ONE, before, stride, after, *lies.shapes),
        phases=np.zeros((1, 3), np.int64),
        sets=np.array(sets),
        taps=np.array(taps),
        tap_sets=np.array(tap_sets),
        out_step=len(taps),
        red_step=outs * len(taps),
        **lies.fields(offset),
    )


def suits(x: np.ndarray, other: np.ndarray, result: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return bool(x.dtype in FLOATS and other.dtype == x.dtype and x.size and other.size and result.size)


def flat(x: np.ndarray) -> np.ndarray:
    return contiguous(x).reshape(-1)


def run(plan: Plan, x: np.ndarray, y: np.ndarray, w: np.ndarray, bias: np.ndarray | None, groups: int) -> None:
    """Convolve x into y: pack the weights once, then share the images out."""
    reds, outs, *_ = plan.numbers
    packed = np.empty(groups * plan.weights, w.dtype)
    direct.pack_weight(flat(w), groups, outs, reds, plan.out_step, plan.red_step, plan.taps, plan.tap_sets, packed)
    bias = NO_BIAS[w.dtype] if bias is None else contiguous(bias)
    source, result = flat(x), flat(y)

    def task(start: int, stop: int) -> None:
        direct.convolve_images(
            source, result, packed, bias, start, stop, groups, plan.numbers, plan.sizes, plan.phases, plan.offset,
            plan.sets, workspace(plan.space, packed.dtype),
        )  # fmt: skip

    spread(task, len(x) * plan.numbers[3], groups * plan.operations)


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve."""
    y = np.empty((len(x), len(w), *size), x.dtype)
    if not suits(x, w, y):
        return twins.convolve(x, w, bias, stride, padding, dilation, groups, size)
    plan = forward_plan(x.shape, w.shape, stride, padding, dilation, groups, size, x.itemsize)
    run(plan, x, y, w, bias, groups)
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(y, w, x):
        return twins.convolve_input(y, w, stride, padding, dilation, groups, size)
    run(input_plan(y.shape, w.shape, stride, padding, dilation, groups, size, y.itemsize), y, x, w, None, groups)
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    shape = (y.shape[1], x.shape[1] // groups, *size)
    if not suits(x, y, x) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    plan = forward_plan(x.shape, shape, stride, padding, dilation, groups, y.shape[2:], x.itemsize)
    outs = shape[0] // groups
    source, g = flat(x), flat(y)
    parts: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        part = np.zeros((groups, -(-outs // ROWS) * ROWS, len(plan.columns)), source.dtype)
        direct.correlate_weight(
            source, g, flat(part), start, stop, groups, plan.numbers, plan.sizes, plan.phases, plan.columns,
            workspace(plan.space, source.dtype), BYTES // source.itemsize,
        )  # fmt: skip
        parts[start] = part

    spread(task, len(x) * plan.numbers[3], groups * plan.operations)
    total = reduce(np.add, (parts[start] for start in sorted(parts)))  # in order, to be the same every time
    return np.ascontiguousarray(total[:, :outs, : len(plan.offset)]).reshape(shape)
