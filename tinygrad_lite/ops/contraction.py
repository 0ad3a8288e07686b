"""Sums of products over named axes: einsum and tensordot.

Everything here comes down to one primitive, the contraction of two operands, which is one matrix
product (batched where both operands share an axis with the result). It is closed under
differentiation: the gradient of a contraction is a contraction.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["einsum", "tensordot"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HALF = np.dtype(np.float16)


def product(x: Any, y: Any) -> Any:
    """np.matmul, for values and rules; float16 goes through float32, for BLAS has no half precision."""
    if x.dtype is HALF and y.dtype is HALF:
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(HALF)
    return np.matmul(x, y)


@primitive(public=False)
def contraction(x: Array, y: Array, a: str, b: str, c: str) -> Tensor:
    """out_c = sum over the labels that are not in c of x_a y_b.

    a, b, c: a label (one character) for each axis of x, y and the result, different within each of them.
    Each label stands in at least two of the three, and an axis has the same length in both.
    """
    batch = [k for k in a if k in b and k in c]
    summed = [k for k in a if k in b and k not in c]
    left = [k for k in a if k not in b]
    right = [k for k in b if k not in a]
    if not summed:
        return np.multiply(_aligned(x, a, c), _aligned(y, b, c))
    if batch and not (left or right):  # many dot products: NumPy's loop is the fastest
        number = {k: i for i, k in enumerate(a)}
        return np.einsum(x, [*number.values()], y, [number[k] for k in b], [number[k] for k in c])
    n = dict(zip(a + b, x.shape + y.shape))
    rows, inner, columns = (math.prod(n[k] for k in group) for group in (left, summed, right))
    shape = [n[k] for k in batch]
    x = np.transpose(x, [a.index(k) for k in batch + left + summed])
    y = np.transpose(y, [b.index(k) for k in batch + summed + right])
    out = product(np.reshape(x, [*shape, rows, inner]), np.reshape(y, [*shape, inner, columns]))
    order = batch + left + right
    return np.transpose(np.reshape(out, [n[k] for k in order]), [order.index(k) for k in c])


def _aligned(x: np.ndarray, a: str, c: str) -> np.ndarray:
    """x, its axes in the order of c, with an axis of length 1 for those it lacks."""
    x = np.transpose(x, [a.index(k) for k in c if k in a])
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
    terms, labels, output, length = _parsed(equation, [as_tensor(t) for t in tensors])
    terms, labels = map(list, zip(*[_distinct(t, a, length) for t, a in zip(terms, labels)]))
    uses = Counter("".join([*labels, output]))
    terms, labels = map(list, zip(*[_summed(t, a, uses) for t, a in zip(terms, labels)]))
    if len(terms) == 1:
        return np.transpose(terms[0], [labels[0].index(k) for k in output])
    while len(terms) > 1:
        i, j = min(
            combinations(range(len(terms)), 2),
            key=lambda pair: math.prod(length[k] for k in set(labels[pair[0]] + labels[pair[1]])),
        )
        (x, a), (y, b) = (terms[i], labels[i]), (terms[j], labels[j])
        del terms[j], labels[j], terms[i], labels[i]
        c = output
        if terms:
            wanted = set(output).union(*labels)
            c = "".join(k for k in dict.fromkeys(a + b) if k in wanted)
        terms.append(contraction(x, y, a, b, c))
        labels.append(c)
    return terms[0]


def _spelled(arguments: tuple) -> tuple[str, list]:
    """The equation and the operands of einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def spell(numbers: Any) -> str:
        return "".join("..." if k is Ellipsis else LETTERS[k] for k in numbers)

    pairs = len(arguments) // 2
    equation = ",".join(spell(numbers) for numbers in arguments[1 : 2 * pairs : 2])
    if len(arguments) % 2:
        equation += "->" + spell(arguments[-1])
    return equation, list(arguments[0 : 2 * pairs : 2])


def _parsed(equation: str, tensors: list[Tensor]) -> tuple[list[Tensor], list[str], str, dict[str, int]]:
    """The operands, the labels of each, those of the result, and the length of every label.

    The axes of "..." get labels of their own, which stand before the letters in the alphabet.
    """
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, and got {len(tensors)}")
    for part in (*inputs, output):
        if not set(part.replace("...", "", 1)) <= set(LETTERS):
            raise ValueError(f"einsum: {part!r} in {equation!r}; needs letters, and '...' at most once")
    free = [t.ndim - len(part.replace("...", "")) for t, part in zip(tensors, inputs)]
    for part, t, n in zip(inputs, tensors, free):
        if n < 0 or (n > 0 and "..." not in part):
            raise ValueError(f"einsum: {part!r} in {equation!r} does not fit an operand of shape {t.shape}")
    ellipsis = "".join(map(chr, range(max([0, *(n for part, n in zip(inputs, free) if "..." in part)]))))
    labels = [part.replace("...", ellipsis[len(ellipsis) - n :]) for part, n in zip(inputs, free)]
    if arrow:
        output = output.replace("...", ellipsis)
    else:
        counts = Counter("".join(labels))
        output = ellipsis + "".join(sorted(k for k, n in counts.items() if n == 1 and k not in ellipsis))
    length: dict[str, int] = {}
    for a, t in zip(labels, tensors):
        for k, n in zip(a, t.shape):
            first, known = t.shape[a.index(k)], length.get(k, n)
            if n != first or (n != known and 1 not in (n, known)):
                name = "'...'" if k in ellipsis else repr(k)
                raise ValueError(
                    f"einsum: {name} in {equation!r} has the lengths {known if n == first else first} and {n}"
                )
            length[k] = known if n == 1 else n
    if len(set(output)) < len(output) or not set(output) <= set(length):
        raise ValueError(f"einsum: the result of {equation!r} repeats a letter, or has one that no operand has")
    return list(tensors), labels, output, length


def _distinct(t: Any, a: str, length: dict[str, int]) -> tuple[Any, str]:
    """`t` and its labels: diagonals for repeated ones, and without the axes of length 1 that others have longer."""
    for k in [k for k, n in Counter(a).items() if n > 1]:
        while a.count(k) > 1:
            i = a.index(k)
            j = a.index(k, i + 1)
            t, a = np.diagonal(t, 0, i, j), a[:i] + a[i + 1 : j] + a[j + 1 :] + k
    if any(n != length[k] for k, n in zip(a, t.shape)):
        a = "".join(k for k, n in zip(a, t.shape) if n == length[k])
        t = np.reshape(t, [length[k] for k in a])
    return t, a


def _summed(t: Any, a: str, uses: Counter) -> tuple[Any, str]:
    """`t` and its labels, summed over those that nothing else uses."""
    own = [k for k in a if uses[k] == 1]
    if own:
        t = np.sum(t, axis=tuple(a.index(k) for k in own))
        a = "".join(k for k in a if k not in own)
    return t, a


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
