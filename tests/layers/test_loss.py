import inspect

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

rng = np.random.default_rng(0)
sign = rng.choice([-1.0, 1.0], 5)
x, y = normal(5, 4), normal(4, 5).T
unit = 1 / (1 + np.exp(-x))
soft = np.exp(y) / np.exp(y).sum(1, keepdims=True)
counts = rng.poisson(2.0, (5, 4)) + 0.25  # at 0 PyTorch has no gradient of Stirling's approximation

CASES = [
    ("MSELoss", {}, (x, y)),
    ("L1Loss", {}, (x, y)),
    ("SmoothL1Loss", {"beta": 0.7}, (x, y)),
    ("HuberLoss", {"delta": 0.7}, (x, y)),
    ("KLDivLoss", {}, (np.log(unit), soft)),
    ("KLDivLoss", {"log_target": True}, (np.log(unit), np.log(soft))),
    ("PoissonNLLLoss", {}, (x, counts)),
    ("PoissonNLLLoss", {"log_input": False, "full": True, "eps": 1e-3}, (unit, counts)),
    ("GaussianNLLLoss", {}, (x, y, soft)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.2}, (x, y, soft[:, :1])),
    ("HingeEmbeddingLoss", {"margin": 0.8}, (normal(5), sign)),
    ("SoftMarginLoss", {}, (normal(5), sign.astype(int))),  # PyTorch has no gradient of the target
    ("MarginRankingLoss", {"margin": 0.3}, (x[:, 0], y[:, 0], sign)),
    ("CosineEmbeddingLoss", {"margin": 0.2}, (x, y, sign)),
    ("TripletMarginLoss", {"margin": 0.9, "swap": True}, (x, y, soft)),
    ("TripletMarginWithDistanceLoss", {"margin": 0.9, "swap": True}, (x, y, soft)),
    ("TripletMarginWithDistanceLoss", {"distance_function": lambda a, b: ((a - b) ** 2).sum(-1)}, (x, y, soft)),
]


@needs_torch
@both_dtypes
@pytest.mark.filterwarnings("ignore:reduction. .mean.:UserWarning")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name, params, inputs", CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_loss(name, params, inputs, reduction, dtype):
    ours, theirs = (getattr(place, name)(**params, reduction=reduction) for place in (layers, torch.nn))
    check(ours, theirs, *inputs, dtype=dtype)


def test_every_loss_is_compared():
    assert {name for name, _, _ in CASES} == set(layers.loss.__all__)


@needs_torch
def test_batch_mean():
    check(layers.KLDivLoss("batchmean"), torch.nn.KLDivLoss(reduction="batchmean"), np.log(unit), soft)


@needs_torch
@pytest.mark.parametrize("name", [*layers.loss.__all__, *layers.loss_classification.__all__])
def test_arguments_are_those_of_pytorch(name):
    """But for those that it no longer uses, and for devices."""
    gone = ("size_average", "reduce", "device")
    ours, theirs = (inspect.signature(getattr(place, name)).parameters.values() for place in (layers, torch.nn))
    assert [(p.name, p.default, p.kind) for p in ours] == [
        (p.name, p.default, p.kind) for p in theirs if p.name not in gone
    ]


def test_unknown_reduction():
    with pytest.raises(ValueError, match="MSELoss: reduction is 'none', 'mean' or 'sum', got 'average'"):
        layers.MSELoss("average")
    assert repr(layers.MSELoss("sum")) == "MSELoss(reduction='sum')"
    assert isinstance(layers.MSELoss()(tl.ones(2), tl.ones(2)), tl.Tensor)
