"""A process that runs rows in one of the two libraries, at the word of the process that compares them.

Each line that comes in is a command in JSON, each line that goes out its answer.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from typing import Any

import numpy as np

from benchmarks.library import Library, Step
from benchmarks.row import numpy_of


def timed(step: Step, least: float) -> float:
    """Seconds that a step takes: the mean of as many as fit in `least` seconds, one at least."""
    gc.collect()
    count, start = 0, time.perf_counter()
    while True:
        step()
        count += 1
        spent = time.perf_counter() - start
        if spent >= least:
            return spent / count


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.lib = Library(name, threads)
        self.step: Step | None = None

    def answer(self, command: dict[str, Any]) -> Any:
        what = command["do"]
        if what == "prepare":
            from benchmarks.rows import find

            self.step = None
            gc.collect()
            self.step = find(command["row"]).build(self.lib)
            np.savez(command["file"], *numpy_of(self.lib, self.step()))
            self.step()
            return True
        if what == "time":
            assert self.step is not None
            return timed(self.step, command["least"])
        raise ValueError(f"unknown command {what!r}")


def main() -> None:
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    out = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        try:
            answer = {"value": worker.answer(json.loads(line))}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
