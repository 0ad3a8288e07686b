"""A small residual network learns handwritten digits.

Shown: convolution, batch norm and residual blocks (He, Zhang, Ren and Sun 2015, arXiv:1512.03385, section 4.2),
trained with tinygrad_lite on the 1,797 real digits of 8 x 8 pixels that come with scikit-learn, or on MNIST.

Claim: of 359 held-out digits at least 98.5% are read right (mean of 3 seeds), all three trained in under 60 s on two
cores; of the 10,000 test digits of MNIST at least 99.3%, in under 10 minutes.

The digits are split once, stratified, by a fixed seed; the runs differ in initial weights, order of the batches and
augmentation (small random turns, shears and shifts). The recipes below were chosen on a part of the training part,
held out from it (`--validation` does the same). The held-out part itself is read once a run, at the end: nothing is
chosen or stopped by it.

    python -m examples digits                               three runs on the 8 x 8 digits
    python -m examples digits --data mnist                  one run on MNIST
    python -m examples digits --resume                      go on with a run that was stopped or killed
    python -m examples digits --predict FILE.png            read a picture with the network that was trained
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Report, command_line, figures, need, seeds_of, spread, whole
from examples.common.baselines import nearest_neighbour
from examples.common.pictures import Form, PictureError, as_text, ranking, read_digit
from examples.common.report import percent, print_table
from examples.common.unfinished import Unfinished
from tinygrad_lite.data import DataLoader, Images, random_affine, stratified_split
from tinygrad_lite.layers import Module, ResNet
from tinygrad_lite.optim import SGD, History, Interrupted, LambdaLR, accuracy, fit

ABOUT = About(
    summary="A small ResNet learns handwritten digits, and reads yours (--predict)",
    paper="He et al. 2015, arXiv:1512.03385",
    minutes=0.7,
    quick_minutes=0.1,
)


@dataclass(frozen=True)
class Recipe:
    """How a data set is learned, and what must come out. quick: the epochs, images and gate of a quick run."""

    widths: tuple[int, ...]
    unshuffle: int
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    label_smoothing: float
    affine: dict[str, float]
    validation: float
    runs: int
    gate: float
    time_limit: int
    quick: tuple[int, int, float]
    form: Form


RECIPES = {
    "digits": Recipe(
        widths=(16, 32), unshuffle=1, epochs=15, batch_size=64, lr=0.2, weight_decay=5e-4, label_smoothing=0.1,
        affine={"rotate": 6, "scale": 0.05, "shear": 0.05, "shift": 0.4}, validation=0.2,
        runs=3, gate=0.985, time_limit=60, quick=(5, 1_797, 0.95),
        form=Form(8, box=(8, 6.2), ink=0.27, by_mass=False),
    ),
    "mnist": Recipe(
        widths=(24, 48, 96), unshuffle=2, epochs=6, batch_size=128, lr=0.2, weight_decay=5e-4, label_smoothing=0.1,
        affine={"rotate": 10, "scale": 0.1, "shear": 0.1, "shift": 1.5}, validation=0.1,
        runs=1, gate=0.993, time_limit=600, quick=(2, 5_000, 0.93),
        form=Form(28, box=(20, 20), ink=0.09, by_mass=True),
    ),
}  # fmt: skip


# ------------------------------------------------------------------------------- data and network


def load(name: str, quick: bool, validation: bool) -> tuple[Images, Images]:
    """The images to train on, and those that are held out from it."""
    if name == "digits":
        images, labels = tl.data.digits()
        rest, held = stratified_split(labels, 0.2, seed=0)
        data, test = Images(images[rest], labels[rest]), Images(images[held], labels[held])
    else:
        data, test = tl.data.mnist()
    if validation:
        parts = stratified_split(data.labels, RECIPES[name].validation, seed=1)
        data, test = (Images(data.images[part], data.labels[part]) for part in parts)
    if quick:
        n = RECIPES[name].quick[1]
        data, test = (Images(part.images[:n], part.labels[:n]) for part in (data, test))
    return data, test


class Network(Module):
    """(N, 1, H, W) to (N, 10). With unshuffle=2 each 2 x 2 pixels become the channels of one, and no pixel is lost."""

    def __init__(self, widths: tuple[int, ...], unshuffle: int) -> None:
        super().__init__()
        self.unshuffle = unshuffle
        self.resnet = ResNet(blocks=1, widths=widths, in_channels=unshuffle**2, num_classes=10)

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        return self.resnet(tl.pixel_unshuffle(x, self.unshuffle))


# -------------------------------------------------------------------------- training and evaluation


def train(net: Module, data: Images, recipe: Recipe, epochs: int, seed: int, checkpoint: Path) -> History:
    """Train `net`, or go on where there is a checkpoint of it. Raises Interrupted after Ctrl-C."""
    loader = DataLoader(
        *data,
        batch_size=recipe.batch_size,
        shuffle=True,
        seed=seed,
        transform=lambda x, y, rng: (random_affine(x, rng, **recipe.affine), y),
    )
    optimizer = SGD(net.parameters(), lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay, nesterov=True)
    steps = epochs * len(loader)
    return fit(
        net,
        optimizer,
        partial(tl.cross_entropy, label_smoothing=recipe.label_smoothing),
        loader,
        epochs,
        metrics={"accuracy": accuracy},
        schedule=LambdaLR(optimizer, lambda step: one_cycle(step / steps)),
        schedule_by="step",
        checkpoint=checkpoint,
        save_every=100,
        resume=True,
        progress=f"seed {seed}",
    )


def one_cycle(t: float) -> float:
    """The course of the learning rate, t from 0 to 1: up along a line for a quarter, then down along a cosine."""
    return t / 0.25 if t < 0.25 else 0.5 + 0.5 * math.cos(math.pi * (t - 0.25) / 0.75)


def probabilities(net: Module, images: np.ndarray) -> np.ndarray:
    """The probability of each class, (N, 10)."""
    net.eval()
    with tl.no_grad():
        return np.concatenate([tl.softmax(net(x), axis=1).numpy() for x in DataLoader(images, batch_size=500)])


def draw(path: Path, curves: dict[int, list[dict]], confusion: np.ndarray, test: Images, said: np.ndarray) -> None:
    """Training curves, the confusion matrix of all seeds, and the worst mistakes of the saved network."""
    figure = figures.pyplot().figure(figsize=(12, 8.8))
    above, below = figure.subfigures(2, 1, height_ratios=[2.5, 1])
    axes = above.subplot_mosaic([["loss", "confusion"], ["accuracy", "confusion"]], width_ratios=[1, 1.3])
    for what in ("loss", "accuracy"):
        lines = {f"seed {seed}": [epoch[what] for epoch in curve if what in epoch] for seed, curve in curves.items()}
        figures.curves(axes[what], lines, what)
    axes["loss"].set_title("Training, on augmented images")
    axes["loss"].legend()
    axes["accuracy"].set_xlabel("epoch")
    axes["accuracy"].yaxis.set_major_formatter("{x:.0%}")
    figures.confusion(axes["confusion"], confusion, [str(k) for k in range(10)])
    wrong = confusion.sum() - np.trace(confusion)
    seeds = f"{len(curves)} seeds" if len(curves) > 1 else "1 seed"
    axes["confusion"].set_title(f"{len(test.labels):,} held-out digits, {seeds}: {wrong:,} mistakes")
    figures.mistakes(below, *test, said)
    figures.save(figure, path)


# ------------------------------------------------------------------------------------- the program


def run(args: Any, out: Path) -> int:
    """Train with each seed, and report; returns the exit code."""
    for package in ("tqdm", "matplotlib"):
        need(package)  # to miss it now and not after the training
    recipe = RECIPES[args.data]
    epochs = args.epochs or (recipe.quick[0] if args.quick else recipe.epochs)
    report = Report("digits", out, {**asdict(recipe), **vars(args), "epochs": epochs})
    data, test = load(args.data, args.quick, args.validation)
    try:
        unfinished = Unfinished(out, report.settings, args.resume)
    except ValueError as error:
        print(f"digits: {error}", file=sys.stderr)
        return 2
    print(f"{args.data}: {len(data.labels):,} digits to train on, {len(test.labels):,} held out\n")
    curves: dict[int, list[dict]] = {}
    said: dict[int, np.ndarray] = {}
    lines = []
    for seed in seeds_of(args, recipe.runs):
        tl.manual_seed(seed)
        net = Network(recipe.widths, recipe.unshuffle)
        began = time.perf_counter()
        try:
            history = train(net, data, recipe, epochs, seed, unfinished.checkpoint(seed))
        except Interrupted as stopped:
            history, report.interrupted = stopped.history, True
        report.seconds_before += max(0.0, history.seconds - (time.perf_counter() - began))
        curves[seed] = [{name: row[name] for name in ("loss", "accuracy")} for row in history.epochs.since(0)]
        said[seed] = probabilities(net, test.images)
        right = said[seed].argmax(1) == test.labels
        loss = f"{history.epochs['loss'][-1]:.3f}" if history.epochs else "-"
        lines.append([str(seed), percent(right.mean()), str((~right).sum()), loss, f"{history.seconds:.1f}"])
        if len(said) == 1:  # the first network is the one that is kept, whichever turns out best
            about = {"data": args.data, "widths": recipe.widths, "unshuffle": recipe.unshuffle}
            tl.save({**about, "model": net.state_dict()}, out / "weights.npz")
            same = np.array_equal(said[seed], probabilities(restored(out / "weights.npz")[0], test.images))
            report.check("saved and loaded again, the network says the same", same)
        if report.interrupted:
            curves[seed].append({"interrupted_after": history.steps.rows})
            print(f"\n  Interrupted: seed {seed}, after {history.steps.rows} steps. --resume goes on from there.")
            break
    accuracies = [float((p.argmax(1) == test.labels).mean()) for p in said.values()]
    confusion = np.zeros((10, 10), int)
    for p in said.values():
        np.add.at(confusion, (test.labels, p.argmax(1)), 1)
    draw(out / "figure.png", curves, confusion, test, next(iter(said.values())))
    parameters = sum(p.size for p in net.parameters())
    report.numbers = {"parameters": parameters, "accuracy": accuracies, "curves": curves, "confusion": confusion}
    conclude(report, recipe, args, data, test, accuracies)
    lines += [["mean", spread(accuracies, percent), "", "", ""]] if len(lines) > 1 else []
    print()
    print_table(["seed", f"right of {len(test.labels):,}", "wrong", "training loss", "seconds"], lines)
    print(f"\n  {parameters:,} parameters, {epochs} epochs\n")
    report.print()
    if not report.interrupted:
        unfinished.delete()
    print(f"\n  Written to {out}: figure.png, results.json, weights.npz. To read a picture of a digit:")
    print(f"  python -m examples digits --predict FILE.png{'' if out == Path('runs/digits') else f' --out {out}'}")
    return report.exit_code


def conclude(report: Report, recipe: Recipe, args: Any, data: Images, test: Images, accuracies: list[float]) -> None:
    """Hold what was measured against what was claimed, and write it down."""
    known = {image.tobytes() for image in data.images}
    shared = sum(image.tobytes() in known for image in test.images)
    report.check("none of the held-out digits is among those trained on", not shared, f"{shared} are")
    if not report.interrupted:
        gate = recipe.quick[2] if args.quick else recipe.gate
        baseline = f"{percent(nearest_neighbour(data, test))} (nearest neighbour)"
        which = "a held-out part of the training digits" if args.validation else "the held-out digits"
        report.gate(f"right of {which}", accuracies, gate, percent, baseline=baseline)
        took = time.time() - report.began + report.seconds_before
        report.claim("seconds, all in all", took < recipe.time_limit, f"{took:.0f}", f"< {recipe.time_limit}")
    report.headline = f"{spread(accuracies, percent)} right"
    report.save()


def restored(weights: Path) -> tuple[Network, Form]:
    """The network that was saved, and the form of the images it reads."""
    saved = tl.load(weights)
    net = Network(tuple(saved["widths"]), saved["unshuffle"])
    net.load_state_dict(saved["model"])
    return net, RECIPES[saved["data"]].form


def predict(picture: Path, weights: Path) -> int:
    """Print what the saved network sees in a picture; returns the exit code."""
    try:
        net, form = restored(weights)
        image = read_digit(picture, form)
    except (FileNotFoundError, PictureError, ValueError, KeyError, TypeError) as error:
        what = f"{weights} does not hold this example's weights: {error}"
        if isinstance(error, FileNotFoundError):
            what = f"there are no weights at {weights}; train first: python -m examples digits"
        print(f"digits: {error if isinstance(error, PictureError) else what}", file=sys.stderr)
        return 2
    print(f"{picture}, as the network sees it:\n\n{as_text(image[0, 0])}\n")
    print(ranking(probabilities(net, image)[0], [str(k) for k in range(10)]))
    return 0


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    parser = command_line("digits", __doc__ or "", seeds="3; 1 for mnist", out="runs/digits or runs/mnist")
    parser.add_argument("--data", choices=RECIPES, default="digits", help="what to learn (default: digits)")
    parser.add_argument("--epochs", type=whole(1), metavar="N", help="passes over the training digits")
    parser.add_argument("--validation", action="store_true", help="hold out a part of the training digits instead")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was stopped or killed in DIR")
    parser.add_argument("--predict", type=Path, metavar="FILE", help="train nothing: say which digit a picture shows")
    args = parser.parse_args(argv)
    out = args.out or Path("runs", args.data)
    return predict(args.predict, out / "weights.npz") if args.predict else run(args, out)
