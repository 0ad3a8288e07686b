"""Environments of which every episode is a new task: bandits and the two-step task of Wang et al., arXiv:1611.05763.

They have Gymnasium's interface for one episode, and with `n` for n episodes at once, which are of the same length: then
observations are (n, width), actions, rewards and info["regret"] (n,), and one `terminated` tells of all.

Regret is the expected reward of the best action less that of the action taken, never what was drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from examples.common.environments import Environment
from examples.common.extras import need


class Task(Environment):
    """What the tasks share. One draws the task in `draw`, and in `pay` gives rewards and regrets for actions (n,).

    levels: the rewards there can be, for an agent that takes them one-hot; None where they are 0 and 1.
    """

    actions, width = 2, 1
    levels: np.ndarray | None = None

    def __init__(self, steps: int, n: int | None = None) -> None:
        spaces = need("gymnasium.spaces")
        self.steps, self.n, self.rows = steps, n, np.arange(n or 1)
        self.observation_space = spaces.Box(0, 1, (self.width,), np.float32)
        self.action_space = spaces.Discrete(self.actions)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.t = 0
        self.draw(options or {})
        return self._seen(), {}

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict]:
        rewards, regrets = self.pay(np.atleast_1d(action))
        self.t += 1
        if self.n is None:
            rewards, regrets = float(rewards[0]), float(regrets[0])
        return self._seen(), rewards, self.t == self.steps, False, {"regret": regrets}

    def _seen(self) -> np.ndarray:
        observations = self.observe().astype(np.float32)
        return observations[0] if self.n is None else observations

    def observe(self) -> np.ndarray:
        """The time from 0 to 1, which is all that a bandit shows, (n, 1)."""
        return np.full((len(self.rows), 1), self.t / self.steps)

    def draw(self, options: dict[str, Any]) -> None:
        raise NotImplementedError

    def pay(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


KINDS = ("independent", "uniform", "easy", "medium", "hard")
CHANCES = {"easy": (0.1, 0.9), "medium": (0.25, 0.75), "hard": (0.4, 0.6)}


class Bandit(Task):
    """Two arms that pay 1 with chances p1 and p2. kind:

    independent         p1 and p2 from U(0, 1)
    uniform             p1 from U(0, 1), p2 = 1 - p1
    easy, medium, hard  p1 = 0.1 or 0.9, 0.25 or 0.75, 0.4 or 0.6; p2 = 1 - p1
    """

    def __init__(self, kind: str, steps: int = 100, n: int | None = None) -> None:
        super().__init__(steps, n)
        self.kind = kind

    def draw(self, options: dict[str, Any]) -> None:
        n = len(self.rows)
        if self.kind == "independent":
            self.chances = self.np_random.random((n, 2))
        else:
            p = self.np_random.random(n)
            p = p if self.kind == "uniform" else np.array(CHANCES[self.kind])[(p < 0.5).astype(int)]
            self.chances = np.stack([p, 1 - p], 1)

    def pay(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chance = self.chances[self.rows, action]
        return (self.np_random.random(len(chance)) < chance).astype(np.float32), self.chances.max(1) - chance


class Restless(Bandit):
    """p2 = 1 - p1, and before each step but the first p1 is drawn anew from U(0, 1) with the chance `volatility`.

    It is that of the episode, 0.01 or 0.1; options={"volatility": (n,)} says which.
    """

    volatilities = (0.01, 0.1)

    def __init__(self, steps: int = 100, n: int | None = None) -> None:
        super().__init__("uniform", steps, n)

    def draw(self, options: dict[str, Any]) -> None:
        super().draw(options)
        self.volatility = options.get("volatility", self.np_random.choice(self.volatilities, len(self.rows)))

    def pay(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        paid = super().pay(action)
        renewed = self.np_random.random(len(action)) < self.volatility
        p = np.where(renewed, self.np_random.random(len(action)), self.chances[:, 0])
        self.chances = np.stack([p, 1 - p], 1)
        return paid


class Informative(Task):
    """One of ten arms, the target, pays 5, the others 1; the eleventh pays a tenth of the target's number, 1 to 10."""

    actions = 11
    levels = np.append(np.arange(1, 11) / 10, 5)

    def __init__(self, steps: int = 5, n: int | None = None) -> None:
        super().__init__(steps, n)

    def draw(self, options: dict[str, Any]) -> None:
        target = self.np_random.integers(10, size=len(self.rows))
        self.payment = np.ones((len(target), 11))
        self.payment[self.rows, target] = 5
        self.payment[:, 10] = (target + 1) / 10

    def pay(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        paid = self.payment[self.rows, action]
        return paid.astype(np.float32), 5 - paid


class TwoStep(Task):
    """Ten trials of two steps (after Daw et al. 2011). At first, action k leads to state 1 + k, or seldom to the other.

    In the second step any action will do: one of these states, the same for the whole episode, pays 1 with chance 0.9,
    the other with 0.1. The state is observed, one-hot. The best action is worth 0.75 x 0.9 + 0.25 x 0.1 = 0.7 a trial.
    """

    width = 3
    common, chances = 0.75, (0.1, 0.9)

    def __init__(self, steps: int = 20, n: int | None = None) -> None:
        super().__init__(steps, n)

    def draw(self, options: dict[str, Any]) -> None:
        self.good = 1 + self.np_random.integers(2, size=len(self.rows))
        self.state = np.zeros(len(self.rows), int)

    def observe(self) -> np.ndarray:
        return np.eye(3)[self.state]

    def pay(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = len(action)
        if self.t % 2 == 0:
            self.state = 1 + np.where(self.np_random.random(n) < self.common, action, 1 - action)
            lost = (2 * self.common - 1) * (self.chances[1] - self.chances[0])
            return np.zeros(n, np.float32), np.where(1 + action == self.good, 0, lost)
        chance = np.where(self.state == self.good, self.chances[1], self.chances[0])
        self.state = np.zeros(n, int)
        return (self.np_random.random(n) < chance).astype(np.float32), np.zeros(n)
