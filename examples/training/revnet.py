"""RevNet: a residual network that is trained without its activations being stored.

Claim (Gomez, Ren, Urtasun and Grosse 2017, arXiv:1707.04585): split the channels of x into x1 and x2. The block

    y1 = x1 + F(x2)                        x2 = y2 - G(y1)
    y2 = x2 + G(y1)     is undone by       x1 = y1 - F(x2)

so the backward pass can rebuild what it needs from the output of the last block. Memory for activations then does not
grow with depth, for about a third more arithmetic; and networks with as many parameters as a ResNet are as accurate.
`algorithm_1` below is the paper's backward pass of one block; `ReversibleSequence` of the library does the same, at any
order of gradient.

Shown: gradients without stored activations are those with them, also where what might have been stored is overwritten;
batch norm's running statistics move once a step. The bytes of live arrays at the largest moment of a step, in stacks of
4 to 32 blocks (counted by tracemalloc, which NumPy tells of each array). The error of inverting up to 64 blocks. Then
ResNet-26 and RevNet-26 (half the blocks of twice as many convolutions, twice the channels) and RevNet-26 with
activations stored learn CIFAR-10, subset, from 105,000 pictures each; after the training, the angle between the
gradients with activations stored and rebuilt.

Simplified: pictures of 16 x 16 (means over 2 x 2 pixels), 15,000 in 7 epochs, no augmentation. The first block of a
later stage halves the image, can't be undone, and stores its activations, as in the paper. The rate is 0.1 for every
network, as in He et al. 2015; nothing was tuned, so accuracy is that on all 6,000 pictures that were not trained on.

What came out: from 4 to 32 blocks memory grows by 8%, which is the tape, and sixfold if activations are stored; a step
takes 1.2 times as long. 64 blocks are undone to 3e-5. RevNet is 2.1 points better than ResNet, and so the gate of 2
fails (`python -m examples trials revnet`). The gradients after training are within a thousandth of a degree.

    python -m examples revnet            three seeds
    python -m examples revnet --quick    digits, 200 steps, one seed
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import numpy as np

import tinygrad_lite as tl
from examples.common import About, Experiment, Report, command_line, figures, percent, spread
from examples.common.small_images import DECAY, LR, Parts, learn, measured, small_images
from tinygrad_lite.data import Images
from tinygrad_lite.layers import Module, PreActivation, ResNet, ReversibleBlock, ReversibleSequence, RevNet, Sequential

ABOUT = About(
    summary="Backpropagation without stored activations: memory that is flat in depth",
    paper="Gomez et al. 2017, arXiv:1707.04585",
    minutes=7,
    quick_minutes=0.5,
)

SIZES = {"ResNet": (4, (8, 16, 32)), "RevNet": (2, (16, 32, 64)), "RevNet, stored": (2, (16, 32, 64))}
"""Blocks in each stage, and channels: 26 layers each."""
DEPTHS, INVERTED = (4, 8, 16, 32), (1, 2, 4, 8, 16, 32, 64)
TABLE = "93.14%, ResNet-32 92.74% (RevNet-38, CIFAR-10; MemCNN documentation, columns of the TensorFlow code)"

# --------------------------------------------------------------------------- networks


class Stored(Sequential):
    """Reversible blocks on a tape that keeps every activation: what ReversibleSequence is held against."""

    def forward(self, x: tl.Tensor) -> tl.Tensor:
        x1, x2 = tl.chunk(x, 2, 1)
        for block in self:
            x1 = x1 + block.f(x2)
            x2 = x2 + block.g(x1)
        return tl.concatenate([x1, x2], 1)


def storing(net: RevNet) -> RevNet:
    """The network, with its activations stored from now on."""
    for k, stage in enumerate(net.stages):
        if isinstance(stage, ReversibleSequence):
            net.stages[k] = Stored(*stage)
    return net


def network(kind: str, channels: int, blocks: int, widths: tuple[int, ...]) -> Module:
    """A network for images of so many channels; see `SIZES`."""
    net = (ResNet if kind == "ResNet" else RevNet)(blocks, widths, channels)
    return storing(net) if kind == "RevNet, stored" else net


def row(blocks: int) -> ReversibleSequence:
    """Reversible blocks of 16 channels; F and G are each batch norm, relu, convolution, twice."""
    return ReversibleSequence(*(ReversibleBlock(PreActivation(8, 8), PreActivation(8, 8)) for _ in range(blocks)))


# --------------------------------------------------------------------------- the backward pass of the paper


def algorithm_1(b: ReversibleBlock, y: tl.Tensor, dy: tl.Tensor) -> tuple[tl.Tensor, tl.Tensor]:
    """From a block's output and the gradient there, its input and the gradient there; weights get theirs on the way."""
    (z1, y2), (dy1, dy2) = tl.chunk(y.detach(), 2, 1), tl.chunk(dy, 2, 1)
    z1 = z1.clone().requires_grad_()
    g = b.g(z1)
    x2 = (y2 - g).detach().requires_grad_()
    f = b.f(x2)
    x1 = z1 - f
    g.backward(dy2)
    dz1 = dy1 + z1.grad  # dL/dz1 = dL/dy1 + (dG/dz1)' dL/dy2
    f.backward(dz1)
    dx2 = dy2 + x2.grad  # dL/dx2 = dL/dy2 + (dF/dx2)' dL/dz1
    return tl.concatenate([x1, x2], 1).detach(), tl.concatenate([dz1, dx2], 1)


