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
BLOCK = 64  # rows whose sums are taken in the dtype of x


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
            for q in range(places):
                value = (row[q] - c) * m + s
                if add:
                    value += other[q]
                to[q] = floor if value < floor else value


@compiled
def normalize_groups(whole, x, y, out, table, start, stop, weight, bias, mean, var, eps, centred, add, floor):
    """`normalize` of the groups start ... stop; whole (A, B, K L) is x, and x, y and out are (A, B K, L).

    One group after the other where each lies together in memory, else all at once.
    """
    real = x.dtype.type
    groups, channels = weight.shape
    centre, scale, shift = table[0], table[1], table[2]
    step = 1 if len(x) == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        moments(whole, first, last, centred, mean, var)
        for b in range(first, last):
            rstd = 1 / np.sqrt(var[b] + eps)
            middle = real(mean[b])
            off = (middle - mean[b]) * rstd  # what rounding the mean left over
            group = b % groups
            for k in range(channels):
                r, w = b * channels + k, weight[group, k]
                centre[r], scale[r], shift[r] = middle, rstd * w, off * w + bias[group, k]
        apply(x, y, out, first * channels, last * channels, centre, scale, shift, add, floor)


@compiled
def normalize_vectors(x, out, start, stop, weight, bias, mean, var, eps, centred):
    """The same where a mean is over channels alone (A = L = 1), so that rows are groups; x and out (B, K).

    A row is in the cache when it is read again, so that its statistics are about its own mean at once.
    """
    real = x.dtype.type
    channels = x.shape[1]
    for b in range(start, stop):
        row, to, w, c = x[b], out[b], weight[b % len(weight)], bias[b % len(weight)]
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
    y = x if residual is None else residual.astype(x.dtype, copy=False)
    w, c = (vector(v, (groups, channels), x.dtype, fill) for v, fill in ((weight, 1), (bias, 0)))
    if samples == places == 1 and residual is None and not rectify:
        x2, to = (a.reshape(rows * groups, channels) for a in (contiguous(x), out))

        def task(start: int, stop: int) -> None:
            normalize_vectors(x2, to, start, stop, w, c, mean, var, eps, centre)

    else:
        shape = samples, rows * groups * channels, places
        whole = contiguous(x).reshape(samples, rows * groups, channels * places)
        x3, y3, to = (a.reshape(shape) for a in (whole, contiguous(y), out))
        floor = x.dtype.type(0 if rectify else -np.inf)

        def task(start: int, stop: int) -> None:
            table = np.empty((3, x3.shape[1]), x.dtype)
            added = residual is not None
            normalize_groups(whole, x3, y3, to, table, start, stop, w, c, mean, var, eps, centre, added, floor)

    spread(task, rows * groups, 8 * x.size)
    return out, mean.reshape(1, rows, groups, 1, 1), var.reshape(1, rows, groups, 1, 1)


@compiled
def sums(g, x, out, h, first, last, centre, masked, copy, sum_g, sum_gx):
    """sum_g[r] = sum of g[:, r], sum_gx[r] = sum of g[:, r] (x[:, r] - centre[r]); all (A, R, L).

    `masked`: where out is not above 0, g counts as 0. `copy`: h = g so masked.
    """
    places = x.shape[2]
    zero = x.dtype.type(0)
    for r in range(first, last):
        sum_g[r] = sum_gx[r] = 0
    for a in range(len(x)):
        for r in range(first, last):
            up, row, seen, to = g[a, r], x[a, r], out[a, r], h[a, r]
            c = centre[r]
            total = product = zero
            for q in range(places):
                value = up[q]
                if masked:
                    value = value if seen[q] > 0 else zero
                if copy:
                    to[q] = value
                total += value
                product += value * (row[q] - c)
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
            for q in range(places):
                value = up[q]
                if masked:
                    value = value if seen[q] > 0 else zero
                to[q] = value * f + (row[q] - c) * s + t


