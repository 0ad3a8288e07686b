"""The threads that large kernels are spread over.

They are threads of Python: a kernel runs without the interpreter lock, so several run at once. What is spread is
cut into one range a thread; whoever is free takes the next, so that nobody waits for a thread that is still
asleep. Results don't depend on who takes which range; on how many there are, only by the rounding of sums.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np

WORTHWHILE = 1.5e6
"""How many arithmetic operations make it worth to have another thread, which costs about 10 microseconds."""

LOOKS = 20_000
"""How often a thread looks for more work before it sleeps: for about 600 microseconds, so that it is still awake after
what Python does between two large kernels of a training step."""

WAIT = 5000
"""How often the giver looks whether all is done before it lets others have the processor, and looks again."""

DELAY = 300
"""Looks, about 9 microseconds, between seeing work and starting. By then the giver is in its own part and has left
the interpreter lock, and ends before; who finds the lock taken is put to sleep, and that is dear."""

LEAVE = 100
"""Looks, about 3 microseconds, between seeing that all is done and going on: until then who said so has left Python."""

LATE, ALONE = 1e-3, 20
"""A wait for the others of so many seconds, and longer than one's own part took, means that other programs have the
processors: for ALONE times as long, a second at most, jobs are done alone. So little time is lost on a busy machine."""

GIVEN, REST, DONE = 0, 1, 16
"""Where on the board numbers of jobs stand: of the last one given, the last one before a rest, the last one done."""

_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_count = int(os.environ.get("TINYGRAD_LITE_THREADS", 0)) or _processors
_crews: list[Crew] = []


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
    while _crews:
        _crews.pop().dismiss()


def pause() -> None:
    """Let another thread have the processor, if one waits for it."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


class Job:
    """A task, and the ranges of it that nobody has taken yet."""

    def __init__(self, task: Callable[[int, int], None], edges: list[int]) -> None:
        self.task, self.ranges = task, deque(pairwise(edges))
        self.count = len(self.ranges)
        self.finished: list[BaseException | None] = []  # for each range done: the error that it ended with

    def take(self) -> None:
        """Do ranges while there are any."""
        while True:
            try:
                first, last = self.ranges.popleft()
            except IndexError:
                return
            error = None
            try:
                self.task(first, last)
            except BaseException as raised:
                error = raised
            self.finished.append(error)


class Crew:
    """Threads that do a job together with the one that gives it."""

    def __init__(self, helpers: int, changed: Callable[..., bool]) -> None:
        self.changed = changed  # waiting.py
        self.looks = LOOKS if helpers < _processors else 1
        self.board = np.zeros(32, np.int64)
        self.board[[REST, DONE + 1]] = -1
        changed(self.board, GIVEN, 0, 1, 0)  # compiled before two threads ask for it
        self.busy = threading.Lock()
        self.job: Job | None = None
        self.alone_until = 0.0
        self.asleep: deque[Any] = deque()  # a locked lock for each sleeping thread
        for _ in range(helpers):
            threading.Thread(target=self.help, name="tinygrad_lite", daemon=True).start()

    def help(self) -> None:
        """What a thread does: take part in each job."""
        bed = threading.Lock()
        bed.acquire()
        seen = 0
        while True:
            if not self.changed(self.board, GIVEN, seen, self.looks, DELAY):
                self.sleep(bed, seen)
            seen, job = int(self.board[GIVEN]), self.job
            if job is None:
                return
            job.take()
            if len(job.finished) == job.count:
                self.board[DONE] = seen

    def sleep(self, bed: Any, seen: int) -> None:
        """Until there is a job, which may have been given just now, before or after it could be seen who sleeps."""
        self.asleep.append(bed)
        if self.board[GIVEN] != seen:
            with suppress(ValueError):
                self.asleep.remove(bed)
                return
        bed.acquire()

    def give(self, job: Job | None) -> int:
        """Show the job to all, and wake who sleeps. Returns its number."""
        self.job = job
        self.board[GIVEN] += 1
        with suppress(IndexError):
            while True:
                self.asleep.pop().release()
        return int(self.board[GIVEN])

    def do(self, job: Job) -> None:
        """Do the job together, or alone where another thread of the program has the crew, or others the processors."""
        if time.perf_counter() < self.alone_until or not self.busy.acquire(blocking=False):
            job.take()
            return
        try:
            number, begin = self.give(job), time.perf_counter()
            job.take()
            end = time.perf_counter()
            while len(job.finished) < job.count:
                if not self.changed(self.board, DONE, number - 1, WAIT, LEAVE):
                    pause()
            waited = time.perf_counter() - end
            if waited > max(LATE, end - begin):
                self.alone_until = end + min(ALONE * waited, 1.0)
            del job.task  # and the arrays that it holds, for the crew remembers its last job
            self.board[DONE] = number
        finally:
            self.busy.release()

    def rest(self) -> None:
        """Let the threads sleep until there is more to do."""
        self.board[REST] = self.board[GIVEN]

    def dismiss(self) -> None:
        """Let the threads end."""
        with self.busy:
            self.give(None)


def the_crew() -> Crew | None:
    """The threads, started when first needed; None where they have no way to wait, for waiting.py was cut out."""
    if not _crews:
        try:
            from tinygrad_lite.kernels.waiting import changed
        except ModuleNotFoundError:
            return None
        _crews.append(Crew(_count - 1, changed))
    return _crews[0]


def spread(task: Callable[[int, int], None], count: int, operations: float) -> None:
    """Call `task(first, last)` for ranges that make up 0 ... count, in several threads if there is enough to do."""
    parts = min(_count, count, 1 + int(operations / WORTHWHILE))
    if parts < 2:
        task(0, count)
        return
    job = Job(task, [count * k // parts for k in range(parts + 1)])
    crew = the_crew()
    crew.do(job) if crew else job.take()
    for error in job.finished:
        if error is not None:
            raise error


def shares(start: int, stop: int, sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """What a range is of pieces of these sizes that lie end to end: (piece, first, last) for each that it meets."""
    for k, size in enumerate(sizes):
        first, last = max(start, 0), min(stop, size)
        if first < last:
            yield k, first, last
        start, stop = start - size, stop - size


def rest() -> None:
    """Leave the processors to others, as to the threads of BLAS in a matrix product, rather than look for work."""
    if _crews:
        _crews[0].rest()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crews.clear)  # threads don't survive a fork
