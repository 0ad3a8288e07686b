"""Gradient descent and the rules that improve on it: momentum, Nesterov, Adagrad, Adadelta, RMSprop, Adam and its kin.

Claim (a survey: Ruder 2016, arXiv:1609.04747): batch gradient descent takes the whole data for every update; stochastic
gradient descent takes one example, and fluctuates unless its rate falls; mini-batches are between. Momentum (Polyak
1964; Nesterov 1983) damps oscillations across ravines. Adagrad (Duchi et al. 2011), Adadelta (Zeiler 2012), RMSprop
(Tieleman and Hinton 2012), Adam and AdaMax (Kingma and Ba 2015, arXiv:1412.6980), Nadam (Dozat 2016) and AMSGrad (Reddi
et al. 2018) give every weight a rate of its own, from the sizes of its gradients.

Shown: `textbook` (examples/common/descent.py) is the ten rules, a line each; the library's take its steps to 1e-12. On
quadratics, with the best rates, momentum takes some sqrt(kappa) steps and plain descent kappa. On a convex problem with
a known minimum (softmax regression with a penalty, 10,000 digits of MNIST): batch, mini-batches of 32, single examples,
and these with a rate that falls as 1 / t. On logistic regression of documents by their words, Adagrad knows those with
rare words sooner. And 784-128-10 on MNIST, three epochs, five rates a rule: there the survey ranks nothing.

Simplified: the survey has no experiments to compare numbers with. The bias is penalised as well: then the problem is
strongly convex, and |gradient|^2 / (2 * 0.001) bounds how far L-BFGS is from the minimum. Batch descent has the best of
five rates there, the others a fixed one. With documents both rules have their best of five by the steps counted; on
MNIST the rate is the best on 10,000 training images held out. Epsilon stands outside the root (but for Adadelta) and
Nadam's momentum grows, as in PyTorch.

What came out: on the quadratic as theory has it, the heavy ball 20 times as fast as descent and Nesterov's 18 times.
Ten passes in mini-batches come 19 times as near to the minimum as ten steps of the batch, and a falling rate ends 60
times as near as a constant one. Adagrad knows rare words in a quarter of the steps of SGD. On MNIST all but plain SGD
are within half a point of each other.

    python -m examples optimizers            three seeds
    python -m examples optimizers --quick    digits for MNIST, without the leaderboard, one seed
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, progress, spread
from examples.common.descent import (
    ADAPTIVE,
    PLAIN,
    RULES,
    descend,
    documents,
    draw_paths,
    from_zero,
    line,
    path,
    slope,
    textbook,
    valley,
)
from tinygrad_lite.data import DataLoader, digits, mnist, stratified_split
from tinygrad_lite.layers import Linear, Module, ReLU, Sequential
from tinygrad_lite.optim import LBFGS, SGD, Adam, accuracy, evaluate, fit

ABOUT = About(
    summary="Ten optimisers held to their equations, to theory and to each other",
    paper="Ruder 2016, arXiv:1609.04747",
    minutes=12,
    quick_minutes=0.5,
)

DECAY = 1e-3
FACTORS = (1 / 9, 1 / 3, 1, 3, 9)
MIDDLE = {"SGD": 0.3, "momentum": 0.1, "Nesterov": 0.1, "Adagrad": 0.03, "Adadelta": 1.0, "RMSprop": 0.001}  # or 0.003

# --------------------------------------------------------------------------- a quadratic


def quadratic(method: str, seed: int, kappas: list[int]) -> list[int]:
    """Steps until f = sum_i c_i x_i^2 / 2, the curvatures c from 1 to kappa, is 1e-10 of what it was at first."""
    found = []
    for kappa in kappas:
        root, wide = np.sqrt(kappa), np.sqrt(3 * kappa + 1)
        lr, momentum = {  # the best there are: Lessard, Recht and Packard 2016, arXiv:1408.3595, proposition 1
            "gradient descent": (2 / (kappa + 1), 0.0),
            "heavy ball": (4 / (root + 1) ** 2, ((root - 1) / (root + 1)) ** 2),
            "Nesterov": (4 / (3 * kappa + 1), (wide - 2) / (wide + 2)),
        }[method]
        c, x = np.geomspace(1, kappa, 50), tl.tensor(np.random.default_rng(seed).normal(size=50), requires_grad=True)
        optimizer = SGD([x], lr=lr, momentum=momentum, nesterov=method == "Nesterov")
        values = list[float]()
        while not values or values[-1] > 1e-10 * values[0]:
            loss = (c * x * x).sum() / 2
            values.append(loss.item())
            descend(optimizer, loss)
        found.append(len(values) - 1)
    return found


# --------------------------------------------------------------------------- batch, mini-batch, one by one


@cache
def problem(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, pixels) in float64, and labels."""
    images, labels = (part[:10_000] for part in (digits() if quick else mnist().train))
    return images.reshape(len(images), -1).astype(float), labels


