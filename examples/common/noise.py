"""Words drawn as noise, for negative sampling."""

from __future__ import annotations

from typing import Any

import numpy as np


class Noise:
    """Draws from p(w) ~ count(w)^0.75, each in constant time: a place, then its word or its alias (Walker 1977)."""

    def __init__(self, counts: np.ndarray) -> None:
        p = counts**0.75 / (counts**0.75).sum()
        self.share, self.alias = p * len(p), np.arange(len(p))
        small, large = (np.flatnonzero(side).tolist() for side in (self.share < 1, self.share >= 1))
        while small and large:  # a place that is too small for itself is filled up by one that is too large
            k, other = small.pop(), large[-1]
            self.alias[k] = other
            self.share[other] -= 1 - self.share[k]
            if self.share[other] < 1:
                small.append(large.pop())

    def draw(self, rng: np.random.Generator, shape: Any) -> np.ndarray:
        """Words of this shape."""
        place = rng.integers(len(self.share), size=shape)
        return np.where(rng.random(place.shape) < self.share[place], place, self.alias[place])

    def others(self, rng: np.random.Generator, positives: np.ndarray, k: int) -> np.ndarray:
        """(B, k) words, none of a row being the one of `positives` (B,)."""
        found = self.draw(rng, (len(positives), k))
        while (same := found == positives[:, None]).any():
            found[same] = self.draw(rng, same.sum())
        return found
