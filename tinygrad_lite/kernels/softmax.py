"""Softmax and the losses made of it in Numba: row by row, so that a row stays in the first-level cache.

twins/softmax.py says what each one computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.functions import exp, log, maximum
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import softmax as twins

OPERATIONS = 20
"""About how many arithmetic operations one element takes."""


def by_rows(task: Any, *arrays: np.ndarray) -> None:
    """task(*arrays, first, last) for ranges of their rows, in several threads if they are large."""
    spread(lambda first, last: task(*arrays, first, last), len(arrays[0]), OPERATIONS * arrays[0].size)


def suits(x: np.ndarray, other: np.ndarray) -> bool:
    """Whether these are what the kernels are compiled for: of one dtype, with something in every row."""
    return x.size > 0 and x.dtype in FLOATS and other.dtype == x.dtype


def matrix(x: np.ndarray) -> np.ndarray:
    """x (..., n) as (R, n), C-contiguous."""
    return contiguous(x).reshape(-1, x.shape[-1])


@compiled
def largest(x):
    top = x[0]
    for j in range(len(x)):
        top = maximum(top, x[j])
    return top


@compiled
def sum_of_exp(x, top):
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += exp(x[j] - top)
    return total


@compiled
def softmax_row(row, to, share):
    """to = share softmax(row)"""
    top, total = largest(row), row.dtype.type(0)
    for j in range(len(row)):
        to[j] = exp(row[j] - top)
        total += to[j]
    scale = share / total
    for j in range(len(row)):
        to[j] *= scale


@compiled
def each_softmax(x, out, first, last):
    for r in range(first, last):
        softmax_row(x[r], out[r], x.dtype.type(1))


def softmax_rows(x: np.ndarray) -> np.ndarray:
    """See twins.softmax_rows."""
    if not suits(x, x):
        return twins.softmax_rows(x)
    out = np.empty(x.shape, x.dtype)
    by_rows(each_softmax, matrix(x), matrix(out))
    return out


@compiled
def softmax_back_row(pull, row, to):
    """to = row (pull - sum(pull row))"""
    total = row.dtype.type(0)
    for j in range(len(row)):
        total += pull[j] * row[j]
    for j in range(len(row)):
        to[j] = row[j] * (pull[j] - total)


@compiled
def each_softmax_back(g, y, out, first, last):
    for r in range(first, last):
        softmax_back_row(g[r], y[r], out[r])


def softmax_rows_back(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """See twins.softmax_rows_back."""
    if not suits(g, out):
        return twins.softmax_rows_back(g, out)
    back = np.empty(out.shape, out.dtype)
    by_rows(each_softmax_back, matrix(g), matrix(out), matrix(back))
    return back


@compiled
def each_log_softmax(x, out, first, last):
    for r in range(first, last):
        row, to = x[r], out[r]
        top = largest(row)
        lost = log(sum_of_exp(row, top))
        for j in range(len(row)):
            to[j] = (row[j] - top) - lost


def log_softmax_rows(x: np.ndarray) -> np.ndarray:
    """See twins.log_softmax_rows."""
    if not suits(x, x):
        return twins.log_softmax_rows(x)
    out = np.empty(x.shape, x.dtype)
    by_rows(each_log_softmax, matrix(x), matrix(out))
    return out


@compiled
def each_log_softmax_back(g, y, out, first, last):
    for r in range(first, last):
        pull, row, to = g[r], y[r], out[r]
        total = g.dtype.type(0)
        for j in range(len(row)):
            total += pull[j]
        for j in range(len(row)):
            to[j] = pull[j] - exp(row[j]) * total


def log_softmax_rows_back(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """See twins.log_softmax_rows_back."""
    if not suits(g, out):
        return twins.log_softmax_rows_back(g, out)
    back = np.empty(out.shape, out.dtype)
    by_rows(each_log_softmax_back, matrix(g), matrix(out), matrix(back))
    return back


@compiled
def each_nll(x, target, share, out, first, last):
    for r in range(first, last):
        row = x[r]
        top = largest(row)
        loss = share[r] * (log(sum_of_exp(row, top)) - (row[target[r]] - top))
        out[r] = loss if share[r] != 0 else 0


@compiled
def each_nll_back(x, target, share, out, first, last):
    for r in range(first, last):
        softmax_row(x[r], out[r], share[r])
        out[r, target[r]] -= share[r]


def nll_rows(x: np.ndarray, target: np.ndarray, share: np.ndarray) -> np.ndarray:
    """See twins.nll_rows."""
    if not suits(x, share):
        return twins.nll_rows(x, target, share)
    out = np.empty(len(x), x.dtype)
    by_rows(each_nll, contiguous(x), labels(target), contiguous(share), out)
    return out


def nll_rows_back(x: np.ndarray, target: np.ndarray, share: np.ndarray) -> np.ndarray:
    """See twins.nll_rows_back."""
    if not suits(x, share):
        return twins.nll_rows_back(x, target, share)
    out = np.empty(x.shape, x.dtype)
    by_rows(each_nll_back, contiguous(x), labels(target), contiguous(share), out)
    return out


def labels(target: np.ndarray) -> np.ndarray:
    return contiguous(target.astype(np.int64, copy=False))
