"""The gradient checker: each verdict is given where it is due, and mistakes are explained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_lite as tl
from tinygrad_lite import testing
from tinygrad_lite.testing import GradcheckError, gradcheck, gradgradcheck

X = np.array([[0.3, -1.2, 2.1], [0.9, 1.4, -0.6]])


def verdict(function, *args) -> str:
    return gradcheck(function, *args, raise_exception=False).verdict


def wrong(value, rule):
    """An operation with the given rule (of g and x) for its gradient."""

    def planted(x: tl.Array) -> tl.Tensor:
        return value(x)

    def planted_x(g, x):
        return rule(g, x)

    op = tl.primitive(public=False)(planted)
    op.gradient(planted_x)
    return op


@pytest.mark.parametrize(
    "function", [tl.tanh, tl.exp, lambda x: x.sum(axis=0), lambda x: tl.softmax(x, -1), lambda x: x @ x.T]
)
def test_right_gradients_are_right(function):
    assert verdict(function, X) == "right"
    assert gradgradcheck(function, X).verdict == "right"


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        (lambda g, x: -g * np.cos(x), "sign"),
        (lambda g, x: 7 * g * np.cos(x), "7 times too large"),
        (lambda g, x: g * np.cos(x) / 6, "times too large"),
        (lambda g, x: 0 * g, "zero"),
        (lambda g, x: (g * np.cos(x))[:, ::-1], "reversed along axis 1"),
        (lambda g, x: np.roll(g * np.cos(x), 1, 1), "shifted"),
        (lambda g, x: g * np.cos(x) + (x > 1), "some elements are right"),
        (lambda g, x: g * np.cos(x) * 1.0001, "times too large"),
    ],
)
def test_planted_mistakes_are_wrong_and_explained(rule, cause):
    report = gradcheck(wrong(np.sin, rule), X, raise_exception=False)
    assert report.verdict == "wrong"
    assert cause in report.cause, str(report)


def test_a_transposed_gradient_is_called_that():
    square = np.array([[0.3, -1.2], [0.9, 1.4]])
    op = wrong(np.sin, lambda g, x: np.swapaxes(g * np.cos(x), 0, 1))
    assert "transpose" in gradcheck(op, square, raise_exception=False).cause


def test_a_failure_raises_with_the_report():
    with pytest.raises(GradcheckError, match=r"(?s)wrong.*element \[.*analytic.*numeric.*slopes: left.*right.*allowed"):
        gradcheck(wrong(np.sin, lambda g, x: g), X)


def test_a_gradient_of_nan_is_wrong():
    report = gradcheck(wrong(np.sin, lambda g, x: g * np.nan), X, raise_exception=False)
    assert report.verdict == "wrong" and "NaN" in report.cause


@pytest.mark.parametrize("function", [tl.relu, tl.abs, lambda x: tl.maximum(x, 0.0), lambda x: tl.clamp(x, 0, 5)])
def test_a_kink_is_not_an_error(function):
    assert verdict(function, np.array([-1.0, 0.0, 1.0])) == "kink"


def test_a_slope_outside_of_the_kink_is_wrong():
    op = wrong(lambda x: np.maximum(x, 0), lambda g, x: np.where(x > 0, g, np.where(x < 0, 0 * g, 2 * g)))
    assert verdict(op, np.array([-1.0, 0.0, 1.0])) == "wrong"


def test_a_kink_close_to_the_point_is_stepped_around():
    assert verdict(tl.relu, np.array([1e-6, -1e-6])) == "right"


def test_a_function_that_takes_derivatives_itself_is_checked():
    assert verdict(lambda x: tl.vjp(tl.sin, x, tl.ones(2, 3))[1], X) == "right"


def test_values_under_stop_gradient_are_held():
    assert verdict(lambda x: x * tl.stop_gradient(x), X) == "held constant"
    assert verdict(lambda x: (x - x.mean().detach()) * 2, X) == "held constant"


def test_values_under_stop_gradient_are_held_in_the_second_order():
    assert gradgradcheck(lambda x: x**3 * tl.stop_gradient(x), X).verdict == "held constant"


def test_a_mistake_beside_a_stop_gradient_is_still_found():
    op = wrong(np.sin, lambda g, x: g)
    assert verdict(lambda x: op(x) * tl.stop_gradient(x), X) == "wrong"


def test_a_function_without_values_nearby_is_ill_conditioned():
    assert verdict(tl.sqrt, np.array([0.0])) in ("ill-conditioned", "wrong")
    assert verdict(lambda x: tl.log(x), np.array([1e-12])) == "right"
    with np.errstate(all="ignore"):
        assert verdict(lambda x: tl.sin(1e9 * x), np.array([0.5])) == "ill-conditioned"


def test_a_random_function_is_reported_as_such():
    report = gradcheck(lambda x: x * tl.rand(2, 3), X, raise_exception=False)
    assert report.verdict == "ill-conditioned" and "deterministic" in report.cause


def test_float32_is_checked_within_its_precision():
    assert verdict(tl.tanh, X.astype(np.float32)) == "right"
    assert verdict(wrong(np.sin, lambda g, x: g * np.cos(x) * 1.2), X.astype(np.float32)) == "wrong"


def test_several_arguments_outputs_and_constants():
    def function(x, n, y, mask):
        return (x * y * n).sum(), tl.where(mask, x, y)

    assert verdict(function, X, 3, X + 1, X > 0) == "right"


def test_the_worst_element_is_named():
    def rule(g, x):
        return g * np.cos(x) + np.where(x == 2.1, 5.0, 0.0)

    report = gradcheck(wrong(np.sin, rule), X, raise_exception=False)
    assert report.index == (0, 2) and report.input == 0
    assert report.analytic - report.numeric == pytest.approx(5)


def test_second_order_mistakes_are_found():
    first = wrong(np.cos, lambda g, x: g * np.sin(x))  # the sign is missing here
    op = wrong(np.sin, lambda g, x: g * first(x) if isinstance(x, tl.Tensor) else g * np.cos(x))
    assert verdict(op, X) in ("right", "wrong")
    assert gradgradcheck(op, X, raise_exception=False).verdict == "wrong"


def test_nothing_to_differentiate_is_an_error():
    with pytest.raises(TypeError, match="no argument is a floating-point"):
        gradcheck(lambda x: x, 3)
    with pytest.raises(TypeError, match="returned no floating-point"):
        gradcheck(lambda x: x > 0, X)


def test_a_float_that_is_cut_off_from_the_graph_is_wrong():
    report = gradcheck(lambda x: tl.tensor(np.sin(x.tolist())), X, raise_exception=False)
    assert report.verdict == "wrong" and "zero" in report.cause


@settings(max_examples=20, deadline=None)
@given(testing.arrays(avoid=[0.0]))
def test_the_strategies_keep_away_from_kinks(x):
    gradcheck(tl.relu, x)


@settings(max_examples=20, deadline=None)
@given(testing.broadcastable(3))
def test_broadcastable_shapes_broadcast(shapes):
    np.broadcast_shapes(*shapes)
