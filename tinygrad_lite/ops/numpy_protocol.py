"""NumPy's own functions on Tensors: `np.sin(t)`, `array * t` and `np.sum(t, axis=1)` stay in the graph.

NumPy asks `Tensor.__array_ufunc__` (NEP 13) and `Tensor.__array_function__` (NEP 18) before it touches
a Tensor. This file is the table that answers: a NumPy function, and the operation it stands for. One
that is not in the table raises a TypeError, for turning the Tensor into an array would lose the gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl

UFUNCS: dict[np.ufunc, str] = {
    np.add: "add", np.subtract: "subtract", np.multiply: "multiply", np.true_divide: "divide",
    np.floor_divide: "floor_divide", np.remainder: "remainder", np.power: "power", np.float_power: "power",
    np.negative: "negative", np.positive: "positive", np.absolute: "abs", np.fabs: "abs", np.sign: "sign",
    np.exp: "exp", np.exp2: "exp2", np.expm1: "expm1", np.log: "log", np.log2: "log2", np.log10: "log10",
    np.log1p: "log1p", np.sqrt: "sqrt", np.square: "square", np.reciprocal: "reciprocal",
    np.sin: "sin", np.cos: "cos", np.tan: "tan", np.arcsin: "arcsin", np.arccos: "arccos",
    np.arctan: "arctan", np.arctan2: "atan2", np.sinh: "sinh", np.cosh: "cosh", np.tanh: "tanh",
    np.arcsinh: "arcsinh", np.arccosh: "arccosh", np.arctanh: "arctanh", np.hypot: "hypot",
    np.maximum: "maximum", np.minimum: "minimum", np.fmax: "fmax", np.fmin: "fmin",
    np.logaddexp: "logaddexp", np.floor: "floor", np.ceil: "ceil", np.trunc: "trunc", np.rint: "round",
    np.equal: "eq", np.not_equal: "ne", np.less: "lt", np.less_equal: "le", np.greater: "gt",
    np.greater_equal: "ge", np.logical_and: "logical_and", np.logical_or: "logical_or",
    np.logical_xor: "logical_xor", np.logical_not: "logical_not", np.isfinite: "isfinite",
    np.isnan: "isnan", np.isinf: "isinf", np.matmul: "matmul", np.bitwise_and: "bitwise_and",
    np.fmod: "fmod", np.copysign: "copysign", np.deg2rad: "deg2rad", np.radians: "deg2rad",
    np.rad2deg: "rad2deg", np.degrees: "rad2deg",
    np.bitwise_or: "bitwise_or", np.bitwise_xor: "bitwise_xor", np.invert: "bitwise_not",
}  # fmt: skip

REDUCTIONS: dict[np.ufunc, str] = {
    np.add: "sum", np.multiply: "prod", np.maximum: "amax", np.minimum: "amin",
    np.logical_and: "all", np.logical_or: "any", np.logaddexp: "logsumexp",
}  # fmt: skip

SAME_ARGUMENTS: dict[Callable, str] = {
    np.max: "amax", np.amax: "amax", np.min: "amin", np.amin: "amin", np.argmax: "argmax", np.argmin: "argmin",
    np.all: "all", np.any: "any",
    np.ravel: "ravel", np.fliplr: "fliplr", np.flipud: "flipud", np.rot90: "rot90",
    np.broadcast_arrays: "broadcast_tensors", np.diff: "diff", np.nansum: "nansum", np.nanmean: "nanmean",
    np.count_nonzero: "count_nonzero", np.sinc: "sinc",
}  # fmt: skip
"""Functions that take the same arguments here; those below it translate theirs."""

functions: dict[Callable, Callable] = {}


def implements(*numpy_functions: Callable) -> Callable:
    """Answer for these NumPy functions, with NumPy's own arguments."""

    def register(answer: Callable) -> Callable:
        functions.update(dict.fromkeys(numpy_functions, answer))
        return answer

    return register


