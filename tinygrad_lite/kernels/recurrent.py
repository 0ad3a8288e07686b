"""Recurrence through time in Numba: LSTM and GRU, forward and back; twins/recurrent.py says what they compute.

What depends on the order of times is a small product and a few functions of each number at every time. Sequences
don't depend on each other, nor do directions, so each thread takes its share of them through all times and waits for
nobody. It packs the weights once for all times, into its own cache, and products add to where the other operand already
lies: on the way there in the gates, which become their own squashed values in place; on the way back in the gradient of
the state. All else is a few large products, after the last time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels import gemm
from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous, workspace
from tinygrad_lite.kernels.each import at, each
from tinygrad_lite.kernels.functions import scalar, sigmoid, tanh
from tinygrad_lite.kernels.threads import shares, spread
from tinygrad_lite.kernels.twins import recurrent as twins
from tinygrad_lite.kernels.vectors import BYTES, copy

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
def run(
    gates, out, h, c, x, weight_ih, weight_hh, bias, lengths, reverse, sizes, width, packed_ih, packed_hh, start, stop
):
    """Sequences `start` to `stop` through all times. gates and out: to be filled in.

    h and c: all states, (T + 1, N, H), of which those at first are there, in reverse the last ones. All but lengths are
    flat. sizes: T, N, I, H; of how many columns of the gates the input is a part, the first ones, and the state, the
    last ones; and how far apart the rows of out lie. width: of a panel. packed_ih, packed_hh: room for the weights in
    panels.
    """
    steps, batch, inputs, hidden, fed_x, fed_h, apart = sizes
    columns, ahead = 4 * hidden, together(batch, start, stop)
    gemm.pack(weight_ih, 0, 1, inputs, inputs, fed_x, packed_ih, width)
    gemm.pack(weight_hh, 0, 1, hidden, hidden, fed_h, packed_hh, width)
    for s in range(steps):
        t = steps - 1 - s if reverse else s
        before, after = (t + 1, t) if reverse else (t, t + 1)
        if s % ahead == 0:
            times = min(ahead, steps - s)
            first = (t - times + 1 if reverse else t) * batch + start
            rows = (times - 1) * batch + stop - start
            for i in range(first * columns, (first + rows) * columns, columns):
                copy(gates, i, bias, 0, columns)
            gemm.multiply_add(
                gates, first * columns, columns, x, first * inputs, inputs, rows, packed_ih, inputs, fed_x, width
            )
        to, source = (t * batch + start) * columns + columns - fed_h, (before * batch + start) * hidden
        gemm.multiply_add(gates, to, columns, h, source, hidden, stop - start, packed_hh, hidden, fed_h, width)
        for n in range(start, stop):
            row, old, new = t * batch + n, (before * batch + n) * hidden, (after * batch + n) * hidden
            i, o = row * columns, row * apart
            if t >= lengths[n]:
                gates[i : i + columns] = 0
                out[o : o + hidden] = 0
                copy(h, new, h, old, hidden)
                if len(c):
                    copy(c, new, c, old, hidden)
                continue
            four = blocks(gates, i, hidden)
            if len(c):
                each(lstm_cell, hidden, (*four, at(c, new), at(h, new), at(out, o)), (*four, at(c, old)))
            else:
                each(gru_cell, hidden, (*four[:3], at(h, new), at(out, o)), (*four, at(h, old)))


@compiled
def run_back(
    d, dx, dh, dc, gates, h, c, g_out, weight_ih, weight_hh, lengths, reverse, sizes, width, packed_ih, packed_hh,
    total, start, stop,
):  # fmt: skip
    """Sequences `start` to `stop` back through all times.

    d (the gradients of the four blocks before they are squashed) and dx, unless it is empty: to be filled in; dh and
    dc: g_h and g_c at first. total: where the sum of d over times and sequences is added. The rest as in `run`.
    """
    steps, batch, inputs, hidden, fed_x, fed_h, apart = sizes
    columns, ahead = 4 * hidden, together(batch, start, stop)
    gemm.pack(weight_ih, 0, inputs, 1, fed_x, inputs, packed_ih, width)
    gemm.pack(weight_hh, 0, hidden, 1, fed_h, hidden, packed_hh, width)
    part = np.empty(columns, d.dtype)  # a time's, in the precision of d
    for s in range(steps):
        t = s if reverse else steps - 1 - s
        before, after = (t + 1, t) if reverse else (t, t + 1)
        part[:] = 0
        for n in range(start, stop):
            row, old, new = t * batch + n, (before * batch + n) * hidden, (after * batch + n) * hidden
            i = row * columns
            if t >= lengths[n]:
                d[i : i + columns] = 0
                continue
            four, to = blocks(gates, i, hidden), blocks(d, i, hidden)
            dh_n, g = at(dh, n * hidden), at(g_out, row * apart)
            if len(c):
                dc_n = at(dc, n * hidden)
                each(lstm_cell_back, hidden, (*to, dh_n, dc_n), (*four, at(c, old), at(c, new), dh_n, dc_n, g))
            else:
                each(gru_cell_back, hidden, (*to, dh_n), (*four, at(h, old), dh_n, g))
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


def compilable(*arrays: Any) -> bool:
    """Whether all, but for those that are None, are of one dtype that kernels are compiled for."""
    dtypes = {a.dtype for a in arrays if a is not None}
    return len(dtypes) == 1 and dtypes <= set(FLOATS)


def flat(array: np.ndarray) -> np.ndarray:
    """As one row, in memory too."""
    return contiguous(array).reshape(-1)


def rows(array: np.ndarray) -> np.ndarray:
    """(T, N, C) as a matrix of C columns."""
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2])


def work(x: np.ndarray, *weights: np.ndarray | None) -> float:
    """The arithmetic operations of the products, roughly."""
    return 2.0 * x.shape[0] * x.shape[1] * sum(w.size for w in weights if w is not None)


def times(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    """How many each sequence has."""
    return np.full(batch, steps) if lengths is None else np.array(lengths, np.int64)


def room(dtype: Any, *shapes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """This thread's room for two matrices in panels."""
    width = 2 * BYTES // dtype.itemsize
    first, second = (rows * -(-columns // width) * width for rows, columns in shapes)
    space = workspace(first + second, dtype)
    return space[:first], space[first:]


def begun(initial: np.ndarray, reverses: list[bool], steps: int) -> np.ndarray:
    """Room for all states (D, T + 1, N, H), with those that each direction begins with."""
    (batch, hidden), many = initial.shape[-2:], len(reverses)
    states, initial = np.empty((many, steps + 1, batch, hidden), initial.dtype), initial.reshape(many, batch, hidden)
    for k, reverse in enumerate(reverses):
        states[k, -1 if reverse else 0] = initial[k]
    return states


def ended(states: np.ndarray, reverses: list[bool], shape: tuple) -> np.ndarray:
    """The states that each direction ends with."""
    ends = np.empty_like(states[:, 0])
    for k, reverse in enumerate(reverses):
        ends[k] = states[k, 0 if reverse else -1]
    return ends.reshape(shape)


def recurrence(
    x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, second_ih: Any, second_hh: Any,
    second_bias: Any, lengths: Any, reverse: bool,
) -> Any:  # fmt: skip
    """See twins.recurrence."""
    first, second = (weight_ih, weight_hh, bias), (second_ih, second_hh, second_bias)
    if not compilable(x, h0, c0, *first, *second):
        return twins.recurrence(x, h0, c0, *first, *second, lengths, reverse)
    weights, reverses = [first, second], [reverse, not reverse][: 1 if second_ih is None else 2]
    (steps, batch, features), hidden, many = x.shape, h0.shape[-1], len(reverses)
    sizes = steps, batch, features, hidden, len(weight_ih), len(weight_hh), many * hidden
    gates, out = np.empty((many, steps, batch, 4 * hidden), x.dtype), np.empty((steps, batch, many * hidden), x.dtype)
    h = begun(h0, reverses, steps)
    c = h[:, :0, :0, :0] if c0 is None else begun(c0, reverses, steps)
    source, width = flat(x), 2 * BYTES // x.itemsize
    shapes = weight_ih.shape[::-1], weight_hh.shape[::-1]
    calls = []  # made ready before: where two threads are in Python at once, one is put to sleep
    for k, turned in enumerate(reverses):
        made = gates[k].ravel(), out.ravel()[k * hidden :], h[k].ravel(), c[k].ravel()
        calls.append((*made, source, *map(flat, weights[k]), times(lengths, steps, batch), turned, sizes, width))

    def task(start: int, stop: int) -> None:
        for k, first, last in shares(start, stop, [batch] * many):
            run(*calls[k], *room(out.dtype, *shapes), first, last)

    spread(task, many * batch, work(x, weight_ih, weight_hh, second_ih, second_hh))
    last_c = np.empty((*h0.shape[:-2], 0, 0), x.dtype) if c0 is None else ended(c, reverses, h0.shape)
    return out, ended(h, reverses, h0.shape), last_c, gates, h, c


def recurrence_back(
    g_out: Any, g_h: Any, g_c: Any, x: Any, weight_ih: Any, weight_hh: Any, second_ih: Any, second_hh: Any, gates: Any,
    h: Any, c: Any, lengths: Any, reverse: bool, inputs: bool,
) -> Any:  # fmt: skip
    """See twins.recurrence_back."""
    arrays = (g_out, g_h, g_c, x, weight_ih, weight_hh, second_ih, second_hh, gates, h, c)
    if not compilable(*arrays):
        return twins.recurrence_back(*arrays, lengths, reverse, inputs)
    weights, reverses = [(weight_ih, weight_hh), (second_ih, second_hh)], [reverse, not reverse][: len(h)]
    (steps, batch, features), hidden, many = x.shape, h.shape[3], len(reverses)
    sizes = steps, batch, features, hidden, len(weight_ih), len(weight_hh), many * hidden
    d, dx = np.empty(gates.shape, x.dtype), np.empty((many, *x.shape) if inputs else (many, 0), x.dtype)
    dh, dc = (np.array(g, order="C").reshape(many, -1) for g in (g_h, g_c))
    source, width = flat(g_out), 2 * BYTES // x.itemsize
    sums: list[dict[int, np.ndarray]] = [{} for _ in reverses]  # by the first sequence, so that the order is the same
    calls = []
    for k, turned in enumerate(reverses):
        made = d[k].ravel(), dx[k].ravel(), dh[k], dc[k], gates[k].ravel(), h[k].ravel(), c[k].ravel()
        given = source[k * hidden :], *map(flat, weights[k]), times(lengths, steps, batch)
        calls.append((*made, *given, turned, sizes, width))

    def task(start: int, stop: int) -> None:
        for k, first, last in shares(start, stop, [batch] * many):
            total = sums[k][first] = np.zeros(4 * hidden)
            run_back(*calls[k], *room(x.dtype, weight_ih.shape, weight_hh.shape), total, first, last)

    spread(task, many * batch, work(x, weight_ih, weight_hh, second_ih, second_hh))
    found: list[Any] = []
    products: list[Any] = []
    for k, turned in enumerate(reverses):
        dw, du = (np.zeros(w.shape, x.dtype) for w in weights[k])
        before = h[k, 1:] if turned else h[k, :-1]
        products.append((rows(d[k]), (dw, 0, rows(x)), (du, 4 * hidden - len(du), rows(before))))
        found += [dw, du, sum((sums[k][n] for n in sorted(sums[k])), np.zeros(4 * hidden)).astype(x.dtype)]
    gemm.add_transposed_products(*products)
    others = dh.reshape(g_h.shape), dc.reshape(g_c.shape) if c.shape[1] else None, *found, *[None] * (6 - len(found))
    return sum(dx[1:], dx[0]) if inputs else None, *others
