"""Normalisation in Numba; twins/normalization.py says what each kernel computes, and of which shapes.

Here x is (A, B, K, L), with B = R G groups, or what is the same in memory: (A, B, K L), or rows (A, B K, L), each of
which has one weight. Where A = L = 1, vectors (B, K), every value has a weight of its own, which takes other loops.

What it costs is reading memory. Forward reads x twice: for the statistics, and to normalise. Backward reads g and x
twice: for the sums over a mean, and to combine them. Where a group lies together in memory (A = 1) the second time it
comes from the cache. Threads share the groups.

The statistics are taken in one pass, in pieces that stay in the first-level cache: the sum and the sum of squares
about a shift, which is the mean so far, in the dtype of x; pieces are joined in float64 by the update of Chan, Golub
and LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1. As the shift is off by no more than
the pieces' means differ, which is part of the variance, nothing cancels, however far from zero x is.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import normalization as twins

PIECE = 2048  # values that moments reads at a time
BLOCK = 64  # rows whose sums are taken in the dtype of x, before they are added in float64


@compiled
def moments(x, first, last, centred, mean, var):
    """The mean and the variance of x[:, b] for first <= b < last; x (A, B, K L)."""
    samples, _, size = x.shape
    real = x.dtype.type
    together = max(1, PIECE // size)
    for b in range(first, last):
        mean[b] = var[b] = 0
    for a in range(0, samples, together):
        end = min(samples, a + together)
        for b in range(first, last):
            for s in range(0, size, PIECE):
                n = min(PIECE, size - s)
                before, count = a * size + (end - a) * s, (end - a) * n
                shift = real(mean[b])
                if centred and not before:
                    total = real(0)
                    for j in range(n):
                        total += x[a, b, j]
                    shift = real(total / n)
                total = squares = real(0)
                for i in range(a, end):
                    piece = x[i, b, s : s + n]
                    for j in range(n):
                        d = piece[j] - shift
                        total += d
                        squares += d * d
                if centred:
                    off = np.float64(total) / count
                    delta = shift + off - mean[b]
                    share = count / (before + count)
                    mean[b] += delta * share
                    var[b] += squares - total * off + delta * delta * before * share
                else:
                    var[b] += squares
    for b in range(first, last):
        var[b] /= samples * size


@compiled
def apply(x, y, out, first, last, centre, scale, shift, add, floor):
    """out[:, r] = max((x[:, r] - centre[r]) * scale[r] + shift[r] + y[:, r], floor), y only with `add`; rows."""
    for a in range(len(x)):
        for r in range(first, last):
            row, other, to = x[a, r], y[a, r], out[a, r]
            c, m, s = centre[r], scale[r], shift[r]
            for i in range(len(row)):
                value = (row[i] - c) * m + s
                if add:
                    value += other[i]
                to[i] = floor if value < floor else value


@compiled
def normalize_rows(whole, x, y, out, start, stop, vectors, mean, var, eps, centred, add, floor):
    """`normalize` of the groups start ... stop; whole (A, B, K L) is x, and x, y and out are rows.

    One group after the other where each lies together in memory, else all at once. vectors: weight and bias.
    """
    real = x.dtype.type
    _, groups, channels = vectors.shape
    table = np.empty((3, x.shape[1]), x.dtype)
    centre, scale, shift = table[0], table[1], table[2]
    step = 1 if len(x) == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        moments(whole, first, last, centred, mean, var)
        for b in range(first, last):
            group = b % groups
            rstd = 1 / np.sqrt(var[b] + eps)
            middle = real(mean[b])
            off = (middle - mean[b]) * rstd  # what rounding the mean left over
            for k in range(channels):
                r, w = b * channels + k, vectors[0, group, k]
                centre[r], scale[r], shift[r] = middle, rstd * w, off * w + vectors[1, group, k]
        apply(x, y, out, first * channels, last * channels, centre, scale, shift, add, floor)


@compiled
def normalize_vectors(x, out, start, stop, vectors, mean, var, eps, centred):
    """`normalize` of the vectors start ... stop.

    One is in the cache when it is read again, so its statistics are about its own mean at once.
    """
    real = x.dtype.type
    _, groups, channels = vectors.shape
    for b in range(start, stop):
        row, to, w, c = x[b], out[b], vectors[0, b % groups], vectors[1, b % groups]
        middle = total = squares = real(0)
        if centred:
            for k in range(channels):
                middle += row[k]
            middle = real(middle / channels)
        for k in range(channels):
            d = row[k] - middle
            total += d
            squares += d * d
        off = total / channels if centred else 0.0  # what rounding the mean left over
        mean[b], var[b] = middle + off, squares / channels - off * off
        rstd = 1 / np.sqrt(var[b] + eps)
        scale, shift = real(rstd), real(-off * rstd)
        for k in range(channels):
            to[k] = ((row[k] - middle) * scale + shift) * w[k] + c[k]


def normalize_columns(
    x: np.ndarray, y: Any, out: np.ndarray, vectors: np.ndarray, mean: Any, var: Any, eps: float, rectify: bool
) -> None:
    """`normalize` where a mean is over samples alone: x (A, B). Columns are what NumPy itself adds up fast."""
    middle = x.mean(axis=0)
    np.subtract(x, middle, out=out)
    off = out.mean(axis=0)  # what rounding the mean left over
    mean[:] = middle + off.astype(np.float64)
    var[:] = np.einsum("ab,ab->b", out, out) / len(x) - off * off
    scale = (vectors[0, :, 0] / np.sqrt(var + eps)).astype(x.dtype)
    out *= scale
    out += vectors[1, :, 0] - off * scale
    if y is not None:
        out += y
    if rectify:
        np.maximum(out, 0, out=out)


def back_columns(
    g: np.ndarray, x: np.ndarray, dx: np.ndarray, vectors: np.ndarray, mean: Any, var: Any, eps: float
) -> np.ndarray:
    """`normalize_back` of the same, for g that is masked already: (2, B), the gradients of weight and bias."""
    rstd = 1 / np.sqrt(var + eps)
    middle = mean.astype(x.dtype)
    np.subtract(x, middle, out=dx)
    dx += (middle - mean).astype(x.dtype)
    dx *= rstd.astype(x.dtype)
    slopes = np.stack([np.einsum("ab,ab->b", g, dx), g.sum(axis=0)])
    dx *= slopes[0] / -len(x)
    dx += g
    dx -= slopes[1] / len(x)
    dx *= (vectors[0, :, 0] * rstd).astype(x.dtype)
    return slopes


def weight_and_bias(weight: Any, bias: Any, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Both in one array (2, G, K); 1 and 0 where they were left out."""
    vectors = np.empty((2, *shape), dtype)
    vectors[0] = 1 if weight is None else weight.reshape(shape)
    vectors[1] = 0 if bias is None else bias.reshape(shape)
    return vectors


