"""Recurrent networks: RNN, LSTM and GRU, in stacked layers and both directions, and their cells for one time."""

from __future__ import annotations

import math
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.packing import PackedSequence, pad_packed_sequence, repacked
from tinygrad_lite.layers.parameter import Parameter
from tinygrad_lite.ops.recurrent import lengths_of
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

SQUASH: dict[str, Any] = {"tanh": tl.tanh, "relu": tl.relu}


def chosen(name: str, nonlinearity: str) -> str:
    """The nonlinearity, or raise."""
    if nonlinearity not in SQUASH:
        raise ValueError(f"{name}: nonlinearity is {nonlinearity!r}; it may be 'tanh' or 'relu'")
    return nonlinearity


def through_time(step: Any, steps: int, states: list, lengths: Any, reverse: bool) -> tuple:
    """out (T, N, H) and the last states of states <- step(t, *states), h first, as `tl.lstm` goes through the times."""
    out: list[Any] = [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        new = step(t, *states)
        if lengths is None or (t < lengths).all():
            out[t], states = new[0], new
        else:
            running = (t < lengths)[:, None]
            out[t] = tl.where(running, new[0], 0)
            states = [tl.where(running, after, before) for after, before in zip(new, states)]
    return (tl.stack(out), *states)


class _Weights(Module):
    """What layers and cells share: `blocks` hidden sizes of rows, and parameters that start in +- 1 / sqrt(H)."""

    blocks = 1
    states = 1
    function: Any = None  # tl.lstm or tl.gru, which then does a layer in all its directions in place of `run`

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"{type(self).__name__}: hidden_size is {hidden_size}; it must be positive")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def sizes(self) -> list[int]:
        """The width of each state, of h first."""
        return [self.hidden_size] * self.states

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The parameters that one direction of one layer has."""
        rows = self.blocks * self.hidden_size
        return {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self.sizes()[0]),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }

    def add(self, inputs: int, suffix: str, dtype: Any) -> None:
        """Make these parameters; those named bias are None without bias."""
        for name, shape in self.shapes(inputs).items():
            wanted = self.bias or not name.startswith("bias")
            setattr(self, name + suffix, Parameter(tl.empty(*shape, dtype=dtype)) if wanted else None)

    def named(self, suffix: str) -> list:
        """The parameters of one direction of one layer, in the order of `shapes`."""
        return [getattr(self, name + suffix) for name in self.shapes(0)]

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def run(self, x: Tensor, states: list, weights: list, lengths: Any = None, reverse: bool = False) -> tuple:
        """One direction of one layer: out (T, N, H), then its last states (N, H)."""
        return self.function(*[x, *states, *weights, lengths, reverse])

    def given(self, hx: Any, lead: tuple[int, ...], dtype: Any) -> list[Tensor]:
        """The states that `hx` stands for, zeros if it is None. Raises ValueError for another number or shape."""
        shapes = [(*lead, size) for size in self.sizes()]
        if hx is None:
            return [tl.zeros(*shape, dtype=dtype) for shape in shapes]
        states = [tl.as_tensor(h) for h in ([hx] if self.states == 1 else hx)]
        if [h.shape for h in states] != shapes:
            raise ValueError(
                f"{type(self).__name__}: the initial state must be {'h0' if self.states == 1 else '(h0, c0)'} of shape "
                f"{', '.join(map(str, dict.fromkeys(shapes)))} for this input, got "
                f"{', '.join(str(h.shape) for h in states)}"
            )
        return states


class _RNN(_Weights):
    """h <- tanh or relu of x W^T + b + h U^T + d."""

    nonlinearity: str

    def run(self, x: Tensor, states: list, weights: list, lengths: Any = None, reverse: bool = False) -> tuple:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        squash, inputs = SQUASH[self.nonlinearity], tl.unbind(tl.linear(x, weight_ih, bias_ih))

        def step(t: int, h: Tensor) -> list:
            return [squash(inputs[t] + tl.linear(h, weight_hh, bias_hh))]

        return through_time(step, len(x), states, lengths, reverse)


def gated(sums: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The new c of an LSTM and its output gate, of the sums (N, 4H) that make the gates i, f, g, o."""
    i, f, g, o = tl.split(sums, c.shape[-1], -1)
    return tl.sigmoid(f) * c + tl.sigmoid(i) * tl.tanh(g), tl.sigmoid(o)


