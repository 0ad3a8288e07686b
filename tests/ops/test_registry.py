"""Every operation in the registry: reverse, forward and second order against differences, and against PyTorch."""

from __future__ import annotations

import importlib
import pkgutil
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tests.ops
import tinygrad_lite as tl
from tests.ops import harness
from tests.ops.spec import SPECS

for module in pkgutil.iter_modules(tests.ops.__path__):
    if module.name.startswith("cases_"):
        importlib.import_module(f"tests.ops.{module.name}")

NAMES = sorted(tl.registry)
quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def test_every_operation_has_a_spec_and_every_spec_an_operation():
    assert set(NAMES) == set(SPECS)


@pytest.mark.parametrize("name", [n for n in NAMES if n in SPECS and SPECS[n].gradient])
@quick
@given(data=st.data())
def test_gradients_of_every_order_and_mode_match_differences(name, data):
    harness.check(name, data.draw(SPECS[name].calls), SPECS[name])


@pytest.mark.parametrize("name", [n for n in NAMES if n in SPECS and SPECS[n].torch])
@quick
@given(data=st.data())
def test_values_and_gradients_match_pytorch(name, data):
    pytest.importorskip("torch", reason="PyTorch is an optional peer: pip install tinygrad_lite[torch]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        harness.check_torch(name, data.draw(SPECS[name].calls), SPECS[name])
