"""Normalisation in Numba; twins/normalization.py says what each kernel computes, and of which shapes.

Here x is (A, B, K, L), with B = R G groups, or what is the same in memory: (A, B, K L), or rows (A, B K, L), each of
which has one weight. Where A = L = 1, vectors (B, K), every value has a weight of its own, which takes other loops.

What it costs is reading memory. Forward reads x twice: for the statistics, and to normalise. Backward reads g and x
twice: for the sums over a mean, and to combine them. Where a group lies together in memory (A = 1) the second time it
comes from the cache. Threads share the groups.

A large result will have left the caches when it is read again. So it is written past them, which spares reading each
line before it is written, and leaves in the caches what is there; meanwhile the next group is fetched.

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
from tinygrad_lite.kernels.rows import along
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import normalization as twins
from tinygrad_lite.kernels.vectors import settle

PIECE = 2048  # values that moments reads at a time
LARGE = 1 << 23  # bytes of a result from which on it is written past the caches, even if it is read right after
LONG = 1 << 12  # bytes of a row that this takes: at its ends are parts of lines, which don't gain
BLOCK = 64  # rows whose sums are taken in the dtype of x, before they are added in float64


def about(emit, vectors, numbers, totals):  # type: ignore
    """The sums of x - shift and of its square."""
    d = emit.builder.fsub(vectors[0], numbers[0])
    return [], [emit.builder.fadd(totals[0], d), emit.fma(d, d, totals[1])]


def scaled(emit, vectors, numbers, totals):  # type: ignore
    """max((x - centre) * scale + shift + y, floor); y, the second vector, may be missing."""
    centre, scale, shift, floor = numbers
    value = emit.fma(emit.builder.fsub(vectors[0], centre), scale, shift)
    for y in vectors[1:]:
        value = emit.builder.fadd(value, y)
    return [emit.builder.select(emit.builder.fcmp_ordered("<", value, floor), floor, value)], []


def open_gate(emit, g, out):  # type: ignore
    """g where a rectified result is above 0, else 0."""
    return emit.builder.select(emit.builder.fcmp_ordered(">", out, emit.zero), g, emit.zero)


def products(emit, vectors, numbers, totals):  # type: ignore
    """The sums of g and of g * (x - centre); of g, x and perhaps the result that masks g, which is written."""
    g, x, *out = vectors
    g = open_gate(emit, g, out[0]) if out else g
    x = emit.builder.fsub(x, numbers[0])
    return [g], [emit.builder.fadd(totals[0], g), emit.fma(g, x, totals[1])]


def joined(emit, vectors, numbers, totals):  # type: ignore
    """g * scale + (x - centre) * slope + shift, with g as in `products`."""
    g, x, *out = vectors
    g = open_gate(emit, g, out[0]) if out else g
    centre, scale, slope, shift = numbers
    return [emit.fma(g, scale, emit.fma(emit.builder.fsub(x, centre), slope, shift))], []


sum_about, scale_row, sum_products, join_row = along(about, 2), along(scaled, 0), along(products, 2), along(joined, 0)
ZERO, ONE = np.int64(0), np.int64(1)


@compiled
def moments(x, sizes, first, last, centred, mean, var):
    """The mean and the variance of x[:, b] for first <= b < last; x (A, B, K L), flat."""
    samples, count, size = sizes
    real = x.dtype.type
    together = max(1, PIECE // size)
    for b in range(first, last):
        mean[b] = var[b] = 0
    for a in range(0, samples, together):
        end = min(samples, a + together)
        for b in range(first, last):
            for s in range(0, size, PIECE):
                n, start = min(PIECE, size - s), (a * count + b) * size + s
                before, values = a * size + (end - a) * s, (end - a) * n
                shift = real(mean[b])
                if centred and not before:
                    shift = real(sum_about((), (x,), start, ZERO, ONE, n, (real(0),), ZERO)[0] / n)
                total, squares = sum_about((), (x,), start, count * size, end - a, n, (shift,), ZERO)
                if centred:
                    off = np.float64(total) / values
                    delta = shift + off - mean[b]
                    share = values / (before + values)
                    mean[b] += delta * share
                    var[b] += squares - total * off + delta * delta * before * share
                else:
                    var[b] += squares
    for b in range(first, last):
        var[b] /= samples * size


@compiled
def apply(x, y, out, sizes, first, last, centre, scale, shift, add, floor, ahead):
    """out[:, r] = max((x[:, r] - centre[r]) * scale[r] + shift[r] + y[:, r], floor), y only with `add`.

    sizes = (A, B K, L) of the flat x, y and out. ahead: see rows.py.
    """
    samples, rows, length = sizes
    for a in range(samples):
        for r in range(first, last):
            start, numbers = (a * rows + r) * length, (centre[r], scale[r], shift[r], floor)
            if add:
                scale_row((out,), (x, y), start, ZERO, ONE, length, numbers, ahead)
            else:
                scale_row((out,), (x,), start, ZERO, ONE, length, numbers, ahead)


@compiled
def normalize_rows(x, y, out, sizes, start, stop, vectors, mean, var, eps, centred, add, floor, past):
    """`normalize` of the groups start ... stop of the flat x, y and out; sizes = (A, B, L).

    One group after the other where each lies together in memory, else all at once. vectors: weight and bias.
    """
    real = x.dtype.type
    samples, count, length = sizes
    _, groups, channels = vectors.shape
    table = np.empty((3, count * channels), x.dtype)
    centre, scale, shift = table[0], table[1], table[2]
    step = 1 if samples == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        moments(x, (samples, count, channels * length), first, last, centred, mean, var)
        for b in range(first, last):
            group = b % groups
            rstd = 1 / np.sqrt(var[b] + eps)
            middle = real(mean[b])
            off = (middle - mean[b]) * rstd  # what rounding the mean left over
            for k in range(channels):
                r, w = b * channels + k, vectors[0, group, k]
                centre[r], scale[r], shift[r] = middle, rstd * w, off * w + vectors[1, group, k]
        rows, ahead = (samples, count * channels, length), past * channels * length
        apply(x, y, out, rows, first * channels, last * channels, centre, scale, shift, add, floor, ahead)
    if past:
        settle()


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


def beyond(out: np.ndarray, places: int) -> bool:
    """Whether to write a result past the caches."""
    return out.nbytes >= LARGE and places * out.itemsize >= LONG


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
    out, shape = np.empty(x.shape, x.dtype), (1, repeated, groups, 1, 1)
    found = np.empty(shape), np.empty(shape)
    mean, var = (a.reshape(-1) for a in found)
    vectors = weight_and_bias(weight, bias, (groups, channels), x.dtype)
    if centre and view[1:] == (1, groups, 1, 1):
        x2, y2, to = (a.reshape(samples, groups) for a in (x, y, out))
        normalize_columns(x2, y2 if add else None, to, vectors, mean, var, eps, rectify)
        return out, *found
    arrays: list[Any]
    if samples == places == 1 and not add and not rectify:
        run, arrays = normalize_vectors, [a.reshape(count, channels) for a in (x, out)]
        rest: tuple = (vectors, mean, var, eps, centre)
    else:
        run, arrays = normalize_rows, [a.reshape(-1) for a in (x, y, out)] + [(samples, count, places)]
        rest = (vectors, mean, var, eps, centre, add, x.dtype.type(0 if rectify else -np.inf), beyond(out, places))
    spread(lambda start, stop: run(*arrays, start, stop, *rest), count, 8 * x.size)
    return out, *found


@compiled
def sums(g, x, out, h, sizes, first, last, centre, masked, copy, sum_g, sum_gx):
    """sum_g[r] = sum of g[:, r], sum_gx[r] = sum of g[:, r] (x[:, r] - centre[r]); sizes as for `apply`.

    `masked`: where out is not above 0, g counts as 0. `copy`, if it is masked: h = g so masked.
    """
    samples, rows, length = sizes
    for r in range(first, last):
        sum_g[r] = sum_gx[r] = 0
    for a in range(samples):
        for r in range(first, last):
            start, numbers = (a * rows + r) * length, (centre[r],)
            if copy:
                total, product = sum_products((h,), (g, x, out), start, ZERO, ONE, length, numbers, ZERO)
            elif masked:
                total, product = sum_products((), (g, x, out), start, ZERO, ONE, length, numbers, ZERO)
            else:
                total, product = sum_products((), (g, x), start, ZERO, ONE, length, numbers, ZERO)
            sum_g[r] += total
            sum_gx[r] += product


@compiled
def merge(g, x, out, dx, sizes, first, last, centre, masked, scale, slope, shift, ahead):
    """dx[:, r] = g[:, r] * scale[r] + (x[:, r] - centre[r]) * slope[r] + shift[r], g masked as in `sums`."""
    samples, rows, length = sizes
    for a in range(samples):
        for r in range(first, last):
            start, numbers = (a * rows + r) * length, (centre[r], scale[r], slope[r], shift[r])
            if masked:
                join_row((dx,), (g, x, out), start, ZERO, ONE, length, numbers, ahead)
            else:
                join_row((dx,), (g, x), start, ZERO, ONE, length, numbers, ahead)


@compiled
def back_rows(g, x, out, h, dx, sizes, start, stop, slopes, vectors, mean, var, eps, centred, masked, copy, past):
    """`normalize_back` of the groups start ... stop, in the order of `normalize_rows`, with the same sizes.

    slopes: the gradients of weight and bias, in float64, to be added to. With n = x - mean in units of its standard
    deviation, dx = (g w - mean of (g w) - n * mean of (g w n)) / std.
    """
    real = x.dtype.type
    _, groups, channels = vectors.shape
    samples, many, length = sizes
    count, rows = samples * channels * length, (samples, many * channels, length)
    table, totals = np.empty((4, rows[1]), x.dtype), np.empty((2, rows[1]))
    centre, scale, slope, shift, sum_g, sum_gx = table[0], table[1], table[2], table[3], totals[0], totals[1]
    step = 1 if samples == 1 else stop - start
    for first in range(start, stop, step):
        last = first + step
        begin, end = first * channels, last * channels
        for r in range(begin, end):
            centre[r] = mean[r // channels]
        sums(g, x, out, h, rows, begin, end, centre, masked, copy, sum_g, sum_gx)
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
        ahead = past * channels * length
        merge(h if copy else g, x, out, dx, rows, begin, end, centre, masked and not copy, scale, slope, shift, ahead)
    if past:
        settle()


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
    copy = copy and masked  # or else it is g itself
    g, x = contiguous(g.astype(x.dtype, copy=False)), contiguous(x)
    dx = np.empty(x.shape, x.dtype)
    h = np.empty(x.shape, x.dtype) if copy else g
    rest: tuple = (weight_and_bias(weight, None, (groups, channels), x.dtype), mean.ravel(), var.ravel(), eps, centre)
    if centre and view[1:] == (1, groups, 1, 1):
        h = np.where(out > 0, g, x.dtype.type(0)) if masked else g
        g2, x2, to = (a.reshape(samples, groups) for a in (h, x, dx))
        slopes = back_columns(g2, x2, to, *rest[:-1])
        return dx, *slopes.reshape(2, groups, 1), h
    arrays: list[Any]
    if samples == places == 1 and not masked and not copy:
        run, arrays = back_vectors, [a.reshape(count, channels) for a in (g, x, dx)]
    else:
        seen = contiguous(out) if masked else x
        run, arrays = back_rows, [a.reshape(-1) for a in (g, x, seen, h, dx)] + [(samples, count, places)]
        rest += masked, copy, beyond(dx, places)
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
    rest = np.zeros(len(scale), x.dtype), scale, shift, False, x.dtype.type(-np.inf), 0
    flat, to = x.reshape(-1), out.reshape(-1)
    spread(lambda start, stop: apply(flat, flat, to, x.shape, start, stop, *rest), len(scale), 4 * x.size)
    return out
