"""Direct convolution, without copying what a window meets (Zhang, Franchetti and Low 2018, arXiv:1809.10170).

Images stand in the lanes (lanes.py), so a place of a channel is a vector, and a convolution is, for all outputs o and
places q, with a table of R offsets, one for each pair of a channel and a place of the kernel,

    convolve   out[o, q] = sum over r of weight[r, o] * packed[place[q] + offset[r]]

where a tile of some outputs and some places is kept in registers while r runs. The gradient of the input is the same
with other tables: one set of pairs for each remainder by the stride. The gradient of the weight is

    correlate  gw[r, o] = sum over images and q of x[place[q] + offset[r]] * g[q, o]

with the outputs in the lanes, and x as it is, with zeros around it; where outputs are few, as in a depthwise
convolution, products of vectors with images in their lanes are summed instead (`correlate_few`). A NaN or Inf spreads
as it should, but in the gradient of the weight it may reach all places of the kernel.
"""

from __future__ import annotations

from functools import reduce
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
tile_thin = tile(ROWS * VECTORS, 1)
ZERO = np.int64(0)


@compiled
def sums(rows, out, o, step, fresh, w, i, lines, n, steps, b, places, q, q_end, offset, r, r_end, width):
    """out[o + m, q] (+)= sum over r of w[lines[n + m] + steps[r]] * b[places[q] + offset[r]], rows m of a tile"""
    if rows == ROWS:
        for k in range(q, q_end, VECTORS):
            tile_many(out, o + k * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, k, offset, r, r_end)
    elif rows == FEW:
        for k in range(q, q_end, VECTORS * 2):
            tile_few(out, o + k * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, k, offset, r, r_end)
    else:
        for k in range(q, q_end, ROWS):
            tile_alone(out, o + k * width, step, fresh, w, i, lines, n, steps, b, ZERO, places, k, offset, r, r_end)


