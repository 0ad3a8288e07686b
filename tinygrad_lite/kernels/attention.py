"""Attention in Numba: all of one head in one thread, where its matrices stay in the second-level cache.

twins/attention.py says what is computed. The products are made of register tiles, as in direct.py: a few rows times
a few vectors of columns, summed over the depth. The matrices of a head are copied first into ones whose sides are
whole tiles. What stands in the margin is arbitrary: no sum runs over it, and it is not copied back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.functions import intrinsic
from tinygrad_lite.kernels.softmax import softmax_back_row, softmax_row
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import attention as twins
from tinygrad_lite.kernels.vectors import BYTES, INT, WIDE, Emit

ROWS, VECTORS = (8, 2) if WIDE else (4, 2)
SIDE = 32  # a multiple of ROWS, and of the columns of a tile
LARGEST = 1 << 16  # scores of a head: beyond, they leave the cache, and BLAS is as fast


@intrinsic
def tile(
    typing: Any, c: Any, i: Any, columns: Any, a: Any, j: Any, down: Any, across: Any, b: Any, k: Any, depth: Any
) -> Any:
    """c[i + m columns + v] = sum over r < depth of a[j + m down + r across] * b[k + r columns + v]"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, c.dtype)
        to, left, right = (emit.data(signature.args[n], args[n]) for n in (0, 3, 7))
        _, i, columns, _, j, down, across, _, k, depth = args
        rows = [builder.add(j, builder.mul(down, INT(m))) for m in range(ROWS)]

        def body(r: Any, sums: list) -> list:
            at = builder.add(k, builder.mul(r, columns))
            xs = [emit.load(right, emit.at(at, v * emit.lanes)) for v in range(VECTORS)]
            step = builder.mul(r, across)
            ws = [emit.same(builder.load(builder.gep(left, [builder.add(row, step)]))) for row in rows]
            return [emit.fma(x, w, s) for (w, x), s in zip([(w, x) for w in ws for x in xs], sums)]

        zero = ir.Constant(emit.vector, None)
        for n, total in enumerate(emit.loop(INT(0), depth, 1, [zero] * (ROWS * VECTORS), body)):
            row = builder.add(i, builder.mul(columns, INT(n // VECTORS)))
            emit.store(total, to, emit.at(row, n % VECTORS * emit.lanes))
        return context.get_dummy_value()

    return types.void(c, i, columns, a, j, down, across, b, k, depth), generate


@compiled
def product(c, a, transposed, b, depth, width):
    """c = a b, or a^T b: sums over `depth`, in tiles `width` columns wide."""
    rows, columns = c.shape
    down, across = (1, a.shape[1]) if transposed else (a.shape[1], 1)
    for i in range(0, rows, ROWS):
        for j in range(0, columns, width):
            tile(c, i * columns + j, columns, a, i * down, down, across, b, j, depth)


@compiled
def enter(x, to, factor):
    for i in range(x.shape[0]):
        row, there = x[i], to[i]
        for j in range(len(row)):
            there[j] = row[j] * factor


@compiled
def enter_transposed(x, to):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            to[j, i] = x[i, j]


@compiled
def leave(work, to, factor):
    for i in range(to.shape[0]):
        row, there = work[i], to[i]
        for j in range(len(there)):
            there[j] = row[j] * factor


@compiled
def weigh(q, k, scale, causal, width, scaled, turned, scores, weights):
    """weights = softmax(scores), scores = scale q k^T, for one head; scaled and turned become scale q and k^T."""
    one = q.dtype.type(1)
    enter(q, scaled, q.dtype.type(scale))
    enter_transposed(k, turned)
    product(scores, scaled, False, turned, q.shape[1], width)
    for i in range(len(q)):
        seen = min(i + 1, len(k)) if causal else len(k)
        softmax_row(scores[i, :seen], weights[i, :seen], one)
        weights[i, seen : len(k)] = 0


@compiled
def matrix(like, rows, columns):
    """An array whose sides are whole tiles; of any value."""
    return np.empty((-(-rows // SIDE) * SIDE, -(-columns // SIDE) * SIDE), like.dtype)


@compiled
def each_attend(q, k, v, out, scale, causal, width, first, last):
    (_, length, size), (keys, features) = q.shape, v.shape[1:]
    scaled, turned = matrix(q, length, size), matrix(q, size, keys)
    scores, weights = matrix(q, length, keys), matrix(q, length, keys)
    values, result = matrix(q, keys, features), matrix(q, length, features)
    one = q.dtype.type(1)
    for head in range(first, last):
        weigh(q[head], k[head], scale, causal, width, scaled, turned, scores, weights)
        enter(v[head], values, one)
        product(result, weights, False, values, keys, width)
        leave(result, out[head], one)


@compiled
def each_attend_back(g, q, k, v, d_q, d_k, d_v, scale, causal, width, first, last):
    (_, length, size), (keys, features) = q.shape, v.shape[1:]
    scaled, turned = matrix(q, length, size), matrix(q, size, keys)
    scores, weights = matrix(q, length, keys), matrix(q, length, keys)
    pull, values, slopes = matrix(q, length, features), matrix(q, features, keys), matrix(q, length, keys)
    plain, for_q = matrix(q, keys, size), matrix(q, length, size)
    for_k, for_v = matrix(q, keys, size), matrix(q, keys, features)
    one = q.dtype.type(1)
    for head in range(first, last):
        weigh(q[head], k[head], scale, causal, width, scaled, turned, scores, weights)
        enter(g[head], pull, one)
        product(for_v, weights, True, pull, length, width)
        leave(for_v, d_v[head], one)
        enter_transposed(v[head], values)
        product(scores, pull, False, values, features, width)  # now the gradient of the weights
        for i in range(length):
            softmax_back_row(scores[i, :keys], weights[i, :keys], slopes[i, :keys])
        enter(k[head], plain, one)
        product(for_q, slopes, False, plain, keys, width)
        leave(for_q, d_q[head], q.dtype.type(scale))
        product(for_k, slopes, True, scaled, length, width)
        leave(for_k, d_k[head], one)


def suits(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> bool:
    """Whether the kernels are compiled for these, and worth it."""
    alike = q.dtype in FLOATS and q.dtype == k.dtype == v.dtype and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    return alike and q.size > 0 and k.size > 0 and v.size > 0 and q.shape[-2] * k.shape[-2] <= LARGEST


def heads(x: np.ndarray) -> np.ndarray:
    """(..., L, E) as (B, L, E), C-contiguous."""
    return contiguous(x).reshape(-1, *x.shape[-2:])


def tile_width(dtype: np.dtype) -> int:
    return VECTORS * BYTES // dtype.itemsize


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: bool) -> np.ndarray:
    """See twins.attend."""
    if not suits(q, k, v):
        return twins.attend(q, k, v, scale, causal)
    out = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    arrays, width = [heads(a) for a in (q, k, v, out)], tile_width(q.dtype)
    work = 2 * q.size * k.shape[-2] + 2 * out.size * k.shape[-2]
    spread(lambda a, b: each_attend(*arrays, scale, causal, width, a, b), len(arrays[0]), work)
    return out


def attend_back(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See twins.attend_back."""
    if not suits(q, k, v) or g.dtype != q.dtype:
        return twins.attend_back(g, q, k, v, scale, causal)
    back = [np.empty(a.shape, a.dtype) for a in (q, k, v)]
    arrays, width = [heads(a) for a in (g, q, k, v, *back)], tile_width(q.dtype)
    work = 6 * q.size * k.shape[-2] + 4 * g.size * k.shape[-2]
    spread(lambda a, b: each_attend_back(*arrays, scale, causal, width, a, b), len(arrays[0]), work)
    return back[0], back[1], back[2]
