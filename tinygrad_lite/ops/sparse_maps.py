"""Maps onto the simplex that give exact zeros, and equal values to groups: sparsemax, fusedmax and oscarmax.

softmax(x) maximises x . y plus the entropy of y, among probabilities y. With -||y||^2 / 2 in place of the entropy it
is sparsemax, the nearest probabilities to x (Martins and Astudillo 2016, arXiv:1602.02068). A penalty on unequal
entries besides makes it fusedmax or oscarmax (Niculae and Blondel 2017, arXiv:1705.07704): both are sparsemax of
scores that have been fused into groups, and the derivative of fusing is to average in each group. All derivatives
are constant from kink to kink.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from tinygrad_lite.ops.creation import as_tensor
from tinygrad_lite.ops.shapes import normal_axis
from tinygrad_lite.ops.softmax import real
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor

__all__ = ["fusedmax", "oscarmax", "sparsemax"]


def lanes_of(x: np.ndarray, axis: int) -> np.ndarray:
    """x as (lanes, n), in float64."""
    lanes = np.moveaxis(np.atleast_1d(x), axis, -1)
    return lanes.reshape(-1, lanes.shape[-1]).astype(np.float64)


def put_back(lanes: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """Lanes in the shape of the x that they come from."""
    shape = np.moveaxis(np.atleast_1d(x), axis, -1).shape
    return np.moveaxis(lanes.reshape(shape), -1, axis).reshape(x.shape)


# ------------------------------------------------------------------------------------- sparsemax


@primitive(outputs="out support", discrete="support", public=False)
def nearest_probabilities(x: Array, axis: int) -> Any:
    """max(x - t, 0), with the threshold t that makes the sum 1; and where it is positive, the support.

    With x in descending order u, the support is the k largest, for the last k with 1 + k u_k > u_1 + ... + u_k.
    """
    if not x.size:
        return x.copy(), np.zeros(x.shape, bool)
    z = lanes_of(x, axis)
    with np.errstate(invalid="ignore", divide="ignore"):  # scores of -inf alone give NaN
        z -= z.max(axis=1, keepdims=True)  # which changes nothing but the rounding
        u = -np.sort(-z, axis=1)
        k, excess = np.arange(1, z.shape[1] + 1), np.cumsum(u, axis=1) - 1
        size = np.sum(k * u > excess, axis=1, keepdims=True)
        y = np.maximum(z - np.take_along_axis(excess, size - 1, axis=1) / size, 0)
    return put_back(y, x, axis).astype(x.dtype), put_back(y > 0, x, axis)


@nearest_probabilities.gradient
def nearest_probabilities_x(g, support, axis):
    # The Jacobian is diag(s) - s s^T / |S|: subtract the mean over the support S, of which s is the indicator.
    size = np.maximum(np.sum(support, axis=axis, keepdims=True), 1).astype(g.dtype)
    inside = np.where(support, g, 0)
    return inside - np.where(support, np.sum(inside, axis=axis, keepdims=True) / size, 0)


def mapped(name: str, x: Array, axis: int, fuse: Any = None, lambd: float = 0.0) -> Tensor:
    """Sparsemax along an axis, of scores that are fused first where lambd is not 0."""
    if not 0 <= lambd < np.inf:
        raise ValueError(f"{name}: lambd is {lambd}; it weighs a penalty, and must be a finite number, 0 or more")
    x = as_tensor(x)
    x = x if x.dtype.kind == "f" else as_tensor(real(x._array, None))
    axis = normal_axis(name, axis, x.ndim)
    if lambd and x.size:
        x = fuse(x, axis, lambd).out
    return nearest_probabilities(x, axis).out


@composed
def sparsemax(x: Array, axis: int = -1) -> Tensor:
    """argmin of ||y - x||^2 over the simplex (all y >= 0, their sum 1): probabilities, of which many are exactly 0.

    x: any shape; integers are converted to float. axis: where the results sum to one (PyTorch's `dim`). A score of
    -inf is masked: its y is 0, and the others are as if it were not there; -inf alone gives NaN. Larger scores give
    fewer y that are not 0: a temperature is sparsemax(x / temperature). Raises IndexError for an axis that x has not.
    Source: Martins and Astudillo 2016, arXiv:1602.02068.

    >>> import tinygrad_lite as tl
    >>> tl.sparsemax(tl.tensor([1.0, 0.5, -2.0]))
    tensor([0.75, 0.25, 0.  ])
    """
    return mapped("sparsemax", x, axis)


# --------------------------------------------------------------------------------------- groups


@primitive(public=False)
def average(x: Array, groups: Array) -> Tensor:
    """Every element replaced by the mean of its group; groups have numbers, no two lanes the same."""
    labels = groups.reshape(-1)
    sums, sizes = np.bincount(labels, x.reshape(-1)), np.bincount(labels)
    return (sums / np.maximum(sizes, 1))[groups].astype(x.dtype)


@average.gradient
def average_x(g, groups):
    return average.on(g, groups)  # its matrix is symmetric


# ------------------------------------------------------------------------- neighbours: fusedmax


def climb(lines: deque, a: float, c: float, level: float) -> tuple[float, float, float]:
    """Where rising lines, of which a b + c is the first, reach a level: b, and the line there. Drops those before."""
    while lines and a * lines[0][0] + c < level:
        _, more_a, more_c = lines.popleft()
        a, c = a + more_a, c + more_c
    return (level - c) / a, a, c


def descend(lines: deque, a: float, c: float, level: float) -> tuple[float, float, float]:
    """As `climb`, but from the right, where a b + c is the last line."""
    while lines and a * lines[-1][0] + c > level:
        _, more_a, more_c = lines.pop()
        a, c = a - more_a, c - more_c
    return (level - c) / a, a, c


def total_variation(x: list[float], lambd: float) -> list[float]:
    """argmin of sum (y_i - x_i)^2 / 2 + lambd sum |y_(i+1) - y_i|; all y of a group are the same number.

    The dynamic programme of Johnson 2013 (Journal of Computational and Graphical Statistics 22:2). Let f_i(b) be the
    least cost of the first i entries where y_i = b. Its derivative is made of rising lines:

        f_1'(b) = b - x_1,    f_i'(b) = b - x_i + clip(f_(i-1)'(b), -lambd, lambd)

    It is zero at the last y; and y_i is y_(i+1), clipped to where f_i' goes from -lambd to lambd. Each line is met
    and dropped once, so it takes O(n).
    """
    lines: deque = deque()  # for each b at which a new line begins: b, and what it has more than the line before
    low, high = [], []
    edge = 0.0  # the clipped derivative is -edge left of all lines, and edge right of them
    for v in x[:-1]:
        left, a, c = climb(lines, 1.0, -v - edge, -lambd)
        first = (left, a, c + lambd)
        right, a, c = descend(lines, 1.0, -v + edge, lambd)
        lines.appendleft(first)
        lines.append((right, -a, lambd - c))
        low.append(left)
        high.append(right)
        edge = lambd
    y = [climb(lines, 1.0, -v - edge, 0.0)[0] for v in x[-1:]]
    for left, right in zip(reversed(low), reversed(high)):
        y.append(min(max(y[-1], left), right))
    return y[::-1]


@primitive(outputs="out groups", discrete="groups", public=False)
def fuse_neighbours(x: Array, axis: int, lambd: float) -> Any:
    """`total_variation` along an axis, without what is masked; and the number of the group of each element."""
    y = lanes_of(x, axis)
    seen = np.isfinite(y)
    for lane, mask in zip(y, seen):
        lane[mask] = total_variation(lane[mask].tolist(), lambd)
    groups = np.zeros(y.shape, int)
    new = (np.diff(y[seen], prepend=0) != 0) | (np.diff(np.nonzero(seen)[0], prepend=-1) != 0)
    groups[seen] = np.cumsum(new)
    return put_back(y, x, axis).astype(x.dtype), put_back(groups, x, axis)


@fuse_neighbours.gradient
def fuse_neighbours_x(g, groups):
    return average.on(g, groups)


@composed
def fusedmax(x: Array, axis: int = -1, lambd: float = 1.0) -> Tensor:
    """argmin of ||y - x||^2 / 2 + lambd sum_i |y_(i+1) - y_i| over the simplex: neighbours share one probability.

    It is `sparsemax` of the minimum without the simplex. lambd: 0 or more; 0 is sparsemax, much is uniform. x, axis,
    masks and the temperature (the paper's gamma) as for `sparsemax`; what is masked is left out of the sequence.
    Raises ValueError for a lambd below 0. Source: Niculae and Blondel 2017, arXiv:1705.07704, section 3.2.

    >>> import tinygrad_lite as tl
    >>> tl.fusedmax(tl.tensor([1.0, 1.25, 0.0, -1.0]), lambd=0.25)
    tensor([0.5, 0.5, 0. , 0. ])
    """
    return mapped("fusedmax", x, axis, fuse_neighbours, lambd)


# -------------------------------------------------------------------------- any pairs: oscarmax


def isotonic(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows to those of v that nowhere increase, and the number of the group of each element.

    Pool adjacent violators (Ayer et al. 1955): neighbouring groups whose means increase become one, in all rows at
    once, until there are none.
    """
    start = np.arange(v.size)  # of each group
    while True:
        sizes = np.diff(start, append=v.size)
        means = np.add.reduceat(v.reshape(-1), start) / sizes
        violating = (means[1:] >= means[:-1]) & (start[1:] % v.shape[1] != 0)
        if not violating.any():
            break
        start = np.delete(start, 1 + np.flatnonzero(violating))
    return np.repeat(means, sizes).reshape(v.shape), np.repeat(np.arange(len(start)), sizes).reshape(v.shape)


@primitive(outputs="out groups", discrete="groups", public=False)
def fuse_any(x: Array, axis: int, lambd: float) -> Any:
    """argmin of ||y - x||^2 / 2 + lambd sum_(i<j) max(y_i, y_j), and the number of the group of each element.

    In descending order the penalty is lambd times (n - 1) y_1 + (n - 2) y_2 + ... + 0 y_n, and y has the order of x:
    it is the nearest descending sequence to x_i - lambd (n - i). (Not OSCAR's own penalty, which has |y|; y is
    positive on the simplex, but not yet here. With |y| the scores' sign would matter.)
    """
    z = lanes_of(x, axis)
    order = np.argsort(-z, axis=1, kind="stable")
    after = np.sum(z > -np.inf, axis=1, keepdims=True) - np.arange(1, z.shape[1] + 1)
    fused, number = isotonic(np.take_along_axis(z, order, axis=1) - lambd * np.maximum(after, 0))
    y, groups = np.empty(z.shape), np.empty(z.shape, int)
    np.put_along_axis(y, order, fused, axis=1)
    np.put_along_axis(groups, order, number, axis=1)
    return put_back(y, x, axis).astype(x.dtype), put_back(groups, x, axis)


@fuse_any.gradient
def fuse_any_x(g, groups):
    return average.on(g, groups)


@composed
def oscarmax(x: Array, axis: int = -1, lambd: float = 1.0) -> Tensor:
    """argmin of ||y - x||^2 / 2 + lambd sum_(i<j) max(y_i, y_j) over the simplex: similar scores share a probability.

    lambd, x, axis, masks, temperature and errors as for `fusedmax`, but that entries needn't be neighbours.
    Source: Niculae and Blondel 2017, arXiv:1705.07704, section 3.3; the penalty is OSCAR's, Bondell and Reich 2008.

    >>> import tinygrad_lite as tl
    >>> tl.oscarmax(tl.tensor([1.0, -1.0, 1.25]), lambd=0.25)
    tensor([0.5, 0. , 0.5])
    """
    return mapped("oscarmax", x, axis, fuse_any, lambd)