def objective(net: Module, quick: bool) -> tl.Tensor:
    """J = the mean cross-entropy + DECAY / 2 |theta|^2."""
    x, y = problem(quick)
    return tl.cross_entropy(net(x), y) + DECAY / 2 * sum((p * p).sum() for p in net.parameters())


def minimum(quick: bool) -> dict[str, float]:
    """min J by L-BFGS, how far that may be from it, and a bound of J's curvature: half the largest of X^T X / n."""
    x = problem(quick)[0]
    net = from_zero(Linear(x.shape[1], 10, dtype=np.float64))
    long = {"max_iter": 5_000, "max_eval": 10_000, "tolerance_grad": 3e-9, "tolerance_change": 0.0}
    optimizer = LBFGS(net.parameters(), history_size=50, line_search_fn="strong_wolfe", **long)

    def closure() -> tl.Tensor:
        optimizer.zero_grad()
        value = objective(net, quick)
        value.backward()
        return value

    optimizer.step(closure)
    value = closure().item()
    square = sum(float((p.grad.numpy() ** 2).sum()) for p in net.parameters())
    x = np.insert(x, 0, 1, axis=1)  # the bias
    return {"J": value, "error": square / (2 * DECAY), "L": np.linalg.eigvalsh(x.T @ x / len(x))[-1] / 2 + DECAY}


def gaps(size: int, rate: Callable[[float], float], passes: int, seed: int, quick: bool, least: float) -> list[float]:
    """J - min J at first and after each pass, by steps of `size` examples at rate(passes so far)."""
    x, y = problem(quick)
    net, rng = from_zero(Linear(x.shape[1], 10, dtype=np.float64)), np.random.default_rng(seed)
    optimizer = SGD(net.parameters(), weight_decay=DECAY)
    found = [objective(net, quick).item() - least]
    with progress(passes, f"{size:,} an update, {seed}", "pass") as bar:
        for k in range(passes):
            for batch in np.split(rng.permutation(len(x)), range(size, len(x), size)):
                optimizer.param_groups[0]["lr"] = rate(k)
                descend(optimizer, tl.cross_entropy(net(x[batch]), y[batch]))
            found.append(objective(net, quick).item() - least)
            bar.update(1)
    return found


def convex(variant: str, seed: int, passes: int, quick: bool, optimum: dict[str, float]) -> list[Any]:
    """The gaps of one way to descend; for batch descent a list of them, with five rates."""
    rate, n = 0.1 if quick else 0.03, len(problem(quick)[1])
    go = partial(gaps, passes=passes, seed=seed, quick=quick, least=optimum["J"])
    if variant == "batch":
        return [go(n, lambda _, factor=factor: 1.9 / optimum["L"] * factor) for factor in FACTORS]
    if variant == "mini-batch":
        return go(32, lambda _: 3 * rate)
    return go(1, lambda k: rate if variant == "one" else rate / (1 + k))


# --------------------------------------------------------------------------- sparse features


def sparse(name: str, seed: int, limit: int) -> list[int]:
    """Steps of 32 until documents with many rare words are known half as well as can be, for each of five rates."""
    x, y, reachable = documents(np.random.default_rng([seed, 7]))
    rare, found = slice(-1000, None), []
    for factor in FACTORS:
        net, rng, steps = from_zero(Linear(1000, 1, bias=False)), np.random.default_rng([seed, 8]), 0
        optimizer = RULES[name](net.parameters(), lr=0.1 * factor)

        def loss(chosen: Any, net: Module = net) -> tl.Tensor:
            return tl.binary_cross_entropy_with_logits(net(x[chosen]), y[chosen])

        while steps < limit and (steps % 10 or loss(rare).item() > (np.log(2) + reachable) / 2):
            descend(optimizer, loss(rng.integers(10_000, size=32)))
            steps += 1
        found.append(steps)
    return found


