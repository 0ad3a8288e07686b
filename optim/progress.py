"""What a training shows while it runs: a bar, or a line an epoch; and Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_lite.optim.history import History

__all__ = ["Progress", "stopping"]


class Progress:
    """A tqdm bar with rate and metrics on the standard error; a line an epoch where tqdm is missing.

    name: what stands before the bar; False: show nothing. steps, epochs: how many in all, 0 steps if not known.
    history: what was done before, which is said.
    """

    def __init__(self, name: str | bool, steps: int, epochs: int, history: History) -> None:
        self.shown, self.epochs, self.bar = name is not False, epochs, None
        self.name = name if isinstance(name, str) else "fit"
        self.done, self.began = 0, time.perf_counter()
        if not self.shown:
            return
        if done := history.steps.rows:
            print(
                f"{self.name}: goes on after step {done}, {history.epochs.rows} of {epochs} epochs are done",
                file=sys.stderr,
            )
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return
        self.terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=steps or None,
            initial=done,
            desc=self.name,
            unit="step",
            dynamic_ncols=self.terminal,
            mininterval=0.1 if self.terminal else 10.0,
        )

    def step(self, epoch: int, values: dict[str, float]) -> None:
        """One more step, in this epoch; values: the means so far."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(f"epoch {epoch}/{self.epochs}, {written(values)}", refresh=False)
            self.bar.update()

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        """An epoch is over; values: what it gave."""
        words = f"epoch {epoch}/{self.epochs}, {written(values)}"
        if self.bar is not None:
            self.bar.set_postfix_str(words, refresh=self.terminal)
        elif self.shown:
            rate = self.done / (time.perf_counter() - self.began)
            print(f"{self.name}: {words}, {rate:.3g} steps/s", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


def written(values: dict[str, float]) -> str:
    """'loss 0.125, accuracy 0.98'."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


class Stop:
    """Whether Ctrl-C was pressed."""

    asked = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Ctrl-C sets `asked` and goes on, so that no step is left half done; pressed again it is a KeyboardInterrupt.

    Where the program has a handler of its own, or in another thread than the main one, nothing is changed.
    """
    stop = Stop()

    def handler(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.asked = True

    try:
        changed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if changed:
            signal.signal(signal.SIGINT, handler)
    except ValueError:  # only the main thread may, and only it is interrupted
        changed = False
    try:
        yield stop
    finally:
        if changed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
