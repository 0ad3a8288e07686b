"""Every public operation with input that it should not get, or that is unusual: the right answer or a named error.

Each operation is called with examples from its own strategies, and then with each array argument replaced:
what comes out must be the same numbers (layouts, precisions), or an error that names the operation.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings

import tinygrad_lite as tl
from tests.ops import harness
from tests.ops.spec import Call
from tests.ops.test_registry import NAMES, SPECS

ERRORS = (ValueError, TypeError, IndexError, RuntimeError, ZeroDivisionError, NotImplementedError)
quiet = settings(
    max_examples=300,
    database=None,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@functools.cache
def example(name: str) -> Call:
    """A call with at least two elements in each floating-point array, where the strategies have one."""
    spec = SPECS[name]

    def rich(call: Call) -> bool:
        xs, _ = harness.split(call, spec)
        return all(x.size >= 2 for x in xs)

    try:
        return find(spec.calls, rich, settings=quiet)
    except Exception:
        return find(spec.calls, lambda call: True, settings=quiet)


def call(name: str, change: Callable[[np.ndarray], Any], found: Call) -> list[np.ndarray]:
    """The results with every array passed through `change`, as arrays."""
    _, put = harness.split(found, SPECS[name])
    xs, _ = harness.split(found, SPECS[name])
    args, params = put([change(x) for x in xs])
    tl.manual_seed(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        out = tl.registry[name](*args, **params)
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [p.detach().numpy() if isinstance(p, tl.Tensor) else np.asarray(p) for p in parts]


def attempt(name: str, change: Callable[[np.ndarray], Any], found: Call) -> list[np.ndarray] | None:
    """As `call`, but an error that names the operation is an answer too: None."""
    try:
        return call(name, change, found)
    except ERRORS as error:
        assert str(error).startswith(f"{name}:"), (
            f"the error does not name the operation: {type(error).__name__}: {error}"
        )
        return None


def scattered(x: np.ndarray) -> tl.Tensor:
    """The same values in memory that is neither contiguous nor in order."""
    wide = np.full((*(2 * n for n in x.shape),), np.nan, x.dtype)
    view = wide[tuple(slice(None, None, -2) for _ in x.shape)]
    view[...] = x
    return tl.from_numpy(view)


@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_does_not_matter(name):
    found = example(name)
    for a, b in zip(call(name, tl.tensor, found), call(name, scattered, found), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_operands_are_not_written_to(name):
    found = example(name)
    kept: list[tuple[np.ndarray, np.ndarray]] = []

    def watch(x: np.ndarray) -> tl.Tensor:
        mine = x.copy()
        kept.append((mine, x.copy()))
        return tl.from_numpy(mine)

    if name in ("batch_norm", "batch_norm_relu", "instance_norm"):
        pytest.skip("running statistics are updated in place, by definition")
    call(name, watch, found)
    for mine, before in kept:
        np.testing.assert_array_equal(mine, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_lower_precision_gives_the_same_numbers_up_to_rounding_and_keeps_its_dtype(name, dtype):
    found = example(name)
    exact = call(name, tl.tensor, found)
    lower = attempt(name, lambda x: tl.tensor(x.astype(dtype)), found)
    if lower is None:
        assert dtype == np.float16, "float32 must work"
        return
    floats = harness.split(found, SPECS[name])[0]
    for a, b in zip(exact, lower, strict=True):
        if a.dtype.kind == "f" and floats and "dtype" not in found.params:
            assert b.dtype == dtype, f"{name} of {np.dtype(dtype)} gave {b.dtype}"
            scale = np.abs(a).max(initial=1.0)
            tolerance = {np.float32: 2e-4, np.float16: 0.1}[dtype]
            if np.isfinite(b).all():
                np.testing.assert_allclose(b.astype(float), a, atol=tolerance * scale, rtol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filler", [np.nan, np.inf, 1e300, -1e300, 0.0], ids=str)
def test_values_that_are_not_finite_or_huge_do_no_harm(name, filler):
    found = example(name)
    shapes = [a.shape for a in call(name, tl.tensor, found)]
    got = attempt(name, lambda x: tl.tensor(np.full_like(x, filler)), found)
    if got is not None and name not in ("masked_select", "nonzero"):
        assert [a.shape for a in got] == shapes or name in ("one_hot",)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_never_turned_into_a_number_silently(name):
    found = example(name)
    xs, _ = harness.split(found, SPECS[name])
    if len(xs) != 1 or not SPECS[name].gradient:
        return
    got = attempt(name, lambda x: tl.tensor(np.full_like(x, np.nan)), found)
    quiet_by_definition = {
        "linalg.matrix_rank",
        "nansum",
        "nanmean",
        "nan_to_num",
        "fmax",
        "fmin",
        "sign",
        "threshold",
        "floor",
        "ceil",
    }
    if got and got[0].dtype.kind == "f" and got[0].size and name not in quiet_by_definition | CONSTANT_IN_PARTS:
        assert any(np.isnan(a).any() for a in got if a.dtype.kind == "f"), f"{name} of NaN gave {got}"


CONSTANT_IN_PARTS = {"tril", "triu", "hardshrink", "zeros_like", "ones_like"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: tl.zeros((7, *x.shape), dtype=x.dtype),
        lambda x: tl.zeros((*x.shape[:-1], 97), dtype=x.dtype),
        lambda x: tl.zeros((), dtype=x.dtype),
        lambda x: tl.zeros((0,), dtype=x.dtype),
        lambda x: tl.zeros((*x.shape, 0), dtype=x.dtype),
    ],
    ids=["one axis more", "another length", "0-d", "empty", "zero-size"],
)
def test_a_wrong_shape_is_an_answer_or_a_named_error(name, spoil):
    found = example(name)
    count = len(harness.split(found, SPECS[name])[0])
    for k in range(count):
        places = iter(range(count))
        attempt(name, lambda x, k=k, places=places: spoil(x) if next(places) == k else tl.tensor(x), found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: np.full(x.shape, "a"),
        lambda x: x.astype(complex),
        lambda x: x.astype(object),
        lambda x: {"not": "an array"},
        lambda x: tl.tensor((x * 4).astype(np.int64)),
        lambda x: tl.tensor(x > 0),
    ],
    ids=["text", "complex", "object", "dict", "int64", "bool"],
)
def test_a_wrong_dtype_is_an_answer_or_a_named_error(name, spoil):
    found = example(name)
    if not harness.split(found, SPECS[name])[0]:
        return
    got = attempt(name, spoil, found)
    probe = spoil(np.ones(2))
    if not isinstance(probe, tl.Tensor):
        assert got is None, f"{name} accepted {type(probe).__name__} of {getattr(probe, 'dtype', '')}"


@pytest.mark.parametrize("name", NAMES)
def test_unknown_arguments_and_too_few_are_named_errors(name):
    acts = [lambda: tl.registry[name](no_such_argument=1)]
    if name not in ("broadcast_tensors", "meshgrid"):  # which take any number
        acts.append(lambda: tl.registry[name](*[tl.ones(2)] * 30))
    for act in acts:
        with pytest.raises((TypeError, ValueError), match=f"^{name.replace('.', '[.]')}:"):
            act()
