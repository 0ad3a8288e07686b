"""Policy gradients: REINFORCE, with reward to go, with a learned baseline, and advantage actor-critic.

Claim (Williams 1992, Machine Learning 8; Sutton, McAllester, Singh and Mansour, NIPS 1999): the gradient of the
expected return J = E[sum_t gamma^t r_t] of a policy pi is

    grad J = E[ sum_t w_t grad log pi(a_t | s_t) ]

whether w_t is the return of the whole episode, or gamma^t times the reward to go, sum_k gamma^k r_t+k, or that less any
baseline b(s_t): the mean is the same, the variance falls. Advantage actor-critic (A2C: Mnih et al. 2016,
arXiv:1602.01783) puts a learned value in place of a part of the future, here as the generalised advantage of Schulman
et al. 2016, arXiv:1506.02438, with lambda 0.95.

Shown: on a small Markov decision process, whose trajectories can all be enumerated, each estimator's mean is the exact
gradient. On CartPole-v1 (Gymnasium) the four learn from 250,000 steps each; and of two fixed policies the variance
of their gradients is measured over 200 batches of 16 episodes.

Simplified: in training w_t lacks the factor gamma^t, as is usual, for it would all but ignore the later part of an
episode; in the check and for the variances it is there. One process plays 16 environments in turn, where A3C has
threads. The rate of each method is the best of 0.001, 0.003 and 0.01 by the mean return while training with seed 100,
which is not among those reported. A score is the mean of 100 new episodes, the actions drawn from the final policy.

What came out: the reward to go has a sixth of the variance, the baseline half of that again for a new policy, a fifth
for one that has learned a little. With a baseline, or as A2C, the pole stands after 100,000 steps; without, it does not
after 250,000, nor does the reward to go learn faster than the full return with every seed.

    python -m examples policy_gradient            four methods, three seeds
    python -m examples policy_gradient --quick    40,000 steps, one seed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, need, progress, spread
from examples.common.rollouts import Batch, Stage, advantages, all_trajectories, since_start, small_process
from tinygrad_lite.layers import Linear, Module, Sequential, Tanh
from tinygrad_lite.optim import Adam

ABOUT = About(
    summary="REINFORCE, reward to go, a learned baseline and A2C balance a pole",
    paper="Williams 1992; Mnih et al. 2016, arXiv:1602.01783",
    minutes=6,
    quick_minutes=0.5,
)

GAMMA, ENVIRONMENTS = 0.99, 16
ESTIMATORS = ("full return", "reward to go", "baseline")


@dataclass(frozen=True)
class Method:
    """What a step is weighted by, and how it is learned. steps: of each environment a batch; None: whole episodes.

    lam: of the generalised advantage; 1 takes the rewards as they came.
    """

    lr: float
    to_go: bool = True
    baseline: bool = True
    lam: float = 1.0
    steps: int | None = None
    entropy: float = 0.0


METHODS = {
    "full return": Method(lr=3e-3, to_go=False, baseline=False),
    "reward to go": Method(lr=1e-2, baseline=False),
    "baseline": Method(lr=1e-2),
    "A2C": Method(lr=3e-3, lam=0.95, steps=32, entropy=0.01),
}

# --------------------------------------------------------------------------- estimators


def weights(batch: Batch, method: Method, value: Callable[[Any], Any], gamma: float, unbiased: bool) -> np.ndarray:
    """The weight w_t of each step, (T, N). unbiased: with the factor gamma^t that training leaves out."""
    values = [worth(value, x) if method.baseline else batch.rewards * 0 for x in (batch.observations, batch.following)]
    found, age = advantages(batch, *values, gamma, method.lam), since_start(batch)
    if method.to_go:
        return found * gamma**age if unbiased else found
    for t in range(1, len(found)):  # every step gets what the first of its episode has
        found[t] = np.where(age[t] == 0, found[t], found[t - 1])
    return found


def worth(value: Callable[[Any], Any], observations: np.ndarray) -> np.ndarray:
    """V of observations (T, N, ...) as an array (T, N): nothing is differentiated through it."""
    with tl.no_grad():
        return value(observations).numpy()[..., 0]


def surrogate(policy: Callable[[Any], Any], batch: Batch, w: np.ndarray) -> tl.Tensor:
    """sum log pi(a_t | s_t) w_t over the steps that were played: its gradient is the estimate, w being constants."""
    likely = tl.log_softmax(policy(batch.observations[batch.played]), axis=1)
    taken = tl.gather(likely, 1, batch.actions[batch.played][:, None])
    return (taken[:, 0] * w[batch.played]).sum()


# --------------------------------------------------------------------------- learning


def network(outputs: int) -> Module:
    """4-64-64-outputs."""
    return Sequential(Linear(4, 64), Tanh(), Linear(64, 64), Tanh(), Linear(64, outputs))


class Learner:
    """A policy and a value with an Adam each."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.policy, self.value = network(2), network(1)
        self.optimizers = Adam(self.policy.parameters(), lr=method.lr), Adam(self.value.parameters(), lr=method.lr)

    def update(self, batch: Batch, left: float) -> None:
        """A step up the gradient, with the rate times `left`, and some that bring the value to the returns."""
        w = weights(batch, self.method, self.value, GAMMA, unbiased=False)
        likely = tl.log_softmax(self.policy(batch.observations[batch.played]), axis=1)
        entropy = -(tl.exp(likely) * likely).sum(1)
        loss = -surrogate(self.policy, batch, w) / len(entropy) - self.method.entropy * entropy.mean()
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = self.method.lr * left
        descend(loss, self.policy, self.optimizers[0])
        if self.method.baseline:
            self.fit_value(batch, w)

    def fit_value(self, batch: Batch, w: np.ndarray) -> None:
        """Ten steps of least squares towards V + w, what the value should have been."""
        target = (worth(self.value, batch.observations) + w)[batch.played]
        for _ in range(10):
            values = self.value(batch.observations[batch.played])[:, 0]
            descend(tl.mse_loss(values, target), self.value, self.optimizers[1])


