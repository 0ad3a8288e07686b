"""The optimisers' example: its checks, constants by hand, and shortened runs of its parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from examples import __main__ as program
from examples.common import Report, descent
from examples.training import optimizers as example

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")

CONSTANTS = {
    "SGD": (-0.647916419292990, 0.595605568215490),
    "momentum": (-0.490874925392688, 0.149671680829837),
    "Nesterov": (-0.306885569124573, 0.146824218620006),
    "Adagrad": (-0.562887005741800, 0.937612167472519),
    "Adadelta": (-0.532320045737818, 0.967864858257818),
    "RMSprop": (-0.680485420370415, 0.814197668190473),
    "Adam": (-0.599242757050453, 0.900809557351805),
    "AdaMax": (-0.595530003056670, 0.905771265159116),
    "Nadam": (-0.578468798462479, 0.922086881627187),
    "AMSGrad": (-0.599242757050453, 0.900809557351805),
}
"""The place after five steps from (-0.5, 1) at the rate 0.02, epsilon 0.01; reckoned with 40 decimal digits."""


def test_every_check_holds(tmp_path):
    report = Report("optimizers", tmp_path, {})
    example.checks(report)
    assert len(report.rows) == 6
    assert [row.claim for row in report.rows if not row.passed] == []


@pytest.mark.parametrize("name", descent.RULES)
def test_five_steps_end_where_they_do_by_hand(name):
    options = {"eps": 0.01} if name in descent.ADAPTIVE else {}
    way = descent.path(descent.RULES[name], descent.valley, (-0.5, 1.0), 5, lr=0.02, **options)
    np.testing.assert_allclose(way[-1], CONSTANTS[name], rtol=0, atol=1e-12)


def test_the_formulas_tell_traps_from_rules():
    start = np.array([-0.5, 1.0])
    ways = {name: descent.textbook(name, descent.slope, start, 5, 0.02, 0.01) for name in descent.RULES}
    ends = np.array([way[-1] for way in ways.values()])
    apart = np.abs(ends[:-1, None] - ends[None, :-1]).max(-1) + np.eye(len(ends) - 1)
    assert apart.min() > 1e-9  # different rules, all of them; but AMSGrad is Adam while gradients grow
    inside = start - 0.02 * descent.slope(start) / np.sqrt(0.1 * descent.slope(start) ** 2 + 0.01)
    assert np.abs(ways["RMSprop"][0] - inside).max() > 1e-4  # epsilon inside the root
    biased = 0.02 * 0.1 / np.sqrt(0.001)  # without the correction of Adam's means
    np.testing.assert_allclose(np.abs(ways["Adam"][0] - start), 0.02, rtol=0.01)
    assert biased > 0.06


def test_amsgrad_remembers_gradients_that_were_larger():
    def ramp(x):
        return np.where(x > 0, 1.0, 1e-3)

    start, ways = np.array([0.05, 0.2]), {}
    for name in ("Adam", "AMSGrad"):
        ways[name] = descent.textbook(name, ramp, start, 9, 0.02, 0.01)
        by_library = descent.path(
            descent.RULES[name], lambda x: (ramp(x.detach().numpy()) * x).sum(), start, 9, lr=0.02, eps=0.01
        )
        np.testing.assert_allclose(by_library, ways[name], rtol=0, atol=1e-12)
    assert 1e-6 < np.abs(ways["Adam"] - ways["AMSGrad"]).max() < 1e-3


def test_momentum_needs_fewer_steps():
    steps = {name: example.quadratic(name, 0, [100])[0] for name in ("gradient descent", "heavy ball", "Nesterov")}
    assert steps["gradient descent"] > 4 * max(steps["heavy ball"], steps["Nesterov"])


@pytest.fixture
def few_digits(monkeypatch):
    x, y = example.problem(True)
    monkeypatch.setattr(example, "problem", lambda quick: (x[:300], y[:300]))


def test_the_gaps_are_distances_from_the_minimum(few_digits):
    optimum = example.minimum(True)
    assert 0 <= optimum["error"] < 1e-12
    batch = example.convex("batch", 0, 10, True, optimum)
    assert len(batch) == 5 and np.diff(batch[2]).max() < 0 and np.min(batch) > 0
    falling = example.convex("one, 1/t", 0, 10, True, optimum)
    assert 0 < falling[10] < min(run[10] for run in batch) / 5


def test_batch_descent_is_not_a_large_mini_batch(few_digits, monkeypatch):
    sizes = []
    monkeypatch.setattr(example, "gaps", lambda size, *_, **__: sizes.append(size))
    example.convex("batch", 0, 1, True, {"J": 0.0, "L": 1.0})
    example.convex("mini-batch", 0, 1, True, {"J": 0.0, "L": 1.0})
    assert sizes == [300] * 5 + [32]


def test_adagrad_knows_rare_words_sooner():
    assert min(example.sparse("Adagrad", 0, 120)) < min(120, *example.sparse("SGD", 0, 120)[2:4])


def test_the_rate_is_chosen_on_what_is_held_out(monkeypatch):
    x, y = example.problem(True)
    images, test = np.pad(x, ((0, 0), (0, 720))).astype(np.float32), slice(600, 700)
    monkeypatch.setattr(example, "parts", lambda: [(images[:500], y[:500]), (images[500:600], y[500:600]),
                                                   (images[test], y[test])])  # fmt: skip
    found = example.leaderboard("momentum", 0, 2)
    assert len(found["held out"]) == 5 and found["test"] < 0.5


def test_a_full_run_reports_and_draws_the_leaderboard(tmp_path, monkeypatch):
    falling = np.geomspace(1, 1e-3, 31).tolist()
    fakes = {
        "minimum": lambda quick: {"J": 0.3, "error": 1e-14, "L": 20.0},
        "quadratic": lambda method, seed, kappas: [500, 5000] if method == "gradient descent" else [80, 250],
        "convex": lambda variant, *_: (
            [np.linspace(2, 1, 31).tolist()] * 5
            if variant == "batch"
            else [0.1] * 31 if variant == "one" else falling
        ),
        "sparse": lambda name, *_: [900, 300, 200, 250, 900] if name == "SGD" else [900, 300, 60, 80, 900],
        "leaderboard": lambda *_: {"held out": [0.05, 0.03, 0.02, 0.03, 0.9], "test": 0.02},
    }  # fmt: skip
    for name, fake in fakes.items():
        fake.__name__ = name
        monkeypatch.setattr(example, name, fake)
    assert program.main(["optimizers", "--seeds", "2", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert "Nadam 2.00%" in found["rows"][-1]["measured"] and (tmp_path / "paths.png").exists()
    fakes["sparse"] = lambda *_: [100] * 5
    fakes["sparse"].__name__ = "sparse"
    monkeypatch.setattr(example, "sparse", fakes["sparse"])
    assert program.main(["optimizers", "--seeds", "2", "--out", str(tmp_path)]) == 1  # a gate fails
