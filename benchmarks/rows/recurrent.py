"""LSTM and GRU, forward and backward to the input and all weights."""

from __future__ import annotations

from typing import Any

from benchmarks.library import Library, Step, numbers
from benchmarks.row import Group, Row

SIZES = [(50, 32, 64, 128), (100, 64, 128, 256), (20, 1, 5, 48), (100, 16, 5, 48), (100, 32, 64, 512)]


def row(kind: str, sizes: tuple[int, int, int, int], layers: int = 1, bidirectional: bool = False) -> Row:
    steps, batch, inputs, hidden = sizes
    directions = 1 + bidirectional

    def build(lib: Library) -> Step:
        net = getattr(lib.nn, kind)(inputs, hidden, layers, bidirectional=bidirectional)
        shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
        lib.load(net, {name: numbers(*s, seed=k, scale=hidden**-0.5) for k, (name, s) in enumerate(shapes.items())})
        x, upstream = (
            lib.tensor(numbers(steps, batch, inputs), True),
            numbers(steps, batch, directions * hidden, seed=9),
        )
        upstream = lib.tensor(upstream)
        parameters = list(net.parameters())

        def step() -> list[Any]:
            for t in (x, *parameters):
                t.grad = None
            out, _ = net(x)
            out.backward(upstream)
            return [out, x.grad, *(p.grad for p in parameters)]

        return step

    gates = 4 if kind == "LSTM" else 3
    widths = [inputs] + [directions * hidden] * (layers - 1)
    work = sum(6.0 * steps * batch * directions * gates * hidden * (width + hidden) for width in widths)
    name = f"{kind} {sizes}" + (f" {layers} layers, both directions" if bidirectional else "")
    return Row(name, build, work=work, tolerance=1e-3)


GROUPS = [
    Group(
        "LSTM and GRU (T, N, I, H)",
        1.0,
        1.5,
        [
            *(row(kind, sizes) for kind in ("LSTM", "GRU") for sizes in SIZES),
            *(row(kind, SIZES[0], 2, True) for kind in ("LSTM", "GRU")),
        ],
    )
]
