"""How kernels are compiled, the memory they work in, and the threads they run on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
"""The dtypes kernels are compiled for; the twins do the others."""


def compiled(function: Callable) -> Callable:
    """Compile at the first call, cached on disk where that can be, without the interpreter lock.

    Kernels of one file may call each other; not those of another, whose changes the cache would not notice.
    """
    try:
        return numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # nowhere to write to
        return numba.njit(function, nogil=True, error_model="numpy")


def contiguous(x: np.ndarray) -> np.ndarray:
    """x, or a copy of it that is of the one kind kernels are compiled for: C-contiguous, aligned, writable."""
    return x if x.flags.carray else np.array(x, order="C")


# ------------------------------------------------------------------------------------- workspace


class _Workspace(threading.local):
    """Memory that is used again and again: fresh memory costs a page fault every 4 KB."""

    def __init__(self) -> None:
        self.buffers: dict[np.dtype, np.ndarray] = {}


_workspace = _Workspace()


def workspace(size: int, dtype: np.dtype) -> np.ndarray:
    """`size` elements of any value, this thread's own until it asks for the next."""
    buffer = _workspace.buffers.get(dtype)
    if buffer is None or buffer.size < size:
        buffer = _workspace.buffers[dtype] = np.zeros(size, dtype)
    return buffer


# --------------------------------------------------------------------------------------- threads


_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = int(os.environ.get("TINYGRAD_LITE_THREADS", 0)) or _processors
"""How many threads a large kernel is spread over. Kernels run without the interpreter lock, in Python threads:
several threads of a program may call kernels at once."""

WORTHWHILE = 4e6
"""How many arithmetic operations make it worth to wake another thread (about 30 microseconds)."""

_pool: list[ThreadPoolExecutor] = []


def spread(task: Callable[[int, int], None], count: int, operations: float) -> None:
    """Call `task(first, last)` for ranges that make up 0 ... count, in several threads if there is enough to do."""
    parts = min(THREADS, count, 1 + int(operations / WORTHWHILE))
    if parts < 2:
        task(0, count)
        return
    if not _pool:
        _pool.append(ThreadPoolExecutor(THREADS - 1, "tinygrad_lite"))
    edges = [count * k // parts for k in range(parts + 1)]
    others = [_pool[0].submit(task, a, b) for a, b in pairwise(edges[1:])]
    task(0, edges[1])
    for other in others:
        other.result()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.clear)  # threads don't survive a fork
