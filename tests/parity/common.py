"""What the judges share: arguments of one library as those of the other, and comparing results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import tinygrad_lite as tl

try:
    import torch
except ModuleNotFoundError:  # so that the files can be collected without it
    torch: Any = None  # type: ignore[no-redef]


TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
"""Absolute plus relative, for modules and optimizers."""


def convert(a: Any) -> Any:
    """A PyTorch argument as one of ours."""
    if isinstance(a, torch.Tensor):
        return tl.tensor(a.detach().numpy().copy(), requires_grad=a.requires_grad)
    if isinstance(a, torch.dtype):
        return np.dtype(str(a).removeprefix("torch."))
    if isinstance(a, torch.Size):
        return tuple(a)
    if isinstance(a, (list, tuple)):
        return type(a)(convert(b) for b in a)
    return {key: convert(b) for key, b in a.items()} if isinstance(a, dict) else a


def leaves(a: Any, kind: type) -> Iterator[Any]:
    """All tensors of `kind` that require grad, in nested arguments."""
    if isinstance(a, kind):
        if a.requires_grad:  # type: ignore[attr-defined]
            yield a
    elif isinstance(a, (list, tuple)):
        for b in a:
            yield from leaves(b, kind)
    elif isinstance(a, dict):
        for b in a.values():
            yield from leaves(b, kind)


def flat(y: Any) -> list[Any]:
    """The results of nested tuples, in order."""
    return [t for part in y for t in flat(part)] if isinstance(y, (list, tuple)) else [y]


def value(t: Any) -> np.ndarray:
    """A tensor of either library as an array."""
    if isinstance(t, torch.Tensor):
        t = t.detach()
        return (t.to_dense() if t.is_sparse else t).numpy(force=True)
    return t.detach().numpy() if isinstance(t, tl.Tensor) else np.asarray(t)


def told(error: Exception) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def close(what: str, ours: Any, theirs: Any, tolerance: float) -> None:
    """Raise where two tensors differ."""
    a, b = value(ours), value(theirs)
    assert a.shape == b.shape, f"{what} has shape {a.shape}, PyTorch's {b.shape}"
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


NOT_HERE = "not here"


def report(
    subjects: Iterable[tuple[str, Any]],
    promised: Callable[[str], bool],
    run: Callable[[Any, bool], tuple[int, int, str]],
    names: Sequence[str],
    verbose: bool,
) -> tuple[int, int]:
    """Judge every subject, or those named: a line each, with the reason of the first difference.

    run: gives how many samples of a subject agree, of how many, and that reason. Returns how many agree of those
    promised (or named); the others are listed below them.
    """
    good = total = 0
    chosen = [(name, subject) for name, subject in subjects if not names or name in names]
    for name, subject in sorted(chosen, key=lambda pair: not promised(pair[0])):
        g, n, reason = run(subject, verbose)
        if promised(name) or names:
            good, total = good + g, total + n
        verdict = "agree" if g == n else NOT_HERE if reason == NOT_HERE else "differ"
        aside = "" if promised(name) else ", not promised"
        why = f"  {reason[:160]}" if verdict == "differ" else ""
        print(f"{name:24} {verdict:8} {g:3} of {n:3}{aside}{why}", flush=True)
    return good, total
