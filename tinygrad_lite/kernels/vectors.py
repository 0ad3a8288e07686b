"""The instructions that the convolutions are made of, written as LLVM vectors: loads, transposes, tiles of sums.

Numba compiles plain loops over small arrays to a tenth of what a processor can do, for the accumulators live in memory.
An `intrinsic` writes the instructions of a function itself, so that a tile of sums stays in registers while a
loop runs (Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication", section 6).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numba.extending
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.compiled import NARROW

WIDE = bool(get_host_cpu_features().get("avx512f")) and not NARROW
BYTES = 64 if WIDE else 32  # 32 registers of 64 bytes; else 16 of 32
ROWS, VECTORS = (8, 2) if WIDE else (4, 2)  # of a tile of sums
DOTS = 8  # inner products at a time

NEAR, NEXT = 3, 2  # the first- and the second-level cache, for `fetch`

INT = ir.IntType(64)
SHORT = ir.IntType(32)
intrinsic: Any = numba.extending.intrinsic


class Emit:
    """What the intrinsics share: vectors of one type, loaded and stored at an index of an array."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.context, self.builder = context, builder
        self.size = 4 if dtype == types.float32 else 8
        self.lanes = BYTES // self.size
        self.scalar = context.get_data_type(dtype)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.vector, None)
        self.name = f"v{self.lanes}f{8 * self.size}"

    def data(self, array_type: Any, array: Any) -> Any:
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def function(self, name: str, result: Any, *kinds: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, kinds), name)

    def at(self, index: Any, step: int) -> Any:
        return self.builder.add(index, INT(step))

    def number(self, pointer: Any, index: Any) -> Any:
        return self.builder.load(self.builder.gep(pointer, [index]))

    def place(self, pointer: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(pointer, [index]), self.vector.as_pointer())

    def load(self, pointer: Any, index: Any) -> Any:
        value = self.builder.load(self.place(pointer, index))
        value.align = self.size
        return value

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        self.builder.store(value, self.place(pointer, index)).align = self.size

    def unaligned(self, pointer: Any, index: Any, most: Any) -> Any:
        """How many numbers from there on come before the first aligned vector; `most` if they are more."""
        address = self.builder.ptrtoint(self.builder.gep(pointer, [index]), INT)
        count = self.builder.udiv(self.builder.and_(self.builder.neg(address), INT(BYTES - 1)), INT(self.size))
        return self.builder.select(self.builder.icmp_signed("<", count, most), count, most)

    def fetch(self, where: Any, level: int, write: bool = False) -> None:
        """Have what a pointer is at in a cache soon; harmless if it lies outside of the array."""
        fetch = self.function("llvm.prefetch.p0", ir.VoidType(), where.type, SHORT, SHORT, SHORT)
        self.builder.call(fetch, [where, SHORT(int(write)), SHORT(level), SHORT(1)])

    def store_past(self, value: Any, pointer: Any, index: Any) -> None:
        """Past the caches, to where a whole vector is aligned: the line isn't read first, and pushes no other out."""
        store = self.builder.store(value, self.place(pointer, index))
        store.align = BYTES
        store.set_metadata("nontemporal", self.builder.module.add_metadata([SHORT(1)]))

    def mask(self, p: Any, low: Any, high: Any) -> Any:
        """Which lanes k have low <= p + k < high, numbers below 2 ** 31: p + k - low < high - low without signs."""
        kind = ir.VectorType(SHORT, self.lanes)
        start, count = (self.builder.trunc(self.builder.sub(value, low), SHORT) for value in (p, high))
        each = self.builder.add(self.same(start, kind), ir.Constant(kind, list(range(self.lanes))))
        return self.builder.icmp_unsigned("<", each, self.same(count, kind))

    def load_some(self, pointer: Any, index: Any, mask: Any) -> Any:
        """Zero where the mask is, and nothing is read there."""
        kinds = [self.vector.as_pointer(), SHORT, mask.type, self.vector]
        load = self.function(f"llvm.masked.load.{self.name}.p0", self.vector, *kinds)
        return self.builder.call(load, [self.place(pointer, index), SHORT(self.size), mask, self.zero])

    def store_some(self, value: Any, pointer: Any, index: Any, mask: Any) -> None:
        kinds = [self.vector, self.vector.as_pointer(), SHORT, mask.type]
        store = self.function(f"llvm.masked.store.{self.name}.p0", ir.VoidType(), *kinds)
        self.builder.call(store, [value, self.place(pointer, index), SHORT(self.size), mask])

    def same(self, value: Any, kind: Any = None) -> Any:
        """The value in every lane."""
        kind = kind or self.vector
        nothing = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(nothing, value, SHORT(0))
        return self.shuffle(one, nothing, [0] * self.lanes)

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(SHORT, self.lanes), lanes))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, fused where the processor can."""
        return self.builder.call(self.function(f"llvm.fmuladd.{self.name}", self.vector, *[self.vector] * 3), [a, b, c])

    def transposed(self, rows: list) -> list:
        """The square matrix of these rows, transposed: exchange off-diagonal blocks of 1, 2, 4, ... elements."""
        n, step = self.lanes, 1
        while step < n:
            upper = [k if not k & step else n + k - step for k in range(n)]
            lower = [k + step if not k & step else n + k for k in range(n)]
            rows = [self.shuffle(rows[k & ~step], rows[k | step], lower if k & step else upper) for k in range(n)]
            step *= 2
        return rows

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
        once_more = builder.cbranch(builder.icmp_signed("<", following, last), block, after)
        once_more.set_metadata("llvm.loop", self.as_it_is())
        builder.position_at_end(after)
        return made

    def as_it_is(self) -> Any:
        """Tell the compiler not to unroll a loop: its vectors fill the registers."""
        module = self.builder.module
        rule = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        node = module.add_metadata([rule, ir.MetaDataString(module, f"loop {len(module.metadata)}")])
        node.operands = (node, rule)  # the first operand of a loop's node is itself
        return node

    def times(self, matrix: tuple, vectors: list) -> list:
        """matrix @ vectors. The sums over even and over odd columns are shared by rows that differ in their sign."""
        sums: dict[tuple, Any] = {}

        def total(weights: tuple) -> Any:
            if weights not in sums:
                value = None
                for weight, vector in zip(weights, vectors):
                    if weight and value is None:
                        factor = ir.Constant(self.vector, [float(weight)] * self.lanes)
                        value = vector if weight == 1 else self.builder.fmul(vector, factor)
                    elif weight:
                        value = self.fma(vector, ir.Constant(self.vector, [float(weight)] * self.lanes), value)
                sums[weights] = value
            return sums[weights]

        def row(weights: tuple) -> Any:
            even = tuple(0 if k % 2 else w for k, w in enumerate(weights))
            odd = tuple(w if k % 2 else 0 for k, w in enumerate(weights))
            if not any(even) or not any(odd):
                return total(weights)
            minus = tuple(-w for w in odd)
            if minus in sums:
                return self.builder.fsub(total(even), sums[minus])
            return self.builder.fadd(total(even), total(odd))

        return [row(weights) for weights in matrix]


def tile(rows: int, vectors: int) -> Any:
    """The innermost loop of all products: an intrinsic that keeps rows * vectors sums in registers."""

    @intrinsic
    def run(
        typing: Any, out: Any, o: Any, step: Any, fresh: Any, a: Any, i: Any, lines: Any, n: Any, steps: Any, b: Any,
        j: Any, places: Any, q: Any, offset: Any, first: Any, last: Any,
    ) -> Any:  # fmt: skip
        """out[o + m * step + v] (+)= sum of a[i + lines[n + m] + steps[r]] * b[j + places[q + v] + offset[r]]

        over first <= r < last, for m below `rows` and v below `vectors`, which counts vectors; b and out have numbers
        for every lane, a has one for all. fresh: the sums start from zero.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emit(context, builder, out.dtype)
            arrays = (0, 4, 6, 8, 9, 11, 13)
            sums, left, row, down, right, column, along = (emit.data(signature.args[k], args[k]) for k in arrays)
            lefts = [
                builder.gep(left, [builder.add(args[5], emit.number(row, emit.at(args[7], m)))]) for m in range(rows)
            ]
            rights = [builder.add(args[10], emit.number(column, emit.at(args[12], v))) for v in range(vectors)]
            starts = [builder.add(args[1], builder.mul(args[2], INT(m))) for m in range(rows)]
            where = [emit.at(start, v * emit.lanes) for start in starts for v in range(vectors)]

            def body(r: Any, totals: list) -> list:
                at, add = emit.number(down, r), emit.number(along, r)
                xs = [emit.load(right, builder.add(place, add)) for place in rights]
                weights = [emit.same(emit.number(pointer, at)) for pointer in lefts]
                return [emit.fma(x, w, s) for (w, x), s in zip(product(weights, xs), totals)]

            new = builder.icmp_signed("!=", args[3], INT(0))
            start = [builder.select(new, emit.zero, emit.load(sums, index)) for index in where]
            for value, index in zip(emit.loop(args[14], args[15], 1, start, body), where):
                emit.store(value, sums, index)
            return context.get_dummy_value()

        return types.void(out, o, step, fresh, a, i, lines, n, steps, b, j, places, q, offset, first, last), generate

    return run


