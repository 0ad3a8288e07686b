"""What reinforcement learning learns from: environments that are played together, what was seen, what it was worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common.extras import need


@dataclass
class Batch:
    """What was seen: arrays (T, N, ...) of T steps of N environments.

    following: the observation after the step, before any reset. terminated: the episode ended there for good.
    ended: it ended, or the time was up. played: False after the end of an episode where only one was asked for.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    following: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray
    played: np.ndarray


class Stage:
    """`n` copies of an environment that are played together, and the returns of the episodes that ended.

    make: the name of one of Gymnasium's, or a function that makes one. Its actions are numbered from 0. What is drawn
    (first states, actions) follows from the seed. `returns` are those of finished episodes, `steps` all steps so far.
    """

    def __init__(self, make: str | Callable[[], Any], n: int, seed: int) -> None:
        new = partial(need("gymnasium").make, make) if isinstance(make, str) else make
        self.environments = [new() for _ in range(n)]
        self.rng = np.random.default_rng([seed, 1])
        seeds = self.rng.integers(1 << 31, size=n)
        self.now = np.stack([e.reset(seed=int(k))[0] for e, k in zip(self.environments, seeds)])
        self.running, self.returns, self.steps = np.zeros(n), list[float](), 0

    def reset(self, k: int) -> None:
        """Begin a new episode."""
        self.now[k], self.running[k] = self.environments[k].reset()[0], 0

    def play(self, policy: Callable[[Any], Any], steps: int | None = None) -> Batch:
        """So many steps of each environment, a new episode where one ends; with None one whole new episode of each.

        policy: observations (N, ...) to logits (N, actions), from which the actions are drawn.
        """
        n = len(self.environments)
        playing, rows = np.ones(n, bool), []
        if steps is None:
            for k in range(n):
                self.reset(k)
        while playing.any() if steps is None else len(rows) < steps:
            with tl.no_grad():
                likely = tl.softmax(policy(self.now), axis=1).numpy()
            actions = (self.rng.random((n, 1)) > likely.cumsum(1)[:, :-1]).sum(1)
            following, rewards = self.now.copy(), np.zeros(n, np.float32)
            terminated, truncated = np.zeros((2, n), bool)
            for k in np.flatnonzero(playing):
                seen = self.environments[k].step(int(actions[k]))
                following[k], rewards[k], terminated[k], truncated[k], _ = seen
            ended = terminated | truncated
            rows.append((self.now, actions, rewards, following, terminated, ended, playing.copy()))
            self.now = following.copy()
            self.running += rewards
            self.steps += int(playing.sum())
            for k in np.flatnonzero(ended):
                self.returns.append(float(self.running[k]))
                self.reset(k)
            playing &= ~ended if steps is None else True
        return Batch(*map(np.stack, zip(*rows)))


def advantages(batch: Batch, now: np.ndarray, then: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """A_t = d_t + gamma lam A_t+1, within an episode, where d_t = r_t + gamma V(s_t+1) - V(s_t).

    now, then: V of the observations and of those following, (T, N). What follows a terminal state is worth 0; the time
    being up, or the batch at its end, V tells what was cut off. With V = 0 and lam = 1 it is the reward to go.
    """
    change = batch.rewards + gamma * np.where(batch.terminated, 0, then) - now
    found, later = np.zeros_like(change), np.zeros(change.shape[1], change.dtype)
    for t in reversed(range(len(change))):
        found[t] = later = change[t] + gamma * lam * np.where(batch.ended[t], 0, later)
    return found


def since_start(batch: Batch) -> np.ndarray:
    """How many steps of its episode came before each, (T, N); in a batch of whole episodes."""
    count = np.zeros(batch.rewards.shape, int)
    for t in range(1, len(count)):
        count[t] = np.where(batch.ended[t - 1], 0, count[t - 1] + 1)
    return count


def small_process(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Five states, two actions: chances P[s, a, next] and rewards R[s, a]. It only goes on to later states, or ends."""
    chances = np.triu(rng.random((2, 5, 5)), 1)
    chances /= chances.sum(2, keepdims=True) + rng.random((2, 5, 1)) + 0.1  # the rest: the chance that it ends
    return chances.swapaxes(0, 1), rng.normal(size=(5, 2))


def all_trajectories(P: np.ndarray, R: np.ndarray, likely: np.ndarray) -> tuple[Batch, np.ndarray]:
    """Every trajectory from state 0 as an episode, padded to 5 steps, and its probability under the policy."""
    found: list[tuple[list[tuple[int, int, int]], float]] = []

    def follow(past: list[tuple[int, int, int]], state: int, chance: float) -> None:
        for action in range(2):
            chances = [*P[state, action], 1 - P[state, action].sum()]  # the last: it ends
            for then in np.flatnonzero(chances):
                path, c = [*past, (state, action, int(then))], chance * likely[state, action] * chances[then]
                if then == 5:
                    found.append((path, c))
                else:
                    follow(path, int(then), c)

    follow([], 0, 1.0)
    table = np.full((5, len(found), 3), 5)
    for n, (path, _) in enumerate(found):
        table[: len(path), n] = path
    state, action, then = np.moveaxis(table, 2, 0)
    played, known = state < 5, np.eye(6)[:, :5]
    action = np.where(played, action, 0)
    rewards = np.where(played, R[np.minimum(state, 4), action], 0)
    batch = Batch(known[state], action, rewards, known[then], then == 5, then == 5, played)
    return batch, np.array([chance for _, chance in found])
