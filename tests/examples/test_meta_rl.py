"""Meta-RL: the exact checks, the tasks and players, what is fitted to choices, a short training, the report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report, behaviour, players
from examples.common.environments import check
from examples.common.tasks import KINDS, Bandit, Informative, Restless, TwoStep
from examples.rl import meta_rl

for package in ("gymnasium", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def test_every_check_holds(tmp_path):
    report = Report("meta_rl", tmp_path, {})
    meta_rl.checks(report)
    assert len(report.rows) == 12
    assert [row.claim for row in report.rows if not row.passed] == []


# ------------------------------------------------------------------------------------ tasks


@pytest.mark.parametrize("task", [*map(Bandit, KINDS), Restless(), Informative(), TwoStep()], ids=str)
def test_each_task_passes_gymnasiums_checker(task):
    check(task)


def test_n_episodes_are_played_at_once_and_end_together():
    task = Bandit("easy", 3, n=5)
    observation, _ = task.reset(seed=0)
    assert observation.tolist() == [[0.0]] * 5
    for t in (1, 2, 3):
        observation, reward, over, cut, info = task.step(np.zeros(5, int))
        assert observation[:, 0] == pytest.approx(t / 3) and reward.shape == info["regret"].shape == (5,)
        assert over == (t == 3) and not cut


def test_one_episode_has_plain_values():
    task = Bandit("easy", 3)
    assert task.reset(seed=0)[0].shape == (1,)
    _, reward, _, _, info = task.step(1)
    assert isinstance(reward, float) and isinstance(info["regret"], float)


def test_every_episode_is_a_new_task():
    task = Bandit("uniform", n=4)
    task.reset(seed=0)
    before = task.chances.copy()
    task.reset()
    assert not np.isclose(task.chances, before).any()


def test_regret_is_of_expected_and_not_of_drawn_rewards():
    task = Bandit("medium", n=1000)
    task.reset(seed=0)
    regret = task.step(np.zeros(1000, int))[4]["regret"]
    assert set(regret.round(6)) == {0.0, 0.5}


@pytest.mark.parametrize("kind", ["uniform", "easy", "medium", "hard"])
def test_dependent_arms_pay_what_their_chances_say(kind):
    task = Bandit(kind, n=20_000)
    task.reset(seed=0)
    first, second = (task.pay(np.full(20_000, arm))[0] for arm in (0, 1))
    assert abs(first.mean() - 0.5) < 0.02  # neither arm is the better one in all episodes
    assert np.corrcoef(first, second)[0, 1] < 0 and task.chances.sum(1) == pytest.approx(1)


def test_restless_arms_change_as_often_as_the_volatility_says():
    task = Restless(100, 500)
    task.reset(seed=0, options={"volatility": np.repeat([0.01, 0.1], 250)})
    changes = np.zeros(500)
    for _ in range(100):
        before = task.chances[:, 0]
        task.step(np.zeros(500, int))
        changes += task.chances[:, 0] != before
    assert changes[:250].mean() / 100 == pytest.approx(0.01, rel=0.15)
    assert changes[250:].mean() / 100 == pytest.approx(0.1, rel=0.05)


def test_the_two_step_task_leads_to_the_common_state_and_pays_in_the_good_one():
    task = TwoStep(n=40_000)
    task.reset(seed=0)
    observation, reward, *_, info = task.step(np.zeros(40_000, int))
    assert observation[:, 1].mean() == pytest.approx(0.75, abs=0.01) and not reward.any()
    assert set(info["regret"].round(6)) == {0.0, 0.4}
    good = observation.argmax(1) == task.good
    paid = task.step(np.zeros(40_000, int))[1]
    assert paid[good].mean() == pytest.approx(0.9, abs=0.01) and paid[~good].mean() == pytest.approx(0.1, abs=0.01)


# ------------------------------------------------------------------------------------ players


def test_regrets_of_the_players_are_those_computed_before():
    expected = {"random": 16.7, "UCB1": 5.60, "UCB, 0.5 ln n": 2.97, "Thompson": 2.78, "greedy": 2.71, "Gittins": 1.78}
    for name, regret in expected.items():
        assert players.regrets(players.PLAYERS[name], Bandit("independent", 100, 4_000), 1)[-1] == pytest.approx(
            regret, rel=0.06
        ), name


def test_gittins_index_of_tables():
    assert players.gittins(2, 0.9)[0, 0] == pytest.approx(0.7029, abs=1e-4)
    table = players.gittins(100)
    assert table[5, 5] > 0.5 > players.greedy(np.array([5]), np.array([6]), None)[0]  # what is unknown is worth more
    assert table[50, 50] < table[5, 5] and table[6, 5] > table[5, 5] > table[5, 6]


def test_the_optimum_by_trying_all_that_can_happen():
    def worth(w1, l1, w2, l2, left):
        if not left:
            return 0.0
        p, q = (w1 + 1) / (w1 + l1 + 2), (w2 + 1) / (w2 + l2 + 2)
        one = p * (1 + worth(w1 + 1, l1, w2, l2, left - 1)) + (1 - p) * worth(w1, l1 + 1, w2, l2, left - 1)
        two = q * (1 + worth(w1, l1, w2 + 1, l2, left - 1)) + (1 - q) * worth(w1, l1, w2, l2 + 1, left - 1)
        return max(one, two)

    assert players.optimum(5) == pytest.approx(10 / 3 - worth(0, 0, 0, 0, 5))


def test_nobody_beats_the_filter_at_restless_arms():
    task = Restless(100, 2_000)
    best = players.filtered(task, 0)
    others = [players.regrets(players.PLAYERS[name], task, 0)[-1] for name in ("UCB, ln n", "Thompson")]
    others += [players.follow(task, rate, np.inf, both, 0)[2].sum(0).mean() for rate in (0.3, 0.5) for both in (0, 1)]
    assert 5 < best < min(others)


# ------------------------------------------------------------------------------------ what is fitted


def test_only_choices_of_another_rate_need_a_rate():
    for rate, needed in ((0.5, False), (0.2, True)):
        actions, rewards, _ = players.follow(Restless(100, 40), rate, 6.0, True, 0)
        bic = behaviour.fit_blocks(actions, rewards)["bic"]
        assert (min(bic["ab"], bic["abe"]) < min(bic["b"], bic["be"])) == needed


def test_a_rank_test():
    rng = np.random.default_rng(0)
    p = [behaviour.higher(rng.integers(9, size=30), rng.integers(9, size=30)) for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert behaviour.higher([1, 2, 3, 4, 5, 6], [7, 8, 9, 9, 10, 11]) < 0.01
    assert behaviour.higher([7, 8, 9, 9, 10, 11], [1, 2, 3, 4, 5, 6]) > 0.99


def test_logistic_regression_finds_the_weights():
    rng = np.random.default_rng(0)
    x = np.stack([np.ones(20_000), rng.normal(size=20_000)], 1)
    y = rng.random(20_000) < 1 / (1 + np.exp(-x @ [0.3, -1.0]))
    w, error = behaviour.logistic(x, y)
    np.testing.assert_allclose(w, [0.3, -1.0], atol=0.06)
    assert (np.abs(w - [0.3, -1.0]) < 4 * error).all() and (error < 0.03).all()


def test_model_free_and_model_based_players_are_told_apart():
    free, based = (behaviour.stays(**players.two_step(TwoStep(n=2_000), which, 3)) for which in (False, True))
    assert free["weights"]["reward"] > 1 and abs(free["weights"]["reward x transition"]) < 0.2
    assert based["weights"]["reward x transition"] > 1 and abs(based["weights"]["reward"]) < 0.2


# ------------------------------------------------------------------------------------ the agent


def test_rewards_are_seen_with_the_next_observation_and_one_hot_where_there_are_levels():
    agent = meta_rl.Agent(Informative(n=2))
    x = agent.inputs(np.full((2, 1), 0.2), np.array([10, 3]), np.float32([0.3, 5]))
    assert x.shape == (2, 1 + 11 + 11) and x[:, 0] == pytest.approx(0.2)
    assert np.flatnonzero(x[0, 1:12]).tolist() == [10] and np.flatnonzero(x[1, 1:12]).tolist() == [3]
    assert np.flatnonzero(x[0, 12:]).tolist() == [2] and np.flatnonzero(x[1, 12:]).tolist() == [10]
    assert not agent.inputs(np.zeros((2, 1))).any()


def test_playing_step_by_step_is_what_is_learned_from():
    agent, task = meta_rl.Agent(TwoStep(n=4)), TwoStep(n=4)
    batch, regrets = meta_rl.test(agent, task, 0)
    assert batch.observations.shape == (20, 4, 6) and regrets.shape == (20, 4)
    assert batch.terminated[-1].all() and not batch.terminated[:-1].any()
    with tl.no_grad():
        whole, state = agent(batch.observations)[0], None
        for t in range(20):
            logits, _, state = agent(batch.observations[t : t + 1], state)
            np.testing.assert_allclose(logits[0].numpy(), whole[t].numpy(), atol=1e-5)


def test_a_short_training_learns(monkeypatch):
    monkeypatch.setitem(meta_rl.SETTINGS, "two-step", replace(meta_rl.SETTINGS["two-step"], updates=400))
    tl.manual_seed(0)
    found = meta_rl.trained("two-step", 0)
    assert found["reward"] > 0.58
    assert len(found["curve"]) == 20 and found["weights"]["reward x transition"] > 0


def test_without_rewards_nothing_is_learned(monkeypatch):
    monkeypatch.setitem(meta_rl.SETTINGS, "two-step", replace(meta_rl.SETTINGS["two-step"], updates=400))
    tl.manual_seed(0)
    assert meta_rl.trained("two-step, no reward", 0)["reward"] == pytest.approx(0.5, abs=0.02)


# ------------------------------------------------------------------------------------ the report


@pytest.fixture(scope="module")
def known():
    return json.loads(json.dumps(players.references(200, blocks=3), default=lambda x: x.tolist()))


def fake(name, seed):
    """Results of the right form, as an agent that has learned would have them."""
    regret = dict(zip([*KINDS, "easy, 30 steps"], (2.0, 1.5, 1.0, 1.2, 3.0, 1.0))).get(
        name.removesuffix(", no reward"), 4.5
    )
    control, stay = name.endswith("reward"), dict.fromkeys(behaviour.OUTCOMES, 0.5)
    tests = {b: r + (b != name) * (1.5 if name == "independent" or b == "independent" else 0.3)
             for b, r in zip(KINDS, (2.0, 1.5, 1.0, 1.2, 3.0))}  # fmt: skip
    low, high = ({"bic": {"b": 9, "ab": 5, "be": 9, "abe": 6}, "alpha": np.linspace(0, 0.2, 20) + k} for k in (0, 0.5))
    return {
        "regret": 16.7 if control else regret, "curve": np.arange(100), "tests": tests, "raster": np.eye(5),
        "told": [1, 0, 0, 0, 0], "target": [0, 1, 1, 1, 1], "low": low, "high": high, "stay": stay,
        "reward": 0.5 if control else 0.66, "p": {"reward x transition": 1e-9},
        "weights": {"reward": 0.1, "reward x transition": 2.0},
    }  # fmt: skip


@pytest.mark.parametrize(("options", "figures"), [([], 2), (["--quick"], 1), (["--exp", "2"], 1), (["--exp", "4"], 1)])
def test_a_run_reports_and_draws(options, figures, known, tmp_path, monkeypatch):
    monkeypatch.setattr(players, "references", lambda episodes: known)
    monkeypatch.setattr(meta_rl, "trained", fake)
    fake.__name__ = "trained"
    out = tmp_path / "out"
    assert program.main(["meta_rl", *options, "--out", str(out), "--seeds", "2"]) == 0
    found = json.loads((out / "results.json").read_text("utf-8"))
    assert found["headline"] or options == ["--exp", "2"]
    assert len(list(out.glob("*.png"))) == figures
    shown = {row["claim"][0] for row in found["rows"] if row["kind"] == "GATE"}
    assert shown == set({0: "12345", 1: "235"}.get(len(options), "".join(options[1:])))


def test_a_gate_fails_where_nothing_was_learned(known, tmp_path, monkeypatch):
    monkeypatch.setattr(meta_rl, "trained", lambda *args: fake(*args) | {"reward": 0.55, "regret": 9.0})
    monkeypatch.setattr(players, "references", lambda episodes: known)
    meta_rl.trained.__name__ = "trained"
    assert program.main(["meta_rl", "--quick", "--exp", "3", "--out", str(tmp_path)]) == 1


def test_quick_refuses_experiments_that_it_does_not_have(capsys):
    with pytest.raises(SystemExit):
        program.main(["meta_rl", "--quick", "--exp", "4"])
    assert "--quick has the experiments 2, 3, 5, not 4" in capsys.readouterr().err
