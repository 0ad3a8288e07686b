"""Rows and elements along an axis, as PyTorch has them: gather, scatter, index_select, masks, one_hot, embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite import kernels
from tinygrad_lite.ops.creation import as_tensor, astype
from tinygrad_lite.ops.elementwise import keep
from tinygrad_lite.ops.indexing import (
    along,
    check_kind,
    getitem,
    getitem_,
    grid_along,
    index_put_,
    scatter_index,
    shape_at,
    take_along_axis,
)
from tinygrad_lite.ops.shapes import broadcast_tensors, broadcast_to, normal_axis, ravel, reshape, shape_of
from tinygrad_lite.primitive import composed, primitive
from tinygrad_lite.tensor import Array, Tensor, to_array, wrap

__all__ = [
    "embedding",
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "masked_fill",
    "masked_select",
    "one_hot",
    "scatter",
    "scatter_add",
]


def check_indices(name: str, index: np.ndarray, size: int, what: str) -> None:
    """Raise unless `index` has integers from 0 to size - 1: a negative one is an error here, as in PyTorch."""
    if not index.size:
        return
    if index.dtype.kind not in "iu":
        raise IndexError(f"{name}: the index is {index.dtype}; it needs integers: index.long()")
    if index.min() < 0 or index.max() >= size:
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of range for {what} of size {size}; needs 0 to {size - 1}")


def own_index(index: Array) -> np.ndarray:
    """An index as an array of at least one axis, that nobody else can write to: the tape keeps it."""
    array = np.atleast_1d(to_array(index))
    return array.astype(np.intp) if array.dtype.kind in "iu" or not array.size else array


def at_least_1d(x: Array) -> Tensor:
    x = as_tensor(x)
    return x if x.ndim else reshape(x, 1)


def as_shape(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    return t if t.shape == shape else reshape(t, shape)


def corner(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first elements of t on each axis, as many as `shape` says."""
    return t if t.shape == shape else getitem(t, tuple(map(slice, shape)))


# --------------------------------------------------------------- one index for each element: gather, scatter


def check_elements(name: str, shape: tuple[int, ...], axis: int, index: np.ndarray) -> None:
    """Raise unless `index` can choose, along `axis` of `shape`, an element for each of its places."""
    check_indices(name, index, shape[axis], f"axis {axis}")
    fits = index.ndim == len(shape) and all(n <= m or k == axis for k, (n, m) in enumerate(zip(index.shape, shape)))
    if not fits:
        raise ValueError(
            f"{name}: the index has shape {index.shape}, x {shape}; needs as many axes as x, none of them longer than "
            f"that of x apart from axis {axis}. To broadcast them, use take_along_axis"
        )


@composed
def gather(x: Array, axis: int, index: Array) -> Tensor:
    """The elements of x that `index` names along an axis: out[i, j] = x[index[i, j], j] for axis 0.

    index: integers, of the shape of the result. It may be smaller than x: what lies beyond it is not read.
    Raises IndexError for an index below 0 or past the end, ValueError for shapes that don't fit.

    >>> import tinygrad_lite as tl
    >>> tl.gather(tl.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, [[1], [0]])
    tensor([[2.],
            [3.]])
    """
    x, array = as_tensor(x), to_array(index)
    axis = normal_axis("gather", axis, x.ndim)
    if not array.size:
        return getitem(ravel(x), array.astype(np.intp))
    line = at_least_1d(x)
    check_elements("gather", line.shape, axis, np.atleast_1d(array))
    if not array.ndim:
        return reshape(take_along_axis(line, own_index(array), axis), ())
    size = line.shape[axis]
    wanted = (*array.shape[:axis], size, *array.shape[axis + 1 :])
    return take_along_axis(corner(line, wanted), index, axis)


def prepared(name: str, x: Array, axis: int, index: Array, src: Array) -> tuple[Tensor, tuple, Any]:
    """x with an axis at least, the index of the elements of it that scatter writes to, and the values for them."""
    line, array = at_least_1d(x), own_index(index)
    axis = normal_axis(name, axis, line.ndim)
    check_kind(name, src, line.dtype)
    if not array.size:
        none = src if isinstance(src, (int, float)) else reshape(getitem(ravel(src), slice(0)), (0, *line.shape[1:]))
        return line, (array.reshape(-1),), none
    check_elements(name, line.shape, axis, array)
    if not isinstance(src, (int, float)):
        src = at_least_1d(src)
        if src.ndim != array.ndim or any(n > m for n, m in zip(array.shape, src.shape)):
            raise ValueError(f"{name}: src has shape {src.shape}, the index {array.shape}; src may not be smaller")
        src = corner(src, array.shape)
    return line, grid_along(array, axis), src


