"""SELU: the exact checks, a short training, and the traps."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.labelled import measure, split, standardised, take
from examples.training import selu
from tinygrad_lite.data import Images
from tinygrad_lite.layers import SELU, AlphaDropout, BatchNorm1d, Dropout, Linear, Sequential

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_every_check_holds(tmp_path):
    report = Report("selu", tmp_path, {})
    selu.checks(report)
    assert len(report.rows) == 7
    assert [row.claim for row in report.rows if not row.passed] == []


def test_the_solution_is_that_of_the_layer():
    """Integrated over a grid, selu of N(0, 1) has mean 0 and variance 1."""
    z = np.linspace(-10, 10, 200_001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    y = SELU()(tl.tensor(z)).numpy()
    np.testing.assert_allclose([(y * weight).sum(), (y**2 * weight).sum()], [0, 1], atol=1e-8)


def test_signals_stay_with_selu_and_not_with_another_initialisation():
    tl.manual_seed(0)
    good, wrong = selu.propagate("SELU", 0), selu.propagate("SELU + He", 0)
    assert len(good["means"]) == 3 and len(good["means"][0]) == 64
    assert all(abs(v[-1] - 1) < 0.15 for v in good["variances"]) and max(good["alike"]) < 0.1
    assert all(v[-1] > 10 for v in wrong["variances"])


def test_a_network_has_what_its_kind_says():
    plain, normed = (selu.network(selu.KINDS[name], 5, 3, 4, 7) for name in ("SELU", "ReLU + batch norm"))
    assert [type(layer) for layer in plain] == [Linear, SELU] * 4 + [Linear]
    assert sum(isinstance(layer, BatchNorm1d) for layer in normed) == 4
    assert sum(isinstance(layer, Dropout) for layer in selu.network(selu.KINDS["tanh"], 5, 3, 4, 7, 0.1)) == 4
    assert sum(isinstance(layer, AlphaDropout) for layer in selu.network(selu.KINDS["SELU"], 5, 3, 4, 7, 0.1)) == 4
    assert all((layer.bias == 0).all() for layer in plain if isinstance(layer, Linear))


def test_a_short_training_learns(monkeypatch):
    data, test = selu.load(quick=True)
    monkeypatch.setattr(selu, "load", lambda quick: (take(data, slice(400)), test))
    tl.manual_seed(0)
    found = selu.train("SELU, 8 layers", 0, True)
    assert found["loss"] < 0.1 and found["test"] > 0.85 and len(found["curve"]) == 100


def test_a_table_compares_networks_with_other_methods(monkeypatch):
    monkeypatch.setattr(selu, "RATES", (0.03,))
    found = selu.compare("wine", 0, 40)
    assert list(found) == [*selu.TRAINED, "SVM", "random forest"]
    assert found["SELU"] > 0.8 and found["SVM"] > 0.9


def test_ranks():
    assert selu.ranks([0.9, 0.7, 0.9, 0.8]) == [1.5, 4, 1.5, 3]


def test_inputs_are_standardised_by_the_training_part():
    rng = np.random.default_rng(0)
    train = Images(rng.normal(5, 3, (50, 2, 2)), np.zeros(50))
    test = Images(rng.normal(9, 3, (50, 2, 2)), np.zeros(50))
    for axis in (None, 0):
        a, b = standardised(train, test, axis)
        np.testing.assert_allclose([a.images.mean(axis), a.images.std(axis) - 1], 0, atol=1e-5)
        assert a.images.shape == (50, 4) and b.images.mean() > 0.8


def test_a_split_keeps_every_item_once():
    data = Images(np.arange(40.0)[:, None], np.arange(40) % 4)
    rest, held = split(data, 0.25)
    assert sorted([*rest.images[:, 0], *held.images[:, 0]]) == list(range(40)) and len(held.labels) == 10


def test_measuring_a_classifier():
    net = Sequential(Linear(2, 2))
    net.load_state_dict({"0.weight": tl.tensor([[1.0, 0.0], [0.0, 1.0]]), "0.bias": tl.zeros(2)})
    data = Images(np.float32([[9, 0], [0, 9], [9, 0]]), np.array([0, 1, 1]))
    found = measure(net, data, batch=2)
    assert found["accuracy"] == pytest.approx(2 / 3) and found["loss"] == pytest.approx(3, abs=0.01)


def test_a_quick_run_reports(tmp_path, monkeypatch):
    loss = {"SELU": 0.1, "ReLU + He": 0.3, "ReLU + batch norm": 0.2, "tanh": 0.2}

    def train(variant, seed, quick):
        return {"loss": loss[variant.split(",")[0]], "test": 0.9, "curve": [1.0] * 100}

    monkeypatch.setattr(selu, "train", train)
    assert program.main(["selu", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"] == "32 layers: SELU 90.00%, batch norm 90.00%" and (tmp_path / "figure.png").exists()
    loss["SELU"] = float("nan")
    assert program.main(["selu", "--quick", "--out", str(tmp_path)]) == 1  # a gate fails
