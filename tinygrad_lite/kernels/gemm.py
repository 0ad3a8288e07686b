"""Matrix products, also inside compiled loops, as a recurrence needs them: out += x @ w and out += a.T @ b.

NumPy's BLAS can't be called there, packs a matrix anew at each call, and its threads stay awake after it, in the way
of ours; nor does it use the widest vectors of every processor. Here a matrix is packed into panels of as many columns
as two vector registers hold, cut into blocks of rows so that a block of a panel stays in the first-level cache while
the rows of the other operand pass by; a register tile of a few rows times one panel takes the sum. Goto and van de
Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from typing import Any

import numba.extending
import numpy as np
from numba import types

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous, workspace
from tinygrad_lite.kernels.threads import shares, spread
from tinygrad_lite.kernels.twins import gemm as twins
from tinygrad_lite.kernels.vectors import BYTES, INT, NEAR, NEXT, WIDE, Emit, copy, gather

ROWS = 8 if WIDE else 4  # of a register tile; its columns are two vectors
DEPTH = 256  # rows of a block of a panel
GROUP = 8  # panels of a that are packed at a time for a.T @ b: with all of a block of b they fit the second-level cache
CHUNK = 128  # rows of x at a time
BLOCK, ROWS_SUMMED = 4096, 64  # how many values, and rows, are summed in a lower precision
intrinsic: Any = numba.extending.intrinsic


@intrinsic(prefer_literal=True)
def tile(
    typing: Any, rows: Any, out: Any, o: Any, step: Any, width: Any, x: Any, i: Any, apart: Any, along: Any,
    panel: Any, p: Any, depth: Any,
) -> Any:  # fmt: skip
    """out[o + m * step + v] += sum over k < depth of x[i + m * apart + k * along] * panel[p + k * columns + v]

    for m below `rows`, a literal, and v below `width`, which is at most the columns of a panel.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, out.dtype)
        _, _, o, step, width, _, i, apart, along, _, p, depth = args
        to, source, packed = (emit.data(signature.args[k], args[k]) for k in (1, 5, 9))
        firsts = [builder.add(i, builder.mul(apart, INT(m))) for m in range(rows.literal_value)]
        lines = [builder.add(o, builder.mul(step, INT(m))) for m in range(rows.literal_value)]
        indices = [emit.at(line, v * emit.lanes) for line in lines for v in range(2)]
        for index in indices:  # fetched while the sum is taken
            emit.fetch(emit.place(to, index), NEAR, True)

        def body(k: Any, sums: list) -> list:
            at, shift = builder.add(p, builder.mul(k, INT(2 * emit.lanes))), builder.mul(k, along)
            ws = [emit.load(packed, emit.at(at, v * emit.lanes)) for v in range(2)]
            for v in range(2):  # the panel after this one
                emit.fetch(emit.place(packed, emit.at(at, (2 * DEPTH + v) * emit.lanes)), NEXT)
            xs = [emit.same(builder.load(builder.gep(source, [builder.add(first, shift)]))) for first in firsts]
            pairs = [(x, w) for x in xs for w in ws]
            return [emit.fma(x, w, s) for (x, w), s in zip(pairs, sums)]

        sums = emit.loop(INT(0), depth, 1, [emit.zero] * len(indices), body)
        inside = [emit.mask(INT(v * emit.lanes), INT(0), width) for v in range(2)]
        for k, (index, value) in enumerate(zip(indices, sums)):
            before = emit.load_some(to, index, inside[k % 2])
            emit.store_some(builder.fadd(before, value), to, index, inside[k % 2])
        return context.get_dummy_value()

    return types.void(rows, out, o, step, width, x, i, apart, along, panel, p, depth), generate