@intrinsic
def dots(typing: Any, out: Any, o: Any, a: Any, i: Any, b: Any, j: Any, taps: Any, k: Any, places: Any, n: Any) -> Any:
    """out[o + t] += sum over q < n and lanes of a[i + q * lanes] * b[j + taps[k + t] + places[q]] for t below DOTS"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, out.dtype)
        c, left, right, table, moves = (emit.data(signature.args[m], args[m]) for m in (0, 2, 4, 6, 8))
        starts = [builder.add(args[5], emit.number(table, emit.at(args[7], t))) for t in range(DOTS)]

        def body(q: Any, sums: list) -> list:
            one = emit.load(left, builder.add(args[3], builder.mul(q, INT(emit.lanes))))
            at = emit.number(moves, q)
            return [emit.fma(one, emit.load(right, builder.add(start, at)), s) for start, s in zip(starts, sums)]

        sums = emit.loop(INT(0), args[9], 1, [emit.zero] * DOTS, body)
        total = emit.function(f"llvm.vector.reduce.fadd.{emit.name}", emit.scalar, emit.scalar, emit.vector)
        for t, value in enumerate(sums):
            pointer = builder.gep(c, [emit.at(args[1], t)])
            builder.store(builder.call(total, [builder.load(pointer), value], fastmath=["reassoc"]), pointer)
        return context.get_dummy_value()

    return types.void(out, o, a, i, b, j, taps, k, places, n), generate


@intrinsic
def settle(typing: Any) -> Any:
    """After this, other threads see what was stored past the caches."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def copy(typing: Any, to: Any, i: Any, source: Any, j: Any, n: Any) -> Any:
    """to[i + k] = source[j + k] for k below n"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype)
        there, here = (emit.data(signature.args[k], args[k]) for k in (0, 2))
        whole = builder.and_(args[4], INT(-emit.lanes))
        with cgutils.for_range_slice(builder, INT(0), whole, INT(emit.lanes), INT) as (k, _):
            emit.store(emit.load(here, builder.add(args[3], k)), there, builder.add(args[1], k))
        with builder.if_then(builder.icmp_signed("<", whole, args[4])):
            mask = emit.mask(whole, INT(0), args[4])
            value = emit.load_some(here, builder.add(args[3], whole), mask)
            emit.store_some(value, there, builder.add(args[1], whole), mask)
        return context.get_dummy_value()

    return types.void(to, i, source, j, n), generate


@intrinsic
def gather(
    typing: Any, to: Any, t: Any, where: Any, source: Any, s: Any, starts: Any, low: Any, high: Any, lane: Any, p: Any,
    whole: Any,
) -> Any:  # fmt: skip
    """to[t + where[p + k] + l] = source[s + starts[lane + l] + p + k] for lanes k and l

    and zero, unread, unless low[lane + l] <= p + k < high[lane + l]; which need not be asked if `whole`.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype)
        there, table, here, begin, least, most = (emit.data(signature.args[k], args[k]) for k in (0, 2, 3, 5, 6, 7))
        lanes = [emit.at(args[8], k) for k in range(emit.lanes)]
        base = builder.add(args[4], args[9])
        places = [builder.add(base, emit.number(begin, lane)) for lane in lanes]

        def put(rows: list) -> None:
            for k, row in enumerate(emit.transposed(rows)):
                emit.store(row, there, builder.add(args[1], emit.number(table, emit.at(args[9], k))))

        with builder.if_else(builder.icmp_signed("!=", args[10], INT(0))) as (then, otherwise):
            with then:
                put([emit.load(here, place) for place in places])
            with otherwise:
                masks = [emit.mask(args[9], emit.number(least, lane), emit.number(most, lane)) for lane in lanes]
                put([emit.load_some(here, place, mask) for place, mask in zip(places, masks)])
        return context.get_dummy_value()

    return types.void(to, t, where, source, s, starts, low, high, lane, p, whole), generate


