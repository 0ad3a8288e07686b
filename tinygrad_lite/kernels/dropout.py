"""Dropout in Numba; twins/dropout.py says where the random bits come from."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.kernels.compiled import FLOATS, compiled, contiguous
from tinygrad_lite.kernels.threads import spread
from tinygrad_lite.kernels.twins import dropout as twins

WORDS = 256  # at a time
GOLDEN, FIRST, SECOND = twins.GOLDEN, twins.FIRST, twins.SECOND


@compiled
def thin_blocks(x, seed, limit, scale, out, start, stop):
    """`thin` of blocks of 4 WORDS values."""
    words = np.empty(WORDS, np.uint64)
    bits = words.view(np.uint16)
    zero = x.dtype.type(0)
    for b in range(start, stop):
        for k in range(WORDS):
            z = seed + np.uint64(b * WORDS + k + 1) * GOLDEN
            z = (z ^ (z >> np.uint64(30))) * FIRST
            z = (z ^ (z >> np.uint64(27))) * SECOND
            words[k] = z ^ (z >> np.uint64(31))
        first, last = b * len(bits), min((b + 1) * len(bits), len(x))
        row, to = x[first:last], out[first:last]
        for i in range(len(row)):
            to[i] = row[i] * (scale if bits[i] >= limit else zero)


def thin(x: np.ndarray, seed: int, p: float, scale: float) -> np.ndarray:
    """See twins.thin."""
    limit = twins.limit(p)
    if x.dtype not in FLOATS or limit > 65535:
        return twins.thin(x, seed, p, scale)
    out = np.empty(x.shape, x.dtype)
    flat, to = contiguous(x).reshape(-1), out.reshape(-1)
    blocks = -(-x.size // (4 * WORDS))

    def task(start: int, stop: int) -> None:
        thin_blocks(flat, np.uint64(seed), np.uint16(limit), x.dtype.type(scale), to, start, stop)

    spread(task, blocks, 6 * x.size)
    return out
