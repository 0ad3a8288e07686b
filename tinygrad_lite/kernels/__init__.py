"""Kernels: the few inner loops that NumPy can't do quickly, each by one name: `kernels.convolve(...)`.

Every kernel has a plain NumPy twin with the same signature (twins.py), which is its specification. The
Numba version is taken where there is one; the twin where Numba is missing, where the environment says
`TINYGRAD_LITE_KERNELS=numpy`, and, inside a kernel, for dtypes it is not compiled for. Nothing is
imported or compiled before a kernel is first called.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

TABLE = {
    "convolve": "convolution",
    "convolve_input": "convolution",
    "convolve_weight": "convolution",
    "unfold": "twins",
    "fold": "twins",
    "max_pool": "pooling",
    "scatter_planes": "pooling",
    "resample": "pooling",
    "resample_back": "pooling",
    "scatter_rows": "scatter",
}
"""The name of a kernel, and the file it is taken from: the one with its Numba version, or the twins for good."""


def backend() -> str:
    """Which versions are in use: "numba" or "numpy"."""
    chosen = os.environ.get("TINYGRAD_LITE_KERNELS", "").lower()
    if chosen not in ("", "numba", "numpy"):
        raise ValueError(f"TINYGRAD_LITE_KERNELS is {chosen!r}; it may be 'numba' or 'numpy'")
    interpreted = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
    return chosen or ("numpy" if interpreted or not importlib.util.find_spec("numba") else "numba")


def __getattr__(name: str) -> Any:
    """Resolve a kernel at its first use (PEP 562); from then on it is an attribute of this module."""
    if name not in TABLE:
        raise AttributeError(f"kernels has no {name!r}; the kernels are {', '.join(TABLE)}")
    file = TABLE[name] if backend() == "numba" else "twins"
    kernel = globals()[name] = getattr(importlib.import_module(f"{__name__}.{file}"), name)
    return kernel