def gradients(net: Module, x: np.ndarray, overwrite: bool = False) -> list[np.ndarray]:
    """Of the input and of all parameters, for a random gradient of the output.

    overwrite: before backward, put NaN into the input and those of all F and G but the last, which is in the output.
    """
    net.zero_grad()
    seen = [tl.tensor(x, requires_grad=True)]
    for function in [h for b in net for h in (b.f, b.g)] if overwrite else []:
        function.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    y = net(seen[0])
    for tensor in seen[:-1]:
        array = tensor.detach().numpy()
        array.flags.writeable = True  # without the engine's knowledge
        array[...] = np.nan
    y.backward(np.random.default_rng(1).normal(size=y.shape).astype(y.dtype))
    return [seen[0].grad.numpy(), *(p.grad.numpy() for p in net.parameters())]


def off(ours: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest gradient of each array."""
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in zip(ours, wanted, strict=True))


# --------------------------------------------------------------------------- measurements


def peak(net: Module, x: tl.Tensor) -> int:
    """Bytes at the largest moment of a step, beyond parameters and their gradients: live arrays and the tape."""
    net(x).sum().backward()  # compiles what there is to compile, and makes the gradients
    gc.collect()
    gc.disable()  # what waits for the collector counts as live
    tracemalloc.start()
    net(x).sum().backward()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.enable()
    return size


def memory(images: int) -> dict[str, list[int]]:
    """The peak of networks of one stage of 16 channels, by the number of blocks."""
    x = tl.randn(images, 3, 16, 16)
    return {kind: [peak(network(kind, 3, blocks, (16,)), x) for blocks in DEPTHS] for kind in SIZES}


def inversion(dtype: str, seed: int) -> list[float]:
    """The largest error in the input that is rebuilt from the output of so many new blocks."""
    blocks, x = row(max(INVERTED)).to(dtype), tl.randn(16, 16, 8, 8, dtype=dtype)
    with tl.no_grad():
        parts = [blocks[:n] for n in INVERTED]
        return [float(abs(part.inverse(part(x)) - x).max()) for part in parts]


def slowdown(kind: str, seed: int, batch: int, pairs: int) -> float:
    """How much longer a step takes without stored activations: the median over pairs of steps, taken in turn."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(batch, 3, 16, 16)).astype(np.float32), rng.integers(0, 10, batch)
    nets = [network(name, 3, *SIZES[kind]) for name in (kind, f"{kind}, stored")]

    def seconds(net: Module) -> float:
        began = time.perf_counter()
        tl.cross_entropy(net(x), y).backward()
        return time.perf_counter() - began

    return float(np.median([seconds(nets[0]) / seconds(nets[1]) for _ in range(pairs + 1)][1:]))


def angle(net: RevNet, data: Images) -> float:
    """Degrees between the gradients with activations rebuilt and stored, on the first 128 pictures."""
    found = []
    for _ in range(2):
        net.zero_grad()
        tl.cross_entropy(net(data.images[:128]), data.labels[:128]).backward()
        found.append(np.concatenate([p.grad.numpy().ravel().astype(np.float64) for p in net.parameters()]))
        storing(net)
    sine = np.linalg.norm(np.subtract(*(g / np.linalg.norm(g) for g in found)))
    return float(np.degrees(sine))  # of a small angle


def train(kind: str, seed: int, data: Parts, epochs: int, batch: int) -> dict[str, Any]:
    """Train a network; its accuracy on pictures not trained on, its losses, the angle."""
    net = network(kind, data.train.images.shape[1], *SIZES[kind])
    history = learn(net, data, seed, epochs, batch, f"{kind} seed {seed}")
    unseen = Images(*(np.concatenate(both) for both in zip(data.held_out, data.test)))
    return {
        "accuracy": measured(net, unseen)["accuracy"],
        "losses": history.epochs["loss"],
        "angle": angle(net, data.train) if kind == "RevNet" else None,
    }


# --------------------------------------------------------------------------- checks


def checks(report: Report) -> None:
    """What holds exactly."""
    rng = np.random.default_rng(0)
    for dtype, limit in (("float64", 1e-9), ("float32", 1e-3)):
        net, twin = (network(kind, 3, *SIZES[kind]).to(dtype) for kind in ("RevNet", "RevNet, stored"))
        twin.load_state_dict(net.state_dict())
        x = rng.normal(size=(8, 3, 8, 8)).astype(dtype)
        error = off(gradients(net, x), gradients(twin, x))
        told = f"gradients with activations rebuilt are those with activations stored, {dtype}"
        report.check(told, error < limit, f"error {error:.0e}")
        same = all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(net.buffers(), twin.buffers(), strict=True))
        told = f"running statistics after the step are the same, bit for bit, {dtype}"
        report.check(told, same, f"{len(list(net.buffers()))} buffers")
    blocks, x = row(4).double(), rng.normal(size=(4, 16, 6, 6))
    wanted = gradients(Stored(*blocks), x)
    error = off(by_hand(blocks, x), wanted)
    report.check("algorithm 1, block by block: the same gradients", error < 1e-9, f"error {error:.0e}")
    error = off(gradients(blocks, x, overwrite=True), wanted)
    told = "the same with every input of F and G overwritten by NaN after the forward pass"
    report.check(told, error < 1e-9, f"error {error:.0e}")
    sizes = [sum(p.size for p in network(kind, 3, *SIZES[kind]).parameters()) for kind in ("RevNet", "ResNet")]
    told = "parameters of RevNet and ResNet within 10%"
    report.check(told, abs(sizes[0] / sizes[1] - 1) < 0.1, f"{sizes[0]:,} and {sizes[1]:,}")


