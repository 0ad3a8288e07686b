"""Normalisation in Numba; twins/normalization.py says what each kernel computes, and of which shapes.

What it costs is reading memory. Forward reads x twice: for the statistics, and to normalise. Backward reads g and x
twice: for the sums over a mean, and to combine them. Where a group lies together in memory (A = 1) the second time it
comes from the cache. Threads share the groups.

The statistics are taken in one pass, in pieces that stay in the first-level cache: the sum and the sum of squares
about a shift, which is the mean so far, in the dtype of x; pieces are joined in float64 by the update of Chan, Golub
and LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1. As the shift is off by no more than
the pieces' means differ, which is part of the variance, nothing cancels, however far from zero x is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import normalization as twins

PIECE = 2048  # values that moments reads at a time
BLOCK = 64  # groups whose sums are taken in the dtype of x, where that is not along a row


@compiled
def moments(x, first, last, centred, mean, var):
    """The mean and the variance of x[:, b] for first <= b < last; x (A, B, size)."""
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
    """out[:, r] = max((x[:, r] - centre[r]) * scale[r] + shift[r] + y[:, r], floor), y only with `add`; x (A, R, L)."""
    places = x.shape[2]
    for a in range(len(x)):
        for r in range(first, last):
            row, other, to = x[a, r], y[a, r], out[a, r]
            c, m, s = centre[r], scale[r], shift[r]
            for l in range(places):
                value = (row[l] - c) * m + s
                if add:
                    value += other[l]
                to[l] = floor if value < floor else value


@compiled
def apply_vector(x, y, out, centre, scale, shift, weight, bias, add, floor):
    """out = max(((x - centre) * scale + shift) * weight + bias + y, floor), all vectors"""
    for k in range(len(x)):
        value = ((x[k] - centre) * scale + shift) * weight[k] + bias[k]
        if add:
            value += y[k]
        out[k] = floor if value < floor else value


@compiled
def normalize_groups(x, y, out, start, stop, weight, bias, mean, var, eps, centred, add, floor):
    """`normalize` for start <= b < stop; x, y and out (A, B, K, L), mean and var (B,).

    One group after the other where each lies together in memory, else all at once.
    """
    samples, groups, channels, places = x.shape
    real = x.dtype.type
    flat = (samples, groups, channels * places)
    rows = (samples, groups * channels, places)
    centre, scale, shift = np.empty((3, groups * channels), x.dtype)
    step = 1 if samples == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        moments(x.reshape(flat), first, last, centred, mean, var)
        for b in range(first, last):
            rstd = 1 / np.sqrt(var[b] + eps)
            middle = real(mean[b])
            off = (middle - mean[b]) * rstd  # what rounding the mean left over
            w, c = weight[b % len(weight)], bias[b % len(weight)]
            if samples == 1 and places == 1:
                x_row, y_row, to = x.reshape(flat)[0, b], y.reshape(flat)[0, b], out.reshape(flat)[0, b]
                apply_vector(x_row, y_row, to, middle, real(rstd), real(off), w, c, add, floor)
                continue
            for k in range(channels):
                r = b * channels + k
                centre[r], scale[r], shift[r] = middle, rstd * w[k], off * w[k] + c[k]
        if samples > 1 or places > 1:
            x_rows, y_rows, to_rows = x.reshape(rows), y.reshape(rows), out.reshape(rows)
            apply(x_rows, y_rows, to_rows, first * channels, last * channels, centre, scale, shift, add, floor)


def vector(values: np.ndarray | None, shape: tuple[int, int], dtype: np.dtype, fill: int) -> np.ndarray:
    """A weight or a bias in one shape and dtype, whole where it was left out."""
    return np.full(shape, fill, dtype) if values is None else contiguous(values.astype(dtype)).reshape(shape)


def normalize(
    x: np.ndarray, weight: Any, bias: Any, residual: Any, view: twins.View, eps: float, centre: bool, rectify: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See twins.normalize."""
    if x.dtype not in FLOATS or not x.size:
        return twins.normalize(x, weight, bias, residual, view, eps, centre, rectify)
    samples, rows, groups, channels, places = view
    out, (mean, var) = np.empty(x.shape, x.dtype), np.empty((2, rows * groups))
    x = contiguous(x)
    y = x if residual is None else contiguous(residual.astype(x.dtype, copy=False))
    x, y, seen = (a.reshape(samples, rows * groups, channels, places) for a in (x, y, out))
    w, b = (vector(v, (groups, channels), x.dtype, fill) for v, fill in ((weight, 1), (bias, 0)))
    floor = x.dtype.type(0 if rectify else -np.inf)

    def task(start: int, stop: int) -> None:
        normalize_groups(x, y, seen, start, stop, w, b, mean, var, eps, centre, residual is not None, floor)

    spread(task, rows * groups, 8 * x.size)
    return out, mean.reshape(1, rows, groups, 1, 1), var.reshape(1, rows, groups, 1, 1)


