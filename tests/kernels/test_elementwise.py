"""Elementwise formulas: every operation gives the same through its kernel as through its NumPy formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import kernels

elementwise = pytest.importorskip("tinygrad_lite.kernels.elementwise", reason="without Numba the twins are the kernels")

rng = np.random.default_rng(0)
OPS = {
    "relu": tl.relu,
    "leaky_relu": lambda x: tl.leaky_relu(x, 0.1),
    "hardtanh": lambda x: tl.hardtanh(x, -0.5, 2.0),
    "hardsigmoid": tl.hardsigmoid,
    "hardswish": tl.hardswish,
    "sigmoid": tl.sigmoid,
    "tanh": tl.tanh,
    "elu": lambda x: tl.elu(x, 0.7),
    "selu": tl.selu,
    "celu": lambda x: tl.celu(x, 2.0),
    "logsigmoid": tl.logsigmoid,
    "softplus": lambda x: tl.softplus(x, 2.0, 5.0),
    "silu": tl.silu,
    "mish": tl.mish,
    "gelu": tl.gelu,
    "gelu tanh": lambda x: tl.gelu(x, approximate="tanh"),
    "erf": tl.erf,
}
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-30, -1e-30, 30.0, -30.0, 1000.0, -1000.0]


def value_and_slope(name, version, x, g, patch):
    """The result and the gradient with one version of the kernel, and the names of the formulas it was asked for."""
    asked = set()

    def listening(formula_name, *args):
        asked.add(formula_name)
        return version(formula_name, *args)

    patch.setattr(kernels, "apply_formula", listening, raising=False)
    t = tl.tensor(x, requires_grad=True)
    y = OPS[name](t)
    y.backward(tl.tensor(g))
    return [y.detach().numpy(), t.grad.numpy()], asked


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPS)
def test_a_kernel_is_its_formula(name, dtype, monkeypatch):
    x = (rng.standard_normal((40, 53)) * rng.choice([0.1, 1, 10], (40, 53))).astype(dtype)
    x.ravel()[: len(SPECIAL)] = SPECIAL
    g = rng.standard_normal(x.shape).astype(dtype)
    got, asked = value_and_slope(name, kernels.fast("apply_formula"), x, g, monkeypatch)
    want, _ = value_and_slope(name, kernels.twin("apply_formula"), x, g, monkeypatch)
    assert asked & elementwise.FUNCTIONS.keys()
    eps = np.finfo(dtype).eps
    for a, b in zip(got, want):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=40 * eps, atol=100 * eps)  # in the tails of gelu digits cancel


def test_every_function_belongs_to_an_operation(monkeypatch):
    x = rng.standard_normal((40, 53))
    asked = set()
    for name in OPS:
        asked |= value_and_slope(name, kernels.twin("apply_formula"), x, x, monkeypatch)[1]
    assert elementwise.FUNCTIONS.keys() <= asked


def layouts():
    base = rng.standard_normal((30, 20, 10)).astype(np.float32)
    return {
        "plain": base, "transposed": base.T, "permuted": base.transpose(1, 0, 2), "reversed": base[::-1, :, ::-1],
        "steps": base[::2], "broadcast": np.broadcast_to(base[:, :1], base.shape), "number": base[0, 0, 0].reshape(()),
        "empty": base[:0],
    }  # fmt: skip


@pytest.mark.parametrize("first", layouts())
@pytest.mark.parametrize("threads", [1, 3])
def test_any_memory_layout(first, threads, monkeypatch):
    monkeypatch.setattr("tinygrad_lite.kernels.threads.WORTHWHILE", 100)
    monkeypatch.setattr("tinygrad_lite.kernels.threads._count", threads)
    monkeypatch.setattr("tinygrad_lite.kernels.threads._crews", [])
    apply = kernels.fast("apply_formula")
    x = layouts()[first]
    np.testing.assert_array_equal(apply("relu", None, [x], []), np.maximum(x, 0))
    for g in layouts().values():
        if g.shape == x.shape:
            np.testing.assert_array_equal(apply("relu_input", None, [g, x], []), np.where(x > 0, g, 0))


def test_a_slope_for_each_element():
    x, slope = rng.standard_normal((2, 40, 53))
    t, a = tl.tensor(x, requires_grad=True), tl.tensor(slope, requires_grad=True)
    tl.leaky_relu(t, a).sum().backward()
    np.testing.assert_allclose(tl.leaky_relu(x, slope).numpy(), np.where(x > 0, x, slope * x), rtol=1e-12)
    np.testing.assert_allclose(t.grad.numpy(), np.where(x > 0, 1, slope), rtol=1e-12)
