"""Calls of the operations that choose by index, and of those that put values there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.cases_shapes import axis_of, shaped, torch_function
from tests.ops.spec import SPECS, Call, Spec, arrays


def integers(shape: Any, size: int, negative: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Indices into an axis of that size, many of them repeated."""
    shape = shape if size else (0, *shape[1:])  # nothing can be chosen from an empty axis
    return hnp.arrays(np.int64, shape, elements=st.integers(-size if negative else 0, max(size - 1, 0)))


@st.composite
def bounds(draw: Any, n: int) -> slice:
    edge = st.one_of(st.none(), st.integers(-n - 1, n + 1))
    return slice(draw(edge), draw(edge), draw(st.sampled_from([None, 1, 2, -1, -2])))


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    """Any index that NumPy takes: mixtures of integers, slices, None, Ellipsis, integer arrays and masks."""
    lengths = draw(st.sampled_from([(2,), (1, 3), (2, 2)]))
    parts: list[Any] = []
    axis, dots, masks = 0, False, 0
    while axis < len(shape) and draw(st.integers(0, 4)):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "slice", "int", "array", "mask", "none", "dots"]))
        if kind == "none":
            parts.append(None)
        elif kind == "dots" and not dots:
            parts.append(...)
            dots = True
            axis += draw(st.integers(0, len(shape) - axis))
        elif kind == "int" and n:
            parts.append(draw(st.integers(-n, n - 1)))
            axis += 1
        elif kind == "array" and n and not masks:
            parts.append(draw(integers(draw(st.sampled_from([lengths, lengths[-1:]])), n, negative=True)))
            axis += 1
        elif kind == "mask" and not masks and not any(isinstance(p, np.ndarray) for p in parts):
            ndim = draw(st.integers(1, len(shape) - axis))
            parts.append(draw(hnp.arrays(np.bool_, shape[axis : axis + ndim])))
            masks, axis = 1, axis + ndim
        else:
            parts.append(draw(bounds(n)))
            axis += 1
    if len(parts) == 1 and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


def flat_places(shape: Any, index: Any) -> Any:
    """Where x[index] lies in x.reshape(-1), by NumPy's rules, as a torch tensor."""
    import torch

    def plain(part: Any) -> Any:
        return part.numpy() if isinstance(part, torch.Tensor) else part

    index = tuple(map(plain, index)) if isinstance(index, tuple) else plain(index)
    return torch.from_numpy(np.array(np.arange(math.prod(shape)).reshape(tuple(shape))[index]))


@st.composite
def getitems(draw: Any) -> Call:
    x = draw(shaped(0, 4, 0, 3))
    return Call((x, draw(indices(x.shape))))


@st.composite
def index_puts(draw: Any) -> Call:
    x = draw(shaped(0, 3))
    index = draw(indices(x.shape))
    place = x[index].shape
    shape = tuple(n if draw(st.booleans()) else 1 for n in place)[draw(st.integers(0, len(place))) :]
    return Call((x, index, draw(arrays(shape))), {"accumulate": draw(st.booleans())})


def torch_put(x: Any, index: Any, value: Any, accumulate: bool) -> Any:
    """x.index_put by flat places; of repeated ones only the last is written, as PyTorch leaves that open."""
    import torch

    places = flat_places(x.shape, index)
    value = value.broadcast_to(places.shape).reshape(-1)
    places = places.reshape(-1)
    if not accumulate:
        last = np.sort(np.unique(places.numpy()[::-1], return_index=True)[1])
        keep = torch.from_numpy(len(places) - 1 - last)
        places, value = places[keep], value[keep]
    return x.reshape(-1).index_put((places,), value, accumulate=accumulate).reshape(x.shape)