@compiled
def sums(g, x, out, h, first, last, centre, masked, copy, sum_g, sum_gx):
    """sum_g[r] = sum of g[:, r], sum_gx[r] = sum of g[:, r] (x[:, r] - centre[r]); all (A, R, L).

    `masked`: where out is not above 0, g counts as 0. `copy`: h = g so masked.
    """
    places = x.shape[2]
    zero = x.dtype.type(0)
    sum_g[first:last] = 0
    sum_gx[first:last] = 0
    for a in range(len(x)):
        for r in range(first, last):
            up, row, seen, to = g[a, r], x[a, r], out[a, r], h[a, r]
            c = centre[r]
            total = product = zero
            for l in range(places):
                value = up[l]
                if masked:
                    value = value if seen[l] > 0 else zero
                if copy:
                    to[l] = value
                total += value
                product += value * (row[l] - c)
            sum_g[r] += total
            sum_gx[r] += product


@compiled
def merge(g, x, out, dx, first, last, centre, masked, scale, slope, shift):
    """dx[:, r] = g[:, r] * scale[r] + (x[:, r] - centre[r]) * slope[r] + shift[r], g masked as in `sums`"""
    places = x.shape[2]
    zero = x.dtype.type(0)
    for a in range(len(x)):
        for r in range(first, last):
            up, row, seen, to = g[a, r], x[a, r], out[a, r], dx[a, r]
            c, f, s, t = centre[r], scale[r], slope[r], shift[r]
            for l in range(places):
                value = up[l]
                if masked:
                    value = value if seen[l] > 0 else zero
                to[l] = value * f + (row[l] - c) * s + t


