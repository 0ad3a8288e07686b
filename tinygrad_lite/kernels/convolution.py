"""Convolution without im2col: where the numbers lie that the loops of direct.py run over.

An image is copied once, with its padding, into planes that lie flat in memory, one for each channel and each
remainder by the stride ("phase"). Then what a place of the kernel meets for successive outputs is a row of
consecutive numbers at a fixed offset, whatever stride, dilation and kernel. The zeros after a row serve as
those before the next one, and likewise for rows of an image, so little is wasted between.

Everything is done in three spatial dimensions; a missing one has size 1.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

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
    """Where everything lies. See direct.py for the words."""

    block: int
    enter: tuple[Three, Three]
    leave: tuple[Three, Three]
    span: Three
    pitch: Three
    plane: int
    step: int
    offset: np.ndarray
    sets: np.ndarray
    phases: np.ndarray
    taps: np.ndarray
    tap_sets: np.ndarray
    space: int


def three(sizes: Sizes, missing: int) -> Three:
    """The sizes for three axes."""
    return (*[missing] * (3 - len(sizes)), *sizes)  # type: ignore[return-value]


def volume(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) as a contiguous (N, C, D, H, W)"""
    return contiguous(x).reshape(*x.shape[:2], *three(x.shape[2:], 1))


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


