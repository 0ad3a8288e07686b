"""What a learned bandit algorithm is held against: UCB, Thompson, Gittins, the Bayes optimum, Rescorla-Wagner.

A player scores the two arms, (n, 2), from how often each paid, `wins`, and did not, `losses`, and takes the better one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from examples.common import behaviour
from examples.common.tasks import KINDS, Bandit, Restless, TwoStep

Player = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def ucb(c: float) -> Player:
    """mean + sqrt(c ln t / n_i), each arm once at first; c = 2 is UCB1 (Auer, Cesa-Bianchi and Fischer 2002)."""

    def score(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = wins + losses
        tried = np.maximum(n, 1)
        t = np.maximum(n.sum(1, keepdims=True), 1)
        return np.where(n > 0, wins / tried + np.sqrt(c * np.log(t) / tried), np.inf)

    return score


@cache
def gittins(pulls: int, discount: float = 0.99, depth: int = 400) -> np.ndarray:
    """Gittins' index of an arm after w wins and l losses, table[w, l] for w + l <= pulls; Gittins 1979.

    It is the sure reward m a step for which one would as soon leave the arm for ever: for a grid of m the values of
    the arm are found backwards from `depth` pulls, where its chance is taken for known; then interpolated.
    """
    m = np.linspace(0, 1, 401)
    sure = m / (1 - discount)
    table = np.zeros((pulls + 1, pulls + 1))
    wins = np.arange(depth + 1)[:, None]
    value = np.maximum(sure, (wins + 1) / (depth + 2) / (1 - discount))
    for n in reversed(range(depth)):
        p = (np.arange(n + 1)[:, None] + 1) / (n + 2)
        going_on = p * (1 + discount * value[1:]) + (1 - p) * discount * value[:-1]
        if n <= pulls:
            gain = going_on - sure  # falls with m, through 0 at the index
            k = (gain > 0).sum(1) - 1
            a, b = (np.take_along_axis(gain, (k + i)[:, None], 1)[:, 0] for i in (0, 1))
            table[np.arange(n + 1), n - np.arange(n + 1)] = m[k] + (m[1] - m[0]) * a / (a - b)
        value = np.maximum(sure, going_on)
    return table


def index(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gittins' index."""
    return gittins(100)[wins, losses]