@compiled
def pull_groups(
    g, x, out, h, dx, table, totals, start, stop, weight, mean, var, eps, centred, masked, copy, dweight, dbias
):
    """`normalize_back` of the groups start ... stop, in the order of `normalize_groups`; g ... dx (A, B K, L)."""
    real = x.dtype.type
    groups, channels = weight.shape
    count = len(x) * channels * x.shape[2]
    centre, scale, slope, shift, sum_g, sum_gx = table[0], table[1], table[2], table[3], totals[0], totals[1]
    step = 1 if len(x) == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        begin, end = first * channels, last * channels
        for r in range(begin, end):
            centre[r] = mean[r // channels]
        sums(g, x, out, h, begin, end, centre, masked, copy, sum_g, sum_gx)
        for b in range(first, last):
            rstd = 1 / np.sqrt(var[b] + eps)
            off = real(mean[b]) - mean[b]
            total = product = 0.0
            group = b % groups
            for k in range(channels):
                r, w = b * channels + k, weight[group, k]
                normal = (sum_gx[r] + sum_g[r] * off) * rstd
                dweight[group, k] += normal
                dbias[group, k] += sum_g[r]
                total += sum_g[r] * w
                product += normal * w
                scale[r] = rstd * w
            s = -product * rstd * rstd / count
            t = s * off - (total * rstd / count if centred else 0.0)
            for r in range(b * channels, (b + 1) * channels):
                slope[r], shift[r] = s, t
        merge(h if copy else g, x, out, dx, begin, end, centre, masked and not copy, scale, slope, shift)


@compiled
def pull_vectors(g, x, dx, parts, start, stop, weight, mean, var, eps, centred, dweight, dbias):
    """The same where rows are groups, and neither rectified nor copied; g, x and dx (B, K).

    In several short loops, as the compiler makes vectors only where it has few arrays to tell apart.
    """
    real = x.dtype.type
    groups, channels = weight.shape
    dws, dbs = parts[0], parts[1]  # of a block of rows: long sums are taken in float64
    for b in range(start, stop):
        group = b % groups
        up, row, to, w, dw, db = g[b], x[b], dx[b], weight[group], dws[group], dbs[group]
        rstd = 1 / np.sqrt(var[b] + eps)
        middle, scale, shift = real(mean[b]), real(rstd), real((real(mean[b]) - mean[b]) * rstd)
        total = product = real(0)
        for k in range(channels):
            value = up[k] * ((row[k] - middle) * scale + shift)
            dw[k] += value
            db[k] += up[k]
            total += up[k] * w[k]
            product += value * w[k]
        s, t = real(-product * rstd / channels), real(-total * rstd / channels if centred else 0.0)
        for k in range(channels):
            to[k] = up[k] * w[k] * scale + ((row[k] - middle) * scale + shift) * s + t
        if (b - start) % BLOCK == BLOCK - 1 or b == stop - 1:
            for i in range(groups):
                for k in range(channels):
                    dweight[i, k] += dws[i, k]
                    dbias[i, k] += dbs[i, k]
                    dws[i, k] = dbs[i, k] = 0


def normalize_back(
    g: np.ndarray, x: np.ndarray, weight: Any, out: Any, mean: Any, var: Any,
    view: twins.View, eps: float, centre: bool, copy: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """See twins.normalize_back."""
    if x.dtype not in FLOATS or not x.size:
        return twins.normalize_back(g, x, weight, out, mean, var, view, eps, centre, copy)
    samples, rows, groups, channels, places = view
    g = contiguous(g.astype(x.dtype, copy=False))
    dx = np.empty(x.shape, x.dtype)
    h = np.empty(x.shape, x.dtype) if copy else g
    w = vector(weight, (groups, channels), x.dtype, 1)
    mean, var = mean.reshape(-1), var.reshape(-1)
    parts = {}
    if samples == places == 1 and out is None and not copy:
        vectors = [a.reshape(rows * groups, channels) for a in (g, contiguous(x), dx)]

        def pull(start: int, stop: int, dw: np.ndarray, db: np.ndarray) -> None:
            pull_vectors(
                *vectors, np.zeros((2, groups, channels), x.dtype), start, stop, w, mean, var, eps, centre, dw, db
            )

    else:
        seen = x if out is None else out
        maps = [contiguous(a).reshape(samples, rows * groups * channels, places) for a in (g, x, seen, h, dx)]

        def pull(start: int, stop: int, dw: np.ndarray, db: np.ndarray) -> None:
            table, totals = np.empty((4, len(maps[0][0])), x.dtype), np.empty((2, len(maps[0][0])))
            masked = out is not None
            pull_groups(*maps, table, totals, start, stop, w, mean, var, eps, centre, masked, copy, dw, db)

    def task(start: int, stop: int) -> None:
        dw, db = parts[start] = np.zeros((2, groups, channels))
        pull(start, stop, dw, db)

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
