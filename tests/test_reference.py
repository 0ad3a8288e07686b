"""PyTorch's numbers without PyTorch: a few of them stand in reference/numbers.json, made by reference/make.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.reference import cases

NUMBERS = json.loads((Path(__file__).parent / "reference" / "numbers.json").read_text())
OURS = cases.Library(tl.tensor, tl.layers, tl.optim, tl.optim, "float64")


def same(ours: object, theirs: object, what: str) -> None:
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), what
        for key in theirs:
            same(ours[key], theirs[key], f"{what}: {key}")
    elif isinstance(theirs, (str, bool, type(None))):
        assert ours == theirs, what
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, err_msg=what)


def each(kind: str, table: dict) -> pytest.MarkDecorator:
    assert table.keys() == NUMBERS[kind].keys(), f"run python -m tests.reference.make: {kind} are not those of cases.py"
    return pytest.mark.parametrize("name", table)


@each("layers", cases.LAYERS)
def test_layers(name):
    same(cases.layer(OURS, *cases.LAYERS[name]), NUMBERS["layers"][name], name)


@each("losses", cases.LOSSES)
def test_losses(name):
    same(cases.loss(OURS, *cases.LOSSES[name]), NUMBERS["losses"][name], name)


@each("optimizers", cases.OPTIMIZERS)
def test_optimizers(name):
    same(cases.optimizer(OURS, *cases.OPTIMIZERS[name]), NUMBERS["optimizers"][name], name)


@each("schedules", cases.SCHEDULES)
def test_schedules(name):
    same(cases.schedule(OURS, cases.SCHEDULES[name]), NUMBERS["schedules"][name], name)


def test_defaults():
    same(cases.defaults(OURS), NUMBERS["defaults"], "default")


def test_every_optimizer_of_pytorch_is_there():
    """Ftrl is not PyTorch's; its reference is the algorithm of the paper (tests/optim/test_ftrl.py)."""
    kinds = {kind for kind in vars(tl.optim).values() if isinstance(kind, type)}
    optimizers = {k.__name__ for k in kinds if issubclass(k, tl.optim.Optimizer)} - {"Optimizer", "Ftrl"}
    assert optimizers == {name for name, _ in cases.OPTIMIZERS.values()}
    schedules = {k.__name__ for k in kinds if issubclass(k, tl.optim.LRScheduler)} - {"LRScheduler"}
    assert schedules == {name for case in cases.SCHEDULES.values() for name, _ in case}


@pytest.mark.filterwarnings("ignore")
def test_the_numbers_are_pytorchs():
    torch = pytest.importorskip("torch", reason="makes the numbers anew; PyTorch comes with the extra [torch]")
    theirs = cases.Library(torch.tensor, torch.nn, torch.optim, torch.optim.lr_scheduler, torch.float64)
    same({"PyTorch": NUMBERS["PyTorch"], **cases.compute(theirs)}, NUMBERS, "numbers.json")
