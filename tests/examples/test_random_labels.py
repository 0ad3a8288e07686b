"""Random labels: the exact checks, a short training that learns labels by heart, and the traps."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.training import random_labels as rl
from tinygrad_lite.data import Images

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def some_images(n: int = 40, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    return rl.whitened(Images(rng.random((n, 1, 6, 6), np.float32), rng.integers(0, 10, n)))


def test_every_check_holds(tmp_path):
    report = Report("random_labels", tmp_path, {})
    rl.checks(report)
    assert len(report.rows) == 8
    assert [row.claim for row in report.rows if not row.passed] == []


@pytest.mark.parametrize("name", ["true labels", "random labels", "random pixels", "Gaussian"])
def test_the_perceptron_learns_a_few_images_by_heart(name, monkeypatch):
    monkeypatch.setattr(rl, "load", lambda quick: (some_images(), some_images(seed=1)))
    tl.manual_seed(0)
    found = rl.train(name, 0, True)
    assert found["train"] == 1.0 and found["labels stay"]
    assert found["loss"][-1] < found["loss"][0] and found["epochs to fit"] <= len(found["loss"]) < rl.EPOCHS


def test_no_label_is_drawn_again_while_training(monkeypatch):
    drawn = []

    def corrupted(*args):
        drawn.append(args)
        return some_images().labels

    monkeypatch.setattr(rl, "load", lambda quick: (some_images(), some_images(seed=1)))
    monkeypatch.setattr(rl, "corrupted", corrupted)
    rl.train("random labels", 0, True)
    assert len(drawn) == 1


def test_labels_that_change_while_training_are_seen(monkeypatch):
    class Changing(rl.DataLoader):
        def __iter__(self):
            self.arrays = (self.arrays[0], self.arrays[1][::-1].copy())
            return super().__iter__()

    monkeypatch.setattr(rl, "load", lambda quick: (some_images(), some_images(seed=1)))
    monkeypatch.setattr(rl, "DataLoader", Changing)
    monkeypatch.setattr(rl, "EPOCHS", 1)
    assert not rl.train("random labels", 0, True)["labels stay"]


def test_training_and_test_images_are_others():
    train, test = rl.load(quick=True)
    assert len(train.labels) + len(test.labels) == 1797
    rows = {row.tobytes() for row in train.images}
    assert sum(row.tobytes() in rows for row in test.images) == 0


def test_images_are_whitened_one_by_one():
    rows = some_images().images
    np.testing.assert_allclose(rows.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(rows.std(1), 1, rtol=1e-4)
    assert np.isfinite(rl.whitened(Images(np.ones((1, 1, 2, 2), np.float32), np.zeros(1))).images).all()


def test_the_seed_decides_what_is_drawn():
    data = some_images()
    for name in ("random labels", "corrupted 0.4", "shuffled pixels", "Gaussian"):
        a, b, c = (rl.condition(name, data, data, np.random.default_rng(s))[0] for s in (0, 0, 1))
        assert np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
        assert not (np.array_equal(a.images, c.images) and np.array_equal(a.labels, c.labels))


def test_test_labels_are_never_corrupted():
    data = some_images()
    np.testing.assert_array_equal(
        rl.condition("random labels", data, data, np.random.default_rng(0))[1].labels, data.labels
    )


def test_the_memory_needs_every_weight_and_double_precision():
    double, single = rl.memorise("float64", 0), rl.memorise("float32", 0)
    assert double["error"] < 1e-3 and double["weights"] == single["weights"] == 4064
    assert single["right"] < 1
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=50)  # any values, not only signs
    np.testing.assert_allclose(rl.Memory(x, y, rng)(x).detach().numpy(), y, atol=1e-8)


def test_the_kernel_is_that_of_its_formula():
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    expected = np.exp(-((p[:, None] - q) ** 2).sum(2) / (2 * rl.WIDTH**2))
    np.testing.assert_allclose(rl.kernel(p, q), expected)


def test_a_quick_run_reports(tmp_path, monkeypatch):
    result = {"train": 1.0, "test": 0.1, "loss": [2.0, 1.0], "epochs to fit": 2, "weights": 5, "labels stay": True}

    def train(name, seed, quick):
        return result

    monkeypatch.setattr(rl, "train", train)
    assert program.main(["random_labels", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert {row["kind"] for row in found["rows"]} == {"CHECK", "GATE", "CLAIM"}
    assert found["headline"] == "random labels: 100.00% by heart" and (tmp_path / "figure.png").exists()
    result["train"] = 0.9
    assert program.main(["random_labels", "--quick", "--out", str(tmp_path)]) == 1  # a gate fails