# --------------------------------------------------------------------------- ten rules on MNIST


@cache
def parts() -> list[tuple[np.ndarray, np.ndarray]]:
    """MNIST to train, to choose the rate, and to test: images (n, 784) and labels."""
    (images, labels), test = mnist()
    three = [*((images[part], labels[part]) for part in stratified_split(labels, 1 / 6)), test]
    return [(images.reshape(-1, 784), labels) for images, labels in three]


def leaderboard(name: str, seed: int, epochs: int) -> dict[str, Any]:
    """The errors of 784-128-10: on what is held out with each of five rates about MIDDLE; of the test with the best."""
    train, held, test = parts()
    errors, nets = [], []
    for factor in FACTORS:
        tl.manual_seed(seed)
        net = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
        optimizer = RULES[name](net.parameters(), lr=factor * MIDDLE.get(name, 0.003))
        batches = DataLoader(*train, batch_size=128, shuffle=True, seed=seed)
        fit(net, optimizer, tl.cross_entropy, batches, epochs, check_finite=False, progress=f"{name} {seed}")
        errors.append(1 - evaluate(net, tl.cross_entropy, [held], {"accuracy": accuracy})["accuracy"])
        nets.append(net)
    found = evaluate(nets[int(np.argmin(errors))], tl.cross_entropy, [test], {"accuracy": accuracy})
    return {"held out": errors, "test": 1 - found["accuracy"]}


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    start, worst, same, changed = np.array([-0.5, 1.0]), 0.0, True, {}
    for name, rule in RULES.items():
        options = {"eps": 0.01} if name in ADAPTIVE else {}  # so large that its place in the formula shows
        way = path(rule, valley, start, 5, lr=0.02, **options)
        worst = max(worst, np.abs(way - textbook(name, slope, start, 5, 0.02, 0.01)).max())
        swapped = path(rule, lambda x: valley(x[::-1]), start[::-1], 5, lr=0.02, **options)
        same &= np.array_equal(swapped[:, ::-1], way)
        options = {"lr": 0.01, "eps": 1e-14} if name in ADAPTIVE else {"lr": 1e-5}
        once, more = (path(rule, lambda x, k=k: k * valley(x), start, 20, **options) for k in (1, 1000))
        changed[name] = np.abs(more - once).max() / np.abs(once - start).max()
    report.check("five steps of each of ten rules are those of its formula", worst < 1e-12, f"error {worst:.0e}")
    report.check("the state is each parameter's own: swapped, they go the same way", same)
    most, least = max(changed[name] for name in ADAPTIVE), min(changed[name] for name in PLAIN)
    report.check("1000 times the loss: the adaptive rules go the same way", most < 1e-4, f"changed by {most:.0e}")
    report.check("1000 times the loss: the others don't", least > 10, f"changed by {least:.0f} times the way")
    two = [path(PLAIN[name], valley, start, 5, lr=0.02) for name in ("momentum", "Nesterov")]
    report.check("Nesterov's momentum is another than the heavy ball", np.abs(two[0] - two[1]).max() > 0.01)
    first = np.abs(path(Adam, valley, start, 1, lr=0.01, eps=0.0)[0] - start)
    report.check("Adam's first step is the rate in every direction", np.allclose(first, 0.01, rtol=1e-12, atol=0))


# --------------------------------------------------------------------------- the program


