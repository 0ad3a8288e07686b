"""Run PyTorch's own samples of modules through the layers of the same names and compare.

A sample is a constructor call and a forward call, in float32 or float64, in training or inference. PyTorch's
weights, moved off their neat initial values, are loaded into our layer. The sample agrees if the results, the
gradients of all inputs and parameters under a random upstream gradient, and the state afterwards are all within
1e-5 (float32) or 1e-10 (float64), absolute plus relative; or if both libraries refuse it.

What PyTorch draws at random (dropout in training) can't be compared and is left out. The score is over the modules
that this library promises, `promised`; the others are listed below them.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tests.parity.common import NOT_HERE, TOLERANCE, close, convert, flat, leaves, report, told, torch
from tests.parity.samples import Sample, Source, sources
from tinygrad_lite import layers

MOST = 120
"""Samples of a module in one dtype and mode, lest one module decide the score."""

PROMISED = """
    Linear Embedding EmbeddingBag Upsample PixelShuffle Flatten Unflatten
    Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    AvgPool1d AvgPool2d MaxPool1d MaxPool2d LPPool1d LPPool2d
    AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d AdaptiveMaxPool2d
    RNN LSTM GRU RNNCell LSTMCell GRUCell
    BatchNorm1d BatchNorm2d LayerNorm GroupNorm InstanceNorm1d InstanceNorm2d
    MultiheadAttention TransformerEncoderLayer
"""

INEXACT = {
    "CELU": "PyTorch's gradient has 1 / alpha in float32",
    "CTCLoss": "PyTorch's gradient in float32 is off by 2e-5 after 50 steps",
    "Hardsigmoid": "PyTorch's gradient has 1 / 6 in float32",
}
"""Where it is PyTorch that isn't exact; such a sample counts as differing all the same."""


def promised(name: str) -> bool:
    """Whether a module is one of those that are to agree: all activations and losses, and the list above."""
    every = (*torch.nn.modules.activation.__all__, *torch.nn.modules.loss.__all__, *PROMISED.split())
    return name in every


class Random(Exception):
    """The sample draws random numbers."""


def built(make: Callable, given: tuple[tuple, dict]) -> Any:
    """Our layer for PyTorch's arguments, without those on where and in what precision it is kept."""
    args, options = given
    kept = {key: counterpart(option) for key, option in options.items() if key not in ("device", "dtype")}
    return make(*map(counterpart, args), **kept)


def counterpart(a: Any) -> Any:
    """A PyTorch argument of a constructor as one of ours; a function is that of its name, a module is made anew."""
    if isinstance(a, torch.nn.Module):
        return built(getattr(layers, type(a).__name__), a.made)  # type: ignore[arg-type]
    return getattr(tl, a.__name__) if hasattr(torch.nn.functional, getattr(a, "__name__", "-")) else convert(a)


def again(a: Any) -> Any:
    """PyTorch's arguments, each tensor a fresh leaf."""
    if isinstance(a, torch.Tensor):
        return a.detach().clone().requires_grad_(a.requires_grad)
    if isinstance(a, (list, tuple)):
        return type(a)(again(b) for b in a)
    return {key: again(b) for key, b in a.items()} if isinstance(a, dict) else a


