"""Winograd's convolution of 3x3 kernels (Lavin and Gray 2015, arXiv:1509.09308, sections 4.1 and 4.3).

A tile of 4x4 results needs 6x6 numbers of the input and, with the matrices below, 36 multiplications where the
definition has 144, for each pair of channels:

    y = A.T [ sum over channels of (G w G.T) * (B.T x B) ] A         (* multiplies element by element)

The 36 points of a tile don't meet before the sum is done, so that sum is a matrix product for each point: weights
(outputs x channels) with tiles (channels x tiles). The three arrays of y's sum can change places, as always:

    gradient of the input    a convolution again, of the kernel turned by 180 degrees
    gradient of the weight   G.T [ sum over tiles of (B.T x B) * (A g A.T) ] G

For the first, images stand in the lanes (lanes.py); for the gradient of the weight channels do, so that the sum runs
over tiles. Where a kernel is dilated, so are the tiles, and they are interleaved.

Rounding: the transforms weigh numbers by up to 8 and take differences of them, so in float32 errors are about 1e-5 of
the largest result, 5e-5 for the gradient of the weight, where the definition has 1e-6; float64 isn't done this way. A
NaN or Inf makes all 16 results of its tile NaN.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import compiled, workspace
from tinygrad_lite.kernels.filtering import INPUT, kernel_at, odd, output
from tinygrad_lite.kernels.lanes import Plan, Sizes, flat, give, of_channels, of_images, share, slabs, table, take
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.vectors import BYTES, ROWS, VECTORS, tile, transform

OUTPUT, KERNEL = output(4), kernel_at(3)
BACK, UPSTREAM = tuple(zip(*KERNEL)), tuple(zip(*OUTPUT))

transform_input, transform_output, transform_kernel = (transform(m, m) for m in (INPUT, OUTPUT, KERNEL))
transform_gradient, transform_back = transform(UPSTREAM, UPSTREAM), transform(BACK, BACK)
product_tile = tile(ROWS, VECTORS)

POINTS, TAPS, SIZE = 36, 9, 4  # of a tile, of a kernel; a tile has SIZE x SIZE results
LANES = BYTES // 4  # of float32
PAIR = VECTORS * LANES  # columns of a matrix that lie together
DEPTH = 256  # rows of a product at a time: what a tile meets stays in the first-level cache
ZERO, ONE, WIDTH = np.int64(0), np.int64(1), np.int64(LANES)  # plain numbers would be compiled as kinds of their own


@compiled
def multiply(out, o, step, a, i, a_tile, a_step, b, j, b_step, width, rows, grid, depth, fresh):
    """out[o + m, q] (+)= sum over r < depth of a[r, m] * b[r, q] for m < rows, q < width.

    a lies in panels of a_step rows, b in panels of PAIR columns, `a_tile` and `b_step` apart.
    """
    lines, steps, columns, offset = grid
    for r in range(0, depth, DEPTH):
        last, new = min(depth, r + DEPTH), np.int64(fresh and r == 0)
        for m in range(0, rows, ROWS):
            left = i + m // a_step * a_tile + m % a_step
            for q in range(0, width, PAIR):
                to, right = o + m * step + q, j + q // PAIR * b_step
                product_tile(out, to, step, new, a, left, lines, ZERO, steps, b, right, columns, ZERO, offset, r, last)


@compiled
def transform_weights(w, u, start, stop, lanes, space):
    """u[point, tile of outputs, channel, output] = G w G.T, kernels in the lanes."""
    step = len(u) // POINTS
    for block in range(start, stop):
        take(space, ZERO, w, ZERO, lanes, block, WIDTH)
        transform_kernel(u, block * LANES, 6 * step, step, space, ZERO, 3 * LANES, LANES)


@compiled
def convolve(x, y, u, bias, start, stop, numbers, x_lanes, y_lanes, corners, exits, grid, space):
    """For each block of images: transform the tiles of each channel, multiply, transform back, and add the bias.

    x, y, u and bias are flat. start, stop: which items, each a block and a part of its outputs.
    corners, exits: where the tiles start in a packed channel, and among the results.
    """
    channels, outs, parts, most, panel, x_plane, y_plane, steps, v_step, m_step = numbers
    x_row, y_row, column, x_size, y_size = steps
    tiles, groups, before, u_step = len(corners), -(-outs // ROWS), -1, len(u) // POINTS
    width, zero = -(-tiles // VECTORS) * PAIR, u.dtype.type(0)
    results = x_size
    left = results + y_size
    right = left + POINTS * v_step
    space[:left] = zero
    for item in range(start, stop):
        block, part = item // parts, item % parts
        if block != before:
            for c in range(channels):
                take(space, ZERO, x, c * x_plane, x_lanes, block, WIDTH)
                for t in range(tiles):
                    to = left + (t // VECTORS * channels + c) * PAIR + t % VECTORS * LANES
                    transform_input(space, to, 6 * v_step, v_step, space, corners[t], x_row, column)
        before = block
        last = groups * (part + 1) // parts * ROWS
        for o in range(groups * part // parts * ROWS, last, most):
            rows = min(most, last - o)
            for f in range(POINTS):
                multiply(space, right + f * m_step, width, u, f * u_step + o // ROWS * panel, panel, ONE * ROWS,
                         space, left + f * v_step, channels * PAIR, width, rows, grid, channels, ONE)  # fmt: skip
            for m in range(min(rows, outs - o)):
                for t in range(tiles):
                    at, to = right + m * width + t * LANES, results + exits[t]
                    transform_output(space, to, y_row, column, space, at, 6 * m_step, m_step)
                more = bias[o + m] if len(bias) else zero
                give(y, (o + m) * y_plane, y_lanes, block, WIDTH, space, results, more)


@compiled
def transform_sums(total, first, last, channels, sums, step, width, lanes, space, at):
    """total[o, c, tap] = G.T sums[point, o, c] G for first <= o < last"""
    for o in range(first, last):
        for c in range(0, channels, LANES):
            transform_back(space, at, 3 * LANES, LANES, space, sums + o * width + c, 6 * step, step)
            give(total, o * channels * TAPS, lanes, c // LANES, WIDTH, space, at, total.dtype.type(0))


@compiled
def correlate(x, g, total, start, stop, numbers, x_lanes, g_lanes, w_lanes, corners, exits, grid, space):
    """total[o, c, tap] = the sum over images and tiles, as far as the items go.

    start, stop: which items, each a part of the outputs and, running faster, a unit: a few images and a band.
    """
    channels, outs, parts, units, bands, count, many, x_plane, g_plane, steps, apart = numbers
    x_row, g_row, column, x_size, g_size = steps
    x_step, g_step, sum_step = apart
    tiles, columns, blocks = len(corners), -(-channels // LANES), -(-outs // LANES)
    width, panel = -(-channels // PAIR) * PAIR, many * tiles * LANES
    left = x_size + g_size
    right = left + POINTS * x_step
    sums = right + POINTS * g_step
    space[:right] = total.dtype.type(0)
    for item in range(start, stop):
        part, unit = item // units, item % units
        image, band = unit // bands * many, unit % bands
        images = min(many, count - image)
        first, last = blocks * part // parts, blocks * (part + 1) // parts
        for n in range(images):
            for k in range(columns):
                take(space, ZERO, x, (image + n) * channels * x_plane, x_lanes, band * columns + k, WIDTH)
                for t in range(tiles):
                    to = left + (k // VECTORS * many * tiles + n * tiles + t) * PAIR + k % VECTORS * LANES
                    transform_input(space, to, 6 * x_step, x_step, space, corners[t], x_row, column)
            for k in range(first, last):
                take(space, x_size, g, (image + n) * outs * g_plane, g_lanes, band * blocks + k, WIDTH)
                for t in range(tiles):
                    to = right + k * panel + (n * tiles + t) * LANES
                    transform_gradient(space, to, 6 * g_step, g_step, space, x_size + exits[t], g_row, column)
        fresh, o = np.int64(unit == 0 or item == start), first * LANES
        for f in range(POINTS):
            multiply(space, sums + f * sum_step + o * width, width, space, right + f * g_step + first * panel, panel,
                     WIDTH, space, left + f * x_step, panel * VECTORS, width, last * LANES - o, grid, images * tiles,
                     fresh)  # fmt: skip
        if unit == units - 1 or item == stop - 1:
            transform_sums(total, o, min(last * LANES, outs), channels, sums, sum_step, width, w_lanes, space, right)


# ------------------------------------------------------------------------------------------------ plans


def starts(tiles: int, dilation: int) -> np.ndarray:
    """Where the tiles start along an axis: as many as `dilation` are interleaved."""
    return np.array([SIZE * dilation * k + phase for k in range(tiles) for phase in range(dilation)])


def geometry(spatial: Sizes, padding: Sizes, dilation: Sizes, results: Sizes, rows: int) -> tuple[Any, ...]:
    """For a band of `rows` rows of tiles: tables of input and results, the starts of tiles in both, steps within."""
    square = (SIZE * dilation[0] * rows, -(-results[1] // (SIZE * dilation[1])) * SIZE * dilation[1])
    span = tuple(n + 2 * d for n, d in zip(square, dilation))
    enter = table([np.arange(span[0]), np.arange(spatial[1]) + padding[1]], span, LANES)
    leave = table([np.arange(square[0]), np.arange(results[1])], square, LANES)
    places = [starts(n // (SIZE * d), d) for n, d in zip(square, dilation)]
    corners, exits = flat(places, span) * LANES, flat(places, square) * LANES
    steps = dilation[0] * span[1] * LANES, dilation[0] * square[1] * LANES, dilation[1] * LANES
    sizes = (prod(span) + 1) * LANES, (prod(square) + 1) * LANES
    return enter, leave, corners, exits, (*steps, *sizes)


def grid(depth: int, a_step: int) -> tuple[np.ndarray, ...]:
    """What a tile of a product meets: rows and steps in panels of a_step rows, columns and steps in those of PAIR."""
    steps = np.arange(depth)
    return np.arange(ROWS), steps * a_step, np.arange(VECTORS) * LANES, steps * PAIR


def tiles_of(results: Sizes, dilation: Sizes) -> tuple[int, int]:
    """How many rows of tiles there are, and tiles in a row, those interleaved with others included."""
    down, across = (-(-n // (SIZE * d)) for n, d in zip(results, dilation))
    return down, across * prod(dilation)


CACHE = 1 << 19  # numbers of transformed input that a band should not exceed
TRANSFORM = 1100  # what it costs to bring a tile to its place and transform it, in multiplications of vectors
WEIGHT = 64  # and to transform a kernel


def bands(count: int, channels: int, outs: int, results: Sizes, dilation: Sizes) -> tuple[int, float]:
    """How many rows of tiles a band has, and its work, the least within the cache; empty lanes are work, too."""
    down, across = tiles_of(results, dilation)

    def work(rows: int) -> float:
        blocks = -(-count * -(-down // rows) // LANES)
        columns = -(-rows * across // VECTORS) * VECTORS
        taken = channels * (1 + 1 / (2 * rows))  # two rows more than the SIZE rows of each row of tiles
        transforms = TRANSFORM * rows * across * (taken + outs)
        return blocks * (POINTS * channels * outs * columns + transforms) + WEIGHT * channels * outs

    fit = [rows for rows in range(1, down + 1) if POINTS * channels * rows * across * LANES <= CACHE]
    rows = min(fit or [1], key=work)
    return rows, work(rows)


def able(dtype: np.dtype, kernel: Sizes, stride: Sizes, groups: int) -> bool:
    """Whether it can be used."""
    return dtype == np.float32 and kernel == (3, 3) and stride == (1, 1) and groups == 1


def convolution_plan(
    count: int, spatial: Sizes, reds: int, outs: int, padding: Sizes, dilation: Sizes, results: Sizes, apart: Sizes,
    turned: bool,
) -> Plan:  # fmt: skip
    """apart: how far outputs, and summed channels, are from each other in the weight. turned: by 180 degrees."""
    rows, work = bands(count, reds, outs, results, dilation)
    height = SIZE * dilation[0] * rows
    cut, groups = -(-results[0] // height), -(-outs // ROWS)
    enter, leave, corners, exits, steps = geometry(spatial, padding, dilation, results, rows)
    x_lanes = of_images(count, reds, spatial, cut, -padding[0], height, height + 2 * dilation[0], enter, LANES, True)
    y_lanes = of_images(count, outs, results, cut, 0, height, height, leave, LANES)
    blocks = len(x_lanes.whole)
    parts, most = share(blocks, groups), min(32, groups * ROWS)
    width, panel = -(-len(corners) // VECTORS) * PAIR, -(-reds * ROWS // LANES) * LANES
    v_step, m_step = odd(reds * width), odd(most * width)
    numbers = (reds, outs, parts, most, panel, prod(spatial), prod(results), steps, v_step, m_step)

    channel, output = np.divmod(np.arange(panel), ROWS)
    output = np.minimum(np.arange(groups)[:, None] * ROWS + output, outs - 1)  # where there is none, any
    starts = (np.minimum(channel, reds - 1) * apart[1] + output * apart[0]).ravel()
    taps = np.arange(TAPS)
    where = table([taps[::-1] if turned else taps], (TAPS,), LANES)
    return Plan(
        items=blocks * parts,
        operations=2.0 * LANES * work,
        work=work,
        space=sum(steps[3:]) + POINTS * (v_step + m_step),
        arguments=(numbers, x_lanes, y_lanes, corners, exits, grid(reds, ROWS)),
        weights=slabs(starts, starts * 0, TAPS, (TAPS,), where, LANES, outs * reds * TAPS),
        size=POINTS * odd(groups * panel),
    )


def run_convolution(plan: Plan, x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    """Transform the weights, then the images; all arrays C-contiguous."""
    x, y, w = x.reshape(-1), y.reshape(-1), w.reshape(-1)
    u = np.empty(plan.size, w.dtype)

    def transform_some(start: int, stop: int) -> None:
        transform_weights(w, u, start, stop, plan.weights, workspace((TAPS + 1) * LANES, w.dtype))

    def convolve_some(start: int, stop: int) -> None:
        convolve(x, y, u, bias, start, stop, *plan.arguments, workspace(plan.space, w.dtype))

    spread(transform_some, len(plan.weights.whole), 10.0 * plan.size)
    spread(convolve_some, plan.items, plan.operations)


TILES = 64  # that a product of `correlate` sums over at a time, at most


def correlation_plan(
    count: int, spatial: Sizes, channels: int, outs: int, padding: Sizes, dilation: Sizes, results: Sizes
) -> Plan:
    """For `correlate`, which direct.run_correlation runs."""
    down, across = tiles_of(results, dilation)
    rows = -(-down // -(-down // max(1, TILES // across)))
    many = min(count, max(1, TILES // (rows * across)))
    height = SIZE * dilation[0] * rows
    cut = -(-results[0] // height)
    enter, leave, corners, exits, steps = geometry(spatial, padding, dilation, results, rows)
    x_lanes = of_channels(channels, spatial, cut, -padding[0], height, height + 2 * dilation[0], enter, LANES)
    g_lanes = of_channels(outs, results, cut, 0, height, height, leave, LANES)
    w_lanes = of_channels(channels, (TAPS,), 1, 0, 0, TAPS, table([np.arange(TAPS)], (TAPS,), LANES), LANES)
    units, blocks = -(-count // many) * cut, -(-outs // LANES)
    parts = share(units, blocks)
    tiles, width = many * len(corners), -(-channels // PAIR) * PAIR
    apart = (odd(tiles * width), odd(blocks * tiles * LANES), odd(blocks * LANES * width))
    numbers = (channels, outs, parts, units, cut, count, many, prod(spatial), prod(results), steps, apart)
    vectors = blocks * LANES * width / LANES, -(-channels // LANES) + blocks
    work = units * tiles * (POINTS * vectors[0] + TRANSFORM * vectors[1])
    return Plan(
        items=units * parts,
        operations=2.0 * LANES * work,
        work=work,
        space=sum(steps[3:]) + POINTS * sum(apart),
        arguments=(numbers, x_lanes, g_lanes, w_lanes, corners, exits, grid(tiles, LANES)),
        size=(outs, channels, TAPS),
    )
