"""Direct convolution in Numba: the inner loops. convolution.py says where every number lies.

A convolution is a sum over R pairs (channel, place of the kernel). For one such pair the values that
successive outputs meet stand in a row in memory, when images are padded, and split by their remainder where
the stride is more than 1. So with a table of R offsets into the packed images,

    correlate    out[o, q] += sum over r of w[r, o] * packed[offset[r] + q]
    gram         gw[o, r]  += sum over q of g[o, q] * packed[offset[r] + q]

for flat positions q, the unwanted ones between rows included (they are not copied back). A register tile
does it: a few channels times a few vectors are kept in registers while r, or q, runs.
"""

from __future__ import annotations

from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.compiled import compiled

WIDE = bool(get_host_cpu_features().get("avx512f"))  # 32 registers of 64 bytes; else 16 of 32
BYTES = 64 if WIDE else 32
CHANNELS, VECTORS = (8, 2) if WIDE else (4, 3)  # of a tile of correlate
ROWS, COLUMNS = (4, 4) if WIDE else (2, 4)  # of a tile of gram
CHUNK = 1152  # flat positions at a time: what they meet stays in the second-level cache; a multiple of every tile
DEPTH = 288  # pairs r at a time: the weights of a tile stay in the first-level cache

INT = ir.IntType(64)
intrinsic: Any = numba.extending.intrinsic  # a function that writes the instructions of a function


class Emit:
    """What the two intrinsics share: vectors of one type, loaded and stored at an index of an array."""

    def __init__(self, context: Any, builder: Any, dtype: Any, width: int = BYTES) -> None:
        self.context, self.builder = context, builder
        self.size = 4 if dtype == types.float32 else 8
        self.lanes = width // self.size
        self.scalar = context.get_data_type(dtype)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"  # fused where the processor can
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, name)

    def data(self, array_type: Any, array: Any) -> Any:
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def at(self, index: Any, step: int) -> Any:
        return self.builder.add(index, INT(step))

    def place(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())

    def load(self, pointer: Any, index: Any) -> Any:
        value = self.builder.load(self.place(pointer, index))
        value.align = self.size
        return value

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        self.builder.store(value, self.place(pointer, index)).align = self.size

    def spread(self, value: Any) -> Any:
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, nothing, mask)

    def loop(self, first: Any, last: Any, step: int, start: list, body: Any) -> list:
        """Carry vectors through body(index, vectors) -> vectors, for index from first up to last (at least once)."""
        builder, before = self.builder, self.builder.block
        block, after = builder.append_basic_block("body"), builder.append_basic_block("after")
        builder.branch(block)
        builder.position_at_end(block)
        index = builder.phi(INT)
        index.add_incoming(first, before)
        carried = [builder.phi(self.vector) for _ in start]
        for phi, value in zip(carried, start):
            phi.add_incoming(value, before)
        made = body(index, carried)
        following = self.at(index, step)
        index.add_incoming(following, block)
        for phi, value in zip(carried, made):
            phi.add_incoming(value, block)
        builder.cbranch(builder.icmp_signed("<", following, last), block, after)
        builder.position_at_end(after)
        return made


