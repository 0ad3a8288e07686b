"""Sums of products over named axes: einsum and tensordot.

Everything here comes down to one primitive, the contraction of two operands, which is one matrix
product (batched where both operands share an axis with the result). It is closed under
differentiation: the gradient of a contraction is a contraction.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.kernels.threads import rest
from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["einsum", "tensordot"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HALF = np.dtype(np.float16)
ALONE = 250_000
"""Up to so many multiplications BLAS takes one thread only. Beyond, a kernel shares them over the threads of all other
kernels: two sets of threads on the same processors would wait for each other."""


def product(x: Any, y: Any) -> Any:
    """np.matmul, for values and rules; float16 goes through float32, for BLAS has no half precision."""
    if x.dtype is HALF and y.dtype is HALF:
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(HALF)
    if type(x) is type(y) is np.ndarray and x.ndim == y.ndim == 2:
        if x.size * y.shape[1] > ALONE and min(x.shape[0], y.shape[1]) > 4:
            return kernels.matrix_product(x, y)
        return x.dot(y)  # as np.matmul, with half a microsecond less around it
    if x.size > ALONE:
        rest()
    return np.matmul(x, y)


@primitive(public=False)
def contraction(x: Array, y: Array, a: str, b: str, c: str) -> Tensor:
    """out_c = sum over the labels that are not in c of x_a y_b.

    a, b, c: a label (one character) for each axis of x, y and the result, different within each of them.
    Each label stands in at least two of the three, and an axis has the same length in both.
    """
    batch, left, summed, x_order, y_order, out_order = _layout(a, b, c)
    if not summed:
        return np.multiply(_aligned(x, a, c), _aligned(y, b, c))
    if batch and x.ndim == y.ndim == batch + summed:  # many dot products: NumPy's loop is the fastest
        number = {k: i for i, k in enumerate(a)}
        return np.einsum(x, [*number.values()], y, [number[k] for k in b], [number[k] for k in c])
    x, y = x.transpose(x_order), y.transpose(y_order)
    stack, rows, columns = x.shape[:batch], x.shape[batch : batch + left], y.shape[batch + summed :]
    inner = math.prod(x.shape[batch + left :])
    out = product(x.reshape(*stack, math.prod(rows), inner), y.reshape(*stack, inner, math.prod(columns)))
    return out.reshape(stack + rows + columns).transpose(out_order)


@lru_cache(maxsize=1000)
def _layout(a: str, b: str, c: str) -> tuple[int, int, int, list[int], list[int], list[int]]:
    """How many axes a and b share with c, only a does, and only a and b share; the order of axes for the product."""
    batch = [k for k in a if k in b and k in c]
    left = [k for k in a if k not in b]
    summed = [k for k in a if k in b and k not in c]
    right = [k for k in b if k not in a]
    out = batch + left + right
    orders = ([a.index(k) for k in batch + left + summed], [b.index(k) for k in batch + summed + right])
    return len(batch), len(left), len(summed), *orders, [out.index(k) for k in c]


def _aligned(x: np.ndarray, a: str, c: str) -> np.ndarray:
    """x, its axes in the order of c, with an axis of length 1 for those it lacks."""
    x = x.transpose([a.index(k) for k in c if k in a])
    return x[tuple(slice(None) if k in a else None for k in c)]


@contraction.gradient
def contraction_x(g, y, a, b, c):
    return contraction.on(g, y, c, b, a)


@contraction.gradient
def contraction_y(g, x, a, b, c):
    return contraction.on(g, x, c, a, b)


# ---------------------------------------------------------------------------------------- einsum


@composed
def einsum(equation: Any, *operands: Any) -> Tensor:
    """out_c = sum over the labels that are not in c of x_a y_b ..., for the equation "a,b,...->c".

    A letter names an axis; a letter that an operand repeats takes a diagonal; an axis of length 1 is
    repeated to the length of others with its letter. "..." stands for any number of leading axes that
    broadcast. Without "->" the result has the axes of "..." and then the letters that occur once, in
    alphabetical order. Also einsum(x, [0, 1], y, [1, 2], [0, 2]), with numbers for letters.

    More than two operands are contracted two at a time, the cheapest pair first.
    Raises ValueError where the equation does not fit the operands.

    >>> import tinygrad_lite as tl
    >>> x = tl.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tl.einsum("ij,kj->ik", x, x)
    tensor([[ 5., 11.],
            [11., 25.]])
    >>> tl.einsum("ii", x)
    tensor(5.)
    """
    if isinstance(equation, str):
        tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    else:
        equation, tensors = _spelled((equation, *operands))
    terms: list[Any] = [as_tensor(t) for t in tensors]
    steps, pairs, order = _plan(equation, tuple(t.shape for t in terms))
    for k, (diagonals, shape, own) in enumerate(steps):
        for i, j in diagonals:
            terms[k] = np.diagonal(terms[k], 0, i, j)
        if shape is not None:
            terms[k] = np.reshape(terms[k], shape)
        if own:
            terms[k] = np.sum(terms[k], axis=own)
    for i, j, a, b, c in pairs:
        y, x = terms.pop(j), terms.pop(i)
        terms.append(contraction(x, y, a, b, c))
    return terms[0] if pairs else np.transpose(terms[0], order)


def _spelled(arguments: tuple) -> tuple[str, list]:
    """The equation and the operands of einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def spell(numbers: Any) -> str:
        return "".join("..." if k is Ellipsis else LETTERS[k] for k in numbers)

    pairs = len(arguments) // 2
    equation = ",".join(spell(numbers) for numbers in arguments[1 : 2 * pairs : 2])
    if len(arguments) % 2:
        equation += "->" + spell(arguments[-1])
    return equation, list(arguments[0 : 2 * pairs : 2])


