"""Recurrence through time in Numba: LSTM and GRU, forward and back; twins/recurrent.py says what they compute.

What depends on the order of times is a small product and a few functions of each number at every time. Sequences
don't depend on each other, so each thread takes its share of the batch through all times and waits for nobody. It packs
the weights once for all times, into its own cache, and products add to where the other operand already lies: on the way
there in the gates, which become their own squashed values in place; on the way back in the gradient of the state. All
else is a few large products, before the first time or after the last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_lite.kernels import gemm
from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.each import at, each
from tinygrad_lite.kernels.functions import scalar, sigmoid, tanh
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import recurrent as twins
from tinygrad_lite.kernels.vectors import copy

CHUNK = 64
"""Rows of inputs that are multiplied at once: enough to reuse the weights, and few enough for the cache."""

# ------------------------------------------------------------------------- the cells, for one hidden unit


@scalar
def lstm_cell(i, f, g, o, c):
    """The four gates, squashed, and the new c and h, twice: as the state and as the output."""
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    h = o * tanh(c)
    return i, f, g, o, c, h, h


@scalar
def gru_cell(n, r, z, m, h):
    """n, r and z squashed, and the new h, twice."""
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(n + r * m)
    h = n + z * (h - n)
    return n, r, z, h, h


@scalar
def lstm_cell_back(i, f, g, o, c, new_c, dh, dc, g_out):
    """The gradients of the four blocks, of h but for what comes through them, and of c."""
    dh, squashed = dh + g_out, tanh(new_c)
    do = dh * squashed * (o - o * o)
    dc += dh * o - dh * o * squashed * squashed
    di, df, dg = dc * g * (i - i * i), dc * c * (f - f * f), dc * i - dc * i * g * g
    return di, df, dg, do, type(dh)(0), dc * f


@scalar
def gru_cell_back(n, r, z, m, h, dh, g_out):
    """Likewise, without c."""
    dh += g_out
    dn = (dh - dh * z) * (type(n)(1) - n * n)
    return dn, dn * m * (r - r * r), dh * (h - n) * (z - z * z), dn * r, dh * z


@scalar
def added(total, x):
    return (total + x,)


# ------------------------------------------------------------------------------- sequences through time


@compiled
def together(batch, start, stop):
    """How many times' inputs are multiplied at once: several where sequences are few, and all of them are here."""
    return max(1, CHUNK // max(batch, 1)) if stop - start == batch else 1


@compiled
def blocks(x, i, hidden):
    """Where the four blocks of a row lie that begins at x[i]."""
    return at(x, i), at(x, i + hidden), at(x, i + 2 * hidden), at(x, i + 3 * hidden)


@compiled
def run(gates, bias, x, packed_ih, packed_hh, width, h, c0, out, cells, lengths, reverse, sizes, start, stop):
    """Sequences `start` to `stop` through all times. gates: to be filled in; h: h0 at first.

    All but lengths are flat. sizes: T, N, I, H, and of how many columns of the gates the input is a part, the first
    ones, and the state, the last ones.
    """
    steps, batch, inputs, hidden, fed_x, fed_h = sizes
    columns, ahead = 4 * hidden, together(batch, start, stop)
    for s in range(steps):
        t = steps - 1 - s if reverse else s
        if s % ahead == 0:
            times = min(ahead, steps - s)
            first = (t - times + 1 if reverse else t) * batch + start
            rows = (times - 1) * batch + stop - start
            for i in range(first * columns, (first + rows) * columns, columns):
                copy(gates, i, bias, 0, columns)
            gemm.multiply_add(
                gates, first * columns, columns, x, first * inputs, inputs, rows, packed_ih, inputs, fed_x, width
            )
        to, source = (t * batch + start) * columns + columns - fed_h, start * hidden
        gemm.multiply_add(gates, to, columns, h, source, hidden, stop - start, packed_hh, hidden, fed_h, width)
        for n in range(start, stop):
            row, state = t * batch + n, n * hidden
            i = row * columns
            c, before = (c0, state) if s == 0 else (cells, (row + batch if reverse else row - batch) * hidden)
            if t >= lengths[n]:
                gates[i : i + columns] = 0
                out[row * hidden : (row + 1) * hidden] = 0
                if len(cells):
                    copy(cells, row * hidden, c, before, hidden)
                continue
            four, new, h_n = blocks(gates, i, hidden), at(out, row * hidden), at(h, state)
            if len(cells):
                each(lstm_cell, hidden, (*four, at(cells, row * hidden), h_n, new), (*four, at(c, before)))
            else:
                each(gru_cell, hidden, (*four[:3], h_n, new), (*four, h_n))


@compiled
def run_back(
    d, dx, dh, dc, g_out, packed_ih, packed_hh, width, h0, c0, out, gates, cells, lengths, reverse, sizes, total, start,
    stop,
):  # fmt: skip
    """Sequences `start` to `stop` back through all times.

    d (the gradients of the four blocks before they are squashed) and dx, unless it is empty: to be filled in; dh and
    dc: g_h and g_c at first. total: where the sum of d over times and sequences is added. The rest as in `run`.
    """
    steps, batch, inputs, hidden, fed_x, fed_h = sizes
    columns, ahead = 4 * hidden, together(batch, start, stop)
    part = np.empty(columns, d.dtype)  # a time's, in the precision of d
    for s in range(steps):
        t = s if reverse else steps - 1 - s
        part[:] = 0
        for n in range(start, stop):
            row, state = t * batch + n, n * hidden
            i = row * columns
            if t >= lengths[n]:
                d[i : i + columns] = 0
                continue
            four, to = blocks(gates, i, hidden), blocks(d, i, hidden)
            dh_n, g = at(dh, state), at(g_out, row * hidden)
            first = t == (lengths[n] - 1 if reverse else 0)
            before = state if first else (row + batch if reverse else row - batch) * hidden
            if len(cells):
                c, new_c, dc_n = at(c0 if first else cells, before), at(cells, row * hidden), at(dc, state)
                each(lstm_cell_back, hidden, (*to, dh_n, dc_n), (*four, c, new_c, dh_n, dc_n, g))
            else:
                h = at(h0 if first else out, before)
                each(gru_cell_back, hidden, (*to, dh_n), (*four, h, dh_n, g))
            each(added, columns, (at(part, 0),), (at(part, 0), at(d, i)))
        for k in range(columns):
            total[k] += part[k]
        source = (t * batch + start) * columns + columns - fed_h
        gemm.multiply_add(dh, start * hidden, hidden, d, source, columns, stop - start, packed_hh, fed_h, hidden, width)
        times = s % ahead + 1
        if len(dx) and (times == ahead or s == steps - 1):
            row = (t - times + 1 if reverse else t) * batch + start
            rows = (times - 1) * batch + stop - start
            dx[row * inputs : (row + rows) * inputs] = 0
            gemm.multiply_add(
                dx, row * inputs, inputs, d, row * columns, columns, rows, packed_ih, fed_x, inputs, width
            )


# -------------------------------------------------------------------------------------- the two kernels


def work(x: np.ndarray, *weights: np.ndarray) -> float:
    """The arithmetic operations of the products, roughly."""
    return 2.0 * x.shape[0] * x.shape[1] * sum(w.size for w in weights)


def compilable(*arrays: Any) -> bool:
    """Whether all, but for those that are None, are of one dtype that kernels are compiled for."""
    dtypes = {a.dtype for a in arrays if a is not None}
    return len(dtypes) == 1 and dtypes <= set(FLOATS)


def rows(x: np.ndarray) -> np.ndarray:
    """(..., C) as a matrix of C columns."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def flat(*arrays: np.ndarray) -> list[np.ndarray]:
    """Each as one row, in memory too."""
    return [contiguous(a).ravel() for a in arrays]


def ends(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    return np.full(batch, steps) if lengths is None else np.array(lengths, np.int64)


def recurrence(x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, lengths: Any, reverse: bool) -> Any:
    """See twins.recurrence."""
    if not compilable(x, h0, c0, weight_ih, weight_hh, bias):
        return twins.recurrence(x, h0, c0, weight_ih, weight_hh, bias, lengths, reverse)
    (steps, batch, features), hidden = x.shape, h0.shape[1]
    sizes = steps, batch, features, hidden, len(weight_ih), len(weight_hh)
    gates, out = np.empty((steps, batch, 4 * hidden), x.dtype), np.empty((steps, batch, hidden), x.dtype)
    h, cells = np.array(h0, order="C"), out[:0, :0, :0] if c0 is None else np.empty_like(out)
    given = flat(bias, x)
    states, last = flat(h, h[:0] if c0 is None else c0, out, cells), ends(lengths, steps, batch)

    def task(start: int, stop: int) -> None:
        panels, width = gemm.packed(weight_ih.T, weight_hh.T)
        run(gates.ravel(), *given, *panels, width, *states, last, reverse, sizes, start, stop)

    spread(task, batch, work(x, weight_ih, weight_hh))
    return out, h, h[:0, :0] if c0 is None else cells[0 if reverse else -1].copy(), gates, cells


def recurrence_back(
    g_out: Any, g_h: Any, g_c: Any, x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, out: Any, gates: Any,
    cells: Any, lengths: Any, reverse: bool, inputs: bool,
) -> Any:  # fmt: skip
    """See twins.recurrence_back."""
    arrays = (g_out, g_h, g_c, x, h0, c0, weight_ih, weight_hh, out, gates, cells)
    if not compilable(*arrays):
        return twins.recurrence_back(*arrays, lengths, reverse, inputs)
    steps, batch, features = x.shape
    sizes = steps, batch, features, h0.shape[1], len(weight_ih), len(weight_hh)
    d, dx = np.empty(gates.shape, gates.dtype), np.empty(x.shape if inputs else 0, x.dtype)
    dh, dc = np.array(g_h, order="C"), np.array(g_c, order="C")
    made, given = flat(d, dx, dh, dc, g_out), flat(h0, dc if c0 is None else c0, out, gates, cells)
    last, sums = ends(lengths, steps, batch), {}

    def task(start: int, stop: int) -> None:
        panels, width = gemm.packed(weight_ih, weight_hh)
        sums[start] = np.zeros(gates.shape[2])
        run_back(*made, *panels, width, *given, last, reverse, sizes, sums[start], start, stop)

    spread(task, batch, work(x, weight_ih, weight_hh))
    x, h0, out = contiguous(x), contiguous(h0), contiguous(out)
    dw, du = (np.zeros(w.shape, x.dtype) for w in (weight_ih, weight_hh))
    first = gates.shape[2] - len(weight_hh)
    # The state before a time is the output of the time before; that before a sequence's first time is h0.
    if reverse and lengths is not None:
        begin = d[np.maximum(last - 1, 0), np.arange(batch)]
        gemm.add_transposed_products(begin, (du, first, h0, h0[:0]))
        h0 = np.zeros_like(h0)
    before = (rows(out[1:]), h0) if reverse else (h0, rows(out[:-1]))
    gemm.add_transposed_products(rows(d), (dw, 0, rows(x), h0[:0]), (du, first, *before))
    bias = np.sum([sums[start] for start in sorted(sums)], axis=0).astype(x.dtype)
    return dx if inputs else None, dh, None if c0 is None else dc, dw, du, bias
