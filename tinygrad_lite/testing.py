"""Check gradients: of this library's operations, of your own, of whole models.

    from hypothesis import given
    from tinygrad_lite import testing

    @given(testing.arrays(avoid=[0.0]))
    def test_my_op(x):
        testing.gradcheck(my_op, x)

`gradcheck` holds the gradient to differences and gives a verdict, not a bool:

  right            the gradient agrees with the differences
  wrong            it does not
  kink             the slopes to the left and to the right differ, and the gradient lies between them
  held constant    it agrees once the values under `stop_gradient` are frozen, as they are for the gradient
  ill-conditioned  differences can't tell: the function is too steep, too noisy or not defined nearby

How: outputs are reduced to one number by a random upstream gradient w, s(x) = sum(w * f(x)); with ones
instead of w, a wrong softmax or batch norm can pass, because their true gradient is then zero. Each
element of the gradient is compared with central differences of two steps. The allowance follows from
the dtype and the step: rounding of s over the step, plus the truncation that the two steps show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite import functional
from tinygrad_lite.autograd import grad
from tinygrad_lite.modes import FREEZE, enable_grad, modes, no_grad
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.tensor import Tensor, wrap

ROUNDINGS = 64
"""How many roundings of the largest intermediate value are granted to one evaluation of a function."""


class GradcheckError(AssertionError):
    """The gradient is wrong, or differences can't tell; the text is the report."""


@dataclass
class Report:
    """What `gradcheck` found; true unless the gradient is wrong or the check ill-conditioned.

    verdict   right, wrong, kink, held constant or ill-conditioned
    input, index   the worst element: of which argument, and where in it
    analytic, numeric   its gradient by the library, and by differences
    left, right   the one-sided slopes there
    error, allowed   |analytic - numeric|, and the allowance
    cause     the likely cause in words
    """

    verdict: str
    input: int = 0
    index: tuple[int, ...] = ()
    analytic: float = 0.0
    numeric: float = 0.0
    left: float = 0.0
    right: float = 0.0
    error: float = 0.0
    allowed: float = 0.0
    cause: str = ""

    @property
    def excess(self) -> float:
        """The error in units of the allowance."""
        ratio = self.error / (self.allowed or 1e-300)
        return ratio if np.isfinite(ratio) else np.inf

    def __bool__(self) -> bool:
        return self.verdict in ("right", "kink", "held constant")

    def __str__(self) -> str:
        where = f"argument {self.input}, element {list(self.index)}"
        return (
            f"gradcheck: {self.verdict}" + (f" ({self.cause})" if self.cause else "") + f"\n"
            f"  worst: {where}\n"
            f"  analytic {self.analytic:.10g}, numeric {self.numeric:.10g}; "
            f"slopes: left {self.left:.6g}, right {self.right:.6g}\n"
            f"  error {self.error:.3g}, allowed {self.allowed:.3g}"
        )

    __repr__ = __str__


class _Frozen:
    """Remembers the values under `stop_gradient` at the point of the check, and gives them out again."""

    def __init__(self) -> None:
        self.values: list[np.ndarray] = []
        self.next: int | None = None  # None while recording

    def hold(self, t: Tensor) -> Tensor:
        if self.next is None:
            self.values.append(t._array.copy())
            return wrap(t._array)
        self.next += 1
        if self.next > len(self.values):
            raise GradcheckError("gradcheck: the function called stop_gradient more often near x than at x")
        return wrap(self.values[self.next - 1])


class _Slope:
    """The function under test as a number s(xs) = sum(w * f(xs)), evaluated at perturbed points."""

    def __init__(self, function: Callable, args: Sequence, seed: int) -> None:
        self.function = function
        self.args = list(args)
        self.places = [k for k, a in enumerate(args) if _is_float(a)]
        if not self.places:
            raise TypeError("gradcheck: no argument is a floating-point Tensor or array, so there is no gradient")
        self.xs = [np.array(as_tensor(args[k]).detach()._array) for k in self.places]
        self.rng = np.random.default_rng(seed)
        self.frozen = _Frozen()
        self.weights: list[np.ndarray] = []
        self.leaves, total = self.run(self.xs, track=True)
        self.total = total
        self.magnitude = sum(float(np.abs(w * y.astype(float)).sum()) for w, y in zip(self.weights, self.outputs))

    def run(self, xs: Sequence[np.ndarray], track: bool) -> tuple[list[Tensor], Tensor]:
        """s at xs, and the leaves it was computed from."""
        leaves = [Tensor(x, requires_grad=track) for x in xs]
        args = list(self.args)
        for k, leaf in zip(self.places, leaves):
            args[k] = leaf
        before = modes.flags, modes.frozen
        modes.flags, modes.frozen = modes.flags | FREEZE if track else modes.flags & ~FREEZE, self.frozen
        try:
            answer = self.function(*args)
        finally:
            modes.flags, modes.frozen = before
        outputs = [y for y in (answer if isinstance(answer, (tuple, list)) else [answer]) if _is_float(y)]
        if not outputs:
            raise TypeError("gradcheck: the function returned no floating-point Tensor")
        if not self.weights:
            self.weights = [self.rng.standard_normal(y.shape).astype(y.dtype) for y in outputs]
            self.outputs = [y.detach()._array for y in outputs]
        total: Any = 0.0
        for y, w in zip(outputs, self.weights):
            total = total + (y * w).sum()
        return leaves, total

    def at(self, k: int, index: tuple, step: float, freeze: bool) -> float:
        """s with one element of argument k moved by `step`."""
        xs = list(self.xs)
        xs[k] = xs[k].copy()
        xs[k][index] += step
        if freeze and self.frozen.values:
            self.frozen.next = 0
            return float(self.run(xs, track=True)[1].item())
        with no_grad():
            return float(self.run(xs, track=False)[1].item())


