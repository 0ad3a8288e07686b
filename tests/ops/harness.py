"""Hold one call of an operation to differences and to PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tl
from tests.ops.spec import Call, Spec

STEP = 1e-6
rng = np.random.default_rng(0)


def _is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def split(call: Call, spec: Spec) -> tuple[list[np.ndarray], Any]:
    """The arrays to differentiate, and a function that puts (changed) ones back into the arguments."""
    found: list[np.ndarray] = []

    def walk(a: Any, pick: Any, keep: bool = False) -> Any:
        if _is_float(a) and not keep:
            return pick(a)
        if isinstance(a, (list, tuple)) and any(_is_float(b) for b in a):
            return type(a)(walk(b, pick, keep) for b in a)
        return a

    def collect(a: np.ndarray) -> np.ndarray:
        found.append(a)
        return a

    def build(pick: Any) -> tuple[tuple, dict]:
        args = tuple(walk(a, pick, k in spec.constant) for k, a in enumerate(call.args))
        return args, {k: walk(v, pick) for k, v in call.params.items()}

    build(collect)

    def put(new: list) -> tuple[tuple, dict]:
        it = iter(new)
        return build(lambda a: next(it))

    return found, put


def outputs(y: Any) -> list[tl.Tensor]:
    """The differentiable results, as a list."""
    ys = list(y) if isinstance(y, (tuple, list)) else [y]
    return [t for t in ys if t.dtype.kind == "f"]


def scalar(name: str, call: Call, spec: Spec, weights: list) -> Any:
    """The call as a function from the differentiated arrays to one number, sum(w * output) for random w."""
    op = tl.registry[name]
    _, put = split(call, spec)

    def f(*xs: tl.Tensor) -> tl.Tensor:
        args, params = put(list(xs))
        tl.manual_seed(0)  # a random operation draws the same at each call
        total = tl.tensor(0.0, dtype=np.float64)
        for k, y in enumerate(outputs(op(*args, **params))):
            if len(weights) <= k:
                weights.append(rng.standard_normal(y.shape))
            total = total + (y * weights[k]).sum()
        return total

    return f


def numeric(f: Any, xs: list[np.ndarray], vs: list[np.ndarray]) -> float:
    """The central difference of f at xs along vs."""
    up = f(*[tl.tensor(x + STEP * v) for x, v in zip(xs, vs)]).item()
    down = f(*[tl.tensor(x - STEP * v) for x, v in zip(xs, vs)]).item()
    return (up - down) / (2 * STEP)


def check(name: str, call: Call, spec: Spec, second: bool = True) -> None:
    """Reverse, forward, reverse over reverse and forward over reverse, along a random direction.

    Reverse twice: with rules that see Tensors, and with rules that see arrays, which may call kernels.
    """
    xs, _ = split(call, spec)
    weights: list = []
    f = scalar(name, call, spec, weights)
    vs = [rng.standard_normal(x.shape) for x in xs]
    if spec.symmetric:
        vs = [v + np.swapaxes(v, -1, -2) for v in vs]

    def slope(*xs: tl.Tensor) -> tl.Tensor:
        """The derivative of f along vs, by reverse mode, as a function of xs."""
        if not any(x.requires_grad for x in xs):
            xs = tuple(x.detach().requires_grad_() for x in xs)
        y = f(*xs)
        if not y.requires_grad:
            return tl.tensor(0.0, dtype=np.float64)
        gs = tl.grad(y, list(xs), create_graph=True, allow_unused=True)
        total = tl.tensor(0.0, dtype=np.float64)
        for g, v, x in zip(gs, vs, xs):
            if g is not None:
                assert g.shape == x.shape, f"{name}: gradient of shape {g.shape} for an operand of {x.shape}"
                total = total + (g * v).sum()
        return total

    def plain_slope() -> float:
        """The same, without recording it."""
        leaves = [tl.tensor(x, requires_grad=True) for x in xs]
        y = f(*leaves)
        gs = tl.grad(y, leaves, allow_unused=True) if y.requires_grad else []
        return sum((g.numpy() * v).sum() for g, v in zip(gs, vs) if g is not None)

    want = numeric(f, xs, vs)
    close(f"{name}, reverse", slope(*map(tl.tensor, xs)).item(), want, call)
    close(f"{name}, reverse on arrays", plain_slope(), want, call)
    _, forward = tl.jvp(f, tuple(map(tl.tensor, xs)), tuple(map(tl.tensor, vs)))
    close(f"{name}, forward", forward.item(), slope(*map(tl.tensor, xs)).item(), call)
    if second:
        want = numeric(slope, xs, vs)
        leaves = [tl.tensor(x, requires_grad=True) for x in xs]
        s = slope(*leaves)
        got = 0.0
        if s.requires_grad:
            gs = tl.grad(s, leaves, allow_unused=True)
            got = sum((g.numpy() * v).sum() for g, v in zip(gs, vs) if g is not None)
        close(f"{name}, reverse over reverse", got, want, call)
        _, forward = tl.jvp(slope, tuple(map(tl.tensor, xs)), tuple(map(tl.tensor, vs)))
        close(f"{name}, forward over reverse", forward.item(), got, call)


def close(what: str, got: float, want: float, call: Call) -> None:
    assert abs(got - want) <= 1e-5 * (1 + abs(got) + abs(want)), f"{what}: {got} but differences say {want}\n{call}"


def check_torch(name: str, call: Call, spec: Spec) -> None:
    """Values and first gradients equal PyTorch's."""
    import torch

    xs, put = split(call, spec)
    ours = [tl.tensor(x, requires_grad=spec.gradient) for x in xs]
    theirs = [torch.tensor(x, requires_grad=spec.gradient) for x in xs]

    def torched(a: Any) -> Any:
        if isinstance(a, np.ndarray):
            return torch.tensor(a)
        return (
            type(a)(map(torched, a))
            if isinstance(a, (list, tuple)) and any(isinstance(b, np.ndarray) for b in a)
            else a
        )

    args, params = put(ours)
    y = tl.registry[name](*args, **params)
    args, params = put(theirs)
    assert spec.torch is not None
    z = spec.torch(*map(torched, args), **{k: torched(v) for k, v in params.items()})
    ys, zs = ([*t] if isinstance(t, (tuple, list)) else [t] for t in (y, z))
    pairs = []
    for a, b in zip(ys, zs, strict=True):
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=f"{name}: {call}"
        )
        if a.requires_grad and b.requires_grad:
            pairs.append((a, b, rng.standard_normal(a.shape)))
    if pairs:
        gs = tl.grad([a for a, _, _ in pairs], ours, [w for _, _, w in pairs], allow_unused=True)
        hs = torch.autograd.grad(
            [b for _, b, _ in pairs], theirs, [torch.from_numpy(np.asarray(w)) for _, _, w in pairs], allow_unused=True
        )
        for g, h, x in zip(gs, hs, xs):
            g = np.zeros_like(x) if g is None else g.numpy()
            h = np.zeros_like(x) if h is None else h.detach().numpy()
            np.testing.assert_allclose(g, h, rtol=1e-8, atol=1e-8, err_msg=f"gradient of {name}: {call}")
