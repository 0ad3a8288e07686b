"""fit: a training loop for those who want one. Nothing else in the library knows of it.

A step is what anyone would write: forward, loss, backward, clip, step. Around it stands what a long training
needs: measurements, evaluation, the best weights, and a checkpoint from which it goes on after a kill at any
moment with the same result, bit for bit.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from inspect import Parameter, signature
from operator import length_hint
from typing import Any

import numpy as np

from tinygrad_lite.optim.checkpoint import Checkpoint, Replayed
from tinygrad_lite.optim.clipping import clip_grad_norm_
from tinygrad_lite.optim.evaluate import Function, Means, evaluate, measured, parted
from tinygrad_lite.optim.history import History
from tinygrad_lite.optim.progress import Progress, stopping
from tinygrad_lite.tensor import Tensor

__all__ = ["Interrupted", "fit"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C stopped `fit` at the end of a step. `history` is what was measured until then."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


def fit(
    model: Any,
    optimizer: Any,
    loss: Function,
    batches: Iterable[Any],
    epochs: int,
    *,
    validate: Iterable[Any] | None = None,
    metrics: Mapping[str, Function] | None = None,
    schedule: Any = None,
    schedule_by: str = "epoch",
    clip: float | Callable[[], Any] | None = None,
    average: Any = None,
    early_stopping: Any = None,
    monitor: str | None = None,
    mode: str = "min",
    checkpoint: str | os.PathLike | None = None,
    save_every: int | None = None,
    resume: bool = False,
    check_finite: bool = True,
    progress: bool | str = True,
) -> History:
    """Train `model` on `batches`, `epochs` times over; returns what was measured.

    model           a Module, or what has its __call__, parameters, state_dict, load_state_dict, train and eval
    loss            loss(model(*inputs), target), a scalar Tensor
    batches         a DataLoader, a list, or anything that can be iterated again and again. A batch is a tuple
                    (*inputs, target), or a Tensor that is both
    epochs          how many there are to be in all, with those before a resumption
    validate        batches to evaluate on after each epoch
    metrics         names to functions of (output, target), such as {"accuracy": accuracy}
    schedule        what has step(): called after each 'epoch' or each 'step', as `schedule_by` says. If its
                    step needs an argument, as ReduceLROnPlateau's does, it is given what `monitor` names
    clip            the largest norm of the gradient, or what is called between backward and step to change it
    average         an ExponentialMovingAverage of the weights: updated after each step, and evaluated, and kept
                    as the best, in their place
    early_stopping  what has step(value): True ends the training. It is given what `monitor` names
    monitor, mode   the column of `History.epochs` that says how good an epoch was, and whether 'min' or 'max'
                    is the best. Without: 'validation_loss', or 'loss' if nothing is evaluated
    checkpoint      a file, .npz or .safetensors, for all that is needed to go on; written after each epoch, and
                    every `save_every` steps. Beside it, as NAME.best.npz, 'model' as of the best epoch, where
                    `validate` or `monitor` says what is best
    resume          go on from `checkpoint`, if it is there. Everything else must be made as it was the first
                    time, with the same options and seeds
    check_finite    raise FloatingPointError at the first loss that is inf or nan, before it does harm
    progress        a bar (with tqdm) or a line an epoch (without); a string is its name

    The model is left in training mode, with its last weights. Ctrl-C stops at the end of the step, saves, and
    raises Interrupted, a KeyboardInterrupt that has the history; a second Ctrl-C stops at once.
    Raises ValueError or TypeError for options that don't fit and for batches that are used up.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear
    >>> from tinygrad_lite.optim import SGD, fit
    >>> x = tl.linspace(0, 1, 64).reshape(64, 1)
    >>> model = Linear(1, 1)
    >>> history = fit(model, SGD(model.parameters(), lr=0.5), tl.mse_loss, [(x, 3 * x + 1)], 300, progress=False)
    >>> history
    History(300 steps, 300 epochs)
    >>> model.weight.detach().round(decimals=1), model.bias.detach().round(decimals=1)
    (tensor([[3.]]), tensor([1.]))
    """
    metrics, history = dict(metrics or {}), History()
    names = ["loss", *metrics] + [f"validation_{name}" for name in ("loss", *metrics) if validate is not None]
    keep_best = validate is not None or monitor is not None
    monitor = monitor or ("loss" if validate is None else "validation_loss")
    check(batches, epochs, schedule_by, names, monitor, mode, checkpoint, save_every, resume)
    steps = epochs * length_hint(batches)
    batches = batches if hasattr(batches, "state_dict") else Replayed(batches)
    parts = {
        "model": model,
        "optimizer": optimizer,
        "schedule": schedule,
        "average": average,
        "early_stopping": early_stopping,
        "batches": batches,
        "validate": validate if hasattr(validate, "state_dict") else None,
        "history": history,
    }
    saved = Checkpoint(checkpoint, **{name: part for name, part in parts.items() if part is not None})
    if resume:
        saved.restore()

    def save() -> None:
        if check_finite and not finite(model.parameters()):
            raise FloatingPointError("it would begin with a weight that is inf or nan")
        history.seconds = time.perf_counter() - began
        saved.save()
        if stop.asked:
            kept = f"; {saved.path} goes on from there with resume=True" if saved.path else ""
            raise Interrupted(
                f"fit: stopped after step {history.steps.rows}, in epoch {epoch} of {epochs}{kept}", history
            )

    began = time.perf_counter() - history.seconds
    with located(history, saved), stopping() as stop, closing(Progress(progress, steps, epochs, history)) as bar:
        while (epoch := history.epochs.rows + 1) <= epochs and not history.stopped:
            model.train()
            means = Means(history.steps.since(history.begin))  # there are some where it was resumed within the epoch
            for batch in batches:
                row = train_step(model, optimizer, loss, metrics, batch, clip, check_finite)
                if average is not None:
                    average.update()
                if schedule is not None and schedule_by == "step":
                    schedule.step()
                history.steps.append(**row)
                means.add(row)
                bar.step(epoch, means.values())
                if stop.asked or (save_every and history.steps.rows % save_every == 0):
                    save()
            found = means.values()
            with nullcontext() if average is None else average.average_parameters():
                if validate is not None:
                    values = evaluate(model, loss, validate, metrics)
                    found |= {f"validation_{name}": value for name, value in values.items()}
                history.epochs.append(**found, step=history.steps.rows)
                if keep_best and is_best(history.epochs[monitor], mode):
                    saved.save_best(model, **{"epoch": epoch, monitor: found[monitor]})
            if schedule is not None and schedule_by == "epoch":
                schedule.step(*[found[monitor]] * needs_argument(schedule.step))
            if early_stopping is not None:
                history.stopped = bool(early_stopping.step(found[monitor]))
            bar.epoch(epoch, found)
            save()
    return history


def train_step(
    model: Any,
    optimizer: Any,
    loss: Function,
    metrics: Mapping[str, Function],
    batch: Any,
    clip: float | Callable[[], Any] | None = None,
    check_finite: bool = True,
) -> dict[str, float]:
    """One step; returns its row of `History.steps`. The arguments are those of `fit`."""
    inputs, target = parted(batch)
    lr = optimizer.param_groups[0]["lr"]
    output = None

    def closure() -> Tensor:
        nonlocal output
        optimizer.zero_grad()
        output = model(*inputs)
        value = loss(output, target)
        if check_finite and not math.isfinite(value.item()):
            cause = "the learning rate may be too high, or a log or division at 0; tl.detect_anomaly() tells where"
            cause = cause if finite([*inputs, target]) else "the batch itself holds inf or nan"
            raise FloatingPointError(f"the loss is {value.item()}, with lr={lr:.3g}: {cause}")
        value.backward()
        if callable(clip):
            clip()
        elif clip is not None:
            clip_grad_norm_(model.parameters(), clip)
        return value

    value = optimizer.step(closure)
    return {**measured(value, metrics, output, target), "lr": lr}


@contextmanager
def located(history: History, saved: Checkpoint) -> Iterator[None]:
    """Errors of arithmetic say at which step they came, and what is left."""
    try:
        yield
    except FloatingPointError as error:
        kept = f"; {saved.path} is as it was last saved" if saved.path and saved.path.exists() else ""
        raise FloatingPointError(f"fit: step {history.steps.rows + 1}: {error}{kept}") from error


def finite(arrays: Iterable[Any]) -> bool:
    """Whether no floating-point array among these holds inf or nan."""
    arrays = [np.asarray(a.detach() if isinstance(a, Tensor) else a) for a in arrays]
    return all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f")


def is_best(values: np.ndarray, mode: str) -> bool:
    """Whether the last value is better than all before."""
    values = np.nan_to_num(values if mode == "min" else -values, nan=np.inf)
    return len(values) == 1 or bool(values[-1] < values[:-1].min())


def needs_argument(step: Callable[..., Any]) -> bool:
    """Whether a schedule's step must be given what was measured."""
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return any(p.default is Parameter.empty and p.kind not in several for p in signature(step).parameters.values())


def check(
    batches: Any,
    epochs: int,
    schedule_by: str,
    names: Sequence[str],
    monitor: str,
    mode: str,
    checkpoint: Any,
    save_every: int | None,
    resume: bool,
) -> None:
    """Raise for options that don't fit, before any time is spent."""
    if isinstance(batches, Iterator) and epochs > 1:
        raise TypeError(
            f"fit: batches is a {type(batches).__name__}, which is used up after one epoch; give a list, a DataLoader, "
            "or an object whose __iter__ starts anew"
        )
    for name, value, known in (("schedule_by", schedule_by, ("epoch", "step")), ("mode", mode, ("min", "max"))):
        if value not in known:
            raise ValueError(f"fit: {name} is {' or '.join(map(repr, known))}, got {value!r}")
    if monitor not in names:
        raise ValueError(f"fit: monitor={monitor!r} is not measured; there is {', '.join(names)}")
    if epochs < 0 or (save_every is not None and save_every < 1):
        raise ValueError(f"fit: epochs is a number from 0 on and save_every from 1 on, got {epochs} and {save_every}")
    if checkpoint is None and (save_every or resume):
        raise ValueError("fit: save_every and resume need checkpoint, the file to write to and to go on from")
