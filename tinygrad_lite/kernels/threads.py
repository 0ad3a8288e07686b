"""The threads that large kernels are spread over."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

WORTHWHILE = 4e6
"""How many arithmetic operations make it worth to wake another thread (about 30 microseconds)."""

_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_count = int(os.environ.get("TINYGRAD_LITE_THREADS", 0)) or _processors
_pool: list[ThreadPoolExecutor] = []


def get_num_threads() -> int:
    """How many threads a large kernel is spread over.

    As many as there are processors, unless the environment variable TINYGRAD_LITE_THREADS says otherwise.

    >>> import tinygrad_lite as tl
    >>> tl.get_num_threads() >= 1
    True
    """
    return _count


def set_num_threads(count: int) -> None:
    """Spread large kernels over `count` threads from now on.

    Matrix products run in the threads of NumPy's BLAS; how many, OPENBLAS_NUM_THREADS says when Python starts, or
    the package threadpoolctl at any time. Raises ValueError for a count below 1.

    >>> import tinygrad_lite as tl
    >>> before = tl.get_num_threads()
    >>> tl.set_num_threads(1)
    >>> tl.get_num_threads()
    1
    >>> tl.set_num_threads(before)
    """
    global _count
    if count < 1:
        raise ValueError(f"set_num_threads: got {count}; it needs at least 1")
    _count = int(count)
    _pool.clear()


def spread(task: Callable[[int, int], None], count: int, operations: float) -> None:
    """Call `task(first, last)` for ranges that make up 0 ... count, in several threads if there is enough to do.

    The kernels run without the interpreter lock, in Python threads, so several threads of a program may call
    kernels at once.
    """
    parts = min(_count, count, 1 + int(operations / WORTHWHILE))
    if parts < 2:
        task(0, count)
        return
    if not _pool:
        _pool.append(ThreadPoolExecutor(_count - 1, "tinygrad_lite"))
    edges = [count * k // parts for k in range(parts + 1)]
    others = [_pool[0].submit(task, a, b) for a, b in pairwise(edges[1:])]
    task(0, edges[1])
    for other in others:
        other.result()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.clear)  # threads don't survive a fork
