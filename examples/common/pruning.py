"""Two tasks; feature maps: what they hold, gates before them, and networks from which they are taken out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common.labelled import batches, take
from examples.common.progress import progress
from tinygrad_lite.data import Images
from tinygrad_lite.layers import VGG, Conv2d, Parameter, ReLU
from tinygrad_lite.optim import SGD


def load(quick: bool, held: bool = False) -> tuple[Images, Images, Images]:
    """Images of classes 0 to 4; of 5 to 9, as 0 to 4, 100 each to train on; others of those to test on, or held out."""
    data = tl.data.digits() if quick else tl.data.cifar10_subset().train
    data = Images((data.images - 0.5) / 0.25, data.labels)
    later = Images(data.images[data.labels > 4], data.labels[data.labels > 4] - 5)
    few = np.concatenate([np.flatnonzero(later.labels == c)[:100] for c in range(5)])
    rest = np.setdiff1d(np.arange(len(later.labels)), few)
    return take(data, data.labels < 5), take(later, few), take(later, rest[2_000:4_000] if held else rest[:2_000])


def convolutions(net: VGG) -> list[Conv2d]:
    """The convolutions, first to last."""
    return [layer for layer in net.features if isinstance(layer, Conv2d)]


def run(net: VGG, x: Any, gates: tl.Tensor | None = None) -> tuple[tl.Tensor, list[tl.Tensor]]:
    """What comes out, and the feature maps (N, C, H, W) of each convolution, behind their relu.

    gates: a factor for each map, those of all layers in a row; 0 is as if the map were not there.
    """
    maps: list[tl.Tensor] = []
    first, x = 0, tl.as_tensor(x)
    for layer in net.features:
        x = layer(x)
        if isinstance(layer, ReLU):
            if gates is not None:
                x = x * gates[first : first + x.shape[1]].reshape(1, -1, 1, 1)
                first += x.shape[1]
            maps.append(x)
    return net.classifier(net.avgpool(x).flatten(1)), maps


def remove_map(net: VGG, optimizer: SGD, layer: int, k: int) -> SGD:
    """Take map `k` of a convolution out of the network, with the weights that read it and their momentum.

    Returns the optimiser that goes on with the smaller weights.
    """
    convs, head = convolutions(net), net.classifier[0]
    conv = convs[layer]
    cuts: list[tuple[Any, str, int, Any]] = [(conv, "weight", 0, [k]), (conv, "bias", 0, [k])]
    if layer + 1 < len(convs):
        cuts.append((convs[layer + 1], "weight", 1, [k]))
        convs[layer + 1].in_channels -= 1
    else:  # each map gives the linear layer some pixels
        pixels = head.in_features // conv.out_channels
        cuts.append((head, "weight", 1, np.arange(k * pixels, (k + 1) * pixels)))
        head.in_features -= pixels
    conv.out_channels -= 1
    state = optimizer.state_dict()
    places = {id(p): place for place, p in enumerate(net.parameters())}
    for module, name, axis, gone in cuts:
        old = getattr(module, name)
        for key, value in state["state"].get(places[id(old)], {}).items():
            state["state"][places[id(old)]][key] = np.delete(np.asarray(value), gone, axis)
        setattr(module, name, Parameter(np.delete(old.detach().numpy(), gone, axis)))
    smaller = type(optimizer)(net.parameters())
    smaller.load_state_dict(state)
    return smaller


def remove_least(net: VGG, optimizer: SGD, worth: list[np.ndarray], average: list[np.ndarray], maps: int) -> SGD:
    """Take so many maps out, those of least worth, but never the last of a layer; both lists lose their numbers."""
    for _ in range(maps):
        layer = min((k for k, s in enumerate(worth) if len(s) > 1), key=lambda k: worth[k].min())
        m = int(worth[layer].argmin())
        optimizer = remove_map(net, optimizer, layer, m)
        average[layer], worth[layer] = (np.delete(scores[layer], m) for scores in (average, worth))
    return optimizer


def oracle(net: VGG, images: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """The change of the loss when a map is taken away, for each map."""
    found = []
    with tl.no_grad():
        base = tl.cross_entropy(net(tl.tensor(images)), y).item()
        h = tl.tensor(images)
        for k, layer in enumerate(net.features):
            h = layer(h)
            if isinstance(layer, ReLU):
                found.append(np.empty(h.shape[1]))
                for m in range(h.shape[1]):
                    cut = h * (tl.arange(h.shape[1]) != m).astype("float32").reshape(1, -1, 1, 1)
                    end = net.classifier(net.avgpool(net.features[k + 1 :](cut)).flatten(1))
                    found[-1][m] = tl.cross_entropy(end, y).item() - base
    return found


def normalised(scores: list[np.ndarray]) -> list[np.ndarray]:
    """Each layer's divided by their l2 norm."""
    return [s / (np.linalg.norm(s) + 1e-12) for s in scores]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """S = 1 - 6 sum d^2 / (N (N^2 - 1)), d the differences of ranks; equals share theirs."""

    def ranks(values: np.ndarray) -> np.ndarray:
        _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[places]

    return float(1 - 6 * ((ranks(a) - ranks(b)) ** 2).sum() / (len(a) * (len(a) ** 2 - 1)))


