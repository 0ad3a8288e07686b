"""What a new process costs: imports, the first training step, and the memory of a large one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.compare import LIBRARIES, Result, environment, result
from benchmarks.rows.training import DIGITS, RESNET_20

IMPORT = """
import time
start = time.perf_counter()
import {library}
print(time.perf_counter() - start)
"""

FIRST = """
import sys, time
start = time.perf_counter()
from benchmarks.library import Library
from benchmarks.rows import find
find({row!r}).build(Library({library!r}, {threads}))()
print(time.perf_counter() - start)
"""

MEMORY = """
from benchmarks.start import peak
from benchmarks.library import Library
from benchmarks.rows import find
lib = Library({library!r}, {threads})
before = peak()
step = find({row!r}).build(lib)
for _ in range(3):
    step()
print(peak() - before)
"""


def peak() -> int:
    """Bytes that this process has had resident at most (getrusage would count those of its parent as well)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def run(code: str, threads: int, **extra: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(threads) | extra, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def imports(threads: int, pairs: int) -> Result:
    """Seconds to import, in turn; the ratio theirs / ours."""
    times = [tuple(run(IMPORT.format(library=library), threads) for library in LIBRARIES) for _ in range(pairs)]
    return result("start", "import", times)  # type: ignore[arg-type]


def first_steps(threads: int, pairs: int) -> tuple[float, float, float]:
    """Seconds from the start to the end of the first training step of the digits ResNet, import included.

    Ours with an empty cache of compiled kernels and with a full one, and theirs.
    """
    code = [FIRST.format(row=DIGITS.name, library=library, threads=threads) for library in LIBRARIES]
    with tempfile.TemporaryDirectory() as folder:
        cold = run(code[0], threads, NUMBA_CACHE_DIR=str(Path(folder)))
        warm = min(run(code[0], threads, NUMBA_CACHE_DIR=str(Path(folder))) for _ in range(pairs))
    return cold, warm, min(run(code[1], threads) for _ in range(pairs))


def memory(threads: int) -> tuple[float, float]:
    """Bytes by which three steps of ResNet-20 raise the peak of a process that has imported the library."""
    ours, theirs = (
        run(MEMORY.format(row=RESNET_20.name, library=library, threads=threads), threads) for library in LIBRARIES
    )
    return ours, theirs


def lines(threads: int, pairs: int) -> tuple[list[str], bool]:
    """The figures as sentences, and whether all targets are met."""
    imported = imports(threads, pairs)
    cold, warm, theirs = first_steps(threads, pairs)
    ours_more, theirs_more = memory(threads)
    checks = [
        (
            f"import: {imported.ours:.2f} s, PyTorch {imported.theirs:.2f} s, {1 / imported.ratio:.2f} of it "
            "(target 0.5)",
            imported.ratio >= 2,
        ),
        (
            f"first training step of the digits ResNet in a new process, import included: {cold:.1f} s with an empty "
            f"cache of kernels (target 15), {warm:.2f} s with a full one (target 1); PyTorch {theirs:.2f} s",
            cold < 15 and warm < 1,
        ),
        (
            f"memory of the ResNet-20 step, peak above the imported library: {ours_more / 2**20:.0f} MB, PyTorch "
            f"{theirs_more / 2**20:.0f} MB, {ours_more / theirs_more:.2f} of it (target at most 1)",
            ours_more <= theirs_more,
        ),
    ]
    return [f"- {text}: {'met' if fine else 'not met'}" for text, fine in checks], all(fine for _, fine in checks)
