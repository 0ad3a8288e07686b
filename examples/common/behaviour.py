"""What experimenters fit to choices: Rescorla-Wagner models by their likelihood, logistic regression, a rank test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RATES = np.linspace(0, 1, 81)
BETAS = np.geomspace(0.5, 40, 24)
LAPSES = np.array([0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4])
MODELS = {"b": (False, False), "ab": (True, False), "be": (False, True), "abe": (True, True)}
"""Which fit the learning rate alpha (0.5 without), and which the lapse epsilon (0 without); beta is always fitted."""


def fit(actions: np.ndarray, rewards: np.ndarray) -> dict[str, dict[str, float]]:
    """Each model's most likely parameters for the choices (T, episodes) in a bandit with p2 = 1 - p1, and its BIC.

    v <- v + alpha (r1 - v) from 1/2, where r1 is what arm 1 paid, or 1 - r if arm 2 was taken; arm 1 is taken with the
    chance epsilon / 2 + (1 - epsilon) sigmoid(beta (2 v - 1)). BIC = (number of parameters) ln n - 2 ln L. All is
    looked up on a grid.
    """
    first = np.where(actions == 0, rewards, 1 - rewards)
    v = np.full((len(RATES), *actions.shape), 0.5)
    for t in range(len(actions) - 1):
        v[:, t + 1] = v[:, t] + RATES[:, None] * (first[t] - v[:, t])
    ahead = (np.where(actions == 0, 2 * v - 1, 1 - 2 * v)).reshape(len(RATES), 1, -1)
    chance = 1 / (1 + np.exp(-BETAS[:, None] * ahead))
    likely = np.stack([np.log(e / 2 + (1 - e) * chance + 1e-300).sum(-1) for e in LAPSES])  # (lapses, rates, betas)
    found = {}
    for name, (any_rate, any_lapse) in MODELS.items():
        rates = np.arange(len(RATES)) if any_rate else np.array([len(RATES) // 2])
        part = likely[: len(LAPSES) if any_lapse else 1, rates]
        e, a, b = np.unravel_index(part.argmax(), part.shape)
        bic = (1 + any_rate + any_lapse) * math.log(actions.size) - 2 * part.max()
        found[name] = {"bic": bic, "alpha": RATES[rates[a]], "beta": BETAS[b], "epsilon": LAPSES[e]}
    return {name: {k: float(x) for k, x in numbers.items()} for name, numbers in found.items()}


def fit_blocks(actions: np.ndarray, rewards: np.ndarray, size: int = 10) -> dict[str, Any]:
    """`fit` of every block of `size` episodes: the sum of each model's BIC, and the rates alpha of "ab"."""
    blocks = [slice(k, k + size) for k in range(0, actions.shape[1] - size + 1, size)]
    fits = [fit(actions[:, block], rewards[:, block]) for block in blocks]
    return {"bic": {m: sum(f[m]["bic"] for f in fits) for m in MODELS}, "alpha": [f["ab"]["alpha"] for f in fits]}


def higher(a: Any, b: Any) -> float:
    """The p-value of Mann and Whitney's rank test (1947) that b is not higher than a; normal, with ties."""
    values, n, m = np.concatenate([a, b]), len(a), len(b)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    u = ranks[n:].sum() - m * (m + 1) / 2
    ties = (counts**3 - counts).sum() / ((n + m) * (n + m - 1))
    sd = math.sqrt(max(n * m / 12 * (n + m + 1 - ties), 1e-12))
    return tail((u - n * m / 2) / sd)


def tail(z: float) -> float:
    """The chance that a standard normal number is above z."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def logistic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights w of P(y = 1) = sigmoid(x w) by Newton's steps, and their standard errors. x: (N, k), y: 0 or 1."""
    w = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ w))
        information = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(len(w))  # finite for choices without noise
        w += np.clip(np.linalg.solve(information, x.T @ (y - p) - 1e-6 * w), -2, 2)
    return w, np.sqrt(np.diag(np.linalg.inv(information)))


STAYING = ("stay", "reward", "transition", "reward x transition", "stayed before", "best")
OUTCOMES = ("rewarded, common", "rewarded, rare", "not, common", "not, rare")


def stays(actions: np.ndarray, common: np.ndarray, rewards: np.ndarray, best: np.ndarray) -> dict[str, Any]:
    """What lets a player of the two-step task take the same action again; trials x episodes each (Daw et al. 2011).

    The chance to stay after each outcome, and weights and p-values of a logistic regression on the last trial's reward
    and transition (each 1/2 or -1/2) and their product, on whether the player stayed before, and on whether that
    action was the `best`: without it, what was learned earlier passes for an effect of the last trial (Akam, Costa
    and Dayan 2015).
    """
    stay = (actions[1:] == actions[:-1]).astype(float)
    y, before = stay[1:].ravel(), stay[:-1].ravel()
    r, c, right = (a[1:-1].ravel().astype(float) for a in (rewards, common, best))
    x = np.stack([np.ones_like(y), r - 0.5, c - 0.5, 2 * (r - 0.5) * (c - 0.5), before - 0.5, right - 0.5], 1)
    w, error = logistic(x, y)
    after = [(r == 1) & (c == 1), (r == 1) & (c == 0), (r == 0) & (c == 1), (r == 0) & (c == 0)]
    return {
        "stay": {name: float(y[which].mean()) for name, which in zip(OUTCOMES, after)},
        "weights": dict(zip(STAYING, w.tolist())),
        "p": {name: 2 * tail(abs(a / b)) for name, a, b in zip(STAYING, w, error)},
    }
