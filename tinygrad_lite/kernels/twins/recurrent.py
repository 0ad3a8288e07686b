"""Recurrence through time in plain NumPy: what its kernels compute, for any dtype.

One layer in one direction, an LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) where
there is a cell state c0, and a GRU (Cho et al. 2014, arXiv:1406.1078) where c0 is None. Of the four blocks of H
columns, the first ones are fed by the input and the last ones by the state h:

    LSTM    i, f, g, o      all by both: x @ weight_ih.T + h @ weight_hh.T + bias
    GRU     n, r, z, m      n, r, z by the input; r, z, m by the state; m is what r lets through to n

so the rows of weight_ih are in the order i f g o or n r z, and those of weight_hh in the order i f g o or r z m.

All is written without assignment into arrays, so that it runs on Tensors as well and is recorded: that is how
the orders above the first are had (ops/recurrent.py).

Shapes: x (T, N, I), h0 and c0 (N, H), weight_ih (4H or 3H, I), weight_hh (4H or 3H, H), bias (4H,). lengths (N,): how
many times each sequence has, T for all if None. Past its end a sequence keeps its state, and gives out 0. In
`reverse` it is read from its end to its start.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    return np.tanh(x * 0.5) * 0.5 + 0.5


def blocks(x: Any, hidden: int) -> list:
    """The blocks of `hidden` columns that x (N, k H) consists of."""
    return [x[:, k : k + hidden] for k in range(0, x.shape[1], hidden)]


def lstm_cell(inputs: Any, fed: Any, h: Any, c: Any, bias: Any) -> tuple[Any, Any, list]:
    i, f, g, o = blocks(inputs + fed + bias, h.shape[1])
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c + i * g
    return o * np.tanh(c), c, [i, f, g, o]


def gru_cell(inputs: Any, fed: Any, h: Any, c: Any, bias: Any) -> tuple[Any, Any, list]:
    hidden = h.shape[1]
    n, r, z = blocks(inputs + bias[: 3 * hidden], hidden)
    fed_r, fed_z, m = blocks(fed, hidden)
    r, z, m = sigmoid(r + fed_r), sigmoid(z + fed_z), m + bias[3 * hidden :]
    n = np.tanh(n + r * m)
    return n + z * (h - n), c, [n, r, z, m]


def recurrence(
    x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, lengths: np.ndarray | None, reverse: bool
) -> tuple[Any, Any, Any, Any, Any]:
    """out (T, N, H), the last h and c (N, H), and what the way back needs: the gates (T, N, 4H) and all c (T, N, H).

    The c are of shape (0, 0) and (0, 0, 0) in a GRU. T is at least 1.
    """
    steps, batch = x.shape[:2]
    cell = gru_cell if c0 is None else lstm_cell
    inputs = x @ weight_ih.T
    h, c = h0, np.zeros((0, 0), x.dtype) if c0 is None else c0
    out: list[Any] = [None] * steps
    gates, cells = list(out), list(out)
    for t in reversed(range(steps)) if reverse else range(steps):
        new_h, new_c, values = cell(inputs[t], h @ weight_hh.T, h, c, bias)
        running = np.ones((batch, 1), bool) if lengths is None else (t < lengths)[:, None]
        h = np.where(running, new_h, h)
        c = c if c0 is None else np.where(running, new_c, c)
        out[t], cells[t] = np.where(running, new_h, 0), c
        gates[t] = np.where(running, np.concatenate(values, axis=1), 0)
    return np.stack(out), h, c, np.stack(gates), np.stack(cells) if c0 is not None else np.zeros((0, 0, 0), x.dtype)


def lstm_cell_back(dh: Any, dc: Any, h: Any, c: Any, gates: list, new_c: Any) -> tuple[list, Any, Any]:
    """The gradients of the blocks, of h but for what comes through them, and of c."""
    i, f, g, o = gates
    squashed = np.tanh(new_c)
    dc = dc + dh * o * (1 - squashed * squashed)
    blocks = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)]
    return blocks, dh * 0, dc * f


def gru_cell_back(dh: Any, dc: Any, h: Any, c: Any, gates: list, new_c: Any) -> tuple[list, Any, Any]:
    n, r, z, m = gates
    dn = dh * (1 - z) * (1 - n * n)
    return [dn, dn * m * r * (1 - r), dh * (h - n) * z * (1 - z), dn * r], dh * z, dc


def recurrence_back(
    g_out: Any, g_h: Any, g_c: Any, x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, out: Any, gates: Any,
    cells: Any, lengths: np.ndarray | None, reverse: bool, inputs: bool,
) -> tuple[Any, Any, Any, Any, Any, Any]:  # fmt: skip
    """The gradients of x, h0, c0, weight_ih, weight_hh and bias; that of x is None unless `inputs`.

    g_out, g_h and g_c: the gradients of out and of the last h and c.
    """
    (steps, batch), hidden = out.shape[:2], h0.shape[1]
    cell_back = gru_cell_back if c0 is None else lstm_cell_back
    first, last = 4 * hidden - len(weight_hh), len(weight_ih)  # x feeds the columns up to last, h those from first
    ends = np.full(batch, steps) if lengths is None else lengths
    dh, dc = g_h, g_c
    dx: list[Any] = [None] * steps
    dw: Any = 0
    du: Any = 0
    db: Any = 0
    for t in range(steps) if reverse else reversed(range(steps)):
        running, begins = (t < ends)[:, None], np.equal(t, ends - 1 if reverse else ends * 0)[:, None]
        before = min(t + 1, steps - 1) if reverse else max(t - 1, 0)
        h = np.where(begins, h0, out[before])
        c, new_c = (None, None) if c0 is None else (np.where(begins, c0, cells[before]), cells[t])
        values, new_dh, new_dc = cell_back(dh + g_out[t], dc, h, c, blocks(gates[t], hidden), new_c)
        d = np.where(running, np.concatenate(values, axis=1), 0)
        d_x, d_h = d[:, :last], d[:, first:]
        dh = np.where(running, new_dh, dh) + d_h @ weight_hh
        dc = dc if c0 is None else np.where(running, new_dc, dc)
        dx[t] = d_x @ weight_ih
        dw, du, db = dw + d_x.T @ x[t], du + d_h.T @ h, db + np.sum(d, axis=0)
    return np.stack(dx) if inputs else None, dh, None if c0 is None else dc, dw, du, db


def example(t: Any, cell: bool, lengths: Any, reverse: bool) -> tuple[tuple, tuple]:
    """Arguments of `recurrence` and of `recurrence_back`, of an LSTM or a GRU."""
    rng = np.random.default_rng(0)
    steps, batch, inputs, hidden = 3, 15, 2, 3
    rows = (4 if cell else 3) * hidden
    x, h0 = (rng.standard_normal(s).astype(t) for s in ((steps, batch, inputs), (batch, hidden)))
    c0 = h0[::-1].copy() if cell else None
    w, u, b = (np.asarray(rng.standard_normal(s), t) for s in ((rows, inputs), (rows, hidden), 4 * hidden))
    forward = (x, h0, c0, w, u, b, lengths, reverse)
    out, h, c, gates, cells = recurrence(*forward)
    return forward, (out, h, c, x, h0, c0, w, u, out, gates, cells, lengths, reverse, True)


def examples(back: int) -> Any:
    def make(t: Any) -> list[tuple]:
        ends = np.arange(15) % 3 + 1
        return [example(t, True, ends, True)[back], example(t, False, None, False)[back]]

    return make


EXAMPLES: dict[str, Any] = {"recurrence": examples(0), "recurrence_back": examples(1)}
"""Small calls that reach all compiled code; see kernels.examples."""
