"""Normalisation: batch, layer, instance, group and weight normalisation, and what each of them is for.

All but the last compute y = (x - mean) / sqrt(var + eps) * gamma + beta, with mean and variance of

    batch     N, H, W    a channel of the batch (Ioffe and Szegedy 2015, arXiv:1502.03167); in inference, averages
    layer     C, H, W    an example (Ba, Kiros and Hinton 2016, arXiv:1607.06450)
    instance  H, W       a channel of an example (Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022)
    group     C/G, H, W  some channels of an example (Wu and He 2018, arXiv:1803.08494)
    weight               none: w = g v / |v| (Salimans and Kingma 2016, arXiv:1602.07868)

Claims: batch norm stops the drift of a layer's inputs ("internal covariate shift"), learns in a fraction of the steps,
and makes sigmoids trainable; its statistics are poor in small batches, where group norm's are not. Layer norm suits
recurrent networks, instance norm ignores the contrast of an image, weight norm adapts the size of its own steps.
Shown: A. MNIST by three layers of 100 sigmoids, batches of 60: steps to 95% of 5,000 validation images (at most 9,000),
and the drift of the median input of the last sigmoids, at best rates and at one: its sd over 3,000 steps,
the mean of the units. B. 20,000 images of Fashion-MNIST by three convolutions, 5 epochs of batches of 32; batch norm is
over all 32 or over groups down to 2, so the gradient has the same noise. C. The networks of B see test images with 0.3
to 3 times the contrast. D. MNIST read row by row by 64 LSTM cells: steps to 90%. The rest is exact, in the CHECKs.

Simplified: small networks, nothing augmented. A begins with Gaussian weights, as in the paper, of sd 0.01, which it
doesn't say, and again with Glorot's. Rates are the best of five or more each (`--grid`: seed 100, by validation).
What came out: batch norm learns A in a third of the steps, but drifts 1.7, not 2 times less, at its own faster rate. In
B groups of 2 cost it 2.6 points, group norm gains 1.4; layer norm doesn't speed up D: four gates fail (tried:
`python -m examples trials normalization`). C's holds since images are centred: by brightness batch norm loses 5 points.

    python -m examples normalization            all of it, three seeds
    python -m examples normalization --quick    A and B on scikit-learn's digits with a tenth of the steps
    python -m examples normalization --grid     search the rates again
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, percent, spread
from examples.common.classifying import as_trained, gradient, outputs, parts, right, search, stream, training
from examples.common.ghosts import Ghosts, small_network
from tinygrad_lite import layers as nn
from tinygrad_lite.data import Images
from tinygrad_lite.optim import SGD, Adam, CosineAnnealingLR

ABOUT = About(
    summary="Batch, layer, instance, group and weight normalisation, and what each is for",
    paper="Ioffe, Szegedy 2015, 1502.03167; Wu, He 2018, 1803.08494",
    minutes=12,
    quick_minutes=0.5,
)

SIZES = (32, 16, 8, 4, 2)
NORMS: dict[str, Callable[[int], nn.Module]] = {
    **{f"batch norm over {n}": lambda c, n=n: Ghosts(nn.BatchNorm2d(c), 32 // n) for n in SIZES},
    "group norm": lambda c: nn.GroupNorm(16, c),
    "layer norm": lambda c: nn.GroupNorm(1, c),
    "instance norm": lambda c: nn.InstanceNorm2d(c, affine=True),
    **dict.fromkeys(("weight norm", "no norm"), lambda c: nn.Identity()),
}
FOUND = {"no norm": 2.43, "batch norm": 7.29, "no norm, Glorot": 2.43, "batch norm, Glorot": 7.29}
RATES = {
    "sigmoids": FOUND | {"batch norm, slow": FOUND["no norm"]},
    "convolve": dict(zip(NORMS, (*[0.027] * 5, 0.009, 0.009, 0.027, 0.001, 0.009))),
    "rows": {"no norm": 0.009, "layer norm": 0.027},
}

# --------------------------------------------------------------------------- models


def sigmoid_layers(name: str, inputs: int) -> nn.Sequential:
    """inputs-100-100-100-10, sigmoids between; the weights begin as small Gaussians, or as Glorot's."""
    net: list[nn.Module] = [nn.Flatten()]
    for before in (inputs, 100, 100):
        net += [nn.Linear(before, 100), nn.BatchNorm1d(100) if "batch" in name else nn.Identity(), nn.Sigmoid()]
    net.append(nn.Linear(100, 10))
    for layer in net[1::3]:
        nn.init.xavier_normal_(layer.weight) if "Glorot" in name else nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*net)


