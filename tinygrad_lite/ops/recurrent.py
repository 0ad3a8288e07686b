"""Recurrent networks: one layer of an LSTM or a GRU, in one direction or both; layers/recurrent.py stacks them.

Both are one primitive, `recurrence`, over a kernel that runs all times, and another for the way back. Higher orders
differentiate the NumPy twins of the two kernels, which are written so that they run on Tensors.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.creation import as_tensor, zeros
from tinygrad_lite.ops.joining import concatenate
from tinygrad_lite.ops.rearranging import roll
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["gru", "lstm"]

LSTM = namedtuple("LSTM", "out h c")
GRU = namedtuple("GRU", "out h")


@primitive(outputs="out h c gates states cells", discrete="gates states cells", public=False)
def recurrence(
    x: Array, h0: Array, c0: Array | None, weight_ih: Array, weight_hh: Array, bias: Array, second_ih: Array | None,
    second_hh: Array | None, second_bias: Array | None, lengths: Any, reverse: bool,
) -> Any:  # fmt: skip
    """An LSTM, or a GRU where c0 is None, in one direction or two; see kernels/twins/recurrent.py."""
    weights = weight_ih, weight_hh, bias, second_ih, second_hh, second_bias
    return kernels.recurrence(x, h0, c0, *weights, lengths, reverse)


@recurrence.gradients
def recurrence_all(
    g_out, g_h, g_c, x, h0, c0, weight_ih, weight_hh, bias, second_ih, second_hh, second_bias, gates, states, cells,
    lengths, reverse, needs,
):  # fmt: skip
    back, weights = kernels.recurrence_back, (weight_ih, weight_hh, second_ih, second_hh)
    operands = (x, h0, c0, weight_ih, weight_hh, bias, second_ih, second_hh, second_bias)
    if any(isinstance(a, Tensor) for a in (g_out, g_h, g_c, *operands)):
        back = kernels.twin("recurrence_back")
        _, _, _, gates, states, cells = kernels.twin("recurrence")(*operands, lengths, reverse)
    return back(g_out, g_h, g_c, x, *weights, gates, states, cells, lengths, reverse, needs[0])


# ---------------------------------------------------------------------------------- public functions


def lengths_of(name: str, lengths: Any, batch: int, steps: int) -> np.ndarray | None:
    """The lengths of the sequences of a batch as an array, or raise; None stands for T each."""
    if lengths is not None:
        lengths = np.array(lengths.numpy() if isinstance(lengths, Tensor) else lengths)
        if lengths.shape != (batch,) or lengths.dtype.kind not in "iu" or ((lengths < 0) | (lengths > steps)).any():
            raise ValueError(f"{name}: lengths must be {batch} whole numbers from 0 to {steps}, got {lengths}")
    return lengths


def checked(name: str, gates: int, x: Array, states: dict, sets: list, lengths: Any) -> tuple[list, Any]:
    """x and the states as Tensors, zeros for those that are None, and the lengths as an array, or raise.

    sets: the weights of each direction.
    """
    x = as_tensor(x)
    if x.ndim != 3 or not len(x):
        raise ValueError(f"{name}: the input has shape {x.shape}; it needs (T, N, I), times first, T at least 1")
    (steps, batch, inputs), hidden = x.shape, np.shape(sets[0][1])[-1]
    rows = gates * hidden
    state: tuple[int, ...] = (len(sets), batch, hidden)
    if len(sets) == 1 and all(np.ndim(h) != 3 for h in states.values() if h is not None):
        state = state[1:]  # one direction needs no axis
    given: list[Any] = [(what, value, state) for what, value in states.items()]
    for where, weights in zip(("", " in reverse_weights"), sets):
        if len(weights) != 4:
            raise ValueError(
                f"{name}: reverse_weights must be weight_ih, weight_hh, bias_ih, bias_hh (None for no bias), "
                f"got {len(weights)} of the four"
            )
        names = [word + where for word in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        shapes: Any = (rows, inputs), (rows, hidden), (rows,), (rows,)
        given += zip(names, weights, shapes)
    for what, value, wanted in given:
        if (value is not None or what.startswith("weight")) and np.shape(value) != wanted:
            raise ValueError(
                f"{name}: {what} has shape {np.shape(value)}, but must be {wanted} for an input (T, N, I) = "
                f"{x.shape} and {hidden} hidden units"
            )
    lengths, dtype = lengths_of(name, lengths, batch, steps), as_tensor(sets[0][1]).dtype
    return [x, *(zeros(*state, dtype=dtype) if h is None else h for h in states.values())], lengths


def lstm_weights(weight_ih: Array, weight_hh: Array, bias_ih: Any, bias_hh: Any) -> tuple:
    """Those of `recurrence`, of one direction."""
    given = [b for b in (bias_ih, bias_hh) if b is not None] or [np.zeros(len(weight_hh), as_tensor(weight_hh).dtype)]
    return weight_ih, weight_hh, sum(given[1:], given[0])


def gru_weights(weight_ih: Array, weight_hh: Array, bias_ih: Any, bias_hh: Any) -> tuple:
    """Likewise. The kernel has the blocks n, r, z of the input, and r, z, m of the state: four columns of blocks do."""
    hidden = np.shape(weight_hh)[1]
    nothing = np.zeros(3 * hidden, as_tensor(weight_hh).dtype)
    pieces = [roll(nothing if bias_ih is None else bias_ih, hidden), nothing[:hidden]]
    state_pieces = [nothing[:hidden], nothing if bias_hh is None else bias_hh]
    return roll(weight_ih, hidden, 0), weight_hh, concatenate(pieces) + concatenate(state_pieces)


@composed
def lstm(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
    lengths: Any = None,
    reverse: bool = False,
    reverse_weights: Sequence | None = None,
) -> Any:
    """i, f, o = sigmoid(a), g = tanh(a), a = x W^T + h U^T + b; c <- f c + i g, h <- o tanh(c), for all times in turn.

    x: (T, N, I). h0, c0: (N, H), the state at first, zeros if None. weight_ih (4H, I), weight_hh (4H, H), bias_ih
    and bias_hh (4H,) or None, their rows in the order i, f, g, o. lengths: (N,) whole numbers up to T, how many
    times each sequence has; past its end it keeps its state, and the output is 0. reverse: from the end of each
    sequence to its start. reverse_weights: four more such weights, of a second direction against the first; the two
    outputs then stand side by side, and all states are (2, N, H). (1, N, H) stands for one direction, as in `LSTM`.

    Returns out (T, N, H), every h; and the last h and c (N, H). Raises ValueError for other shapes.
    Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000.

    >>> import tinygrad_lite as tl
    >>> weights = [tl.ones(4, 3), tl.ones(4, 1), None, None]
    >>> out, h, c = tl.lstm(tl.ones(2, 1, 3), None, None, *weights)
    >>> out.shape, h.round(decimals=3), c.round(decimals=3)
    ((2, 1, 1), tensor([[0.933]]), tensor([[1.9]]))
    >>> tl.lstm(tl.ones(2, 1, 3), None, None, *weights, reverse_weights=weights).out[:, 0].round(decimals=3)
    tensor([[0.704, 0.933],
            [0.933, 0.704]])
    """
    sets = [(weight_ih, weight_hh, bias_ih, bias_hh), *([] if reverse_weights is None else [reverse_weights])]
    given, lengths = checked("lstm", 4, x, {"h0": h0, "c0": c0}, sets, lengths)
    weights: list[Any] = [w for one in sets for w in lstm_weights(*one)]
    arguments = [*given, *weights, *[None] * (6 - len(weights)), lengths, reverse]
    return LSTM(*recurrence(*arguments)[:3])


@composed
def gru(
    x: Array,
    h0: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
    lengths: Any = None,
    reverse: bool = False,
    reverse_weights: Sequence | None = None,
) -> Any:
    """r, z = sigmoid(x W^T + b + h U^T + d), n = tanh(x W^T + b + r (h U^T + d)); h <- (1 - z) n + z h, for all times.

    Arguments, results and errors as for `lstm`, without c, and with 3H rows in the order r, z, n.
    Source: Cho et al. 2014, arXiv:1406.1078, with r after the product as in PyTorch.

    >>> import tinygrad_lite as tl
    >>> out, h = tl.gru(tl.ones(2, 1, 3), None, tl.ones(3, 3), tl.ones(3, 1))
    >>> out.shape, h.round(decimals=3)
    ((2, 1, 1), tensor([[0.09]]))
    """
    sets = [(weight_ih, weight_hh, bias_ih, bias_hh), *([] if reverse_weights is None else [reverse_weights])]
    (x, h0), lengths = checked("gru", 3, x, {"h0": h0}, sets, lengths)
    weights: list[Any] = [w for one in sets for w in gru_weights(*one)]
    arguments = [x, h0, None, *weights, *[None] * (6 - len(weights)), lengths, reverse]
    return GRU(*recurrence(*arguments)[:2])
