"""Calls of arithmetic, selection, rounding, comparisons and the functions of one number."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays, floats, unary

HALF_STEP = 1 / 128  # the grid of spec.floats moved by this has no number in common with it


def torch_function(name: str) -> Callable:
    """torch.<name>, looked up when it is called."""
    return lambda *args, **params: getattr(importlib.import_module("torch"), name)(*args, **params)


def shapes(draw: Any, count: int) -> tuple:
    """Shapes that broadcast, zero-size and 0-d included."""
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3))
    return drawn.input_shapes


@st.composite
def pairs(draw: Any, x: dict | None = None, y: dict | None = None, number: bool = True, **params: Any) -> Call:
    """Two operands which broadcast and have no value in common; the second may be a Python number."""
    first, second = shapes(draw, 2)
    a = draw(arrays(first, **(x or {})))
    if number and draw(st.booleans()):
        b: Any = draw(floats(**(y or {}))) + HALF_STEP
    else:
        b = np.asarray(draw(arrays(second, **(y or {}))) + HALF_STEP)
    return Call((a, b), {k: draw(s) for k, s in params.items()})


@st.composite
def ties(draw: Any, low: int = -2, high: int = 2, dtype: Any = np.float64) -> Call:
    """Two operands of few different values, for comparisons and logic."""
    values = st.integers(low, high)
    first, second = (draw(hnp.arrays(dtype, s, elements=values.map(dtype))) for s in shapes(draw, 2))
    return Call((first, second))


@st.composite
def specials(draw: Any) -> Call:
    """One operand with NaN and both Infs."""
    values = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.5])
    return Call((draw(hnp.arrays(np.float64, shapes(draw, 1)[0], elements=values)),))


@st.composite
def powers(draw: Any) -> Call:
    """A positive base with any exponent, any base with an integer one, a number as the base."""
    first, second = shapes(draw, 2)
    kind = draw(st.sampled_from(["tensors", "integer", "number", "base"]))
    if kind == "tensors":
        return Call((draw(arrays(first, low=0.5, high=2)), draw(arrays(second, low=-2, high=3))))
    if kind == "integer":
        exponent: Any = draw(st.integers(-3, 6))
        return Call((draw(arrays(first, gap=(-0.5, 0.5))), draw(st.sampled_from([exponent, float(exponent)]))))
    if kind == "number":
        return Call((draw(arrays(first, low=0.5, high=2)), draw(floats(-2, 3))))
    return Call((draw(floats(0.5, 3)), draw(arrays(second, low=-2, high=2))))


@st.composite
def quotients(draw: Any, **params: Any) -> Call:
    """x and y with x / y away from the integers, where the rounding divisions jump."""
    small, full = shapes(draw, 2)
    full = np.broadcast_shapes(small, full)
    y = draw(st.one_of(arrays(small, gap=(-0.3, 0.3)), floats(0.3, 3)))
    whole = draw(hnp.arrays(np.float64, full, elements=st.integers(-3, 3).map(float)))
    part = draw(hnp.arrays(np.float64, full, elements=st.sampled_from([0.2, 0.45, 0.8])))
    return Call((np.asarray(y * (whole + part)), y), {k: draw(s) for k, s in params.items()})


@st.composite
def roundings(draw: Any) -> Call:
    """Numbers away from the halves of the last decimal place."""
    decimals = draw(st.integers(-1, 2))
    shape = shapes(draw, 1)[0]
    whole = draw(hnp.arrays(np.float64, shape, elements=st.integers(-30, 30).map(float)))
    part = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([-0.4, 0.1, 0.3])))
    return Call((np.asarray((whole + part) / 10.0**decimals),), draw(st.sampled_from([{"decimals": decimals}])))


@st.composite
def clamps(draw: Any) -> Call:
    """Bounds that are numbers, tensors or left out, also min > max; no value lies on a bound."""
    parts = shapes(draw, 3)
    x = draw(arrays(parts[0]))
    tensors = draw(st.booleans())  # PyTorch takes two numbers or two tensors
    bounds: list = []
    for k in (1, 2):
        offset = k * HALF_STEP / 2
        bounds.append(np.asarray(draw(arrays(parts[k])) + offset) if tensors else draw(floats()) + offset)
    left_out = draw(st.sampled_from([None, None, 0, 1]))
    if left_out is not None:
        bounds[left_out] = None
    return Call((x,), {"min": bounds[0], "max": bounds[1]})


def torch_clamp(x: Any, min: Any, max: Any) -> Any:
    """torch.clamp on operands of one shape: PyTorch's own gradient fails where only one bound is broadcast."""
    torch = importlib.import_module("torch")
    tensors = [t for t in (x, min, max) if isinstance(t, torch.Tensor)]
    full = iter(torch.broadcast_tensors(*tensors))
    return torch.clamp(*(next(full) if isinstance(t, torch.Tensor) else t for t in (x, min, max)))