def information(activity: np.ndarray, y: np.ndarray) -> float:
    """I(x; y) in nats, x being the quarter of the batch in which an image's mean activation lies."""
    quarter = np.searchsorted(np.quantile(activity, [0.25, 0.5, 0.75]), activity)
    joint = np.histogram2d(quarter, y, [np.arange(5), np.arange(6)])[0] / len(y)
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    return float((joint * np.log(np.where(joint > 0, joint, 1) / np.where(joint > 0, independent, 1))).sum())


def price(net: VGG, maps: list[Any]) -> list[float]:
    """The FLOPs that one map of each layer costs: to compute it, and to read it."""
    convs = convolutions(net)
    own = [2 * z.shape[2] * z.shape[3] * (c.in_channels * 9 + 1) for c, z in zip(convs, maps)]
    read = [2 * z.shape[2] * z.shape[3] * 9 * c.out_channels for c, z in zip(convs[1:], maps[1:])]
    return [float(a + b) for a, b in zip(own, [*read, 0])]


def speed_up(whole: VGG, pruned: VGG, x: np.ndarray) -> float:
    """How much less time a batch takes, the two measured in turn."""
    times: list[list[float]] = [[], []]
    with tl.no_grad():
        for k in range(60):
            began = time.perf_counter()
            (whole, pruned)[k % 2](tl.tensor(x))
            times[k % 2].append(time.perf_counter() - began)
    return float(np.median(times[0]) / np.median(times[1]))


def learn(net: VGG, optimizer: SGD, x: Any, y: Any) -> tuple[list[tl.Tensor], list[tl.Tensor]]:
    """An update; the maps of its batch and, for each example's own loss, their gradients."""
    output, maps = run(net, x)
    weights = list(net.parameters())
    found = tl.grad(tl.cross_entropy(output, y), [*maps, *weights])
    for p, g in zip(weights, found[len(maps) :]):
        p.grad = g
    optimizer.step()
    return [z.detach() for z in maps], [g * len(y) for g in found[: len(maps)]]


def damage(net: VGG, x: Any, y: Any) -> np.ndarray:
    """v * Hv / 2 for random signs v, H the Hessian of the loss by the gates of all maps. x: the images."""
    n = sum(conv.out_channels for conv in convolutions(net))
    v = tl.tensor(np.sign(tl.rand(n).numpy() - 0.5))
    _, product = tl.hvp(lambda gates: tl.cross_entropy(run(net, x, gates)[0], y), tl.ones(n), v)
    return (v * product).detach().numpy() / 2


def fit(net: VGG, data: Images, steps: int, seed: int, name: str, lr: float = 0.02) -> VGG:
    """Momentum SGD in batches of 32, the rate falling to 0."""
    optimizer = SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    with progress(steps, name, "step") as bar:
        for k, (x, y) in zip(range(steps), batches(data, seed)):
            optimizer.param_groups[0]["lr"] = lr * (1 - k / steps)
            learn(net, optimizer, x, y)
            bar.update(1)
    return net