def ufunc(called: np.ufunc, method: str, inputs: tuple, options: dict) -> Any:
    """NEP 13: `np.sin(t)`, `array * t`, `np.add.reduce(t)`."""
    if options.get("out") is not None:
        refuse(f"np.{called.__name__}(..., out=...)", "an array can't hold the graph; write y = np.f(x)")
    options = {k: v for k, v in options.items() if v is not None and k != "out"}
    where = options.pop("where", True)
    if where is not True:
        refuse(f"np.{called.__name__}(..., where=...)", "use np.where(mask, np.f(x), other)")
    dtype = options.pop("dtype", None)
    if method == "__call__" and called in UFUNCS and not options:
        answer = getattr(tl, UFUNCS[called])(*inputs)
    elif method == "reduce" and called in REDUCTIONS and not set(options) - {"axis", "keepdims"}:
        options.setdefault("axis", 0)
        answer = getattr(tl, REDUCTIONS[called])(*inputs, **options)
    elif method == "accumulate" and called in (np.add, np.multiply):
        answer = getattr(tl, "cumsum" if called is np.add else "cumprod")(*inputs, axis=options.get("axis", 0))
    elif method == "outer" and called in UFUNCS:
        x, y = (tl.as_tensor(a) for a in inputs)
        answer = getattr(tl, UFUNCS[called])(x.reshape(x.shape + (1,) * y.ndim), y)
    else:
        refuse(f"np.{called.__name__}" + ("" if method == "__call__" else f".{method}") + str(list(options) or ""))
    return answer if dtype is None else answer.astype(dtype)


def function(called: Callable, args: tuple, options: dict) -> Any:
    """NEP 18: `np.sum(t)`, `np.concatenate([t, u])`, `np.linalg.inv(t)`."""
    if called in SAME_ARGUMENTS:
        functions[called] = getattr(tl, SAME_ARGUMENTS[called])
    if called not in functions:
        refuse(f"{called.__module__}.{called.__name__}".replace("numpy", "np"))
    if options.get("out") is not None:
        refuse(f"np.{called.__name__}(..., out=...)", "an array can't hold the graph; write y = np.f(x)")
    options.pop("out", None)
    return functions[called](*args, **options)


def refuse(name: str, advice: str = "") -> None:
    advice = advice or "use an operation of docs/OPS.md, define one with @tl.primitive, or t.detach().numpy()"
    raise TypeError(f"{name} has no gradient rule for a Tensor, and its gradient would be lost: {advice}")


def cast(t: Any, dtype: Any) -> Any:
    return t if dtype is None else t.astype(dtype)


# ------------------------------------------------------------------------------------ reductions


@implements(np.sum)
def _sum(a, axis=None, dtype=None, keepdims=False):  # type: ignore
    return tl.sum(a if dtype is None else tl.astype(a, dtype), axis=axis, keepdims=keepdims)


@implements(np.prod)
def _prod(a, axis=None, dtype=None, keepdims=False):
    return tl.prod(a if dtype is None else tl.astype(a, dtype), axis=axis, keepdims=keepdims)


@implements(np.mean)
def _mean(a, axis=None, dtype=None, keepdims=False):
    return tl.mean(a if dtype is None else tl.astype(a, dtype), axis=axis, keepdims=keepdims)


@implements(np.var)
def _var(a, axis=None, dtype=None, ddof=0, keepdims=False, correction=None):
    return cast(tl.var(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims), dtype)


@implements(np.std)
def _std(a, axis=None, dtype=None, ddof=0, keepdims=False, correction=None):
    return cast(tl.std(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims), dtype)


@implements(np.cumsum)
def _cumsum(a, axis=None, dtype=None):
    return cast(tl.cumsum(tl.ravel(a) if axis is None else a, axis=axis or 0), dtype)


@implements(np.cumprod)
def _cumprod(a, axis=None, dtype=None):
    return cast(tl.cumprod(tl.ravel(a) if axis is None else a, axis=axis or 0), dtype)