def normalize(
    x: np.ndarray, weight: Any, bias: Any, residual: Any, view: twins.View, eps: float, centre: bool, rectify: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See twins.normalize."""
    if x.dtype not in FLOATS or not x.size:
        return twins.normalize(x, weight, bias, residual, view, eps, centre, rectify)
    samples, repeated, groups, channels, places = view
    count, add = repeated * groups, residual is not None
    x, y = contiguous(x), contiguous(residual.astype(x.dtype, copy=False)) if add else x
    out, (mean, var) = np.empty(x.shape, x.dtype), np.empty((2, count))
    vectors = weight_and_bias(weight, bias, (groups, channels), x.dtype)
    small = 1, repeated, groups, 1, 1
    if centre and view[1:] == (1, groups, 1, 1):
        x2, y2, to = (a.reshape(samples, groups) for a in (x, y, out))
        normalize_columns(x2, y2 if add else None, to, vectors, mean, var, eps, rectify)
        return out, mean.reshape(small), var.reshape(small)
    arrays: list[np.ndarray]
    if samples == places == 1 and not add and not rectify:
        run, arrays = normalize_vectors, [a.reshape(count, channels) for a in (x, out)]
        rest: tuple = (vectors, mean, var, eps, centre)
    else:
        run, arrays = normalize_rows, [a.reshape(samples, count * channels, places) for a in (x, y, out)]
        arrays.insert(0, x.reshape(samples, count, channels * places))
        rest = (vectors, mean, var, eps, centre, add, x.dtype.type(0 if rectify else -np.inf))
    spread(lambda start, stop: run(*arrays, start, stop, *rest), count, 8 * x.size)
    return out, mean.reshape(small), var.reshape(small)


@compiled
def sums(g, x, out, h, first, last, centre, masked, copy, sum_g, sum_gx):
    """sum_g[r] = sum of g[:, r], sum_gx[r] = sum of g[:, r] (x[:, r] - centre[r]); rows.

    `masked`: where out is not above 0, g counts as 0. `copy`: h = g so masked.
    """
    zero = x.dtype.type(0)
    for r in range(first, last):
        sum_g[r] = sum_gx[r] = 0
    for a in range(len(x)):
        for r in range(first, last):
            up, row, seen, to = g[a, r], x[a, r], out[a, r], h[a, r]
            c = centre[r]
            total = product = zero
            for i in range(len(row)):
                value = up[i]
                if masked:
                    value = value if seen[i] > 0 else zero
                if copy:
                    to[i] = value
                total += value
                product += value * (row[i] - c)
            sum_g[r] += total
            sum_gx[r] += product


@compiled
def merge(g, x, out, dx, first, last, centre, masked, scale, slope, shift):
    """dx[:, r] = g[:, r] * scale[r] + (x[:, r] - centre[r]) * slope[r] + shift[r], g masked as in `sums`; rows."""
    zero = x.dtype.type(0)
    for a in range(len(x)):
        for r in range(first, last):
            up, row, seen, to = g[a, r], x[a, r], out[a, r], dx[a, r]
            c, m, d, s = centre[r], scale[r], slope[r], shift[r]
            for i in range(len(row)):
                value = up[i]
                if masked:
                    value = value if seen[i] > 0 else zero
                to[i] = value * m + (row[i] - c) * d + s


@compiled
def back_rows(g, x, out, h, dx, start, stop, slopes, vectors, mean, var, eps, centred, masked, copy):
    """`normalize_back` of the groups start ... stop, in the order of `normalize_rows`; g ... dx are rows.

    slopes: the gradients of weight and bias, in float64, to be added to. With n = x - mean in units of its standard
    deviation, dx = (g w - mean of (g w) - n * mean of (g w n)) / std.
    """
    real = x.dtype.type
    _, groups, channels = vectors.shape
    count = len(x) * channels * x.shape[2]
    table, totals = np.empty((4, x.shape[1]), x.dtype), np.empty((2, x.shape[1]))
    centre, scale, slope, shift, sum_g, sum_gx = table[0], table[1], table[2], table[3], totals[0], totals[1]
    step = 1 if len(x) == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        begin, end = first * channels, last * channels
        for r in range(begin, end):
            centre[r] = mean[r // channels]
        sums(g, x, out, h, begin, end, centre, masked, copy, sum_g, sum_gx)
        for b in range(first, last):
            group = b % groups
            rstd = 1 / np.sqrt(var[b] + eps)
            off = real(mean[b]) - mean[b]
            total = product = 0.0
            for k in range(channels):
                r, w = b * channels + k, vectors[0, group, k]
                sum_gn = (sum_gx[r] + sum_g[r] * off) * rstd
                slopes[0, group, k] += sum_gn
                slopes[1, group, k] += sum_g[r]
                total += sum_g[r] * w
                product += sum_gn * w
                scale[r] = rstd * w
            d = -product * rstd * rstd / count
            s = d * off - (total * rstd / count if centred else 0.0)
            for r in range(b * channels, (b + 1) * channels):
                slope[r], shift[r] = d, s
        merge(h if copy else g, x, out, dx, begin, end, centre, masked and not copy, scale, slope, shift)


@compiled
def back_vectors(g, x, dx, start, stop, slopes, vectors, mean, var, eps, centred):
    """`normalize_back` of the vectors start ... stop, neither masked nor copied.

    Two short loops rather than one list of results: the compiler makes vectors only where it has few arrays to tell
    apart.
    """
    real = x.dtype.type
    _, groups, channels = vectors.shape
    parts = np.empty((2, groups, channels), x.dtype)
    for first in range(start, stop, BLOCK):
        for i in range(groups):
            for k in range(channels):
                parts[0, i, k] = parts[1, i, k] = 0
        for b in range(first, min(stop, first + BLOCK)):
            group = b % groups
            up, row, to, w, dw, db = g[b], x[b], dx[b], vectors[0, group], parts[0, group], parts[1, group]
            rstd = 1 / np.sqrt(var[b] + eps)
            middle, scale, shift = real(mean[b]), real(rstd), real((real(mean[b]) - mean[b]) * rstd)
            total = product = real(0)
            for k in range(channels):
                value = up[k] * ((row[k] - middle) * scale + shift)
                dw[k] += value
                db[k] += up[k]
                total += up[k] * w[k]
                product += value * w[k]
            d, s = real(-product * rstd / channels), real(-total * rstd / channels if centred else 0.0)
            for k in range(channels):
                to[k] = up[k] * w[k] * scale + ((row[k] - middle) * scale + shift) * d + s
        for i in range(groups):
            for k in range(channels):
                slopes[0, i, k] += parts[0, i, k]
                slopes[1, i, k] += parts[1, i, k]


def normalize_back(
    g: np.ndarray, x: np.ndarray, weight: Any, out: Any, mean: Any, var: Any,
    view: twins.View, eps: float, centre: bool, copy: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """See twins.normalize_back."""
    if x.dtype not in FLOATS or not x.size:
        return twins.normalize_back(g, x, weight, out, mean, var, view, eps, centre, copy)
    samples, repeated, groups, channels, places = view
    count, masked = repeated * groups, out is not None
    g, x = contiguous(g.astype(x.dtype, copy=False)), contiguous(x)
    dx = np.empty(x.shape, x.dtype)
    h = np.empty(x.shape, x.dtype) if copy else g
    rest: tuple = (weight_and_bias(weight, None, (groups, channels), x.dtype), mean.ravel(), var.ravel(), eps, centre)
    if centre and view[1:] == (1, groups, 1, 1):
        h = np.where(out > 0, g, x.dtype.type(0)) if masked else g
        g2, x2, to = (a.reshape(samples, groups) for a in (h, x, dx))
        slopes = back_columns(g2, x2, to, *rest[:-1])
        return dx, *slopes.reshape(2, groups, 1), h
    arrays: list[np.ndarray]
    if samples == places == 1 and not masked and not copy:
        run, arrays = back_vectors, [a.reshape(count, channels) for a in (g, x, dx)]
    else:
        seen = contiguous(out) if masked else x
        run, arrays = back_rows, [a.reshape(samples, count * channels, places) for a in (g, x, seen, h, dx)]
        rest += masked, copy
    parts = {}

    def task(start: int, stop: int) -> None:
        parts[start] = slopes = np.zeros((2, groups, channels))
        run(*arrays, start, stop, slopes, *rest)

    spread(task, count, 12 * x.size)
    dweight, dbias = reduce(np.add, (parts[start] for start in sorted(parts))).astype(x.dtype)
    return dx, dweight, dbias, h


def affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See twins.affine."""
    if x.dtype not in FLOATS or not x.size:
        return twins.affine(x, scale, shift)
    out, x = np.empty(x.shape, x.dtype), contiguous(x)
    scale, shift = contiguous(scale.astype(x.dtype, copy=False)), contiguous(shift.astype(x.dtype, copy=False))
    rest = np.zeros(len(scale), x.dtype), scale, shift, False, x.dtype.type(-np.inf)
    spread(lambda start, stop: apply(x, x, out, start, stop, *rest), len(scale), 4 * x.size)
    return out
