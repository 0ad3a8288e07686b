import numpy as np
import pytest

from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

CASES = [
    ("CosineSimilarity", {}),
    ("CosineSimilarity", {"dim": 0, "eps": 0.5}),
    ("PairwiseDistance", {}),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}),
    ("PairwiseDistance", {"p": 3.0, "eps": 0.1}),
]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("name, params", CASES, ids=str)
def test_distance(name, params, dtype):
    ours, theirs = (getattr(place, name)(**params) for place in (layers, torch.nn))
    check(ours, theirs, normal(5, 4), normal(4, 5).T, dtype=dtype)


def test_every_distance_is_compared():
    assert {name for name, _ in CASES} == set(layers.distance.__all__)


def test_names():
    assert repr(layers.PairwiseDistance(1.0)) == "PairwiseDistance(p=1.0, eps=1e-06, keepdim=False)"
    assert layers.PairwiseDistance(keepdim=True)(np.ones((3, 2)), np.zeros(2)).shape == (3, 1)