def unsettled(module: Any) -> None:
    """Move parameters and moving averages off zero and one, where mistakes would not show."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.add_(0.5 * torch.rand_like(buffer))


def differentiated(results: list, inputs: Any, module: Any, kind: type, upstream: list) -> dict[str, Any]:
    """The gradients of all inputs and parameters by name; `upstream` are those of the results."""
    named = {f"the gradient of input {k}": x for k, x in enumerate(leaves(inputs, kind))}
    named |= {f"the gradient of {name}": p for name, p in module.named_parameters() if p.requires_grad}
    pairs = [(y, w) for y, w in zip(results, upstream) if w is not None and y.requires_grad]
    if not pairs or not named:
        return dict.fromkeys(named)
    ys, ws = zip(*pairs)
    if kind is tl.Tensor:
        gradients = tl.grad(list(ys), list(named.values()), [tl.tensor(w) for w in ws], allow_unused=True)
    else:
        gradients = torch.autograd.grad(ys, list(named.values()), [torch.tensor(w) for w in ws], allow_unused=True)
    return {name: np.zeros(x.shape) if g is None else g for (name, x), g in zip(named.items(), gradients)}


def compare(make_ours: Callable, make_theirs: Callable, sample: Sample, dtype: str, training: bool) -> None:
    """Raise where the two differ on one sample."""
    args, params = sample.made
    theirs = make_theirs(*args, **params).to(getattr(torch, dtype)).train(training)
    unsettled(theirs)
    before = copy.deepcopy(theirs)
    args, params = again(sample.called)
    try:
        wanted = flat(theirs(*args, **params))
    except Exception:
        wanted = None
    if wanted is not None and not repeats(before, sample, wanted):
        raise Random
    try:
        ours = built(make_ours, sample.made).to(dtype).train(training)
        ours.load_state_dict(before.state_dict())
        our_args, our_params = convert(sample.called)
        got = flat(ours(*our_args, **our_params))
    except Exception:
        if wanted is None:
            return
        raise
    assert wanted is not None, "PyTorch refuses this sample"
    assert len(got) == len(wanted), f"{len(got)} results, PyTorch has {len(wanted)}"
    for a, b in zip(got, wanted):
        assert (a is None) == (b is None), f"one of the results is {a}, PyTorch's {b}"
        if b is not None:
            close("the result", a, b, TOLERANCE[dtype])
    rng = np.random.default_rng(0)
    upstream = [rng.normal(size=b.shape).astype(dtype) if b is not None and b.requires_grad else None for b in wanted]
    mine = differentiated(got, (our_args, our_params), ours, tl.Tensor, upstream)
    their = differentiated(wanted, (args, params), theirs, torch.Tensor, upstream)
    assert mine.keys() == their.keys(), f"gradients of {list(mine)}, PyTorch has {list(their)}"
    for name in their:
        assert (mine[name] is None) == (their[name] is None), f"{name} is not recorded, or should not be"
        if their[name] is not None:
            close(name, mine[name], their[name], TOLERANCE[dtype])
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict()), f"the state is {list(state)}"
    for name, tensor in theirs.state_dict().items():
        close(f"the state {name}", state[name], tensor, TOLERANCE[dtype])


def repeats(module: Any, sample: Sample, results: list) -> bool:
    """Whether a copy of the module gives the same results once more."""
    args, params = again(sample.called)
    twin = flat(copy.deepcopy(module)(*args, **params))
    return all(b is None or torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(twin, results))


def samples(places: Sequence[Source]) -> Iterator[tuple[Sample, str, bool]]:
    """All samples in both dtypes and modes, every other one or so where there are more than `MOST`."""
    for dtype in TOLERANCE:
        for training in (True, False):
            torch.manual_seed(0)
            every = [sample for source in places for sample in source(dtype, training)]
            for sample in every[:: 1 + len(every) // MOST]:
                yield sample, dtype, training


def run(subject: tuple[type, Sequence[Source]], verbose: bool) -> tuple[int, int, str]:
    """How many of a module's samples agree, of how many, and why the first that differs does."""
    make_theirs, places = subject
    name = make_theirs.__name__
    make_ours = getattr(layers, name, None)
    good = total = 0
    reasons: list[str] = []
    for sample, dtype, training in samples(places):
        total += 1
        if make_ours is None:
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                compare(make_ours, make_theirs, sample, dtype, training)
            good += 1
        except Random:
            total -= 1
        except Exception as error:
            reason = told(error)
            if verbose and reason not in reasons and len(reasons) < 8:
                print(f"    {sample.made} {dtype} training={training}\n      {reason}")
            reasons.append(reason)
    if make_ours is None:
        return 0, total, NOT_HERE
    return good, total, INEXACT.get(name, reasons[0]) if reasons else ""


def judge(names: Sequence[str], verbose: bool) -> tuple[int, int]:
    """Run all modules, or those with PyTorch's names, and return how many samples agree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subjects = [(module.__name__, (module, places)) for module, places in sources().items()]
    return report(subjects, promised, run, names, verbose)