def by_hand(blocks: ReversibleSequence, x: np.ndarray) -> list[np.ndarray]:
    """What `gradients` returns, by algorithm 1 from the last block to the first."""
    blocks.zero_grad()
    with tl.no_grad():
        y = blocks(tl.tensor(x))
    dy = tl.tensor(np.random.default_rng(1).normal(size=y.shape))
    for b in reversed(list(blocks)):
        y, dy = algorithm_1(b, y, dy)
    return [dy.numpy(), *(p.grad.numpy() for p in blocks.parameters())]


# --------------------------------------------------------------------------- the program


def judge(report: Report, found: dict[str, Any], quick: bool) -> None:
    """Hold what was measured against what was claimed."""
    errors = [run[-1] for run in found["inversion"]["float32"]]
    report.gate("error of the input rebuilt from 64 new blocks, float32", errors, at_most=1e-3, show="{:.1e}".format)
    growth = {kind: sizes[-1] / sizes[0] for kind, sizes in found["memory"].items()}
    show, told = "{:.2f}".format, "memory of activations, 32 blocks / 4 blocks: "
    baseline = f"{growth['RevNet, stored']:.2f} (RevNet, stored)"
    report.gate(f"{told}RevNet", [growth["RevNet"]], at_most=1.15, show=show, baseline=baseline)
    report.gate(f"{told}ResNet", [growth["ResNet"]], at_least=4, show=show)
    told, theory = "time of a step, activations rebuilt / stored", "4/3, counting operations"
    report.gate(told, found["slowdown"]["RevNet"], at_most=2, show=show, paper=theory)
    runs = found["train"]
    right = {name: np.array([run["accuracy"] for run in runs[name]]) for name in SIZES}
    baseline = {name: f"{spread(right[name], percent)} ({name})" for name in SIZES}
    gap = abs(right["RevNet"].mean() - right["ResNet"].mean())
    told = "difference of the mean accuracies, RevNet and ResNet"
    report.gate(told, [gap], None, percent, TABLE, baseline["ResNet"], at_most=0.05 if quick else 0.02)
    gap = right["RevNet"] - right["RevNet, stored"]
    told, stored = "errors of rebuilding do no harm: accuracy, less that with activations stored", "RevNet, stored"
    report.claim(told, abs(gap.mean()) < 0.02, spread(gap, "{:+.2%}".format), "within 2%", "", baseline[stored], gap)
    angles = [run["angle"] for run in runs["RevNet"]]
    told = "the gradient after training, activations rebuilt and stored: angle"
    report.claim(told, max(angles) < 5, spread(angles, "{:.2g}°".format), "< 5°", values=angles)
    report.headline = f"memory of 32 blocks {growth['RevNet']:.2f} times that of 4; {baseline['RevNet']}"


