"""Tensors from nothing, from arrays and from other Tensors; the random generator; casts and copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import DEFAULT_DTYPE, Array, Tensor, to_array, wrap

__all__ = [
    "arange",
    "as_tensor",
    "astype",
    "bernoulli",
    "cast_x",
    "clone",
    "clone_x",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "generator",
    "linspace",
    "manual_seed",
    "normal",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "stop_gradient",
    "tensor",
    "zeros",
    "zeros_like",
]


class _Random:
    """The library's random generator."""

    generator: np.random.Generator | None = None


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the library's random generator (initial weights, dropout, `rand`, shuffling); returns it.

    >>> import tinygrad_lite as tl
    >>> _ = tl.manual_seed(0)
    >>> tl.rand(2)
    tensor([0.6369617 , 0.26978672])
    """
    _Random.generator = np.random.default_rng(seed)
    return _Random.generator


def generator() -> np.random.Generator:
    """The library's random generator, a NumPy Generator."""
    if _Random.generator is None:
        _Random.generator = np.random.default_rng()
    return _Random.generator


def _sizes(sizes: tuple) -> tuple[int, ...]:
    """Both zeros(2, 3) and zeros((2, 3))."""
    if (len(sizes) == 1 and not np.isscalar(sizes[0]) and np.ndim(sizes[0])) or (
        len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    ):
        sizes = tuple(sizes[0])
    return tuple(int(n) for n in sizes)


def _made(array: np.ndarray, dtype: Any, requires_grad: bool) -> Tensor:
    t = wrap(to_array(array, DEFAULT_DTYPE if dtype is None else dtype))
    return t.requires_grad_() if requires_grad else t


