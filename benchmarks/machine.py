"""The machine, and the most that it can do: the figures that the rows are a share of."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tinygrad_lite.kernels import matrix_product
from tinygrad_lite.kernels.threads import spread


@dataclass(frozen=True)
class Machine:
    processor: str
    threads: int
    versions: str
    flops: float  # float32 operations a second of a large matrix product, NumPy's or ours, whichever is faster
    bandwidth: float  # bytes a second of a large copy, read and written


def best(function: Callable[[], object], times: int) -> float:
    """The shortest time of several, in seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{names[0] if names else platform.processor() or platform.machine()}, {wide}"


def measure(threads: int) -> Machine:
    a = np.ones((2048, 2048), np.float32)
    products = (lambda: a @ a), (lambda: matrix_product(a, a))
    flops = max(2 * 2048.0**3 / best(product, 12) for product in products)
    source = np.ones(1 << 26, np.float32)
    target = np.zeros_like(source)

    def copy(start: int, stop: int) -> None:
        np.copyto(target[start:stop], source[start:stop])

    bandwidth = 2 * source.nbytes / best(lambda: spread(copy, source.size, 1e9), 12)
    names = ("numpy", "numba", "torch")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    return Machine(processor(), threads, versions, flops, bandwidth)
