"""What `examples/rl/meta_rl.py` reports and draws of its results; nothing is computed here but comparisons.

found: for each training its results, one a seed. known: `players.references`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from examples.common import behaviour, figures
from examples.common.report import Report, percent, spread
from examples.common.tasks import KINDS

WITHOUT, EASY = ", no reward", "easy, 30 steps"
SHOWN = ("UCB1", "UCB, 0.5 ln n", "Thompson", "greedy", "Gittins")
PAPER = "Wang et al. 2016"

two = "{:.2f}".format


def of(found: dict[str, list], name: str, key: str = "regret") -> list[float]:
    """One number of each seed."""
    return [r[key] for r in found[name]]


def beside(known: dict[str, Any], kind: str) -> str:
    """The regrets of the references, in words."""
    names = SHOWN if kind == "independent" else (*SHOWN, "Bayes, knows p1 = 1 - p2")
    text = ", ".join(f"{name} {known[kind][name][-1]:.2f}" for name in names)
    return text + (f", Bayes {known['optimum']:.2f}" if kind == "independent" else "")


def judge(report: Report, found: dict[str, list], known: dict[str, Any], quick: bool) -> None:
    """Hold what was trained against what was claimed."""
    said = []
    if EASY in found:
        baseline = beside(known, EASY)
        report.gate("2: regret, 30 steps of easy", of(found, EASY), show=two, baseline=baseline, at_most=3.0)
        said.append(f"regret {spread(of(found, EASY), two)} with easy arms")
    if "independent" + WITHOUT in found:
        judge_independent(report, found, known)
        said.append(f"regret {spread(of(found, 'independent'), two)} with independent arms")
    if "hard" in found:
        judge_dependent(report, found, known)
    if "informative" in found:
        judge_informative(report, found, quick)
        said.append(f"{spread(of(found, 'informative'), two)} with an informative one")
    if "restless" in found:
        judge_restless(report, found, known)
        said.append(f"{spread(of(found, 'restless'), two)} with restless ones")
    if "two-step" in found:
        judge_two_step(report, found, known, quick)
        said.append(f"two-step {spread(of(found, 'two-step', 'reward'), '{:.3f}'.format)}")
    report.headline = ", ".join(said[:3] if quick else said[:2])


def judge_independent(report: Report, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 1."""
    mine, others = of(found, "independent"), {name: curve[-1] for name, curve in known["independent"].items()}
    baseline = beside(known, "independent")
    report.gate("1: regret, independent arms", mine, show=two, baseline=baseline, at_most=3.5)
    off = [abs(x / others["random"] - 1) for x in of(found, "independent" + WITHOUT)]
    report.gate("1: told no rewards, it is at chance but for", off, show=percent, at_most=0.1)
    low, high = others["Gittins"], min(others["Thompson"], others["UCB, 0.5 ln n"])
    told = f"better than Thompson and UCB ({PAPER})"
    report.claim("1: below Thompson and UCB", np.mean(mine) < high, spread(mine, two), f"< {high:.2f}", told)
    told = f"worse than Gittins ({PAPER})"
    report.claim("1: above Gittins' index", np.mean(mine) > low, spread(mine, two), f"> {low:.2f}", told)


