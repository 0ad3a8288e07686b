"""Recurrent layers in plain NumPy: one sequence, one time, one equation after the other."""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def normalised(x: np.ndarray, gain: np.ndarray, bias: Any) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gain + bias


def rnn(x: np.ndarray, h: np.ndarray, w: dict) -> tuple:
    return (np.tanh(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]),)


def from_gates(sums: np.ndarray, c: np.ndarray) -> tuple:
    i, f, g, o = np.split(sums, 4)
    return sigmoid(f) * c + sigmoid(i) * np.tanh(g), sigmoid(o)


def lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray, w: dict) -> tuple:
    c, o = from_gates(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"], c)
    return w.get("weight_hr", np.eye(len(c))) @ (o * np.tanh(c)), c


def gru(x: np.ndarray, h: np.ndarray, w: dict) -> tuple:
    r_x, z_x, n_x = np.split(w["weight_ih"] @ x + w["bias_ih"], 3)
    r_h, z_h, n_h = np.split(w["weight_hh"] @ h + w["bias_hh"], 3)
    z = sigmoid(z_x + z_h)
    return ((1 - z) * np.tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * h,)


def multiplicative_lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray, w: dict) -> tuple:
    m = (w["weight_mx"] @ x) * (w["weight_mh"] @ h)
    return lstm(x, m, c, w)


def layer_norm_lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray, w: dict) -> tuple:
    from_x = normalised(w["weight_ih"] @ x, w["gain_ih"], w["bias_ih"])
    from_h = normalised(w["weight_hh"] @ h, w["gain_hh"], w["bias_hh"])
    c, o = from_gates(from_x + from_h, c)
    return o * np.tanh(normalised(c, w["gain_c"], w["bias_c"])), c


STEPS = {
    "RNN": rnn, "LSTM": lstm, "GRU": gru, "MultiplicativeLSTM": multiplicative_lstm, "LayerNormLSTM": layer_norm_lstm,
}  # fmt: skip


def weights(layer: Any, suffix: str = "") -> dict:
    """The parameters of a layer whose names end with `suffix`, as arrays; 0 for a bias that is not there."""
    names = {name.removesuffix(suffix): value for name, value in layer.named_parameters() if name.endswith(suffix)}
    found = {name: value.detach().numpy() for name, value in names.items()}
    return {"bias_ih": 0.0, "bias_hh": 0.0, "bias_c": 0.0} | found


def reference(layer: Any, x: np.ndarray, states: list, lengths: list) -> tuple[np.ndarray, list]:
    """out (T, N, D H) and the last states (num_layers D, N, H), for states of that shape at first."""
    step = STEPS[type(layer).__name__]
    last = [s.copy() for s in states]
    for k in range(layer.num_layers):
        out = np.zeros((*x.shape[:2], layer.sizes()[0] * len(layer.directions)))
        for d, direction in enumerate(layer.directions):
            w, line = weights(layer, f"_l{k}{direction}"), k * len(layer.directions) + d
            columns = slice(d * layer.sizes()[0], (d + 1) * layer.sizes()[0])
            for n, length in enumerate(lengths):
                state = [s[line, n] for s in states]
                for t in reversed(range(length)) if direction else range(length):
                    state = step(x[t, n], *state, w)
                    out[t, n, columns] = state[0]
                for end, value in zip(last, state):
                    end[line, n] = value
        x = out
    return x, last