def descend(loss: tl.Tensor, net: Module, optimizer: Adam) -> None:
    """A step of the optimiser, the gradient cut to norm 0.5."""
    optimizer.zero_grad()
    loss.backward()
    norm = np.sqrt(sum(float((p.grad.numpy() ** 2).sum()) for p in net.parameters()))
    for p in net.parameters():
        p.grad.mul_(min(1.0, 0.5 / (norm + 1e-6)))
    optimizer.step()


def train(name: str, seed: int, budget: int) -> dict[str, Any]:
    """Learn from `budget` steps; the score, the curve and, over angle and angular velocity, the value."""
    method = METHODS[name]
    learner, stage = Learner(method), Stage("CartPole-v1", ENVIRONMENTS, seed)
    seen: list[tuple[int, float]] = []
    with progress(budget, f"{name} {seed}", "step") as bar:
        while stage.steps < budget:
            before, ended = stage.steps, len(stage.returns)
            batch = stage.play(learner.policy, method.steps)
            learner.update(batch, max(0.0, 1 - before / budget))
            if len(stage.returns) > ended:
                seen.append((stage.steps, float(np.mean(stage.returns[ended:]))))
                bar.set_postfix({"return": f"{seen[-1][1]:.0f}"}, refresh=False)
            bar.update(stage.steps - before)
    at = np.linspace(0, budget, 51)[1:]
    curve = np.interp(at, *zip(*seen)).round(1)
    value = value_map(learner.value) if name == "A2C" else None
    return {"score": score(learner.policy, seed), "steps": at, "curve": curve, "value": value}


def score(policy: Callable[[Any], Any], seed: int) -> float:
    """The mean return of 100 new episodes, the actions drawn from the policy."""
    stage = Stage("CartPole-v1", 100, seed + 1_000_000)
    stage.play(policy)
    return float(np.mean(stage.returns))


