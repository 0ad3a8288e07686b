"""Tensor: an array that remembers how it was made.

A Tensor holds a NumPy array and, where a gradient is wanted, the `Node` of the operation that
made it (see autograd.py). What can be done with a Tensor is listed in methods.py; what each
operation computes stands in ops/.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import autograd
from tinygrad_lite.autograd import GradientError, clock
from tinygrad_lite.methods import Methods
from tinygrad_lite.modes import FREEZE, RECORD, modes

Array = Annotated[Any, "Array"]
"""What an operation takes as an operand: a Tensor, an array, a number or a nested list of numbers."""

Arrays = Annotated[Any, "Arrays"]
"""A sequence of such operands."""

DEFAULT_DTYPE = np.dtype(np.float32)
"""The dtype of Python floats."""


class Tensor(Methods):
    """An n-dimensional array that can carry a gradient.

    data           an array, number or nested list; copied. Python floats become float32, integers int64,
                   arrays keep their dtype
    requires_grad  whether gradients are wanted; only for floating-point data
    dtype          float16, float32, float64, an integer type or bool

    Raises TypeError for complex or object data, and for integers that ask for a gradient.

    >>> import tinygrad_lite as tl
    >>> x = tl.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    grad: Tensor | None = None
    _requires_grad = False
    _edge: Any = None  # where the gradient goes on: a Node; None for a leaf, which is its own end
    _cell: list[int] | None = None  # [time of the last write], shared by all Tensors on the same memory
    _shared = False  # whether somebody else may write to the memory, so that a saved value must be a copy
    _view = False  # whether it lies in the memory of another Tensor
    _hooks: list | None = None

    __hash__ = object.__hash__

    def __init__(self, data: Array, requires_grad: bool = False, dtype: Any = None) -> None:
        self._array = np.array(to_array(data, dtype))
        if requires_grad:
            self.requires_grad = True

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is recorded for this Tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and self._array.dtype.kind != "f":
            raise TypeError(
                f"requires_grad: only floating-point tensors have gradients, this one is {self.dtype}; "
                "convert it first: t.float()"
            )
        if not wanted and self._edge is not None:
            raise GradientError("requires_grad: a computed tensor can't forget its graph; use t.detach()")
        self._requires_grad = bool(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the Tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor was made by the user and not by a recorded operation."""
        return self._edge is None

    @property
    def grad_fn(self) -> Any:
        """The Node that made this Tensor, or None for a leaf."""
        return self._edge if type(self._edge) is autograd.Node else None

    def _source(self) -> Any:
        """Where the gradient of this Tensor goes: its Node, or itself for a leaf."""
        return self if self._edge is None else self._edge

    def backward(self, gradient: Array = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this Tensor to the `.grad` of each leaf below it; see `tl.autograd.backward`."""
        autograd.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same values without the graph, on the same memory."""
        if modes.flags & FREEZE and self._requires_grad:
            return modes.frozen.hold(self)
        t = wrap(self._array)
        t._share_memory_with(self)
        return t

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook(gradient)` when the gradient of this Tensor is known; what it returns replaces it.

        Returns a function that removes the hook. Raises GradientError without `requires_grad`.

        >>> import tinygrad_lite as tl
        >>> x = tl.tensor(2.0, requires_grad=True)
        >>> remove = x.register_hook(lambda g: g * 10)
        >>> (x * 3).backward()
        >>> x.grad
        tensor(30.)
        """
        if not self._requires_grad:
            raise GradientError("register_hook: this tensor does not require grad, so no gradient will come")
        place, name = (self, "_hooks") if self._edge is None else (self._edge, "hooks")
        hooks = getattr(place, name) or []
        setattr(place, name, hooks)
        hooks.append(hook)
        return lambda: hooks.remove(hook) if hook in hooks else None

    def retain_grad(self) -> None:
        """Keep the gradient of this computed Tensor in `.grad` too."""
        me = weakref.ref(self)

        def keep(g: Tensor) -> None:
            t = me()
            if t is not None:
                t.grad = g if t.grad is None else t.grad + g

        if self._edge is not None:
            self.register_hook(keep)

    @property
    def data(self) -> Tensor:
        """The values without the graph, on the same memory: `detach()`."""
        return self.detach()

    @data.setter
    def data(self, value: Array) -> None:
        self._set(to_array(value).astype(self.dtype, copy=True))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def numpy(self) -> np.ndarray:
        """The values as an array on the same memory, read-only: copy it to write to it.

        An array given to `from_numpy` stays writable. Raises GradientError where a gradient would be lost.
        """
        if self._requires_grad:
            raise GradientError(
                "numpy: this tensor requires grad, and an array would lose the graph; use t.detach().numpy()"
            )
        view = self._array.view()
        view.flags.writeable = self._shared and view.flags.writeable
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._requires_grad:
            raise GradientError(
                "__array__: NumPy asked for the array of a tensor that requires grad, and the gradient would be "
                "lost. Use t.detach() if that is what you want, or an operation listed in docs/OPS.md."
            )
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy) if copy or dtype not in (None, array.dtype) else array

    def __dlpack__(self, **options: Any) -> Any:
        """Export a copy: another library's writes could not be seen here."""
        return self.numpy().copy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return tl.ops.numpy_protocol.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Callable, types: Any, args: Any, kwargs: Any) -> Any:
        return tl.ops.numpy_protocol.function(function, args, kwargs)

    def _share_memory_with(self, other: Tensor) -> None:
        if other._cell is None:
            other._cell = [0]
        self._cell = other._cell
        self._shared = other._shared
        self._view = True

    def _writable(self, op: str) -> np.ndarray:
        """The array, about to be written to: refused where a gradient would be wrong, else stamped."""
        if self._requires_grad and modes.flags & RECORD:
            raise GradientError(
                f"{op}: a leaf that requires grad can't be changed in place while operations are recorded. "
                "Put the update inside `with tl.no_grad():`, or write to a copy (t.clone())."
            )
        if not self._array.flags.writeable:
            raise ValueError(f"{op}: the memory is read-only, or elements share it (expand); write to t.clone()")
        if self._cell is not None:
            self._cell[0] = next(clock)
        return self._array

    def _set(self, array: np.ndarray) -> None:
        """Take `array` as the new value of a leaf."""
        self._writable("data")
        self._array, self._cell, self._shared = array, None, False

    def _become(self, result: Tensor, op: str) -> Tensor:
        """Take the value and the history of `result`: how an in-place form stays in the graph."""
        if result.shape != self.shape or result.dtype != self.dtype:
            raise ValueError(
                f"{op}: the result is {result.dtype}{list(result.shape)} and can't take the place of "
                f"{self.dtype}{list(self.shape)}; use the out-of-place form"
            )
        self._array, self._edge = result._array, result._edge
        self._requires_grad, self._cell = result._requires_grad, result._cell
        self._shared = self._view = False
        return self

    def __repr__(self) -> str:
        body = np.array2string(self._array, separator=", ", prefix="tensor(", threshold=1000)
        notes = "" if self.dtype in (DEFAULT_DTYPE, np.int64, np.bool_) else f", dtype={self.dtype}"
        if self.size == 0:
            notes = f", shape={self.shape}" + notes
        if self.grad_fn is not None:
            notes += f", grad_fn=<{self.grad_fn.op.name}>"
        elif self._requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({body}{notes})"

    def __deepcopy__(self, memo: dict) -> Tensor:
        if self._edge is not None:
            raise GradientError("deepcopy: only leaves can be copied deeply; use t.detach().clone()")
        t = type(self).__new__(type(self))
        t.__dict__.update(self.__dict__)
        t._array, t._cell, t._shared = self._array.copy(), None, False
        t.grad = None if self.grad is None else self.grad.detach().clone()
        memo[id(self)] = t
        return t


new = object.__new__


def wrap(array: np.ndarray) -> Tensor:
    """A Tensor on `array` itself, neither checked nor copied: for results of the engine."""
    t = new(Tensor)
    t._array = array
    return t


def to_array(data: Array, dtype: Any = None) -> np.ndarray:
    """`data` as an array; Python floats become float32. Raises TypeError for complex and object data."""
    if isinstance(data, Tensor):
        array = data._array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    elif isinstance(data, (list, tuple)) and any(isinstance(x, Tensor) for x in data):
        if modes.flags & RECORD and any(getattr(x, "_requires_grad", False) for x in data):
            help = "tl.stack(...) them, take the one that is meant (x.max(1).values), or detach() them"
            raise TypeError(f"a list of Tensors that require a gradient would lose it here: {help}")
        array = np.stack([to_array(x) for x in data])
    else:
        array = np.asarray(data)
        if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(DEFAULT_DTYPE)
    if dtype is not None:
        array = array.astype(dtype, copy=False)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(
            f"Tensor: {array.dtype} data is not supported; float16, float32, float64, integers and bool are. "
            "A ragged list gives object data: pad its rows to one length. Split complex numbers into two tensors."
        )
    return array