@dataclass
class _Difference:
    """Differences of s in one element: the derivative, the one-sided slopes, and what may be off."""

    value: float
    left: float
    right: float
    noise: float
    truncation: float
    bend: float  # how much the one-sided slopes differ for the smaller step, over the same for the larger


def _is_float(a: Any) -> bool:
    return isinstance(a, (Tensor, np.ndarray)) and a.dtype.kind == "f"


def _difference(s: _Slope, k: int, index: tuple, scale: float, freeze: bool) -> _Difference:
    x = s.xs[k]
    eps = float(np.finfo(x.dtype).eps)
    h = 2.0 ** np.round(np.log2(eps ** (1 / 3) * max(1.0, abs(float(x[index]))) * scale))
    middle = float(s.total.item())
    up, down, up2, down2 = (s.at(k, index, d, freeze) for d in (h, -h, h / 2, -h / 2))
    wide, narrow = (up - down) / (2 * h), (up2 - down2) / h
    bend = abs((up2 - middle) - (middle - down2)) / (h / 2)
    return _Difference(
        value=(4 * narrow - wide) / 3,  # Richardson: the error of second order cancels
        left=(middle - down2) / (h / 2),
        right=(up2 - middle) / (h / 2),
        noise=ROUNDINGS * eps * (s.magnitude + abs(middle)) / h,
        truncation=abs(narrow - wide),
        bend=bend / max(abs((up - middle) - (middle - down)) / h, 1e-300),
    )


def _judge(s: _Slope, k: int, index: tuple, analytic: float, biggest: float, freeze: bool) -> Report:
    """The verdict on one element. Smaller steps are tried where a kink or the end of the domain lies in the larger."""
    size = abs(float(s.xs[k][index]))
    eps = float(np.finfo(s.xs[k].dtype).eps)
    before = None
    for scale in (1.0, 1 / 16, 1 / 256, *((size,) if 0 < size < 1 / 256 else ())):
        d = _difference(s, k, index, scale, freeze)
        rounding = d.noise + ROUNDINGS * eps * max(abs(analytic), biggest)
        allowed = rounding + d.truncation
        error = abs(analytic - d.value)
        report = Report("right", k, index, analytic, d.value, d.left, d.right, error, allowed)
        if not np.isfinite([d.value, d.left, d.right]).all():
            report.verdict, report.cause = "ill-conditioned", "the function is not finite near this point"
            continue
        low, high = sorted((d.left, d.right))
        wild = d.truncation > d.noise + 0.1 * max(abs(d.left), abs(d.right))
        wild = wild or (before is not None and abs(d.value - before) > d.noise + 0.1 * abs(d.value))
        before = d.value
        kink = not wild and d.bend > 0.75 and high - low > 8 * rounding
        if kink and low - d.noise <= analytic <= high + d.noise:
            report.verdict, report.cause = "kink", "the function has no single slope here; this one lies between"
        elif kink or not error <= allowed:
            report.verdict = "wrong"
        if wild:
            report.verdict, report.cause = "ill-conditioned", "the differences change with the step"
        tells = scale == 1.0 or allowed < 0.1 * max(abs(analytic), abs(d.value))  # small steps drown in rounding
        if not kink and not wild and tells:
            return report
    return report


