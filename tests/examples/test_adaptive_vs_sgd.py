"""Adaptive methods against descent: the construction, the search for a rate, and a shortened training."""

from __future__ import annotations

import numpy as np
import pytest

from examples import __main__ as program
from examples.common import Report
from examples.training import adaptive_vs_sgd as example

for package in ("matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_every_check_holds(tmp_path):
    report = Report("adaptive_vs_sgd", tmp_path, {})
    example.checks(report)
    assert len(report.rows) == 3
    assert [row.claim for row in report.rows if not row.passed] == []


@pytest.mark.parametrize("seed", range(3))
def test_the_condition_of_the_lemma_holds_in_every_draw(seed):
    x, y = example.construction(np.random.default_rng(seed), 200)
    assert y.sum() > 0  # or features 2 and 3 would have another sign
    np.testing.assert_array_equal(x @ np.sign(x.T @ y), 4 * y)


@pytest.mark.parametrize("method", example.METHODS)
def test_descent_generalises_and_adaptive_methods_call_all_positive(method):
    found = example.toy(method, 1, 600)
    assert found["train"] == 0
    if method in example.DESCENT:
        assert found["test"] == 0 and found["cosine"] < 0.3
    else:
        assert found["test"] == found["negative"] > 0.3 and found["cosine"] > 0.999
        assert found["weights"]["own of -1"] == pytest.approx(-found["weights"]["label"], rel=0.05)
    assert example.control(method, 1, 600) <= 0.02


def test_a_large_epsilon_would_blunt_the_signs(monkeypatch):
    sharp = example.toy("Adam", 1, 300)["cosine"]
    rules = example.RULES
    monkeypatch.setattr(example, "RULES", {**rules, "Adam": lambda w, lr, eps: rules["Adam"](w, lr=lr, eps=200.0)})
    assert example.toy("Adam", 1, 300)["cosine"] < 0.99 < sharp


@pytest.mark.parametrize("best, tried", [(0, 5), (2, 6), (-3, 7), (9, 8)])
def test_a_grid_grows_where_its_best_is_at_its_end(best, tried, monkeypatch):
    monkeypatch.setattr(example, "train", lambda name, method, power, *_: {"errors": [1.0, abs(power - best) / 99]})
    found = example.tune("characters", "SGD", 1)
    assert len(found["errors"]) == tried and found["best"] == min(best, 5)


def few(task, monkeypatch, n):
    rng = np.random.default_rng(0)
    if task == "characters":
        x = rng.integers(2, size=(3 * n, 65)) * 7
        x[:, 1::2] = x[:, ::2][:, :32] + 1  # every second is known from the one before
        parts = [(part[:, :-1], part[:, 1:]) for part in np.split(x, 3)]
    else:
        y = rng.integers(10, size=3 * n)
        x = rng.normal(size=(3 * n, 3, 8, 8)).astype(np.float32) + y[:, None, None, None].astype(np.float32)
        parts = list(zip(np.split(x, 3), np.split(y, 3)))
    old = example.TASKS[task]
    new = example.Task(old.model, lambda: parts, old.batch, old.rates)
    monkeypatch.setitem(example.TASKS, task, new)


@pytest.mark.parametrize("task", example.TASKS)
def test_a_short_training_learns(task, monkeypatch):
    few(task, monkeypatch, 256)
    found = example.train(task, "Adam", 0, 0, 20 if task != "characters" else 5)
    assert len(found["losses"]) == 40 and len(found["errors"]) == example.CHECKED
    assert found["losses"][-1] < 0.8 * found["losses"][0]
    assert found["test"] < 0.7


def test_tuning_does_not_read_the_test_data(monkeypatch):
    few("characters", monkeypatch, 64)
    read = []
    monkeypatch.setattr(example, "error", lambda net, x, y: read.append(id(x)) or 0.5)
    example.train("characters", "SGD", 0, example.TUNING_SEED, 4)
    assert set(read) == {id(example.TASKS["characters"].data()[1][0])}


def test_a_full_run_reports_both_networks(tmp_path, monkeypatch):
    def quick_train(name, method, power, seed, epochs):
        good = abs(power) / 100 + 0.3
        return {"losses": [2.0, 1.0], "errors": [0.5, good], "test": good, "early": 1.5 + (method in example.DESCENT)}

    monkeypatch.setattr(example, "train", quick_train)
    monkeypatch.setattr(example, "STEPS", 200)
    monkeypatch.setattr(example, "judge", lambda *_: None)  # 200 steps are too few for its gates
    assert program.main(["adaptive_vs_sgd", "--seed", "1", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "results.json").read_text("utf-8")
    assert "CIFAR-10, subset: test error of SGD - Adagrad" in text and "characters: the best rates" in text
