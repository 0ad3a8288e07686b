"""Direct convolution, without copying what a window meets (Zhang, Franchetti and Low 2018, arXiv:1809.10170).

Images stand in the lanes (lanes.py), so a place of a channel is a vector, and a convolution is, for all outputs o and
places q, with a table of R offsets, one for each pair of a channel and a place of the kernel,

    convolve   out[o, q] = sum over r of weight[r, o] * packed[place[q] + offset[r]]

where a tile of some outputs and some places is kept in registers while r runs. The gradient of the input is the same
with other tables: one set of pairs for each remainder by the stride. The gradient of the weight is

    correlate  gw[r, o] = sum over images and q of x[place[q] + offset[r]] * g[q, o]

with the outputs in the lanes, and x as it is, with zeros around it; where outputs are few, products of vectors
with images in their lanes are summed instead (`correlate_few`).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.kernels.compiled import compiled, workspace
from tinygrad_lite.kernels.lanes import Plan, Sizes, flat, give, of_channels, of_images, share, table, take
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.vectors import BYTES, DOTS, ROWS, VECTORS, copy, dots, tile

DEPTH = 288  # pairs r at a time: the weights of a tile stay in the first-level cache
FEW, ALONE = ROWS // 2, 1  # rows of the narrower tiles

tile_many, tile_few, tile_alone = tile(ROWS, VECTORS), tile(FEW, VECTORS * 2), tile(ALONE, ROWS)
ZERO = np.int64(0)


@compiled
def sums(rows, out, o, step, fresh, w, i, lines, n, steps, b, places, first, last, offset, begin, end, width):
    """out[o + m, q] (+)= sum of w[lines[n + m] + steps[r]] * b[places[q] + offset[r]] for a tile's rows m, and all q."""
    if rows == ROWS:
        for q in range(first, last, VECTORS):
            tile_many(out, o + q * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, q, offset, begin, end)
    elif rows == FEW:
        for q in range(first, last, VECTORS * 2):
            tile_few(out, o + q * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, q, offset, begin, end)
    else:
        for q in range(first, last, ROWS):
            tile_alone(out, o + q * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, q, offset, begin, end)


