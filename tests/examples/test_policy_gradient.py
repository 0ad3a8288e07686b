"""Policy gradients: the exact checks, a short training, and what a batch of episodes must hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.environments import Environment, check
from examples.common.rollouts import Batch, Stage, advantages, all_trajectories, since_start, small_process
from examples.rl import policy_gradient as pg

for package in ("gymnasium", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


class Count(Environment):
    """An environment of our own: it says how many steps were taken, pays 1 for action 1, and ends after `length`."""

    def __init__(self, length: int = 3, truncates: bool = False) -> None:
        from gymnasium import spaces

        self.observation_space = spaces.Box(0, 1000, (1,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.truncates = length, truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.count += 1
        over = self.count == self.length
        return np.float32([self.count]), float(action), over and not self.truncates, over and self.truncates, {}


def always_one(x):
    return tl.tensor(np.tile([-50.0, 50.0], (len(x), 1)))


def test_every_check_holds(tmp_path):
    report = Report("policy_gradient", tmp_path, {})
    pg.checks(report)
    assert len(report.rows) == 8
    assert [row.claim for row in report.rows if not row.passed] == []


def test_a_short_training_learns():
    tl.manual_seed(0)
    result = pg.train("baseline", 0, 8_000)
    assert result["score"] > 45 > 1.8 * pg.score(lambda x: tl.zeros((len(x), 2)), 0)
    assert len(result["steps"]) == len(result["curve"]) == 50


def test_a_quick_run_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pg, "train", lambda name, seed, budget: {
        "score": 200.0, "steps": [1, 2], "curve": [10, 20], "value": np.zeros((2, 2))})  # fmt: skip
    monkeypatch.setattr(pg, "variance", lambda *_: {"full return": 9.0, "reward to go": 3.0, "baseline": 1.0})
    pg.train.__name__, pg.variance.__name__ = "train", "variance"
    assert program.main(["policy_gradient", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert {row["kind"] for row in found["rows"]} == {"CHECK", "GATE", "CLAIM"}
    assert found["headline"] == "A2C 200 of 500" and (tmp_path / "figure.png").exists()
    monkeypatch.setattr(pg, "variance", lambda *_: {"full return": 9.0, "reward to go": 3.0, "baseline": 2.5})
    pg.variance.__name__ = "variance"
    assert program.main(["policy_gradient", "--quick", "--out", str(tmp_path)]) == 1  # a gate fails


def test_without_gymnasium_it_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    assert program.main(["policy_gradient", "--quick", "--out", str(tmp_path)]) == 2
    assert "pip install tinygrad_lite[examples]" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ episodes


def test_an_environment_of_ours_passes_gymnasiums_checker():
    check(Count())


@pytest.mark.parametrize("fault", [{"observation": np.zeros(2, np.float32)}, {"info": None}])
def test_the_checker_finds_faults(fault):
    class Faulty(Count):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            return fault.get("observation", observation), fault.get("info", info)

    with pytest.raises(Exception):  # noqa: B017
        check(Faulty())


def test_whole_episodes_stop_where_they_end():
    stage = Stage(lambda: Count(3), 2, seed=0)
    stage.environments[1].length = 2
    batch = stage.play(always_one)
    assert batch.played.tolist() == [[True, True], [True, True], [True, False]]
    assert batch.rewards.tolist() == [[1, 1], [1, 1], [1, 0]] and stage.returns == [2.0, 3.0] and stage.steps == 5
    assert batch.observations[:, 0, 0].tolist() == [0, 1, 2] and batch.following[:, 0, 0].tolist() == [1, 2, 3]
    assert batch.terminated.tolist() == [[False, False], [False, True], [True, False]]


def test_steps_go_on_in_new_episodes_and_remember_what_followed():
    stage = Stage(lambda: Count(2, truncates=True), 1, seed=0)
    batch = stage.play(always_one, steps=3)
    assert batch.observations[:, 0, 0].tolist() == [0, 1, 0]
    assert batch.following[:, 0, 0].tolist() == [1, 2, 1]  # 2, and not the 0 of the new episode
    assert batch.ended[:, 0].tolist() == [False, True, False] and not batch.terminated.any() and batch.played.all()
    assert stage.play(always_one, steps=1).observations[0, 0, 0] == 1 and stage.returns == [2.0, 2.0]


def test_the_seed_decides_what_is_seen():
    def seen(seed):
        return Stage("CartPole-v1", 3, seed).play(lambda x: tl.zeros((len(x), 2)), 20).observations

    np.testing.assert_array_equal(seen(1), seen(1))
    assert not np.array_equal(seen(1), seen(2))


def test_actions_are_drawn_as_likely_as_the_policy_says():
    stage = Stage(lambda: Count(10_000), 50, seed=0)
    batch = stage.play(lambda x: tl.tensor(np.tile(np.log([0.2, 0.8]), (len(x), 1))), 200)
    assert abs(batch.actions.mean() - 0.8) < 0.02


def batch_of(rewards, terminated, ended) -> Batch:
    """One environment's rewards; the rest is not looked at."""
    rewards = np.array(rewards, float)[:, None]
    terminated, ended = (np.array(a, bool)[:, None] for a in (terminated, ended))
    return Batch(rewards, rewards, rewards, rewards, terminated, ended, ~ended)


def test_generalised_advantages_by_hand():
    batch = batch_of([1, 2, 3, 4], [0, 1, 0, 0], [0, 1, 0, 0])
    now, then = np.array([10.0, 20, 30, 40])[:, None], np.array([20.0, 99, 40, 50])[:, None]
    d = [1 + 0.5 * 20 - 10, 2 - 20, 3 + 0.5 * 40 - 30, 4 + 0.5 * 50 - 40]
    expected = [d[0] + 0.4 * d[1], d[1], d[2] + 0.4 * d[3], d[3]]
    np.testing.assert_allclose(advantages(batch, now, then, 0.5, 0.8)[:, 0], expected)
    assert since_start(batch)[:, 0].tolist() == [0, 1, 0, 1]


def test_all_trajectories_have_the_probabilities_of_the_process():
    P, R = small_process(np.random.default_rng(3))
    likely = np.random.default_rng(4).dirichlet([1, 1], 5)
    batch, chance = all_trajectories(P, R, likely)
    assert chance.sum() == pytest.approx(1) and len(np.unique(chance)) == len(chance)
    visits = np.einsum("tns,n->s", batch.observations, chance)
    reached = np.linalg.solve(np.eye(5) - np.einsum("sa,sat->ts", likely, P), np.eye(5)[0])
    np.testing.assert_allclose(visits, reached)  # how often each state is visited
    np.testing.assert_allclose(batch.rewards.sum(0) @ chance, reached @ (likely * R).sum(1))


def test_the_weight_of_the_full_return_is_that_of_the_episodes_first_step():
    batch = batch_of([1, 2, 3], [0, 1, 1], [0, 1, 1])
    w = pg.weights(batch, pg.METHODS["full return"], lambda x: x, 0.5, unbiased=True)
    assert w[:, 0].tolist() == [2, 2, 3]
    to_go = pg.weights(batch, pg.METHODS["reward to go"], lambda x: x, 0.5, unbiased=True)
    assert to_go[:, 0].tolist() == [2, 1, 3]  # 2 gamma, 1 step into its episode