def judge_dependent(report: Report, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 2. regret[a, b]: of the agent trained on a at the test b, one a seed."""
    regret = {(a, b): np.array([r["tests"][b] for r in found[a]]) for a in KINDS for b in KINDS}
    structured, count = KINDS[1:], "{:.1f}".format
    for kind, most in zip(structured, (2.5, 1.5, 2.5, 5.0)):
        baseline = beside(known, kind)
        report.gate(f"2: regret, {kind}", list(regret[kind, kind]), show=two, baseline=baseline, at_most=most)
    worse = sum((regret[b, b] > regret["independent", b]) * 1 for b in structured)
    told = "2: of 4 dependent tests, where training on independent arms was better than on its own kind"
    report.gate(told, list(worse), show=count, at_most=1)
    worse = sum((regret[a, b] > regret["independent", b]) * 1 for a in structured for b in structured)
    told = "2: the same of all 16 pairs of dependent trainings and tests"
    report.claim(told, worse.mean() <= 1, spread(list(worse), count), "≤ 1")
    better = sum((regret[a, "independent"] < regret["independent", "independent"]) * 1 for a in structured)
    told = "2: of 4 trained on dependent arms, those better at independent ones than the agent trained there"
    report.gate(told, list(better), show=count, at_most=0)
    easy, medium, hard = (regret[kind, kind] for kind in structured[1:])
    step = np.minimum(medium - easy, hard - medium)
    report.gate("2: easy < medium < hard, by at least", list(step), show=two, at_least=0.0)
    ratio = list(regret["medium", "hard"] / hard)
    report.gate("2: trained on medium, tested on hard, over trained on hard", ratio, show=two, at_most=1.25)


def judge_informative(report: Report, found: dict[str, list], quick: bool) -> None:
    """Experiment 3."""
    thompson = sum(4 * (1 - t / 10) for t in range(1, 6))  # one of the ten arms after the other, until it is the target
    baseline = f"optimum {5 - 0.55:.2f}, Thompson with the true prior {thompson:.1f}, random {5 * (5 - 14.55 / 11):.1f}"
    values = of(found, "informative")
    report.gate("3: regret, informative arm", values, show=two, baseline=baseline, at_most=8.0 if quick else 6.0)
    if not quick:
        asked = [r["told"][0] for r in found["informative"]]
        report.gate("3: the informative arm is taken first", asked, show=percent, at_least=0.95)
        control = of(found, "informative" + WITHOUT)
        report.claim("3: told no rewards, it is at chance", np.mean(control) > 17.5, spread(control, two), "> 17.5")


def judge_restless(report: Report, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 4."""
    mine, fixed, both = of(found, "restless"), known["fixed rate"], known["fixed rate, both arms"]
    baseline = f"UCB {known['restless']['UCB, ln n'][-1]:.2f}, Thompson {known['restless']['Thompson'][-1]:.2f}, "
    baseline += f"R-W 0.5 {fixed['0.5']:.2f}, best fixed {fixed['best']:.2f}, of both arms {both['best']:.2f}, "
    baseline += f"Bayes' filter {known['filter']:.2f}"
    report.gate("4: regret, restless arms", mine, show=two, baseline=baseline, at_most=7.79)
    report.claim("4: below the best fixed rate", np.mean(mine) < 7.01, spread(mine, two), "< 7.01")
    told = f"4: below it, updating both arms ({both['best']:.2f})"
    report.claim(told, np.mean(mine) < both["best"], spread(mine, two), f"< {both['best']:.2f}")
    runs, fixed_rate, signed = found["restless"], known["R-W"], "{:+.0f}".format
    report.gate("4: BIC gained by fitting the rate", [gain(r) for r in runs], show=signed, at_least=1)
    report.gate("4: the same for choices made with a rate of 0.5", [gain(fixed_rate)], show=signed, at_most=0)
    rates = [spread([float(np.mean(r[v]["alpha"])) for r in runs], two) for v in ("low", "high")]
    told = f"4: the fitted rate is higher where volatility is ({rates[0]}, {rates[1]}), p"
    baseline, paper = f"of a rate of 0.5: {rising(fixed_rate):.2f}", f"higher ({PAPER})"
    p = [rising(r) for r in runs]
    report.gate(told, p, None, "{:.1e}".format, paper, baseline, at_most=0.01, in_seeds=len(p))
    control, chance = of(found, "restless" + WITHOUT), known["restless"]["random"][-1]
    near = abs(np.mean(control) / chance - 1) < 0.1
    report.claim("4: told no rewards, it is at chance", near, spread(control, two), f"{chance:.2f} ± 10%")


def gain(fits: dict[str, Any]) -> float:
    """How much lower BIC is with fitted rates than with 0.5."""
    bic = {m: fits["low"]["bic"][m] + fits["high"]["bic"][m] for m in behaviour.MODELS}
    return min(bic["b"], bic["be"]) - min(bic["ab"], bic["abe"])


def rising(fits: dict[str, Any]) -> float:
    """The p-value that the fitted rates are no higher where volatility is."""
    return behaviour.higher(fits["low"]["alpha"], fits["high"]["alpha"])


def judge_two_step(report: Report, found: dict[str, list], known: dict[str, Any], quick: bool) -> None:
    """Experiment 5."""
    mine, runs = of(found, "two-step", "reward"), found["two-step"]
    baseline, show = f"optimum {known['two-step']:.3f}, chance 0.5", "{:.3f}".format
    report.gate("5: reward a trial, two-step task", mine, 0.57 if quick else 0.62, show, "", baseline)
    both = [r["weights"]["reward x transition"] - abs(r["weights"]["reward"]) for r in runs]
    free, w = known["model-free"], known["model-free"]["weights"]
    baseline = f"model-free {w['reward x transition'] - abs(w['reward']):+.2f}"
    told = "5: staying: reward x transition less |reward|"
    report.gate(told, both, 0.0, "{:+.2f}".format, f"as if model-based ({PAPER})", baseline)
    p = [r["p"]["reward x transition"] for r in runs]
    report.gate("5: p of reward x transition", p, None, "{:.1e}".format, at_most=0.01, in_seeds=len(p))
    alone = free["p"]["reward"] < 0.01 < free["p"]["reward x transition"] and w["reward"] > 0
    shown = f"reward {w['reward']:.2f}, reward x transition {w['reward x transition']:.2f}"
    report.check("5: a model-free player shows the effect of reward alone", alone, shown)
    if not quick:
        control = of(found, "two-step" + WITHOUT, "reward")
        near = abs(np.mean(control) - 0.5) < 0.02
        report.claim("5: told no rewards, it is at chance", near, spread(control, show), "0.5 ± 0.02")


# --------------------------------------------------------------------------- figures


def draw(found: dict[str, list], known: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Two figures, each of what was trained: {name: (figure, caption)}."""
    arms = {
        "Independent arms": ("independent", partial(draw_regrets, known=known["independent"])),
        "Regret": ("hard", partial(draw_transfer, known=known)),
        "40 episodes of new tasks": ("uniform", draw_choices),
    }
    others = {
        "An arm that tells where to go": ("informative", draw_informative),
        "Restless arms": ("restless", draw_rates),
        "Two-step task": ("two-step", partial(draw_staying, known=known)),
    }
    captions = {
        "arms": "Two arms: regret beside known algorithms, each training at each test, and choices of single episodes",
        "tasks": "An informative arm, learning rates fitted to restless arms, and what makes an agent stay in the "
        "two-step task; mean ± sd of the seeds",
    }
    drawn = {}
    for name, parts in (("arms", arms), ("tasks", others)):
        parts = {title: draw_it for title, (needed, draw_it) in parts.items() if needed in found}
        if parts:
            figure, axes = figures.panels(*parts)
            for place, draw_it in zip(axes, parts.values()):
                draw_it(place, found)
            drawn[name] = figure, captions[name]
    return drawn


def draw_regrets(axes: Any, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 1: cumulative regret of the agent and of the references."""
    steps = np.arange(1, 101)
    runs = {"LSTM": [r["curve"] for r in found["independent"]], **{name: [known[name]] for name in SHOWN}}
    figures.bands(axes, steps, runs, "step", "cumulative regret")


def draw_transfer(axes: Any, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 2: the regret of each training and reference at each test, coloured by the worst of the test."""
    rows = {a: [float(np.mean([r["tests"][b] for r in found[a]])) for b in KINDS] for a in KINDS}
    rows |= {name: [known[b][name][-1] for b in KINDS] for name in ("Thompson", "greedy", "Gittins")}
    rows["Bayes"] = [known["optimum"], *(known[b]["Bayes, knows p1 = 1 - p2"][-1] for b in KINDS[1:])]
    table = np.array(list(rows.values()))
    shares = table / table.max(0)
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(*table.shape):
        colour = "w" if shares[i, j] < 0.5 else "k"
        axes.text(j, i, f"{table[i, j]:.1f}", ha="center", va="center", color=colour, fontsize=10)
    axes.axhline(4.5, color="w", linewidth=3)
    axes.set_xticks(range(5), KINDS, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="tested on", ylabel="trained on, or known")
    axes.grid(False)


def draw_choices(axes: Any, found: dict[str, list]) -> None:
    """Experiment 2: a row for each episode, dark where the better arm was taken."""
    raster = np.array(found["uniform"][0]["raster"])
    axes.imshow(raster, cmap="cividis_r", aspect="auto", interpolation="nearest")
    axes.set(xlabel="step (dark: the better arm)", ylabel="episode, |p1 - p2| growing")
    axes.grid(False)


def draw_informative(axes: Any, found: dict[str, list]) -> None:
    """Experiment 3: which arm is taken, by trial."""
    for key, name in (("told", "informative arm"), ("target", "target")):
        values = np.array([r[key] for r in found["informative"]])
        axes.plot(range(1, 6), values.mean(0), marker="o", label=name)
    axes.set(xlabel="trial", ylabel="share of episodes", ylim=(-0.03, 1.03))
    axes.legend()


def draw_rates(axes: Any, found: dict[str, list]) -> None:
    """Experiment 4: the learning rates fitted to blocks of ten episodes."""
    for k, volatility in enumerate(("low", "high")):
        rates = np.concatenate([r[volatility]["alpha"] for r in found["restless"]])
        spots = k + np.random.default_rng(0).uniform(-0.2, 0.2, len(rates))
        axes.plot(spots, rates, ".", alpha=0.5)
        axes.plot([k - 0.3, k + 0.3], [rates.mean()] * 2, "k")
    axes.set_xticks((0, 1), ("0.01", "0.1"))
    axes.set(xlabel="volatility", ylabel="fitted learning rate", xlim=(-0.6, 1.6))


def draw_staying(axes: Any, found: dict[str, list], known: dict[str, Any]) -> None:
    """Experiment 5: how often the same action is taken again after each outcome."""
    groups = {"LSTM": found["two-step"], "model-based": [known["model-based"]], "model-free": [known["model-free"]]}
    for k, (name, runs) in enumerate(groups.items()):
        values = np.array([[r["stay"][outcome] for outcome in behaviour.OUTCOMES] for r in runs])
        axes.bar(np.arange(4) + 0.27 * (k - 1), values.mean(0), 0.25, label=name)
    axes.set_xticks(range(4), [outcome.replace(", ", "\n") for outcome in behaviour.OUTCOMES], fontsize=9)
    axes.set(xlabel="the last trial", ylabel="chance to stay", ylim=(0, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=3, fontsize=9)
