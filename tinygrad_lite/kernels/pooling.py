"""Pooling and its transposes in Numba; twins/pooling.py says what each one computes."""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import pooling as twins


@compiled
def largest(x, rows, columns, values, places, start, stop):
    """`max_pool` of the planes start ... stop: the largest of a window in each column, then the largest of these.

    Without branches, as nobody could predict them; the first pass is made of vectors.
    """
    width = x.shape[2]
    tall, row_of = np.empty(width, x.dtype), np.empty(width, np.int32)
    for p in range(start, stop):
        for i in range(len(rows)):
            for k in range(rows.shape[1]):
                r = np.int32(rows[i, k])
                row = x[p, r]
                for c in range(width):
                    value, best = row[c], tall[c]
                    better = (k == 0) | ((best == best) & ~(value <= best))  # larger, or the first NaN
                    tall[c] = value if better else best
                    row_of[c] = r if better else row_of[c]
            best_of, place_of = values[p, i], places[p, i]
            for j in range(len(columns)):
                c = columns[j, 0]
                best, place = tall[c], row_of[c] * width + c
                for m in range(1, columns.shape[1]):
                    c = columns[j, m]
                    value, here = tall[c], row_of[c] * width + c
                    larger = (best == best) & ~(value <= best)
                    equal = (value == best) | ((value != value) & (best != best))
                    better = larger | (equal & (here < place))
                    best = value if better else best
                    place = here if better else place
                best_of[j], place_of[j] = best, place


def planes(x: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(..., H, W) as (planes, *size)"""
    return contiguous(x).reshape(prod(x.shape[:-2]), *size)


def max_pool(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See twins.max_pool."""
    if x.dtype not in FLOATS or not x.size:
        return twins.max_pool(x, rows, columns)
    values = np.empty((*x.shape[:-2], len(rows), len(columns)), x.dtype)
    places = np.empty(values.shape, np.int32)
    x = planes(x, x.shape[-2:])
    best, found = (planes(a, a.shape[-2:]) for a in (values, places))
    work = 2 * values.size * rows.shape[1] * columns.shape[1]
    spread(lambda start, stop: largest(x, rows, columns, best, found, start, stop), len(x), work)
    return values, places


@compiled
def scatter(g, place, out, start, stop):
    for p in range(start, stop):
        up, places, to = g[p], place[p], out[p]
        to[:] = 0
        for i in range(len(up)):
            k = places[i]
            if k < 0 or k >= len(to):
                raise IndexError("scatter_planes: a place lies outside of its plane")
            to[k] += up[i]


def scatter_planes(g: np.ndarray, place: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """See twins.scatter_planes."""
    if g.dtype not in FLOATS or not g.size:
        return twins.scatter_planes(g, place, size)
    lead = g.shape[: g.ndim - len(size)]
    out = np.empty((*lead, *size), g.dtype)
    up, places, to = (contiguous(a).reshape(prod(lead), -1) for a in (g, place.astype(np.int32, copy=False), out))
    spread(lambda start, stop: scatter(up, places, to, start, stop), len(up), 4 * g.size + out.size)
    return out


@compiled
def sum_windows(row, columns, shares, share, out):
    for j in range(len(columns)):
        window = row[columns[j, 0] : columns[j, 1]]
        value = row.dtype.type(0)
        for k in range(len(window)):
            value += window[k]
        out[j] = value * (share * shares[j])


@compiled
def add_windows(g, columns, shares, share, row):
    for j in range(len(columns)):
        window = row[columns[j, 0] : columns[j, 1]]
        value = g[j] * (share * shares[j])
        for k in range(len(window)):
            window[k] += value


@compiled
def average(x, rows, columns, row_share, column_share, out, start, stop):
    """`mean_pool` of the planes start ... stop: the sum of the rows of a window, then sums along it."""
    total = np.empty(x.shape[2], x.dtype)
    for p in range(start, stop):
        for i in range(len(rows)):
            first, last = rows[i, 0], rows[i, 1]
            if last == first + 1:
                sum_windows(x[p, first], columns, column_share, row_share[i], out[p, i])
                continue
            total[:] = 0
            for k in range(first, last):
                row = x[p, k]
                for c in range(len(total)):
                    total[c] += row[c]
            sum_windows(total, columns, column_share, row_share[i], out[p, i])


@compiled
def average_back(g, rows, columns, row_share, column_share, out, start, stop):
    """`mean_pool_back` of the planes start ... stop, by the same way back."""
    total = np.empty(out.shape[2], out.dtype)
    for p in range(start, stop):
        out[p] = 0
        for i in range(len(rows)):
            first, last = rows[i, 0], rows[i, 1]
            if last == first + 1:
                add_windows(g[p, i], columns, column_share, row_share[i], out[p, first])
                continue
            total[:] = 0
            add_windows(g[p, i], columns, column_share, row_share[i], total)
            for k in range(first, last):
                row = out[p, k]
                for c in range(len(total)):
                    row[c] += total[c]


def tables(
    x: np.ndarray, rows: twins.Windows, columns: twins.Windows, size: tuple[int, int]
) -> tuple[tuple[int, int], tuple]:
    """The size of a plane, and where windows lie in it and their shares; a whole plane is taken for a row."""
    (row_edges, row_share), (column_edges, column_share) = rows, columns
    if len(row_edges) == len(column_edges) == 1 and size == (np.ptp(row_edges), np.ptp(column_edges)):
        size = 1, prod(size)
        row_edges, column_edges = np.array([[0, 1]]), np.array([[0, size[1]]])
    return size, (row_edges, column_edges, row_share.astype(x.dtype), column_share.astype(x.dtype))


def mean_pool(x: np.ndarray, rows: twins.Windows, columns: twins.Windows) -> np.ndarray:
    """See twins.mean_pool."""
    if x.dtype not in FLOATS or not x.size:
        return twins.mean_pool(x, rows, columns)
    out = np.empty((*x.shape[:-2], len(rows[0]), len(columns[0])), x.dtype)
    size, windows = tables(x, rows, columns, x.shape[-2:])
    x, to = planes(x, size), planes(out, out.shape[-2:])
    spread(lambda start, stop: average(x, *windows, to, start, stop), len(x), 2 * x.size + 4 * out.size)
    return out


def mean_pool_back(g: np.ndarray, rows: twins.Windows, columns: twins.Windows, size: tuple[int, int]) -> np.ndarray:
    """See twins.mean_pool_back."""
    if g.dtype not in FLOATS or not g.size:
        return twins.mean_pool_back(g, rows, columns, size)
    out = np.empty((*g.shape[:-2], *size), g.dtype)
    size, windows = tables(g, rows, columns, size)
    g, to = planes(g, g.shape[-2:]), planes(out, size)
    spread(lambda start, stop: average_back(g, *windows, to, start, stop), len(g), 2 * out.size + 4 * g.size)
    return out
