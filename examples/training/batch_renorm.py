"""Batch renormalisation: batch normalisation that trains on what inference will compute.

Claim (Ioffe 2017, arXiv:1702.03275): batch norm trains with the statistics of the batch, mu_B and sigma_B, and infers
with averages of them, mu and sigma. Where batches are small, or their examples not independent, the two differ. With

    x_hat = (x - mu_B) / sigma_B * r + d,    r = sigma_B / sigma limited to 1 / r_max .. r_max,
                                             d = (mu_B - mu) / sigma limited to -d_max .. d_max,

both constants to the gradient, training computes what inference will. It begins as batch norm (r_max 1, d_max 0); then
the limits are relaxed. To take the averages alone, without a gradient through mu_B and sigma_B, does not work: steps
of gradient descent and the normalisation undo each other, the weights grow and the loss explodes.

Shown: 20,000 images of Fashion-MNIST, three convolutions, 1,500 steps with batches of 128, whose statistics are those
of (i) all 128; (ii) groups of 4; (iii) 8 groups of 16, each of two classes. In (iii) the whole batch, and so the
gradient, has all classes about equally. Batch norm for 4% of the steps, d_max is 5 from 20% on, r_max 3 from 31%. All
infer with the averages; as a diagnosis, batch norm of (iii) also with the statistics of test images in such groups.

Simplified: the paper has Inception-v3 and ImageNet. The rate, Adam's, is the best of five or more in each case
(`--grid`: seed 100, 500 steps, by validation) and falls along a cosine. The averages move by 0.2 a step: in training
this short 0.02, as first planned, lag behind. What came out: (iii) is as claimed, renorm 85.1%, batch norm 73.3%; but
renorm is 3 points below batch norm over 128, and half a point below batch norm in (ii): two gates fail
(`python -m examples trials batch_renorm`). By averages alone the loss explodes with one seed of three.

    python -m examples batch_renorm            six trainings, three seeds
    python -m examples batch_renorm --quick    (iii) with two hidden layers on scikit-learn's digits
    python -m examples batch_renorm --grid     search the rates again
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, percent, spread
from examples.common.classifying import parts, right, search, stream, training
from examples.common.ghosts import Ghosts, small_network
from tinygrad_lite import layers as nn
from tinygrad_lite.data import Images
from tinygrad_lite.optim import SGD, Adam, CosineAnnealingLR

ABOUT = About(
    summary="Batch renormalisation, for small batches and for batches of two classes",
    paper="Ioffe 2017, arXiv:1702.03275",
    minutes=11,
    quick_minutes=0.2,
)

GROUPS = {"128": 1, "fours": 32, "two classes": 8}  # of a batch
MOMENTUM = 0.2  # how far the averages move in a step
VARIANTS = [f"{norm}, {case}" for case in GROUPS for norm in ("batch norm", "renorm")]
RATES = dict(zip(VARIANTS, (0.027, 0.009, 0.027, 0.027, 0.027, 0.009)))

# --------------------------------------------------------------------------- data


def two_classes(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices (groups, 16): 8 images of a class and 8 of another; five groups in a row have all classes."""
    members = [rng.permutation(np.flatnonzero(labels == c)) for c in range(10)]
    n = min(map(len, members)) // 8
    eights = np.stack([m[: 8 * n].reshape(n, 8) for m in members], axis=1)  # (n, 10, 8)
    order = rng.permuted(np.tile(np.arange(10), (n, 1)), axis=1)
    return np.take_along_axis(eights, order[..., None], axis=1).reshape(-1, 16)


class TwoClasses:
    """Batches of 8 groups of two classes each; the images of group g are every 8th, as `Ghosts` has it."""

    def __init__(self, data: Images, seed: int) -> None:
        self.data, self.rng = data, np.random.default_rng([seed, 4])

    def __iter__(self) -> Iterator[tuple[tl.Tensor, np.ndarray]]:
        groups = two_classes(self.data.labels, self.rng)
        for k in range(0, len(groups) - 7, 8):
            ids = groups[k : k + 8].T.ravel()
            yield tl.tensor(self.data.images[ids]), self.data.labels[ids]


# --------------------------------------------------------------------------- models