@st.composite
def choices(draw: Any) -> Call:
    mask, first, second = shapes(draw, 3)
    condition = draw(hnp.arrays(np.bool_, mask))
    x = draw(st.one_of(arrays(first), floats()))
    return Call((condition, x, draw(st.one_of(arrays(second), floats()))))


@st.composite
def blends(draw: Any) -> Call:
    first, second, third = shapes(draw, 3)
    return Call((draw(arrays(first)), draw(arrays(second)), draw(st.one_of(arrays(third), floats()))))


def add_unary(names: str, low: float = -3.0, high: float = 3.0, gap: Any = None) -> None:
    """Functions of one number that torch has under the same name."""
    for name in names.split():
        SPECS[name] = Spec(unary(low, high, gap), torch_function(name))


# ------------------------------------------------------------------------- arithmetic and rounding

alphas = st.sampled_from([1, 2, -0.5])
away = {"gap": (-0.3, 0.3)}

SPECS["add"] = Spec(st.one_of(pairs(), pairs(alpha=alphas)), torch_function("add"))
SPECS["subtract"] = Spec(st.one_of(pairs(), pairs(alpha=alphas)), torch_function("subtract"))
SPECS["multiply"] = Spec(pairs(), lambda x, y: x * y)
SPECS["divide"] = Spec(pairs(y=away), lambda x, y: x / y)
SPECS["div"] = Spec(quotients(rounding_mode=st.sampled_from([None, "trunc", "floor"])), torch_function("div"))
SPECS["floor_divide"] = Spec(quotients(), lambda x, y: torch_function("div")(x, y, rounding_mode="floor"))
SPECS["remainder"] = Spec(quotients(), torch_function("remainder"))
SPECS["fmod"] = Spec(quotients(), torch_function("fmod"))
SPECS["power"] = Spec(powers(), torch_function("pow"))
add_unary("negative positive square abs sign floor ceil trunc frac sinc erf erfc deg2rad rad2deg")
add_unary("reciprocal", gap=(-0.3, 0.3))
SPECS["round"] = Spec(roundings(), torch_function("round"))

# ----------------------------------------------------------------------------------- selection

for _name in ("maximum", "minimum", "fmax", "fmin"):
    SPECS[_name] = Spec(pairs(number=False), torch_function(_name))
SPECS["copysign"] = Spec(pairs(), torch_function("copysign"))
SPECS["clamp"] = Spec(clamps(), torch_clamp)
SPECS["where"] = Spec(choices(), torch_function("where"))
SPECS["lerp"] = Spec(blends(), torch_function("lerp"))
SPECS["nan_to_num"] = Spec(unary(nan=st.just(1.0), posinf=st.just(2.0)), torch_function("nan_to_num"))

# ---------------------------------------------------------- roots, exponentials, waves, hyperbolic

add_unary("exp exp2 expm1 sin cos arctan sinh cosh tanh arcsinh")
add_unary("sqrt rsqrt log log2 log10", low=0.2)
add_unary("log1p", low=-0.8)
add_unary("tan", -1.2, 1.2)
add_unary("arcsin arccos arctanh", -0.9, 0.9)
add_unary("arccosh", 1.1, 4)
SPECS["logaddexp"] = Spec(pairs(number=False), torch_function("logaddexp"))
SPECS["xlogy"] = Spec(pairs(y={"low": 0.2}), torch_function("xlogy"))
SPECS["atan2"] = Spec(pairs(x=away, y=away, number=False), torch_function("atan2"))
SPECS["hypot"] = Spec(pairs(x=away, y=away, number=False), torch_function("hypot"))

# ------------------------------------------------------------------------- comparisons, without gradient

for _name in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "isclose"):
    SPECS[_name] = Spec(ties(), torch_function(_name), gradient=False)
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    SPECS[_name] = Spec(ties(-7, 7, np.int64), torch_function(_name), gradient=False)
SPECS["bitwise_not"] = Spec(
    ties(-7, 7, np.int64).map(lambda call: Call(call.args[:1])), torch_function("bitwise_not"), gradient=False
)
for _name in ("isnan", "isinf", "isfinite", "logical_not"):
    SPECS[_name] = Spec(specials(), torch_function(_name), gradient=False)
