"""PyTorch's own samples of modules: its ModuleInfo database, and the older list of tests beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

from tests.parity.common import torch


class Sample(NamedTuple):
    """The arguments of a constructor and of a call."""

    made: tuple[tuple, dict]
    called: tuple[tuple, dict]


Source = Callable[[str, bool], list[Sample]]
"""Samples in a dtype, for training or inference."""


def sources() -> dict[type, list[Source]]:
    """Where to get samples of each of PyTorch's modules."""
    from torch.testing._internal.common_modules import module_db
    from torch.testing._internal.common_nn import get_new_module_tests, module_tests

    found: dict[type, list[Source]] = {info.module_cls: [partial(newer, info)] for info in module_db}
    for test in [*module_tests, *get_new_module_tests()]:
        module, made = recorded(test)
        if module.__module__.startswith("torch.nn.modules."):  # others wrap functions
            found.setdefault(module, []).append(partial(older, test, made))
    return found


@contextmanager
def remembering(module: type) -> Iterator[None]:
    """Modules of a type keep the arguments that they are made with, as `made`."""
    init = module.__init__  # type: ignore[misc]

    def remember(self: Any, *args: Any, **params: Any) -> None:
        init(self, *args, **params)
        self.made = args, params

    with mock.patch.object(module, "__init__", remember):
        yield


def newer(info: Any, dtype: str, training: bool) -> list[Sample]:
    """The samples of the database."""
    given = {"device": "cpu", "dtype": getattr(torch, dtype), "requires_grad": True, "training": training}
    with remembering(torch.nn.TransformerEncoderLayer):  # a TransformerEncoder is made of one
        every = info.module_inputs_func(info, **given)
    calls = [(sample.constructor_input, sample.forward_input) for sample in every]
    return [Sample((made.args, made.kwargs), (called.args, called.kwargs)) for made, called in calls]


def recorded(test: dict) -> tuple[type, tuple[tuple, dict]]:
    """The module that a test makes, and the arguments it makes it with."""
    make = test.get("constructor") or getattr(torch.nn, test["module_name"])
    given = test["constructor_args_fn"]() if "constructor_args_fn" in test else test.get("constructor_args", ())
    module = type(make(*given))
    with remembering(module):
        return module, make(*given).made


def older(test: dict, made: tuple[tuple, dict], dtype: str, training: bool) -> list[Sample]:
    """The sample of a test."""
    from torch.testing._internal.common_nn import NewModuleTest

    asked = NewModuleTest(**{"constructor": None, **test})
    inputs = asked._get_input()
    args = (*(inputs if isinstance(inputs, tuple) else (inputs,)), *asked.extra_args)
    return [Sample(made, (in_dtype(args, getattr(torch, dtype)), {}))]


def in_dtype(a: Any, dtype: Any) -> Any:
    """Nested arguments with their floating-point tensors as leaves of a dtype."""
    if isinstance(a, torch.Tensor):
        return a.detach().to(dtype).requires_grad_() if a.is_floating_point() else a
    return type(a)(in_dtype(b, dtype) for b in a) if isinstance(a, (list, tuple)) else a
