"""Depthwise convolution of stride 1: each plane with a kernel of its own, so that nothing is summed over channels.

A plane is copied into a buffer with its padding, whose rows follow each other in memory. There the values that a place
of the kernel meets, for all results one after the other, are one stretch: with `pitch` the length of a padded row,

    y[q] = sum over places t of w[t] * padded[q + offset[t]],    q = row * pitch + column

for all q, those in the padding at the end of a row included, which are not copied back. So a block of results, whatever
the shape of the plane, is a few vectors next to each other, whose sums stay in registers over all places. The gradient
of the input is the same with the kernel turned round, and that of the weight the inner products of y's gradient with
these stretches.

A large plane is done in bands of rows, so that both buffers stay in the first-level cache.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.compiled import LINE, compiled, workspace
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.vectors import BYTES, INT, Emit, copy, intrinsic

Sizes = tuple[int, ...]

BLOCK = 8  # vectors of results at a time
TAPS = 3  # places of the kernel whose inner products are taken at a time
BAND = 1 << 14  # bytes of results at a time: with what they meet they fit the first-level cache
ZERO = np.int64(0)


@intrinsic
def weigh(typing: Any, to: Any, w: Any, k: Any, source: Any, offset: Any, start: Any, count: Any) -> Any:
    """to[q] = start + sum over t < len(offset) of w[k + t] * source[q + offset[t]] for q < count, whole blocks"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype)
        there, weights, here, places = (emit.data(signature.args[m], args[m]) for m in (0, 1, 3, 4))
        taps = context.make_array(offset)(context, builder, args[4]).nitems
        sums = [emit.same(args[5])] * BLOCK
        with cgutils.for_range_slice(builder, INT(0), args[6], INT(BLOCK * emit.lanes), INT) as (q, _):

            def body(t: Any, totals: list) -> list:
                weight, at = emit.number(weights, builder.add(args[2], t)), builder.add(q, emit.number(places, t))
                met = [emit.load(here, emit.at(at, v * emit.lanes)) for v in range(BLOCK)]
                return [emit.fma(emit.same(weight), x, total) for x, total in zip(met, totals)]

            for v, value in enumerate(emit.loop(INT(0), taps, 1, sums, body)):
                emit.store(value, there, emit.at(q, v * emit.lanes))
        return context.get_dummy_value()

    return types.void(to, w, k, source, offset, to.dtype, count), generate


