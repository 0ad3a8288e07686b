"""What can be done with a Tensor: the operators, and each operation as a method.

A method is the function of the same name with the Tensor as its first argument: `t.sum(axis=1)` is
`tl.sum(t, axis=1)`, and its documentation is there. The in-place forms at the end are safe or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.autograd import GradientError
from tinygrad_lite.modes import RECORD, modes, no_grad

if TYPE_CHECKING:
    from tinygrad_lite.tensor import Tensor


def method(name: str) -> Callable[..., Any]:
    """The function `tl.<name>` as a method."""

    def call(self: Any, *args: Any, **params: Any) -> Any:
        return getattr(tl, name)(self, *args, **params)

    call.__name__, call.__doc__ = name, f"`tl.{name}` of this Tensor."
    call.operation = name  # type: ignore[attr-defined]
    return call


def reflected(name: str) -> Callable[..., Tensor]:
    """`other <operator> t`."""
    return lambda self, other: getattr(tl, name)(other, self)


def in_place(name: str) -> Callable[..., Tensor]:
    """The in-place form of `tl.<name>`: outside a graph it writes to the memory, inside one the Tensor
    becomes the result, so that what the graph has saved stays as it was."""

    def call(self: Any, *args: Any, **params: Any) -> Any:
        operands = [self, *args, *params.values()]
        if modes.flags & RECORD and any(getattr(a, "_requires_grad", False) for a in operands):
            if self._view:
                raise GradientError(
                    f"{name}_: this tensor is a view of another, which an in-place form in the graph would not "
                    f"reach. Assign to the whole instead: x[i] = tl.{name}(x[i], ...), or use the out-of-place form."
                )
            if self._edge is None and self._requires_grad:
                self._writable(f"{name}_")
            return self._become(getattr(tl, name)(*operands[: 1 + len(args)], **params), f"{name}_")
        with no_grad():
            result = getattr(tl, name)(self, *args, **params)
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"{name}_: the result is {result.dtype}{list(result.shape)} and can't be written into "
                f"{self.dtype}{list(self.shape)}; use the out-of-place form"
            )
        self._writable(f"{name}_")[...] = result._array
        return self

    return call


class Methods:
    """The operators and methods of a Tensor; see tensor.py for what it is."""

    _array: np.ndarray

    __add__, __radd__ = method("add"), reflected("add")
    __sub__, __rsub__ = method("subtract"), reflected("subtract")
    __mul__, __rmul__ = method("multiply"), reflected("multiply")
    __truediv__, __rtruediv__ = method("divide"), reflected("divide")
    __pow__, __rpow__ = method("power"), reflected("power")
    __matmul__, __rmatmul__ = method("matmul"), reflected("matmul")
    __neg__ = method("negative")
    __floordiv__, __rfloordiv__ = method("floor_divide"), reflected("floor_divide")
    __mod__, __rmod__ = method("remainder"), reflected("remainder")
    __pos__, __abs__ = method("positive"), method("abs")
    __lt__, __le__, __gt__, __ge__ = method("lt"), method("le"), method("gt"), method("ge")
    __eq__, __ne__ = method("eq"), method("ne")  # type: ignore[assignment]
    __and__, __or__, __xor__ = method("bitwise_and"), method("bitwise_or"), method("bitwise_xor")
    __rand__, __ror__, __rxor__ = reflected("bitwise_and"), reflected("bitwise_or"), reflected("bitwise_xor")
    __invert__ = method("bitwise_not")

    __iadd__, __isub__ = in_place("add"), in_place("subtract")
    __imul__, __itruediv__ = in_place("multiply"), in_place("divide")
    __ipow__ = in_place("power")

    def __getitem__(self, index: Any) -> Tensor:
        return tl.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write `value` at `index`; in a graph the Tensor becomes a new value, differentiable in both."""
        me = cast("Any", self)
        if modes.flags & RECORD and (me._requires_grad or getattr(value, "_requires_grad", False)):
            if me._edge is None and me._requires_grad:
                raise GradientError(
                    "setitem: a leaf that requires grad can't be changed in place while operations are recorded. "
                    "Write y = x.clone(); y[i] = value, or update it inside `with tl.no_grad():`."
                )
            if me._view:
                raise GradientError(
                    "setitem: this tensor is a view of another, which an assignment in the graph would not reach. "
                    "Index the whole in one step: x[i, j] = value, or write to a copy: y = x.clone(); y[i] = value."
                )
            me._become(tl.index_put(me, index, value), "setitem")
        else:
            array = me._writable("setitem")
            array[tl.ops.indexing.plain_index(index)] = tl.as_tensor(value)._array

    # Python

    def item(self) -> float | int | bool:
        """The value of a single element, as a Python number."""
        if self._array.size != 1:
            raise ValueError(f"item: only a single element can become a number, this tensor is {self._array.shape}")
        return self._array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._array.tolist()

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(
                f"bool: the truth of a tensor of shape {self._array.shape} is ambiguous; use t.any() or t.all()"
            )
        return bool(self._array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self._array.__index__()

    def __contains__(self, value: Any) -> bool:
        return bool((self._array == np.asarray(value)).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._array.size == 1 else format(str(self), spec)

    @classmethod
    def _quicken(cls) -> None:
        """Put the quick calls of operations (quick.py) in the place of operators and of methods without arguments."""
        for name, call in list(vars(Methods).items()):
            op: Any = tl.registry.get(getattr(call, "operation", ""))
            if hasattr(op, "make_quick") and (op.arity == 1 or name.startswith("__")):
                quick = op.make_quick()
                if quick:
                    quick.__name__, quick.__doc__ = call.__name__, call.__doc__
                    setattr(Methods, name, quick)

    # Elementwise
    abs, sign, exp, exp2, expm1 = method("abs"), method("sign"), method("exp"), method("exp2"), method("expm1")
    log, log1p, log2, log10 = method("log"), method("log1p"), method("log2"), method("log10")
    sqrt, rsqrt, square, reciprocal = method("sqrt"), method("rsqrt"), method("square"), method("reciprocal")
    sin, cos, tan = method("sin"), method("cos"), method("tan")
    asin, acos, atan, atan2 = method("arcsin"), method("arccos"), method("arctan"), method("atan2")
    arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
    sinh, cosh, tanh = method("sinh"), method("cosh"), method("tanh")
    asinh, acosh, atanh = method("arcsinh"), method("arccosh"), method("arctanh")
    erf, erfc, sigmoid, relu = method("erf"), method("erfc"), method("sigmoid"), method("relu")
    add, sub, mul, div = method("add"), method("subtract"), method("multiply"), method("div")
    subtract, multiply, divide, negative, neg = sub, mul, method("divide"), method("negative"), method("negative")
    pow, power, remainder, fmod = method("power"), method("power"), method("remainder"), method("fmod")
    maximum, minimum, clamp, clip = method("maximum"), method("minimum"), method("clamp"), method("clamp")
    floor, ceil, round, trunc, lerp = method("floor"), method("ceil"), method("round"), method("trunc"), method("lerp")
    isnan, isinf, isfinite = method("isnan"), method("isinf"), method("isfinite")
    eq, ne, lt, le, gt, ge = method("eq"), method("ne"), method("lt"), method("le"), method("gt"), method("ge")
    logical_and, logical_or, logical_not = method("logical_and"), method("logical_or"), method("logical_not")
    masked_fill, nan_to_num = method("masked_fill"), method("nan_to_num")

    def where(self, condition: Any, other: Any) -> Tensor:
        """This Tensor where `condition` holds, else `other`."""
        return cast("Tensor", tl.where(condition, self, other))

    # Reductions and sorting
    sum, mean, prod, var, std = method("sum"), method("mean"), method("prod"), method("var"), method("std")
    max, min, amax, amin = method("max"), method("min"), method("amax"), method("amin")
    argmax, argmin, all, any = method("argmax"), method("argmin"), method("all"), method("any")
    logsumexp, cumsum, cumprod, norm = method("logsumexp"), method("cumsum"), method("cumprod"), method("norm")
    median, quantile, sort, argsort = method("median"), method("quantile"), method("sort"), method("argsort")
    topk, count_nonzero = method("topk"), method("count_nonzero")
    softmax, log_softmax = method("softmax"), method("log_softmax")

    # Shapes and indexing
    flatten, unflatten, ravel = method("flatten"), method("unflatten"), method("ravel")
    swapaxes, moveaxis, movedim = method("swapaxes"), method("moveaxis"), method("moveaxis")
    squeeze, unsqueeze, broadcast_to = method("squeeze"), method("unsqueeze"), method("broadcast_to")
    split, chunk, unbind, tensor_split = method("split"), method("chunk"), method("unbind"), method("tensor_split")
    repeat_interleave, roll, rot90 = method("repeat_interleave"), method("roll"), method("rot90")
    diagonal, diag, tril, triu = method("diagonal"), method("diag"), method("tril"), method("triu")
    gather, take_along_axis, take = method("gather"), method("take_along_axis"), method("take")
    index_select, index_add, index_put = method("index_select"), method("index_add"), method("index_put")
    scatter, scatter_add, masked_select = method("scatter"), method("scatter_add"), method("masked_select")
    index_copy, index_fill, nonzero = method("index_copy"), method("index_fill"), method("nonzero")
    diag_embed, diagflat, fliplr, flipud = method("diag_embed"), method("diagflat"), method("fliplr"), method("flipud")

    def reshape(self, *shape: Any) -> Tensor:
        """t.reshape(2, -1) or t.reshape((2, -1)); see `tl.reshape`."""
        return cast("Tensor", tl.reshape(self, _spread(shape)))

    def view(self, *shape: Any) -> Tensor:
        """As `reshape`, but never a copy; see `tl.view`."""
        return cast("Tensor", tl.view(self, _spread(shape)))

    def permute(self, *axes: Any) -> Tensor:
        """t.permute(1, 0, 2) or t.permute((1, 0, 2)); see `tl.permute`."""
        return cast("Tensor", tl.permute(self, _spread(axes)))

    def transpose(self, *axes: Any) -> Tensor:
        """Two axes are exchanged (PyTorch), all axes are put in that order and none reverses them (NumPy)."""
        return cast("Tensor", tl.transpose(self, *axes))

    def expand(self, *sizes: Any) -> Tensor:
        """See `tl.expand`."""
        return cast("Tensor", tl.expand(self, _spread(sizes)))

    def repeat(self, *sizes: Any) -> Tensor:
        """See `tl.repeat`."""
        return cast("Tensor", tl.repeat(self, _spread(sizes)))

    def tile(self, *sizes: Any) -> Tensor:
        """See `tl.tile`."""
        return cast("Tensor", tl.tile(self, _spread(sizes)))

    def flip(self, *axes: Any) -> Tensor:
        """See `tl.flip`."""
        return cast("Tensor", tl.flip(self, _spread(axes)))

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return cast("Tensor", tl.permute(self, tuple(range(np.ndim(cast("Any", self))))[::-1]))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return cast("Tensor", tl.swapaxes(self, -1, -2))

    # Products
    matmul, mm, bmm, mv, dot = method("matmul"), method("mm"), method("bmm"), method("mv"), method("dot")
    outer, trace = method("outer"), method("trace")

    # Casts and copies
    clone, astype = method("clone"), method("astype")
    copy = clone

    def to(self, dtype: Any) -> Tensor:
        """In another dtype; see `tl.astype`."""
        return cast("Tensor", tl.astype(self, dtype))

    def type(self, dtype: Any) -> Tensor:
        """In another dtype; see `tl.astype`."""
        return self.to(dtype)

    def float(self) -> Tensor:
        """In float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """In float64."""
        return self.to(np.float64)

    def half(self) -> Tensor:
        """In float16."""
        return self.to(np.float16)

    def long(self) -> Tensor:
        """In int64."""
        return self.to(np.int64)

    def int(self) -> Tensor:
        """In int32."""
        return self.to(np.int32)

    def bool(self) -> Tensor:
        """True where not zero."""
        return self.to(np.bool_)

    def contiguous(self) -> Tensor:
        """In row-major order: this Tensor if it is already, else a copy."""
        me = cast("Any", self)
        return me if me._array.flags.c_contiguous else me.clone()

    def dim(self) -> Any:
        """The number of axes, as a function (PyTorch)."""
        return np.ndim(cast("Any", self))

    def numel(self) -> Any:
        """The number of elements, as a function (PyTorch)."""
        return cast("Any", self).size

    # In place
    add_, sub_, mul_, div_ = in_place("add"), in_place("subtract"), in_place("multiply"), in_place("divide")
    pow_, clamp_, masked_fill_ = in_place("power"), in_place("clamp"), in_place("masked_fill")
    relu_, exp_, neg_, lerp_ = in_place("relu"), in_place("exp"), in_place("negative"), in_place("lerp")

    def copy_(self, source: Any) -> Tensor:
        """Take the values of `source`, broadcast to this shape."""
        self[...] = source
        return cast("Tensor", self)

    def fill_(self, value: Any) -> Tensor:
        """Set every element to `value`."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to 0."""
        return self.copy_(0)


def _spread(sizes: tuple) -> tuple:
    """Both f(2, 3) and f((2, 3))."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
