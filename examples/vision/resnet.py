"""ResNet: deeper plain networks train worse, residual ones do not.

Claim (He, Zhang, Ren and Sun 2015, arXiv:1512.03385): of two plain networks the deeper one has the larger *training*
error, so this "degradation" is no overfitting. Nor is it for want of a good solution: a shallow network with layers
added that compute the identity is a deep one that is as good, and training does not find it. If each block computes

    y = relu(F(x) + x)        and not        y = relu(F(x)),

F = 0 gives the identity, and depth helps again.

Shown: plain and residual networks of 20 and 56 layers learn CIFAR-10, subset. All have batch norm, and as the shortcuts
have no parameters, the twins have equally many. Compared is the training loss over the last 100 steps. The norm of the
gradient in the first convolution over that in the last tells how signals fare on their way back before anything is
learned. A trained plain-20 is extended to 56 layers by identity kernels. As in figure 7 of the paper, the deviation of
the responses of the layers, after batch norm, tells how much each changes its input.

Simplified: 15,000 pictures of 16 x 16 (means over 2 x 2 pixels), half the channels, 1,170 steps where the paper has
64,000, no augmentation: it is the order of the networks that is to be reproduced, not the paper's errors. Rate 0.1,
batches of 128, momentum and decay are the paper's for every network, after a warm-up over 100 steps; nothing was tuned.
The 5,000 pictures held out are for the curves; the 1,000 of the test are read once.

What came out: plain-56 ends with a training loss near 1.95, plain-20 near 1.2, both residual networks near 0.8. The
extension of plain-20 has exactly its loss. Before training the gradient of plain-56 is 2,000 times as large in the
first convolution as in the last, that of residual-56 ten times. Responses of plain-56 grow, most in the first layers.
Not reproduced: a lower test error of residual-56 than of residual-20. In so few steps it has no lower training loss
either, so there is nothing yet that could generalise better.

    python -m examples resnet            four networks, three seeds
    python -m examples resnet --quick    digits, 8 and 32 layers, one seed
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, percent, spread
from examples.common.small_images import DECAY, LR, Parts, learn, measured, small_images
from tinygrad_lite.layers import BasicBlock, BatchNorm2d, Conv2d, Module, ResNet, init

ABOUT = About(
    summary="The deeper plain network trains worse; with shortcuts it does not",
    paper="He et al. 2015, arXiv:1512.03385",
    minutes=17,
    quick_minutes=0.5,
)

WIDTHS, BATCH, LAST = (8, 16, 32), 128, 100
SOURCE = "(He et al. 2015, as listed by akamaster/pytorch_resnet_cifar10)"

# --------------------------------------------------------------------------- networks


def network(name: str, channels: int) -> ResNet:
    """'plain-20', 'residual-56', ...: 6n + 2 layers, of which each of three stages has n blocks of two."""
    kind, depth = name.split("-")
    shortcut = {"plain": "none", "residual": "A"}[kind]
    return ResNet((int(depth) - 2) // 6, WIDTHS, channels, shortcut=shortcut)


def extended(net: ResNet, deep: ResNet) -> ResNet:
    """`deep` with the layers of the plain `net` first in each stage, and the identity in all that are left.

    Kernels with a one in the middle, batch norms that undo their scale, and relu, which leaves as it is what comes out
    of a relu. Batch norm takes its running statistics, so this holds in inference mode.
    """
    known = dict(net.named_modules())
    deep.load_state_dict({**deep.state_dict(), **net.state_dict()})
    for name, block in deep.named_modules():
        if isinstance(block, BasicBlock) and name not in known:
            for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
                init.dirac_(conv.weight)
                init.constant_(norm.weight, (1 + norm.eps) ** 0.5)  # y = x / sqrt(1 + eps) * gamma
    return deep


def of_type(net: Module, kind: type) -> list[Any]:
    """The modules of a kind, from the input to the output."""
    return [module for module in net.modules() if isinstance(module, kind)]


def responses(net: ResNet) -> list[float]:
    """The deviation of each layer's response, its 3x3 convolution after batch norm.

    A channel has mean beta and deviation |gamma| there, so the layer's variance is mean gamma^2 + var beta.
    """
    with tl.no_grad():
        return [float(tl.sqrt((m.weight**2).mean() + m.bias.var(correction=0))) for m in of_type(net, BatchNorm2d)]


# --------------------------------------------------------------------------- training and evaluation


def gradient_ratio(name: str, seed: int) -> float:
    """|gradient of the first convolution| / |of the last one| before any training, on 32 random images."""
    net, rng = network(name, 3), np.random.default_rng(seed)
    x = rng.normal(size=(32, 3, 8, 8)).astype(np.float32)
    tl.cross_entropy(net(x), rng.integers(0, 10, 32)).backward()
    norms = [float(np.linalg.norm(conv.weight.grad.numpy())) for conv in of_type(net, Conv2d)]
    return norms[0] / norms[-1]


def train(name: str, seed: int, data: Parts, epochs: int, batch: int) -> dict[str, Any]:
    """Train a network; its losses, errors and responses, and what becomes of a plain one by identity layers."""
    channels = data.train.images.shape[1]
    net = network(name, channels)
    history = learn(net, data, seed, epochs, batch, f"{name} seed {seed}")
    found = {
        "loss": float(history.steps["loss"][-LAST:].mean()),
        "losses": history.epochs["loss"],
        "training error": 1 - history.epochs["accuracy"],
        "held-out error": 1 - history.epochs["validation_accuracy"],
        "test error": 1 - measured(net, data.test)["accuracy"],
        "responses": responses(net),
        "parameters": sum(p.size for p in net.parameters()),
    }
    if name == "plain-20":
        deep = extended(net, network("plain-56", channels))
        found["extended"] = [measured(n, data.train)["loss"] for n in (net, deep)]
    return found


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    for depth in (8, 20, 32, 56):
        twins = network(f"plain-{depth}", 3), network(f"residual-{depth}", 3)
        sizes = [sum(p.size for p in net.parameters()) for net in twins]
        told = f"as many parameters with shortcuts as without, {depth} layers"
        report.check(told, sizes[0] == sizes[1], f"{sizes[0]:,} and {sizes[1]:,}")
        norms = [len(of_type(net, BatchNorm2d)) for net in twins]
        told = f"a batch norm after each convolution of both, {depth} layers"
        report.check(told, norms == [depth - 1, depth - 1], f"{norms[0]} and {norms[1]}")
    block, x = BasicBlock(8, 8), tl.randn(4, 8, 6, 6)
    init.zeros_(block.bn2.weight)
    same = bool((block(x) == tl.relu(x)).all())
    report.check("a residual block whose F is 0 is relu(x), bit for bit", same)
    net = network("plain-20", 3)
    net(tl.randn(64, 3, 8, 8))  # running statistics that are not those of the beginning
    deep = extended(net, network("plain-56", 3)).eval()
    x = tl.randn(64, 3, 8, 8)
    error = abs(deep(x) - net.eval()(x)).max().item()
    report.check("plain-20 and identity layers, 56 in all: the same output", error < 1e-5, f"error {error:.0e}")


# --------------------------------------------------------------------------- the program


def judge(report: Report, found: dict[str, list], ratios: dict[str, list[float]], quick: bool) -> None:
    """Hold what was measured against what was claimed."""
    loss = {name: np.array([run["loss"] for run in runs]) for name, runs in found.items()}
    if quick:
        told = "training loss, last 100 steps: plain-32 / residual-32"
        report.gate(told, loss["plain-32"] / loss["residual-32"], 1.3, "{:.2f}".format)
    else:
        judge_full(report, found, loss)
    show = "{:.1f}".format
    told = "gradient before training, first / last convolution: "
    shallow = {name: f"{spread(ratios[name], show)} ({name})" for name in ("plain-20", "residual-20")}
    report.gate(f"{told}plain-56", ratios["plain-56"], 200, show, "", shallow["plain-20"])
    report.gate(f"{told}residual-56", ratios["residual-56"], None, show, "", shallow["residual-20"], at_most=40)
    report.headline = "training loss " + ", ".join(f"{name} {v.mean():.2f}" for name, v in loss.items())


def judge_full(report: Report, found: dict[str, list], loss: dict[str, np.ndarray]) -> None:
    """The gates of the four networks of the full run."""
    test = {name: np.array([run["test error"] for run in runs]) for name, runs in found.items()}
    show, told = "{:+.3f}".format, "training loss, last 100 steps: "
    for more, less, limit in (("plain-56", "plain-20", 0.15), ("plain-56", "residual-56", 0.30)):
        baseline = f"{spread(loss[less], '{:.3f}'.format)} ({less})"
        report.gate(f"{told}{more} - {less}", loss[more] - loss[less], limit, show, "", baseline)
    deeper = loss["residual-56"] - loss["residual-20"]
    report.gate(f"{told}residual-56 - residual-20", deeper, at_most=0.05, show=show)
    pairs = np.array([run["extended"] for run in found["plain-20"]])
    off = np.abs(pairs[:, 1] - pairs[:, 0])
    told = "trained plain-20 and identity layers, 56 in all: the same training loss"
    report.check(told, off.max() < 1e-5, f"{pairs[:, 1].mean():.4f}, off by {off.max():.0e}")
    falls = [bool((np.diff(run["losses"]) < 0).all()) for run in found["plain-56"]]
    ends = ", ".join(f"{run['losses'][0]:.2f} to {run['losses'][-1]:.2f}" for run in found["plain-56"])
    report.check("plain-56 learns more slowly and does not diverge: its loss falls in every epoch", all(falls), ends)
    for better, worse, paper in (
        ("residual-56", "residual-20", f"6.97% against 8.75% {SOURCE}"),
        ("plain-20", "plain-56", ""),
        ("residual-56", "plain-56", ""),
    ):
        gain = test[worse] - test[better]
        errors = [spread(test[name], percent) for name in (better, worse)]
        told = f"test error, CIFAR-10 subset at 16 x 16: {better} below {worse}"
        report.claim(told, gain.min() > 0, errors[0], "with every seed", paper, errors[1], gain)
    sizes = {name: np.mean([run["responses"] for run in runs]) for name, runs in found.items()}
    for depth in (20, 56):
        plain, residual = sizes[f"plain-{depth}"], sizes[f"residual-{depth}"]
        told = f"smaller responses with shortcuts, {depth} layers (mean deviation)"
        report.claim(told, residual < plain, f"{residual:.2f}", baseline=f"{plain:.2f} (plain)")


def draw(found: dict[str, list]) -> Any:
    """Errors while training, and the responses of the layers."""
    figure, axes = figures.panels("Training error", "Held-out error", "Responses of the layers")
    epochs = np.arange(1, len(next(iter(found.values()))[0]["losses"]) + 1)
    for panel, what in zip(axes, ("training error", "held-out error")):
        curves = {name: [np.multiply(run[what], 100) for run in runs] for name, runs in found.items()}
        figures.bands(panel, epochs, curves, "epoch", f"{what} (%)")
    for name, runs in found.items():
        deviation = np.mean([run["responses"] for run in runs], 0)
        axes[2].plot(np.linspace(0, 1, len(deviation)), deviation, label=name)
    axes[2].set(xlabel="layer: its place from first (0) to last (1)", ylabel="standard deviation")
    axes[2].legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, fontsize=10)
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    args = command_line("resnet", __doc__ or "").parse_args(argv)
    depths, epochs, batch = ((8, 32), 8, 64) if args.quick else ((20, 56), 10, BATCH)
    settings = {"widths": WIDTHS, "lr": LR, "decay": DECAY, "epochs": epochs, "batch": batch}
    data = small_images(args.quick)
    with Experiment(__file__, args, settings) as run:
        checks(run.report)
        kinds = ("plain", "residual")
        ratios = run.over_seeds(gradient_ratio, [f"{kind}-{depth}" for kind in kinds for depth in (20, 56)])
        found = run.over_seeds(train, [f"{kind}-{depth}" for kind in kinds for depth in depths], data, epochs, batch)
        judge(run.report, found, ratios, run.quick)
        run.figure(draw(found), "figure", "Plain and residual networks, mean ± sd of the seeds")
    return run.exit_code