@lru_cache(maxsize=1000)
def _plan(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list, list, tuple[int, ...]]:
    """What einsum does: to each operand, with which pairs of them, and how it orders the axes of a single one.

    To each operand: the pairs of axes to take diagonals of, the shape without the axes of length 1 that others
    have longer, and the axes to sum over since their label stands nowhere else.
    """
    labels, output, length = _parsed(equation, shapes)
    steps: list[Any] = []
    for n, (a, shape) in enumerate(zip(labels, shapes)):
        diagonals = []
        for k in [k for k, times in Counter(a).items() for _ in range(times - 1)]:
            i = a.index(k)
            j = a.index(k, i + 1)
            diagonals.append((i, j))
            shape = (*shape[:i], *shape[i + 1 : j], *shape[j + 1 :], shape[i])  # a diagonal becomes the last axis
            a = a[:i] + a[i + 1 : j] + a[j + 1 :] + k
        labels[n] = "".join(k for k, size in zip(a, shape) if size == length[k])
        steps.append((diagonals, None if labels[n] == a else tuple(length[k] for k in labels[n])))
    uses = Counter("".join([*labels, output]))
    steps = [(*step, tuple(i for i, k in enumerate(a) if uses[k] == 1)) for step, a in zip(steps, labels)]
    labels = ["".join(k for k in a if uses[k] > 1) for a in labels]
    order = tuple(labels[0].index(k) for k in output) if len(labels) == 1 else ()
    pairs = []
    while len(labels) > 1:
        i, j = min(
            combinations(range(len(labels)), 2),
            key=lambda pair: math.prod(length[k] for k in set(labels[pair[0]] + labels[pair[1]])),
        )
        b, a = labels.pop(j), labels.pop(i)
        wanted = set(output).union(*labels)
        c = "".join(k for k in dict.fromkeys(a + b) if k in wanted) if labels else output
        pairs.append((i, j, a, b, c))
        labels.append(c)
    return steps, pairs, order


def _parsed(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str, dict[str, int]]:
    """The labels of each operand and of the result, and the length of every label.

    The axes of "..." get labels of their own, which stand before the letters in the alphabet.
    """
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, and got {len(shapes)}")
    for part in (*inputs, output):
        if not set(part.replace("...", "", 1)) <= set(LETTERS):
            raise ValueError(f"einsum: {part!r} in {equation!r}; needs letters, and '...' at most once")
    free = [len(shape) - len(part.replace("...", "")) for shape, part in zip(shapes, inputs)]
    for part, shape, n in zip(inputs, shapes, free):
        if n < 0 or (n > 0 and "..." not in part):
            raise ValueError(f"einsum: {part!r} in {equation!r} does not fit an operand of shape {shape}")
    ellipsis = "".join(map(chr, range(max([0, *(n for part, n in zip(inputs, free) if "..." in part)]))))
    labels = [part.replace("...", ellipsis[len(ellipsis) - n :]) for part, n in zip(inputs, free)]
    if arrow:
        output = output.replace("...", ellipsis)
    else:
        counts = Counter("".join(labels))
        output = ellipsis + "".join(sorted(k for k, n in counts.items() if n == 1 and k not in ellipsis))
    length: dict[str, int] = {}
    for a, shape in zip(labels, shapes):
        for k, n in zip(a, shape):
            first, known = shape[a.index(k)], length.get(k, n)
            if n != first or (n != known and 1 not in (n, known)):
                name = "'...'" if k in ellipsis else repr(k)
                raise ValueError(
                    f"einsum: {name} in {equation!r} has the lengths {known if n == first else first} and {n}"
                )
            length[k] = known if n == 1 else n
    if len(set(output)) < len(output) or not set(output) <= set(length):
        raise ValueError(f"einsum: the result of {equation!r} repeats a letter, or has one that no operand has")
    return labels, output, length


@composed
def tensordot(x: Array, y: Array, dims: Any = 2, axes: Any = None) -> Tensor:
    """out = sum over pairs of axes of x and y; the result has the other axes of x, then those of y.

    dims (`axes` in NumPy): the number n of axes, the last n of x with the first n of y; or two lists, the
    axes of x and their partners in y. An axis of length 1 is repeated to the length of its partner. Raises
    ValueError where paired axes differ in length.

    >>> import tinygrad_lite as tl
    >>> tl.tensordot(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), tl.tensor([1.0, 10.0]), dims=1)
    tensor([21., 43.])
    """
    x, y, dims = as_tensor(x), as_tensor(y), dims if axes is None else axes
    if isinstance(dims, (int, np.integer)):
        if not 0 <= dims <= min(x.ndim, y.ndim):
            raise ValueError(f"tensordot: dims={dims} for operands of shapes {x.shape} and {y.shape}")
        dims = [range(x.ndim - dims, x.ndim), range(dims)]
    first, second = ([d] if isinstance(d, (int, np.integer)) else list(d) for d in dims)
    if len(first) != len(second):
        raise ValueError(f"tensordot: {len(first)} axes of the first operand and {len(second)} of the second")
    a, b = LETTERS[: x.ndim], list(LETTERS[x.ndim : x.ndim + y.ndim])
    for i, j in zip(first, second):
        b[j] = a[i]
    equation = f"{a},{''.join(b)}->"
    paired = {a[i] for i in first}
    if any(x.shape[i] != y.shape[j] and 1 not in (x.shape[i], y.shape[j]) for i, j in zip(first, second)):
        raise ValueError(f"tensordot: the paired axes differ: {x.shape} along {first}, {y.shape} along {second}")
    return einsum(equation + "".join(k for k in (*a, *b) if k not in paired), x, y)