@intrinsic
def meet(typing: Any, g: Any, source: Any, offset: Any, t: Any, count: Any) -> Any:
    """The sums over q < count, whole blocks, of g[q] * source[q + offset[t + k]], for k < TAPS."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, unroll = Emit(context, builder, g.dtype), BLOCK // 2
        left, right, places = (emit.data(signature.args[m], args[m]) for m in (0, 1, 2))
        starts = [emit.number(places, emit.at(args[3], k)) for k in range(TAPS)]

        def body(q: Any, totals: list) -> list:
            made = []
            for v in range(unroll):
                at = emit.at(q, v * emit.lanes)
                one, sums = emit.load(left, at), totals[v * TAPS : (v + 1) * TAPS]
                others = [emit.load(right, builder.add(at, start)) for start in starts]
                made += [emit.fma(one, other, total) for other, total in zip(others, sums)]
            return made

        zeros = [emit.zero] * (TAPS * unroll)
        totals = emit.loop(INT(0), args[4], unroll * emit.lanes, zeros, body)
        add = emit.function(f"llvm.vector.reduce.fadd.{emit.name}", emit.scalar, emit.scalar, emit.vector)
        results = []
        for k in range(TAPS):
            total = totals[k]
            for part in totals[k + TAPS :: TAPS]:
                total = builder.fadd(total, part)
            results.append(builder.call(add, [emit.scalar(0.0), total], fastmath=["reassoc"]))
        return context.make_tuple(builder, signature.return_type, results)

    return types.UniTuple(g.dtype, TAPS)(g, source, offset, t, count), generate


@compiled
def enter(planes, p, size, padded, pitch, rows, top, left):
    """padded[row, column] = plane[row - top, column - left], or 0 above and below the plane.

    `planes` is flat. Columns to the left and right of the plane are left alone: there are zeros already.
    """
    height, width = size
    first = max(0, -left)
    count = max(0, min(width, pitch - left) - first)
    for row in range(rows):
        h, to = row - top, row * pitch + left + first
        if 0 <= h < height:
            copy(padded, to, planes, (p * height + h) * width + first, count)
        else:
            padded[to : to + count] = 0


@compiled
def each_plane(x, w, bias, y, sizes, offset, space, start, stop):
    """Planes start ... stop of y, a band after the other; x, w and y flat."""
    before, (height, width), (band, pitch, more), (top, left), (room, count) = sizes
    taps, zero = len(offset), w.dtype.type(0)
    channels = len(w) // taps
    padded, total = space[:room], space[room : room + count]
    padded[:] = 0
    for p in range(start, stop):
        c = p % channels
        for first in range(0, height, band):
            rows = min(band, height - first)
            enter(x, p, before, padded, pitch, rows + more, top - first, left)
            weigh(total, w, c * taps, padded, offset, bias[c] if len(bias) else zero, rows * pitch)
            for h in range(rows):
                copy(y, (p * height + first + h) * width, total, h * pitch, width)


@compiled
def each_weight(x, g, out, sizes, offset, space, start, stop):
    """out[c, t] += the sums of the planes start ... stop of x and g, flat."""
    before, after, (band, pitch, more), (top, left), (room, count) = sizes
    padded, pull = space[:room], space[room : room + count]
    padded[:] = 0
    pull[:] = 0
    for p in range(start, stop):
        c = p % len(out)
        for first in range(0, after[0], band):
            enter(x, p, before, padded, pitch, band + more, top - first, left)
            enter(g, p, after, pull, pitch, band, -first, ZERO)
            for t in range(0, len(offset), TAPS):
                for k, total in enumerate(meet(pull, padded, offset, t, count)):
                    out[c, t + k] += total


@lru_cache(maxsize=1024)
def layout(
    kernel: Sizes, padding: Sizes, dilation: Sizes, spatial: Sizes, results: Sizes, dtype: np.dtype
) -> tuple[Any, np.ndarray, int]:
    """Sizes of the planes, of a band and where x lies in it, and of the buffers; the offsets of places; the space.

    The last offset is repeated so that there are groups of TAPS.
    """
    one = (1,) * (2 - len(kernel))
    (kh, kw), (dh, dw), before, after = (one + sizes for sizes in (kernel, dilation, spatial, results))
    pitch, more = after[1] + (kw - 1) * dw, (kh - 1) * dh
    band = min(after[0], max(1, more, BAND // (pitch * dtype.itemsize)))
    offset = (np.arange(kh)[:, None] * dh * pitch + np.arange(kw) * dw).ravel()
    offset = np.append(offset, offset[-1:].repeat(-offset.size % TAPS))
    block, line = BLOCK * BYTES // dtype.itemsize, LINE // dtype.itemsize
    count = -(-band * pitch // block) * block
    room = -(-(count + int(offset[-1])) // line) * line
    return (before, after, (band, pitch, more), (0, *padding)[-2:], (room, count)), offset, room + count


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray, padding: Sizes, dilation: Sizes) -> None:
    """y = x convolved, a kernel w[c, 0] for each channel. All C-contiguous; bias may be empty."""
    sizes, offset, space = layout(w.shape[2:], padding, dilation, x.shape[2:], y.shape[2:], x.dtype)
    given = x.reshape(-1), w.reshape(-1), bias, y.reshape(-1), sizes, offset[: w[0].size]

    def task(start: int, stop: int) -> None:
        each_plane(*given, workspace(space, x.dtype), start, stop)

    spread(task, x.shape[0] * x.shape[1], 2.0 * y.size * w[0].size)


def convolve_turned(
    y: np.ndarray, w: np.ndarray, bias: np.ndarray, x: np.ndarray, padding: Sizes, dilation: Sizes
) -> None:
    """x = the gradient of the input, where y is that of the result, + bias, which may be empty."""
    kernel = w.shape[2:]
    turned = np.ascontiguousarray(np.flip(w, tuple(range(2, w.ndim))))
    back = tuple((k - 1) * d - p for k, d, p in zip(kernel, dilation, padding))
    convolve(y, turned, bias, x, back, dilation)


def weight_gradient(x: np.ndarray, y: np.ndarray, kernel: Sizes, padding: Sizes, dilation: Sizes) -> np.ndarray:
    """(C, places): the gradient of the weight, where y is that of the result."""
    sizes, offset, space = layout(kernel, padding, dilation, x.shape[2:], y.shape[2:], x.dtype)
    given, shape = (x.reshape(-1), y.reshape(-1)), (x.shape[1], len(offset))
    parts: dict[int, np.ndarray] = {}

    def task(start: int, stop: int) -> None:
        parts[start] = np.zeros(shape)
        each_weight(*given, parts[start], sizes, offset, workspace(space, x.dtype), start, stop)

    spread(task, x.shape[0] * x.shape[1], 2.0 * y.size * len(offset))
    return sum((parts[start] for start in sorted(parts)), np.zeros(1)).astype(x.dtype)[:, : prod(kernel)]
