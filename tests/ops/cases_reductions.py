"""Calls of reductions, norms and scans."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays

SPECIAL = {
    "zeros": (0.0, 0.0, 1.5, -2.0),
    "nan": (math.nan, 0.5, -1.5, 2.0),
    "truth": (0.0, 0.0, 1.0),
}
"""Few values in place of numbers from the grid: products with zeros, sums without NaN, truth values."""


def peer(name: str) -> Callable:
    """torch.<name>, called with `dim` and `keepdim`."""

    def call(*args: Any, **params: Any) -> Any:
        function = getattr(importlib.import_module("torch"), name)
        params = {{"axis": "dim", "keepdims": "keepdim"}.get(k, k): v for k, v in params.items()}
        if params.get("dim", 0) is None and name in ("logsumexp", "amax", "amin"):
            params["dim"] = tuple(range(args[0].ndim))
        return function(*args, **params)

    return call


def torch_prod(x: Any, axis: Any, keepdims: bool) -> Any:
    """PyTorch's prod, one axis at a time."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    if x.ndim:
        for k in sorted((a % x.ndim for a in axes), reverse=True):
            x = x.prod(k, keepdims)
    return x


def torch_count(x: Any, axis: Any, keepdims: bool) -> Any:
    """PyTorch's count_nonzero has no keepdim."""
    return (x != 0).sum(axis, keepdims)


def one_axis(rank: int) -> st.SearchStrategy[int]:
    """An axis, counted from either end; a 0-d operand has 0 and -1."""
    return st.integers(-(rank or 1), (rank or 1) - 1)


def some_axes(rank: int) -> st.SearchStrategy[Any]:
    """None, one axis, or a tuple of different ones, each counted from either end."""
    several = st.lists(st.integers(0, max(rank - 1, 0)), min_size=1, max_size=max(rank, 1), unique=True)
    signed = st.tuples(several, st.integers(0, 7)).map(
        lambda drawn: tuple(a - rank * (drawn[1] >> i & 1) for i, a in enumerate(drawn[0]))
    )
    return st.one_of(st.none(), one_axis(rank), signed if rank else st.just(()))


def reduced(shape: tuple[int, ...], axis: Any) -> set[int]:
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return {a % len(shape) for a in axes} if shape else set()


@st.composite
def reductions(
    draw: Any,
    values: Any = None,
    empty: bool = True,
    axes: Any = some_axes,
    keepdims: bool = True,
    smallest: int = 0,
    **params: Any,
) -> Call:
    """One operand with axis and keepdims. values: one of SPECIAL, or keywords for `arrays`; empty: whether
    an axis of length 0 may be reduced; smallest: the length of the shortest axis."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=smallest, max_side=4))
    axis = draw(axes(len(shape)))
    if not empty:
        shape = tuple(max(n, 1) if k in reduced(shape, axis) else n for k, n in enumerate(shape))
    if isinstance(values, tuple):
        x = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from(values)))
    else:
        x = draw(arrays(shape, **(values or {})))
    drawn = {k: draw(s) for k, s in params.items()}
    return Call((x,), {"axis": axis} | ({"keepdims": draw(st.booleans())} if keepdims else {}) | drawn)


@st.composite
def variances(draw: Any) -> Call:
    """Distinct values, and a correction below their number."""
    call = draw(reductions({"unique": True}, empty=False))
    shape, axis = call.args[0].shape, call.params["axis"]
    n = math.prod(shape[k] for k in reduced(shape, axis))
    call.params["correction"] = draw(st.sampled_from([c for c in (1, 0, 0.5, 2, -1, True, False) if c < n]))
    return call


@st.composite
def scans(draw: Any, values: Any = None) -> Call:
    return draw(reductions(values, axes=one_axis, keepdims=False))


@st.composite
def differences(draw: Any) -> Call:
    """Up to four rounds, with something before and after."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    axis = draw(one_axis(len(shape)))
    params: dict[str, Any] = {"n": draw(st.integers(0, 4)), "axis": axis}
    for name in ("prepend", "append"):
        if draw(st.booleans()):
            edge = list(shape)
            edge[axis] = draw(st.integers(0, 2))
            params[name] = draw(arrays(tuple(edge)))
    return Call((draw(arrays(shape)),), params)


SPECS["sum"] = Spec(reductions(), peer("sum"))
SPECS["mean"] = Spec(reductions(empty=False), peer("mean"))
SPECS["nansum"] = Spec(reductions(SPECIAL["nan"]), peer("nansum"))
SPECS["nanmean"] = Spec(reductions(empty=False), peer("nanmean"))  # with NaN: in test_reductions.py
for name in ("var", "std", "var_mean", "std_mean"):
    SPECS[name] = Spec(variances(), peer(name))
SPECS["prod"] = Spec(st.one_of(reductions(), reductions(SPECIAL["zeros"])), torch_prod)
for name in ("logsumexp", "amax", "amin"):
    SPECS[name] = Spec(reductions({"unique": True}, empty=False), peer(name))
SPECS["aminmax"] = Spec(reductions({"unique": True}, empty=False, axes=one_axis), peer("aminmax"))
for name in ("all", "any"):
    SPECS[name] = Spec(reductions(SPECIAL["truth"]), peer(name), gradient=False)
SPECS["count_nonzero"] = Spec(reductions(SPECIAL["truth"]), torch_count, gradient=False)
SPECS["norm"] = Spec(
    reductions(
        {"gap": (-0.2, 0.2), "unique": True},
        empty=False,
        p=st.sampled_from([2, 1, 0, 3, 1.5, 0.5, -1, -2.5, math.inf, -math.inf]),
    ),
    peer("norm"),
)

SPECS["cumsum"] = Spec(scans(), peer("cumsum"))
SPECS["cumprod"] = Spec(st.one_of(scans(), scans(SPECIAL["zeros"])), peer("cumprod"))
SPECS["logcumsumexp"] = Spec(scans(), peer("logcumsumexp"))
for name in ("cummax", "cummin"):
    SPECS[name] = Spec(scans({"unique": True}), peer(name))
SPECS["diff"] = Spec(differences(), peer("diff"))
