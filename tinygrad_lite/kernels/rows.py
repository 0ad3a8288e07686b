"""A formula of vectors, applied along rows that are of the same place in several arrays, with sums of what it gives.

Where rows are short, as the places of a small image, a loop that the compiler makes vectors of costs more around each
row than in it: it checks whether arrays overlap, and adds up the lanes of its sums. Here the loops are written out, and
sums stay in vectors over all rows of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.vectors import INT, NEXT, Emit, intrinsic

TOGETHER = 4  # vectors of a row at a time, each with sums of its own

Formula = Callable[[Emit, list, list, list], tuple[list, list]]
"""(emit, vectors that were read, numbers in all lanes, sums so far) -> (vectors to write, sums)."""


def along(formula: Formula, sums: int) -> Any:
    """An intrinsic that applies a formula with so many sums."""

    @intrinsic
    def run(
        typing: Any, outputs: Any, inputs: Any, start: Any, apart: Any, count: Any, length: Any, numbers: Any,
        ahead: Any,
    ) -> Any:  # fmt: skip
        """outputs[...][p] = formula(inputs[...][p]) for each row start + k apart <= p < start + k apart + length

        with k below count. outputs, inputs: tuples of flat arrays, which don't overlap unless they are the same.
        ahead: 0, or the result, which is one then, is written past the caches, which takes `settle` in the end, and
        meanwhile the inputs are fetched that lie so much further on. Returns a tuple of the sums.
        """
        dtype = inputs[0].dtype

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emit(context, builder, dtype)
            to, source = (
                [emit.data(kind, array) for kind, array in zip(kinds, cgutils.unpack_tuple(builder, arrays))]
                for kinds, arrays in ((outputs, args[0]), (inputs, args[1]))
            )
            each = zip(numbers, cgutils.unpack_tuple(builder, args[6]))
            given = [emit.same(context.cast(builder, value, kind, dtype)) for kind, value in each]
            totals = [[cgutils.alloca_once_value(builder, emit.zero) for _ in range(sums)] for _ in range(TOGETHER)]

            def at(place: Any, total: list, past: bool, mask: Any = None) -> None:
                """Apply the formula to the vectors at a place, or to what the mask leaves of them."""
                read = [emit.load(p, place) if mask is None else emit.load_some(p, place, mask) for p in source]
                before = [builder.load(t) for t in total]
                written, after = formula(emit, read, given, before)
                for pointer, value in zip(to, written):
                    if mask is not None:
                        emit.store_some(value, pointer, place, mask)
                    elif past:
                        emit.store_past(value, pointer, place)
                    else:
                        emit.store(value, pointer, place)
                for pointer in source if past else []:
                    emit.fetch(emit.place(pointer, builder.add(place, args[7])), NEXT)
                for pointer, new, old in zip(total, after, before):
                    builder.store(new if mask is None else builder.select(mask, new, old), pointer)

            def sweep(first: Any, length: Any, past: bool) -> None:
                """Apply it to a row."""
                whole, many = builder.and_(length, INT(-emit.lanes)), INT(TOGETHER * emit.lanes)
                most = builder.sub(whole, builder.srem(whole, many))
                with cgutils.for_range_slice(builder, INT(0), most, many, INT) as (k, _):
                    for n, total in enumerate(totals):
                        at(builder.add(first, emit.at(k, n * emit.lanes)), total, past)
                with cgutils.for_range_slice(builder, most, whole, INT(emit.lanes), INT) as (k, _):
                    at(builder.add(first, k), totals[0], past)
                with builder.if_then(builder.icmp_signed("<", whole, length)):
                    at(builder.add(first, whole), totals[0], past, emit.mask(whole, INT(0), length))

            def sweep_past(first: Any) -> None:
                """Up to the first aligned vector on its own, for only whole ones can be written past the caches."""
                begin = emit.unaligned(to[0], first, args[5])
                with builder.if_then(builder.icmp_signed("<", INT(0), begin)):
                    at(first, totals[0], True, emit.mask(INT(0), INT(0), begin))
                sweep(builder.add(first, begin), builder.sub(args[5], begin), True)

            with cgutils.for_range(builder, args[4], intp=INT) as row:
                first = builder.add(args[2], builder.mul(row.index, args[3]))
                if to:
                    with builder.if_else(builder.icmp_signed("!=", args[7], INT(0))) as (then, otherwise):
                        with then:
                            sweep_past(first)
                        with otherwise:
                            sweep(first, args[5], False)
                else:
                    sweep(first, args[5], False)

            add = emit.function(f"llvm.vector.reduce.fadd.{emit.name}", emit.scalar, emit.scalar, emit.vector)
            results = []
            for parts in zip(*totals):
                total = builder.load(parts[0])
                for part in parts[1:]:
                    total = builder.fadd(total, builder.load(part))
                results.append(builder.call(add, [ir.Constant(emit.scalar, 0.0), total], fastmath=["reassoc"]))
            return context.make_tuple(builder, signature.return_type, results)

        return types.UniTuple(dtype, sums)(outputs, inputs, start, apart, count, length, numbers, ahead), generate

    return run