def random(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Either arm."""
    return np.zeros(wins.shape)


def thompson(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A draw from the posterior of each chance, from Beta(1, 1); Thompson 1933."""
    return rng.beta(1 + wins, 1 + losses)


def greedy(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean of the posterior."""
    return (1 + wins) / (2 + wins + losses)


def knowing(wins: np.ndarray, losses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bayes' optimum where p2 = 1 - p1 is known: either arm tells the same of both, there is nothing to explore."""
    return wins + losses[:, ::-1]


PLAYERS: dict[str, Player] = {
    "random": random,
    "UCB1": ucb(2.0),
    "UCB, 0.5 ln n": ucb(0.5),
    "UCB, ln n": ucb(1.0),
    "Thompson": thompson,
    "greedy": greedy,
    "Gittins": index,
    "Bayes, knows p1 = 1 - p2": knowing,
}


def regrets(player: Player, task: Bandit, seed: int) -> np.ndarray:
    """The mean cumulative regret after each step, (T,), of all episodes of `task`."""
    rng = np.random.default_rng([seed, 3])
    task.reset(seed=seed)
    counts = np.zeros((2, len(task.rows), 2), int)  # losses, wins
    found, over = [], False
    while not over:
        scores = player(counts[1], counts[0], rng)
        action = (scores + 1e-9 * rng.random(scores.shape)).argmax(1)  # ties by lot
        _, reward, over, _, info = task.step(action)
        counts[reward.astype(int), task.rows, action] += 1
        found.append(info["regret"].mean())
    return np.cumsum(found)


def optimum(steps: int) -> float:
    """The regret of Bayes' optimum for independent chances from U(0, 1): dynamic programming over all counts.

    V(w1, l1, w2), the losses l2 of arm 2 being the rest of the t pulls so far.
    """
    value = np.zeros((steps + 1,) * 3)
    for t in reversed(range(steps)):
        w1, l1, w2 = np.ogrid[: t + 1, : t + 1, : t + 1]
        p1 = (w1 + 1) / (w1 + l1 + 2)
        p2 = np.minimum((w2 + 1) / (np.maximum(t - w1 - l1, 0) + 2), 1)  # the minimum where such counts can't be
        first = p1 * (1 + value[1:, :-1, :-1]) + (1 - p1) * value[:-1, 1:, :-1]
        second = p2 * (1 + value[:-1, :-1, 1:]) + (1 - p2) * value[:-1, :-1, :-1]
        value = np.maximum(first, second)
    return steps * 2 / 3 - float(value[0, 0, 0])


# --------------------------------------------------------------------------- the restless bandit


def follow(task: Restless, rate: float, beta: float, both: bool, seed: int, **options: np.ndarray) -> list[np.ndarray]:
    """Rescorla and Wagner 1972: v <- v + rate (r - v) for the arm that was taken.

    both: for the other arm as well, which would have paid 1 - r. Arm 1 is taken with the chance
    1 / (1 + exp(-beta (v1 - v2))), the better arm with an infinite beta. Actions, rewards and regrets, (T, n).
    """
    rng = np.random.default_rng([seed, 4])
    task.reset(seed=seed, options=options)
    v, rows, over = np.full((len(task.rows), 2), 0.5), [], False
    while not over:
        ahead = (v[:, 0] - v[:, 1]).round(9)
        logit = np.where(ahead == 0, 0, np.clip(beta * np.where(ahead == 0, 1, ahead), -500, 500))
        action = (rng.random(len(v)) > 1 / (1 + np.exp(-logit))).astype(int)
        _, reward, over, _, info = task.step(action)
        paid = np.where(np.arange(2) == action[:, None], reward[:, None], 1 - reward[:, None])
        v += rate * (paid - v) * (both | (np.arange(2) == action[:, None]))
        rows.append((action, reward, info["regret"]))
    return [np.stack(column) for column in zip(*rows)]


def filtered(task: Restless, seed: int, points: int = 50) -> float:
    """The regret of Bayes' filter over p1 and the volatility of the episode, which knows what both can be."""
    p = (np.arange(points) + 0.5) / points
    rates = np.array(task.volatilities)[:, None]
    rng = np.random.default_rng([seed, 5])
    task.reset(seed=seed)
    belief, lost, over = np.full((len(task.rows), len(rates), points), 1 / (len(rates) * points)), 0.0, False
    while not over:
        mean = belief.sum(1) @ p
        action = (mean + 1e-9 * (rng.random(len(mean)) - 0.5) < 0.5).astype(int)
        _, reward, over, _, info = task.step(action)
        lost += float(info["regret"].mean())
        first = np.where(action == 0, reward, 1 - reward)[:, None, None]  # what arm 1 paid, or would have
        belief *= first * p + (1 - first) * (1 - p)
        belief /= belief.sum((1, 2), keepdims=True)
        belief = (1 - rates) * belief + rates * belief.mean(2, keepdims=True)
    return lost


# --------------------------------------------------------------------------- the two-step task


def two_step(
    task: TwoStep, model_based: bool, seed: int, rate: float = 0.5, beta: float = 5.0
) -> dict[str, np.ndarray]:
    """Two learners of Daw et al. 2011 at the two-step task: what they did, trials x n, for `behaviour.stays`.

    Model-free, TD(1): q <- q + rate (r - q) of the action taken. Model-based: of the state that paid, and an action
    is worth what the states are that it leads to. Action 0 is taken with the chance 1 / (1 + exp(-beta (q0 - q1))).
    """
    rng = np.random.default_rng([seed, 7])
    task.reset(seed=seed)
    q, rows, over = np.full((len(task.rows), 2), 0.5), [], False
    leads = np.array([[task.common, 1 - task.common], [1 - task.common, task.common]])
    while not over:
        worth = q @ leads if model_based else q
        action = (rng.random(len(q)) > 1 / (1 + np.exp(-beta * (worth[:, 0] - worth[:, 1])))).astype(int)
        state = task.step(action)[0].argmax(1) - 1
        _, reward, over, _, _ = task.step(action)
        learned = state if model_based else action
        q[task.rows, learned] += rate * (reward - q[task.rows, learned])
        rows.append((action, state == action, reward, action == task.good - 1))
    names = ("actions", "common", "rewards", "best")
    return dict(zip(names, map(np.stack, zip(*rows))))


def two_step_optimum(trials: int = 10) -> float:
    """The mean reward a trial of Bayes' optimum, which takes what leads to the state that is likelier the good one.

    Each trial tells the same whatever was done: its outcome is right with chance 0.9, and k more outcomes for the one
    state than for the other are all that counts.
    """
    right = TwoStep.chances[1]
    chance, total = {0: 1.0}, 0.0  # of k, counted for the good state
    for _ in range(trials):
        wise = sum(p for k, p in chance.items() if k > 0) + chance.get(0, 0.0) / 2
        total += 0.3 + 0.4 * wise
        following: dict[int, float] = {}
        for k, p in chance.items():
            for change, q in ((1, right), (-1, 1 - right)):
                following[k + change] = following.get(k + change, 0.0) + p * q
        chance = following
    return total / trials


# --------------------------------------------------------------------------- all of them


def references(episodes: int, blocks: int = 20) -> dict[str, Any]:
    """What all of them reach, as the mean cumulative regrets of so many episodes, and how they look to an experimenter.

    "fixed rate": Rescorla-Wagner at the restless bandit, the better arm taken; its best rate of 0.1, 0.2 ... 0.9.
    "R-W": what is fitted to blocks of its choices with a rate of 0.5.
    """
    found: dict[str, Any] = {"optimum": optimum(100), "two-step": two_step_optimum(), "filter": 0.0}
    tasks = {kind: Bandit(kind, 100, episodes) for kind in KINDS}
    tasks |= {"easy, 30 steps": Bandit("easy", 30, episodes), "restless": Restless(100, episodes)}
    for kind, task in tasks.items():
        found[kind] = {name: regrets(player, task, 0).round(3) for name, player in PLAYERS.items()}
    found["filter"] = filtered(tasks["restless"], 0)
    for name, both in (("fixed rate", False), ("fixed rate, both arms", True)):
        lost = [follow(tasks["restless"], k / 10, np.inf, both, 0)[2].sum(0).mean() for k in range(1, 10)]
        found[name] = {"0.5": lost[4], "best": min(lost)}
    for name, volatility in zip(("low", "high"), Restless.volatilities):
        task = Restless(100, 10 * blocks)
        seen = follow(task, 0.5, 6.0, True, 0, volatility=np.full(10 * blocks, volatility))
        found["R-W"] = found.get("R-W", {}) | {name: behaviour.fit_blocks(*seen[:2])}
    for name in ("model-free", "model-based"):
        found[name] = behaviour.stays(**two_step(TwoStep(n=2_000), name == "model-based", 0))
    return found