@implements(np.median)
def _median(a, axis=None, keepdims=False):
    """NumPy's median: the mean of the two middle values (PyTorch's is the lower one)."""
    x = tl.as_tensor(a)
    if axis is None:
        return _median(tl.ravel(x), 0).reshape((1,) * x.ndim if keepdims else ())
    n = x.shape[axis]
    ordered = tl.sort(x, axis=axis).values
    middle = tl.index_select(ordered, axis, np.array([(n - 1) // 2, n // 2]))
    return tl.mean(middle, axis=axis, keepdims=keepdims)


@implements(np.sort)
def _sort(a, axis=-1):
    return tl.sort(tl.ravel(a), axis=0).values if axis is None else tl.sort(a, axis=axis).values


@implements(np.argsort)
def _argsort(a, axis=-1):
    return tl.argsort(tl.ravel(a), axis=0) if axis is None else tl.argsort(a, axis=axis)


# --------------------------------------------------------------------------- shapes and indexing


@implements(np.reshape)
def _reshape(a, shape):
    return tl.reshape(a, shape)


@implements(np.transpose)
def _transpose(a, axes=None):
    return tl.permute(a, tuple(range(np.ndim(a)))[::-1] if axes is None else axes)


@implements(np.swapaxes)
def _swapaxes(a, axis1, axis2):
    return tl.swapaxes(a, axis1, axis2)


@implements(np.moveaxis)
def _moveaxis(a, source, destination):
    return tl.moveaxis(a, source, destination)


@implements(np.squeeze)
def _squeeze(a, axis=None):
    return tl.squeeze(a, axis)


@implements(np.expand_dims)
def _expand_dims(a, axis):
    a = tl.as_tensor(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = a.ndim + len(axes)
    new_axes = {k % rank for k in axes}
    sizes = iter(a.shape)
    return tl.reshape(a, tuple(1 if k in new_axes else next(sizes) for k in range(rank)))


@implements(np.broadcast_to)
def _broadcast_to(array, shape):
    return tl.broadcast_to(array, shape)


@implements(np.concatenate)
def _concatenate(arrays, axis=0):
    return tl.cat([tl.ravel(a) for a in arrays], 0) if axis is None else tl.cat(arrays, axis)


@implements(np.stack)
def _stack(arrays, axis=0):
    return tl.stack(arrays, axis)


@implements(np.vstack)
def _vstack(tup):
    return tl.cat([t if np.ndim(t) > 1 else tl.reshape(t, (1, -1)) for t in tup], 0)


@implements(np.hstack)
def _hstack(tup):
    return tl.cat(tup, 0 if np.ndim(tup[0]) < 2 else 1)


@implements(np.split, np.array_split)
def _split(ary, indices_or_sections, axis=0):
    n = tl.as_tensor(ary).shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        each, extra = divmod(n, indices_or_sections)
        sizes = [each + (k < extra) for k in range(indices_or_sections)]
    else:
        edges = [0, *indices_or_sections, n]
        sizes = [b - a for a, b in itertools.pairwise(edges)]
    return list(tl.split(ary, sizes, axis))


@implements(np.tile)
def _tile(A, reps):
    return tl.tile(A, (reps,) if isinstance(reps, int) else reps)


@implements(np.repeat)
def _repeat(a, repeats, axis=None):
    return tl.repeat_interleave(a, repeats, axis)


@implements(np.flip)
def _flip(m, axis=None):
    return tl.flip(m, tuple(range(np.ndim(m))) if axis is None else axis)


@implements(np.roll)
def _roll(a, shift, axis=None):
    return tl.roll(a, shift, axis)


@implements(np.pad)
def _pad(array, pad_width, mode="constant", constant_values=0.0):
    array = tl.as_tensor(array)
    widths = np.broadcast_to(pad_width, (array.ndim, 2))
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode not in modes:
        refuse(f"np.pad(mode={mode!r})", f"the modes are {list(modes)}")
    return tl.pad(array, tuple(int(n) for pair in widths[::-1] for n in pair), modes[mode], constant_values)


@implements(np.diagonal)
def _diagonal(a, offset=0, axis1=0, axis2=1):
    return tl.diagonal(a, offset, axis1, axis2)


@implements(np.diag)
def _diag(v, k=0):
    return tl.diag(v, k)


@implements(np.diagflat)
def _diagflat(v, k=0):
    return tl.diagflat(v, k)


@implements(np.nonzero)
def _nonzero(a):
    return np.nonzero(a._array)


@implements(np.tril)
def _tril(m, k=0):
    return tl.tril(m, k)


@implements(np.triu)
def _triu(m, k=0):
    return tl.triu(m, k)


@implements(np.take_along_axis)
def _take_along_axis(arr, indices, axis=-1):
    return tl.take_along_axis(arr, indices, axis)


@implements(np.take)
def _take(a, indices, axis=None):
    return tl.ravel(a)[indices] if axis is None else a[(slice(None),) * (axis % a.ndim) + (indices,)]


@implements(np.where)
def _where(condition, x=None, y=None):
    if x is None and y is None:
        return np.nonzero(getattr(condition, "_array", condition))
    return tl.where(condition, x, y)


@implements(np.clip)
def _clip(a, a_min=None, a_max=None, *, min=None, max=None):
    return tl.clamp(a, min if a_min is None else a_min, max if a_max is None else a_max)


@implements(np.round, np.around)
def _round(a, decimals=0):
    return tl.round(a, decimals)


@implements(np.nan_to_num)
def _nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    return tl.nan_to_num(x, nan, posinf, neginf)


@implements(np.copy)
def _copy(a):
    return tl.clone(a)


@implements(np.shape)
def _shape(a):
    return a.shape


@implements(np.ndim)
def _ndim(a):
    return a.ndim


@implements(np.size)
def _size(a, axis=None):
    return a.size if axis is None else a.shape[axis]


@implements(np.zeros_like)
def _zeros_like(a, dtype=None, shape=None):
    return tl.zeros(a.shape if shape is None else shape, dtype=dtype or a.dtype)


@implements(np.ones_like)
def _ones_like(a, dtype=None, shape=None):
    return tl.ones(a.shape if shape is None else shape, dtype=dtype or a.dtype)


@implements(np.full_like)
def _full_like(a, fill_value, dtype=None, shape=None):
    return tl.full(a.shape if shape is None else shape, fill_value, dtype=dtype or a.dtype)


@implements(np.array_equal)
def _array_equal(a1, a2):
    return bool(np.array_equal(getattr(a1, "_array", a1), getattr(a2, "_array", a2)))


@implements(np.allclose)
def _allclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return bool(np.allclose(getattr(a, "_array", a), getattr(b, "_array", b), rtol, atol, equal_nan))


@implements(np.isclose)
def _isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return tl.Tensor(np.isclose(getattr(a, "_array", a), getattr(b, "_array", b), rtol, atol, equal_nan))


# ---------------------------------------------------------------------------------- linear algebra


@implements(np.dot)
def _dot(a, b):
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return tl.multiply(a, b)
    return tl.matmul(a, b) if np.ndim(b) <= 2 else tl.tensordot(a, b, ([-1], [-2]))


@implements(np.einsum)
def _einsum(*operands, optimize=True):
    return tl.einsum(*operands)


@implements(np.tensordot)
def _tensordot(a, b, axes=2):
    return tl.tensordot(a, b, axes)


@implements(np.outer)
def _outer(a, b):
    return tl.outer(tl.ravel(a), tl.ravel(b))


@implements(np.vdot)
def _vdot(a, b):
    return tl.dot(tl.ravel(a), tl.ravel(b))


@implements(np.inner)
def _inner(a, b):
    return tl.inner(a, b)


@implements(np.cross)
def _cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        return tl.linalg.cross(a, b, axis)
    return tl.moveaxis(tl.linalg.cross(tl.moveaxis(a, axisa, -1), tl.moveaxis(b, axisb, -1)), -1, axisc)


@implements(np.kron)
def _kron(a, b):
    return tl.kron(a, b)


@implements(np.trace)
def _trace(a, offset=0, axis1=0, axis2=1):
    return tl.sum(tl.diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    return tl.linalg.norm(x, ord, axis, keepdims)


for _name in (
    "inv", "det", "slogdet", "solve", "cholesky", "eigh", "eigvalsh", "svdvals", "matrix_power", "matrix_rank",
    "matrix_norm", "vector_norm", "multi_dot",
):  # fmt: skip
    functions[getattr(np.linalg, _name)] = lambda *args, _name=_name, **options: getattr(tl.linalg, _name)(
        *args, **options
    )


@implements(np.linalg.pinv)
def _pinv(a, rcond=None, hermitian=False, rtol=None):
    return tl.linalg.pinv(a, rcond if rtol is None else rtol, hermitian)


@implements(np.linalg.svd)
def _svd(a, full_matrices=True, compute_uv=True):
    return tl.linalg.svd(a, full_matrices) if compute_uv else tl.linalg.svd(a, False).S


@implements(np.linalg.qr)
def _qr(a, mode="reduced"):
    return tl.linalg.qr(a, mode).R if mode == "r" else tl.linalg.qr(a, mode)
