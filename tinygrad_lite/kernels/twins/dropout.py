"""Dropout in plain NumPy: random bits by counting, so that every part of an array finds its own.

The k-th word is a hash of seed + k golden ratios: the generator SplitMix64 of Steele, Lea and Flood 2014, "Fast
splittable pseudorandom number generators", figure 16, with Stafford's constants. Nothing is passed on from one word
to the next, so that threads share the work, and backward draws the mask again, which was never kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

GOLDEN, FIRST, SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def limit(p: float) -> int:
    """Of 65536 equally likely numbers, how many mean that a value is dropped."""
    return round(p * 65536)


def thin(x: np.ndarray, seed: int, p: float, scale: float) -> np.ndarray:
    """x * m * scale, where m is 0 with probability p, in steps of 2^-16, else 1; the same seed gives the same m.

    Four values share a word, 16 bits each, in the byte order of the machine.
    """
    count = np.arange(1, -(-x.size // 4) + 1, dtype=np.uint64)
    z = np.uint64(seed) + count * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    bits = (z ^ (z >> np.uint64(31))).view(np.uint16)[: x.size]
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    return x * np.where(bits >= limit(p), dtype.type(scale), dtype.type(0)).reshape(x.shape)


EXAMPLES: dict[str, Any] = {"thin": lambda t: [(np.ones(5, t), 1, 0.5, 2.0)]}
"""Small calls that reach all compiled code; see kernels.examples."""