class Rows(nn.Module):
    """Reads an image row by row."""

    def __init__(self, norm: bool, remembers: float) -> None:
        super().__init__()
        self.reader = (nn.LayerNormLSTM if norm else nn.LSTM)(28, 64)
        self.says = nn.Linear(64, 10)
        with tl.no_grad():
            self.reader.bias_ih_l0[64:128] += remembers  # at first it forgets little

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        _, (h, _) = self.reader(tl.permute(x[:, 0], (1, 0, 2)))
        return self.says(h[0])


# --------------------------------------------------------------------------- training and evaluation


def learning(curve: list[float], goal: float, every: int) -> dict[str, Any]:
    """How many steps it took to get so far; all of them, if it never did."""
    steps = next((k for k, share in enumerate(curve) if share >= goal), len(curve) - 1) * every
    return {"steps": steps, "curve": curve, "every": every, "score": curve[-1] - steps}


def sigmoids(name: str, seed: int, quick: bool, lr: float | None = None, **way: Any) -> dict[str, Any]:
    """A: the steps that it takes, and the 15th, 50th and 85th percentile of the inputs of the last sigmoids."""
    train, held, _ = parts("digits" if quick else "mnist")
    steps, every, goal = (300, 5, 0.9) if quick else (9_000, 25, 0.95)
    net = sigmoid_layers(name, train.images[0].size)
    optimizer = way.get("rule", SGD)(net.parameters(), lr=lr or (2.43 if quick else RATES["sigmoids"][name]))
    curve, units = [], []
    for t in training(net, optimizer, stream(train, way.get("batch", 60), seed), steps, f"{name} {seed}"):
        if t % every == 0:
            curve.append(right(net, held))
            units.append(np.percentile(as_trained(net[:-2], held.images[:500]), (15, 50, 85), axis=0))
            if t >= 3_000 and max(curve) >= goal:
                break
    seen = np.array(units[:121])  # (times, 3, 100), of 3,000 steps
    return {**learning(curve, goal, every), "drift": seen[:, 1].std(0).mean(), "unit": seen[:, :, 0].round(3)}


def convolve(name: str, seed: int, quick: bool, lr: float | None = None, **way: Any) -> dict[str, Any]:
    """B and C: the share of test images that is right, as they are and with other contrasts."""
    train, held, test = parts("digits") if quick else parts("fashion_mnist", 20_000, centred=True)
    steps = 312 if quick else way.get("steps", 1_000) if lr else 3_125  # a search has a third of the training
    net = small_network(way.get("norm", NORMS[name]), bias=name in ("weight norm", "no norm"))
    if name == "weight norm":
        for layer in (net[0], net[3], net[6], net[10]):
            nn.weight_norm(layer)
        nn.init_weight_norm_(net, tl.tensor(train.images[:500]))
    optimizer = way.get("rule", Adam)(net.parameters(), lr=lr or (0.01 if quick else RATES["convolve"][name]))
    schedule = CosineAnnealingLR(optimizer, steps)
    for t in training(net, optimizer, stream(train, 32, seed), steps, f"{name} {seed}"):
        if t and not quick:
            schedule.step()
    if lr:
        return {"score": right(net, held)}
    times = np.float32(np.exp(np.random.default_rng(3).uniform(np.log(0.3), np.log(3), (len(test.labels), 1, 1, 1))))
    result, black = {"test": right(net, test), "parameters": sum(p.size for p in net.parameters())}, test.images.min()
    for what, level in (("contrast", 0), ("brightness", black)):  # from the mean grey, or from black
        result[what] = right(net, Images((test.images - level) * times + level, test.labels))
    return result