def tensor(data: Array, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """A Tensor with a copy of `data`: `tl.Tensor(data, requires_grad, dtype)`.

    >>> import tinygrad_lite as tl
    >>> tl.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return Tensor(data, requires_grad, dtype)


def as_tensor(data: Array, dtype: Any = None) -> Tensor:
    """`data` itself if it is a Tensor of that dtype, else as one; an array is shared, not copied."""
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == np.dtype(dtype) else data.astype(dtype)
    array = to_array(data, dtype)
    t = wrap(array)
    t._shared = isinstance(data, np.ndarray) and np.may_share_memory(array, data)
    return t


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor on the memory of `array`: what is written to one is seen in the other.

    A graph that needs the values keeps a copy of them. Raises TypeError for what is not an array.

    >>> import numpy as np
    >>> import tinygrad_lite as tl
    >>> a = np.zeros(2)
    >>> t = tl.from_numpy(a)
    >>> a[0] = 5.0
    >>> t
    tensor([5., 0.], dtype=float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: needs an array, got {type(array).__name__}; use tl.tensor(data)")
    return as_tensor(array)


def from_dlpack(source: Any) -> Tensor:
    """A Tensor on the memory of another library's CPU tensor."""
    return as_tensor(np.from_dlpack(source))


def zeros(*sizes: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape: zeros(2, 3) or zeros((2, 3))."""
    return _made(np.zeros(_sizes(sizes), dtype or DEFAULT_DTYPE), dtype, requires_grad)


def ones(*sizes: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape."""
    return _made(np.ones(_sizes(sizes), dtype or DEFAULT_DTYPE), dtype, requires_grad)


def empty(*sizes: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of a shape, whose values are not to be relied on; here zeros."""
    return zeros(*sizes, dtype=dtype, requires_grad=requires_grad)


def full(size: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A shape filled with one value; its dtype follows the value."""
    shape = _sizes((size,))
    return _made(np.full(shape, fill_value), dtype or to_array(fill_value).dtype, requires_grad)


def arange(
    start: float, end: float | None = None, step: float = 1, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start + step, ... below `end`; integers give int64, floats float32.

    >>> import tinygrad_lite as tl
    >>> tl.arange(4)
    tensor([0, 1, 2, 3])
    """
    low, high = (0, start) if end is None else (start, end)
    array: np.ndarray = np.arange(low, high, step)  # type: ignore[call-overload]
    if dtype is None:
        dtype = np.int64 if array.dtype.kind == "i" else DEFAULT_DTYPE
    return _made(array, dtype, requires_grad)


def linspace(start: float, end: float, steps: int = 100, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`steps` equally spaced numbers from `start` to `end`, both included."""
    return _made(np.linspace(start, end, steps), dtype, requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix (n, m)."""
    return _made(np.eye(n, m), dtype, requires_grad)


def rand(*sizes: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform on [0, 1)."""
    return _made(generator().random(_sizes(sizes)), dtype, requires_grad)


def randn(*sizes: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal."""
    return _made(generator().standard_normal(_sizes(sizes)), dtype, requires_grad)


def randint(low: int, high: int | None = None, size: Any = (), dtype: Any = None) -> Tensor:
    """Integers from `low` up to and without `high`; randint(high, size=...) starts at 0."""
    low, high = (0, low) if high is None else (low, high)
    return _made(generator().integers(low, high, _sizes((size,))), dtype or np.int64, False)


def randperm(n: int) -> Tensor:
    """A random order of 0 ... n - 1."""
    return _made(generator().permutation(n), np.int64, False)


def normal(mean: float = 0.0, std: float = 1.0, size: Any = (), dtype: Any = None) -> Tensor:
    """Normal with a mean and a standard deviation."""
    return _made(generator().normal(mean, std, _sizes((size,))), dtype, False)


def bernoulli(p: Array) -> Tensor:
    """1 with probability `p`, else 0, elementwise."""
    probabilities = to_array(p)
    return wrap((generator().random(probabilities.shape) < probabilities).astype(probabilities.dtype))


def zeros_like(x: Array, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `x`."""
    x = to_array(x)
    return zeros(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def ones_like(x: Array, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `x`."""
    x = to_array(x)
    return ones(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def empty_like(x: Array, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """As `zeros_like`."""
    return zeros_like(x, dtype, requires_grad)


def full_like(x: Array, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value in the shape and dtype of `x`."""
    x = to_array(x)
    return full(x.shape, fill_value, dtype=dtype or x.dtype, requires_grad=requires_grad)


def rand_like(x: Array, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform on [0, 1), of the shape and dtype of `x`."""
    x = to_array(x)
    return rand(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def randn_like(x: Array, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal, of the shape and dtype of `x`."""
    x = to_array(x)
    return randn(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


# ---------------------------------------------------------------------------------- casts and copies


@primitive(public=False)
def cast(x: Array, dtype: Any) -> Tensor:
    """x in another floating-point dtype; a copy."""
    return x.astype(dtype)


@cast.gradient
def cast_x(g):
    return g  # the tape brings it back to the operand's dtype


@composed
def astype(x: Array, dtype: Any, copy: bool = False) -> Tensor:
    """x in another dtype. The gradient goes on between floating-point dtypes, and stops at integers and bool.

    copy: as in NumPy, whether x is copied even where it has that dtype already.

    >>> import tinygrad_lite as tl
    >>> tl.astype(tl.tensor([1.5, -2.5]), int)
    tensor([ 1, -2])
    """
    x = as_tensor(x)
    dtype = np.dtype(dtype)
    if dtype == x.dtype:
        return clone(x) if copy else x
    if dtype.kind == "f" and x.requires_grad:
        return cast(x, dtype)
    return wrap(to_array(x, dtype))


@primitive
def clone(x: Array) -> Tensor:
    """x, in memory of its own; the gradient goes on.

    >>> import tinygrad_lite as tl
    >>> tl.clone(tl.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return np.array(x)


@clone.gradient
def clone_x(g):
    return g


def stop_gradient(x: Array) -> Tensor:
    """x as a constant: the gradient does not go on from here (`detach`).

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor(3.0, requires_grad=True)
    >>> (x * tl.stop_gradient(x)).backward()
    >>> x.grad
    tensor(3.)
    """
    return as_tensor(x).detach()
