"""Recurrence through time in Numba: LSTM and GRU, forward and back; twins/recurrent.py says what they compute.

The product of all inputs with their weights is one call of BLAS. What is left, a small product and a few functions
of each number at every time, depends on the time before, but sequences don't depend on each other: each thread takes
its share of the batch through all times and waits for nobody. The weights of the state are packed once for all
times, and products add to where the other operand already lies: on the way there in the gates, which become
their own squashed values in place; on the way back in the gradient of the state.

The loops below are one a formula, with few arrays each, because LLVM gives up on vectors where it would have to
check many pairs of arrays for overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels import gemm
from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.functions import sigmoid, tanh
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import recurrent as twins

# ------------------------------------------------------------------------------------------- one row


@compiled
def squash(x):
    for k in range(len(x)):
        x[k] = sigmoid(x[k])


@compiled
def lstm_cell(gates, c, new_c, out):
    """gates: i f g o before they are squashed, and their values from then on."""
    n = len(out)
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n :]
    squash(gates[: 2 * n])
    squash(o)
    for k in range(n):
        g[k] = tanh(g[k])
    for k in range(n):
        new_c[k] = f[k] * c[k] + i[k] * g[k]
    for k in range(n):
        out[k] = o[k] * tanh(new_c[k])


@compiled
def gru_cell(gates, h, out):
    """gates: n r z m likewise."""
    count = len(out)
    n, r, z, m = gates[:count], gates[count : 2 * count], gates[2 * count : 3 * count], gates[3 * count :]
    squash(gates[count : 3 * count])
    for k in range(count):
        n[k] = tanh(n[k] + r[k] * m[k])
    for k in range(count):
        out[k] = n[k] + z[k] * (h[k] - n[k])


@compiled
def lstm_cell_back(d, gates, c, new_c, dh, dc):
    """d: the gradients of the four blocks, to be filled in. dh and dc: those of h and c after this time, then before."""
    n = len(c)
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n :]
    di, df, dg, do = d[:n], d[n : 2 * n], d[2 * n : 3 * n], d[3 * n :]
    for k in range(n):
        squashed = tanh(new_c[k])
        do[k] = dh[k] * squashed * o[k] * (1 - o[k])
        dc[k] += dh[k] * o[k] * (1 - squashed * squashed)
    for k in range(n):
        di[k] = dc[k] * g[k] * i[k] * (1 - i[k])
    for k in range(n):
        dg[k] = dc[k] * i[k] * (1 - g[k] * g[k])
    for k in range(n):
        df[k] = dc[k] * c[k] * f[k] * (1 - f[k])
    for k in range(n):
        dc[k] *= f[k]
    for k in range(n):
        dh[k] = 0


@compiled
def gru_cell_back(d, gates, h, dh):
    """As for the LSTM."""
    count = len(h)
    n, r, z, m = gates[:count], gates[count : 2 * count], gates[2 * count : 3 * count], gates[3 * count :]
    dn, dr, dz, dm = d[:count], d[count : 2 * count], d[2 * count : 3 * count], d[3 * count :]
    for k in range(count):
        dn[k] = dh[k] * (1 - z[k]) * (1 - n[k] * n[k])
    for k in range(count):
        dz[k] = dh[k] * (h[k] - n[k]) * z[k] * (1 - z[k])
    for k in range(count):
        dr[k] = dn[k] * m[k] * r[k] * (1 - r[k])
    for k in range(count):
        dm[k] = dn[k] * r[k]
    for k in range(count):
        dh[k] *= z[k]


# ------------------------------------------------------------------------------- sequences through time


@compiled
def run(gates, packed, width, h, c0, out, cells, lengths, reverse, start, stop):
    """Sequences `start` to `stop` through all times. gates (T, N, 4H): x @ weight_ih.T + bias at first. h: h0 at first."""
    steps, batch, hidden = out.shape
    gru = len(cells) == 0
    first = hidden if gru else 0
    columns, flat, flat_h = 4 * hidden, gates.ravel(), h.ravel()
    for s in range(steps):
        t = steps - 1 - s if reverse else s
        to = (t * batch + start) * columns + first
        gemm.multiply_add(
            flat, to, columns, flat_h, start * hidden, hidden, stop - start, packed, hidden, columns - first, width
        )
        for n in range(start, stop):
            c = c0 if s == 0 or gru else cells[t + 1 if reverse else t - 1]
            if t >= lengths[n]:
                gates[t, n] = 0
                out[t, n] = 0
                if not gru:
                    cells[t, n] = c[n]
                continue
            if gru:
                gru_cell(gates[t, n], h[n], out[t, n])
            else:
                lstm_cell(gates[t, n], c[n], cells[t, n], out[t, n])
            h[n] = out[t, n]


@compiled
def run_back(d, g_out, dh, dc, packed, width, h0, c0, out, gates, cells, lengths, reverse, start, stop):
    """Sequences `start` to `stop` back through all times. d (T, N, 4H): to be filled in. dh, dc: g_h, g_c at first."""
    steps, batch, hidden = out.shape
    gru = len(cells) == 0
    first = hidden if gru else 0
    columns, flat, flat_dh = 4 * hidden, d.ravel(), dh.ravel()
    for s in range(steps):
        t = s if reverse else steps - 1 - s
        for n in range(start, stop):
            if t >= lengths[n]:
                d[t, n] = 0
                continue
            initial = t == (lengths[n] - 1 if reverse else 0)
            before = t + 1 if reverse else t - 1
            for k in range(hidden):
                dh[n, k] += g_out[t, n, k]
            if gru:
                gru_cell_back(d[t, n], gates[t, n], h0[n] if initial else out[before, n], dh[n])
            else:
                c = c0[n] if initial else cells[before, n]
                lstm_cell_back(d[t, n], gates[t, n], c, cells[t, n], dh[n], dc[n])
        i = (t * batch + start) * columns + first
        gemm.multiply_add(
            flat_dh, start * hidden, hidden, flat, i, columns, stop - start, packed, columns - first, hidden, width
        )


# -------------------------------------------------------------------------------------- the two kernels


def work(out: np.ndarray) -> float:
    """The arithmetic operations of the products with the state, roughly."""
    return 8.0 * out.size * out.shape[2]


def compilable(*arrays: Any) -> bool:
    """Whether all, but for those that are None, are of one dtype that kernels are compiled for."""
    dtypes = {a.dtype for a in arrays if a is not None}
    return len(dtypes) == 1 and dtypes <= set(FLOATS)


def ends(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    return np.full(batch, steps) if lengths is None else np.array(lengths, np.int64)


def recurrence(x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, lengths: Any, reverse: bool) -> Any:
    """See twins.recurrence."""
    if not compilable(x, h0, c0, weight_ih, weight_hh, bias):
        return twins.recurrence(x, h0, c0, weight_ih, weight_hh, bias, lengths, reverse)
    steps, batch, hidden = *x.shape[:2], h0.shape[1]
    x, bias, lengths = contiguous(x), contiguous(bias), ends(lengths, steps, batch)
    gates = gemm.product(x.reshape(steps * batch, -1), weight_ih.T, bias).reshape(steps, batch, 4 * hidden)
    packed, width = gemm.packed(weight_hh.T)
    h, out = np.array(h0, order="C"), np.empty((steps, batch, hidden), x.dtype)
    c, cells = (h[:0, :0], out[:0, :0, :0]) if c0 is None else (contiguous(c0), np.empty_like(out))

    def task(start: int, stop: int) -> None:
        run(gates, packed, width, h, c, out, cells, lengths, reverse, start, stop)

    spread(task, batch, work(out))
    return out, h, c if c0 is None else cells[0 if reverse else -1].copy(), gates, cells


def recurrence_back(
    g_out: Any, g_h: Any, g_c: Any, x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, out: Any, gates: Any,
    cells: Any, lengths: Any, reverse: bool, inputs: bool,
) -> Any:  # fmt: skip
    """See twins.recurrence_back."""
    given = (g_out, g_h, g_c, x, h0, c0, weight_ih, weight_hh, out, gates, cells)
    if not compilable(*given):
        return twins.recurrence_back(*given, lengths, reverse, inputs)
    packed, width = gemm.packed(weight_hh)
    d, dh, dc = np.empty(gates.shape, gates.dtype), np.array(g_h, order="C"), np.array(g_c, order="C")
    g_out, x, h0, out, gates, cells = map(contiguous, (g_out, x, h0, out, gates, cells))
    c = dc if c0 is None else contiguous(c0)
    (steps, batch, columns), hidden = d.shape, out.shape[2]
    last = ends(lengths, steps, batch)

    def task(start: int, stop: int) -> None:
        run_back(d, g_out, dh, dc, packed, width, h0, c, out, gates, cells, last, reverse, start, stop)

    spread(task, batch, work(out))
    every, first = d.reshape(steps * batch, columns), columns - len(weight_hh)
    dx, dw, du = None, np.zeros_like(weight_ih, order="C"), np.zeros_like(weight_hh, order="C")
    if inputs:
        dx = gemm.product(every, weight_ih, np.zeros(x.shape[2], x.dtype)).reshape(x.shape)
    gemm.add_transposed_product(dw, every, 0, x.reshape(steps * batch, -1))
    later, earlier = (d[:-1], out[1:]) if reverse else (d[1:], out[:-1])
    begin = d[np.maximum(last - 1, 0), np.arange(batch)] if reverse else d[0]
    for after, state in ((later, earlier), (begin, h0)):
        gemm.add_transposed_product(du, after.reshape(-1, columns), first, state.reshape(-1, hidden))
    return dx, dh, None if c0 is None else dc, dw, du, every.sum(0)
