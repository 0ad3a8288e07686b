"""A product of a few rows with a matrix that is packed once and used many times, as a recurrence needs it.

NumPy's BLAS packs its operands anew at each call and can't be called inside a compiled loop. Here the matrix is
kept in panels of as many columns as two vector registers hold, cut into blocks of rows so that a block of a panel
stays in the first-level cache while all rows of the other operand pass by; a register tile of a few rows times one
panel takes the sum. Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinygrad_lite.kernels.compiled import compiled, contiguous, workspace
from tinygrad_lite.kernels.direct import BYTES, INT, WIDE, Emit

ROWS = 8 if WIDE else 4  # of a register tile; its columns are two vectors
DEPTH = 256  # rows of a block of a panel


@intrinsic(prefer_literal=True)  # type: ignore[misc]
def tile(
    typing: Any, rows: Any, out: Any, o: Any, step: Any, width: Any, x: Any, i: Any, apart: Any, panel: Any, p: Any,
    depth: Any,
) -> Any:  # fmt: skip
    """out[o + m * step + v] += sum over k < depth of x[i + m * apart + k] * panel[p + k * columns + v]

    for m below `rows`, a literal, and v below `width`, which is at most the columns of a panel.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, out.dtype)
        _, _, o, step, width, _, i, apart, _, p, depth = args
        to, source, packed = (emit.data(signature.args[k], args[k]) for k in (1, 5, 8))
        bits = ir.VectorType(ir.IntType(1), emit.lanes)
        pointer = emit.vector.as_pointer()
        name = f"v{emit.lanes}f{8 * emit.size}.p0"
        kind = ir.FunctionType(emit.vector, [pointer, ir.IntType(32), bits, emit.vector])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.{name}")
        kind = ir.FunctionType(ir.VoidType(), [emit.vector, pointer, ir.IntType(32), bits])
        store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{name}")

        counts = ir.VectorType(INT, emit.lanes)
        nothing = ir.Constant(counts, ir.Undefined)
        one = builder.insert_element(nothing, width, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), emit.lanes), [0] * emit.lanes)
        wide = builder.shuffle_vector(one, nothing, mask)
        inside = [
            builder.icmp_signed("<", ir.Constant(counts, list(range(v, v + emit.lanes))), wide)
            for v in (0, emit.lanes)
        ]
        count = rows.literal_value
        starts = [builder.add(i, builder.mul(apart, INT(m))) for m in range(count)]
        places = [
            (emit.place(to, emit.at(builder.add(o, builder.mul(step, INT(m))), v * emit.lanes)), inside[v])
            for m in range(count)
            for v in range(2)
        ]
        size, zero = ir.Constant(ir.IntType(32), emit.size), ir.Constant(emit.vector, None)

        def body(k: Any, sums: list) -> list:
            at = builder.add(p, builder.mul(k, INT(2 * emit.lanes)))
            ws = [emit.load(packed, emit.at(at, v * emit.lanes)) for v in range(2)]
            xs = [emit.spread(builder.load(builder.gep(source, [builder.add(s, k)]))) for s in starts]
            pairs = [(x, w) for x in xs for w in ws]
            return [builder.call(emit.fma, [x, w, s]) for (x, w), s in zip(pairs, sums)]

        before = [builder.call(load, [where, size, lanes, zero]) for where, lanes in places]
        for value, (where, lanes) in zip(emit.loop(INT(0), depth, 1, before, body), places):
            builder.call(store, [value, where, size, lanes])
        return context.get_dummy_value()

    return types.void(rows, out, o, step, width, x, i, apart, panel, p, depth), generate


@compiled
def pack(w, row_step, column_step, rows, columns, to, width):
    """to[block of rows, panel, row, column of the panel] = w[row * row_step + column * column_step], or 0 outside"""
    i = 0
    for block in range(0, rows, DEPTH):
        for panel in range(0, columns, width):
            count = min(width, columns - panel)
            for k in range(block, min(block + DEPTH, rows)):
                row = w[k * row_step + panel * column_step :]
                place = to[i : i + width]
                for c in range(count):
                    place[c] = row[c * column_step]
                for c in range(count, width):
                    place[c] = 0
                i += width


def packed(w: np.ndarray) -> tuple[np.ndarray, int]:
    """The matrix w, or its transpose's view, in panels, and the columns of a panel; until this thread packs again."""
    rows, columns = w.shape
    width = 2 * BYTES // w.itemsize
    to = workspace(rows * -(-columns // width) * width, w.dtype)
    straight = contiguous(w if w.flags.c_contiguous else w.T)
    steps = (columns, 1) if w.flags.c_contiguous else (1, rows)
    pack(straight.ravel(), *steps, rows, columns, to, width)
    return to, width


@compiled
def multiply_add(out, o, step, x, i, apart, count, packed, depth, columns, width):
    """out[o + m * step + c] += sum over k < depth of x[i + m * apart + k] * w[k, c], for m < count and c < columns.

    out, x and packed are flat; packed is w (depth, columns) as `pack` leaves it.
    """
    p = 0
    for first in range(0, depth, DEPTH):
        block = min(DEPTH, depth - first)
        for c in range(0, columns, width):
            m = 0
            while m < count:
                to, source, inside = o + m * step + c, i + m * apart + first, min(width, columns - c)
                if count - m >= ROWS:
                    tile(ROWS, out, to, step, inside, x, source, apart, packed, p, block)
                    m += ROWS
                elif count - m >= 4:
                    tile(4, out, to, step, inside, x, source, apart, packed, p, block)
                    m += 4
                elif count - m >= 2:
                    tile(2, out, to, step, inside, x, source, apart, packed, p, block)
                    m += 2
                else:
                    tile(1, out, to, step, inside, x, source, apart, packed, p, block)
                    m += 1
            p += block * width
