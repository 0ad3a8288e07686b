import numpy as np
import pytest

from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

rng = np.random.default_rng(0)
classes = rng.integers(0, 4, 5)
sign = rng.choice([-1.0, 1.0], 5)
weight = np.array([0.5, 1.0, 2.0, 0.1], np.float32)
unit = 1 / (1 + np.exp(-normal(5, 4)))
soft = np.exp(normal(4, 5).T) / np.exp(normal(4, 5).T).sum(1, keepdims=True)

CASES = [
    ("MSELoss", {}, (normal(5, 4), normal(4, 5).T)),
    ("L1Loss", {}, (normal(5, 4), normal(4, 5).T)),
    ("SmoothL1Loss", {"beta": 0.7}, (normal(5, 4), normal(4, 5).T)),
    ("HuberLoss", {"delta": 0.7}, (normal(5, 4), normal(4, 5).T)),
    ("CrossEntropyLoss", {}, (normal(5, 4), classes)),
    ("CrossEntropyLoss", {"weight": weight, "ignore_index": 2, "label_smoothing": 0.1}, (normal(5, 4), classes)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, (normal(5, 4), soft)),
    ("NLLLoss", {"weight": weight, "ignore_index": 1}, (normal(5, 4), classes)),
    ("BCELoss", {"weight": weight}, (unit, soft)),
    ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight}, (normal(5, 4), soft)),
    ("KLDivLoss", {}, (np.log(unit), soft)),
    ("KLDivLoss", {"log_target": True}, (np.log(unit), np.log(soft))),
    ("HingeEmbeddingLoss", {"margin": 0.8}, (normal(5), sign)),
    ("CosineEmbeddingLoss", {"margin": 0.2}, (normal(5, 4), normal(4, 5).T, sign)),
    ("TripletMarginLoss", {"margin": 0.9, "swap": True}, (normal(5, 4), normal(4, 5).T, soft)),
]


@needs_torch
@both_dtypes
@pytest.mark.filterwarnings("ignore:reduction. .mean.:UserWarning")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name, params, inputs", CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_loss(name, params, inputs, reduction, dtype):
    ours = getattr(layers, name)(**params, reduction=reduction)
    given = {key: torch.tensor(v) if isinstance(v, np.ndarray) else v for key, v in params.items()}
    check(ours, getattr(torch.nn, name)(**given, reduction=reduction), *inputs, dtype=dtype)


def test_every_loss_is_compared():
    assert {name for name, _, _ in CASES} | {"CosineSimilarity"} == set(layers.loss.__all__)


@needs_torch
def test_batch_mean_and_cosine():
    check(layers.KLDivLoss("batchmean"), torch.nn.KLDivLoss(reduction="batchmean"), np.log(unit), soft)
    check(layers.CosineSimilarity(), torch.nn.CosineSimilarity(), normal(5, 4), soft)
    check(layers.CosineSimilarity(dim=0), torch.nn.CosineSimilarity(dim=0), normal(5, 4), soft)


def test_unknown_reduction():
    with pytest.raises(ValueError, match="MSELoss: reduction is 'none', 'mean' or 'sum', got 'average'"):
        layers.MSELoss("average")
