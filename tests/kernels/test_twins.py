"""Every kernel against its NumPy twin, over random shapes, strides, paddings and odd sizes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import kernels
from tinygrad_lite.kernels import fast, twin

pytest.importorskip("numba", reason="without Numba the twins are the kernels")

often = settings(max_examples=60, deadline=None)


def same(name: str, *args: Any) -> None:
    """The kernel gives what its twin gives, in shape, dtype and value, and to its arguments does the same."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    want, got = twin(name)(*copies), (fast(name) or twin(name))(*args)
    got, want = (r if isinstance(r, tuple) else () if r is None else (r,) for r in (got, want))
    rough = any(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in args)
    for g, w in zip([*got, *args], [*want, *copies], strict=True):
        if isinstance(w, (np.ndarray, np.generic)):
            assert (g.shape, g.dtype) == (w.shape, w.dtype)
            tolerance = 0 if w.dtype.kind != "f" else 1e-4 if rough else 1e-12
            np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * 10)


def numbers(draw: Any, shape: tuple, dtype: Any = None) -> np.ndarray:
    """Normal numbers in float32 or float64, C-contiguous or not, read-only or not."""
    dtype = draw(st.sampled_from([np.float32, np.float64])) if dtype is None else dtype
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    kind = draw(st.sampled_from(["plain", "reversed", "transposed", "read-only"]))
    if kind == "transposed":
        return rng.standard_normal(shape[::-1]).astype(dtype).T
    x = rng.standard_normal(shape).astype(dtype)
    x = x[::-1] if kind == "reversed" and shape else x
    x.flags.writeable = kind != "read-only"
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", kernels.TABLE)
def test_the_example_calls_are_their_twins(name, dtype):
    for arguments in kernels.examples(name, dtype):
        same(name, *arguments)


def test_warming_up_with_an_empty_cache_compiles_everything(tmp_path):
    code = """
import tinygrad_lite as tl
from tinygrad_lite.kernels import compiled
tl.warmup()
print(*[f.py_func.__name__ for f in compiled.made if not f.overloads])
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "TINYGRAD_LITE_KERNELS": "numba"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert not done.stdout.strip(), "no example call reaches these compiled functions"


# ------------------------------------------------------------------------- resampling and scattering


@often
@given(st.data())
def test_resample_and_its_transpose_are_their_twins(data):
    size, n, t = (data.draw(st.integers(1, 6)) for _ in range(3))
    shape = (data.draw(st.integers(0, 4)), size, data.draw(st.sampled_from([1, 2, 5])))
    x = numbers(data.draw, shape)
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    index, weight = rng.integers(0, size, (n, t)), rng.standard_normal((n, t))
    same("resample", x, index, weight)
    same("resample_back", numbers(data.draw, (shape[0], n, shape[2]), x.dtype), index, weight, size)


@often
@given(st.data())
def test_scatter_rows_is_its_twin(data):
    g = numbers(data.draw, (data.draw(st.integers(0, 20)), data.draw(st.integers(0, 5))))
    size = data.draw(st.integers(1, 9))
    same("scatter_rows", g, np.random.default_rng(0).integers(0, size, len(g)), size)


@pytest.mark.parametrize("rows", [[0, 3], [-1, 0]])
def test_scatter_rows_refuses_an_index_out_of_range(rows):
    for version in (fast("scatter_rows"), twin("scatter_rows")):
        with pytest.raises(IndexError, match="out of range for 3 rows"):
            version(np.ones((2, 4)), np.array(rows), 3)
