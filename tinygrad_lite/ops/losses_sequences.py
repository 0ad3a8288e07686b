"""Losses of sequences: connectionist temporal classification."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.joining import unbind
from tinygrad_lite.ops.losses import check_reduction, reduced
from tinygrad_lite.ops.softmax import log_softmax
from tinygrad_lite.primitive import composed
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor, to_array

__all__ = ["ctc_loss"]

NEVER = -1e30
"""The log of a probability of zero: finite, so that no gradient is NaN, and below any that is not zero."""


@composed
def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log p(l | x): p sums over all paths of T symbols that give the labels l once repeats, then blanks are removed.

    Between the labels and at both ends blanks may stand: l' = (blank, l_1, blank, l_2, ..., blank). The probability
    a_t(s) of having come to place s of l' after t steps follows from that of standing there before, or one place
    back, or two where that leaves out only a blank between different labels:

        a_t(s) = p_t(l'_s) (a_{t-1}(s) + a_{t-1}(s - 1) + [l'_s != blank, l'_s != l'_{s-2}] a_{t-1}(s - 2))
        p(l | x) = a_T(2 L) + a_T(2 L - 1)

    computed as logarithms. The backward pass through it is the backward recursion of the paper, to any order.

    log_probs: (T, N, C), log-probabilities of C symbols, `blank` among them, or (T, C). They are normalised over C
    once more, which changes nothing if they are log-probabilities; so scores will do, and the gradient is that for
    scores, as in PyTorch. targets: (N, S), of which target_lengths (N,) are read, or all in one row, (sum of
    target_lengths,). input_lengths: (N,), how many of the T steps are read. zero_infinity: 0 instead of the infinite
    loss of labels that don't fit into the steps; its gradient is 0 either way. The mean is over losses divided by the
    number of labels.

    Raises ValueError for shapes and lengths that don't match, TypeError for labels that are no integers, IndexError
    for labels out of range. Source: Graves et al. 2006, equations 5 to 8.

    >>> import tinygrad_lite as tl
    >>> even = tl.log(tl.full((2, 1, 3), 1 / 3))
    >>> tl.exp(-tl.ctc_loss(even, [[1]], [2], [1], reduction="sum"))  # three paths: 1 1, 1 blank, blank 1
    tensor(0.33333334)
    """
    check_reduction("ctc_loss", reduction)
    x = as_tensor(log_probs)
    dtype, alone = x.dtype if x.dtype.kind == "f" else DEFAULT_DTYPE, x.ndim == 2
    if x.ndim not in (2, 3):
        raise ValueError(f"ctc_loss: log_probs has shape {x.shape}; it is (T, N, C) or (T, C)")
    x = x[:, None] if alone else x
    x = x.astype(np.float64)  # logarithms of long paths are large, and their differences matter
    steps, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise IndexError(f"ctc_loss: blank is {blank}, but the {classes} symbols are 0 to {classes - 1}")
    frames = lengths("input_lengths", input_lengths, batch, steps, "steps")
    rows, counts = label_rows(targets, target_lengths, batch, classes)
    loss: Any = -log_likelihood(np.maximum(log_softmax(x, -1), NEVER), rows, frames, counts, blank)
    loss = np.where(loss._array > -NEVER / 2, 0 if zero_infinity else np.inf, loss)
    loss = loss / np.maximum(counts, 1) if reduction == "mean" else loss
    loss = reduced("ctc_loss", loss[0] if alone else loss, reduction)
    return loss.astype(dtype)


def log_likelihood(x: Any, rows: np.ndarray, frames: np.ndarray, counts: np.ndarray, blank: int) -> Any:
    """log p(l | x) of each sequence, from log-probabilities (T, N, C), labels (N, S) and the numbers of both."""
    batch, most = rows.shape
    symbols = np.full((batch, 2 * most + 1), blank)
    symbols[:, 1::2] = rows
    sequence = np.arange(batch)[:, None]
    emitted = unbind(x[:, sequence, symbols])  # for each step, log p_t(l'_s)
    leap = np.full(symbols.shape, NEVER, x.dtype)  # 0 where two places may be taken at once
    leap[:, 1::2] = 0
    leap[:, 3::2][rows[:, 1:] == rows[:, :-1]] = NEVER
    # Two places before the first are never reached, but all paths come from the second of them.
    outside = np.full((batch, 2), NEVER, x.dtype)
    a: Any = np.full((batch, 2 * most + 3), NEVER, x.dtype)
    a[:, 1] = 0
    for t, log_p in enumerate(emitted):
        reached = log_p + np.logaddexp(np.logaddexp(a[:, 2:], a[:, 1:-1]), a[:, :-2] + leap)
        after = np.concatenate([outside, reached], axis=1)
        over = t >= frames
        a = np.where(over[:, None], a, after) if over.any() else after
    ends = as_tensor(a)[sequence, 2 * counts[:, None] + [1, 2]]
    return np.logaddexp(ends[:, 0], ends[:, 1])


def lengths(what: str, given: Array, batch: int, most: int, of: str) -> np.ndarray:
    """One length for each of the batch, from 0 to `most`."""
    found = to_array(given)
    if found.dtype.kind not in "iu" and found.size:
        raise TypeError(f"ctc_loss: {what} is {found.dtype}; lengths are integers")
    found = found.reshape(-1).astype(np.int64)
    if found.shape != (batch,):
        raise ValueError(f"ctc_loss: {what} has {found.size} entries for a batch of {batch}; it needs one for each")
    if found.size and not (found.min() >= 0 and found.max() <= most):
        raise ValueError(f"ctc_loss: {what} has values from {found.min()} to {found.max()}; there are {most} {of}")
    return found


def label_rows(targets: Array, target_lengths: Array, batch: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of each sequence in a row (N, S), 0 beyond its length; and the lengths."""
    t = to_array(targets)
    if t.dtype.kind not in "iu" and t.size:
        raise TypeError(f"ctc_loss: targets is {t.dtype}, but labels are integers: use targets.astype(int)")
    if t.ndim not in (1, 2) or (t.ndim == 2 and len(t) != batch):
        raise ValueError(
            f"ctc_loss: targets has shape {t.shape} for a batch of {batch}; it is ({batch}, S), or (sum of lengths,)"
        )
    counts = lengths("target_lengths", target_lengths, batch, t.shape[-1], "labels")
    taken = np.arange(counts.max(initial=0)) < counts[:, None]
    rows = np.zeros(taken.shape, np.int64)
    if t.ndim == 2:
        rows[taken] = t[:, : taken.shape[1]][taken]
    elif counts.sum() == len(t):
        rows[taken] = t
    else:
        raise ValueError(f"ctc_loss: targets has {len(t)} labels, but target_lengths add up to {counts.sum()}")
    read = rows[taken]
    if read.size and not (read.min() >= 0 and read.max() < classes):
        raise IndexError(
            f"ctc_loss: labels from {read.min()} to {read.max()} are out of range for {classes} symbols, which are "
            f"0 to {classes - 1}"
        )
    return rows, counts