@intrinsic
def scatter(
    typing: Any, to: Any, t: Any, starts: Any, low: Any, high: Any, lane: Any, source: Any, s: Any, where: Any, p: Any,
    whole: Any, plus: Any,
) -> Any:  # fmt: skip
    """to[t + starts[lane + l] + p + k] = source[s + where[p + k] + l] + plus, the inverse of `gather`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, to.dtype)
        there, begin, least, most, here, table = (emit.data(signature.args[k], args[k]) for k in (0, 2, 3, 4, 6, 8))
        lanes = [emit.at(args[5], k) for k in range(emit.lanes)]
        base = builder.add(args[1], args[9])
        places = [builder.add(base, emit.number(begin, lane)) for lane in lanes]
        extra = emit.same(args[11])
        each = [
            emit.load(here, builder.add(args[7], emit.number(table, emit.at(args[9], k)))) for k in range(emit.lanes)
        ]
        rows = emit.transposed([builder.fadd(value, extra) for value in each])
        with builder.if_else(builder.icmp_signed("!=", args[10], INT(0))) as (then, otherwise):
            with then:
                for row, place in zip(rows, places):
                    emit.store(row, there, place)
            with otherwise:
                for row, place, lane in zip(rows, places, lanes):
                    emit.store_some(
                        row, there, place, emit.mask(args[9], emit.number(least, lane), emit.number(most, lane))
                    )
        return context.get_dummy_value()

    return types.void(to, t, starts, low, high, lane, source, s, where, p, whole, to.dtype), generate


def transform(left: tuple[tuple[float, ...], ...], right: tuple[tuple[float, ...], ...]) -> Any:
    """An intrinsic that computes left @ matrix @ right.T, in every lane."""

    @intrinsic
    def apply(
        typing: Any, to: Any, t: Any, down: Any, across: Any, source: Any, s: Any, below: Any, beside: Any
    ) -> Any:
        """to[t + i * down + j * across] = sum of left[i, k] * source[s + k * below + l * beside] * right[j, l]"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emit(context, builder, to.dtype)
            there, here = (emit.data(signature.args[k], args[k]) for k in (0, 4))

            def index(start: Any, k: int, step: Any, m: int, other: Any) -> Any:
                return builder.add(start, builder.add(builder.mul(step, INT(k)), builder.mul(other, INT(m))))

            columns = []
            for m in range(len(right[0])):
                column = [emit.load(here, index(args[5], k, args[6], m, args[7])) for k in range(len(left[0]))]
                columns.append(emit.times(left, column))
            for k in range(len(left)):
                for m, value in enumerate(emit.times(right, [column[k] for column in columns])):
                    emit.store(value, there, index(args[1], k, args[2], m, args[3]))
            return context.get_dummy_value()

        return types.void(to, t, down, across, source, s, below, beside), generate

    return apply
