"""Recurrence through time in plain NumPy: what its kernels compute, for any dtype.

One layer, an LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) where there is a cell
state c0, and a GRU (Cho et al. 2014, arXiv:1406.1078) where c0 is None. Of the four blocks of H columns, the first ones
are fed by the input and the last ones by the state h:

    LSTM    i, f, g, o      all by both: x @ weight_ih.T + h @ weight_hh.T + bias
    GRU     n, r, z, m      n, r, z by the input; r, z, m by the state; m is what r lets through to n

so the rows of weight_ih are in the order i f g o or n r z, and those of weight_hh in the order i f g o or r z m.

All is written without assignment into arrays, so that it runs on Tensors as well and is recorded: that is how
the orders above the first are had (ops/recurrent.py).

Shapes: x (T, N, I), h0 and c0 (N, H), weight_ih (4H or 3H, I), weight_hh (4H or 3H, H), bias (4H,). lengths (N,): how
many times each sequence has, T for all if None. Past its end a sequence keeps its state, and gives out 0. In
`reverse` it is read from its end to its start. A layer in D = 2 directions has the weights and bias of a second one,
which runs against the first, and h0 and c0 (2, N, H). With one direction they may be (1, N, H) as well.
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
    x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, second_ih: Any, second_hh: Any,
    second_bias: Any, lengths: np.ndarray | None, reverse: bool,
) -> tuple[Any, Any, Any, Any, Any, Any]:  # fmt: skip
    """out (T, N, D H), the last h and c in the shape of h0, and what the way back needs.

    That is the gates (D, T, N, 4H), and all h and all c, between the times and at both ends, (D, T + 1, N, H). What is
    of c has no numbers in a GRU, in as many axes. T is at least 1.
    """
    weights, second = (weight_ih, weight_hh, bias), (second_ih, second_hh, second_bias)
    directions = [(weights, reverse), (second, not reverse)][: 1 if second_ih is None else 2]
    shape = len(directions), *h0.shape[-2:]
    all_h0, all_c0 = h0.reshape(shape), [None, None] if c0 is None else c0.reshape(shape)
    found = [direction(x, all_h0[k], all_c0[k], *w, lengths, turned) for k, (w, turned) in enumerate(directions)]
    outs, h, c, *kept = (list(of_all) for of_all in zip(*found))
    last_h, last_c = (np.stack(s).reshape(*h0.shape[:-2], *s[0].shape) for s in (h, c))
    gates, states, cells = (np.stack(of_all) for of_all in kept)
    return np.concatenate(outs, axis=2), last_h, last_c, gates, states, cells


def direction(
    x: Any, h0: Any, c0: Any, weight_ih: Any, weight_hh: Any, bias: Any, lengths: Any, reverse: bool
) -> tuple:
    """One direction of `recurrence`: what it returns, without the axis of D."""
    steps, batch = x.shape[:2]
    cell = gru_cell if c0 is None else lstm_cell
    inputs = x @ weight_ih.T
    h, c = h0, np.zeros((0, 0), x.dtype) if c0 is None else c0
    out: list[Any] = [None] * steps
    gates, states, cells = list(out), [h], [c]
    for t in reversed(range(steps)) if reverse else range(steps):
        new_h, new_c, values = cell(inputs[t], h @ weight_hh.T, h, c, bias)
        running = np.ones((batch, 1), bool) if lengths is None else (t < lengths)[:, None]
        h = np.where(running, new_h, h)
        c = c if c0 is None else np.where(running, new_c, c)
        out[t] = np.where(running, new_h, 0)
        gates[t] = np.where(running, np.concatenate(values, axis=1), 0)
        states.append(h)
        cells.append(c)
    order = -1 if reverse else 1
    all_c = np.zeros((0, 0, 0), x.dtype) if c0 is None else np.stack(cells[::order])
    return np.stack(out), h, c, np.stack(gates), np.stack(states[::order]), all_c


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
    g_out: Any, g_h: Any, g_c: Any, x: Any, weight_ih: Any, weight_hh: Any, second_ih: Any, second_hh: Any,
    gates: Any, states: Any, cells: Any, lengths: np.ndarray | None, reverse: bool, inputs: bool,
) -> tuple:  # fmt: skip
    """The gradients of x, h0, c0, weight_ih, weight_hh and bias, and of the second direction's weights and bias.

    That of x is None unless `inputs`, that of c0 in a GRU, and those of a second direction that is not there.
    g_out, g_h and g_c: the gradients of out and of the last h and c.
    """
    (many, _, _, hidden), lstm = states.shape, cells.shape[1] > 0
    ends = [g.reshape(many, *g.shape[-2:]) for g in (g_h, g_c)]
    found = []
    for k, weights in enumerate([(weight_ih, weight_hh), (second_ih, second_hh)][:many]):
        g, kept = g_out[..., k * hidden : (k + 1) * hidden], (gates[k], states[k], cells[k])
        found.append(direction_back(g, ends[0][k], ends[1][k], x, *weights, *kept, lengths, reverse != bool(k)))
    dx, dh0, dc0 = ([of_one[place] for of_one in found] for place in range(3))
    of_weights = [g for of_one in found for g in of_one[3:]]
    dc = np.stack(dc0).reshape(g_c.shape) if lstm else None
    others = np.stack(dh0).reshape(g_h.shape), dc, *of_weights, *[None] * (6 - len(of_weights))
    return sum(dx[1:], dx[0]) if inputs else None, *others


def direction_back(
    g_out: Any, g_h: Any, g_c: Any, x: Any, weight_ih: Any, weight_hh: Any, gates: Any, states: Any, cells: Any,
    lengths: Any, reverse: bool,
) -> tuple:  # fmt: skip
    """The gradients of x, h0, c0, weight_ih, weight_hh and bias, of one direction."""
    (steps, batch), hidden, lstm = g_out.shape[:2], states.shape[2], len(cells) > 0
    cell_back = lstm_cell_back if lstm else gru_cell_back
    first, last = 4 * hidden - len(weight_hh), len(weight_ih)  # x feeds the columns up to last, h those from first
    ends = np.full(batch, steps) if lengths is None else lengths
    dh, dc = g_h, g_c
    dx: list[Any] = [None] * steps
    dw: Any = 0
    du: Any = 0
    db: Any = 0
    for t in range(steps) if reverse else reversed(range(steps)):
        before, after = (t + 1, t) if reverse else (t, t + 1)
        running, h = (t < ends)[:, None], states[before]
        c, new_c = (cells[before], cells[after]) if lstm else (None, None)
        values, new_dh, new_dc = cell_back(dh + g_out[t], dc, h, c, blocks(gates[t], hidden), new_c)
        d = np.where(running, np.concatenate(values, axis=1), 0)
        d_x, d_h = d[:, :last], d[:, first:]
        dh = np.where(running, new_dh, dh) + d_h @ weight_hh
        dc = np.where(running, new_dc, dc) if lstm else dc
        dx[t] = d_x @ weight_ih
        dw, du, db = dw + d_x.T @ x[t], du + d_h.T @ h, db + np.sum(d, axis=0)
    return np.stack(dx), dh, dc if lstm else None, dw, du, db


def example(t: Any, cell: bool, lengths: Any, reverse: bool, directions: int) -> tuple[tuple, tuple]:
    """Arguments of `recurrence` and of `recurrence_back`, of an LSTM or a GRU."""
    rng = np.random.default_rng(0)
    steps, batch, inputs, hidden = 3, 15, 2, 3
    rows = (4 if cell else 3) * hidden

    def numbers(*shape: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(shape), t)

    x, h0 = numbers(steps, batch, inputs), numbers(directions, batch, hidden)
    c0 = h0[:, ::-1].copy() if cell else None
    one = numbers(rows, inputs), numbers(rows, hidden), numbers(4 * hidden)
    second = one if directions == 2 else (None, None, None)
    forward: Any = (x, h0, c0, *one, *second, lengths, reverse)
    out, h, c, *kept = recurrence(*forward)
    return forward, (out, h, c, x, *one[:2], *second[:2], *kept, lengths, reverse, True)


def examples(back: int) -> Any:
    def make(t: Any) -> list[tuple]:
        ends = np.arange(15) % 3 + 1
        return [example(t, True, ends, True, 1)[back], example(t, False, None, False, 2)[back]]

    return make


EXAMPLES: dict[str, Any] = {"recurrence": examples(0), "recurrence_back": examples(1)}
"""Small calls that reach all compiled code; see kernels.examples."""
