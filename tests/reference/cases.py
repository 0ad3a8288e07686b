"""What the reference numbers are of: layers, losses, optimisers and schedules, on inputs and weights made of sines.

make.py runs all of it with PyTorch and writes numbers.json; tests/test_reference.py runs it with tinygrad_lite, which
has the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np

STEPS = (1, 2, 10, 100)
"""The steps after which the parameters of an optimizer are noted."""

LAYERS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "Linear": ("Linear", {"in_features": 3, "out_features": 2}, (2, 3)),
    "Conv2d": (
        "Conv2d",
        {"in_channels": 2, "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1},
        (1, 2, 5, 4),
    ),
    "Conv2d, grouped and dilated": (
        "Conv2d",
        {"in_channels": 2, "out_channels": 4, "kernel_size": 2, "groups": 2, "dilation": 2, "bias": False},
        (1, 2, 4, 3),
    ),
    "BatchNorm2d": ("BatchNorm2d", {"num_features": 2}, (3, 2, 1, 2)),
    "LayerNorm": ("LayerNorm", {"normalized_shape": 4}, (3, 4)),
    "GroupNorm": ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (2, 4, 2)),
    "LSTM": ("LSTM", {"input_size": 2, "hidden_size": 2, "num_layers": 2}, (3, 2, 2)),
    "LSTM, both ways": ("LSTM", {"input_size": 2, "hidden_size": 2, "bidirectional": True}, (3, 1, 2)),
    "GRU": ("GRU", {"input_size": 2, "hidden_size": 2, "batch_first": True}, (2, 3, 2)),
    "RNN": ("RNN", {"input_size": 2, "hidden_size": 3}, (3, 1, 2)),
}  # fmt: skip
"""By name: the class, its options, and the shape of the input."""

LABELS = np.array([2, 0, 1])
SIGNS = np.array([1.0, -1.0, 1.0])

LOSSES: dict[str, tuple[str, dict[str, Any], Callable[[], tuple]]] = {
    "MSELoss": ("MSELoss", {}, lambda: (wave(3, 2), wave(3, 2, seed=5))),
    "L1Loss": ("L1Loss", {"reduction": "sum"}, lambda: (wave(3, 2), wave(3, 2, seed=5))),
    "SmoothL1Loss": ("SmoothL1Loss", {"beta": 0.5}, lambda: (wave(3, 2), wave(3, 2, seed=5))),
    "HuberLoss": ("HuberLoss", {"delta": 0.5}, lambda: (wave(3, 2), wave(3, 2, seed=5))),
    "CrossEntropyLoss": ("CrossEntropyLoss", {}, lambda: (wave(3, 4), LABELS)),
    "CrossEntropyLoss, smoothed": ("CrossEntropyLoss", {"label_smoothing": 0.1}, lambda: (wave(3, 4), LABELS)),
    "NLLLoss": ("NLLLoss", {}, lambda: (wave(3, 4) - 2, LABELS)),
    "BCELoss": ("BCELoss", {}, lambda: (0.5 + 0.4 * wave(3, 2), 0.5 + 0.5 * wave(3, 2, seed=5))),
    "BCEWithLogitsLoss": ("BCEWithLogitsLoss", {}, lambda: (wave(3, 2), 0.5 + 0.5 * wave(3, 2, seed=5))),
    "KLDivLoss": ("KLDivLoss", {"reduction": "batchmean"}, lambda: (wave(3, 2) - 2, 0.5 + 0.4 * wave(3, 2, seed=5))),
    "HingeEmbeddingLoss": ("HingeEmbeddingLoss", {}, lambda: (wave(3), SIGNS)),
}
"""By name: the class, its options, and what it compares."""

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD, Nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "SGD, dampened": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    "Adam": ("Adam", {"lr": 0.1}),
    "Adam, AMSGrad": ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.01}),
    "AdamW": ("AdamW", {"lr": 0.1, "betas": [0.8, 0.99]}),
    "Adamax": ("Adamax", {"lr": 0.1, "weight_decay": 0.01}),
    "NAdam": ("NAdam", {"lr": 0.01}),
    "NAdam, decoupled": ("NAdam", {"lr": 0.01, "weight_decay": 0.01, "decoupled_weight_decay": True}),
    "RAdam": ("RAdam", {"lr": 0.1}),
    "RAdam, decoupled": ("RAdam", {"lr": 0.1, "weight_decay": 0.01, "decoupled_weight_decay": True}),
    "RMSprop": ("RMSprop", {"lr": 0.1}),
    "RMSprop, centered": ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}),
    "Adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    "Adadelta": ("Adadelta", {"rho": 0.8, "weight_decay": 0.01}),
    "Rprop": ("Rprop", {"lr": 0.1}),
    "ASGD": ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 5}),
    "LBFGS": ("LBFGS", {"lr": 0.1, "max_iter": 1, "history_size": 3}),
    "LBFGS, few evaluations": ("LBFGS", {"max_iter": 2, "max_eval": 3, "line_search_fn": "strong_wolfe"}),
    "LBFGS, searched": ("LBFGS", {"max_iter": 1, "max_eval": 25, "line_search_fn": "strong_wolfe"}),
}
"""By name: the class and its options."""

SCHEDULES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "StepLR": [("StepLR", {"step_size": 4})],
    "MultiStepLR": [("MultiStepLR", {"milestones": [2, 5, 5]})],
    "ConstantLR": [("ConstantLR", {})],
    "LinearLR": [("LinearLR", {"end_factor": 0.5})],
    "ExponentialLR": [("ExponentialLR", {"gamma": 0.9})],
    "PolynomialLR": [("PolynomialLR", {"total_iters": 10, "power": 2.0})],
    "CosineAnnealingLR": [("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01})],
    "CosineAnnealingWarmRestarts": [("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2})],
    "CyclicLR": [("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "triangular2"})],
    "OneCycleLR": [("OneCycleLR", {"max_lr": 1.0, "total_steps": 16})],
    "OneCycleLR, straight": [("OneCycleLR", {"max_lr": 1.0, "total_steps": 16, "anneal_strategy": "linear"})],
    "OneCycleLR, three phases": [("OneCycleLR", {"max_lr": 1.0, "total_steps": 16, "three_phase": True})],
    "LambdaLR": [("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)})],
    "MultiplicativeLR": [("MultiplicativeLR", {"lr_lambda": lambda t: 0.9 if t % 2 else 1.0})],
    "ReduceLROnPlateau": [("ReduceLROnPlateau", {"patience": 1, "cooldown": 1})],
    "SequentialLR": [
        ("LinearLR", {"total_iters": 3}), ("CosineAnnealingLR", {"T_max": 12}), ("SequentialLR", {"milestones": [3]}),
    ],
    "ChainedScheduler": [("ConstantLR", {}), ("ExponentialLR", {"gamma": 0.9}), ("ChainedScheduler", {})],
}  # fmt: skip
"""By name: classes and options; the last of several is made of those before it."""

PYTORCHS_OWN = {"foreach", "fused", "capturable", "differentiable"}
"""Options that say how PyTorch is to compute."""


class Library(NamedTuple):
    """Where the same names are found."""

    tensor: Callable[..., Any]
    layers: Any
    optim: Any
    schedules: Any
    float64: Any


def wave(*shape: int, seed: float = 0.0) -> np.ndarray:
    """sin(seed + 1), sin(seed + 2), ..., in a shape."""
    return np.sin(seed + 1 + np.arange(np.prod(shape, dtype=int), dtype=float)).reshape(shape)


def summed(array: np.ndarray) -> float:
    """One number for an array: the sum of its elements, each times another sine."""
    return float((array * wave(*array.shape, seed=0.5)).sum())


def compute(library: Library) -> dict[str, dict[str, Any]]:
    """All numbers, by kind and name."""
    return {
        "layers": {name: layer(library, *case) for name, case in LAYERS.items()},
        "losses": {name: loss(library, *case) for name, case in LOSSES.items()},
        "optimizers": {name: optimizer(library, *case) for name, case in OPTIMIZERS.items()},
        "schedules": {name: schedule(library, case) for name, case in SCHEDULES.items()},
        "defaults": defaults(library),
    }


def defaults(library: Library) -> dict[str, dict[str, Any]]:
    """The options of all optimizers and schedules that have defaults, by class, in order."""
    kinds = [getattr(library.optim, name) for name in sorted({name for name, _ in OPTIMIZERS.values()})]
    kinds += [getattr(library.schedules, name) for name in sorted({name for c in SCHEDULES.values() for name, _ in c})]
    return {kind.__name__: default_options(kind) for kind in kinds}


def default_options(kind: type) -> dict[str, Any]:
    parameters = signature(kind).parameters
    found = {name: p.default for name, p in parameters.items() if p.default is not Parameter.empty}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items() if name not in PYTORCHS_OWN}


def layer(library: Library, name: str, options: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """The output, and the weighted sums of the gradients of input and parameters and of the buffers."""
    module = getattr(library.layers, name)(**options).to(library.float64)
    module.load_state_dict(
        {
            key: library.tensor(wave(*value.shape, seed=k) if value.ndim else np.zeros((), int))
            for k, (key, value) in enumerate(module.state_dict().items())
        }
    )
    x = library.tensor(wave(*shape), requires_grad=True)
    out = module(x)
    out = out[0] if isinstance(out, tuple) else out
    out.backward(library.tensor(wave(*out.shape, seed=0.25)))
    sums = {f"gradient of {key}": summed(p.grad.numpy()) for key, p in [("the input", x), *module.named_parameters()]}
    sums |= {key: summed(buffer.detach().numpy()) for key, buffer in module.named_buffers()}
    return {"output": out.detach().numpy().ravel().tolist(), **sums}


def loss(library: Library, name: str, options: dict[str, Any], make: Callable[[], tuple]) -> dict[str, Any]:
    """The loss and its gradient."""
    given, wanted = make()
    x = library.tensor(given, requires_grad=True)
    value = getattr(library.layers, name)(**options)(x, library.tensor(wanted))
    value.backward()
    return {"loss": value.item(), "gradient": x.grad.numpy().ravel().tolist()}


def optimizer(library: Library, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The parameter after some steps, along the gradient of a bowl with waves on it."""
    w = library.tensor(wave(3), requires_grad=True)
    made = getattr(library.optim, name)([w], **options)
    scales = np.array([1.0, 2.0, 3.0])

    def closure() -> Any:
        x = w.detach().numpy()
        w.grad = library.tensor(scales * x + 0.1 * np.cos(5 * x))
        return library.tensor((scales * x * x / 2 + 0.02 * np.sin(5 * x)).sum())

    noted = {}
    for step in range(1, max(STEPS) + 1):
        made.step(closure)
        if step in STEPS:
            noted[f"after step {step}"] = w.detach().numpy().tolist()
    return noted


def schedule(library: Library, case: list[tuple[str, dict[str, Any]]]) -> list[float]:
    """The rates of 16 steps."""
    w = library.tensor(wave(3), requires_grad=True)
    made = library.optim.SGD([w], lr=0.5, momentum=0.9)
    parts = [getattr(library.schedules, name)(made, **options) for name, options in case[: len(case) - (len(case) > 1)]]
    name, options = case[-1]
    whole = parts[-1]
    if name == "SequentialLR":
        whole = library.schedules.SequentialLR(made, parts, **options)
    elif name == "ChainedScheduler":
        whole = library.schedules.ChainedScheduler(parts)
    rates = [float(made.param_groups[0]["lr"])]
    for metric in wave(15):
        made.step()
        whole.step(*[metric] * (name == "ReduceLROnPlateau"))
        rates.append(float(made.param_groups[0]["lr"]))
    return rates