def draw(found: dict[str, Any]) -> Any:
    """Memory and the error of inversion against depth; the loss while training."""
    figure, (sizes, errors, losses) = figures.panels("Memory of activations", "Error of inversion", "Training")
    for (kind, peaks), line in zip(found["memory"].items(), ("-", "-", "--")):
        sizes.plot(DEPTHS, np.array(peaks) / 1e6, line, label=kind)
    sizes.set(xlabel="blocks", ylabel="peak (MB)")
    sizes.legend()
    figures.bands(errors, INVERTED, found["inversion"], "blocks, before training", "largest error of the input rebuilt")
    errors.set_xscale("log", base=2)
    errors.set_yscale("log")
    runs = {name: [run["losses"] for run in runs] for name, runs in found["train"].items()}
    epochs = np.arange(1, len(runs["RevNet"][0]) + 1)
    figures.bands(losses, epochs, runs, "epoch", "loss on pictures to train on")
    return figure


def main(argv: list[str]) -> int:
    """Run the example; returns the exit code."""
    args = command_line("revnet", __doc__ or "").parse_args(argv)
    epochs, batch, pairs = (12, 64, 5) if args.quick else (7, 128, 20)
    data = small_images(args.quick)
    with Experiment(__file__, args, {"lr": LR, "decay": DECAY, "epochs": epochs, "batch": batch}) as run:
        checks(run.report)
        found = {
            "memory": run.unit("memory", memory, 64),
            "inversion": run.over_seeds(inversion, ["float32", "float64"]),
            "slowdown": run.over_seeds(slowdown, ["RevNet"], batch, pairs),
            "train": run.over_seeds(train, list(SIZES), data, epochs, batch),
        }
        judge(run.report, found, run.quick)
        run.figure(draw(found), "figure", "RevNet and ResNet: memory, inversion, training; mean ± sd of the seeds")
    return run.exit_code