def _cause(analytic: np.ndarray, numeric: np.ndarray, report: Report) -> str:
    """What kind of mistake makes `analytic` out of `numeric`."""
    a, n = analytic, numeric

    def same(u: Any, v: Any) -> bool:
        return bool(np.allclose(u, v, rtol=1e-3, atol=1e-6 + 1e-4 * np.abs(n).max()))

    if not np.isfinite(a).all():
        return "the gradient holds NaN or Inf: a 0/0 or an overflow in the rule, hidden by a where in the value?"
    if not a.any():
        return "the gradient is zero: does the rule exist, and is the operand used in the graph?"
    if same(a, -n):
        return "the sign is wrong"
    norm = float((n * n).sum())
    factor = float((a * n).sum()) / norm if norm else 0.0
    if factor and same(a, factor * n):
        sizes = sorted({*a.shape, a.size})
        near = [
            f"{f} ({m})"
            for f, m in [(f"{z}", "a size") for z in sizes]
            if same(a, float(f) * n) or same(a * float(f), n)
        ]
        return f"every element is {factor:.6g} times too large" + (
            f"; {near[0]} is in it: mean for sum?" if near else ""
        )
    if a.ndim >= 2 and a.shape[-1] == a.shape[-2] and same(np.swapaxes(a, -1, -2), n):
        return "it is the transpose of the right one"
    for axis in range(a.ndim):
        if same(np.flip(a, axis), n):
            return f"it is reversed along axis {axis}"
        for shift in (1, -1):
            if a.shape[axis] > 1 and same(np.roll(a, shift, axis), n):
                return f"it is shifted by {-shift} along axis {axis}: off by one in an index?"
    if np.count_nonzero(~np.isclose(a, n, rtol=1e-3, atol=1e-6)) < a.size:
        return "some elements are right and some are not: a missing term, a wrong axis, or a boundary?"
    return "a missing term or a wrong axis?"


def gradcheck(
    function: Callable, *args: Any, raise_exception: bool = True, forward: bool = True, seed: int = 0
) -> Report:
    """Check the gradient of `function` at `args` against differences, in every element.

    function  takes `args`, returns a Tensor or several; it must be deterministic
    args      floating-point Tensors and arrays are checked (float64 sees the smallest mistakes), all else
              is passed on
    forward   check forward mode as well, against the reverse
    seed      of the random upstream gradient

    Returns the Report of the worst element. Raises GradcheckError with that report if the verdict is wrong
    or ill-conditioned, unless `raise_exception` is False; TypeError if nothing can be differentiated.

    >>> import numpy as np
    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.testing import gradcheck
    >>> gradcheck(tl.tanh, np.linspace(-1, 1, 5)).verdict
    'right'
    >>> gradcheck(tl.relu, np.array([0.0, 1.0])).verdict
    'kink'
    >>> gradcheck(lambda x: x * tl.stop_gradient(x), np.array([1.0, 2.0])).verdict
    'held constant'
    """
    s = _Slope(function, args, seed)
    again = s.at(0, (0,) * s.xs[0].ndim, 0.0, True) if s.xs[0].size else s.total.item()
    eps = max(float(np.finfo(x.dtype).eps) for x in s.xs)
    if abs(again - s.total.item()) > ROUNDINGS * eps * s.magnitude:
        report = Report("ill-conditioned", cause="two calls at the same point gave different values: not deterministic")
        return _delivered(report, raise_exception)
    if isinstance(s.total, Tensor) and s.total.requires_grad:
        found = grad(s.total, s.leaves, allow_unused=True)
    else:
        found = (None,) * len(s.leaves)
    analytic = [np.zeros(x.shape) if g is None else g.numpy().astype(float) for g, x in zip(found, s.xs)]
    report = _worst(s, analytic)
    if report and forward:
        report = _check_forward(function, s, analytic, report)
    return _delivered(report, raise_exception)


def _worst(s: _Slope, analytic: list[np.ndarray]) -> Report:
    """Judge every element; the report of the worst."""
    rank = ["right", "held constant", "kink", "ill-conditioned", "wrong"]
    worst = Report("right")
    for k, a in enumerate(analytic):
        reports = {}
        biggest = float(np.abs(a).max(initial=0.0))
        for index in np.ndindex(a.shape):
            report = _judge(s, k, index, float(a[index]), biggest, freeze=True)
            if report.verdict == "right" and s.frozen.values:
                free = _judge(s, k, index, float(a[index]), biggest, freeze=False)
                if free.verdict != "right":
                    report.verdict, report.cause = "held constant", "right with the values under stop_gradient frozen"
            reports[index] = report
            if (rank.index(report.verdict), report.excess) >= (rank.index(worst.verdict), worst.excess):
                worst = report
        if worst.verdict == "wrong" and worst.input == k and not worst.cause:
            numeric = np.array([reports[i].numeric for i in np.ndindex(a.shape)]).reshape(a.shape)
            worst.cause = _cause(a, numeric, worst)
    return worst


