"""Arithmetic, elementwise with broadcasting, and what the elementwise families share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.explain import explained
from tinygrad_lite.primitive import Primitive, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "divide",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "sign",
    "square",
    "sub",
    "subtract",
    "true_divide",
]

P = ParamSpec("P")
R = TypeVar("R")

quiet = np.errstate(all="ignore")
"""For values where Inf and NaN are right answers, as at a pole; costs a microsecond a call."""

NUMBER = (int, float)

BITS = {np.dtype(f"f{n}"): np.dtype(f"i{n}") for n in (2, 4, 8)}
BYTE = np.dtype(np.int8)
FLOAT = np.dtype(float)

SMALL = 1000
"""Up to so many elements a formula of NumPy calls costs no more than the call of a kernel."""


def real(value: Callable[P, R]) -> Callable[P, R]:
    """For functions of real numbers: `quiet`, and integers become float64 (NumPy makes float16 of small ones)."""
    silent = quiet(value)

    @wraps(value)
    def evaluate(*args: Any, **params: Any) -> Any:
        for a in args:
            if isinstance(a, np.ndarray) and a.dtype.kind != "f":
                args = tuple(a.astype(np.float64) if getattr(a, "dtype", FLOAT).kind != "f" else a for a in args)
                break
        return silent(*args, **params)

    return evaluate  # type: ignore[return-value]


def keep(g: Any, mask: Any) -> Any:
    """g where `mask` (boolean), else 0, also where g is Inf or NaN: `np.where(mask, g, 0)` for gradient rules.

    Long arrays are masked bit by bit, without branches: a fifth of the time of `np.where` on a random mask.
    """
    if isinstance(g, Tensor) or isinstance(mask, Tensor) or g.size < 1000:
        return np.where(mask, g, 0)
    return (g.view(BITS[g.dtype]) & -mask.view(BYTE)).view(g.dtype)  # -1, from True, is all ones


def drop(g: Any, mask: Any) -> Any:
    """0 where `mask`, else g: as `keep` with the opposite mask, but a comparison with NaN is false for both."""
    if isinstance(g, Tensor) or isinstance(mask, Tensor) or g.size < 1000:
        return np.where(mask, 0, g)
    return (g.view(BITS[g.dtype]) & (mask.view(BYTE) - 1)).view(g.dtype)


def blockwise(formula: Callable[P, R], widen: bool = True) -> Callable[P, R]:
    """Evaluate an elementwise formula of several NumPy calls in one pass; for values and for gradient rules.

    Large arrays of one shape go to a kernel, which knows the formula by its name, or takes it block by block.
    Numbers, parameters and Tensors reach the formula as they are. `widen`: float16 is computed in float32, and
    integers in float64.
    """

    @wraps(formula)
    def evaluate(*args: Any, **params: Any) -> Any:
        x = args[0]
        native = x.dtype.char in "fd"
        if native and x.size <= SMALL:
            return formula(*args, **params)
        if not (native or widen) or any(isinstance(a, Tensor) for a in args):
            return formula(*args, **params)
        if not native:
            wide = np.float32 if x.dtype == np.float16 else np.float64
            out = evaluate(*(a.astype(wide) if hasattr(a, "astype") else a for a in args), **params)
            return out.astype(x.dtype) if x.dtype == np.float16 else out
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        if any(a.shape != x.shape or a.dtype != x.dtype for a in arrays):
            return formula(*args, **params)
        return kernels.apply_formula(formula.__name__, formula, arrays, [*args[len(arrays) :], *params.values()])

    return evaluate  # type: ignore[return-value]


straight = partial(blockwise, widen=False)
"""For formulas without rounding, which keep integers as they are."""


@primitive
def add(x: Array, y: Array) -> Tensor:
    """x + y, or x + alpha y with the keyword `alpha`.

    >>> import tinygrad_lite as tl
    >>> tl.add(tl.tensor([1.0, 2.0]), 10.0)
    tensor([11., 12.])
    """
    return np.add(x, y)


@add.gradient
def add_x(g):
    return g


@add.gradient
def add_y(g):
    return g


@primitive
def subtract(x: Array, y: Array) -> Tensor:
    """x - y, or x - alpha y with the keyword `alpha`.

    >>> import tinygrad_lite as tl
    >>> tl.subtract(tl.tensor([1.0, 2.0]), 10.0)
    tensor([-9., -8.])
    """
    return np.subtract(x, y)


@subtract.gradient
def subtract_x(g):
    return g


@subtract.gradient
def subtract_y(g):
    return -g


@primitive
def multiply(x: Array, y: Array) -> Tensor:
    """x y, elementwise.

    >>> import tinygrad_lite as tl
    >>> tl.multiply(tl.tensor([[1.0], [2.0]]), tl.tensor([1.0, 10.0]))
    tensor([[ 1., 10.],
            [ 2., 20.]])
    """
    return np.multiply(x, y)


@multiply.gradient
def multiply_x(g, y):
    return g * y


@multiply.gradient
def multiply_y(g, x):
    return g * x


@primitive
@quiet
def divide(x: Array, y: Array) -> Tensor:
    """x / y; of integers too. Division by zero gives Inf or NaN; `div` can round.

    >>> import tinygrad_lite as tl
    >>> tl.divide(tl.tensor([1.0, -1.0, 0.0]), tl.tensor([2.0, 0.0, 0.0]))
    tensor([ 0.5, -inf,  nan])
    """
    return np.divide(x, y)


@divide.gradient
def divide_x(g, y):
    return g / y


@divide.gradient
def divide_y(g, y, out):
    return g * (-out / y)


def _take_alpha(op: Primitive) -> None:
    """PyTorch's `alpha` for add and subtract: y is multiplied by it. Calls without it are as fast as ever."""
    bind = op.bind

    def bind_alpha(args: Any, params: dict) -> tuple:
        if "alpha" not in params:
            return bind(args, params)
        alpha = params["alpha"]
        (x, y), rest = bind(args, {name: value for name, value in params.items() if name != "alpha"})
        try:
            return [x, y * alpha if isinstance(y, NUMBER) else multiply(y, alpha)], rest
        except Exception as error:
            raise explained(error, op.name, (x, y)) from error

    op.bind = bind_alpha  # type: ignore[method-assign]


