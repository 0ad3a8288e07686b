import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, normal, torch
from tinygrad_lite import layers

rng = np.random.default_rng(0)
classes = rng.integers(0, 4, 5)
several = np.array([[2, 0, -1, 1], [-1, 0, 0, 0], [3, 2, 1, 0], [1, -1, -1, -1], [0, 0, -1, -1]])
weight = np.array([0.5, 1.0, 2.0, 0.1], np.float32)
x, y = normal(5, 4), normal(4, 5).T
unit = 1 / (1 + np.exp(-x))
soft = np.exp(y) / np.exp(y).sum(1, keepdims=True)
# Log-probabilities of 9 steps, for 3 sequences of 4, 2 and 0 labels.
steps = normal(9, 3, 5) - np.log(np.exp(normal(9, 3, 5)).sum(2, keepdims=True))
labels, frames, counts = rng.integers(1, 5, (3, 4)), np.array([9, 6, 8]), np.array([4, 2, 0])

CASES = [
    ("CrossEntropyLoss", {}, (x, classes)),
    ("CrossEntropyLoss", {"weight": weight, "ignore_index": 2, "label_smoothing": 0.1}, (x, classes)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, (x, soft)),
    ("LinearCrossEntropyLoss", {"in_features": 4, "num_classes": 4, "weight": weight}, (x, classes)),
    (
        "LinearCrossEntropyLoss",
        {"in_features": 4, "num_classes": 5, "out_features": (3, 2), "bias": True, "label_smoothing": 0.1},
        (x, rng.integers(0, 5, (5, 3, 2))),
    ),
    ("NLLLoss", {"weight": weight, "ignore_index": 1}, (x, classes)),
    ("BCELoss", {"weight": weight}, (unit, soft)),
    ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight}, (x, soft)),
    ("MultiLabelSoftMarginLoss", {"weight": weight}, (x, np.round(soft))),
    ("MultiMarginLoss", {}, (x, classes)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.6, "weight": weight}, (x, classes)),
    ("MultiLabelMarginLoss", {}, (x, several)),
    ("CTCLoss", {}, (steps, labels, frames, counts)),
    ("CTCLoss", {"blank": 4, "zero_infinity": True}, (steps, labels - 1, frames // 3, counts)),
]


@needs_torch
@both_dtypes
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name, params, inputs", CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_loss(name, params, inputs, reduction, dtype):
    ours = getattr(layers, name)(**params, reduction=reduction)
    given = {key: torch.tensor(v) if isinstance(v, np.ndarray) else v for key, v in params.items()}
    check(ours, getattr(torch.nn, name)(**given, reduction=reduction), *inputs, dtype=dtype)


def test_every_loss_is_compared():
    assert {name for name, _, _ in CASES} == set(layers.loss_classification.__all__)


def test_the_gradient_of_ctc_needs_no_log_softmax_before():
    """Scores do as well as their log-probabilities, for value and gradient."""
    scores = tl.tensor(normal(9, 3, 5), requires_grad=True)
    loss = layers.CTCLoss()
    given = labels, frames, counts
    plain, normalised = loss(scores, *given), loss(tl.log_softmax(scores, -1), *given)
    assert abs(plain.item() - normalised.item()) < 1e-12
    np.testing.assert_allclose(tl.grad(plain, scores).numpy(), tl.grad(normalised, scores).numpy(), atol=1e-12)
