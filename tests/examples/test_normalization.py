"""Normalisation: the exact checks, a short training, and the traps."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.ghosts import Ghosts
from examples.training import normalization as example
from tinygrad_lite import layers as nn

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_every_check_holds(tmp_path):
    report = Report("normalization", tmp_path, {})
    example.checks(report)
    assert len(report.rows) == 15
    assert [row.claim for row in report.rows if not row.passed] == []


def test_sigmoids_learn_with_batch_norm_and_not_yet_without():
    tl.manual_seed(0)
    norm, none = (example.sigmoids(name, 0, quick=True) for name in ("batch norm", "no norm"))
    assert norm["steps"] < 150 and none["steps"] == 300 and norm["curve"][-1] > 0.9 > 0.5 > none["curve"][-1]
    assert len(norm["curve"]) == len(norm["unit"]) == 61 and norm["drift"] < none["drift"]


def test_a_quick_run_reports_and_fails_with_a_gate(tmp_path, monkeypatch, capsys):
    def sigmoids(name, seed, quick, lr=None):
        unit = np.zeros((3, 3))
        steps = needed[name]
        return {"steps": steps, "drift": steps, "curve": [0, 1, 1], "every": 5, "unit": unit, "score": 0}

    needed = {"no norm": 300, "batch norm": 100}
    tests = {"batch norm over 32": 0.97, "batch norm over 2": 0.94, "group norm": 0.96}

    def convolve(name, seed, quick, lr=None):
        return {"test": tests[name], "contrast": 0.9, "brightness": 0.9, "parameters": 9}

    monkeypatch.setattr(example, "sigmoids", sigmoids)
    monkeypatch.setattr(example, "convolve", convolve)
    assert program.main(["normalization", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"].endswith("+2.00%") and (tmp_path / "figure.png").exists()
    needed["batch norm"] = 290
    assert program.main(["normalization", "--quick", "--out", str(tmp_path)]) == 1


def full_run(tests=None):
    """What a full run with two seeds could measure."""
    units = {"curve": [0, 1], "every": 25, "unit": np.zeros((2, 3))}
    steps = {"no norm": 3_000, "batch norm": 700, "no norm, Glorot": 1_000, "batch norm, Glorot": 700}
    steps["batch norm, slow"] = 1_500
    learnt = {name: [{**units, "steps": n, "drift": n}] * 2 for name, n in steps.items()}
    right = dict.fromkeys(example.NORMS, 0.88) | {"batch norm over 2": 0.84} | (tests or {})
    cost = {"batch norm over 32": 0.15}
    seen = {
        n: [{"test": r, "contrast": r - cost.get(n, 0), "brightness": r, "parameters": 9}] * 2 for n, r in right.items()
    }
    read = {
        name: [{"steps": n, "curve": [0.5] * 61, "every": 10}] * 2
        for name, n in (("no norm", 200), ("layer norm", 150))
    }
    return learnt, seen, read


def test_a_full_run_is_judged_and_drawn(tmp_path):
    report = Report("normalization", tmp_path, {})
    example.judge(report, *full_run(), quick=False)
    kinds = [row.kind for row in report.rows]
    assert (
        kinds.count("GATE") == 7 and kinds.count("CLAIM") == 7 and kinds.count("CHECK") == 1 and report.exit_code == 0
    )
    assert len(example.draw(*full_run()).axes) == 4
    report = Report("normalization", tmp_path, {})
    example.judge(report, *full_run({"group norm": 0.85, "instance norm": 0.9}), quick=False)
    assert [row.claim for row in report.rows if row.verdict == "FAIL"] == ["groups of 2: group norm - batch norm"]


def test_how_many_steps_it_took():
    assert example.learning([0.1, 0.8, 0.96, 0.9], 0.95, 25)["steps"] == 50
    assert example.learning([0.1, 0.8, 0.9], 0.95, 25)["steps"] == 50  # never: all of them


# ------------------------------------------------------------------------------------ the traps


def test_inference_does_not_use_the_statistics_of_the_batch():
    for name in ("batch norm over 32", "batch norm over 2"):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), example.NORMS[name](4))
        net(tl.rand(32, 1, 6, 6))
        net.eval()
        x = tl.rand(4, 1, 6, 6)
        alone = np.concatenate([net(x[k : k + 1]).detach().numpy() for k in range(4)])
        np.testing.assert_allclose(net(x).detach().numpy(), alone, rtol=1e-5, atol=1e-6)


def test_training_divides_by_the_biased_variance_and_averages_the_unbiased():
    x = np.random.default_rng(0).normal(0, 100, (8, 3, 1, 1)).astype(np.float32)
    layer = Ghosts(nn.BatchNorm2d(3, momentum=1.0), 4)
    y = layer(tl.tensor(x)).detach().numpy()
    pairs = x.reshape(2, 4, 3)
    np.testing.assert_allclose(layer.norm.running_var.numpy(), pairs.var(0, ddof=1).mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.abs(y), 1, atol=2e-2)  # two values, by their biased deviation, are -1 and 1


def test_small_groups_have_the_updates_and_the_gradient_batches_of_large_ones():
    x = tl.rand(32, 1, 8, 8)
    for n in example.SIZES:
        layer = example.NORMS[f"batch norm over {n}"](3)
        assert layer(tl.rand(32, 3, 4, 4)).shape == (32, 3, 4, 4)
        assert layer.groups * n == len(x) and int(layer.norm.num_batches_tracked) == 1