def rows(name: str, seed: int, quick: bool, lr: float | None = None, **way: Any) -> dict[str, Any]:
    """D: the steps that it takes to read."""
    train, held, _ = parts("mnist", centred=way.get("centred", True))
    held = Images(held.images[:1_000], held.labels[:1_000])
    net = Rows(name == "layer norm", way.get("remembers", 1.0))
    optimizer = way.get("rule", Adam)(net.parameters(), lr=lr or RATES["rows"][name])
    steps = training(net, optimizer, stream(train, 64, seed), 600, f"{name} {seed}")
    return learning([right(net, held) for t in steps if t % 10 == 0], 0.9, 10)


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly, in float64."""
    rng = np.random.default_rng(0)
    x, y = tl.tensor(rng.normal(2, 3, (4, 6, 5, 5))), rng.integers(0, 10, 32)
    images = tl.tensor(rng.random((32, 1, 8, 8)))

    def same(claim: str, one: Any, other: Any, within: float = 1e-6) -> None:
        error = float(np.abs(np.asarray(one) - np.asarray(other)).max())
        report.check(claim, error <= within, f"error {error:.0e}")

    with tl.no_grad():
        same("group norm with one group is layer norm over C, H, W", tl.group_norm(x, 1), tl.layer_norm(x, (6, 5, 5)))
        same("group norm with a group for each channel is instance norm", tl.group_norm(x, 6), tl.instance_norm(x))
        alone = tl.batch_norm(x[:1], None, None, training=True)
        same("instance norm is batch norm of a batch of one", tl.instance_norm(x[:1]), alone)
        std, mean = x.std((0, 2, 3), correction=0), x.mean((0, 2, 3))
        same("gamma = std, beta = mean undo batch norm", tl.batch_norm(x, None, None, std, mean, True), x, 1e-5)
        net = small_network(NORMS["batch norm over 32"]).double()
        net(images)
        net.eval()
        together, alone = net(images)[0], net(tl.concatenate([images[:1], 9 * images[1:]]))[0]
        same("in inference an image's batch mates don't matter: batch norm", together, alone, 0)
        net = small_network(lambda c: nn.InstanceNorm2d(c, eps=1e-12)).double()
        same("instance norm after convolutions without biases ignores the contrast", net(0.3 * images), net(3 * images))
    weighted = nn.weight_norm(nn.Conv2d(3, 4, 2, bias=False).double())
    for name, shape, function in (
        ("batch", (3,), lambda x, w, b: tl.batch_norm(x, None, None, w, b, training=True)),
        ("layer", (3, 2, 2), lambda x, w, b: tl.layer_norm(x, (3, 2, 2), w, b)),
        ("instance", (3,), lambda x, w, b: tl.instance_norm(x, None, None, w, b)),
        ("group", (3,), lambda x, w, b: tl.group_norm(x, 3, w, b)),
        ("weight", (4, 3, 2, 2), lambda x, v, _: nn.functional_call(weighted, {"weight_v": v}, x)),
    ):
        verdict = tl.testing.gradcheck(function, *(rng.normal(size=s) for s in ((2, 3, 2, 2), shape, shape))).verdict
        report.check(f"{name} norm: the gradient is that of finite differences", verdict == "right", verdict)
    net = small_network(NORMS["group norm"]).double()
    pairs = [gradient(net, images[k : k + 2], y[k : k + 2]) for k in range(0, 32, 2)]
    same("group norm loses nothing in groups of 2: the gradients add up", np.mean(pairs, 0), gradient(net, images, y))
    net = nn.Sequential(nn.Flatten(), nn.weight_norm(nn.Linear(64, 20)), nn.ReLU(), nn.weight_norm(nn.Linear(20, 10)))
    nn.init_weight_norm_(net.double(), images)
    first = outputs(net[:2], images.numpy())
    same("weight norm started from a batch: outputs of mean 0 and variance 1", [first.mean(0), first.var(0) - 1], 0)
    optimizer, v = SGD(net.parameters(), lr=0.5), net[1].weight_v
    along, lengths = [], []
    for _ in range(20):
        gradient(net, images, y)
        along.append(np.sum(v.detach().numpy() * v.grad.numpy(), 1))
        lengths.append(np.linalg.norm(v.detach().numpy(), axis=1))
        optimizer.step()
    same("weight norm: the gradient of v is orthogonal to v", along, 0)
    grown = np.diff(lengths, axis=0)
    report.check("weight norm: SGD never makes v shorter", grown.min() >= 0, f"grown by {grown.sum(0).mean():.2f}")


# --------------------------------------------------------------------------- the program


def judge(report: Report, learnt: dict, seen: dict, read: dict, quick: bool) -> None:
    """Hold what was measured against what was claimed."""
    times, points, count = "{:.1f}x".format, "{:+.2%}".format, "{:.3g}".format

    def of(found: dict, what: str) -> dict[str, np.ndarray]:
        return {name: np.array([r[what] for r in runs]) for name, runs in found.items()}

    steps, drift, test, contrast = of(learnt, "steps"), of(learnt, "drift"), of(seen, "test"), of(seen, "contrast")
    for told, values, least, paper in (
        (f"steps to {'90' if quick else '95'}% with sigmoids", steps, 3, "14x (ImageNet, aleju/papers)"),
        ("drift of the inputs of the last sigmoids", drift, 2, ""),
    ):
        ratio, baseline = values["no norm"] / values["batch norm"], f"{spread(values['no norm'], count)} (no norm)"
        report.gate(f"{told}: no norm / batch norm", ratio, 1.5 if quick else least, times, paper, baseline)
    wide, two, group = (test[name] for name in ("batch norm over 32", "batch norm over 2", "group norm"))
    told, paper = f"{spread(two, percent)} (batch norm over 2)", "10.6 points (ImageNet, aleju/papers)"
    what, gain = "groups of 2: group norm - batch norm", group - two
    report.headline = f"{what} {spread(gain, points)}"
    counts = {runs[0]["parameters"] for name, runs in seen.items() if name not in ("weight norm", "no norm")}
    report.check("as many parameters with each of these norms", len(counts) == 1, str(counts))
    if quick:
        report.claim(what, gain.mean() >= 0, spread(gain, points), "≥ 0", paper, told, gain)
        return
    report.gate(what, gain, 0.02, points, paper, told)
    glorot, slow = steps["no norm, Glorot"] / steps["batch norm, Glorot"], drift["no norm"] / drift["batch norm, slow"]
    for told, ratio, least in (("steps, with Glorot's weights", glorot, 3), ("drift, both at one rate", slow, 2)):
        report.claim(told, ratio.mean() >= least, spread(ratio, times), f"≥ {least}x", values=ratio)
    report.gate("batch norm over 2 loses", wide - two, 0.03, points, "", f"{spread(wide, percent)} (over 32)")
    for name, paper in (("group norm", "-0.5"), ("layer norm", "-1.7"), ("instance norm", "-4.8")):
        gap, paper = test[name] - wide, f"{paper} points (ImageNet, aleju/papers)"
        report.claim(f"{name} - batch norm over 32", gap.mean() < 0, spread(gap, points), "< 0", paper)
    gap, paper = test["weight norm"] - test["no norm"], "both about 8.4% error (CIFAR-10, aleju/papers)"
    report.claim("weight norm - no norm", abs(gap.mean()) < 0.01, spread(gap, points), "within 1 point", paper)
    lost, told = {name: test[name] - contrast[name] for name in test}, "contrast times 0.3 to 3 costs"
    report.gate(f"{told} instance norm", lost["instance norm"], None, points, at_most=0.02)
    report.gate(f"{told} batch norm", lost["batch norm over 32"], 0.1, points)
    gap = test["batch norm over 32"] - of(seen, "brightness")["batch norm over 32"]
    report.claim("brightness times 0.3 to 3 costs batch norm", gap.mean() >= 0.1, spread(gap, points), "≥ 10 points")
    with_norm, without = of(read, "steps")["layer norm"], of(read, "steps")["no norm"]
    ratio, told = with_norm / without, f"{spread(without, count)} (no norm)"
    report.gate("steps of an LSTM to 90%: layer norm / no norm", ratio, None, "{:.2f}x".format, "", told, at_most=0.8)


def draw(learnt: dict, seen: dict, read: dict) -> Any:
    """The inputs of a sigmoid over the training, how accuracy depends on the size of the groups, and the readers."""
    titles = ["Input of a sigmoid: no norm", "The same with batch norm", "Test images", "Reading row by row"]
    figure, panels = figures.panels(*titles[: 4 if read else 3], columns=2, size=(5, 3.4))
    for axes, name in zip(panels, ("no norm", "batch norm, slow" if read else "batch norm")):
        low, middle, high = np.array(learnt[name][0]["unit"]).T
        axes.plot(steps := np.arange(len(middle)) * learnt[name][0]["every"], middle, label="median")
        axes.fill_between(steps, low, high, alpha=0.25, linewidth=0, label="15% to 85%")
        axes.set(xlabel="step", ylabel="input of the unit")
        axes.legend()
    panels[1].sharey(panels[0])
    tests = {name: [100 * r["test"] for r in runs] for name, runs in seen.items()}
    sizes = [n for n in SIZES if f"batch norm over {n}" in tests]
    lines = {"batch norm": np.transpose([tests[f"batch norm over {n}"] for n in sizes])}
    lines |= {name: np.transpose([values] * len(sizes)) for name, values in tests.items() if " over " not in name}
    figures.bands(panels[2], sizes, lines, "images that batch norm is over", "right, %")
    panels[2].set_xscale("log", base=2)
    panels[2].set_xticks(sizes, sizes)
    if read:
        curves = {name: [[100 * share for share in r["curve"]] for r in runs] for name, runs in read.items()}
        figures.bands(panels[3], np.arange(61) * 10, curves, "step", "right of validation images, %")
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    parser = command_line("normalization", __doc__ or "")
    parser.add_argument("--grid", action="store_true", help="search the learning rates, and do nothing else")
    args = parser.parse_args(argv)
    with Experiment(__file__, args, {"rates": RATES}) as run:
        if args.grid:
            for work, lowest in ((sigmoids, 0.27), (convolve, 1e-3), (rows, 1e-3)):
                search(run, work, list(RATES[work.__name__])[: 4 if work is sigmoids else 10], lowest)
            return run.exit_code
        checks(run.report)
        learnt = run.over_seeds(sigmoids, list(RATES["sigmoids"])[: 2 if run.quick else 5], run.quick)
        three = ["batch norm over 32", "batch norm over 2", "group norm"]
        seen = run.over_seeds(convolve, three if run.quick else list(NORMS), run.quick)
        read = {} if run.quick else run.over_seeds(rows, ["no norm", "layer norm"], False)
        judge(run.report, learnt, seen, read, run.quick)
        run.figure(draw(learnt, seen, read), "figure", "What norms do: means of the seeds in bands of ± sd")
    return run.exit_code