@compiled
def convolve(x, y, w, bias, start, stop, numbers, x_lanes, y_lanes, lines, steps, places, offset, sets, space):
    """Gather each block of images, sum for each set of pairs, and scatter the results.

    x, y, w and bias are flat. start, stop: which items, each a block and a part of its outputs.
    lines, steps: where in w an output and a pair lie. sets (n, 4): which places, and which pairs, belong together.
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
                    take(space, c * size, x, (group * reds + c) * x_plane, x_lanes, block, width)
            for s in range(len(sets)):
                q, q_end, r_first, r_last = sets[s, 0], sets[s, 1], sets[s, 2], sets[s, 3]
                for r in range(r_first, r_last, DEPTH):
                    fresh, r_end = np.int64(r == r_first), min(r_last, r + DEPTH)
                    for t in range(first, last):
                        o = results + t * rows * step
                        sums(rows, space, o, step, fresh, w, group * weights, lines, t * rows, steps, space, places, q,
                             q_end, offset, r, r_end, width)  # fmt: skip
            for o in range(first * rows, min(last * rows, outs)):
                k = group * outs + o
                more = bias[k] if len(bias) else zero
                give(y, k * y_plane, y_lanes, block, width, space, results + o * step, more)
        before = block


@compiled
def correlate(x, g, total, start, stop, numbers, g_lanes, lines, steps, columns, offset, rows, firsts, space):
    """total[group, r, o] += sum over images and places q of x[lines[r] + steps[q]] * g[o, q]

    start, stop: which items, each a few images and a band. rows (n, 3): which row of a slab, where it lies in x, and
    where among those copied, `length` numbers each. firsts: the first row of a band. columns, offset: where the
    vectors of a pair, and those of each place of each image, lie in g.
    """
    width, vectors, groups, reds, outs, bands, count, many = numbers[:8]
    x_plane, g_plane, size, length, x_rows, row, places = numbers[8:]
    pair, blocks, zero = vectors * width, -(-outs // width), total.dtype.type(0)
    pad = -(-outs // pair) * pair
    right = -(-reds * many * size // width) * width  # so that no vector lies across two lines of a cache
    panel = (many * places + 1) * pair
    space[: right + pad // pair * panel] = zero
    for item in range(start, stop):
        image, band = item // bands * many, item % bands
        images = min(many, count - image)
        for group in range(groups):
            for n in range(images):
                one = (image + n) * groups + group
                for c in range(reds):
                    here, there = (one * reds + c) * x_plane + firsts[band] * row, (c * many + n) * size
                    for k in range(len(rows)):
                        if 0 <= firsts[band] + rows[k, 0] < x_rows:
                            copy(space, there + rows[k, 2], x, here + rows[k, 1], length)
                        else:
                            space[there + rows[k, 2] : there + rows[k, 2] + length] = zero
                for o in range(blocks):
                    to = right + o // vectors * panel + (n * places * vectors + o % vectors) * width
                    take(space, to, g, one * outs * g_plane, g_lanes, band * blocks + o, width)
            for o in range(0, pad, pair):
                for r in range(0, len(lines), ROWS if vectors > 1 else ROWS * VECTORS):
                    at, panel_at = (group * len(lines) + r) * pad + o, right + o // pair * panel
                    if vectors > 1:
                        tile_many(total, at, pad, ZERO, space, ZERO, lines, r, steps, space, panel_at, columns, ZERO,
                                  offset, ZERO, images * places)  # fmt: skip
                    else:
                        tile_thin(total, at, pad, ZERO, space, ZERO, lines, r, steps, space, panel_at, columns, ZERO,
                                  offset, ZERO, images * places)  # fmt: skip


@compiled
def correlate_few(x, g, total, start, stop, numbers, x_lanes, g_lanes, places, taps, space):
    """total[group, o, c, tap] += sum over images and places of x[places[q] + taps[tap]] * g[q], images in the lanes."""
    width, groups, reds, outs, x_plane, g_plane, size = numbers
    space[: 2 * size] = total.dtype.type(0)
    for block in range(start, stop):
        for group in range(groups):
            for c in range(reds):
                take(space, ZERO, x, (group * reds + c) * x_plane, x_lanes, block, width)
                for o in range(outs):
                    take(space, size, g, (group * outs + o) * g_plane, g_lanes, block, width)
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


CACHE = 1 << 19  # bytes of packed input and results, to stay in the second-level cache beside weights
READ = 6  # what it costs to read a weight, in multiplications of vectors
MOVE = 40  # what it costs to bring a vector to its place


def band(
    kind: Any, count: int, spatial: Sizes, results: Sizes, kernel: Sizes, window: tuple, planes: tuple[int, int],
    products: float, itemsize: int,
) -> tuple[int, list[Axis], float]:  # fmt: skip
    """The height of a band of results, the axes it needs, and its work, the least among those that fit into the cache.

    planes: how many of the input and of the results are packed at a time. products: multiplications for a place.
    """
    stride, padding, dilation, _ = window
    lanes, inner_results, inner_spatial = BYTES // itemsize, prod(results[1:]), prod(spatial[1:])
    inner = [kind(*each) for each in zip(results[1:], kernel[1:], stride[1:], padding[1:], dilation[1:])]

    def outer(height: int) -> Axis:
        return kind(height, kernel[0], stride[0], padding[0], dilation[0])

    def fits(height: int) -> bool:
        packed = outer(height).span * prod(a.span for a in inner)
        return (planes[0] * packed + planes[1] * height * inner_results) * BYTES <= CACHE

    def work(height: int) -> float:
        blocks = -(-count * -(-results[0] // height) // lanes)
        taken, given = outer(height).span * inner_spatial, height * inner_results
        moved = sum(n * -(-size // lanes) * lanes for n, size in zip(planes, (taken, given)))
        return blocks * (products * (given + READ) + MOVE * moved)

    step = 1 if kind is forward else stride[0]  # so that every band has the same phases
    heights = range(step, results[0] + step, step)
    height = min([h for h in heights if fits(h)] or heights[:1], key=work)
    return height, [outer(height), *inner], work(height)


def convolution_plan(
    kind: Any, count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes,
    apart: Sizes, kept: tuple[bool, ...] | None, itemsize: int,
) -> Plan:  # fmt: skip
    """kind: `forward` or `backward`. apart: how far outputs, and summed channels, are from each other in the weight.

    kept: which places of the kernel are summed, if not all.
    """
    groups, lanes = window[3], BYTES // itemsize
    rows = ALONE if outs == 1 else FEW if outs <= FEW else ROWS
    chunk = {ROWS: VECTORS, FEW: VECTORS * 2, ALONE: ROWS}[rows]  # places of a tile
    tiles = -(-outs // rows)
    pairs = reds * (prod(kernel) if kept is None else sum(kept))
    products = tiles * rows * pairs / (1 if kind is forward else prod(window[0]))
    height, axes, work = band(kind, count, spatial, results, kernel, window, (reds, outs), products, itemsize)
    spans, slab = tuple(a.span for a in axes), (height, *results[1:])
    size = (prod(spans) + 1) * lanes

    places, offset, steps, sets = [], [], [], []
    leave = np.zeros(prod(slab), np.int64)
    q = r = 0
    for phases in product(*(a.phases for a in axes)):
        at, starts = flat([f.results for f in phases], slab), flat([f.starts for f in phases], spans)
        taps, moves = flat([f.taps for f in phases], kernel), flat([f.moves for f in phases], spans)
        if kept is not None:
            taps, moves = taps[np.array(kept)[taps]], moves[np.array(kept)[taps]]
        if len(starts):
            starts = np.pad(starts, (0, -len(starts) % chunk), mode="edge")
        sets.append((q, q + len(starts), r, r + reds * len(taps)))
        leave[at] = (q + np.arange(len(at))) * lanes
        places.append(starts * lanes)
        offset.append((np.arange(reds)[:, None] * size + moves * lanes).ravel())
        steps.append((np.arange(reds)[:, None] * apart[1] + taps).ravel())
        q, r = q + len(starts), r + reds * len(taps)

    cut, step = -(-results[0] // height), (q + 1) * lanes
    enter = table([np.arange(spans[0]), *(np.arange(n) - a.first for n, a in zip(spatial[1:], axes[1:]))], spans, lanes)
    leave = np.pad(leave, (0, -len(leave) % lanes), constant_values=q * lanes)
    move = height * window[0][0] if kind is forward else height // window[0][0]
    x_lanes = of_images(count, groups * reds, spatial, cut, axes[0].first, move, spans[0], enter, lanes, True)
    y_lanes = of_images(count, groups * outs, results, cut, 0, height, height, leave, lanes)
    parts = share(len(x_lanes.whole), tiles)
    numbers = (lanes, groups, reds, outs, rows, parts, prod(spatial), prod(results), size, step)
    lines = np.minimum(np.arange(tiles * rows), outs - 1) * apart[0]
    return Plan(
        items=len(x_lanes.whole) * parts,
        operations=2.0 * groups * outs * len(x_lanes.starts) * sum((b - a) * (d - c) for a, b, c, d in sets),
        work=groups * work,
        space=reds * size + tiles * rows * step,
        arguments=(
            numbers, x_lanes, y_lanes, lines, *map(np.concatenate, (steps, places, offset)), np.array(sets),
        ),
    )  # fmt: skip


def run_convolution(plan: Plan, x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> None:
    """Convolve x into y; all arrays C-contiguous."""
    x, y, w = x.reshape(-1), y.reshape(-1), w.reshape(-1)

    def task(start: int, stop: int) -> None:
        convolve(x, y, w, bias, start, stop, *plan.arguments, workspace(plan.space, w.dtype))

    spread(task, plan.items, plan.operations)


PLACES = 256  # of g, at least, that are summed at a time, if there are so many


def correlation_plan(
    count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes, itemsize: int
) -> Plan:
    """For `correlate`."""
    stride, padding, dilation, groups = window
    if len(spatial) == 1:  # rows are copied, so there must be an axis of them
        spatial, results, kernel = (1, *spatial), (1, *results), (1, *kernel)
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    lanes = BYTES // itemsize
    vectors = VECTORS if outs > lanes else 1
    pair = vectors * lanes
    height = min(results[0], max(1, PLACES // prod(results[1:])))
    cut, slab = -(-results[0] // height), (height, *results[1:])
    axes = [forward(*each) for each in zip(slab, kernel, stride, padding, dilation)]
    spans, places = tuple(a.span for a in axes), prod(slab)
    size, many = prod(spans), min(count, max(1, PLACES // places)) if cut == 1 else 1
    starts, moves = (flat([getattr(a.phases[0], name) for a in axes], spans) for name in ("starts", "moves"))
    lines = (np.arange(reds)[:, None] * many * size + moves).ravel()
    steps = (np.arange(many)[:, None] * size + starts).ravel()

    inside = [np.arange(spans[0]), *(np.arange(n) + p for n, p in zip(spatial[1:-1], padding[1:-1]))]
    keep = table(inside, spans[:-1], 1) < prod(spans[:-1])
    of_slab = np.repeat(np.arange(spans[0]), prod(spatial[1:-1]))
    to = flat(inside, spans[:-1]) * spans[-1] + padding[-1]
    rows = np.stack([of_slab, np.arange(len(to)) * spatial[-1], to], 1)[keep]
    length = max(0, min(spatial[-1], spans[-1] - padding[-1]))
    if spans == spatial and not any(padding):  # all in one
        rows, length = rows[:1], size

    where = table([*map(np.arange, slab)], slab, lanes) * vectors
    g_lanes = of_channels(outs, results, cut, 0, height, height, where, lanes)
    pad = -(-outs // pair) * pair
    numbers = (
        lanes, vectors, groups, reds, outs, cut, count, many, prod(spatial), prod(results), size, length, spatial[0],
        prod(spatial[1:]), places,
    )  # fmt: skip
    lines = np.pad(lines, (0, -len(lines) % (ROWS * VECTORS // vectors)))
    return Plan(
        items=-(-count // many) * cut,
        operations=2.0 * groups * outs * len(lines) * count * prod(results),
        # A tile of one vector waits for what it loads, and takes about as long for it as the other for two.
        work=groups * len(lines) * pad / lanes * VECTORS / vectors * count * prod(results),
        space=reds * many * size + lanes + pad // pair * (many * places + 1) * pair,
        arguments=(
            numbers, g_lanes, lines, steps, np.arange(vectors) * lanes, np.arange(many * places) * pair, rows,
            np.arange(cut) * height * stride[0] - padding[0],
        ),
        size=(groups, len(lines), pad),
    )  # fmt: skip


def few_plan(
    count: int, spatial: Sizes, reds: int, outs: int, results: Sizes, window: tuple, kernel: Sizes, itemsize: int
) -> Plan:
    """For `correlate_few`."""
    groups, lanes = window[3], BYTES // itemsize
    products = outs * prod(kernel)
    height, axes, work = band(forward, count, spatial, results, kernel, window, (1, outs), products, itemsize)
    cut, spans, slab = -(-results[0] // height), tuple(a.span for a in axes), (height, *results[1:])
    enter = table([np.arange(spans[0]), *(np.arange(n) - a.first for n, a in zip(spatial[1:], axes[1:]))], spans, lanes)
    where = table([*map(np.arange, slab)], slab, lanes)
    move = height * window[0][0]
    x_lanes = of_images(count, groups * reds, spatial, cut, axes[0].first, move, spans[0], enter, lanes, True)
    g_lanes = of_images(count, groups * outs, results, cut, 0, height, height, where, lanes)
    places, moves = (flat([getattr(a.phases[0], name) for a in axes], spans) * lanes for name in ("starts", "moves"))
    taps = np.pad(moves, (0, -len(moves) % DOTS))
    size = (max(prod(spans), prod(slab)) + 1) * lanes
    return Plan(
        items=len(x_lanes.whole),
        operations=2.0 * groups * reds * products * count * prod(results),
        work=groups * reds * work,
        space=2 * size,
        arguments=((lanes, groups, reds, outs, prod(spatial), prod(results), size), x_lanes, g_lanes, places, taps),
        size=(groups * outs * reds, len(taps)),
    )


def run_correlation(plan: Plan, loop: Any, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The sums of all items; loop: `correlate`, `correlate_few` or that of Winograd's algorithm. Both C-contiguous."""
    x, g = x.reshape(-1), g.reshape(-1)
    found: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        total = np.zeros(plan.size, x.dtype)
        loop(x, g, total.reshape(-1), start, stop, *plan.arguments, workspace(plan.space, x.dtype))
        found[start] = total

    spread(task, plan.items, plan.operations)
    return reduce(np.add, (found[start] for start in sorted(found)))  # in order, to be the same every time
