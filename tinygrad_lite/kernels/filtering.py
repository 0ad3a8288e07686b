"""Minimal filtering: convolutions with fewer multiplications along a row (Winograd 1980; Lavin and Gray 2015, sec. 4).

A product of two polynomials of m and r terms has m + r - 1 terms. If these are six, its values at 0, 1, -1, 2, -2 and
infinity determine it, and each is one multiplication. The transpose of that makes the m results that a kernel of r
places has in six numbers of a row, with six multiplications where the definition has m * r. With matrices A, B, G:

    y = A.T [ sum over channels, and over the rows of the kernel, of (G w) * (B.T x) ]

The sum is that of direct.py, once for each point, with rows of kernel and input in place of their places. With a
stride s, the s parts of the kernel that meet every s-th number of a row are summed like channels. Images stand in the
lanes (lanes.py). winograd.py does the same along two axes, where transforms cost more and multiplications less.

Rounding: in float32 errors are about 3e-6 of the largest result, where the definition has 1e-6; float64 isn't done this
way. A NaN or Inf makes all m results of its tile NaN.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from tinygrad_lite.kernels.compiled import compiled, workspace
from tinygrad_lite.kernels.lanes import Lanes, Plan, Sizes, flat, give, of_images, share, slabs, table, take
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.vectors import BYTES, ROWS, VECTORS, tile, transform

AT = (0, 1, -1, 2, -2)
"""Where polynomials are evaluated, beside infinity."""
INPUT = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0),
         (0, 4, 0, -5, 0, 1))  # fmt: skip
"""B.T, whose rows are the polynomials that are zero at all points but one."""


def output(results: int) -> tuple[tuple[float, ...], ...]:
    """A.T for so many results: powers of the points."""
    return tuple((*(float(p**k) for p in AT), float(k == results - 1)) for k in range(results))


def kernel_at(taps: int) -> tuple[tuple[float, ...], ...]:
    """G for a kernel of so many places: its values at the points, divided by those of the rows of B.T."""
    scale = [prod(p - other for other in AT if other != p) for p in AT]
    values = [tuple(p**k / s for k in range(taps)) for p, s in zip(AT, scale)]
    return (*values, tuple(float(k == taps - 1) for k in range(taps)))


POINTS = 6
ROW = ((1,),)  # along the other axis nothing is transformed
transform_input = transform(ROW, INPUT)
kernel_2, kernel_3, kernel_4, kernel_5 = (transform(ROW, kernel_at(taps)) for taps in (2, 3, 4, 5))
output_2, output_3, output_4, output_5 = (transform(ROW, output(results)) for results in (2, 3, 4, 5))
product_tile = tile(ROWS, VECTORS)

LANES = BYTES // 4  # of float32
DEPTH = 288  # terms of a sum at a time: the weights of a tile stay in the first-level cache
ZERO, WIDTH = np.int64(0), np.int64(LANES)  # plain numbers would be compiled as kinds of their own


@compiled
def transform_kernel(taps, out, o, step, space, at):
    """The values at the six points of a kernel of so many places, `step` apart."""
    if taps == 2:
        kernel_2(out, o, ZERO, step, space, at, ZERO, WIDTH)
    elif taps == 3:
        kernel_3(out, o, ZERO, step, space, at, ZERO, WIDTH)
    elif taps == 4:
        kernel_4(out, o, ZERO, step, space, at, ZERO, WIDTH)
    else:
        kernel_5(out, o, ZERO, step, space, at, ZERO, WIDTH)


@compiled
def transform_output(taps, out, o, space, at, step):
    """All results that a kernel of so many places has in a tile, side by side."""
    if taps == 2:
        output_5(out, o, ZERO, WIDTH, space, at, ZERO, step)
    elif taps == 3:
        output_4(out, o, ZERO, WIDTH, space, at, ZERO, step)
    elif taps == 4:
        output_3(out, o, ZERO, WIDTH, space, at, ZERO, step)
    else:
        output_2(out, o, ZERO, WIDTH, space, at, ZERO, step)


@compiled
def transform_weights(w, u, start, stop, numbers, lanes, space):
    """u[point, phase, tile of outputs, term, output] = G w, rows of kernels in the lanes."""
    taps, phases, u_step, plane = numbers
    space[: phases * taps * LANES] = w.dtype.type(0)  # a phase may have fewer places
    for block in range(start, stop):
        take(space, ZERO, w, ZERO, lanes, block, WIDTH)
        for phase in range(phases):
            transform_kernel(taps, u, phase * plane + block * LANES, u_step, space, phase * taps * LANES)


@compiled
def convolve(x, y, u, bias, start, stop, numbers, x_lanes, y_lanes, tables, space):
    """For each block of images: transform its rows, sum for each point, transform back, and add the bias.

    x, y, u and bias are flat. start, stop: which items, each a block and a part of its outputs. tables: where tiles
    start in a packed channel and among the results, the outputs of a tile and its terms in u, places and terms among
    the transformed rows.
    """
    reds, outs, parts, taps, panel, column, x_plane, y_plane, x_size, y_size, v_step, m_step = numbers
    corners, exits, lines, steps, places, offset = tables
    groups, before, u_step, width = -(-outs // ROWS), -1, len(u) // POINTS, len(places) * LANES
    results = x_size
    left = results + y_size
    right = left + POINTS * v_step
    space[:left] = u.dtype.type(0)
    for item in range(start, stop):
        block, part = item // parts, item % parts
        if block != before:
            for c in range(reds):
                take(space, ZERO, x, c * x_plane, x_lanes, block, WIDTH)
                for k in range(len(corners)):
                    to = left + (c * len(corners) + k) * LANES
                    transform_input(space, to, ZERO, v_step, space, corners[k], ZERO, column)
        before = block
        for group in range(groups * part // parts, groups * (part + 1) // parts):
            for f in range(POINTS):
                weights, rows, sums = f * u_step + group * panel, left + f * v_step, right + f * m_step
                for r in range(0, len(steps), DEPTH):
                    new, last = np.int64(r == 0), min(len(steps), r + DEPTH)
                    for q in range(0, len(places), VECTORS):
                        product_tile(space, sums + q * LANES, width, new, u, weights, lines, ZERO, steps, space, rows,
                                     places, q, offset, r, last)  # fmt: skip
            for m in range(min(ROWS, outs - group * ROWS)):
                o = group * ROWS + m
                for q in range(len(exits)):
                    transform_output(taps, space, results + exits[q], space, right + m * width + q * LANES, m_step)
                more = bias[o] if len(bias) else u.dtype.type(0)
                give(y, o * y_plane, y_lanes, block, WIDTH, space, results, more)


# ------------------------------------------------------------------------------------------------ plans

CACHE = 7 << 15  # numbers of transformed rows that a band should not exceed
MOVE = 40  # what it costs to bring a vector to its place, in multiplications of vectors
TRANSFORM = 60  # and to transform six of them
READ = 6  # and to read a weight


def odd(size: int) -> int:
    """At least `size`, and an odd number of vectors: arrays a power of two apart would share few sets of the caches."""
    return int((-(-size // LANES) | 1) * LANES)


def able(dtype: np.dtype, kernel: Sizes, window: tuple, turned: bool) -> bool:
    """Whether it can be used: with 2 to 5 places of a row of the kernel in each phase, which aren't dilated."""
    stride, _, dilation, groups = window
    fits = 2 <= -(-kernel[-1] // stride[-1]) <= 5 and dilation[-1] == groups == 1
    return dtype == np.float32 and fits and not (turned and prod(stride) > 1)


class Band(NamedTuple):
    """Some results along the first axis, and all along the others, in whole tiles."""

    spans: Sizes  # what is packed of a channel
    slab: Sizes  # the results, and those that fill up the last tile of a row
    across: int  # tiles of a row
    entering: int  # tiles of all packed rows, for each phase of the stride
    leaving: int  # tiles of the results


def band(height: int, results: Sizes, window: tuple, kernel: Sizes) -> Band:
    """What belongs to so many results along the first axis."""
    stride, _, dilation, _ = window
    taps = -(-kernel[-1] // stride[-1])
    slab = (height, *results[1:])
    across = -(-slab[-1] // (POINTS + 1 - taps))
    slab = (*slab[:-1], across * (POINTS + 1 - taps))
    spans = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(slab[:-1], stride, kernel, dilation))
    row = stride[-1] * (slab[-1] + taps - 1)
    return Band((*spans, row), slab, across, prod(spans) * stride[-1] * across, prod(slab[:-1]) * across)


def best_band(count: int, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes) -> tuple[int, float]:
    """The height of a band, and its work, the least among those that fit into the cache."""
    stride = window[0]
    pairs = reds * prod(kernel[:-1]) * stride[-1] * -(-outs // ROWS) * ROWS

    def work(height: int) -> float:
        spans, slab, _, entering, leaving = band(height, results, window, kernel)
        products = POINTS * pairs * (-(-leaving // VECTORS) * VECTORS + READ)
        moves = MOVE * (reds * prod(spans) + outs * prod(slab)) + TRANSFORM * (reds * entering + outs * leaving)
        return -(-count * -(-results[0] // height) // LANES) * (products + moves)

    def fits(height: int) -> bool:
        return POINTS * reds * band(height, results, window, kernel).entering * LANES <= CACHE

    step = POINTS + 1 - -(-kernel[-1] // stride[-1]) if len(results) == 1 else 1  # a band of a row has whole tiles
    heights = range(step, results[0] + step, step)
    height = min([n for n in heights if fits(n)] or heights[:1], key=work)
    return height, work(height)


def rows_of_kernels(reds: int, outs: int, kernel: Sizes, apart: Sizes, phases: int, turned: bool) -> Lanes:
    """How rows of kernels come into lanes: tile of outputs, channel, row, output of the tile; phase by phase within."""
    high, groups, taps = prod(kernel[:-1]), -(-outs // ROWS), -(-kernel[-1] // phases)
    term, output = np.divmod(np.arange(-(-reds * high * ROWS // LANES) * LANES), ROWS)
    channel, row = np.divmod(np.minimum(term, reds * high - 1), high)  # where there is none, any
    output = np.minimum(np.arange(groups)[:, None] * ROWS + output, outs - 1)
    row, places = (high - 1 - row if turned else row), np.arange(kernel[-1])[:: -1 if turned else 1]
    starts = (channel * apart[1] + row * kernel[-1] + output * apart[0]).ravel()
    where = table([places % phases * taps + places // phases], (phases * taps,), LANES)
    return slabs(starts, starts * 0, kernel[-1], kernel[-1:], where, LANES, outs * reds * prod(kernel))


def convolution_plan(
    count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes, apart: Sizes,
    turned: bool,
) -> Plan:  # fmt: skip
    """apart: how far outputs, and summed channels, are from each other in the weight. turned: by 180 degrees."""
    stride, padding, dilation, _ = window
    if turned:
        padding = tuple((k - 1) * d - p for k, d, p in zip(kernel, dilation, padding))
    height, work = best_band(count, reds, outs, results, window, kernel)
    spans, slab, across, entering, leaving = band(height, results, window, kernel)
    phases, high, groups, cut = stride[-1], prod(kernel[:-1]), -(-outs // ROWS), -(-results[0] // height)
    taps = -(-kernel[-1] // phases)

    enter = table([np.arange(spans[0]), *(np.arange(n) + p for n, p in zip(spatial[1:], padding[1:]))], spans, LANES)
    leave = table([np.arange(height), *map(np.arange, results[1:])], slab, LANES)
    x_lanes = of_images(count, reds, spatial, cut, -padding[0], height * stride[0], spans[0], enter, LANES, True)
    y_lanes = of_images(count, outs, results, cut, 0, height, height, leave, LANES)
    parts = share(len(x_lanes.whole), groups)

    phase, tiles = np.arange(phases)[:, None, None], np.arange(across)
    rows = np.arange(prod(spans[:-1]))
    corners = phase + rows[:, None] * spans[-1] + tiles * (POINTS + 1 - taps) * phases
    first = flat([s * np.arange(n) for n, s in zip(slab[:-1], stride)], spans[:-1])
    places = np.pad((first[:, None] * across + tiles).ravel(), (0, -leaving % VECTORS), mode="edge")
    below = flat([d * np.arange(k) for k, d in zip(kernel[:-1], dilation)], spans[:-1])
    offset = np.arange(reds)[:, None] * entering + (phase * len(rows) + below) * across
    panel = -(-reds * high * ROWS // LANES) * LANES
    plane = odd(groups * panel)
    steps = phase * plane + np.arange(reds * high).reshape(reds, high) * ROWS
    tables = (
        corners.ravel() * LANES, np.arange(leaving) * (POINTS + 1 - taps) * LANES, np.arange(ROWS), steps.ravel(),
        places * LANES, offset.ravel() * LANES,
    )  # fmt: skip
    sizes = (prod(spans) + 1) * LANES, (prod(slab) + 1) * LANES
    apart_points = odd(reds * entering * LANES), odd(ROWS * len(places) * LANES)
    numbers = (reds, outs, parts, taps, panel, phases * LANES, prod(spatial), prod(results), *sizes, *apart_points)
    return Plan(
        items=len(x_lanes.whole) * parts,
        operations=2.0 * LANES * work,
        work=work,
        space=sum(sizes) + POINTS * sum(apart_points),
        arguments=(numbers, x_lanes, y_lanes, tables),
        weights=((taps, phases, phases * plane, plane), rows_of_kernels(reds, outs, kernel, apart, phases, turned)),
        size=POINTS * phases * plane,
    )


def run_convolution(plan: Plan, x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    """Transform the weights, then the images; all arrays C-contiguous."""
    x, y, w = x.reshape(-1), y.reshape(-1), w.reshape(-1)
    u = np.empty(plan.size, w.dtype)
    numbers, lanes = plan.weights

    def transform_some(start: int, stop: int) -> None:
        space = workspace((numbers[0] * numbers[1] + 1) * LANES, w.dtype)
        transform_weights(w, u, start, stop, numbers, lanes, space)

    def convolve_some(start: int, stop: int) -> None:
        convolve(x, y, u, bias, start, stop, *plan.arguments, workspace(plan.space, w.dtype))

    spread(transform_some, len(lanes.whole), 10.0 * plan.size)
    spread(convolve_some, plan.items, plan.operations)
