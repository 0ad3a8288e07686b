"""The marginal value of adaptive gradient methods: where AdaGrad, RMSProp and Adam are wrong as often as labels are -1.

Claim (Wilson, Roelofs, Stern, Srebro and Recht 2017, arXiv:1705.08292): where weights outnumber the data, gradient
descent and adaptive methods find other solutions, and those of the latter can be useless. If X sign(X^T y) = c y, then
AdaGrad, RMSProp and Adam go from 0 along sign(X^T y), whatever the sizes of the features. On real tasks, well tuned,
SGD and momentum end with a better test error, though adaptive methods are ahead at first.

Shown: the paper's construction for the first. Feature 1 is the label, 1 or -1; features 2 and 3 are always 1; and every
example has features of its own, one if it is positive and five if not. Descent relies on what is common to all and its
test error is 0; the adaptive methods weigh all alike and call every new example positive. With 20 features that all
examples share in place of those, and fewer weights than data, all do equally well. Then a convolutional network on
CIFAR-10, subset (10,000 images), and an LSTM that reads 205,000 characters of Tiny Shakespeare, by five methods.

Tuned as in the paper: five rates, a factor of 3 apart; where the best is at an end, the next beyond, until it is not;
the rate falls to a third where the error on held-out data is no less than the least so far. The best by that error is
run with three new seeds. Of the images the test is the subset's and 8,000 of its training images used for nothing else.

Simplified: far smaller networks and four epochs, too few to say who ends better; so the gate is that SGD or momentum
loses by no more than half a point. Gradients are cut to norm 5. In the construction a step takes all data, as in the
theorem; epsilon is 1e-12, which can't blunt the signs, and RMSProp's rate small, for it never settles.
What came out: the theorem, with every seed. On the images Adam is 6 points ahead of momentum, and that gate fails
(`python -m examples trials adaptive_vs_sgd`: what was tried). On the characters they are equal, and it holds.

    python -m examples adaptive_vs_sgd            the grids and three seeds
    python -m examples adaptive_vs_sgd --quick    the construction
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, percent, progress, spread
from examples.common.descent import RULES, descend
from tinygrad_lite.data import DataLoader, Vocabulary, cifar10_subset, tiny_shakespeare
from tinygrad_lite.layers import LSTM, BatchNorm2d, Conv2d, Embedding, Linear, Module, Sequential
from tinygrad_lite.optim import ReduceLROnPlateau, accuracy, clip_grad_norm_, evaluate

ABOUT = About(
    summary="Adaptive methods fail where gradient descent does not, and both when tuned",
    paper="Wilson et al. 2017, arXiv:1705.08292",
    minutes=18,
    quick_minutes=0.2,
)

DESCENT = ("SGD", "momentum")
ADAPTIVE = {"Adagrad": 0.01, "RMSprop": 0.002, "Adam": 0.01}  # and their rates in the construction
METHODS = (*DESCENT, *ADAPTIVE)
GRID = (-2, -1, 0, 1, 2)
PLATEAU = partial(ReduceLROnPlateau, factor=1 / 3, patience=0, threshold=0.0)
STEPS, TUNING_SEED, CHECKED = 3_000, 100, 8  # of the construction; the grids' (no test from it on); held-out looks

# --------------------------------------------------------------------------- the construction


def construction(rng: np.random.Generator, n: int, shared: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """n examples and labels, 1 with a chance of 0.6. shared: 20 normal features of all in place of an example's own."""
    y = np.where(rng.random(n) < 0.6, 1.0, -1.0)
    common = np.stack([y, np.ones(n), np.ones(n)], axis=1)
    if shared:
        return np.hstack([common, rng.normal(size=(n, 20))]), y
    own = np.zeros((n, n, 5))
    own[range(n), range(n)] = np.where(y[:, None] > 0, [1, 0, 0, 0, 0], [1, 1, 1, 1, 1])
    return np.hstack([common, own.reshape(n, -1)]), y