@compiled
def convolve(x, y, w, bias, start, stop, numbers, x_lanes, y_lanes, enter, leave, lines, steps, places, offset, sets, space):
    """Gather each block of images, sum for each set of taps, and scatter the results.

    x, y, w and bias are flat. start, stop: which items, each a block and a part of its channels.
    sets (n, 4): from where to where in `places`, and from where to where in `offset`, a set goes.
    """
    width, groups, reds, outs, rows, parts, x_plane, y_plane, size, step = numbers
    tiles, before, weights = -(-outs // rows), -1, len(w) // groups
    results, zero = reds * size, w.dtype.type(0)
    space[: results + tiles * rows * step] = zero
    for item in range(start, stop):
        block, part = item // parts, item % parts
        first, last = tiles * part // parts, tiles * (part + 1) // parts
        for group in range(groups):
            if block != before or groups > 1:
                for c in range(reds):
                    take(space, c * size, enter, x, (group * reds + c) * x_plane, x_lanes, block, width)
            for s in range(len(sets)):
                q, q_end, r, r_end = sets[s, 0], sets[s, 1], sets[s, 2], sets[s, 3]
                for begin in range(r, r_end, DEPTH):
                    end = min(r_end, begin + DEPTH)
                    for t in range(first, last):
                        sums(rows, space, results + t * rows * step, step, np.int64(begin == r), w, group * weights, lines,
                             t * rows, steps, space, places, q, q_end, offset, begin, end, width)  # fmt: skip
            for o in range(first * rows, min(last * rows, outs)):
                k = group * outs + o
                more = bias[k] if len(bias) else zero
                give(y, k * y_plane, y_lanes, block, width, space, results + o * step, leave, more)
        before = block


@compiled
def correlate(x, g, total, start, stop, numbers, lines, steps, both, panel, rows, firsts, g_lanes, leave, space):
    """total[group, r, o] += sum over images and places of x[lines[r] + steps[q]] * g[o, q]

    start, stop: which items, each a few images and a band. rows (n, 3): which row of a slab, where it lies in x, and
    where among the packed ones. panel: where vector after vector of g lies, one for each place of each image.
    """
    width, groups, reds, outs, bands, count, many, x_plane, g_plane, size, columns, x_rows, row, places = numbers
    blocks, zero = -(-outs // width), total.dtype.type(0)
    pad = -(-outs // (VECTORS * width)) * VECTORS * width
    pairs = len(lines)
    left = -(-reds * many * size // width) * width  # so that no vector lies across two lines of a cache
    each = (many * places + 1) * VECTORS * width
    space[: left + pad // (VECTORS * width) * each] = zero
    for item in range(start, stop):
        image, band = item // bands * many, item % bands
        images = min(many, count - image)
        for group in range(groups):
            for n in range(images):
                for c in range(reds):
                    source = (((image + n) * groups + group) * reds + c) * x_plane + firsts[band] * row
                    to = (c * many + n) * size
                    for k in range(len(rows)):
                        if 0 <= firsts[band] + rows[k, 0] < x_rows:
                            copy(space, to + rows[k, 2], x, source + rows[k, 1], columns)
                        else:
                            space[to + rows[k, 2] : to + rows[k, 2] + columns] = zero
                for o in range(blocks):
                    to = left + o // VECTORS * each + (n * places * VECTORS + o % VECTORS) * width
                    take(space, to, leave, g, ((image + n) * groups + group) * outs * g_plane, g_lanes,
                         band * blocks + o, width)  # fmt: skip
            for o in range(0, pad, VECTORS * width):
                for r in range(0, pairs, ROWS):
                    at = (group * pairs + r) * pad + o
                    tile_many(total, at, pad, ZERO, space, ZERO, lines, r, steps, space, left + o // (VECTORS * width) * each,
                              both, ZERO, panel, ZERO, images * places)  # fmt: skip


@compiled
def correlate_few(x, g, total, start, stop, numbers, x_lanes, g_lanes, enter, leave, places, taps, space):
    """total[group, o, c, tap] += sum over images and places of x[places[q] + taps[tap]] * g[q], images in the lanes."""
    width, groups, reds, outs, x_plane, g_plane, size = numbers
    space[: 2 * size + len(leave) * width] = total.dtype.type(0)
    for block in range(start, stop):
        for group in range(groups):
            for c in range(reds):
                take(space, ZERO, enter, x, (group * reds + c) * x_plane, x_lanes, block, width)
                for o in range(outs):
                    take(space, size, leave, g, (group * outs + o) * g_plane, g_lanes, block, width)
                    at = ((group * outs + o) * reds + c) * len(taps)
                    for k in range(0, len(taps), DOTS):
                        dots(total, at + k, space, size, space, ZERO, taps, k, places, len(places))


# ------------------------------------------------------------------------------------------------ plans


class Phase(NamedTuple):
    """Results along one axis that meet the same places of the kernel."""

    results: np.ndarray  # where they are
    starts: np.ndarray  # for each, a place in the packed input
    taps: np.ndarray  # which places of the kernel
    moves: np.ndarray  # for each, how far from a start it meets the input


class Axis(NamedTuple):
    first: int  # the packed input starts at this place of the input, which may lie before it
    span: int  # and so many places are packed
    phases: list[Phase]


def forward(n: int, k: int, s: int, p: int, d: int) -> Axis:
    """n results, each s * i - p + d * tap."""
    places, taps = np.arange(n), np.arange(k)
    return Axis(-p, (n - 1) * s + (k - 1) * d + 1, [Phase(places, s * places, taps, d * taps)])


def backward(n: int, k: int, s: int, p: int, d: int) -> Axis:
    """n results j, each from the places (j + p - d * tap) / s that are whole numbers: a phase for each remainder."""
    first = -((d * (k - 1) - p) // s)
    places, taps = np.arange(n), np.arange(k)
    phases = []
    for phase in range(s):
        j, t = places[(places + p) % s == phase], taps[d * taps % s == phase]
        phases.append(Phase(j, (j + p - phase) // s - first, t, (phase - d * t) // s))
    return Axis(first, max(1, (n - 1 + p) // s - first + 1), phases)


def rows_of_tile(outs: int) -> int:
    return ALONE if outs == 1 else FEW if outs <= FEW else ROWS


CHUNKS = {ROWS: VECTORS, FEW: VECTORS * 2, ALONE: ROWS}  # places of a tile, by its rows
CACHE = 1 << 20  # bytes of packed input and results: they stay in the second-level cache
READ = 6  # what it costs to read a weight, in multiplications
MOVE = 40  # what it costs to transpose a vector, in multiplications


@lru_cache(maxsize=1024)
def convolution_plan(
    kind: Any, count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes,
    steps: Sizes, kept: tuple[bool, ...] | None, itemsize: int,
) -> Plan:  # fmt: skip
    """kind: `forward` or `backward`. steps: how far apart in the weight outputs and summed channels are.

    kept: which places of the kernel there are, if not all.
    """
    stride, padding, dilation, groups = window
    lanes, rows = BYTES // itemsize, rows_of_tile(outs)
    chunk, tiles = CHUNKS[rows], -(-outs // rows)
    inner = [kind(*each) for each in zip(results[1:], kernel[1:], stride[1:], padding[1:], dilation[1:])]
    unit = 1 if kind is forward else stride[0]

    def outer(height: int) -> Axis:
        return kind(height, kernel[0], stride[0], padding[0], dilation[0])

    def packed(height: int) -> int:
        return (reds * outer(height).span * prod(a.span for a in inner) + outs * height * prod(results[1:])) * lanes

    def whole(numbers: int) -> int:
        return -(-numbers // lanes) * lanes

    def work(height: int) -> float:
        blocks = -(-count * -(-results[0] // height) // lanes)
        places = -(-height * prod(results[1:]) // chunk) * chunk
        moved = reds * whole(outer(height).span * prod(spatial[1:])) + outs * whole(height * prod(results[1:]))
        sums = tiles * rows * reds * prod(kernel) / (1 if kind is forward else prod(stride))
        return blocks * (sums * (places + READ) + MOVE * moved)

    heights = range(unit, results[0] + unit, unit)
    height = min([h for h in heights if packed(h) * itemsize <= CACHE] or heights[:1], key=work)
    axes = [outer(height), *inner]
    cut, spans = -(-results[0] // height), tuple(a.span for a in axes)
    size = (prod(spans) + 1) * lanes

    places: list[np.ndarray] = []
    offset: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    sets = []
    leave = np.zeros(height * prod(results[1:]), np.int64)
    q = r = 0
    for phases in product(*(a.phases for a in axes)):
        at, starts = flat([f.results for f in phases], (height, *results[1:])), flat([f.starts for f in phases], spans)
        which, moves = flat([f.taps for f in phases], kernel), flat([f.moves for f in phases], spans)
        if kept is not None:
            keep = np.array(kept, bool)[which]
            which, moves = which[keep], moves[keep]
        more = np.pad(starts, (0, -len(starts) % chunk), mode="edge") if len(starts) else starts
        leave[at] = (q + np.arange(len(at))) * lanes
        pairs = (np.arange(reds)[:, None] * size + moves * lanes).ravel()
        sets.append((q, q + len(more), r, r + len(pairs)))
        q, r = q + len(more), r + len(pairs)
        places.append(more * lanes)
        offset.append(pairs)
        weights.append((np.arange(reds)[:, None] * steps[1] + which).ravel())

    step = (q + 1) * lanes
    first, apart = axes[0].first, height * stride[0] if kind is forward else height // stride[0]
    x_lanes = of_images(count, groups * reds, spatial, cut, first, apart, axes[0].span, lanes, True)
    y_lanes = of_images(count, groups * outs, results, cut, 0, height, height, lanes)
    inside = [np.arange(spans[0]), *(np.arange(n) - a.first for n, a in zip(spatial[1:], inner))]
    parts = share(len(x_lanes.whole), tiles)
    numbers = (lanes, groups, reds, outs, rows, parts, prod(spatial), prod(results), size, step)
    leave = np.pad(leave, (0, -len(leave) % lanes), constant_values=q * lanes)
    return Plan(
        items=len(x_lanes.whole) * parts,
        operations=2.0 * groups * outs * len(x_lanes.starts) * sum((b - a) * (d - c) for a, b, c, d in sets),
        space=reds * size + tiles * rows * step,
        arguments=(
            numbers, x_lanes, y_lanes, table(inside, spans, lanes), leave,
            np.minimum(np.arange(tiles * rows), outs - 1) * steps[0], np.concatenate(weights), np.concatenate(places),
            np.concatenate(offset), np.array(sets),
        ),
    )  # fmt: skip


def run_convolution(plan: Plan, x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    """Convolve x into y; all arrays flat."""

    def task(start: int, stop: int) -> None:
        convolve(x, y, w, bias, start, stop, *plan.arguments, workspace(plan.space, w.dtype))

    spread(task, plan.items, plan.operations)


PLACES = 256  # of g, at least, that are summed at a time, if there are so many


@lru_cache(maxsize=1024)
def correlation_plan(
    count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes, itemsize: int
) -> Plan:
    """The gradient of the weight, with the outputs in the lanes."""
    stride, padding, dilation, groups = window
    if len(spatial) == 1:
        spatial, results, kernel = (1, *spatial), (1, *results), (1, *kernel)
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    lanes = BYTES // itemsize
    pair = VECTORS * lanes
    height = min(results[0], max(1, PLACES // prod(results[1:])))
    cut = -(-results[0] // height)
    axes = [forward(*each) for each in zip((height, *results[1:]), kernel, stride, padding, dilation)]
    spans = tuple(a.span for a in axes)
    size, places = prod(spans), height * prod(results[1:])
    many = min(count, max(1, PLACES // places)) if cut == 1 else 1
    starts, moves = (flat([getattr(a.phases[0], name) for a in axes], spans) for name in ("starts", "moves"))
    lines = (np.arange(reds)[:, None] * many * size + moves).ravel()
    pairs = len(lines)
    lines = np.pad(lines, (0, -pairs % ROWS))
    steps = (np.arange(many)[:, None] * size + starts).ravel()

    inner, length = [np.arange(n) + p for n, p in zip(spatial[1:-1], padding[1:-1])], spatial[-1]
    columns = max(0, min(length, spans[-1] - padding[-1]))
    row = flat([np.arange(spans[0]), *inner], spans[:-1])
    keep = table([np.arange(spans[0]), *inner], spans[:-1], 1) < prod(spans[:-1])
    band = np.repeat(np.arange(spans[0]), prod(spatial[1:-1]))
    rows = np.stack([band, np.arange(len(row)) * length, row * spans[-1] + padding[-1]], 1)[keep]
    if spans == spatial and not any(padding):  # all in one
        rows, columns = rows[:1], size

    g_lanes = of_channels(outs, results, cut, 0, height, height, lanes)
    leave = table([np.arange(height), *map(np.arange, results[1:])], (height, *results[1:]), lanes) * VECTORS
    pad = -(-outs // pair) * pair
    numbers = (
        lanes, groups, reds, outs, cut, count, many, prod(spatial), prod(results), size, columns, spatial[0],
        prod(spatial[1:]), places,
    )  # fmt: skip
    return Plan(
        items=-(-count // many) * cut,
        operations=2.0 * groups * outs * pairs * count * prod(results),
        space=reds * many * size + lanes + pad // pair * (many * places + 1) * pair,
        arguments=(
            numbers, lines, steps, np.arange(VECTORS) * lanes, np.arange(many * places) * pair, rows, np.arange(cut) * height * stride[0] - padding[0],
            g_lanes, leave,
        ),
        size=(groups, len(lines), pad),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def few_plan(
    count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes, itemsize: int
) -> Plan:
    """The gradient of the weight, with images in the lanes."""
    stride, padding, dilation, groups = window
    lanes = BYTES // itemsize
    inner = [forward(*each) for each in zip(results[1:], kernel[1:], stride[1:], padding[1:], dilation[1:])]

    def outer(height: int) -> Axis:
        return forward(height, kernel[0], stride[0], padding[0], dilation[0])

    def work(height: int) -> float:
        blocks = -(-count * -(-results[0] // height) // lanes)
        moved = outer(height).span * prod(spatial[1:]) + outs * height * prod(results[1:])
        return blocks * (outs * prod(kernel) * height * prod(results[1:]) + MOVE * moved)

    fit = [h for h in range(1, results[0] + 1) if 2 * outer(h).span * prod(a.span for a in inner) * BYTES <= CACHE]
    height = min(fit or [1], key=work)
    axes = [outer(height), *inner]
    cut, spans = -(-results[0] // height), tuple(a.span for a in axes)
    x_lanes = of_images(count, groups * reds, spatial, cut, axes[0].first, height * stride[0], spans[0], lanes, True)
    g_lanes = of_images(count, groups * outs, results, cut, 0, height, height, lanes)
    inside = [np.arange(spans[0]), *(np.arange(n) - a.first for n, a in zip(spatial[1:], inner))]
    leave = table([np.arange(height), *map(np.arange, results[1:])], (height, *results[1:]), lanes)
    starts, moves = (flat([getattr(a.phases[0], name) for a in axes], spans) * lanes for name in ("starts", "moves"))
    size = (max(prod(spans), height * prod(results[1:])) + 1) * lanes
    numbers = (lanes, groups, reds, outs, prod(spatial), prod(results), size)
    return Plan(
        items=len(x_lanes.whole),
        operations=2.0 * groups * reds * outs * prod(kernel) * count * prod(results),
        space=2 * size,
        arguments=(
            numbers, x_lanes, g_lanes, table(inside, spans, lanes), leave, starts, np.pad(moves, (0, -len(moves) % DOTS)),
        ),
        size=(groups * outs * reds, -(-len(moves) // DOTS) * DOTS),
    )  # fmt: skip


def run_correlation(plan: Plan, loop: Any, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The sums of all items, in order, whichever thread has them; loop: `correlate` or `correlate_few`."""
    found: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        total = np.zeros(plan.size, x.dtype)
        loop(x, g, total.reshape(-1), start, stop, *plan.arguments, workspace(plan.space, x.dtype))
        found[start] = total

    spread(task, plan.items, plan.operations)
    return sum(found[start] for start in sorted(found))