def _check_forward(function: Callable, s: _Slope, analytic: list[np.ndarray], report: Report) -> Report:
    """Forward mode along a random direction must equal the gradient times that direction."""
    directions = [s.rng.standard_normal(x.shape).astype(x.dtype) for x in s.xs]

    def scalar(*leaves: Tensor) -> Any:
        args = list(s.args)
        for place, leaf in zip(s.places, leaves):
            args[place] = leaf
        answer = function(*args)
        outputs = [y for y in (answer if isinstance(answer, (tuple, list)) else [answer]) if _is_float(y)]
        total: Any = wrap(np.zeros(()))
        for y, w in zip(outputs, s.weights):
            total = total + (y * w).sum()
        return total

    _, pushed = functional.jvp(scalar, tuple(map(wrap, s.xs)), tuple(map(wrap, directions)))
    expected = sum(float((a * v).sum()) for a, v in zip(analytic, directions))
    scale = sum(float(np.abs(a * v).sum()) for a, v in zip(analytic, directions)) + s.magnitude
    eps = max(float(np.finfo(x.dtype).eps) for x in s.xs)
    error, allowed = abs(pushed.item() - expected), 1e3 * eps * (scale + 1)
    if error <= allowed:
        return report
    cause = "forward mode disagrees with reverse mode: is the rule linear in g?"
    return Report("wrong", analytic=pushed.item(), numeric=expected, error=error, allowed=allowed, cause=cause)


def _delivered(report: Report, raise_exception: bool) -> Report:
    if raise_exception and not report:
        raise GradcheckError(str(report))
    return report


def gradgradcheck(
    function: Callable, *args: Any, raise_exception: bool = True, forward: bool = True, seed: int = 0
) -> Report:
    """Check the second order: `gradcheck` of the gradient, as a function of `args` and the upstream gradient.

    Arguments and result as in `gradcheck`; the upstream gradients count as further arguments.

    >>> import numpy as np
    >>> import tinygrad_lite as tl
    >>> tl.testing.gradgradcheck(tl.tanh, np.linspace(-1, 1, 5)).verdict
    'right'
    """
    s = _Slope(function, args, seed)
    count = len(args)

    def gradient(*everything: Any) -> tuple[Tensor, ...]:
        xs = [everything[k] for k in s.places]
        xs = [x if x.requires_grad else x.detach().requires_grad_() for x in xs]
        given = list(everything[:count])
        for k, x in zip(s.places, xs):
            given[k] = x
        with enable_grad():
            answer = function(*given)
        outputs = [y for y in (answer if isinstance(answer, (tuple, list)) else [answer]) if _is_float(y)]
        pairs = [(y, g) for y, g in zip(outputs, everything[count:]) if y.requires_grad]
        if not pairs:
            return tuple(wrap(np.zeros(x.shape, x.dtype)) for x in xs)
        ys, gs = zip(*pairs)
        found = grad(ys, xs, [as_tensor(g) for g in gs], create_graph=True, allow_unused=True)
        return tuple(wrap(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in zip(found, xs))

    upstream = [s.rng.standard_normal(w.shape).astype(w.dtype) for w in s.weights]
    return gradcheck(gradient, *args, *upstream, raise_exception=raise_exception, forward=forward, seed=seed)


# ---------------------------------------------------------------------- strategies for Hypothesis


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> Any:
    """A strategy for shapes, 0-d and zero-size ones included."""
    from hypothesis.extra import numpy as hnp

    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable(count: int = 2, max_dims: int = 3, max_side: int = 3) -> Any:
    """A strategy for `count` shapes that broadcast together.

    >>> from hypothesis import given
    >>> @given(broadcastable())
    ... def holds(shapes):
    ...     np.broadcast_shapes(*shapes)
    >>> holds()
    """
    from hypothesis.extra import numpy as hnp

    made = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, max_side=max_side)
    return made.map(lambda found: found.input_shapes)


def arrays(
    shape: Any = None,
    low: float = -3.0,
    high: float = 3.0,
    avoid: Iterable[float] = (),
    margin: float = 1 / 8,
    unique: bool = False,
    dtype: Any = np.float64,
) -> Any:
    """A strategy for arrays that differences can be taken at.

    shape       a shape or a strategy for one; None for any small one
    low, high   the range of the values, which lie on a grid of 1/64: none are nearly equal
    avoid       points that the values keep away from by `margin`: the kinks and the poles
    unique      no two equal: no ties for a maximum or a sort
    """
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp

    points = list(avoid)
    numbers = st.integers(int(np.ceil(low * 64)), int(np.floor(high * 64)) - 1).map(lambda n: (n + 0.37) / 64)
    if points:
        numbers = numbers.filter(lambda x: all(abs(x - p) > margin for p in points))
    return hnp.arrays(dtype, shapes() if shape is None else shape, elements=numbers, unique=unique)
