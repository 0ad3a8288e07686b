"""Batch renormalisation: the exact checks, a short training, and the traps."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.classifying import parts
from examples.common.ghosts import Ghosts
from examples.training import batch_renorm as example
from tinygrad_lite import layers as nn

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")

FREE = {"warmup_steps": 0, "r_steps": 0, "d_steps": 0}


def test_every_check_holds(tmp_path):
    report = Report("batch_renorm", tmp_path, {})
    example.checks(report)
    assert len(report.rows) == 7
    assert [row.claim for row in report.rows if not row.passed] == []


def test_a_short_training_learns():
    tl.manual_seed(0)
    result = example.train("renorm, two classes", 0, quick=True, lr=0.01)
    assert result["score"] > 0.9


def measured(norm=0.80, renorm=0.87):
    """What a run with two seeds could measure."""
    tests = dict.fromkeys(example.VARIANTS, 0.88)
    tests |= {"batch norm, two classes": norm, "renorm, two classes": renorm, "batch norm, fours": 0.86}
    curves = {"curve": [0.1, 0.8], "limited": [[0, 0], [0.5, 0.1]], "parameters": 9, "as trained": 0.9}
    return {name: [{**curves, "test": right}] * 2 for name, right in tests.items()}


def test_a_full_run_is_judged_and_drawn(tmp_path):
    naive = [{"loss": [2.3, 1e9], "growth": 7.0}] * 2
    report = Report("batch_renorm", tmp_path, {})
    example.judge(report, measured(), naive, quick=False)
    assert report.exit_code == 0 and [r.kind for r in report.rows] == ["CHECK", *["GATE"] * 4, *["CLAIM"] * 2]
    assert sum(axes.axison for axes in example.draw(measured(), naive, 100).axes) == 5
    report = Report("batch_renorm", tmp_path, {})
    example.judge(report, measured(renorm=0.82), naive, quick=False)
    assert [row.verdict for row in report.rows if row.kind == "GATE"] == ["FAIL", "FAIL", "pass", "pass"]


def test_a_quick_run_reports(tmp_path, monkeypatch, capsys):
    def train(variant, seed, quick, lr=None):
        return measured()[variant][0]

    monkeypatch.setattr(example, "train", train)
    assert program.main(["batch_renorm", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"] == "two classes in a group: renorm 87.00%, batch norm 80.00%"


def test_averages_alone_are_no_batch_norm():
    x = tl.tensor(np.random.default_rng(0).normal(5, 3, (16, 2, 3, 3)).astype(np.float32), requires_grad=True)
    layer = example.ByAverages(2, momentum=0.5)
    y = layer(x)
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), rtol=1e-4)  # by mean 0 and variance 1
    assert layer.running_mean.numpy().min() > 2  # which then follow
    g = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    np.testing.assert_allclose(tl.grad(y, x, g).numpy(), g, rtol=1e-4)  # no gradient through the statistics


# ------------------------------------------------------------------------------------ the traps


def test_the_batches_of_two_classes_have_balanced_gradients():
    train, _, _ = parts("digits")
    for x, y in example.TwoClasses(train, 0):
        assert x.shape == (128, 1, 8, 8)
        groups = y.reshape(16, 8).T  # as Ghosts sees them
        assert all(len(set(group)) == 2 for group in groups)
        assert np.bincount(y, minlength=10).min() >= 8 and np.bincount(y).max() <= 16 + 8


def test_epochs_of_two_classes_differ_and_follow_from_the_seed():
    train, _, _ = parts("digits")
    one, other = example.TwoClasses(train, 0), example.TwoClasses(train, 0)
    first = [y.tolist() for _, y in one]
    assert first == [y.tolist() for _, y in other] != [y.tolist() for _, y in one]


@pytest.mark.parametrize("groups", [1, 4])
def test_the_averages_are_used_before_they_move_and_r_max_is_relaxed(groups):
    x = np.random.default_rng(0).normal(3, 2, (8, 3, 2, 2)).astype(np.float32)
    results = []
    for momentum in (0.0, 0.9):
        layer = Ghosts(nn.BatchRenorm2d(3, momentum=momentum, **FREE), groups)
        results.append(layer(tl.tensor(x)).detach().numpy())
    np.testing.assert_array_equal(*results)
    as_norm = Ghosts(nn.BatchNorm2d(3), groups)(tl.tensor(x)).detach().numpy()
    assert np.abs(results[0] - as_norm).max() > 0.5


def test_the_shares_that_limits_cut_off():
    layer = Ghosts(nn.BatchRenorm1d(2, r_max=2.0, d_max=1.0, **FREE), 2)
    layer(tl.tensor(np.float32([[0, 0], [8, 5], [2, 6], [10, 7]])))  # means 1, 3, 9, 6, deviations 1, 3, 1, 1
    layer.norm.running_mean.copy_([0, 5.5])
    layer.norm.running_std.copy_([1, 1])
    assert example.at_limits(nn.Sequential(layer)) == (0.25, 0.5)