def toy(method: str, seed: int, steps: int, shared: bool = False) -> dict[str, Any]:
    """Least squares with 200 examples from w = 0, the whole of them in every step; the signs' errors on 400 others."""
    x, y = construction(np.random.default_rng(seed), 600, shared)
    test, said, x, y = x[200:], y[200:], x[:200], y[:200]
    w = tl.zeros(x.shape[1], dtype=np.float64, requires_grad=True)
    options = {"lr": ADAPTIVE[method], "eps": 1e-12} if method in ADAPTIVE else {"lr": 1 / np.linalg.norm(x, 2) ** 2}
    optimizer = RULES[method]([w], **options)
    for _ in range(steps):
        descend(optimizer, ((x @ w - y) ** 2).sum() / 2)
    found, direction = w.detach().numpy(), np.sign(x.T @ y)
    own = np.resize(found[3:], (600, 5))[:200]
    groups = {"label": found[0], "constant": found[1:3], "own of 1": own[y > 0, 0], "own of -1": own[y < 0]}
    return {
        "train": np.mean(np.sign(x @ found) != y),
        "test": np.mean(np.sign(test @ found) != said),
        "negative": np.mean(said < 0),
        "cosine": found @ direction / np.linalg.norm(found) / np.linalg.norm(direction),
        "weights": {name: np.mean(values) for name, values in groups.items()},
    }


def control(method: str, seed: int, steps: int) -> float:
    """The test error with shared features."""
    return toy(method, seed, steps, shared=True)["test"]


# --------------------------------------------------------------------------- two networks


class Convolutions(Module):
    """16, 32 and 64 channels, the last two with stride 2, batch norm and relu; the mean over the image; 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [(3, 16, 1), (16, 32, 2), (32, 64, 2)]
        self.convolutions = Sequential(*(Conv2d(i, o, 3, s, padding=1, bias=False) for i, o, s in sizes))
        self.norms = Sequential(*(BatchNorm2d(o) for _, o, _ in sizes))
        self.classes = Linear(64, 10)

    def forward(self, x: Any) -> tl.Tensor:
        for convolution, norm in zip(self.convolutions, self.norms):
            x = norm(convolution(x), relu=True)
        return self.classes(x.mean((2, 3)))


class Characters(Module):
    """The scores (N, 65, T) of the character after each of (N, T), by an LSTM of 64 that begins anew with every row."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.next = Embedding(65, 32), LSTM(32, 64, batch_first=True), Linear(64, 65)

    def forward(self, x: Any) -> tl.Tensor:
        return self.next(self.lstm(self.embedding(x))[0]).swapaxes(1, 2)


@dataclass(frozen=True)
class Task:
    """A network, a function that gives (x, y) to train, to tune, to test, and the middle of each method's rates."""

    model: Callable[[], Module]
    data: Callable[[], list[tuple[np.ndarray, np.ndarray]]]
    batch: int
    rates: tuple[float, ...]
    clip: float = 5.0
    decay: float = 0.0  # of the weights
    schedule: Callable[[Any], Any] = PLATEAU


