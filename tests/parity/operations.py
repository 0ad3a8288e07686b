"""Run PyTorch's own sample inputs of operations (its OpInfo database) through ours and compare.

Values, first gradients and second order are compared in float64. A sample counts as agreeing if all
three do, or if both libraries refuse it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tests.parity.common import convert, flat, leaves, told, torch, value

LEFT_OUT = {"device", "layout", "pin_memory", "memory_format", "out", "non_blocking", "copy", "inplace"}
"""Arguments that make no sense here."""

OTHER_NAMES = {
    "mul": "multiply", "sub": "subtract", "pow": "power", "neg": "negative", "true_divide": "divide",
    "__getitem__": "getitem", "to": "", "unfold": "", "linspace": "",
    "nn.functional.triplet_margin_with_distance_loss": "",
    "__radd__": "add", "__rmul__": "multiply",
    "new_zeros": "", "new_ones": "", "new_full": "", "new_empty": "", "view_as": "", "expand_as": "", "reshape_as": "",
    "clamp_min": "", "clamp_max": "", "polar": "", "complex": "", "T_": "", "empty": "", "empty_like": "",
    "randn_like": "", "rand_like": "", "bernoulli": "", "normal": "", "dropout": "", "alpha_dropout": "",
    "nn.functional.dropout": "", "nn.functional.dropout2d": "", "nn.functional.dropout3d": "",
    "randn": "", "randint": "",
    "nn.functional.alpha_dropout": "", "nn.functional.feature_alpha_dropout": "", "uniform": "", "empty_strided": "",
    "multinomial": "", "linalg.inv_ex": "", "linalg.cholesky_ex": "", "item": "", "equal": "", "allclose": "",
}  # fmt: skip
"""Where the name is not PyTorch's; empty for what can't be compared (random, or about storage)."""


ADAPTED: dict[str, Callable] = {
    "T": lambda x: x.T,
    "einsum": lambda tensors, equation: tl.einsum(equation, *tensors),
    "where": lambda x, condition, y: tl.where(condition, x, y),
    "nn.functional.embedding": lambda weight, ids, **params: tl.embedding(ids, weight, **params),
}
"""Where PyTorch's samples hand the arguments over in an order of their own."""


def ours(name: str) -> Callable | None:
    """The operation that stands for PyTorch's `name`."""
    if name in ADAPTED:
        return ADAPTED[name]
    name = OTHER_NAMES.get(name, name)
    if not name:
        return None
    if name.startswith("linalg."):
        return getattr(tl.linalg, name.removeprefix("linalg."), None)
    for prefix in ("nn.functional.", "special."):
        name = name.removeprefix(prefix)
    found = getattr(tl, name, None)
    return found if callable(found) and "." not in name else None


def close(what: str, a: Any, b: Any) -> None:
    np.testing.assert_allclose(value(a), value(b), rtol=1e-6, atol=1e-7, err_msg=what)


def compare(call_ours: Callable, call_theirs: Callable, args: tuple, params: dict) -> None:
    """Raise where the two differ on one sample."""
    our_args, our_params = convert(args), {k: convert(v) for k, v in params.items() if k not in LEFT_OUT}
    try:
        theirs = flat(call_theirs(*args, **params))
    except Exception:
        try:
            call_ours(*our_args, **our_params)
        except Exception:
            return
        raise AssertionError("PyTorch refuses this sample") from None
    got = flat(call_ours(*our_args, **our_params))
    assert len(got) == len(theirs), f"{len(got)} results, PyTorch has {len(theirs)}"
    for a, b in zip(got, theirs):
        close("values", a, b)
    rng = np.random.default_rng(0)
    xs, zs = list(leaves((our_args, our_params), tl.Tensor)), list(leaves((args, params), torch.Tensor))
    pairs = [
        (a, b, rng.standard_normal(b.shape))
        for a, b in zip(got, theirs)
        if isinstance(b, torch.Tensor) and b.requires_grad
    ]
    if not pairs or not xs:
        return
    second = True
    hs = torch.autograd.grad(
        [b for _, b, _ in pairs], zs, [torch.tensor(w) for *_, w in pairs], create_graph=True, allow_unused=True
    )
    tracked = [(a, w) for a, _, w in pairs if a.requires_grad]
    assert tracked or all(h is None or not h.detach().any() for h in hs), "no gradient is recorded"
    gs: Any = [None] * len(xs)
    if tracked:
        gs = tl.grad([a for a, _ in tracked], xs, [w for _, w in tracked], create_graph=True, allow_unused=True)
    filled = lambda t, like: np.zeros(like.shape) if t is None else t  # noqa: E731
    for g, h, x in zip(gs, hs, zs):
        close("gradient", filled(g, x), filled(h, x))
    deep = [(g, h, rng.standard_normal(h.shape)) for g, h in zip(gs, hs) if h is not None and h.requires_grad]
    try:
        h2 = (
            torch.autograd.grad([h for _, h, _ in deep], zs, [torch.tensor(w) for *_, w in deep], allow_unused=True)
            if deep
            else []
        )
    except (RuntimeError, NotImplementedError):
        second = False  # PyTorch has no second order here
    if second and deep:
        tracked = [(g, w) for g, _, w in deep if g is not None and g.requires_grad]
        g2: Any = [None] * len(xs)
        if tracked:
            g2 = tl.grad([g for g, _ in tracked], xs, [w for _, w in tracked], allow_unused=True)
        for g, h, x in zip(g2, h2, zs):
            close("second order", filled(g, x), filled(h, x))


def run(op: Any, verbose: bool) -> tuple[int, int]:
    """How many of an operation's samples agree, and of how many."""
    call = ours(op.name)
    assert call is not None
    theirs = op.op
    good = total = shown = 0
    try:
        samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=op.supports_autograd))
    except Exception:
        return 0, 0
    for sample in samples[:60]:
        args = (sample.input, *sample.args)
        if any(isinstance(t, torch.Tensor) and t.is_complex() for t in flat(list(args))):
            continue
        if sample.kwargs.get("dropout_p") or ("rrelu" in op.name and sample.kwargs.get("training")):
            continue  # each library draws its own random numbers
        total += 1
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                compare(call, theirs, args, sample.kwargs)
            good += 1
        except Exception as error:
            if verbose and shown < 8:
                shown += 1
                described = [tuple(a.shape) if isinstance(a, torch.Tensor) else a for a in args]
                print(f"    {described} {sample.kwargs}\n      {told(error)}")
    return good, total


def judge(names: Sequence[str], verbose: bool) -> tuple[int, int]:
    """Run all operations, or those with PyTorch's names; print a line each, and return how many samples agree."""
    from torch.testing._internal.common_methods_invocations import op_db

    torch.manual_seed(0)
    good = total = 0
    for op in sorted(op_db, key=lambda op: op.name):
        if names and op.name not in names and op.name.split(".")[-1] not in names:
            continue
        if ours(op.name) is None or torch.float64 not in op.dtypes:
            continue
        g, n = run(op, verbose)
        good, total = good + g, total + n
        mark = "" if g == n else "   <--"
        print(f"{op.name + ' ' + op.variant_test_name:45} {g:3} of {n:3}{mark}", flush=True)
    return good, total
