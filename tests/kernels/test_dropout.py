"""The random bits of dropout: the same in both versions, with the right frequency, and independent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same
from tests.kernels.threading import spread_over
from tinygrad_lite import kernels


@often
@given(st.data())
def test_thin_is_its_twin(data):
    pytest.importorskip("numba", reason="without Numba the twins are the kernels")
    x = numbers(data.draw, (data.draw(st.integers(0, 5)), data.draw(st.sampled_from([1, 3, 511, 1024]))))
    seed = data.draw(st.integers(0, 2**64 - 1))
    with spread_over(data.draw(st.integers(1, 4))):
        same("thin", x, seed, data.draw(st.sampled_from([0.0, 0.1, 0.5, 1 - 1e-6, 1.0])), 1.5)


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_should_be(p):
    """Within four standard deviations: over all, over every place in a word, and over runs."""
    kept = kernels.thin(np.ones(1 << 20, np.float32), 12345, p, 1.0)

    def check(part: np.ndarray, p: float = p) -> None:
        assert abs((part == 0).mean() - p) < 4.5 * np.sqrt(p * (1 - p) / part.size)

    check(kept)
    for k in range(4):
        check(kept[k::4])
    for part in np.split(kept, 16):
        check(part)


@pytest.mark.parametrize("apart", [1, 2, 3, 4, 5, 64, 1024, 4096])
def test_neighbours_are_independent(apart):
    m = kernels.thin(np.ones(1 << 20, np.float32), 99, 0.5, 1.0) - 0.5
    assert abs((m[apart:] * m[:-apart]).mean()) < 4.5 * 0.25 / 1024


@pytest.mark.parametrize(("one", "other"), [(0, 1), (7, 8), (1, 1 << 40), (5, 5 + (1 << 63))])
def test_seeds_near_each_other_give_masks_that_are_not(one, other):
    a, b = (kernels.thin(np.ones(1 << 20, np.float32), seed, 0.5, 1.0) - 0.5 for seed in (one, other))
    assert abs((a * b).mean()) < 4.5 * 0.25 / 1024
