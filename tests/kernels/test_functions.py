"""The scalar functions of kernels, in units in the last place, against NumPy in higher precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="without Numba the twins are the kernels")

from tinygrad_lite.kernels import functions  # noqa: E402
from tinygrad_lite.kernels.compiled import MATHS  # noqa: E402

REFERENCE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "erf": lambda x: np.vectorize(math.erf, otypes=[x.dtype])(x),
}
ULPS = {"exp": 1.5, "expm1": 2, "log": 1.5, "log1p": 2, "sigmoid": 3, "tanh": 3, "erf": 6}


def in_a_loop(name: str) -> Any:
    """The function as kernels use it."""
    scalar = getattr(functions, name)

    @numba.njit(fastmath=MATHS, error_model="numpy")
    def loop(x, out):
        for i in range(len(x)):
            out[i] = scalar(x[i])

    return loop


def evaluated(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    in_a_loop(name)(x, out)
    return out


def exact(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return REFERENCE[name](x.astype(np.float64 if x.dtype == np.float32 else np.longdouble))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REFERENCE)
def test_values_are_within_a_few_units_in_the_last_place(name, dtype):
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    sizes = np.exp(rng.uniform(math.log(info.smallest_subnormal), math.log(info.max), 50000))
    spread = [rng.uniform(-a, a, 50000) for a in (1, 5, 20, 100, 700)]
    x = np.concatenate([*spread, sizes, -sizes]).astype(dtype)
    got, want = evaluated(name, x), exact(name, x)
    with np.errstate(over="ignore"):
        rounded = want.astype(dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    np.testing.assert_array_equal(got[np.isinf(rounded)], rounded[np.isinf(rounded)])
    finite = np.isfinite(rounded)
    if name == "sigmoid":  # there e^-x overflows, and what should be subnormal is 0
        assert (got[x < -info.maxexp * math.log(2)] == 0).all()
        finite &= x > -info.maxexp * math.log(2)
    error = np.abs(got[finite] - want[finite]) / np.spacing(np.abs(rounded[finite]))
    worst = np.argmax(error)
    assert error[worst] <= ULPS[name], f"{error[worst]} ulp at {x[finite][worst]}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REFERENCE)
def test_at_the_ends_values_are_those_of_numpy(name, dtype):
    info = np.finfo(dtype)
    x = np.array([0, -0.0, math.inf, -math.inf, math.nan, info.max, -info.max, -1], dtype)
    np.testing.assert_allclose(evaluated(name, x), exact(name, x).astype(dtype), rtol=4 * info.eps)


@pytest.mark.parametrize("name", REFERENCE)
def test_float32_stays_float32_and_vectorises(name):
    loop = in_a_loop(name)
    loop.compile("void(float32[::1], float32[::1])")
    code = loop.inspect_llvm(loop.signatures[0])
    assert " x float>" in code
    assert "x double>" not in code