@compiled
def pack(w, i, row_step, column_step, rows, columns, to, width):
    """to[block of rows, panel, row, column of the panel] = w[i + row * row_step + column * column_step], 0 outside

    Either step is 1.
    """
    span = -(-columns // width) * width  # of all panels
    for block in range(0, rows, DEPTH):
        depth, start = min(DEPTH, rows - block), i + block * row_step
        if column_step != 1:
            pack_block_transposed(w, start, column_step, depth, columns, to[block * span :], width)
            continue
        for panel in range(0, columns, width):
            o, count = block * span + panel * depth, min(width, columns - panel)
            for k in range(depth):
                copy(to, o + k * width, w, start + k * row_step + panel, count)
            if count < width:
                for k in range(depth):
                    to[o + k * width + count : o + (k + 1) * width] = 0


@compiled
def pack_block_transposed(w, i, step, depth, columns, to, width):
    """to[panel, row, column of the panel] = w[i + row + column * step], 0 outside; in squares, turned in registers."""
    lanes = width // 2
    places, most = np.arange(lanes) * width, np.zeros(-(-columns // width) * width, np.int64)
    starts, least = np.arange(len(most)) * step, np.zeros_like(most)
    most[:columns] = depth
    squares = depth - depth % lanes
    for first in range(0, len(most), lanes):
        o = first // width * width * depth + first % width
        whole = first + lanes <= columns
        for k in range(0, squares, lanes):
            gather(to, o + k * width, places, w, i + k, starts, least, most, first, 0, whole)
        for k in range(squares, depth):
            for c in range(lanes):
                to[o + k * width + c] = w[i + k + starts[first + c]] if first + c < columns else 0


@compiled
def few_rows(count, out, o, step, inside, x, i, apart, along, packed, p, depth):
    """`tile` for any count of rows."""
    m = 0
    while m < count:
        to, source, left = o + m * step, i + m * apart, count - m
        if left >= ROWS:
            tile(ROWS, out, to, step, inside, x, source, apart, along, packed, p, depth)
            m += ROWS
        elif left >= 4:
            tile(4, out, to, step, inside, x, source, apart, along, packed, p, depth)
            m += 4
        elif left >= 2:
            tile(2, out, to, step, inside, x, source, apart, along, packed, p, depth)
            m += 2
        else:
            tile(1, out, to, step, inside, x, source, apart, along, packed, p, depth)
            m += 1


@compiled
def multiply_add(out, o, step, x, i, apart, count, packed, depth, columns, width):
    """out[o + m * step + c] += sum over k < depth of x[i + m * apart + k] * w[k, c], for m < count and c < columns.

    out, x and packed are flat; packed is w (depth, columns) as `pack` leaves it.
    """
    p = 0
    for first in range(0, depth, DEPTH):
        block = min(DEPTH, depth - first)
        for c in range(0, columns, width):
            few_rows(count, out, o + c, step, min(width, columns - c), x, i + first, apart, 1, packed, p, block)
            p += block * width


@compiled
def column_after(work, parts, columns):
    """The column of a, of a tile's first row, up to which so many numbers of the outs of `multiply_transposed` lie."""
    for m in range(columns):
        for _, low, high, count, _ in parts:
            work -= count if low <= m < high else 0
        if work < 0:
            return m // ROWS * ROWS
    return columns


@compiled
def multiply_transposed(a, a_step, parts, depth, width, start, stop):
    """out[m - low, c] += sum over k < depth of a[k * a_step + m] * b[k * columns + c], for columns m of a.

    parts: tuples (out, low, high, columns, b), where m goes from `low` to `high`. Of the numbers of all outs in the
    order of m, from `start` to `stop`. The operands are packed a block at a time, and a only once for all parts.
    """
    start, stop = column_after(start, parts, a_step), column_after(stop, parts, a_step)
    size = 0
    for _, _, _, columns, _ in parts:
        size += -(-columns // width) * width
    left, right = np.empty(DEPTH * GROUP * width, a.dtype), np.empty(DEPTH * size, a.dtype)
    for first in range(0, depth, DEPTH):
        block, p = min(DEPTH, depth - first), 0
        for _, _, _, columns, b in parts:
            pack(b, first * columns, columns, 1, block, columns, right[p:], width)
            p += -(-columns // width) * width * block
        for panels in range(start, stop, GROUP * width):
            last, p = min(panels + GROUP * width, stop), 0
            pack(a, first * a_step + panels, a_step, 1, block, last - panels, left, width)
            for out, low, high, columns, _ in parts:
                m = max(panels, low)
                while m < min(last, high):
                    panel, row = divmod(m - panels, width)
                    count = min(ROWS, min(last, high) - m, width - row)
                    i = panel * width * block + row
                    for c in range(0, columns, width):
                        inside = min(width, columns - c)
                        o = (m - low) * columns + c
                        few_rows(count, out, o, columns, inside, left, i, 1, width, right, p + c * block, block)
                    m += count
                p += -(-columns // width) * width * block


@compiled
def multiply_part(out, step, x, depth, w, row_step, column_step, space, width, rows, columns):
    """out[m, c] += sum over k of x[m, k] * w[k, c] for m and c in the ranges `rows` and `columns`, all flat.

    Packs those columns of w, then takes some rows at a time, so that they stay in the second-level cache.
    """
    left, count = columns[0], columns[1] - columns[0]
    pack(w, left * column_step, row_step, column_step, depth, count, space, width)
    for m in range(rows[0], rows[1], CHUNK):
        many = min(CHUNK, rows[1] - m)
        multiply_add(out, m * step + left, step, x, m * depth, depth, many, space, depth, count, width)


@compiled
def add_up(x, out, start, stop):
    """out[c] += the sum of x[start:stop, c]; sums of up to BLOCK values are taken in the dtype of x."""
    channels, places = x.shape[1:]
    if places != 1:
        for n in range(start, stop):
            for c in range(channels):
                row = x[n, c]
                for first in range(0, places, BLOCK):
                    piece = row[first : min(first + BLOCK, places)]
                    total = x.dtype.type(0)
                    for k in range(len(piece)):
                        total += piece[k]
                    out[c] += total
        return
    part = np.empty(channels, x.dtype)
    for first in range(start, stop, ROWS_SUMMED):
        part[:] = 0
        for n in range(first, min(first + ROWS_SUMMED, stop)):
            row = x[n].ravel()
            for c in range(channels):
                part[c] += row[c]
        for c in range(channels):
            out[c] += part[c]


# ----------------------------------------------------------------------------- called from Python


def add_transposed_products(*products: tuple) -> None:
    """out += a[:, low : low + len(out)].T @ b for each part (out, low, b) of each product (a, part, ...).

    A product has one or two parts; outs are C-contiguous.
    """
    width, given, sizes = 2 * BYTES // products[0][0].itemsize, [], []
    for a, *parts in products:
        flat = tuple((out.ravel(), low, low + len(out), b.shape[1], contiguous(b).ravel()) for out, low, b in parts)
        given.append((contiguous(a).ravel(), a.shape[1], flat, len(a), width))
        sizes.append(sum(out.size for out, *_ in parts))

    def task(start: int, stop: int) -> None:
        for k, first, last in shares(start, stop, sizes):
            multiply_transposed(*given[k], first, last)

    spread(task, sum(sizes), sum(2.0 * len(a) * size for (a, *_), size in zip(products, sizes)))


def matrix_product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """See twins.matrix_product."""
    if x.dtype not in FLOATS or y.dtype != x.dtype or x.shape[1] != y.shape[0]:
        return twins.matrix_product(x, y)
    (rows, depth), columns = x.shape, y.shape[1]
    out = np.zeros((rows, columns), x.dtype)
    if x.T.flags.c_contiguous and not x.flags.c_contiguous:
        add_transposed_products((x.T, (out, 0, y)))
        return out
    straight, width = y.flags.c_contiguous, 2 * BYTES // x.itemsize
    row_step, column_step = (columns, 1) if straight else (1, depth)
    right = contiguous(y if straight else y.T).ravel()
    flat, left, panels = out.ravel(), contiguous(x).ravel(), -(-columns // width)
    by_columns = columns >= rows or panels > 32  # what is not cut is read by each thread

    def task(start: int, stop: int) -> None:
        some = (start * width, min(stop * width, columns)) if by_columns else (0, columns)
        space = workspace(depth * -(-(some[1] - some[0]) // width) * width, x.dtype)
        those = (0, rows) if by_columns else (start, stop)
        multiply_part(flat, columns, left, depth, right, row_step, column_step, space, width, those, some)

    spread(task, panels if by_columns else rows, 2.0 * rows * y.size)
    return out


def sum_channels(x: np.ndarray) -> np.ndarray:
    """See twins.sum_channels."""
    if x.dtype not in FLOATS:
        return twins.sum_channels(x)
    x, parts = contiguous(x), {}

    def task(start: int, stop: int) -> None:
        parts[start] = np.zeros(x.shape[1])
        add_up(x, parts[start], start, stop)

    spread(task, len(x), 2 * x.size)
    return sum((parts[start] for start in sorted(parts)), np.zeros(x.shape[1])).astype(x.dtype)