class _LSTM(_Weights):
    blocks, states = 4, 2
    function: Any = staticmethod(tl.lstm)
    proj_size = 0

    def sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size, self.hidden_size]

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        projected = {"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {}
        return super().shapes(inputs) | projected

    def run(self, x: Tensor, states: list, weights: list, lengths: Any = None, reverse: bool = False) -> tuple:
        if not self.proj_size:
            return super().run(x, states, weights, lengths, reverse)
        weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = weights
        inputs = tl.unbind(tl.linear(x, weight_ih, bias_ih))

        def step(t: int, h: Tensor, c: Tensor) -> list:
            c, o = gated(inputs[t] + tl.linear(h, weight_hh, bias_hh), c)
            return [tl.linear(o * tl.tanh(c), weight_hr), c]

        return through_time(step, len(x), states, lengths, reverse)


class _GRU(_Weights):
    blocks = 3
    function: Any = staticmethod(tl.gru)


class _Layers(_Weights):
    """Layers on top of each other, each in one direction or both."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        if num_layers < 1 or not 0 <= dropout <= 1:
            raise ValueError(
                f"{type(self).__name__}: needs num_layers of 1 or more and a probability dropout, got {num_layers} and "
                f"{dropout}"
            )
        self.num_layers, self.batch_first, self.dropout, self.bidirectional = (
            num_layers, batch_first, dropout, bidirectional,
        )  # fmt: skip
        self.directions = ["", "_reverse"] if bidirectional else [""]
        for layer in range(num_layers):
            for direction in self.directions:
                inputs = self.sizes()[0] * len(self.directions) if layer else input_size
                self.add(inputs, f"_l{layer}{direction}", dtype)
        self.reset_parameters()

    def forward(self, input: Tensor | PackedSequence, hx: Any = None, lengths: Array | None = None) -> tuple[Any, Any]:
        if not isinstance(input, PackedSequence):
            return self._padded(tl.as_tensor(input), hx, lengths)
        if lengths is not None:
            raise ValueError(f"{type(self).__name__}: a PackedSequence has its lengths already; leave them out")
        padded, ends = pad_packed_sequence(input, self.batch_first)
        out, last = self._padded(padded, hx, ends)
        return repacked(out, input, self.batch_first), last

    def _padded(self, x: Tensor, hx: Any, lengths: Array | None) -> tuple[Tensor, Any]:
        """As `forward`, of sequences that are not packed."""
        name, shape, batched = type(self).__name__, x.shape, x.ndim == 3
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            wanted = "(N, T, I)" if self.batch_first else "(T, N, I)"
            raise ValueError(f"{name}: needs shape {wanted} or (T, I) with I = {self.input_size}, got {x.shape}")
        if not batched:
            x = tl.unsqueeze(x, 1)
        elif self.batch_first:
            x = tl.swapaxes(x, 0, 1)
        if not len(x):
            raise ValueError(f"{name}: needs one time at least, got shape {shape}")
        lengths = lengths_of(name, lengths, x.shape[1], len(x))
        lines = self.num_layers * len(self.directions)
        states = self.given(hx, (lines, x.shape[1]) if batched else (lines,), self.weight_hh_l0.dtype)
        x, states = self._through_layers(x, states if batched else [tl.unsqueeze(s, 1) for s in states], lengths)
        if not batched:
            x, states = tl.squeeze(x, 1), [tl.squeeze(s, 1) for s in states]
        elif self.batch_first:
            x = tl.swapaxes(x, 0, 1)
        return x, states[0] if self.states == 1 else tuple(states)

    def _through_layers(self, x: Tensor, states: list[Tensor], lengths: Any) -> tuple[Tensor, list[Tensor]]:
        """out (T, N, D H) of the last layer, and the last states (num_layers D, N, H)."""
        ends: list[Any] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = tl.dropout(x, self.dropout)
            weights, many = [self.named(f"_l{layer}{direction}") for direction in self.directions], len(self.directions)
            begin = [s[many * layer : many * (layer + 1)] for s in states] if self.num_layers > 1 else states
            if self.function:
                x, *end = self.function(*[x, *begin, *weights[0], lengths, False, *weights[1:]])
            else:
                found = [self.run(x, [s[k] for s in begin], weights[k], lengths, k == 1) for k in range(many)]
                outs, *last = zip(*found)
                x, end = tl.concatenate(outs, axis=-1) if many == 2 else outs[0], [tl.stack(h) for h in last]
            ends.append(end)
        return x, [tl.concatenate(end) if len(end) > 1 else end[0] for end in zip(*ends)]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        usual |= {"proj_size": 0} if hasattr(self, "proj_size") else {}
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v)


class RNN(_RNN, _Layers):
    """h <- tanh(x W^T + b + h U^T + d), or relu of it, through time; Elman 1990. Arguments and results as for `LSTM`.

    nonlinearity  "tanh" or "relu"

    There is no c: the state is h0, and the result (out, h_n).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import RNN
    >>> out, h = RNN(3, 4, nonlinearity="relu")(tl.ones(7, 2, 3))
    >>> out.shape, h.shape
    ((7, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **params: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, *args, **params)
        self.nonlinearity = chosen("RNN", nonlinearity)


class LSTM(_LSTM, _Layers):
    """c <- f c + i g, h <- o tanh(c) through time, the gates i, f, g, o made of x and h; see `tl.lstm`.

    input_size, hidden_size  I and H
    num_layers     how many layers stand on top of each other
    bias           whether there are bias_ih and bias_hh
    batch_first    whether the input and out are (N, T, ...) and not (T, N, ...)
    dropout        the probability to drop a value between layers in training
    bidirectional  whether each layer runs in both directions, D = 2; their outputs stand side by side
    proj_size      P: h and out have the width P, h <- weight_hr (o tanh(c)); 0 for none. (There is no kernel for it.)

    Called with an input (T, N, I), or (T, I) for a single sequence; optionally the states at first (h0, c0), each
    (num_layers D, N, H) or (num_layers D, H), zeros by default; and optionally lengths (N,), whole numbers up to T,
    for sequences that are shorter: out is 0 past their end, and the last states are those at their end. A
    `PackedSequence` says the same, and gives one back. Returns out (T, N, D H) of the last layer, and the last
    states (h_n, c_n).

    Parameters for each layer k, with _reverse at the end for the other direction, at first U(-1, 1) / sqrt(H):
    weight_ih_l{k} (4H, I or D H), weight_hh_l{k} (4H, H), bias_ih_l{k} and bias_hh_l{k} (4H,), weight_hr_l{k} (P, H).

    Hochreiter and Schmidhuber 1997; Gers et al. 2000. Raises ValueError for other shapes.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LSTM
    >>> out, (h, c) = LSTM(3, 4, num_layers=2, bidirectional=True)(tl.ones(7, 2, 3), lengths=[7, 5])
    >>> out.shape, h.shape, c.shape
    ((7, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = None,
    ) -> None:
        if not 0 <= proj_size < max(hidden_size, 1):
            raise ValueError(f"LSTM: proj_size is {proj_size}; it must be less than hidden_size = {hidden_size}, or 0")
        self.proj_size = proj_size
        if proj_size:
            self.function = None
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype)


class GRU(_GRU, _Layers):
    """h <- (1 - z) n + z h through time, the gates r, z, n made of x and h; see `tl.gru`.

    Arguments and results as for `LSTM`, but there is no c: the state is h0, the result (out, h_n), and the weights
    have 3H rows. Cho et al. 2014, arXiv:1406.1078.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GRU
    >>> out, h = GRU(3, 4, batch_first=True)(tl.ones(2, 7, 3))
    >>> out.shape, h.shape
    ((2, 7, 4), (1, 2, 4))
    """


class _Cell(_Weights):
    """One time of one layer."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.add(input_size, "", dtype)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        x = tl.as_tensor(input)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: needs shape (N, I) or (I,) with I = {self.input_size}, got {x.shape}"
            )
        states = self.given(hx, x.shape[:-1], self.weight_hh.dtype)
        rows = states if x.ndim == 2 else [tl.unsqueeze(s, 0) for s in states]
        _, *ends = self.run(x.reshape(1, -1, self.input_size), rows, self.named(""))
        ends = ends if x.ndim == 2 else [tl.squeeze(s, 0) for s in ends]
        return ends[0] if self.states == 1 else tuple(ends)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_RNN, _Cell):
    """tanh(x W^T + b + h U^T + d), or relu of it. Called with x (N, I) or (I,), and h (N, H) or (H,), 0 by default.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import RNNCell
    >>> RNNCell(3, 4)(tl.ones(2, 3)).shape
    (2, 4)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype)
        self.nonlinearity = chosen("RNNCell", nonlinearity)


class LSTMCell(_LSTM, _Cell):
    """One time of an `LSTM`. Called with x (N, I) or (I,), and (h, c), (N, H) or (H,), 0 by default; returns (h, c).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import LSTMCell
    >>> h, c = LSTMCell(3, 4)(tl.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """


class GRUCell(_GRU, _Cell):
    """One time of a `GRU`. Called with x (N, I) or (I,), and h (N, H) or (H,), 0 by default; returns the new h.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import GRUCell
    >>> GRUCell(3, 4)(tl.ones(2, 3)).shape
    (2, 4)
    """
