"""The switches of the tape: whether operations are recorded, watched for NaN, and traced to your lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from pathlib import Path
from typing import Any

RECORD, ANOMALY, LINES, REGION, FREEZE, REPLAY = 1, 2, 4, 8, 16, 32


class Modes(threading.local):
    """The switches of the tape; each thread has its own."""

    flags = RECORD
    region: Any = None  # with REGION: the checkpoint whose nodes are being recorded
    frozen: Any = None  # with FREEZE: what a gradient check holds constant
    around: tuple[Callable[[], Any], ...] = ()  # what makes the contexts that a checkpoint is run again in


modes = Modes()


class _Switch(ContextDecorator):
    """Set or clear one of the flags within a `with` block or a decorated function."""

    flag = RECORD
    on = True

    def __enter__(self) -> None:
        if not hasattr(self, "before"):
            self.before: list[int] = []
        self.before.append(modes.flags)
        modes.flags = modes.flags | self.flag if self.on else modes.flags & ~self.flag

    def __exit__(self, *exc: object) -> None:
        modes.flags = self.before.pop()


class no_grad(_Switch):
    """Record nothing: results inside the block do not require a gradient.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([1.0, 2.0], requires_grad=True)
    >>> with tl.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    on = False


class enable_grad(_Switch):
    """Record again, inside a `no_grad` block."""


class set_grad_enabled(_Switch):
    """Record or not, as `enabled` says.

    >>> import tinygrad_lite as tl
    >>> with tl.set_grad_enabled(False):
    ...     tl.is_grad_enabled()
    False
    """

    def __init__(self, enabled: bool) -> None:
        self.on = bool(enabled)


class detect_anomaly(_Switch):
    """Raise where the first NaN or Inf is made, forward or backward, naming your line.

    Every result is examined, so use it to find a fault and not for a long training.

    >>> import tinygrad_lite as tl
    >>> with tl.detect_anomaly():
    ...     tl.log(tl.tensor([-1.0]))
    Traceback (most recent call last):
    tinygrad_lite.autograd.AnomalyError: log made the first NaN or Inf, at ...
    """

    flag = ANOMALY


class record_lines(_Switch):
    """Remember the line of your program that made each node; errors in backward then name it.

    Costs about a third of a microsecond an operation.
    """

    flag = LINES


class replay(_Switch):
    """Compute something a second time: running statistics, which have followed it once already, stay as they are."""

    flag = REPLAY


@contextmanager
def within(context: Callable[[], Any]) -> Iterator[None]:
    """Inside of `context()`, which a checkpoint that is made inside enters again when it is computed again."""
    before = modes.around
    modes.around = (*before, context)
    try:
        with context():
            yield
    finally:
        modes.around = before


def is_replay() -> bool:
    """Whether something is computed a second time, as by a checkpoint: running statistics have followed it already."""
    return bool(modes.flags & REPLAY)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return bool(modes.flags & RECORD)


def user_line() -> str:
    """The innermost line on the stack that is not the library's own: 'file.py:12, in train'."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "tinygrad_lite":
        frame = frame.f_back
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{frame.f_lineno}, in {code.co_name}"
