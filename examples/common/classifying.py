"""What examples that tell images apart share: data in three parts, a loop over steps, the share that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common.experiment import Experiment
from examples.common.progress import progress
from tinygrad_lite.data import DataLoader, Images, stratified_split
from tinygrad_lite.layers import Module


def parts(data: str, images: int | None = None, centred: bool = False) -> tuple[Images, Images, Images]:
    """Images to train on (so many, or all), for validation and for the test; the split is always the same.

    data: the name of a set in tinygrad_lite.data. A twelfth of its training images, of the digits a fifth of what is
    not for the test, is for validation. centred: less the mean, over the deviation, of all pixels to train on.
    """
    if data == "digits":
        everything = tl.data.digits()
        train, test = (chosen(everything, part) for part in stratified_split(everything.labels, 0.2, seed=0))
    else:
        train, test = getattr(tl.data, data)()
    rest, held = stratified_split(train.labels, 0.2 if data == "digits" else 1 / 12, seed=1)
    if images:
        rest = rest[stratified_split(train.labels[rest], images / len(rest), seed=2)[1]]
    found = chosen(train, rest), chosen(train, held), test
    if centred:
        mean, deviation = found[0].images.mean(), found[0].images.std()
        found = tuple(Images((d.images - mean) / deviation, d.labels) for d in found)
    return found


def chosen(data: Images, which: np.ndarray) -> Images:
    """Some of the images."""
    return Images(data.images[which], data.labels[which])


def stream(data: Images, size: int, seed: int) -> DataLoader:
    """Whole batches in random order."""
    return DataLoader(*data, batch_size=size, shuffle=True, seed=seed, drop_last=True)


def training(net: Module, optimizer: Any, batches: Iterable, steps: int, name: str) -> Iterator[int]:
    """Make so many steps on the cross-entropy; gives 0, and then the number of each step when it is made.

    batches: of images and labels, to be gone through again and again.
    """
    yield 0
    with progress(steps, name, "step") as bar:
        for t, (x, y) in enumerate(islice(chain.from_iterable(repeat(batches)), steps), 1):
            loss = tl.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.update(1)
            yield t


def gradient(net: Module, x: tl.Tensor, y: np.ndarray) -> np.ndarray:
    """Of the cross-entropy, in one piece; it is left in the parameters as well."""
    net.zero_grad()
    tl.cross_entropy(net(x), y).backward()
    return np.concatenate([p.grad.numpy().ravel() for p in net.parameters()])


def outputs(net: Module, images: np.ndarray) -> np.ndarray:
    """What the network gives in inference."""
    training = net.training
    net.eval()
    with tl.no_grad():
        found = np.concatenate([net(x).numpy() for x in DataLoader(images, batch_size=500)])
    net.train(training)
    return found


def as_trained(net: Module, images: np.ndarray) -> np.ndarray:
    """What the network gives in training: batch norm by these images, not by averages, which lag behind and stay."""
    averages = {name: t.clone() for name, t in net.named_buffers()}
    with tl.no_grad():
        found = net(tl.tensor(images)).numpy()
        for name, t in net.named_buffers():
            t.copy_(averages[name])
    return found


def right(net: Module, data: Images) -> float:
    """The share of the images whose class has the largest output."""
    return float((outputs(net, data.images).argmax(1) == data.labels).mean())


def search(run: Experiment, work: Callable[..., dict], variants: Iterable[str], lowest: float, *more: Any) -> None:
    """Try five learning rates for each variant, a factor of 3 apart, with seed 100, and report the best.

    Where the best is at an end, the next beyond is tried, until it is not. work(variant, seed, quick, *more, lr)
    returns a "score", the more the better.
    """

    def score(name: str, power: int) -> float:
        lr = float(f"{lowest * 3.0**power:.4g}")
        unit = f"{work.__name__}, {name}, {lr}"
        return float(run.unit(unit, work, name, 100, run.quick, *more, lr, seed=100)["score"])

    for name in variants:
        scores = {power: score(name, power) for power in range(5)}
        while (best := max(scores, key=scores.__getitem__)) in (min(scores), max(scores)):
            power = best - 1 if best == min(scores) else best + 1
            scores[power] = score(name, power)
        rates = {f"{lowest * 3.0**power:.4g}": scores[power] for power in sorted(scores)}
        told = ", ".join(f"{lr}: {value:.4g}" for lr, value in rates.items())
        report = f"{work.__name__}, {name}: the best rate"
        run.report.claim(report, True, f"{lowest * 3.0**best:.4g}", told, values=list(rates.values()))