SPECS["getitem"] = Spec(getitems(), lambda x, index: x.reshape(-1)[flat_places(x.shape, index)])
SPECS["index_put"] = Spec(index_puts(), torch_put)
SPECS["nonzero"] = Spec(
    st.builds(
        lambda mask, as_tuple: Call((mask.astype(np.float64),), {"as_tuple": as_tuple}),
        hnp.arrays(np.bool_, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
        st.booleans(),
    ),
    torch_function("nonzero"),
    gradient=False,
)


@st.composite
def takes(draw: Any) -> Call:
    x = draw(shaped())
    shape = draw(hnp.array_shapes(min_dims=0 if x.size else 1, max_dims=2))
    return Call((x, draw(integers(shape, x.size, negative=True))))


@st.composite
def takes_along(draw: Any) -> Call:
    x = draw(shaped(1, 3, 0, 3))
    if x.size and draw(st.integers(0, 3)) == 0:
        return Call((x, draw(integers(draw(hnp.array_shapes(max_dims=2)), x.size)), None))
    axis = draw(axis_of(x.ndim))
    shape = [draw(st.sampled_from([1, n])) for n in x.shape]
    shape[axis] = draw(st.integers(0, 3)) if x.shape[axis] else 0
    narrow = tuple(slice(1) if k != axis % x.ndim and draw(st.booleans()) else slice(None) for k in range(x.ndim))
    ids = draw(hnp.arrays(np.int64, tuple(shape), elements=st.integers(0, max(x.shape[axis] - 1, 0))))
    return Call((x[narrow], ids, axis))


SPECS["take"] = Spec(takes(), lambda x, index: x.take(index))
SPECS["take_along_axis"] = Spec(
    takes_along(),
    lambda x, indices, axis: x.reshape(-1)[indices.reshape(-1)] if axis is None else x.take_along_dim(indices, axis),
)


@st.composite
def gathers(draw: Any) -> Call:
    x = draw(shaped(0, 3, 0, 3))
    axis = draw(axis_of(x.ndim))
    if not x.ndim:
        index = np.zeros(draw(st.sampled_from([(), (1,), (3,)])), np.int64)
    else:
        shape = [draw(st.integers(0, n)) for n in x.shape]
        shape[axis] = draw(st.integers(0, 4)) if x.shape[axis] else 0
        index = draw(hnp.arrays(np.int64, tuple(shape), elements=st.integers(0, max(x.shape[axis] - 1, 0))))
    return Call((x, axis, index))


@st.composite
def scatters(draw: Any, add: bool = False) -> Call:
    call = draw(gathers())
    x, axis, index = call.args
    reduce = None if add else draw(st.sampled_from([None, "add", "multiply"]))
    params = {} if add or reduce is None else {"reduce": reduce}
    if not add and draw(st.booleans()):
        return Call((x, axis, index, 2.5), params)
    src = draw(arrays(tuple(n + draw(st.integers(0, 1)) for n in index.shape)))
    return Call((x, axis, index, src), params)


def torch_scatter(x: Any, axis: int, index: Any, src: Any, reduce: str | None = None) -> Any:
    """By flat places, as PyTorch leaves repeated indices open and its `reduce` has no gradient."""
    import torch

    if not index.numel():
        return x.clone()
    grid = list(torch.meshgrid(*map(torch.arange, index.shape), indexing="ij")) if x.ndim else [index]
    if x.ndim:
        grid[axis] = index
    src = torch.as_tensor(src).double()
    src = src[tuple(map(slice, index.shape))] if src.ndim else src.expand(index.shape)
    places = flat_places(x.shape, tuple(grid)) if x.ndim else index
    if reduce == "multiply":
        flat = list(x.reshape(-1).unbind())
        for place, factor in zip(places.reshape(-1).tolist(), src.reshape(-1)):
            flat[place] = flat[place] * factor
        return torch.stack(flat).reshape(x.shape)
    return torch_put(x.reshape(-1), (places.reshape(-1),), src.reshape(-1), reduce == "add").reshape(x.shape)


SPECS["gather"] = Spec(gathers(), torch_function("gather"))
SPECS["scatter"] = Spec(scatters(), torch_scatter)
SPECS["scatter_add"] = Spec(
    scatters(add=True),  # PyTorch has no gradient for a src larger than the index
    lambda x, axis, index, src: x.scatter_add(axis, index, src[tuple(map(slice, index.shape))]),
)


@st.composite
def slices(draw: Any, source: str = "", unique: bool = False) -> Call:
    """For the index_* operations: x, axis, a 1-d index, and a source for each slice or a single value."""
    x = draw(shaped(0, 3, 0, 3))
    axis = draw(axis_of(x.ndim))
    n = x.shape[axis] if x.ndim else 1
    size = 1 if not x.ndim else draw(st.integers(0, n if unique else 4)) if n else 0
    index = draw(hnp.arrays(np.int64, size, elements=st.integers(0, max(n - 1, 0)), unique=unique))
    if source == "value":
        return Call((x, axis, index, draw(st.one_of(st.just(1.5), arrays(())))))
    shape = tuple(size if k == axis % max(x.ndim, 1) else m for k, m in enumerate(x.shape))
    return Call((x, axis, index, draw(arrays(shape))) if source else (x, axis, index))


SPECS["index_select"] = Spec(slices(), torch_function("index_select"))
SPECS["index_copy"] = Spec(slices("slices", unique=True), torch_function("index_copy"))
SPECS["index_fill"] = Spec(slices("value"), torch_function("index_fill"))
SPECS["index_add"] = Spec(
    st.builds(lambda call, alpha: Call(call.args, {"alpha": alpha}), slices("slices"), st.sampled_from([1, -0.5])),
    torch_function("index_add"),
)


@st.composite
def masks(draw: Any, fill: bool = False) -> Call:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    x, mask = draw(arrays(shapes[0])), draw(hnp.arrays(np.bool_, shapes[1]))
    return Call((x, mask, draw(st.one_of(st.just(-2.0), arrays(())))) if fill else (x, mask))


SPECS["masked_fill"] = Spec(masks(fill=True), torch_function("masked_fill"))
SPECS["masked_select"] = Spec(masks(), torch_function("masked_select"))


@st.composite
def hots(draw: Any) -> Call:
    n = draw(st.integers(1, 4))
    classes = draw(hnp.arrays(np.int64, hnp.array_shapes(min_dims=0, max_dims=2), elements=st.integers(0, n - 1)))
    return Call((classes, draw(st.sampled_from([-1, n, n + 2]))))


@st.composite
def embeddings(draw: Any) -> Call:
    weight = draw(shaped(2, 2, 1, 4))
    ids = draw(integers(draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0)), len(weight)))
    # A padding row that is looked up has no gradient, whatever differences say: see test_indexing.py.
    padding = draw(st.sampled_from([None, *(set(range(len(weight))) - set(ids.ravel().tolist()))]))
    return Call((ids, weight), {"padding_idx": padding})


SPECS["one_hot"] = Spec(hots(), torch_function("nn.functional.one_hot"), gradient=False)
SPECS["embedding"] = Spec(embeddings(), torch_function("nn.functional.embedding"))
