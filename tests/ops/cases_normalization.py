"""Calls of normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.ops.cases_networks import functional
from tests.ops.spec import SPECS, Call, Spec, arrays

few = st.integers(1, 3)


def maybe(draw: Any, shape: Any, **range_: Any) -> Any:
    """An array, or None."""
    return draw(st.one_of(st.none(), arrays(shape, **range_)))


@st.composite
def batches(draw: Any, instance: bool) -> Call:
    """Every rank, with and without running statistics, weight and bias; training and not."""
    rank = draw(st.integers(int(instance), 3))
    c = draw(few)
    places = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    if instance and draw(st.booleans()):
        places = (*places[:-1], 2)
    n = draw(st.integers(1, 3))
    training = bool((np.prod(places) if instance else n * np.prod(places)) > 1 and draw(st.booleans()))
    tracked = not training or draw(st.booleans())
    mean = draw(arrays((c,))) if tracked else None
    var = draw(arrays((c,), 0.5, 2)) if tracked else None
    params = {"momentum": draw(st.sampled_from([0.1, 0.5]))}
    args = (draw(arrays((n, c, *places), unique=True)), mean, var, maybe(draw, (c,)), maybe(draw, (c,)), training)
    return Call(args, params | {"eps": draw(st.sampled_from([1e-2, 0.5]))})


SPECS["batch_norm"] = Spec(batches(False), functional("batch_norm"), constant=(1, 2))
SPECS["instance_norm"] = Spec(batches(True), functional("instance_norm"), constant=(1, 2))


@st.composite
def rectified(draw: Any) -> Call:
    """As in `batches`, with weights so small that the bias tells which channels are 0: no kink is near."""
    call = draw(batches(False))
    x, mean, var, _, _, training = call.args
    c = (x.shape[1],)
    weight, bias = draw(arrays(c, 0.05, 0.15)), draw(arrays(c, gap=(-2, 2)))
    residual = maybe(draw, x.shape, low=-0.5, high=0.5)
    return Call((x, mean, var, weight, bias, training), call.params | {"residual": residual})


def batch_norm_relu(*args: Any, residual: Any = None, **params: Any) -> Any:
    import torch

    y = torch.nn.functional.batch_norm(*args, **params)
    return torch.relu(y if residual is None else y + residual)


SPECS["batch_norm_relu"] = Spec(rectified(), batch_norm_relu, constant=(1, 2))


@st.composite
def renormalized(draw: Any) -> Call:
    """As in `batches`. In training r and d, constants to the gradient, stand at their limits, or differences fail."""
    call = draw(batches(False))
    x, _, _, weight, bias, training = call.args
    c = (x.shape[1],)
    mean, std = draw(arrays(c, gap=(-4, 4), low=-6, high=6)), draw(arrays(c, 0.01, 0.02))
    limits = {"r_max": draw(st.sampled_from([1.0, 1.5])), "d_max": draw(st.sampled_from([0.0, 0.5]))}
    return Call((x, mean, std, weight, bias, training), limits | {"momentum": 0.0, "eps": 0.1})


def batch_renorm(
    x: Any, mean: Any, std: Any, weight: Any, bias: Any, training: bool, r_max: float, d_max: float, **params: float
) -> Any:
    """PyTorch has none: algorithm 1 of the paper, with its operations."""
    import torch

    eps = params["eps"]
    line = (1, -1, *[1] * (x.ndim - 2))
    mu, sigma = mean.reshape(line), std.reshape(line)
    if training:
        batch = (0, *range(2, x.ndim))
        mu_b = x.mean(batch, keepdim=True)
        sigma_b = (x.var(batch, correction=0, keepdim=True) + eps).sqrt()
        r = torch.clip(sigma_b / sigma, 1 / r_max, r_max).detach()
        d = torch.clip((mu_b - mu) / sigma, -d_max, d_max).detach()
        y = (x - mu_b) / sigma_b * r + d
    else:
        y = (x - mu) / sigma
    y = y if weight is None else y * weight.reshape(line)
    return y if bias is None else y + bias.reshape(line)


SPECS["batch_renorm"] = Spec(renormalized(), batch_renorm, constant=(1, 2))


@st.composite
def groups(draw: Any) -> Call:
    count, each = draw(few), draw(few)
    shape = (draw(st.integers(0, 3)), count * each, *draw(st.lists(few, max_size=2)))
    if np.prod(shape) == count:
        shape = (*shape, 2)  # one value has no variance
    c = (count * each,)
    return Call((draw(arrays(shape, unique=True)), count, maybe(draw, c), maybe(draw, c)), {"eps": 0.1})


def group_norm(x: Any, count: int, weight: Any, bias: Any, eps: float) -> Any:
    """PyTorch's, whose backward fails for an empty batch, and for a bias without a weight."""
    import torch

    weight = torch.ones_like(bias) if weight is None and bias is not None else weight
    return torch.nn.functional.group_norm(x, count, weight, bias, eps) if len(x) else x * 1


SPECS["group_norm"] = Spec(groups(), group_norm)


@st.composite
def layers(draw: Any, bias: bool) -> Call:
    shape = tuple(draw(st.lists(few, min_size=1, max_size=2)))
    lead = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    args = [draw(arrays((*lead, *shape), unique=True)), shape, maybe(draw, shape)]
    if bias:
        args.append(maybe(draw, shape))
    return Call(tuple(args), {"eps": 0.1})


SPECS["layer_norm"] = Spec(layers(True), functional("layer_norm"))
SPECS["rms_norm"] = Spec(layers(False), functional("rms_norm"))


@st.composite
def responses(draw: Any) -> Call:
    shape = (draw(few), draw(st.integers(1, 4)), *draw(st.lists(st.integers(1, 2), min_size=1, max_size=2)))
    params = {"alpha": draw(st.sampled_from([1e-4, 0.5])), "beta": draw(st.sampled_from([0.75, 1.5])), "k": 2.0}
    return Call((draw(arrays(shape)), draw(st.integers(1, 5))), params)


SPECS["local_response_norm"] = Spec(responses(), functional("local_response_norm"))