def layout(count: int, channels: int, outs: int, pitch: Three, reach: int, itemsize: int) -> tuple[int, int, int, int]:
    """How many images at a time, how far apart packed planes and result planes lie, and the space for all of them."""
    each = prod(pitch)
    block = max(1, min(count, FLATS // each, ELEMENTS // (channels * each)))
    advance = VECTORS * BYTES // itemsize
    step = block * each + advance
    plane = -(-(step + reach) // 16) * 16
    return block, plane, step, channels * plane + (-(-outs // CHANNELS) * CHANNELS + ROWS) * step


@lru_cache(maxsize=1024)
def forward_plan(
    count: int, reds: int, outs: int, spatial: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    size: Sizes, itemsize: int,
) -> Plan:  # fmt: skip
    """For the output and for the gradient of the weight: the input is packed by phases."""
    spatial, kernel, size = three(spatial, 1), three(kernel, 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    phases = [sorted({k * d % s for k in range(n)}) for n, d, s in zip(kernel, dilation, stride)]
    shifts = [[k * d // s for k in range(n)] for n, d, s in zip(kernel, dilation, stride)]
    span = tuple(n + shift[-1] for n, shift in zip(size, shifts))
    pitch = pitches(span, size, spatial, stride, padding, phases)
    places = list(product(*phases))
    reach = int(np.dot([shift[-1] for shift in shifts], (pitch[1] * pitch[2], pitch[2], 1)))
    block, plane, step, space = layout(count, reds * len(places), outs, pitch, reach, itemsize)
    taps = [
        places.index(tuple(k * d % s for k, d, s in zip(tap, dilation, stride))) * plane
        + (shifts[0][tap[0]] * pitch[1] + shifts[1][tap[1]]) * pitch[2] + shifts[2][tap[2]]
        for tap in product(*map(range, kernel))
    ]  # fmt: skip
    offset = (np.arange(reds)[:, None] * len(places) * plane + np.array(taps)).ravel()
    tap_sets = np.array([[0, len(taps)]])
    sets = np.array([[0, len(offset), 0, 0, 0]])
    taps = np.arange(len(taps))
    return Plan(block, (stride, padding), UNIT, span, pitch, plane, step, offset, sets, np.array(places), taps, tap_sets, space)


@lru_cache(maxsize=1024)
def input_plan(
    count: int, reds: int, outs: int, places: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    size: Sizes, itemsize: int,
) -> Plan:  # fmt: skip
    """For the gradient of the input: each phase of it is a convolution of y with the taps that lead to it."""
    places, kernel, size = three(places, 1), three(kernel, 1), three(size, 1)
    stride, padding, dilation = three(stride, 1), three(padding, 0), three(dilation, 1)
    shifts = [[k * d // s for k in range(n)] for n, d, s in zip(kernel, dilation, stride)]
    first = [p // s for p, s in zip(padding, stride)]
    last = [(n - 1 + p) // s for n, p, s in zip(size, padding, stride)]
    results = tuple(b - a + 1 for a, b in zip(first, last))
    span = tuple(n + shift[-1] for n, shift in zip(results, shifts))
    enter = tuple(shift[-1] - a for a, shift in zip(first, shifts))
    leave = tuple(p - s * a for p, s, a in zip(padding, stride, first))
    pitch = pitches(span, results, places, UNIT[0], enter, [[0], [0], [0]])
    reach = int(np.dot([shift[-1] for shift in shifts], (pitch[1] * pitch[2], pitch[2], 1)))
    block, plane, step, space = layout(count, reds, outs, pitch, reach, itemsize)
    found = {phase: [] for phase in product(*map(range, stride))}
    for k, tap in enumerate(product(*map(range, kernel))):
        back = [shift[-1] - shift[i] for shift, i in zip(shifts, tap)]
        phase = tuple(i * d % s for i, d, s in zip(tap, dilation, stride))
        found[phase].append((k, (back[0] * pitch[1] + back[1]) * pitch[2] + back[2]))
    taps, offset, sets, tap_sets = [], [], [], []
    for phase, pairs in found.items():
        tap_sets.append([len(taps), len(taps) + len(pairs)])
        sets.append([len(offset), len(offset) + reds * len(pairs), *phase])
        taps += [k for k, _ in pairs]
        offset += [red * plane + at for red in range(reds) for _, at in pairs]
    return Plan(
        block, (UNIT[0], enter), (stride, leave), span, pitch, plane, step, np.array(offset), np.array(sets),
        np.zeros((1, 3), np.int64), np.array(taps), np.array(tap_sets), space,
    )  # fmt: skip


def suits(*arrays: np.ndarray) -> bool:
    """Whether the loops are for these arrays: float32 or float64, and not empty."""
    return all(a.dtype in FLOATS and a.size for a in arrays) and len({a.dtype for a in arrays}) == 1


def run(plan: Plan, x: np.ndarray, y: np.ndarray, w: np.ndarray, bias: np.ndarray, groups: int, reds: int, outs: int,
        steps: tuple[int, int]) -> None:  # fmt: skip
    """Convolve x into y: pack the weights once, then share the images out."""
    places = prod(w.shape[2:])
    packed = np.empty(groups * -(-outs // CHANNELS) * CHANNELS * reds * places, w.dtype)
    direct.pack_weight(w.ravel(), groups, outs, reds, places, *steps, plan.taps, plan.tap_sets, packed)
    advance = VECTORS * BYTES // w.itemsize

    def task(start: int, stop: int) -> None:
        space = workspace(plan.space, w.dtype)
        direct.convolve_images(
            x, y, packed, bias, start, stop, plan.block, reds, outs, plan.enter, plan.leave, plan.span, plan.pitch,
            plan.plane, plan.step, plan.offset, plan.sets, plan.phases, space, advance,
        )  # fmt: skip

    spread(task, len(x), 2 * packed.size * len(x) * prod(plan.pitch))


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    size: Sizes,
) -> np.ndarray:  # fmt: skip
    """See twins.convolve."""
    y = np.empty((len(x), len(w), *size), x.dtype)
    if not suits(x, w, y):
        return twins.convolve(x, w, bias, stride, padding, dilation, groups, size)
    reds, outs, places = w.shape[1], len(w) // groups, prod(w.shape[2:])
    plan = forward_plan(len(x), reds, outs, x.shape[2:], w.shape[2:], stride, padding, dilation, size, x.itemsize)
    bias = NO_BIAS[x.dtype] if bias is None else contiguous(bias)
    run(plan, volume(x), volume(y), contiguous(w), bias, groups, reds, outs, (reds * places, places))
    return y


def convolve_input(
    y: np.ndarray, w: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_input."""
    x = np.empty((len(y), w.shape[1] * groups, *size), y.dtype)
    if not suits(x, y, w):
        return twins.convolve_input(y, w, stride, padding, dilation, groups, size)
    reds, outs, places = len(w) // groups, w.shape[1], prod(w.shape[2:])
    plan = input_plan(len(y), reds, outs, y.shape[2:], w.shape[2:], stride, padding, dilation, size, y.itemsize)
    run(plan, volume(y), volume(x), contiguous(w), NO_BIAS[y.dtype], groups, reds, outs, (places, outs * places))
    return x


def convolve_weight(
    y: np.ndarray, x: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, size: Sizes
) -> np.ndarray:
    """See twins.convolve_weight."""
    if not suits(x, y) or not prod(size):
        return twins.convolve_weight(y, x, stride, padding, dilation, groups, size)
    reds, outs = x.shape[1] // groups, y.shape[1] // groups
    plan = forward_plan(len(x), reds, outs, x.shape[2:], size, stride, padding, dilation, y.shape[2:], x.itemsize)
    pairs = len(plan.offset)
    offset = np.zeros(-(-pairs // COLUMNS) * COLUMNS, np.int64)
    offset[:pairs] = plan.offset
    parts = []
    x, g = volume(x), volume(y)

    def task(start: int, stop: int) -> None:
        part = np.zeros((groups, -(-outs // ROWS) * ROWS, len(offset)), x.dtype)
        direct.correlate_weight(
            x, g, part.ravel(), start, stop, plan.block, reds, outs, plan.enter, plan.span, plan.pitch, plan.plane,
            plan.step, offset, plan.phases, UNIT, workspace(plan.space, x.dtype), BYTES // x.itemsize,
        )  # fmt: skip
        parts.append(part)

    spread(task, len(x), 2 * groups * outs * pairs * len(x) * prod(plan.pitch))
    total = parts[0] if len(parts) == 1 else sum(parts[1:], start=parts[0])
    return np.ascontiguousarray(total[:, :outs, :pairs]).reshape(groups * outs, reds, *size)


unfold, fold = twins.unfold, twins.fold
