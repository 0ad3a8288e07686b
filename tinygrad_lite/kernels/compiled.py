"""How kernels are compiled and kept, and the memory they work in."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import event
from numba.core.caching import FunctionCache

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
"""The dtypes kernels are compiled for; the twins do the others."""

MATHS = {"contract", "reassoc", "nsz"}
"""What the compiler may change: fuse a product and a sum, reorder sums, and the sign of a zero; NaN and Inf stay."""

SOURCES = sorted(Path(__file__).parent.glob("*.py"))
NARROW = os.environ.get("TINYGRAD_LITE_NARROW", "") not in ("", "0")
"""Whether vectors of 32 bytes are asked for where there are longer ones, to test what other processors run."""

STAMP = (NARROW, *((p.name, p.stat().st_mtime, p.stat().st_size) for p in SOURCES))
made: list[Any] = []
"""Every compiled function, in the order of their definition."""

LINE = 64  # bytes: a vector that lies across two lines of a cache takes two loads

_lock = threading.Lock()


class KernelCache(FunctionCache):
    """Numba's cache on disk, which a change of any kernel file outdates: they call each other's functions.

    Processes that compile at once write in turn.
    """

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = STAMP

    def _index_key(self, signature: Any, codegen: Any) -> tuple:
        """Of a closure, its name says what it holds; Numba would take hashes that change from process to process."""
        return signature, codegen.magic_tuple(), self._py_func.__qualname__

    def _save_overload(self, signature: Any, data: Any) -> None:
        with _lock, exclusive(Path(self.cache_path)):
            super()._save_overload(signature, data)


class exclusive:
    """Hold a folder against other processes; where the system has no such locks, don't."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = open(self.folder / "tinygrad_lite.lock", "a")
        try:
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_EX)
        except ImportError:
            pass

    def __exit__(self, *_: object) -> None:
        self.file.close()


def compiled(function: Callable) -> Any:
    """Compile at the first call, without the interpreter lock, and keep the result on disk where that can be.

    Where another compiled function calls it, it is inlined. Or else one that was compiled in this process would call
    it as it is on its own, and one from the disk its own copy, optimised once more: their last bits may differ.
    """
    dispatcher: Any = numba.njit(function, nogil=True, error_model="numpy", fastmath=MATHS, forceinline=True)
    with suppress(RuntimeError):  # nowhere to write to
        dispatcher._cache = KernelCache(function)
    made.append(dispatcher)
    return dispatcher


class Announcer(event.Listener):
    """Says so when compiling takes more than a second, for a first run seems to hang otherwise."""

    def __init__(self) -> None:
        self.depth, self.said = 0, False
        self.timer: threading.Timer | None = None

    def on_start(self, event: Any) -> None:
        if not self.depth and not self.said:
            self.timer = threading.Timer(1.0, self.say)
            self.timer.daemon = True
            self.timer.start()
        self.depth += 1

    def on_end(self, event: Any) -> None:
        self.depth -= 1
        if not self.depth and self.timer:
            self.timer.cancel()

    def say(self) -> None:
        self.said = True
        print("tinygrad_lite: compiling kernels, once; `tinygrad_lite.warmup()` does it ahead", file=sys.stderr)


event.register("numba:compile", Announcer())


def contiguous(x: np.ndarray) -> np.ndarray:
    """x, or a copy of it that is of the one kind kernels are compiled for: C-contiguous, aligned, writable."""
    return x if x.flags.carray else np.array(x, order="C")


class _Workspace(threading.local):
    """Memory that is used again and again: fresh memory costs a page fault every 4 KB."""

    def __init__(self) -> None:
        self.buffers: dict[np.dtype, np.ndarray] = {}


_workspace = _Workspace()


def workspace(size: int, dtype: np.dtype) -> np.ndarray:
    """At least `size` elements of any value, from the start of a cache line, this thread's own until it asks again."""
    buffer = _workspace.buffers.get(dtype)
    if buffer is None or buffer.size < size:
        buffer = np.zeros(size + LINE // dtype.itemsize, dtype)
        buffer = _workspace.buffers[dtype] = buffer[-buffer.ctypes.data % LINE // dtype.itemsize :]
    return buffer
