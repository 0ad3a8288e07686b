"""Checkpoints: all that a training needs to go on exactly, in one file, written whole or not at all.

A training is a function of its state: the model's parameters and buffers, what the optimizer and the schedule
remember, the place in the batches, and the random generator that dropout draws from. What has all of it back
goes on as if nothing had happened, bit for bit. How sums are rounded follows from the number of threads, and may
differ between a process that has compiled a kernel and one that has it from the cache: `tl.warmup()` first, where
that matters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import tinygrad_lite as tl
from tinygrad_lite import io

__all__ = ["Checkpoint", "Replayed"]

RANDOM = "random"
"""The name under which a checkpoint holds the state of `tl.generator()`."""


class Stateful(Protocol):
    """What a checkpoint can hold: a model, an optimizer, a schedule, a DataLoader, a History, ..."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Checkpoint:
    """A file that holds the state of all parts, by name, and of the random generator.

    path   ends in .npz or .safetensors; its folder is made where it is missing. None: nothing is written
    parts  what has state_dict and load_state_dict

    Stopped at any moment, even by a loss of power, `save` leaves the file that was there or the new one.

    >>> import tempfile
    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Linear
    >>> from tinygrad_lite.optim import Adam, Checkpoint
    >>> model = Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(f"{folder}/state.npz", model=model, optimizer=Adam(model.parameters()))
    ...     checkpoint.save()
    ...     a = tl.rand(1)
    ...     checkpoint.restore()
    ...     bool(a == tl.rand(1))
    True
    True
    """

    def __init__(self, path: str | os.PathLike | None, **parts: Stateful) -> None:
        self.path = None if path is None else Path(path)
        self.best = None if self.path is None else self.path.with_suffix(f".best{self.path.suffix}")
        self.parts = parts
        for name, part in parts.items():
            if path is not None and not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise TypeError(
                    f"Checkpoint: {name} is a {type(part).__name__} without state_dict and load_state_dict, and could "
                    "not be resumed; give it both, or no checkpoint"
                )

    def save(self) -> None:
        """Write the file. Raises what `tl.save` raises."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            states = {name: part.state_dict() for name, part in self.parts.items()}
            io.save({**states, RANDOM: tl.generator().bit_generator.state}, self.path)

    def save_best(self, model: Stateful, **values: Any) -> None:
        """Write the state of a 'model' that is worth keeping, and some values, to `best`: NAME.best.npz beside it."""
        if self.best is not None:
            self.best.parent.mkdir(parents=True, exist_ok=True)
            io.save({"model": model.state_dict(), **values}, self.best)

    def restore(self) -> bool:
        """Put back what was saved; False if there is no file.

        Raises ValueError for a file that is damaged or has other parts, and what a part's own `load_state_dict`
        raises, with a note that says which part it was.
        """
        if self.path is None or not self.path.exists():
            return False
        states = io.load(self.path)
        if states.keys() != {*self.parts, RANDOM}:
            there = ", ".join(sorted(map(str, states.keys() - {RANDOM}))) or "nothing"
            raise ValueError(
                f"Checkpoint: {self.path} holds {there}, and not {', '.join(sorted(self.parts))}; "
                "was it written by a training with other options?"
            )
        for name, part in self.parts.items():
            try:
                part.load_state_dict(states[name])
            except Exception as error:
                error.add_note(f"in Checkpoint: {name!r} of {self.path}")
                raise
        tl.generator().bit_generator.state = states[RANDOM]
        for path in filter(None, (self.path, self.best)):
            for half in path.parent.glob(f".{path.name}.*.part"):  # left by a process that was killed while it wrote
                half.unlink(missing_ok=True)
        return True


class Replayed:
    """Any batches that can be iterated again and again, with a state: for those that have none themselves.

    The state is the random state in which the epoch began, and how many batches it has given. To resume, the
    epoch begins in that state again, and those batches are dropped. What makes the batches may therefore draw
    from `tl.generator()`, but not depend on what else happened.

    >>> from tinygrad_lite.optim import Replayed
    >>> batches, other = Replayed(["a", "b", "c"]), Replayed(["a", "b", "c"])
    >>> next(iter(batches))
    'a'
    >>> other.load_state_dict(batches.state_dict())
    >>> list(other)
    ['b', 'c']
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self.began: Any = None
        self.given = 0

    def __iter__(self) -> Iterator[Any]:
        random, skipped = tl.generator().bit_generator, self.given
        now = random.state
        if skipped:
            random.state = self.began
        else:
            self.began = now
        batches = iter(self.batches)
        for _ in islice(batches, skipped):
            pass
        if skipped:
            random.state = now
        for batch in batches:
            self.given += 1
            yield batch
        self.given = 0

    def state_dict(self) -> dict[str, Any]:
        return {"began": self.began, "given": self.given}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.began, self.given = state_dict["began"], state_dict["given"]
