"""Elementwise operations: special values, dtypes, kinks, errors, aliases, and the helpers of their rules."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import autograd, kernels
from tinygrad_lite.kernels.twins import elementwise as twins
from tinygrad_lite.ops.elementwise import blockwise, drop, keep
from tinygrad_lite.ops.numpy_protocol import UFUNCS

nan, inf = math.nan, math.inf
rng = np.random.default_rng(0)


def names(text: str) -> list[str]:
    return text.split()


UNARY = names(
    "abs arccos arcsin arcsinh arctan arctanh cos cosh deg2rad erf erfc exp exp2 expm1 frac log log10 log1p log2 "
    "negative positive rad2deg reciprocal rsqrt sigmoid sin sinc sinh sqrt square tan tanh nan_to_num "
    "relu relu6 elu celu selu logsigmoid softplus silu mish gelu softsign tanhshrink logit hardtanh hardsigmoid "
    "hardswish softshrink hardshrink leaky_relu"
)
BINARY = names(
    "add subtract multiply divide div power maximum minimum fmax fmin logaddexp xlogy atan2 hypot remainder fmod "
    "copysign"
)


def slope(function, *values, dtype=np.float64):
    """The derivatives of function(*values) with respect to each value."""
    xs = [tl.tensor(v, dtype=dtype, requires_grad=True) for v in values]
    gs = tl.grad(function(*xs).sum(), xs, allow_unused=True)
    return [g.tolist() for g in gs]


# ------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_floats_keep_their_dtype_forward_and_in_the_rules(name, dtype, monkeypatch):
    def refuse(g, parent, node):
        raise AssertionError(f"{node.op.name}: the rule gave {g.dtype} of shape {g.shape}")

    monkeypatch.setattr(autograd, "fit", refuse)  # it is called where a rule's result must be cast
    for shape in [(), (3,), (20000,)]:
        xs = [tl.tensor(np.full(shape, v), dtype=dtype, requires_grad=True) for v in (0.6, 0.4)]
        y = getattr(tl, name)(*xs[: 1 + (name in BINARY)])
        assert y.dtype == dtype
        y.backward(np.ones(shape))
        assert xs[0].grad.dtype == dtype


@pytest.mark.parametrize("name", BINARY)
def test_python_numbers_are_weak(name):
    x = tl.tensor([0.5], requires_grad=True)
    y = getattr(tl, name)(x, 0.25)
    assert y.dtype == np.float32
    if name not in ("xlogy", "atan2", "hypot", "logaddexp", "copysign"):
        assert getattr(tl, name)(2, x).dtype == np.float32
    y.backward(np.ones(1))
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.int64])
@pytest.mark.parametrize("name", names("exp sqrt sin tanh sigmoid erf gelu arctan softsign logit rsqrt reciprocal"))
def test_integers_become_float64_where_the_result_is_real(name, dtype):
    with np.errstate(all="ignore"):
        want = getattr(tl, name)(tl.tensor([1.0, 0.0, 1.0], dtype=np.float64)).numpy()
    got = getattr(tl, name)(tl.tensor([1, 0, 1], dtype=dtype))
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got.numpy(), want)


def test_integers_stay_integers_where_the_result_is_whole():
    x = tl.tensor([7, -7])
    whole = [x + 1, x * 2, x**2, x // 2, x % 3, tl.fmod(x, 3), abs(x), -x, tl.clamp(x, -1, 1), tl.floor(x), tl.round(x)]
    assert all(y.dtype == np.int64 for y in whole)
    assert (x / 2).tolist() == [3.5, -3.5]
    assert tl.div(x, 2, rounding_mode="trunc").tolist() == [3, -3]
    assert tl.div(x, 2, rounding_mode="floor").tolist() == [3, -4]
    assert tl.power(tl.tensor([3]), 30).tolist() == [3**30]


# ------------------------------------------------------------------------------ values and slopes


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        (tl.exp, [-inf, 1000.0], [0, inf]),
        (tl.log, [0.0, -1.0], [-inf, nan]),
        (tl.divide, ([1.0, 0.0], [0.0, 0.0]), [inf, nan]),
        (tl.reciprocal, [0.0, -0.0], [inf, -inf]),
        (tl.power, ([0.0, 0.0, -8.0], [0.0, -1.0, 0.5]), [1, inf, nan]),
        (tl.logaddexp, ([1000.0, -inf], [1000.0, -inf]), [1000 + math.log(2), -inf]),
        (tl.xlogy, ([0.0, 0.0, 2.0], [0.0, nan, 0.0]), [0, nan, -inf]),
        (tl.erf, [-inf, inf, nan], [-1, 1, nan]),
        (tl.erfc, [-inf, inf, -0.0], [2, 0, 1]),
        (tl.maximum, ([1.0, nan], [nan, 1.0]), [nan, nan]),
        (tl.fmax, ([1.0, nan], [nan, 1.0]), [1, 1]),
        (tl.copysign, ([1.0, -1.0], [-0.0, 0.0]), [-1, 1]),
        (tl.remainder, ([-7.0, 7.0], [3.0, -3.0]), [2, -2]),
        (tl.fmod, ([-7.0, 7.0], [3.0, -3.0]), [-1, 1]),
        (tl.sign, [-0.0, nan], [0, nan]),
        (tl.sinc, [0.0, 1e-300], [1, 1]),
        (tl.hypot, ([3e200], [4e200]), [5e200]),
        (tl.sigmoid, [-1000.0, 1000.0], [0, 1]),
        (tl.round, [0.5, 1.5, -2.5], [0, 2, -2]),
    ],
)
def test_special_values_without_warnings(function, x, want):
    operands = [tl.tensor(v, dtype=np.float64) for v in (x if isinstance(x, tuple) else (x,))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(function(*operands).numpy(), want, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        (tl.abs, [0.0], [0]),
        (tl.maximum, [2.0, 2.0], [0.5, 0.5]),
        (tl.minimum, [2.0, 2.0], [0.5, 0.5]),
        (tl.fmax, [2.0, 2.0], [1, 0]),
        (tl.fmin, [nan, 2.0], [0, 1]),
        (lambda x: tl.clamp(x, 0.0, 1.0), [0.0], [1]),
        (lambda x: tl.clamp(x, 0.0, 1.0), [1.0], [1]),
        (tl.clamp, [5.0, 3.0, 1.0], [0, 0, 1]),  # min > max: the result is max
        (tl.clamp, [0.0, 1.0, 3.0], [0, 1, 0]),
        (tl.power, [0.0, 0.0], [0, 0]),
        (tl.power, [0.0, 2.0], [0, 0]),
        (lambda x: x**0, [0.0], [0]),
        (lambda x: x**1, [0.0], [1]),
        (lambda x: 0.0**x, [2.0], [0]),
        (tl.sqrt, [0.0], [inf]),
        (tl.logaddexp, [-1e20, -1e20], [0.5, 0.5]),
        (tl.xlogy, [0.0, 0.0], [0, nan]),
        (tl.floor, [1.5], [0]),
        (tl.round, [1.25], [0]),
        (tl.sign, [1.5], [0]),
        (tl.sinc, [0.0], [0]),
        (lambda x: tl.sqrt(tl.relu(x)), [-1.0], [0]),  # the infinite slope of sqrt at 0 does not get through
        (tl.nan_to_num, [inf], [0]),
    ],
)
def test_slopes_at_kinks_and_poles_are_pytorchs(function, x, want):
    np.testing.assert_array_equal(slope(function, *x), want)


def test_second_derivatives_at_zero():
    cases = [(lambda x: x**2, 2.0), (lambda x: x**3, 0.0), (tl.sinc, -(math.pi**2) / 3), (tl.square, 2.0)]
    for function, want in cases:
        x = tl.tensor(0.0, dtype=np.float64, requires_grad=True)
        first = tl.grad(function(x), x, create_graph=True)
        assert tl.grad(first, x).item() == pytest.approx(want)


def test_integer_powers_are_exact_and_take_any_sign():
    x = np.array([-3.0, -1.0, -0.0, 0.0, 2.0, 10.0], np.float32)
    for n in range(-4, 9):
        with np.errstate(divide="ignore"):
            want = np.power(x.astype(np.float64), n)
        for exponent in (n, float(n)):
            got = tl.power(tl.tensor(x), exponent).numpy()
            np.testing.assert_allclose(got, want.astype(np.float32), rtol=0 if 0 <= n <= 3 else 3e-7)
            np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-15), (np.float32, 7e-7), (np.float16, 1e-3)])
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_the_error_function_is_accurate_everywhere(name, dtype, tolerance):
    x = np.concatenate([rng.uniform(-6, 6, 3000), rng.uniform(-1, 1, 1000), np.linspace(5, 26, 300), [0.46875, 4, -4]])
    x = x.astype(dtype)
    want = np.array([getattr(math, name)(float(v)) for v in x])
    got = getattr(tl, name)(tl.tensor(x)).numpy()
    normal = np.abs(want) > 4 * np.finfo(dtype).tiny
    assert np.abs(got[normal] / want[normal] - 1).max() < tolerance
    assert np.abs(got).max() <= (1 if name == "erf" else 2)


# ------------------------------------------------------------------------------------- arguments


def test_alpha_scales_the_second_operand():
    x, y = tl.tensor([1.0], requires_grad=True), tl.tensor([2.0], requires_grad=True)
    tl.add(x, y, alpha=3).backward()
    assert (x.grad.item(), y.grad.item()) == (1, 3)
    assert tl.sub(x, 2.0, alpha=0.5).item() == 0
    assert tl.subtract(x, other=[4.0], alpha=0.5).item() == -1


def test_where_of_two_numbers_has_their_dtype():
    mask = tl.tensor([True, False])
    assert tl.where(mask, 1.0, 0.0).dtype == np.float32
    assert tl.where(mask, 1, 0).dtype == np.int64
    assert tl.where(mask, 1, 0.5).tolist() == [1, 0.5]
    assert tl.where(tl.tensor([2.0, 0.0, nan]), 1, 0).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.clamp(tl.tensor([1.0])), ValueError, "clamp: got no bound"),
        (lambda: tl.div(tl.tensor([1.0]), 2, rounding_mode="up"), ValueError, "div: got rounding_mode='up'"),
        (lambda: tl.floor_divide(tl.tensor([1]), 0), ZeroDivisionError, "floor_divide: an integer division by zero"),
        (lambda: tl.remainder(tl.tensor([1]), 0), ZeroDivisionError, "remainder: an integer division by zero"),
        (lambda: tl.fmod(tl.tensor([1]), tl.tensor([0])), ZeroDivisionError, "fmod: an integer division by zero"),
        (lambda: tl.div(tl.tensor([1]), 0, rounding_mode="trunc"), ZeroDivisionError, "an integer division by zero"),
        (lambda: tl.power(tl.tensor([2]), -1), ValueError, "power: .*negative integer powers"),
        (lambda: tl.add(tl.ones(2), tl.ones(3)), ValueError, r"add: .*\(2,\) \(3,\)"),
        (lambda: tl.add(tl.ones(2), tl.ones(2), beta=1), TypeError, "add: has no argument 'beta'"),
        (lambda: tl.isclose(tl.ones(2), tl.ones(2), rtol=-1), ValueError, "isclose: got rtol=-1"),
        (lambda: tl.bitwise_and(tl.ones(2), 1), TypeError, "bitwise_and: "),
        (lambda: tl.sqrt(), TypeError, "sqrt: an argument is missing"),
    ],
)
def test_errors_name_the_operation_and_the_cause(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_aliases_are_the_operations_themselves():
    pairs = names(
        "sub subtract mul multiply true_divide divide pow power neg negative absolute abs clip clamp asin arcsin "
        "acos arccos atan arctan arctan2 atan2 asinh arcsinh acosh arccosh atanh arctanh swish silu"
    )
    for alias, name in zip(pairs[::2], pairs[1::2]):
        assert getattr(tl, alias) is getattr(tl, name)
        assert alias not in tl.registry
        assert name in tl.registry


@pytest.mark.parametrize("ufunc", [u for u in UFUNCS if u is not np.matmul], ids=lambda u: u.__name__)
def test_numpys_own_functions_answer_with_tensors(ufunc):
    kinds = [np.int64] if ufunc.__name__.startswith(("bitwise", "invert")) else [np.float64, np.float32]
    for kind in kinds:
        operands = [np.array(v).astype(kind) for v in ([0.25, 0.5, 1.0], [0.75, 0.5, 2.0])][: ufunc.nin]
        if ufunc is np.arccosh:
            operands = [operands[0] + 1]
        with np.errstate(all="ignore"):
            want = ufunc(*operands)
        got = ufunc(*map(tl.tensor, operands))
        assert isinstance(got, tl.Tensor)
        np.testing.assert_allclose(got.numpy(), want, rtol=2e-7)
        if ufunc.nin == 2:
            assert isinstance(ufunc(operands[0], tl.tensor(operands[1])), tl.Tensor)


def test_a_node_saves_only_what_its_rule_reads():
    x, y = tl.ones(3, requires_grad=True), tl.ones(3, requires_grad=True)

    def saved(*results):
        return [sum(isinstance(v, np.ndarray) for v in t.grad_fn.saved) for t in results]

    assert saved(x + y, x - y, -x, tl.floor(x), x * 2.0, tl.maximum(x, 0.0)) == [0, 0, 0, 0, 0, 1]
    assert saved(tl.exp(x), tl.tanh(x), tl.sigmoid(x), tl.relu(x), x * y, x * y.detach()) == [1, 1, 1, 1, 2, 1]
    relu = tl.relu(x)
    assert any(v is relu._array for v in relu.grad_fn.saved)


# ------------------------------------------------------------------------------------- helpers


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_keep_and_drop_are_where_on_any_memory_layout(dtype):
    g = rng.standard_normal((40, 60)).astype(dtype)
    g[0, :3] = nan, inf, -inf
    mask = rng.random((40, 60)) < 0.5
    for a, m in [(g, mask), (g.T, mask.T), (g[::-1, ::2], mask[::-1, ::2]), (np.broadcast_to(g[0], g.shape), mask)]:
        np.testing.assert_array_equal(keep(a, m), np.where(m, a, 0))
        np.testing.assert_array_equal(drop(a, m), np.where(m, 0, a))
        assert keep(a, m).dtype == dtype
    np.testing.assert_array_equal(keep(g, mask[:1]), np.where(mask[:1], g, 0))


def test_blockwise_is_the_formula_on_any_memory_layout():
    def formula(x, y, factor):
        return factor * x + y

    cut = blockwise(formula)
    base = rng.standard_normal((8, 5, 7, 200))
    other = rng.standard_normal(base.shape)
    assert base.size > 3 * twins.BLOCK
    whole = [lambda a: a, lambda a: a.T, lambda a: a.transpose(0, 3, 1, 2)]
    for take in [*whole, lambda a: a[::-1, :, ::-1], lambda a: a[:, 1:4]]:
        x, y = take(base), take(other)
        got = cut(x, y, 2.0)
        np.testing.assert_array_equal(got, formula(x, y, 2.0))
        assert np.argsort(got.strides).tolist() == np.argsort(np.abs(x.strides)).tolist()
    np.testing.assert_array_equal(cut(base.T, np.ones(base.T.shape), 2.0), formula(base.T, 1, 2.0))
    repeated = np.broadcast_to(other[..., :1], base.shape)
    np.testing.assert_array_equal(cut(base, repeated, 2.0), formula(base, repeated, 2.0))


def test_large_operands_are_cut_into_blocks(monkeypatch):
    x = tl.tensor(rng.standard_normal((3, 1000)), requires_grad=True)
    v = rng.standard_normal(x.shape)
    ops = names("sigmoid erf erfc gelu silu mish softplus elu selu logsigmoid hardswish hardsigmoid leaky_relu")
    whole = {name: tl.grad((getattr(tl, name)(x) * v).sum(), x).numpy() for name in ops}
    monkeypatch.setattr(twins, "BLOCK", 64)
    monkeypatch.setattr(kernels, "apply_formula", twins.apply_formula, raising=False)
    for name in ops:
        y = getattr(tl, name)(x)
        np.testing.assert_allclose(y.detach().numpy()[:, :7], getattr(tl, name)(x.detach()[:, :7]).numpy(), rtol=1e-14)
        np.testing.assert_allclose(tl.grad((y * v).sum(), x).numpy(), whole[name], rtol=1e-13, atol=1e-15)


def test_xlogy_at_zero_has_the_slope_ln_y_where_that_exists():
    x = tl.tensor([0.0, 0.0], requires_grad=True)
    tl.xlogy(x, tl.tensor([2.0, 0.0])).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [np.log(2.0), 0.0], rtol=1e-6)


def test_the_bounds_of_clamp_get_the_gradient_where_they_hold():
    x = tl.tensor([-2.0, 0.0, 2.0])
    low = tl.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    high = tl.tensor([1.0, 1.0, 1.0], requires_grad=True)
    tl.clamp(x, low, high).sum().backward()
    assert low.grad.tolist() == [1, 0, 0]
    assert high.grad.tolist() == [0, 0, 1]


def test_where_the_bounds_of_clamp_cross_the_upper_one_gets_the_gradient():
    x = tl.tensor([0.0, 5.0])
    low = tl.tensor([3.0, 3.0], requires_grad=True)
    high = tl.tensor([1.0, 1.0], requires_grad=True)
    tl.clamp(x, low, high).sum().backward()
    assert low.grad.tolist() == [0, 0]
    assert high.grad.tolist() == [1, 1]


def test_a_single_bound_of_clamp_gets_the_gradient_below_it():
    low = tl.tensor([-1.0, -1.0], requires_grad=True)
    tl.clamp(tl.tensor([-2.0, 0.0]), min=low).sum().backward()
    assert low.grad.tolist() == [1, 0]