def judge(report: Report, steps: dict, gap: dict, rare: dict, board: dict, optimum: dict[str, float]) -> None:
    """Hold what was measured against what was claimed."""
    short, whole = "{:.1f}".format, "{:.0f}".format
    count = {name: np.array(runs, float) for name, runs in steps.items()}
    gain = {name: count["gradient descent"][:, 1] / n[:, 1] for name, n in count.items()}
    for name in ("heavy ball", "Nesterov"):
        told = f"{spread(count['gradient descent'][:, 1], whole)} and {spread(count[name][:, 1], whole)} steps"
        report.gate(f"quadratic, kappa 1000: steps of gradient descent / {name}", gain[name], 10, short, "", told)
    grown = [n[:, 1] / n[:, 0] for n in count.values()]
    told = ", ".join(f"{name} x {spread(g, short)}" for name, g in zip(count, grown))
    holds = grown[0].min() > 7 and np.max(grown[1:]) < 5
    report.claim("steps where kappa grows from 100 to 1000: x 10, with momentum x 3.2", holds, told)
    report.check("the minimum is known to 1e-12", optimum["error"] <= 1e-12, f"{optimum['error']:.0e}")
    batch, small, level, end = map(np.array, gap.values())
    report.check("batch descent at 1.9 / L: J falls with every step", np.diff(batch[:, 2]).max() < 0)
    batch = batch[:, :, 10].min(1)
    told = f"{spread(batch)} (batch, best of 5 rates)"
    report.gate("J - min J after 10 passes: batch / mini-batch", batch / small[:, 10], 5, short, "", told)
    level, told = level[:, 21:].mean(1), f"{spread(level[:, 21:].mean(1))} (constant, passes 21 to 30)"
    report.gate("J - min J of single examples: constant rate / 1/t", level / end[:, 30], 5, short, "", told)
    best = {name: np.min(runs, axis=1) for name, runs in rare.items()}
    told = f"{spread(best['SGD'], whole)} and {spread(best['Adagrad'], whole)} steps"
    report.gate("documents with rare words: steps of SGD / Adagrad", best["SGD"] / best["Adagrad"], 2, short, "", told)
    report.headline = f"momentum {np.mean(gain['heavy ball']):.0f} times as fast as descent at kappa 1000"
    if board:
        tests = {name: 100 * np.mean([r["test"] for r in runs]) for name, runs in board.items()}
        apart = np.ptp([tests[name] for name in ("RMSprop", "Adadelta", "Adam")])
        told = ", ".join(f"{name} {tests[name]:.2f}%" for name in sorted(tests, key=tests.__getitem__))
        report.claim("RMSprop, Adadelta and Adam do much alike: test errors within 0.5 points", apart <= 0.5, told)


def draw(steps: dict, gap: dict, rare: dict, board: dict) -> Any:
    """How the gaps fall, the steps of A and D, and the leaderboard."""
    titles = ["Distance from the minimum, softmax regression", "Steps that are needed"]
    figure, (curves, counts, *more) = figures.panels(*titles, *["MNIST, three epochs"] * bool(board), size=(4.6, 4.0))
    shown = {**gap, "batch": [runs[2] for runs in gap["batch"]]}
    figures.bands(curves, range(len(gap["one"][0])), shown, "passes over the data", "J - min J")
    needed = {f"{name}\nκ = 1000": [run[1] for run in runs] for name, runs in steps.items()}
    needed |= {f"{name},\nrare words": [min(run) for run in runs] for name, runs in rare.items()}
    figures.bars(counts, needed, "rule and problem", "steps", {})
    curves.set_yscale("log")
    counts.set_yscale("log")
    counts.tick_params(axis="x", labelsize=8, rotation=40)
    for axes in more:
        for k, (name, runs) in enumerate(board.items()):
            held = 100 * np.mean([r["held out"] for r in runs], 0)
            axes.plot(FACTORS, held, marker=".", label=name, **line(k))
        axes.set(xscale="log", yscale="log", xlabel="rate / its middle", ylabel="error on what is held out (%)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=10)
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    args = command_line("optimizers", __doc__ or "").parse_args(argv)
    with Experiment(__file__, args, {"decay": DECAY, "factors": FACTORS, "middle": MIDDLE}) as run:
        checks(run.report)
        optimum = run.unit("minimum", minimum, run.quick)
        steps = run.over_seeds(quadratic, ["gradient descent", "heavy ball", "Nesterov"], [100, 1000])
        gap = run.over_seeds(convex, ["batch", "mini-batch", "one", "one, 1/t"], 30, run.quick, optimum)
        rare = run.over_seeds(sparse, ["SGD", "Adagrad"], 1_000)
        board = {} if run.quick else run.over_seeds(leaderboard, list(RULES), 3)
        judge(run.report, steps, gap, rare, board, optimum)
        run.figure(draw(steps, gap, rare, board), "figure", "Gradient descent and its improvements, mean of the seeds")
        run.figure(draw_paths(), "paths", "The ways of ten rules on Beale's function and beside a saddle")
    return run.exit_code
