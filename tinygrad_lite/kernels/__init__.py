"""Kernels: the inner loops that NumPy can't do quickly, each by one name: `kernels.convolve(...)`.

Every kernel has a plain NumPy twin with the same signature, in the folder twins, which is its specification.
The Numba version, in the file of the same name here, is taken where there is one; the twin where Numba or
that file is missing, where the environment says `TINYGRAD_LITE_KERNELS=numpy`, and, inside a kernel, for
dtypes it is not compiled for. Nothing is imported or compiled before a kernel is first called.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np

TABLE = {
    "convolve": "convolution",
    "convolve_input": "convolution",
    "convolve_weight": "convolution",
    "unfold": "convolution",
    "fold": "convolution",
    "max_pool": "pooling",
    "scatter_planes": "pooling",
    "mean_pool": "pooling",
    "mean_pool_back": "pooling",
    "resample": "resampling",
    "resample_back": "resampling",
    "apply_formula": "elementwise",
    "normalize": "normalization",
    "normalize_back": "normalization",
    "affine": "normalization",
    "softmax_rows": "softmax",
    "softmax_rows_back": "softmax",
    "log_softmax_rows": "softmax",
    "log_softmax_rows_back": "softmax",
    "nll_rows": "softmax",
    "nll_rows_back": "softmax",
    "attend": "attention",
    "attend_back": "attention",
    "matrix_product": "gemm",
    "sum_channels": "gemm",
    "recurrence": "recurrent",
    "recurrence_back": "recurrent",
    "thin": "dropout",
    "scatter_rows": "scatter",
    "sgd": "optimizers",
    "adam": "optimizers",
    "rmsprop": "optimizers",
    "adagrad": "optimizers",
}
"""The name of a kernel, and that of its file, here and among the twins."""


def backend() -> str:
    """Which versions are in use: "numba" or "numpy"."""
    chosen = os.environ.get("TINYGRAD_LITE_KERNELS", "").lower()
    if chosen not in ("", "numba", "numpy"):
        raise ValueError(f"TINYGRAD_LITE_KERNELS is {chosen!r}; it may be 'numba' or 'numpy'")
    interpreted = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
    return chosen or ("numpy" if interpreted or not importlib.util.find_spec("numba") else "numba")


def twin(name: str) -> Callable[..., Any]:
    """The NumPy version of a kernel."""
    return getattr(importlib.import_module(f"{__name__}.twins.{TABLE[name]}"), name)


def fast(name: str) -> Callable[..., Any] | None:
    """The Numba version of a kernel, or None where there is none: its file, or one that it stands on, was cut out."""
    try:
        module = importlib.import_module(f"{__name__}.{TABLE[name]}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(__name__):
            raise
        return None
    return getattr(module, name, None)


def __getattr__(name: str) -> Any:
    """Resolve a kernel at its first use (PEP 562); from then on it is an attribute of this module."""
    if name not in TABLE:
        raise AttributeError(f"kernels has no {name!r}; the kernels are {', '.join(TABLE)}")
    kernel = globals()[name] = (fast(name) if backend() == "numba" else None) or twin(name)
    return kernel


def examples(name: str, dtype: Any) -> list[tuple]:
    """Arguments to call a kernel with, small ones, which together reach all of its compiled code."""
    twins = importlib.import_module(f"{__name__}.twins.{TABLE[name]}")
    return twins.EXAMPLES[name](np.dtype(dtype).type)


def warmup(dtype: Any = np.float32) -> None:
    """Compile all kernels now, for one dtype, rather than each at its first call. It is done once: they are cached.

    >>> import tinygrad_lite as tl
    >>> tl.warmup()
    """
    for name in TABLE:
        for arguments in examples(name, dtype):
            getattr(importlib.import_module(__name__), name)(*arguments)
