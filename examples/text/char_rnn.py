"""Three recurrent networks, RNN, LSTM and GRU: how well they predict characters, and how far back they remember.

A recurrent network reads x_1, x_2, ... and keeps a state h. The simple one (Elman 1990, Cognitive Science 14) is

    h_t = tanh(W x_t + U h_t-1 + b)

Back through time its gradient is multiplied by diag(1 - h^2) U at each step, and so vanishes. The LSTM (Hochreiter and
Schmidhuber 1997, Neural Computation 9(8)) adds a memory c that is only scaled and added to, the GRU (Cho et al. 2014,
arXiv:1406.1078) can keep h itself; the gates f, i, o and z, from 0 to 1, are made of x_t and h_t-1 (`lstm_step`, ...):

    LSTM   c_t = f c_t-1 + i g,   h_t = o tanh(c_t)         GRU   h_t = z h_t-1 + (1 - z) n

Claim: these two keep dependencies that the simple network can't, and model language better (Chung et al. 2014,
arXiv:1412.3555).

Shown: A. Each cell, with as many parameters, learns the next character of Tiny Shakespeare (Karpathy 2015, char-rnn),
32 parts of it side by side; the state is carried on from piece to piece, the gradient is not. B. The adding problem:
two of 100 numbers are marked, and their sum is asked for at the end.

Simplified: one layer, eight times through the text; --quick is smaller and reads the manual that comes with Python.
With the rate 0.002, as planned and kept in B, the LSTM is the last in A; so each cell has the best of five or more
there (`--grid`: seed 100, 500 updates, by the last tenth of the text to train on). Gradients are cut to norm 1: with 5,
as planned, one LSTM of three went astray in A, and in a quick trial of B another stayed at 1/6.

What came out: as claimed. GRU and LSTM come to 1.52 and 1.53 nats, the RNN to 1.71, counts of five characters to 1.67;
the two learn to add, the RNN does not. 50 characters back 0.1 and 0.01 of their gradient is left, of the RNN's 0.00006.

    python -m examples char_rnn            three cells, two tasks, three seeds
    python -m examples char_rnn --quick    the same, smaller
    python -m examples char_rnn --grid     search the rates again
"""

from __future__ import annotations

import pydoc_data.topics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, progress, spread
from examples.common.baselines import ngram_loss
from examples.common.classifying import search
from examples.common.exact import graph_size, slope_errors
from examples.common.sequences import adding, equation_error, evaluate, gradient_by_lag, pieces, sample
from tinygrad_lite.data import tiny_shakespeare
from tinygrad_lite.layers import GRU, LSTM, RNN, Linear, Module, init
from tinygrad_lite.optim import Adam, CosineAnnealingLR, clip_grad_norm_

ABOUT = About(
    summary="RNN, LSTM and GRU predict characters, and remember over 100 steps",
    paper="Hochreiter 1997; Cho et al. 2014, arXiv:1406.1078",
    minutes=27,
    quick_minutes=0.7,
)


@dataclass(frozen=True)
class Plan:
    """The sizes of a run. hidden: units of each cell, for equally many parameters."""

    hidden: dict[str, int]
    updates: int
    steps: int
    lr: float
    length: int  # of the adding problem
    adding_updates: int


FULL = Plan({"RNN": 540, "GRU": 300, "LSTM": 256}, 2_000, 128, 2e-3, 100, 3_000)
QUICK = Plan({"RNN": 273, "GRU": 150, "LSTM": 128}, 300, 40, 8e-3, 40, 600)
RATES = {"RNN": 0.003, "GRU": 0.009, "LSTM": 0.027}  # of the full run, on the text
STREAMS = 32
CELLS: dict[str, Any] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}

# --------------------------------------------------------------------------- data


