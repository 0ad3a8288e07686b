"""A formula of numbers, applied along several arrays, in vectors.

Left to itself, LLVM runs a loop over many arrays in vectors only after it has checked that none of them overlap,
and gives up where there are more than a few pairs to check. `each` promises that no step of the loop reads what
another one writes (the metadata llvm.mem.parallel_loop_access), so that a formula with many operands is one
loop without checks, and everything in between stays in registers.
"""

from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.vectors import BYTES, INT

intrinsic: Any = numba.extending.intrinsic


@intrinsic
def at(typing, array, index):  # type: ignore[no-untyped-def]
    """Where array[index] lies, unchecked; the array must outlive it. (A pair of the two would count references.)"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return types.CPointer(array.dtype)(array, types.intp), generate


@intrinsic
def each(typing, function, count, outputs, inputs):  # type: ignore[no-untyped-def]
    """For k < count: outputs[0][k], outputs[1][k], ... = function(inputs[0][k], inputs[1][k], ...).

    function: made by functions.scalar, of numbers of one type. outputs and inputs: tuples of places, as made by `at`.
    An output may be an input; other than that they don't overlap.
    """
    call = function.get_call_type(typing, [place.dtype for place in inputs], {})

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, count, to, source = args
        formula = context.get_function(function, call)
        context.add_linking_libs(getattr(formula, "libs", ()))

        note, number = builder.module.add_metadata, ir.IntType(32)
        lanes = BYTES // context.get_abi_sizeof(context.get_value_type(call.args[0]))
        width = note(["llvm.loop.vectorize.width", ir.Constant(number, lanes)])
        once = note(["llvm.loop.interleave.count", ir.Constant(number, 1)])  # rows are short
        loop = note([f"{builder.function.name} {builder.block.name}"])
        loop.operands = (loop, width, once)  # a loop's name is itself

        before, body, after = builder.block, builder.append_basic_block("each"), builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", count, INT(0)), body, after)
        builder.position_at_end(body)
        k = builder.phi(INT)
        k.add_incoming(INT(0), before)
        values = [builder.load(builder.gep(p, [k])) for p in cgutils.unpack_tuple(builder, source)]
        results = cgutils.unpack_tuple(builder, formula(builder, values))
        stores = [builder.store(r, builder.gep(p, [k])) for r, p in zip(results, cgutils.unpack_tuple(builder, to))]
        for access in (*values, *stores):
            access.set_metadata("llvm.mem.parallel_loop_access", loop)
        following = builder.add(k, INT(1))
        k.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), body, after).set_metadata("llvm.loop", loop)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(function, count, outputs, inputs), generate