@composed
def scatter(
    x: Array, axis: int, index: Array, src: Array | None = None, reduce: str | None = None, value: float | None = None
) -> Tensor:
    """x, with src written to the elements that `index` names along an axis: out[index[i, j], j] = src[i, j] for axis 0.

    index: integers; no axis may be longer than that of src, or, apart from `axis`, than that of x. src: a tensor
    or a number (which may be called value). Where an index is repeated the last value stays. reduce: "add" or
    "multiply" to add to what is there, or to multiply it, as often as an index is repeated. Raises as `gather`.

    >>> import tinygrad_lite as tl
    >>> tl.scatter(tl.zeros(2, 3), 1, [[2], [0]], 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: needs either src or value")
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise ValueError(f"scatter: reduce is {reduce!r}; needs 'add', 'multiply' or None")
    line, index, src = prepared("scatter", x, axis, index, src)
    put: Any = {None: index_put_, "add": put_sum, "multiply": put_product}[reduce]
    return as_shape(put(line, src, index), shape_of(x))


def put_sum(x: Tensor, src: Array, index: tuple) -> Tensor:
    """x with src added at an index, as often as it is named."""
    added = broadcast_to(astype(src, x.dtype), shape_at(index, x.shape))
    return x + scatter_index(added, index, x.shape)


def put_product(x: Tensor, src: Array, index: tuple) -> Tensor:
    """x multiplied with src at an index, as often as it is named."""
    places = np.arange(x.size).reshape(x.shape)[index].reshape(-1)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], places)
    rank = np.argsort(order) - starts  # how often the place was named before
    factors, flat = ravel(broadcast_to(astype(src, x.dtype), shape_at(index, x.shape))), ravel(x)
    for k in range(rank.max(initial=-1) + 1):
        now = np.flatnonzero(rank == k)
        flat = index_put_(flat, flat[places[now]] * factors[now], (places[now],))
    return reshape(flat, x.shape)


@composed
def scatter_add(x: Array, axis: int, index: Array, src: Array) -> Tensor:
    """x, with src added to the elements that `index` names along an axis: out[index[i, j], j] += src[i, j] for axis 0.

    As `scatter`, but a repeated index adds repeatedly.

    >>> import tinygrad_lite as tl
    >>> tl.scatter_add(tl.zeros(3), 0, [2, 2, 0], tl.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    line, index, src = prepared("scatter_add", x, axis, index, src)
    return as_shape(put_sum(line, src, index), shape_of(x))


# --------------------------------------------------------------------- one index for each slice: index_*


def at_slices(name: str, x: Array, axis: int, index: Array) -> tuple[Tensor, tuple]:
    """x with an axis at least, and the index of the slices along `axis` that the 1-d `index` names."""
    line, array = at_least_1d(x), own_index(index)
    axis = normal_axis(name, axis, line.ndim)
    if array.ndim > 1:
        raise IndexError(f"{name}: the index has shape {array.shape}; needs one axis. To choose elements, use gather")
    check_indices(name, array, line.shape[axis], f"axis {axis}")
    return line, along(axis, array)


def check_source(name: str, source: Array, line: Tensor, index: tuple) -> Tensor:
    """The slices to be written, of the shape of x at the index."""
    check_kind(name, source, line.dtype)
    source, place = at_least_1d(source), shape_at(index, line.shape)
    if source.shape != place:
        raise ValueError(f"{name}: source has shape {source.shape}; needs {place}, which is x at the index")
    return source


@composed
def index_select(x: Array, axis: int, index: Array) -> Tensor:
    """The slices of x that the 1-d `index` names along an axis: out[i] = x[index[i]] for axis 0.

    Raises IndexError for an index below 0 or past the end.

    >>> import tinygrad_lite as tl
    >>> tl.index_select(tl.tensor([[1.0, 2.0, 3.0]]), 1, [2, 0])
    tensor([[3., 1.]])
    """
    line, index = at_slices("index_select", x, axis, index)
    chosen = getitem_(line, index)
    return chosen if shape_of(x) else reshape(chosen, ())


@composed
def index_add(x: Array, axis: int, index: Array, source: Array, alpha: float = 1) -> Tensor:
    """x, with alpha * source added to the slices that `index` names: out[index[i]] += alpha * source[i] for axis 0.

    source: of the shape of x, but with one slice for each index. A repeated index adds repeatedly.

    >>> import tinygrad_lite as tl
    >>> tl.index_add(tl.zeros(3), 0, [0, 2, 2], tl.ones(3))
    tensor([1., 0., 2.])
    """
    line, index = at_slices("index_add", x, axis, index)
    added = astype(check_source("index_add", source, line, index), line.dtype)
    added = scatter_index(added, index, line.shape)
    return as_shape(line + (added if alpha == 1 else added * alpha), shape_of(x))


@composed
def index_copy(x: Array, axis: int, index: Array, source: Array) -> Tensor:
    """x, with source written to the slices that `index` names: out[index[i]] = source[i] for axis 0.

    source: of the shape of x, but with one slice for each index. Of a repeated index the last slice stays.

    >>> import tinygrad_lite as tl
    >>> tl.index_copy(tl.zeros(3), 0, [2, 0], tl.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    line, index = at_slices("index_copy", x, axis, index)
    return as_shape(index_put_(line, check_source("index_copy", source, line, index), index), shape_of(x))


@composed
def index_fill(x: Array, axis: int, index: Array, value: Array) -> Tensor:
    """x, with a single value in the slices that `index` names: out[index[i]] = value for axis 0.

    >>> import tinygrad_lite as tl
    >>> tl.index_fill(tl.zeros(3), 0, [2, 0], 7.0)
    tensor([7., 0., 7.])
    """
    if shape_of(value):
        raise ValueError(f"index_fill: value has shape {shape_of(value)}; needs a single number. See index_copy")
    line, index = at_slices("index_fill", x, axis, index)
    check_kind("index_fill", value, line.dtype)
    return as_shape(index_put_(line, value, index), shape_of(x))


# ------------------------------------------------------------------------------------------- masks


@primitive
def masked_fill(x: Array, mask: Array, value: Array) -> Tensor:
    """value where `mask` is True, else x; the two broadcast.

    mask: booleans. value: a number or a 0-d tensor. The dtype is that of x.

    >>> import tinygrad_lite as tl
    >>> tl.masked_fill(tl.ones(3), [True, False, True], -1.0)
    tensor([-1.,  1., -1.])
    """
    mask, x = np.asarray(mask), np.asarray(x)
    if mask.dtype != bool:
        raise TypeError(f"masked_fill: the mask is {mask.dtype}; needs booleans: mask != 0")
    if np.ndim(value):
        raise ValueError(f"masked_fill: value has shape {np.shape(value)}; needs a single number. See where")
    check_kind("masked_fill", value, x.dtype)
    with np.errstate(over="ignore"):  # -1e9 is -Inf in float16
        value = np.asarray(value, x.dtype)
    return np.where(mask, value, x)


@masked_fill.gradient
def masked_fill_x(g, mask):
    return keep(g, ~mask)


@masked_fill.gradient
def masked_fill_value(g, mask):
    return keep(g, mask)


@composed
def masked_select(x: Array, mask: Array) -> Tensor:
    """The elements of x where `mask` is True, in row-major order, 1-d; the two broadcast.

    >>> import tinygrad_lite as tl
    >>> tl.masked_select(tl.tensor([1.0, 2.0, 3.0]), [True, False, True])
    tensor([1., 3.])
    """
    mask = as_tensor(mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"masked_select: the mask is {mask.dtype}; needs booleans: mask != 0")
    return getitem(*broadcast_tensors(x, mask))


# ------------------------------------------------------------------------------ classes and embeddings


@composed
def one_hot(x: Array, num_classes: int = -1) -> Tensor:
    """1 at the class that x names, else 0: integers (...) to integers (..., num_classes).

    num_classes: -1 for the largest in x, plus 1. Raises ValueError for a class below 0 or past the last.

    >>> import tinygrad_lite as tl
    >>> tl.one_hot(tl.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    classes = to_array(x)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: x is {classes.dtype}; needs integers: x.long()")
    if num_classes == -1:
        if not classes.size:
            raise ValueError("one_hot: x has no elements, so num_classes can't be read from it; pass it")
        num_classes = int(classes.max()) + 1
    if num_classes < min(classes.size, 1):
        raise ValueError(f"one_hot: num_classes is {num_classes}; needs at least 1, or -1")
    if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
        wrong = classes.min() if classes.min() < 0 else classes.max()
        raise ValueError(f"one_hot: class {wrong} is out of range for {num_classes} classes; they go from 0")
    return wrap((classes[..., None] == np.arange(num_classes)).astype(np.int64))


@primitive
def embedding(input: Array, weight: Array, padding_idx: int | None = None) -> Tensor:
    """weight[input]: the row of `weight` (rows, d) for each integer of `input` (...); the result is (..., d).

    padding_idx: a row that receives no gradient (negative counts from the end).
    Raises IndexError for an index below 0 or past the last row.

    >>> import tinygrad_lite as tl
    >>> tl.embedding([1, 0, 1], tl.tensor([[0.0, 1.0], [2.0, 3.0]]))
    tensor([[2., 3.],
            [0., 1.],
            [2., 3.]])
    """
    input = np.asarray(input)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}; needs two axes: rows, features")
    check_indices("embedding", input, len(weight), "a weight")
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise ValueError(f"embedding: padding_idx {padding_idx} is out of range for a weight of {len(weight)} rows")
    return np.take(weight, input.astype(np.intp, copy=False), axis=0)


@embedding.gradient
def embedding_weight(g, input, padding_idx, weight_shape):
    if padding_idx is not None:
        g = np.where((np.asarray(input) == padding_idx % weight_shape[0])[..., None], 0, g)
    return sum_rows.on(g, input, weight_shape[0])


@primitive(public=False)
def sum_rows(values: Array, ids: Array, rows: int) -> Tensor:
    """Row i of the result (rows, d) is the sum of the values (..., d) whose id is i: the transpose of embedding."""
    ids = np.asarray(ids, np.intp)
    return kernels.scatter_rows(values.reshape(ids.size, values.shape[-1]), ids.reshape(-1), rows)


@sum_rows.gradient
def sum_rows_values(g, ids):
    return embedding.on(ids, g)