@compiled
def pull_groups(g, x, out, h, dx, start, stop, weight, mean, var, eps, centred, masked, copy, dweight, dbias):
    """`normalize_back` for start <= b < stop, in the order of `normalize_groups`; g, x, out, h, dx (A, B, K, L)."""
    samples, groups, channels, places = x.shape
    real = x.dtype.type
    count = samples * channels * places
    rows = (samples, groups * channels, places)
    g, x, out, h, dx = g.reshape(rows), x.reshape(rows), out.reshape(rows), h.reshape(rows), dx.reshape(rows)
    centre, scale, slope, shift = np.empty((4, groups * channels), x.dtype)
    sum_g, sum_gx = np.empty((2, groups * channels))
    step = 1 if samples == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        begin, end = first * channels, last * channels
        for r in range(begin, end):
            centre[r] = mean[r // channels]
        sums(g, x, out, h, begin, end, centre, masked, copy, sum_g, sum_gx)
        for b in range(first, last):
            rstd = 1 / np.sqrt(var[b] + eps)
            w = weight[b % len(weight)]
            total = product = 0.0
            off = real(mean[b]) - mean[b]
            for k in range(channels):
                r = b * channels + k
                sum_gx[r] = (sum_gx[r] + sum_g[r] * off) * rstd
                dweight[b % len(weight), k] += sum_gx[r]
                dbias[b % len(weight), k] += sum_g[r]
                total += sum_g[r] * w[k]
                product += sum_gx[r] * w[k]
            s = -product * rstd * rstd / count
            t = s * off - (total * rstd / count if centred else 0.0)
            for k in range(channels):
                r = b * channels + k
                scale[r], slope[r], shift[r] = rstd * w[k], s, t
        merge(h if copy else g, x, out, dx, begin, end, centre, masked and not copy, scale, slope, shift)


@compiled
def pull_vectors(g, x, out, h, dx, start, stop, weight, mean, var, eps, centred, masked, copy, dweight, dbias):
    """`pull_groups` where a mean is over channels alone, for which rows are the channels of a group; all (B, K)."""
    channels = x.shape[1]
    real = x.dtype.type
    zero = real(0)
    parts = np.zeros((2, *dweight.shape), x.dtype)
    for b in range(start, stop):
        group = b % len(weight)
        up, row, seen, to, result = g[b], x[b], out[b], h[b], dx[b]
        w, dw, db = weight[group], parts[0, group], parts[1, group]
        rstd = 1 / np.sqrt(var[b] + eps)
        c, f, o = real(mean[b]), real(rstd), real((real(mean[b]) - mean[b]) * rstd)
        total = product = zero
        for k in range(channels):
            value = up[k]
            if masked:
                value = value if seen[k] > 0 else zero
            if copy:
                to[k] = value
            normal = (row[k] - c) * f + o
            dw[k] += value * normal
            db[k] += value
            total += value * w[k]
            product += value * w[k] * normal
        s = -product / channels * f
        t = -total / channels * f if centred else zero
        for k in range(channels):
            value = up[k]
            if masked:
                value = value if seen[k] > 0 else zero
            result[k] = value * w[k] * f + ((row[k] - c) * f + o) * s + t
        if (b + 1 - start) % BLOCK == 0 or b + 1 == stop:
            dweight += parts[0]
            dbias += parts[1]
            parts[:] = 0


def normalize_back(
    g: np.ndarray, x: np.ndarray, weight: Any, out: Any, mean: Any, var: Any,
    view: twins.View, eps: float, centre: bool, copy: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """See twins.normalize_back."""
    if x.dtype not in FLOATS or not x.size:
        return twins.normalize_back(g, x, weight, out, mean, var, view, eps, centre, copy)
    samples, rows, groups, channels, places = view
    vectors = samples == places == 1
    pull = pull_vectors if vectors else pull_groups
    shape = (rows * groups, channels) if vectors else (samples, rows * groups, channels, places)
    g, x = contiguous(g.astype(x.dtype, copy=False)), contiguous(x)
    dx = np.empty(x.shape, x.dtype)
    h = np.empty(x.shape, x.dtype) if copy else g
    seen = x if out is None else contiguous(out)
    arrays = [a.reshape(shape) for a in (g, x, seen, h, dx)]
    w = vector(weight, (groups, channels), x.dtype, 1)
    mean, var = mean.reshape(-1), var.reshape(-1)
    parts = {}

    def task(start: int, stop: int) -> None:
        dw, db = parts[start] = np.zeros((2, groups, channels))
        pull(*arrays, start, stop, w, mean, var, eps, centre, out is not None, copy, dw, db)

    spread(task, rows * groups, 12 * x.size)
    dweight, dbias = sum(parts[start] for start in sorted(parts)).astype(x.dtype)
    return dx, dweight, dbias, h


def affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See twins.affine."""
    if x.dtype not in FLOATS or not x.size:
        return twins.affine(x, scale, shift)
    x = contiguous(x)
    out = np.empty_like(x)
    scale, shift = (contiguous(v.astype(x.dtype, copy=False)) for v in (scale, shift))
    nothing, floor = np.zeros(len(scale), x.dtype), x.dtype.type(-np.inf)

    def task(start: int, stop: int) -> None:
        apply(x[start:stop], x[start:stop], out[start:stop], 0, len(scale), nothing, scale, shift, False, floor)

    spread(task, len(x), 4 * x.size)
    return out
