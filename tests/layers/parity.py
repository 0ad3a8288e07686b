"""Hold a layer to PyTorch's layer with the same weights: values, gradients, buffers, and the state dict both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import Module

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}

try:
    import torch
except ModuleNotFoundError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="compares with PyTorch, which comes with the extra [torch]")


def close(ours: Any, theirs: Any, dtype: str, what: str, looser: float = 1) -> None:
    """Equal up to rounding, relative to the largest value."""
    a, b = np.asarray(ours.detach()), theirs.detach().numpy()
    assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch has {b.shape}"
    assert a.dtype == b.dtype, f"{what}: {a.dtype}, PyTorch has {b.dtype}"
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    np.testing.assert_allclose(a, b, rtol=0, atol=looser * TOLERANCE[dtype] * scale, err_msg=what, equal_nan=True)


def listed(output: Any) -> list:
    return list(output) if isinstance(output, (tuple, list)) else [output]


def check(
    ours: Module,
    theirs: Any,
    *inputs: Any,
    dtype: str = "float64",
    training: bool = True,
    steps: int = 1,
    looser: float = 1,
) -> None:
    """Run both on the same inputs `steps` times, with a random upstream gradient, and compare everything.

    looser: a factor on the tolerance, where PyTorch itself is not as exact as it could be.
    """
    rng = np.random.default_rng(0)
    ours, theirs = ours.to(dtype), theirs.to(getattr(torch, dtype))
    same_state(ours, theirs, dtype, load=True)
    ours.train(training)
    theirs.train(training)
    for _ in range(steps):
        arrays = [
            a.astype(dtype) if getattr(a, "dtype", None) is not None and a.dtype.kind == "f" else a for a in inputs
        ]
        xs = [tl.tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in arrays]
        ys = [torch.tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in arrays]
        ours.zero_grad()
        theirs.zero_grad()
        outs, wants = listed(ours(*xs)), listed(theirs(*ys))
        assert len(outs) == len(wants)
        for out, want in zip(outs, wants):
            close(out, want, dtype, "output")
            if want.requires_grad:
                g = np.asarray(rng.normal(size=want.shape), dtype)
                assert out.requires_grad
                out.backward(g)
                want.backward(torch.tensor(g))
        for k, (x, y) in enumerate(zip(xs, ys)):
            if isinstance(y, torch.Tensor) and y.grad is not None:
                close(x.grad, y.grad, dtype, f"gradient of input {k}", looser)
        for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
            assert (p.grad is None) == (q.grad is None), name
            if q.grad is not None:
                close(p.grad, q.grad, dtype, f"gradient of {name}")
    same_state(ours, theirs, dtype)


def same_state(ours: Module, theirs: Any, dtype: str, load: bool = False) -> None:
    """The names in the same order, and the values; with `load`, PyTorch's state is loaded first, and ours back."""
    if load:
        for module in theirs.modules():
            for parameter in module.parameters(recurse=False):
                torch.nn.init.normal_(parameter, std=0.5)
        ours.load_state_dict(theirs.state_dict())
    mine, their = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(their)
    for name in mine:
        close(mine[name], their[name], dtype, name)
    if load:
        theirs.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in mine.items()})


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape) + 1).normal(size=shape)


both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
both_modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