def text(quick: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The numbers of the characters to train on, those of the last tenth, and the alphabet."""
    content = " ".join(" ".join(pydoc_data.topics.topics.values()).split()) if quick else tiny_shakespeare()
    alphabet, ids = np.unique(list(content), return_inverse=True)
    cut = len(ids) * 9 // 10
    return ids[:cut], ids[cut:], alphabet.tolist()


# --------------------------------------------------------------------------- model


class Network(Module):
    """A recurrent cell through time, and a linear layer on its state h at each time."""

    def __init__(self, kind: str, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cell, self.head = CELLS[kind](inputs, hidden), Linear(hidden, outputs)
        if kind == "LSTM":
            init.forget_gate_bias_(self.cell, 1.0)  # remember at first (Gers et al. 2000)

    def forward(self, x: Any, state: tuple | None = None) -> tuple[tl.Tensor, tuple]:
        """Characters (T, N) or values (T, N, inputs) to scores (T, N, outputs), and the last state: (h,) or (h, c)."""
        if x.ndim == 2:
            x = np.eye(self.cell.input_size, dtype=np.float32)[x]
        out, last = self.cell(x, state[0] if state and len(state) == 1 else state)
        return self.head(out), last if isinstance(last, tuple) else (last,)


def rnn_step(x: tl.Tensor, h: tl.Tensor, W: Any, U: Any, b: Any, d: Any) -> tuple[tl.Tensor]:
    """One time of a simple network: what the layer `RNN` does, as it would be written down."""
    return (tl.tanh(x @ W.T + b + h @ U.T + d),)


def lstm_step(x: tl.Tensor, h: tl.Tensor, c: tl.Tensor, W: Any, U: Any, b: Any, d: Any) -> tuple[tl.Tensor, tl.Tensor]:
    """One time of an LSTM: write g where i is open, keep c where f is, show it where o is."""
    i, f, g, o = tl.chunk(x @ W.T + b + h @ U.T + d, 4, -1)
    c = tl.sigmoid(f) * c + tl.sigmoid(i) * tl.tanh(g)
    return tl.sigmoid(o) * tl.tanh(c), c


def gru_step(x: tl.Tensor, h: tl.Tensor, W: Any, U: Any, b: Any, d: Any) -> tuple[tl.Tensor]:
    """One time of a GRU: keep h where z is open, else take n, which sees h as far as r is open."""
    (xr, xz, xn), (hr, hz, hn) = tl.chunk(x @ W.T + b, 3, -1), tl.chunk(h @ U.T + d, 3, -1)
    z, n = tl.sigmoid(xz + hz), tl.tanh(xn + tl.sigmoid(xr + hr) * hn)
    return (z * h + (1 - z) * n,)


EQUATIONS: dict[str, Any] = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}

# --------------------------------------------------------------------------- training


def fit(net: Network, ids: np.ndarray, updates: int, steps: int, lr: float) -> Iterator[tuple]:
    """Minimise the cross-entropy of the next character; yields the last state after each update."""
    optimizer, state = Adam(net.parameters(), lr=lr), None
    schedule = CosineAnnealingLR(optimizer, updates)
    for _, (x, y, begins) in zip(range(updates), pieces(ids, STREAMS, steps)):
        scores, state = net(x, None if begins else state)
        state = tuple(s.detach() for s in state)  # its numbers alone: gradients end here, and the graph doesn't grow
        descend(tl.cross_entropy(scores.flatten(0, 1), y.flatten()), net, optimizer)
        schedule.step()
        yield state


def descend(loss: tl.Tensor, net: Module, optimizer: Adam) -> None:
    """A step of the optimiser, the gradient cut to norm 1."""
    optimizer.zero_grad()
    loss.backward()
    clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def language_model(kind: str, seed: int, quick: bool, lr: float | None = None) -> dict[str, Any]:
    """Train on the text; the validation loss, its curve, the gradient by lag, samples. To try a rate, a score alone."""
    plan, (train, valid, alphabet) = QUICK if quick else FULL, text(quick)
    updates, rate = plan.updates, plan.lr if quick else RATES[kind]
    if lr:
        updates, rate, (train, valid) = updates // 4, lr, np.split(train, [len(train) * 9 // 10])
    net, curve = Network(kind, len(alphabet), plan.hidden[kind], len(alphabet)), []
    with progress(updates, f"text, {kind} {seed}", "update") as bar:
        for update, _ in enumerate(fit(net, train, updates, plan.steps, rate), 1):
            bar.update(1)
            if update % (updates // 10) == 0:
                curve.append(evaluate(net, valid, STREAMS))  # quicker, with 32 beginnings
                bar.set_postfix(nats=f"{curve[-1]:.3f}", refresh=False)
    if lr:
        return {"score": -evaluate(net, valid)}
    rng, lags = np.random.default_rng(seed), gradient_by_lag(net, valid)
    samples = {str(t): "".join(alphabet[k] for k in sample(net, 300, t, rng)) for t in (0.5, 1.0)}
    return {"nats": evaluate(net, valid), "curve": np.round(curve, 4), "lags": lags, "samples": samples}


def adding_problem(kind: str, seed: int, plan: Plan) -> dict[str, Any]:
    """Learn to add; the mean square error on new sequences and that while training."""
    rng, net = np.random.default_rng(seed), Network(kind, 2, 64, 1)
    optimizer, errors = Adam(net.parameters(), lr=plan.lr), []
    with progress(plan.adding_updates, f"adding, {kind} {seed}", "update") as bar:
        for _ in range(plan.adding_updates):
            x, y = adding(rng, plan.length, 64)
            loss = tl.mse_loss(net.head(net.cell(x)[0][-1])[:, 0], y)
            descend(loss, net, optimizer)
            errors.append(loss.item())
            bar.update(1)
    x, y = adding(np.random.default_rng([seed, 1]), plan.length, 2_000)
    with tl.no_grad():
        error = tl.mse_loss(net.head(net.cell(x)[0][-1])[:, 0], y).item()
    return {"error": error, "curve": np.reshape(errors, (60, -1)).mean(1).round(5)}


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    tl.manual_seed(0)
    rng = np.random.default_rng(0)
    x, out = rng.normal(size=(2, 6, 3, 4))
    for kind, cell in CELLS.items():
        error, net = equation_error(cell(5, 4), EQUATIONS[kind]), cell(4, 4, dtype=np.float64)
        errors = [e for p in net.parameters() for e in slope_errors(lambda net=net: (net(x)[0] * out).sum(), p, 4)]
        report.check(f"{kind}: the layer computes its equation", error < 1e-6, f"error {error:.0e}")
        told = f"error {max(errors):.0e}, {len(errors)} blocks"
        report.check(f"{kind}: the gradient of each gate is the finite difference", max(errors) < 1e-6, told)
    counts = {kind: sum(p.size for p in Network(kind, 65, h, 65).parameters()) for kind, h in FULL.hidden.items()}
    told = ", ".join(f"{kind} {n:,}" for kind, n in counts.items())
    report.check("equally many parameters within 5%", max(counts.values()) < 1.05 * min(counts.values()), told)
    ids, net = rng.permutation(np.repeat(np.arange(20), 3_000 // np.arange(1, 21))), Network("LSTM", 20, 32, 20)
    train, valid = np.split(ids, [len(ids) * 9 // 10])
    other = np.append(valid[:8], 19 - valid[8])
    same = np.array_equal(net(valid[:9, None])[0].detach()[:8], net(other[:, None])[0].detach()[:8])
    report.check("what comes later changes no score before", same)
    first, *_, last = fit(net, train, 150, 32, 1e-2)
    entropy, loss = float(-np.log(np.bincount(train)[valid] / len(train)).mean()), evaluate(net, valid)
    told = f"{loss:.3f} of {entropy:.3f} nats"
    report.check("of a text in random order only the frequencies are learned", abs(loss - entropy) < 0.05, told)
    gap = abs(loss - evaluate(net, valid, steps=77))
    report.check("validation is one pass, the state carried on", gap < 1e-5, f"{gap:.0e}")
    graphs = [graph_size(net(valid[:64].reshape(2, 32), state)[0]) for state in (first, last)]
    report.check("the graph does not grow with the updates", graphs[0] == graphs[1], f"{graphs[0]} operations")
    a, b = rng.integers(20, size=(2, 30))
    new, after = evaluate(net, b), evaluate(net, b, state=net(a[:, None])[1])
    told = f"{new:.3f}, {after:.3f} with the state of the one before"
    report.check("a sequence with a new state does not see the one before", new == evaluate(net, b) != after, told)
    error = float(((adding(rng, 10, 100_000)[1] - 1) ** 2).mean())
    report.check("adding: the error of the mean is 1/6", abs(error - 1 / 6) < 2e-3, f"{error:.4f}")


# --------------------------------------------------------------------------- the program


def judge(report: Report, spoken: dict, added: dict, counts: dict[str, float], plan: Plan) -> None:
    """Hold what was measured against what was claimed."""
    nats = {kind: [r["nats"] for r in runs] for kind, runs in spoken.items()}
    errors = {kind: [r["error"] for r in runs] for kind, runs in added.items()}
    show, known = "{:.3f}".format, ", ".join(f"{name} {loss:.3f}" for name, loss in counts.items())
    simple, task = f"RNN {spread(nats['RNN'], show)}", f"adding over {plan.length}"
    best = np.minimum(nats["GRU"], nats["LSTM"])
    gpt = "transformers: 1.88, with 10.7 M weights 1.470 (README of karpathy/nanoGPT)"
    if plan is QUICK:
        report.gate("LSTM: nats a character", nats["LSTM"], None, show, "", known, at_most=counts["bigram"])
        report.gate(f"{task}: error of the LSTM", errors["LSTM"], None, show, "", "1/6 (the mean)", at_most=0.05)
    else:
        for kind in ("GRU", "LSTM"):
            report.gate(f"{kind}: nats a character", nats[kind], None, show, gpt, known, at_most=1.70)
            report.gate(f"{task}: error of the {kind}", errors[kind], None, show, "", "1/6 (the mean)", at_most=0.02)
        report.gate("the better of them: nats below the RNN", np.subtract(nats["RNN"], best), 0.03, show, "", simple)
        report.gate("the better of them: nats below counts of 5", counts["5-gram"] - best, 0.10, show, "", known)
        ratio, told = np.divide(errors["RNN"], errors["LSTM"]), f"RNN {spread(errors['RNN'], show)}"
        report.gate(f"{task}: error of the RNN / of the LSTM", ratio, 5.0, "{:.1f}".format, "", told)
    far = {kind: np.mean([r["lags"] for r in runs], 0) for kind, runs in spoken.items()}
    left = {kind: float(lags[49] / lags[0]) for kind, lags in far.items()}
    held, told = left["RNN"] < min(left["GRU"], left["LSTM"]), ", ".join(f"{k} {n:.0e}" for k, n in left.items())
    report.claim("more of the gradient is left after 50 characters in LSTM and GRU than in the RNN", held, told)
    report.headline = f"LSTM {spread(nats['LSTM'], show)} nats a character, {simple}"


def draw(spoken: dict, added: dict, counts: dict[str, float], plan: Plan) -> Any:
    """The validation loss, the gradient by lag, the adding problem."""
    titles = "Next character", "How far back the gradient reaches", f"Adding over {plan.length}"
    figure, (loss, lags, errors) = figures.panels(*titles)
    for style, (name, value) in zip(("--", ":"), counts.items()):
        loss.axhline(value, color="0.3", linestyle=style, label=name)
    curves = {kind: [r["curve"] for r in runs] for kind, runs in spoken.items()}
    seen = np.linspace(0, plan.updates * STREAMS * plan.steps / 1e6, len(curves["LSTM"][0]) + 1)[1:]
    figures.bands(loss, seen, curves, "million characters", "nats, validation")
    far = {kind: [np.log10(np.maximum(r["lags"], 1e-12)) for r in runs] for kind, runs in spoken.items()}
    figures.bands(lags, range(1, 101), far, "lag k (characters)", "log₁₀ |dL$_T$ / dstate$_{T-k}$|")
    errors.axhline(1 / 6, color="0.3", linestyle="--", label="the mean")
    curves, at = {kind: [r["curve"] for r in runs] for kind, runs in added.items()}, np.arange(1, 61) / 60
    figures.bands(errors, at * plan.adding_updates, curves, "updates", "mean square error")
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    parser = command_line("char_rnn", __doc__ or "")
    parser.add_argument("--grid", action="store_true", help="search the learning rates, and do nothing else")
    args = parser.parse_args(argv)
    plan = QUICK if args.quick else FULL
    train, valid, alphabet = text(args.quick)
    with Experiment(__file__, args, asdict(plan)) as run:
        if args.grid:
            search(run, language_model, list(CELLS), 0.001)
            return run.exit_code
        checks(run.report)
        counts = {name: ngram_loss(train, valid, len(alphabet), n) for name, n in (("bigram", 2), ("5-gram", 5))}
        added = run.over_seeds(adding_problem, list(CELLS), plan)
        spoken = run.over_seeds(language_model, list(CELLS), args.quick)
        judge(run.report, spoken, added, counts, plan)
        run.figure(draw(spoken, added, counts, plan), "figure", "RNN, GRU and LSTM, mean ± sd of the seeds")
        samples = [f"--- {k}, temperature {t}\n{s}\n" for k, r in spoken.items() for t, s in r[0]["samples"].items()]
        (run.out / "samples.txt").write_text("\n".join(samples), "utf-8")
    return run.exit_code
