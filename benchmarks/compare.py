"""Two workers, one for each library, and what comes of running them in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import Row, differences

LIBRARIES = ("tinygrad_lite", "torch")


def environment(threads: int) -> dict[str, str]:
    """The same number of threads for all that has threads."""
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TINYGRAD_LITE_THREADS")
    return {**os.environ, **dict.fromkeys(counts, str(threads))}


class Process:
    """A worker in a process of its own."""

    def __init__(self, library: str, threads: int) -> None:
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads),
        )

    def ask(self, **command: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.library} ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.library}: {answer['error']}")
        return answer["value"]

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Result:
    """What was measured in a row. Times in seconds; ratio: theirs / ours, the median over the pairs."""

    group: str
    name: str
    ours: float
    theirs: float
    ratio: float
    low: float  # the quartiles of the ratios
    high: float
    pairs: int
    difference: float  # between the results
    speed: float = 0.0  # ours, in operations or bytes a second
    unit: str = ""  # "GFLOP/s" or "GB/s"
    share: float = 0.0  # of the machine's peak

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def result(group: str, name: str, times: list[tuple[float, float]], difference: float = 0.0) -> Result:
    """Summarise pairs of times (ours, theirs)."""
    ratios = [b / a for a, b in times]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    ours, theirs = (statistics.median(column) for column in zip(*times))
    return Result(group, name, ours, theirs, statistics.median(ratios), low, high, len(times), difference)


@dataclass
class Comparison:
    """A row under measurement: the pairs of times so far, (ours, theirs), and how far the results are apart."""

    group: str
    row: Row
    times: list[tuple[float, float]] = field(default_factory=list)
    difference: float = 0.0

    def measure(self, ours: Process, theirs: Process, pairs: int, least: float) -> None:
        """Check that both give the same, then time them in turn: so many pairs, each for so many seconds at least."""
        with tempfile.TemporaryDirectory() as folder:
            found = []
            for process in (ours, theirs):
                file = str(Path(folder, f"{process.library}.npz"))
                process.ask(do="prepare", row=self.row.name, file=file)
                with np.load(file) as arrays:
                    found.append([arrays[f"arr_{k}"] for k in range(len(arrays.files))])
        self.difference = max(self.difference, differences(self.row, *found))
        for _ in range(pairs):
            self.times.append((ours.ask(do="time", least=least), theirs.ask(do="time", least=least)))

    def result(self) -> Result:
        """What came of it."""
        made = result(self.group, self.row.name, self.times, self.difference)
        if self.row.work:
            made.speed, made.unit = self.row.work / made.ours, "GFLOP/s"
        elif self.row.traffic:
            made.speed, made.unit = self.row.traffic / made.ours, "GB/s"
        return made