@cache
def images() -> list[tuple[np.ndarray, np.ndarray]]:
    """10,000, 2,000 and 9,000 images, each channel with the mean 0 and the variance 1 of those to train on."""
    train, test = cifar10_subset()
    x, labels = (np.concatenate(both) for both in zip(train, test))
    mean, sd = (f(x[:10_000], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    three = [(x[a:b], labels[a:b]) for a, b in ((0, 10_000), (10_000, 12_000), (12_000, 21_000))]
    return [((part - mean) / sd, y) for part, y in three]


@cache
def text() -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of 64 characters and those that follow: 3,200 from the beginning, 500 later on, 1,700 in the last tenth."""
    whole = tiny_shakespeare()
    numbers = Vocabulary([whole], padding=None, unknown=None).encode(whole)
    tenth = len(numbers) // 10
    rows = [numbers[at : at + 64 * n + 1] for at, n in ((0, 3200), (8 * tenth, 500), (9 * tenth, 1700))]
    return [(row[:-1].reshape(-1, 64), row[1:].reshape(-1, 64)) for row in rows]


TASKS = {
    "CIFAR-10, subset": Task(Convolutions, images, 128, (0.3, 0.1, 0.03, 0.003, 0.003)),
    "characters": Task(Characters, text, 32, (3.0, 0.3, 0.1, 0.01, 0.01)),
}


def error(net: Module, x: np.ndarray, y: np.ndarray) -> float:
    """The share of what is not said right, in inference mode."""
    return 1 - evaluate(net, tl.cross_entropy, DataLoader(x, y, batch_size=500), {"right": accuracy})["right"]


def train(name: str, method: str, power: int, seed: int, epochs: int, task: Task | None = None) -> dict[str, Any]:
    """Train with the rate middle * 3^power, which falls where the held-out error does not; errors and losses."""
    task = task or TASKS[name]
    learn, held, test = task.data()
    tl.manual_seed(seed)
    net, lr = task.model(), task.rates[METHODS.index(method)] * 3.0**power
    optimizer = RULES[method](net.parameters(), lr=lr, weight_decay=task.decay)
    schedule = task.schedule(optimizer)
    batches, losses, errors = DataLoader(*learn, batch_size=task.batch, shuffle=True, seed=seed), [], []
    steps = epochs * len(batches)
    with progress(steps, f"{name} {method} {lr:.2g} {seed}", "step") as bar:
        for _ in range(epochs):
            for x, y in batches:
                loss = tl.cross_entropy(net(x), y)
                optimizer.zero_grad()
                loss.backward()
                clip_grad_norm_(net.parameters(), task.clip)
                optimizer.step()
                losses.append(loss.item())
                bar.update(1)
                if len(losses) * CHECKED // steps > len(errors):
                    errors.append(error(net, *held))
                    schedule.step(errors[-1])
    thin = [float(part.mean()) for part in np.array_split(losses, min(40, steps))]
    tested = error(net, *test) if seed < TUNING_SEED else None
    return {"losses": thin, "errors": errors, "test": tested, "early": float(np.mean(thin[3:5]))}


def tune(name: str, method: str, epochs: int, most: int = 3) -> dict[str, Any]:
    """The held-out error for each power of 3 of the rate: the grid, and one beyond where the best is at its end."""
    found, wanted = dict[int, float](), list(GRID)
    while wanted and len(found) < len(GRID) + most:
        power = wanted.pop(0)
        found[power] = train(name, method, power, TUNING_SEED, epochs)["errors"][-1]
        best = min(found, key=found.__getitem__)
        if not wanted:
            wanted = [p for p in (best - 1, best + 1) if p not in found]
    return {"errors": {str(p): found[p] for p in sorted(found)}, "best": best}


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    x, y = construction(np.random.default_rng(0), 200)
    report.check("X sign(X^T y) = 4 y, the condition of the lemma", np.array_equal(x @ np.sign(x.T @ y), 4 * y))
    own = x[:, 3:]
    report.check("1 or 5 features are of one example alone", set(own.sum(1)) == {1, 5} and own.sum(0).max() == 1)
    w = tl.zeros(2, dtype=np.float64, requires_grad=True)
    for name in ADAPTIVE:
        descend(RULES[name]([w], lr=0.01, eps=1e-12), w[0] * 3)
    report.check("a weight whose gradient is 0 stays, epsilon being 1e-12", w[1].item() == 0 > w[0].item())


# --------------------------------------------------------------------------- the program


def judge(report: Report, toys: dict, controls: dict) -> None:
    """Hold what was measured in the construction against the theorem."""
    keys, zero, half = ("train", "test", "negative", "cosine"), "0 (abstract)", "near one half (abstract)"
    seen = {key: {m: np.array([r[key] for r in runs]) for m, runs in toys.items()} for key in keys}
    report.gate("training error, the worst method", np.max(list(seen["train"].values()), 0), show=percent, at_most=0)
    for m in DESCENT:
        report.gate(f"{m}: test error", seen["test"][m], None, percent, zero, at_most=0)
    for m in ADAPTIVE:
        told, apart = spread(seen["test"][m], percent), abs(seen["test"][m] - seen["negative"][m])
        report.gate(f"{m}: test error {told}, less the share of -1", apart, None, percent, half, at_most=0)
        report.gate(f"{m}: cosine of w and sign(X^T y)", seen["cosine"][m], 0.999, "{:.3f}".format)
    report.gate("SGD: cosine of w and sign(X^T y)", seen["cosine"]["SGD"], None, "{:.3f}".format, at_most=0.3)
    gap = np.ptp(list(controls.values()), axis=0)
    report.gate("20 shared features: test error, worst - best method", gap, None, percent, at_most=0.02)
    report.headline = f"Adam errs on {spread(seen['test']['Adam'], percent)} of the construction, descent on none"


def judge_networks(report: Report, name: str, grids: dict, runs: dict) -> None:
    """Compare the best of each family, by the held-out error, on the test data."""
    inside = [{str(g["best"] + k) for k in (-1, 0, 1)} <= g["errors"].keys() for g in grids.values()]
    told = ", ".join(f"{m} {TASKS[name].rates[METHODS.index(m)] * 3.0 ** g['best']:.2g}" for m, g in grids.items())
    report.check(f"{name}: the best rates are not at an end of the five or more tried", all(inside), told)
    held = {m: np.mean([r["errors"][-1] for r in rs]) for m, rs in runs.items()}
    plain, adaptive = (min(family, key=held.__getitem__) for family in (DESCENT, ADAPTIVE))
    tests, early = ({m: [r[what] for r in rs] for m, rs in runs.items()} for what in ("test", "early"))
    told = f"{spread(tests[plain], percent)} and {spread(tests[adaptive], percent)}"
    gap = np.subtract(tests[plain], tests[adaptive])
    report.gate(f"{name}: test error of {plain} - {adaptive}", gap, None, percent, "", told, at_most=0.005)
    ahead, behind = (min(family, key=lambda m: np.mean(early[m])) for family in (ADAPTIVE, DESCENT))
    told = f"{ahead} {spread(early[ahead], '{:.3f}'.format)}, {behind} {spread(early[behind], '{:.3f}'.format)}"
    holds = np.mean(early[ahead]) < np.mean(early[behind])
    report.claim(f"{name}: an adaptive method is ahead in training loss after a tenth of the steps", holds, told)


def draw(toys: dict, networks: dict) -> Any:
    """What each method learned in the construction, and the training of the networks."""
    titles = [f"{name}: {what}" for name in networks for what in ("training", "held out")]
    figure, (first, *more) = figures.panels("Mean weight in the construction", *titles, columns=3, size=(4.6, 4.0))
    groups = list(toys["SGD"][0]["weights"])
    for k, (method, runs) in enumerate(toys.items()):
        heights = [np.mean([r["weights"][g] / r["weights"]["label"] for r in runs]) for g in groups]
        first.bar(np.arange(len(groups)) + 0.16 * (k - 2), heights, 0.16, color=figures.COLOURS[k], label=method)
    first.set_xticks(range(len(groups)), groups)
    first.set(xlabel="features", ylabel="weight / that of the label")
    first.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=10)
    for axes, (runs, what) in zip(more, [(runs, what) for runs in networks.values() for what in ("losses", "errors")]):
        shown = {method: [r[what] for r in results] for method, results in runs.items()}
        over = np.linspace(0, 1, len(shown["SGD"][0]) + 1)[1:]
        figures.bands(axes, over, shown, "part of the training", "loss" if what == "losses" else "error")
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    args = command_line("adaptive_vs_sgd", __doc__ or "").parse_args(argv)
    epochs, networks = 4, {}
    with Experiment(__file__, args, {"epochs": epochs, "rates": {n: t.rates for n, t in TASKS.items()}}) as run:
        checks(run.report)
        toys = run.over_seeds(toy, METHODS, STEPS)
        judge(run.report, toys, run.over_seeds(control, METHODS, STEPS))
        for name in [] if run.quick else TASKS:
            grids = {m: run.unit(f"grid {name} {m}", tune, name, m, epochs) for m in METHODS}

            def final(method: str, seed: int, name: str = name, grids: dict = grids) -> dict[str, Any]:
                return train(name, method, grids[method]["best"], seed, epochs)

            final.__name__ = f"final {name}"
            networks[name] = run.over_seeds(final, METHODS)
            judge_networks(run.report, name, grids, networks[name])
        run.figure(draw(toys, networks), "figure", "Weights in the construction, and two networks; mean of the seeds")
    return run.exit_code
