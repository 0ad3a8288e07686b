"""Recurrent networks on characters and on the adding problem: the exact checks, a short training, the traps."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.baselines import ngram_loss
from examples.common.exact import graph_size, slope_errors
from examples.common.sequences import adding, columns, equation_error, gradient_by_lag, pieces, sample
from examples.text import char_rnn as ex

for package in ("matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")

SMALL = replace(ex.QUICK, hidden={"RNN": 20, "GRU": 12, "LSTM": 10}, updates=20, steps=8, length=6, adding_updates=60)


def test_every_check_holds(tmp_path):
    report = Report("char_rnn", tmp_path, {})
    ex.checks(report)
    assert len(report.rows) == 13
    assert [row.claim for row in report.rows if not row.passed] == []


def test_a_short_training_learns():
    ids = np.tile([0, 1, 2, 0, 2, 1], 400)
    tl.manual_seed(0)
    net = ex.Network("GRU", 3, 16, 3)
    before = ex.evaluate(net, ids[:600])
    for _ in ex.fit(net, ids, 150, 12, 2e-2):
        pass
    assert ex.evaluate(net, ids[:600]) < 0.1 < 0.9 < before


def test_a_wrong_equation_is_found():
    tl.manual_seed(0)
    cell = ex.CELLS["GRU"](5, 4)
    assert equation_error(cell, ex.gru_step) < 1e-6
    assert equation_error(cell, lambda x, h, *weights: (1.01 * ex.gru_step(x, h, *weights)[0],)) > 1e-3


def test_a_quick_run_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(ex, "QUICK", SMALL)
    program.main(["char_rnn", "--quick", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert {row["kind"] for row in found["rows"]} == {"CHECK", "GATE", "CLAIM"}
    assert (tmp_path / "figure.png").exists() and "temperature 0.5" in (tmp_path / "samples.txt").read_text("utf-8")


def test_the_gates_of_a_full_run_fail_where_they_must(tmp_path):
    def runs(nats, error, far):
        return [{"nats": nats, "error": error, "lags": np.logspace(0, far, 100)}]

    good = {"RNN": runs(1.65, 0.17, -20), "GRU": runs(1.55, 0.001, -3), "LSTM": runs(1.56, 0.002, -5)}
    for found, failures in ((good, 0), ({**good, "LSTM": runs(1.8, 0.1, -5)}, 3)):
        report = Report("char_rnn", tmp_path, {})
        ex.judge(report, found, found, {"bigram": 2.4, "5-gram": 1.7}, ex.FULL)
        assert sum(not row.passed for row in report.rows) == failures


# ------------------------------------------------------------------------------------ traps


def test_a_target_that_leaks_would_be_noticed():
    rng = np.random.default_rng(0)
    ids = rng.integers(8, size=4_000)
    assert all(np.array_equal(x[1:], y[:-1]) for (x, y, _), _ in zip(pieces(ids, 4, 10), range(5)))
    tl.manual_seed(0)
    net = ex.Network("LSTM", 8, 16, 8)
    for _ in ex.fit(net, np.repeat(ids, 2), 60, 16, 1e-2):  # every other character follows from the one before
        pass
    assert ex.evaluate(net, np.repeat(ids[:500], 2)) < np.log(8) - 0.05


def test_pieces_go_on_where_the_one_before_ended_and_begin_anew_at_the_end():
    found = [next_ for next_, _ in zip(pieces(np.arange(26), 2, 4), range(4))]
    assert found[0][0][:, 1].tolist() == [13, 14, 15, 16] and found[1][0][0].tolist() == [4, 17]
    assert [begins for _, _, begins in found] == [True, False, False, True]
    with pytest.raises(ValueError, match="too short for 50 steps"):
        next(pieces(np.arange(26), 2, 50))
    assert columns(np.arange(7), 2).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_state_that_is_not_detached_makes_the_graph_grow():
    net, x = ex.Network("GRU", 3, 4, 3), np.zeros((2, 1), int)
    scores, state = net(x)
    assert graph_size(net(x, state)[0]) > graph_size(net(x, (state[0].detach(),))[0]) == graph_size(scores)


def test_a_wrong_gradient_is_found():
    w = tl.tensor(np.ones((4, 2)), requires_grad=True)
    assert max(slope_errors(lambda: (w**3).sum(), w, 2)) < 1e-6
    assert len(slope_errors(lambda: (w**3).sum(), w, 2)) == 2
    assert min(slope_errors(lambda: (w.detach() ** 2 * w).sum(), w, 2)) > 0.1


def test_the_adding_problem_by_hand():
    x, y = adding(np.random.default_rng(0), 10, 50)
    assert (x[:5, :, 1].sum(0) == 1).all() and (x[5:, :, 1].sum(0) == 1).all()
    np.testing.assert_allclose(y, [sum(x[t, n, 0] for t in range(10) if x[t, n, 1]) for n in range(50)], rtol=1e-6)


def test_counts_of_characters_are_a_distribution():
    train, before = np.random.default_rng(0).integers(4, size=300), [1, 2]
    for n in (1, 2, 3):  # the loss of one more character is minus the log of its probability
        losses = [
            ngram_loss(train, np.array([*before, c]), 4, n) * 2 for c in range(4)
        ]  # each with that of 2 before it
        assert np.exp(-np.array(losses)).sum() == pytest.approx(np.exp(-ngram_loss(train, np.array(before), 4, n)))
    one = ngram_loss(np.array([0, 0, 0, 1]), np.array([0, 0]), 2, 1)
    assert one == pytest.approx(-np.log((3 + 2 * 0.5) / (4 + 2)))


def test_the_gradient_of_a_simple_network_vanishes_as_its_matrix_says():
    net = ex.Network("RNN", 3, 1, 3)
    with tl.no_grad():
        net.cell.weight_hh_l0.copy_(tl.tensor([[0.5]]))
        for p in (net.cell.weight_ih_l0, net.cell.bias_ih_l0, net.cell.bias_hh_l0):
            p.zero_()
    lags = gradient_by_lag(net, np.random.default_rng(0).integers(3, size=200), length=10)
    np.testing.assert_allclose(lags[1:] / lags[:-1], 0.5, rtol=1e-4)


def test_samples_are_as_likely_as_the_scores_say():
    scores = tl.tensor(np.log([[[0.2, 0.8]]]))
    drawn = sample(lambda ids, state: (scores, None), 2_000, 1.0, np.random.default_rng(0))
    assert abs(np.mean(drawn) - 0.8) < 0.03
    cold = sample(lambda ids, state: (scores, None), 2_000, 0.5, np.random.default_rng(0))
    assert abs(np.mean(cold) - 0.64 / 0.68) < 0.03