class ByAverages(nn.BatchNorm2d):
    """What does not work: normalise by the averages as they are, in training as well, and let them follow."""

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        mean, var = self.running_mean.clone(), self.running_var.clone()
        if self.training:
            with tl.no_grad():
                super().forward(x)
        return tl.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)


def network(norm: str, groups: int, steps: int, quick: bool, **changes: float) -> nn.Module:
    """The small network, or 64-64-64-10, with a norm whose schedule fits so many steps; changes: of its options."""
    schedule = {"warmup_steps": steps // 25, "d_steps": steps // 5, "r_steps": steps * 31 // 100}
    kinds = {"batch norm": (nn.BatchNorm2d, nn.BatchNorm1d), "renorm": (nn.BatchRenorm2d, nn.BatchRenorm1d)}

    def normed(channels: int) -> nn.Module:
        if norm == "averages":
            return ByAverages(channels, momentum=MOMENTUM)
        options = {"momentum": MOMENTUM, **(schedule if norm == "renorm" else {}), **changes}
        return Ghosts(kinds[norm][quick](channels, **options), groups)

    if not quick:
        return small_network(normed)
    hidden = [part for _ in range(2) for part in (nn.Linear(64, 64), normed(64), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))


# --------------------------------------------------------------------------- training and evaluation


def train(variant: str, seed: int, quick: bool, lr: float | None = None, **way: Any) -> dict[str, Any]:
    """Train; what is right of the test images, the curve, how often limits cut. lr, way: tried, by validation alone."""
    kind, case = variant.split(", ")
    train, held, test = parts("digits") if quick else parts("fashion_mnist", 20_000, centred=True)
    steps = way.pop("steps", 500) if lr or quick else 1_500
    net = network(kind, GROUPS[case], steps, quick, **way)
    batches: Iterable = TwoClasses(train, seed) if case == "two classes" else stream(train, 128, seed)
    optimizer = Adam(net.parameters(), lr=lr or (0.01 if quick else RATES[variant]))
    schedule, curve, limited = CosineAnnealingLR(optimizer, steps), [], []
    few = Images(held.images[:1_000], held.labels[:1_000])
    for t in training(net, optimizer, batches, steps, f"{variant} {seed}"):
        if t and not quick:
            schedule.step()
        if t % (steps // 30) == 0 and not lr:
            curve.append(right(net, few))
            limited.append(at_limits(net) if kind == "renorm" and t else (0, 0))
    result = {"score": right(net, held), "curve": curve, "limited": limited}
    if lr:
        return result
    parameters = sum(p.size for p in net.parameters())
    result |= {"test": right(net, test), "parameters": parameters}
    return {**result, "as trained": right_in_groups(net, test)} if case == "two classes" else result


def at_limits(net: nn.Module) -> tuple[float, float]:
    """The shares of r and of d, over norms, groups and channels, that their limits cut off in the last batch."""
    cut: list[list[np.ndarray]] = [[], []]
    for layer in net.modules():
        if isinstance(layer, Ghosts):
            x = layer.seen.reshape(-1, layer.groups, *layer.seen.shape[1:])
            places, (r_max, d_max), sigma = (0, *range(3, x.ndim)), layer.norm.limits(), layer.norm.running_std.numpy()
            cut[0].append(np.abs(np.log(np.sqrt(x.var(places) + 1e-5) / sigma)) > np.log(r_max))
            cut[1].append(np.abs((x.mean(places) - layer.norm.running_mean.numpy()) / sigma) > d_max)
    r, d = (float(np.mean(np.concatenate(c, axis=None))) for c in cut)
    return r, d


def right_in_groups(net: nn.Module, test: Images) -> float:
    """The share that is right with the statistics of groups of two classes, as in training. It moves the averages."""
    net.train()
    with tl.no_grad():
        found = [net(x).numpy().argmax(1) == y for x, y in TwoClasses(test, 0)]
    return float(np.mean(found))


def averages(variant: str, seed: int, steps: int) -> dict[str, Any]:
    """Train with the averages alone: the loss, and how many times as long as at first the weights are."""
    train, _, _ = parts("fashion_mnist", 20_000, centred=True)
    net = network(variant, 1, steps, quick=False)
    optimizer = SGD(net.parameters(), lr=0.27, momentum=0.9)
    x, y = tl.tensor(train.images[:500]), train.labels[:500]
    lengths, losses = [], []
    for t in training(net, optimizer, stream(train, 128, seed), steps, f"{variant} {seed}"):
        if t % 10 == 0:
            net.eval()
            with tl.no_grad():
                losses.append(tl.cross_entropy(net(x), y).item())
            net.train()
            lengths.append(float(np.sqrt(sum(np.sum(p.detach().numpy() ** 2.0) for p in net.parameters()))))
            if not losses[-1] < 1e6:
                break
    return {"loss": [min(v, 1e9) if v == v else 1e9 for v in losses], "growth": lengths[-1] / lengths[0]}


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    rng = np.random.default_rng(0)
    x, g = rng.normal(1, 2, (16, 3, 2, 2)), rng.normal(size=(16, 3, 2, 2))
    free = {"warmup_steps": 0, "r_steps": 0, "d_steps": 0}

    def known(layer: Any) -> Any:
        """With averages that are not those of x."""
        layer.running_mean.copy_([0.5, -1, 2])
        getattr(layer, "running_std", layer.running_mean).copy_([1, 2, 3])
        return layer.double()

    def results(layer: nn.Module, part: slice = slice(None)) -> np.ndarray:
        leaf = tl.tensor(x[part], requires_grad=True)
        y = layer(leaf)
        return np.stack([y.detach().numpy(), tl.grad(y, leaf, g[part]).numpy()])

    for groups in (1, 4):
        pair = [nn.BatchRenorm2d(3, r_max=1, d_max=0, **free).double(), nn.BatchNorm2d(3).double()]
        one, other = (results(Ghosts(layer, groups)) for layer in pair)
        told = f"r_max = 1, d_max = 0 is batch norm, bit for bit, groups: {groups}"
        report.check(told, np.array_equal(one, other))
    layer = known(nn.BatchRenorm2d(3, momentum=0.5, r_max=np.inf, d_max=np.inf, **free))
    with tl.no_grad():
        layer.eval()
        inferred = layer(tl.tensor(x)).numpy()
        layer.train()
        error = np.abs(Ghosts(layer, 4)(tl.tensor(x)).numpy() - inferred).max()
    report.check("without limits training computes what inference did before", error < 1e-5, f"error {error:.0e}")
    layer = known(nn.BatchRenorm2d(3, momentum=0, **free))
    verdict = tl.testing.gradcheck(lambda x: layer(x), x[:4]).verdict
    told = "the gradient is that of differences with r and d held, and is not with r and d free"
    report.check(told, verdict == "held constant", verdict)
    layer, found = network("renorm", 1, 1_500, quick=False)[1].norm, []
    for step in (60, 300, 465):
        layer.num_batches_tracked.copy_(step)
        found.append(tuple(round(limit, 2) for limit in layer.limits()))
    told = "the schedule: r_max and d_max after 4, 20 and 31% of the steps"
    report.check(told, found[0] == (1, 0) and found[1][1] == 5 and found[2] == (3, 5), str(found))
    together = results(Ghosts(nn.BatchNorm2d(3).double(), 4))
    apart = [results(nn.BatchNorm2d(3).double(), slice(k, None, 4)) for k in range(4)]
    error = np.abs(together - np.stack(apart, axis=2).reshape(together.shape)).max()
    report.check("groups are normalised as if each were alone", error < 1e-12, f"error {error:.0e}")
    labels = np.repeat(np.arange(10), 40)
    groups_of = labels[two_classes(labels, rng)]
    two = all(len(set(group)) == 2 for group in groups_of)
    counts = [np.bincount(batch.ravel(), minlength=10) for batch in groups_of.reshape(-1, 5, 16)]
    report.check("groups have two classes, five of them all ten equally", two and np.ptp(counts) == 0)


# --------------------------------------------------------------------------- the program


def judge(report: Report, found: dict[str, list], naive: list[dict], quick: bool) -> None:
    """Hold what was measured against what was claimed."""
    points, source = "{:+.2%}".format, "of ImageNet (public notes on the paper)"
    test = {name: np.array([r["test"] for r in runs]) for name, runs in found.items()}
    same = len({runs[0]["parameters"] for runs in found.values()}) == 1
    report.check("as many parameters in each", same, f"{next(iter(found.values()))[0]['parameters']:,}")
    norm, renorm = test["batch norm, two classes"], test["renorm, two classes"]
    told, baseline = "(iii) two classes in a group: renorm - batch norm", f"{spread(norm, percent)} (batch norm)"
    report.gate(told, renorm - norm, 0.02 if quick else 0.03, points, "", baseline)
    report.headline = f"two classes in a group: renorm {spread(renorm, percent)}, batch norm {spread(norm, percent)}"
    if quick:
        return
    gap, told = renorm - test["batch norm, 128"], f"{spread(test['batch norm, 128'], percent)} (batch norm over 128)"
    paper = f"78.5 - 78.3% {source}"
    report.gate("(iii) renorm - batch norm over 128", gap, -0.015, points, paper, told)
    gap = np.array([r["as trained"] for r in found["batch norm, two classes"]]) - norm
    told = "(iii) batch norm: statistics of test groups of two classes - averages"
    report.gate(told, gap, 0.02, points, f"76.5% with the former {source}", baseline)
    gap, told = test["renorm, fours"] - test["batch norm, fours"], spread(test["batch norm, fours"], percent)
    paper = f"76.5 - 74.2% {source}"
    report.gate("(ii) groups of 4: renorm - batch norm", gap, 0.01, points, paper, f"{told} (batch norm)")
    gap = test["renorm, 128"] - test["batch norm, 128"]
    report.claim("(i) renorm - batch norm over 128: about nothing", abs(gap.mean()) < 0.01, spread(gap, points), "± 1%")
    ends, growth = [r["loss"][-1] for r in naive], [r["growth"] for r in naive]
    told, measured = "by averages alone: the loss explodes", f"{spread(ends)}, weights {spread(growth)} times as long"
    report.claim(told, min(ends) > 2.4, measured, "> 2.4", values=ends)


def draw(found: dict[str, list], naive: list[dict], steps: int) -> Any:
    """Learning curves of each case, how often the limits cut, and what averages alone do."""
    cases = {case: {n.split(", ")[0]: r for n, r in found.items() if n.endswith(case)} for case in GROUPS}
    told = {"128": "(i) Statistics of 128", "fours": "(ii) Of groups of 4", "two classes": "(iii) Of two classes"}
    titles = [told[case] for case, runs in cases.items() if runs] + ["Cut off by the limits, (iii)"]
    figure, panels = figures.panels(*titles, *["By averages alone"] * bool(naive), columns=3)
    for axes, runs in zip(panels, filter(None, cases.values())):
        curves = {name: [[100 * share for share in r["curve"]] for r in seeds] for name, seeds in runs.items()}
        at = np.linspace(0, steps, len(curves["renorm"][0]))
        figures.bands(axes, at, curves, "step", "right of validation images, %")
        best = max(np.mean(c, 0)[-1] for c in curves.values())
        axes.set_ylim(best - 25, best + 3)
    cut = np.array([r["limited"] for r in found["renorm, two classes"]]) * 100
    at, cut = np.linspace(0, steps, cut.shape[1])[1:], cut[:, 1:]
    figures.bands(panels[len(titles) - 1], at, {"r": cut[..., 0], "d": cut[..., 1]}, "step", "share of r and d, %")
    if naive:
        for r in naive:
            panels[-1].plot(np.arange(len(r["loss"])) * 10, r["loss"], color=figures.COLOURS[1])
        panels[-1].set(xlabel="step", ylabel="loss", yscale="log")
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    parser = command_line("batch_renorm", __doc__ or "")
    parser.add_argument("--grid", action="store_true", help="search the learning rates, and do nothing else")
    args = parser.parse_args(argv)
    with Experiment(__file__, args, {"rates": RATES}) as run:
        if args.grid:
            search(run, train, VARIANTS, 1e-3)
            return run.exit_code
        checks(run.report)
        found = run.over_seeds(train, VARIANTS[4:] if run.quick else VARIANTS, run.quick)
        naive = [] if run.quick else run.over_seeds(averages, ["averages"], 600)["averages"]
        judge(run.report, found, naive, run.quick)
        caption = "Batch norm and renorm, means of the seeds in bands of ± sd"
        run.figure(draw(found, naive, 500 if run.quick else 1_500), "figure", caption)
    return run.exit_code