def value_map(value: Module) -> np.ndarray:
    """The value over the pole's angle (rows) and angular velocity (columns), the cart at rest in the middle."""
    angle, velocity = np.meshgrid(np.linspace(-0.2, 0.2, 21), np.linspace(-2, 2, 21), indexing="ij")
    nothing = np.zeros_like(angle)
    return worth(value, np.stack([nothing, nothing, angle, velocity], -1).astype(np.float32)).round(1)


def variance(name: str, seed: int, batches: int) -> dict[str, float]:
    """E|g - E g|^2 of each unbiased estimator g of one policy's gradient, on the same batches.

    name: the policy, "new" or "in training", after 3,000 steps. Its value learns on; it stays.
    """
    learner, stage = Learner(METHODS["baseline"]), Stage("CartPole-v1", ENVIRONMENTS, seed)
    while name == "in training" and stage.steps < 3_000:
        learner.update(stage.play(learner.policy), 1.0)
    for _ in range(20):
        batch = stage.play(learner.policy)
        learner.fit_value(batch, weights(batch, learner.method, learner.value, GAMMA, unbiased=False))
    found: dict[str, list[np.ndarray]] = {name: [] for name in ESTIMATORS}
    parameters = list(learner.policy.parameters())
    with progress(batches, f"variance, {name} {seed}", "batch") as bar:
        for _ in range(batches):
            batch = stage.play(learner.policy)
            for estimator, gradients in found.items():
                w = weights(batch, METHODS[estimator], learner.value, GAMMA, unbiased=True)
                g = tl.grad(surrogate(learner.policy, batch, w) / ENVIRONMENTS, parameters)
                gradients.append(np.concatenate([part.numpy().ravel() for part in g]))
            bar.update(1)
    return {name: float(np.var(gradients, axis=0, ddof=1).sum()) for name, gradients in found.items()}


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    rng = np.random.default_rng(0)
    P, R = small_process(rng)
    theta = tl.tensor(rng.normal(size=(5, 2)), requires_grad=True)
    likely = tl.softmax(theta, axis=1)
    # V = R_pi + gamma P_pi V, and J = V(state 0)
    worths = tl.linalg.solve(np.eye(5) - GAMMA * tl.einsum("sa,sat->st", likely, P), (likely * R).sum(1))
    exact = tl.grad(worths[0], theta, retain_graph=True).numpy()
    batch, chance = all_trajectories(P, R, likely.detach().numpy())
    report.check("the probabilities of all trajectories add up to 1", abs(chance.sum() - 1) < 1e-12, f"{len(chance)}")
    for name, method in METHODS.items():  # any baseline will do; A2C's advantage needs the true value
        value = worths.detach().numpy()[:, None] if name == "A2C" else rng.normal(size=(5, 1))
        w = weights(batch, method, lambda x, value=value: tl.tensor(x @ value), GAMMA, unbiased=True)
        estimate = tl.grad(surrogate(lambda x: tl.tensor(x) @ theta, batch, w * chance), theta).numpy()
        error = np.abs(estimate - exact).max()
        report.check(f"the mean of the estimator is the exact gradient: {name}", error < 1e-10, f"error {error:.0e}")
    learner, played = Learner(METHODS["baseline"]), Stage("CartPole-v1", 2, 0).play(lambda x: tl.zeros((len(x), 2)))
    surrogate(learner.policy, played, weights(played, learner.method, learner.value, GAMMA, False)).backward()
    untouched = all(p.grad is None for p in learner.value.parameters())
    report.check("the policy's loss leaves no gradient in the value", untouched)
    ended = np.array([0, 0, 1, 0, 1], bool)[:, None]
    two = Batch(*[np.arange(1.0, 6)[:, None]] * 4, ended, ended, ~ended)
    to_go = advantages(two, two.rewards * 0, two.rewards * 0, 0.5, 1.0)[:, 0].tolist()
    report.check("reward to go stops where an episode ends", to_go == [2.75, 3.5, 3, 6.5, 5], str(to_go))
    over = np.ones((1, 2), bool)
    both = Batch(*[np.ones((1, 2))] * 4, np.array([[True, False]]), over, over)
    tail = advantages(both, np.zeros((1, 2)), np.full((1, 2), 10.0), 0.5, 1.0)[0].tolist()
    report.check("after an end nothing follows, after the time was up the value does", tail == [1, 6], str(tail))