@intrinsic
def tile(
    typing: Any, out: Any, o: Any, step: Any, packed: Any, p: Any, offset: Any, first: Any, last: Any, w: Any, i: Any
) -> Any:
    """out[o + m * step + v] += sum over r of w[i + r * CHANNELS + m] * packed[p + offset[r] + v], first <= r < last"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, out.dtype)
        pointers = {k: emit.data(signature.args[k], args[k]) for k in (0, 3, 5, 8)}
        rows = [builder.add(args[1], builder.mul(args[2], INT(m))) for m in range(CHANNELS)]
        where = [emit.at(row, v * emit.lanes) for row in rows for v in range(VECTORS)]

        def body(r: Any, sums: list) -> list:
            x = builder.add(args[4], builder.load(builder.gep(pointers[5], [r])))
            xs = [emit.load(pointers[3], emit.at(x, v * emit.lanes)) for v in range(VECTORS)]
            k = builder.add(args[9], builder.mul(r, INT(CHANNELS)))
            ws = (builder.load(builder.gep(pointers[8], [emit.at(k, m)])) for m in range(CHANNELS))
            products = [(weight, x) for weight in map(emit.spread, ws) for x in xs]
            return [builder.call(emit.fma, [x, weight, s]) for (weight, x), s in zip(products, sums)]

        start = [emit.load(pointers[0], index) for index in where]
        for value, index in zip(emit.loop(args[6], args[7], 1, start, body), where):
            emit.store(value, pointers[0], index)
        return context.get_dummy_value()

    return types.void(out, o, step, packed, p, offset, first, last, w, i), generate


@intrinsic
def dots(
    typing: Any, out: Any, o: Any, step: Any, g: Any, i: Any, apart: Any, packed: Any, p: Any, offset: Any, r: Any,
    n: Any,
) -> Any:  # fmt: skip
    """out[o + m * step + k] += sum over q < n of g[i + m * apart + q] * packed[p + offset[r + k] + q]

    for m below ROWS and k below COLUMNS; n is a multiple of the lanes.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, out.dtype)
        pointers = {k: emit.data(signature.args[k], args[k]) for k in (0, 3, 6, 8)}
        gs = [builder.add(args[4], builder.mul(args[5], INT(m))) for m in range(ROWS)]
        table = [builder.load(builder.gep(pointers[8], [emit.at(args[9], k)])) for k in range(COLUMNS)]
        xs = [builder.add(args[7], place) for place in table]

        def body(q: Any, sums: list) -> list:
            left = [emit.load(pointers[3], builder.add(row, q)) for row in gs]
            right = [emit.load(pointers[6], builder.add(x, q)) for x in xs]
            pairs = [(a, b) for a in left for b in right]
            return [builder.call(emit.fma, [a, b, s]) for (a, b), s in zip(pairs, sums)]

        zero = ir.Constant(emit.vector, None)
        sums = emit.loop(INT(0), args[10], emit.lanes, [zero] * (ROWS * COLUMNS), body)
        kind = ir.FunctionType(emit.scalar, [emit.scalar, emit.vector])
        name = f"llvm.vector.reduce.fadd.v{emit.lanes}f{8 * emit.size}"
        add = cgutils.get_or_insert_function(builder.module, kind, name)
        for k, vector in enumerate(sums):
            row = builder.add(args[1], builder.mul(args[2], INT(k // COLUMNS)))
            pointer = builder.gep(pointers[0], [emit.at(row, k % COLUMNS)])
            builder.store(builder.call(add, [builder.load(pointer), vector], fastmath=["reassoc"]), pointer)
        return context.get_dummy_value()

    return types.void(out, o, step, g, i, apart, packed, p, offset, r, n), generate


@intrinsic
def copy(typing: Any, to: Any, i: Any, apart: Any, source: Any, j: Any, step: Any, n: Any) -> Any:
    """to[i + apart * k] = source[j + step * k] for k below n, unchecked; in vectors where both steps are 1"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype, 32)
        there, here = (emit.data(signature.args[k], args[k]) for k in (0, 3))
        _, i, apart, _, j, step, n = args
        one = builder.icmp_signed("==", builder.mul(apart, step), INT(1))
        whole = builder.select(one, builder.and_(n, INT(-emit.lanes)), INT(0))
        with cgutils.for_range_slice(builder, INT(0), whole, INT(emit.lanes), INT) as (k, _):
            emit.store(emit.load(here, builder.add(j, k)), there, builder.add(i, k))
        with cgutils.for_range_slice(builder, whole, n, INT(1), INT) as (k, _):
            value = builder.load(builder.gep(here, [builder.add(j, builder.mul(step, k))]))
            builder.store(value, builder.gep(there, [builder.add(i, builder.mul(apart, k))]))
        return context.get_dummy_value()

    return types.void(to, i, apart, source, j, step, n), generate


@intrinsic
def fill(typing: Any, to: Any, i: Any, n: Any, value: Any) -> Any:
    """to[i + k] = value for k below n, without the checks of indexing; n is a multiple of 16."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype)
        there = emit.data(signature.args[0], args[0])
        vector = emit.spread(args[3])
        with cgutils.for_range_slice(builder, INT(0), args[2], INT(emit.lanes), INT) as (k, _):
            emit.store(vector, there, builder.add(args[1], k))
        return context.get_dummy_value()

    return types.void(to, i, n, to.dtype), generate


# -------------------------------------------------------------------------------- packing and unpacking


@compiled
def bounds(count, stride, shift, size):
    """The first and the last + 1 of u below `count` with 0 <= stride * u + shift < size."""
    low = min(max(0, -(shift // stride)), count)
    return low, max(low, min(count, (size - 1 - shift) // stride + 1))


@compiled
def pack(x, size, image, images, first, last, stride, padding, phases, span, pitch, out, o, plane):
    """out[channel, phase, image, u] = x[image, channel, stride * u + phase - padding], zero outside, planes apart.

    x is flat, `size` its channels, depth, height and width; first, last: the channels to pack. span: how many u
    there are on each axis. pitch: how far apart they are laid, which is less than the span where the zeros after
    one row are also those before the next.
    """
    zero = x.dtype.type(0)
    for channel in range(first, last):
        for phase in range(len(phases)):
            fill(out, o, plane, zero)
            d0, h0, w0 = phases[phase, 0] - padding[0], phases[phase, 1] - padding[1], phases[phase, 2] - padding[2]
            first_d, last_d = bounds(span[0], stride[0], d0, size[1])
            first_h, last_h = bounds(span[1], stride[1], h0, size[2])
            first_w, last_w = bounds(span[2], stride[2], w0, size[3])
            for b in range(images):
                for u in range(first_d, last_d):
                    d = ((image + b) * size[0] + channel) * size[1] + stride[0] * u + d0
                    for v in range(first_h, last_h):
                        row = (d * size[2] + stride[1] * v + h0) * size[3] + w0
                        to = o + ((b * pitch[0] + u) * pitch[1] + v) * pitch[2]
                        copy(out, to + first_w, 1, x, row + stride[2] * first_w, stride[2], last_w - first_w)
            o += plane


@compiled
def unpack(packed, p, step, x, size, image, images, first, last, stride, padding, phase, span, pitch):
    """x[image, channel, stride * u + phase - padding] = packed[channel, image, u], planes `step` apart"""
    d0, h0, w0 = phase[0] - padding[0], phase[1] - padding[1], phase[2] - padding[2]
    first_d, last_d = bounds(span[0], stride[0], d0, size[1])
    first_h, last_h = bounds(span[1], stride[1], h0, size[2])
    first_w, last_w = bounds(span[2], stride[2], w0, size[3])
    for channel in range(first, last):
        for b in range(images):
            for u in range(first_d, last_d):
                d = ((image + b) * size[0] + channel) * size[1] + stride[0] * u + d0
                for v in range(first_h, last_h):
                    row = (d * size[2] + stride[1] * v + h0) * size[3] + w0
                    at = p + ((b * pitch[0] + u) * pitch[1] + v) * pitch[2]
                    copy(x, row + stride[2] * first_w, stride[2], packed, at + first_w, 1, last_w - first_w)
        p += step


@compiled
def pack_weight(w, groups, outs, reds, out_step, red_step, taps, sets, packed):
    """The weights in the order in which tiles read them: group, set of taps, tile, channel summed over, tap, channel.

    w is flat: w[group, ...] with the channel of the result at `out_step` and the one summed over at `red_step`.
    """
    i = 0
    for group in range(groups):
        base = group * outs * reds * len(taps)
        for s in range(len(sets)):
            for t in range(0, outs, CHANNELS):
                for red in range(reds):
                    for k in range(sets[s, 0], sets[s, 1]):
                        for o in range(t, t + CHANNELS):
                            packed[i] = w[base + o * out_step + red * red_step + taps[k]] if o < outs else 0
                            i += 1


# ------------------------------------------------------------------------------------- the three sums


@compiled
def correlate(out, o, step, packed, offset, first, last, w, i, outs, count, advance):
    """out[o, q] += sum over r of w[r, o] * packed[offset[r] + q] for q below count, in tiles of `advance` positions."""
    for chunk in range(0, count, CHUNK):
        for r in range(first, last, DEPTH):
            end = min(last, r + DEPTH)
            for t in range(0, outs, CHANNELS):
                weights = i + ((last - first) * (t // CHANNELS) - first) * CHANNELS
                for q in range(chunk, min(chunk + CHUNK, count), advance):
                    tile(out, o + t * step + q, step, packed, q, offset, r, end, w, weights)


@compiled
def convolve_images(x, y, w, bias, start, stop, groups, plan, sizes, phases, offset, sets, space):
    """Pack each block of images, correlate it with each set of taps, and copy the results to their phase of y.

    x, y and w are flat. start, stop: which images; or, where an image is cut into bands of rows, which bands of
    all. plan: whole numbers, and sizes: those on three axes, as convolution.py names them. sets (n, 5): from where
    to where in `offset` a set of taps goes, and the phase of its results. bias: one number a channel of y, or none.
    space: for the packed planes, and the results, `step` apart.
    """
    reds, outs, block, bands, plane, step, advance = plan
    x_size, y_size, enter, before, leave, after, span, results, pitch = sizes
    first = reds * len(phases) * plane
    tiles = -(-outs // CHANNELS) * CHANNELS
    origin, zero = np.int64(0), x.dtype.type(0)  # a plain 0 would be compiled as a kind of its own
    for item in range(start, stop, block):
        image, top, images = item // bands, item % bands * results[1], min(block, stop - item)
        above = (before[0], before[1] - top * enter[1], before[2])
        below = (after[0], after[1] - top * leave[1], after[2])
        count = images * pitch[0] * pitch[1] * pitch[2]
        weights = origin
        for group in range(groups):
            a, b = group * reds, group * outs
            pack(x, x_size, image, images, a, a + reds, enter, above, phases, span, pitch, space, origin, plane)
            for s in range(len(sets)):
                for k in range(tiles):
                    fill(space, first + k * step, step, bias[b + k] if k < outs and len(bias) else zero)
                r, end = sets[s, 0], sets[s, 1]
                if r < end:
                    correlate(space, first, step, space, offset, r, end, w, weights, outs, count, advance)
                weights += tiles * (end - r)
                phase = (sets[s, 2], sets[s, 3], sets[s, 4])
                unpack(space, first, step, y, y_size, image, images, b, b + outs, leave, below, phase, results, pitch)


@compiled
def correlate_weight(x, g, out, start, stop, groups, plan, sizes, phases, offset, space, lanes):
    """out[group, o, r] += sum over images and q of g[o, q] * packed[offset[r] + q]; out is padded to whole tiles."""
    reds, outs, block, bands, plane, step, _ = plan
    x_size, g_size, enter, before, one, _, span, results, pitch = sizes
    first = reds * len(phases) * plane
    size = -(-outs // ROWS) * ROWS * len(offset)
    origin, whole = np.int64(0), phases[:1] * 0
    for item in range(start, stop, block):
        image, top, images = item // bands, item % bands * results[1], min(block, stop - item)
        above, below = (before[0], before[1] - top * enter[1], before[2]), (origin, -top, origin)
        count = images * pitch[0] * pitch[1] * pitch[2]
        for group in range(groups):
            a, b = group * reds, group * outs
            pack(x, x_size, image, images, a, a + reds, enter, above, phases, span, pitch, space, origin, plane)
            pack(g, g_size, image, images, b, b + outs, one, below, whole, results, pitch, space, first, step)
            for q in range(0, count, CHUNK):
                n = min(CHUNK, -(-(count - q) // lanes) * lanes)
                for o in range(0, outs, ROWS):
                    at = group * size + o * len(offset)
                    for r in range(0, len(offset), COLUMNS):
                        dots(out, at + r, len(offset), space, first + o * step + q, step, space, q, offset, r, n)
