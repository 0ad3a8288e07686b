"""Pruning: the exact checks, a shortened run, and what the criteria and the surgery must not get wrong."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report, pruning
from examples.training import taylor_pruning as tp
from tinygrad_lite.layers import VGG, flops
from tinygrad_lite.optim import SGD

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def small() -> tuple[VGG, np.ndarray, np.ndarray]:
    tl.manual_seed(0)
    rng = np.random.default_rng(0)
    net = VGG([4, "M", 6, "M"], 1, num_classes=5, hidden=(), pooled=2)
    return net, rng.normal(size=(10, 1, 8, 8)).astype(np.float32), np.arange(10) % 5


def test_every_check_holds(tmp_path):
    report = Report("taylor_pruning", tmp_path, {})
    tp.checks(report)
    assert len(report.rows) == 4
    assert [row.claim for row in report.rows if not row.passed] == []


def test_a_shortened_run_learns_ranks_and_prunes(tmp_path, monkeypatch):
    assert tp.pretrain(True, tmp_path) is None
    assert tp.prepare("network", 0, True, tmp_path)["test"] > 0.85
    rho = tp.correlate("ranks", 0, True, tmp_path)["found"]
    assert set(rho) == {*tp.CRITERIA, "Taylor + activation"} and rho["Taylor"]["layers"] > 0.4
    found = tp.prune("Taylor", 0, True, tmp_path)
    assert found["shrinks"] and [c[0] for c in found["curve"]] == [0, 6, 12] and found["curve"][-1][1] > 0.6
    assert tp.prune("Taylor, FLOPs", 0, True, tmp_path)["curve"][-1][2] <= found["curve"][-1][2]
    assert tp.prune("OBD", 0, True, tmp_path)["shrinks"]


def test_training_and_test_images_are_others():
    first, few, rest = pruning.load(quick=True)
    assert np.bincount(few.labels).tolist() == [100] * 5 and set(first.labels) == {0, 1, 2, 3, 4}
    seen = {image.tobytes() for image in few.images}
    assert sum(image.tobytes() in seen for image in rest.images) == 0


def test_taylor_averages_over_pixels_before_it_takes_the_absolute_value():
    net, x, y = small()
    z = [np.array([[[[1.0, 1.0]]], [[[2.0, 0.0]]]])]
    g = [np.array([[[[3.0, -1.0]]], [[[-1.0, 5.0]]]])]
    assert tp.criterion("Taylor", net, z, g, x, y)[0].tolist() == [1.0]  # (|3 - 1| / 2 + |-2 + 0| / 2) / 2


def test_removing_a_map_cuts_weights_and_momentum():
    net, x, y = small()
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    pruning.learn(net, optimizer, x, y)
    before, weight = flops(net, (1, 1, 8, 8)), net.features[3].weight.detach().numpy().copy()
    momentum = optimizer.state[net.features[3].weight]["momentum_buffer"].copy()
    smaller = pruning.remove_map(net, optimizer, 0, 1)
    np.testing.assert_array_equal(net.features[3].weight.detach().numpy(), np.delete(weight, 1, 1))
    np.testing.assert_array_equal(smaller.state[net.features[3].weight]["momentum_buffer"], np.delete(momentum, 1, 1))
    assert smaller.param_groups[0]["lr"] == 0.1 and flops(net, (1, 1, 8, 8)) < before
    smaller = pruning.remove_map(net, smaller, 1, 5)
    assert net.classifier[0].weight.shape == (5, 20) and net.features[0].weight.shape[0] == 3
    pruning.learn(net, smaller, x, y)


def test_the_price_of_a_map_is_the_flops_it_saves():
    net, x, _ = small()
    prices = pruning.price(net, pruning.run(net, x)[1])
    cut, linear = copy.deepcopy(net), net.classifier[0]
    pruning.remove_map(cut, SGD(cut.parameters(), lr=0.1), 0, 0)
    assert prices[0] == flops(net, (1, 1, 8, 8)) - flops(cut, (1, 1, 8, 8))
    pruning.remove_map(cut, SGD(cut.parameters(), lr=0.1), 1, 0)
    assert linear.in_features - cut.classifier[0].in_features == 4


def test_obd_estimates_the_diagonal_of_the_hessian():
    net, x, y = small()
    exact = np.diag(tl.hessian(lambda g: tl.cross_entropy(pruning.run(net, x, g)[0], y), tl.ones(10)).detach().numpy())
    found = np.mean([pruning.damage(net, x, y) for _ in range(400)], 0)
    np.testing.assert_allclose(found, exact / 2, atol=4 * abs(exact).max() / 20)


def test_rank_correlation():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert pruning.spearman(a, a**3) == 1 and pruning.spearman(a, -a) == -1
    assert pruning.spearman(a, np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)


def test_mutual_information():
    y = np.arange(100) % 4
    assert pruning.information(y + 0.1, y) == pytest.approx(np.log(4), abs=0.2)
    assert pruning.information(np.zeros(100), y) == 0


def test_a_quick_run_reports(tmp_path, monkeypatch):
    score = {"Taylor": 0.9}

    def prune(variant, seed, quick, out):
        end = score.get(variant.split(",")[0], 0.5)
        return {"curve": [[0, 0.9, 9, 9], [12, end, 5, 5]], "faster": None, "shrinks": True, "seconds": 1.0}

    monkeypatch.setattr(tp, "prune", prune)
    assert program.main(["taylor_pruning", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"] == "half the maps: Taylor 90.00%, random 50.00%" and (tmp_path / "figure.png").exists()
    score["Taylor"] = 0.4
    assert program.main(["taylor_pruning", "--quick", "--out", str(tmp_path)]) == 1  # a gate fails


def test_a_full_run_is_judged(tmp_path, monkeypatch):
    """Every gate of the full run, with invented numbers that pass."""
    rho = {c: {"layers": 0.3, "raw": 0.2, "all": 0.5} for c in (*tp.CRITERIA, "Taylor + activation")}
    rho["Taylor"], rho["random"]["layers"] = {"layers": 0.7, "raw": 0.2, "all": 0.6}, 0.01
    ranks = {"found": rho, "oracle": [[1.0, 2.0], [0.5, 0.1]], "taylor": [[1.0, 2.0], [0.4, 0.1]]}

    def prune(variant, seed, quick, out):
        slope = {"Taylor": 1e-3, "weight": 1e-3}.get(variant.partition(",")[0], 2e-3)
        less = 0.05 if "FLOPs" in variant else 0.03
        curve = [
            [n, 0.9 - slope * n * (0.9 if "50" in variant else 1), 15 - less * n, 40 - 0.2 * n]
            for n in range(0, 121, 10)
        ]
        return {"curve": curve, "faster": 1.8, "shrinks": True, "seconds": 1.0 + (variant == "OBD")}

    monkeypatch.setattr(tp, "prune", prune)
    monkeypatch.setattr(tp, "pretrain", lambda *_: None)
    monkeypatch.setattr(tp, "prepare", lambda *_: {"test": 0.9, "half": 0.7})
    monkeypatch.setattr(tp, "correlate", lambda *_: ranks)
    tp.prepare.__name__, tp.correlate.__name__ = "prepare", "correlate"
    assert program.main(["taylor_pruning", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "results.json").read_text("utf-8"))["rows"]
    assert sum(row["kind"] == "GATE" for row in rows) == 18
    rho["random"]["layers"] = 0.4
    assert program.main(["taylor_pruning", "--out", str(tmp_path)]) == 1