_take_alpha(add)
_take_alpha(subtract)


@primitive
@quiet
def power(x: Array, y: Array) -> Tensor:
    """x^y; y is a number or a tensor. Negative x has a power for integer y only, else NaN.

    0^0 is 1. Where x = 0, the gradient with respect to y > 0 is 0.
    Raises ValueError for an integer x with a negative integer y: its result would be cut to 0.

    >>> import tinygrad_lite as tl
    >>> tl.power(tl.tensor([1.0, -2.0, 3.0]), 3)
    tensor([ 1., -8., 27.])
    """
    if isinstance(y, NUMBER) and y not in (2, 1, 0, -1) and y == y // 1 and x.dtype.kind == "f":
        if y == 3:
            return x * x * x
        size = np.abs(x) ** y  # the power of a negative number is very slow in NumPy
        return np.copysign(size, x) if y % 2 else size
    return x**y


@power.gradient
def power_x(g, x, y):
    if isinstance(y, NUMBER):
        return g * (y * power.on(x, y - 1)) if y else np.zeros_like(g)
    constant = (x == 0) & (y == 0)  # 0 * 0^-1, of a function that is 1
    return g * (y * x ** np.where(constant, 1, y - 1))


@power.gradient
def power_y(g, x, y, out):
    x = np.asarray(x, g.dtype) if isinstance(x, NUMBER) else x
    constant = (x == 0) & (y >= 0)
    return g * (out * np.log(np.where(constant, 1, x)))


@primitive
def negative(x: Array) -> Tensor:
    """-x.

    >>> import tinygrad_lite as tl
    >>> tl.negative(tl.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return np.negative(x)


@negative.gradient
def negative_x(g):
    return -g


@primitive
def positive(x: Array) -> Tensor:
    """+x, a copy.

    >>> import tinygrad_lite as tl
    >>> tl.positive(tl.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    return np.positive(x)


@positive.gradient
def positive_x(g):
    return g


@primitive
@quiet
def reciprocal(x: Array) -> Tensor:
    """1 / x; of integers too.

    >>> import tinygrad_lite as tl
    >>> tl.reciprocal(tl.tensor([2.0, -4.0]))
    tensor([ 0.5 , -0.25])
    """
    return np.divide(1, x)


@reciprocal.gradient
def reciprocal_x(g, out):
    return -g * (out * out)


@primitive
def square(x: Array) -> Tensor:
    """x^2.

    >>> import tinygrad_lite as tl
    >>> tl.square(tl.tensor([1.0, -2.0]))
    tensor([1., 4.])
    """
    return np.square(x)


@square.gradient
def square_x(g, x):
    return g * (2 * x)


@primitive
def abs(x: Array) -> Tensor:
    """|x|; the gradient at 0 is 0.

    >>> import tinygrad_lite as tl
    >>> tl.abs(tl.tensor([1.5, -2.0]))
    tensor([1.5, 2. ])
    """
    return np.abs(x)


@abs.gradient
def abs_x(g, x):
    return g * np.sign(x)


@primitive
def sign(x: Array) -> Tensor:
    """-1, 0 or 1 as x < 0, x = 0 or x > 0; the gradient is 0.

    >>> import tinygrad_lite as tl
    >>> tl.sign(tl.tensor([1.5, -2.0, 0.0]))
    tensor([ 1., -1.,  0.])
    """
    return np.sign(x)


@sign.gradient
def sign_x(g):
    return np.zeros_like(g)


sub = subtract
mul = multiply
true_divide = divide
pow = power
neg = negative
absolute = abs