# --------------------------------------------------------------------------- the program


def judge(report: Report, found: dict[str, list], spreads: dict[str, list], chance: float, quick: bool) -> None:
    """Hold what was measured against what was claimed."""
    scores = {name: [r["score"] for r in runs] for name, runs in found.items()}
    areas = {name: [float(np.mean(r["curve"])) for r in runs] for name, runs in found.items()}
    show, random = "{:.0f}".format, f"{chance:.0f} (random actions)"
    report.gate("A2C: return of 100 new episodes", scores["A2C"], 150 if quick else 450, show, "", random, in_seeds=2)
    if not quick:
        report.gate("REINFORCE with baseline: the same", scores["baseline"], 300, show, "", random)
    for name in ("full return", "reward to go"):
        mean = np.mean(scores[name])
        report.claim(f"{name}: the same, above random actions", mean > chance, spread(scores[name], show))
    for more, less, least in (("full return", "reward to go", 1.0), ("reward to go", "baseline", 1.5)):
        for policy, seen in spreads.items():
            ratio = [r[more] / r[less] for r in seen]
            report.gate(f"variance of the gradient, policy {policy}: {more} / {less}", ratio, least, "{:.1f}".format)
    for worse, better in (("full return", "reward to go"), ("reward to go", "baseline")):
        gain = np.subtract(areas[better], areas[worse])
        told = f"{better} learns faster than {worse}: mean return while training"
        report.claim(told, gain.min() > 0, spread(gain, "{:+.0f}".format), "> 0 with every seed")
    mean, told = np.mean(scores["A2C"]), spread(scores["A2C"], show)
    report.claim("A2C solves CartPole-v1", mean >= 475, told, "≥ 475", "solved is 475 (openai/gym wiki)")
    report.headline = f"A2C {told} of 500"


def draw(found: dict[str, list], spreads: dict[str, list]) -> Any:
    """Learning curves, variances, and what A2C thinks states are worth."""
    figure, (curves, variances, values) = figures.panels("Learning", "Variance of the gradient", "What A2C expects")
    steps = np.array(found["A2C"][0]["steps"]) / 1000
    runs = {name: [r["curve"] for r in results] for name, results in found.items()}
    figures.bands(curves, steps, runs, "thousand steps", "return of training episodes")
    figures.bars(
        variances, {n: [r[n] for r in spreads["in training"]] for n in ESTIMATORS}, "estimator", "E|g - E g|²", {}
    )
    variances.set_yscale("log")
    limits = {"extent": (-2, 2, -0.2, 0.2), "aspect": "auto", "origin": "lower"}
    shown = values.imshow(found["A2C"][0]["value"], cmap="cividis", **limits)
    figure.colorbar(shown, ax=values, label="value")
    values.set(xlabel="angular velocity of the pole (rad/s)", ylabel="angle of the pole (rad)")
    values.grid(False)
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    args = command_line("policy_gradient", __doc__ or "").parse_args(argv)
    need("gymnasium")
    budget, batches = (40_000, 30) if args.quick else (250_000, 200)
    settings = {name: asdict(method) for name, method in METHODS.items()}
    with Experiment(__file__, args, {**settings, "steps": budget, "batches": batches}) as run:
        checks(run.report)
        chance = run.unit("random actions", score, lambda x: tl.zeros((len(x), 2)), 0)
        found = run.over_seeds(train, list(METHODS), budget)
        spreads = run.over_seeds(variance, ["new", "in training"], batches)
        judge(run.report, found, spreads, chance, run.quick)
        run.figure(draw(found, spreads), "figure", "Four policy gradients on CartPole-v1, mean ± sd of the seeds")
    return run.exit_code
