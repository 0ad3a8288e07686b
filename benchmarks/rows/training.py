"""Whole training steps: forward, loss, backward, optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.library import Library, Step, numbers
from benchmarks.row import Group, Row


def weights(net: Any) -> dict[str, np.ndarray]:
    """Values for the parameters of a network, of a size to train with, by name."""
    found = {}
    for k, (name, p) in enumerate(net.named_parameters()):
        shape = tuple(p.shape)
        one = len(shape) == 1 and name.endswith("weight")
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        found[name] = np.ones(shape, np.float32) if one else numbers(*shape, seed=k, scale=fan_in**-0.5)
    return found


def learning(
    lib: Library, net: Any, loss: Callable[[], Any], optimizer: Any, compared: Callable[[], list[Any]]
) -> Step:
    state = {name: np.array(value.detach().numpy()) for name, value in net.state_dict().items()}
    lib.load(net, {**state, **weights(net)})

    def step() -> list[Any]:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return [value, *compared()]

    return step


def resnet(name: str, batch: int, channels: int, size: int, blocks: int, widths: tuple[int, ...]) -> Row:
    def build(lib: Library) -> Step:
        if lib.ours:
            net = lib.nn.ResNet(blocks, widths, channels)
        else:
            from benchmarks.peer import ResNet

            net = ResNet(blocks, widths, channels)
        x = lib.tensor(numbers(batch, channels, size, size))
        labels = lib.tensor(np.random.default_rng(0).integers(0, 10, batch))
        optimizer = lib.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        return learning(lib, net, lambda: lib.f.cross_entropy(net(x), labels), optimizer, lambda: [net.fc.weight.grad])

    return Row(name, build, tolerance=1e-2)


def perceptron() -> Row:
    def build(lib: Library) -> Step:
        nn = lib.nn
        net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
        x = lib.tensor(numbers(128, 784))
        labels = lib.tensor(np.random.default_rng(0).integers(0, 10, 128))
        optimizer = lib.optim.Adam(net.parameters())
        return learning(lib, net, lambda: lib.f.cross_entropy(net(x), labels), optimizer, lambda: [net[0].weight.grad])

    return Row("MNIST perceptron 784-256-128-10, batch 128, Adam", build, tolerance=1e-3)


def characters(steps: int = 100, batch: int = 64, hidden: int = 256, letters: int = 65) -> Row:
    def build(lib: Library) -> Step:
        nn = lib.nn
        parts = nn.ModuleList([nn.Embedding(letters, hidden), nn.LSTM(hidden, hidden), nn.Linear(hidden, letters)])
        embed, lstm, out = parts
        text = np.random.default_rng(0).integers(0, letters, (steps + 1, batch))
        before, after = lib.tensor(text[:-1]), lib.tensor(text[1:].reshape(-1))
        optimizer = lib.optim.Adam(parts.parameters(), lr=2e-3)

        def loss() -> Any:
            h, _ = lstm(embed(before))
            return lib.f.cross_entropy(out(h).reshape(-1, letters), after)

        return learning(lib, parts, loss, optimizer, lambda: [out.weight.grad])

    return Row(f"character LSTM, T {steps}, batch {batch}, hidden {hidden}, Adam", build, tolerance=1e-3)


RESNET_20 = resnet("ResNet-20, 128 x 3 x 32 x 32, SGD", 128, 3, 32, 3, (16, 32, 64))
DIGITS = resnet("digits ResNet, 64 x 1 x 8 x 8, SGD", 64, 1, 8, 1, (16, 32))

GROUPS = [Group("whole training steps", 1.1, 1.4, [RESNET_20, DIGITS, perceptron(), characters()])]
