"""Calls of the operations on shapes: reshaping, the order of axes, joining, splitting, padding, diagonals."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.spec import SPECS, Call, Spec, arrays


def shaped(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy:
    return arrays(hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side))


def axis_of(ndim: int) -> st.SearchStrategy[int]:
    """An axis, counted from either end; 0 and -1 for a 0-d array."""
    return st.integers(-max(ndim, 1), max(ndim, 1) - 1)


def axes_of(ndim: int, min_size: int = 0) -> st.SearchStrategy[tuple]:
    """Different axes, some counted from the end."""
    chosen = st.lists(st.integers(0, ndim - 1), unique=True, min_size=min_size, max_size=ndim) if ndim else st.just([])
    return chosen.flatmap(lambda axes: st.tuples(*(st.sampled_from([a, a - ndim]) for a in axes)))


def orders(ndim: int) -> st.SearchStrategy[tuple]:
    """All axes in some order, some counted from the end."""
    return st.permutations(range(ndim)).flatmap(lambda axes: st.tuples(*(st.sampled_from([a, a - ndim]) for a in axes)))


@st.composite
def factors(draw: Any, n: int) -> list[int]:
    """Sizes that multiply to n."""
    sizes = []
    for _ in range(draw(st.integers(0, 2))):
        size = draw(st.sampled_from([k for k in range(1, n + 1) if n % k == 0] or [0, 1, 2]))
        sizes.append(size)
        n = n // size if size else 1
    sizes.append(n)
    return draw(st.permutations(sizes))


@st.composite
def reshapes(draw: Any) -> Call:
    x = draw(shaped())
    shape = draw(factors(x.size))
    if x.size and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return Call((x, tuple(shape)))


@st.composite
def with_axis(draw: Any, min_dims: int = 0, **params: Any) -> Call:
    x = draw(shaped(min_dims))
    return Call((x, draw(axis_of(x.ndim))), {k: draw(s) for k, s in params.items()})


SPECS["reshape"] = Spec(reshapes(), lambda x, shape: x.reshape(shape))
SPECS["view"] = Spec(reshapes(), lambda x, shape: x.view(shape))
SPECS["ravel"] = Spec(shaped().map(lambda x: Call((x,))), lambda x: x.ravel())


@st.composite
def flattens(draw: Any) -> Call:
    x = draw(shaped())
    start, end = sorted(draw(axis_of(x.ndim)) % max(x.ndim, 1) for _ in range(2))
    return Call((x,), {"start_dim": start, "end_dim": end - draw(st.sampled_from([0, max(x.ndim, 1)]))})


@st.composite
def unflattens(draw: Any) -> Call:
    x = draw(shaped(1))
    axis = draw(axis_of(x.ndim))
    sizes = draw(factors(x.shape[axis]))
    if math.prod(sizes) and draw(st.booleans()):
        sizes[0] = -1
    return Call((x, axis, tuple(sizes)))


SPECS["flatten"] = Spec(flattens(), lambda x, **kw: x.flatten(**kw))
SPECS["unflatten"] = Spec(unflattens(), lambda x, axis, sizes: x.unflatten(axis, sizes))


@st.composite
def squeezes(draw: Any) -> Call:
    x = draw(shaped(0, 4, 0, 2))
    axis = draw(st.one_of(st.none(), axis_of(x.ndim), axes_of(x.ndim)))
    return Call((x,) if axis is None else (x, axis))


@st.composite
def unsqueezes(draw: Any) -> Call:
    x = draw(shaped())
    return Call((x, draw(axis_of(x.ndim + 1))))


SPECS["squeeze"] = Spec(squeezes(), lambda x, *axis: x.squeeze(*axis))
SPECS["unsqueeze"] = Spec(unsqueezes(), lambda x, axis: x.unsqueeze(axis))


@st.composite
def permutes(draw: Any) -> Call:
    x = draw(shaped())
    return Call((x, draw(orders(x.ndim))))


@st.composite
def swaps(draw: Any) -> Call:
    x = draw(shaped())
    return Call((x, draw(axis_of(x.ndim)), draw(axis_of(x.ndim))))


@st.composite
def moves(draw: Any) -> Call:
    x = draw(shaped())
    source, destination = (draw(orders(x.ndim)) for _ in range(2))
    n = draw(st.integers(0, x.ndim))
    if n == 1 and draw(st.booleans()):
        return Call((x, source[0], destination[0]))
    return Call((x, source[:n], destination[:n]))


SPECS["permute"] = Spec(permutes(), lambda x, dims: x.permute(dims))
SPECS["swapaxes"] = Spec(swaps(), lambda x, a, b: x.swapaxes(a, b))
SPECS["transpose"] = Spec(
    st.one_of(swaps(), permutes(), shaped().map(lambda x: Call((x,)))),
    lambda x, *axes: x.transpose(*axes) if len(axes) == 2 else x.permute(*axes or [tuple(range(x.ndim))[::-1]]),
)
SPECS["moveaxis"] = Spec(moves(), lambda x, source, destination: x.moveaxis(source, destination))


@st.composite
def broadcasts(draw: Any, keep: bool = False) -> Call:
    x = draw(shaped(0, 3, 0, 3))
    x = x[(*(slice(1) if draw(st.booleans()) else slice(None) for _ in x.shape), ...)]
    sizes = [draw(st.integers(0, 3)) if n == 1 else n for n in x.shape]
    if keep:
        sizes = [-1 if n == m and draw(st.booleans()) else n for n, m in zip(sizes, x.shape)]
    return Call((x, (*draw(st.lists(st.integers(0, 3), max_size=2)), *sizes)))


@st.composite
def families(draw: Any) -> Call:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)).input_shapes
    return Call(tuple(draw(arrays(s)) for s in shapes))


SPECS["broadcast_to"] = Spec(broadcasts(), lambda x, shape: x.broadcast_to(shape))
SPECS["expand"] = Spec(broadcasts(keep=True), lambda x, sizes: x.expand(sizes))
SPECS["broadcast_tensors"] = Spec(families(), lambda *tensors: __import__("torch").broadcast_tensors(*tensors))

# ----------------------------------------------------------------------------------------- joining


def torch_function(name: str) -> Any:
    """The function torch.<name>, with `dim` for our `axis`."""

    def call(*args: Any, **params: Any) -> Any:
        import torch

        function = torch
        for part in name.split("."):
            function = getattr(function, part)
        if "axis" in params:
            params["dim"] = params.pop("axis")
        return function(*args, **params)  # type: ignore[operator]

    return call


@st.composite
def cats(draw: Any) -> Call:
    first = draw(shaped(1))
    axis = draw(axis_of(first.ndim))
    tensors = [first]
    for _ in range(draw(st.integers(0, 2))):
        shape = list(first.shape)
        shape[axis] = draw(st.integers(0, 3))
        tensors.append(draw(arrays(tuple(shape))))
    if draw(st.booleans()):
        tensors.insert(draw(st.integers(0, len(tensors))), np.zeros(0))
    return Call((tensors,), {"axis": axis})


@st.composite
def stacks(draw: Any) -> Call:
    first = draw(shaped())
    tensors = [first] + [draw(arrays(first.shape)) for _ in range(draw(st.integers(0, 2)))]
    return Call((tensors,), {"axis": draw(axis_of(first.ndim + 1))})


@st.composite
def stacks_along(draw: Any, axis: int) -> Call:
    """For vstack (axis 0) and hstack (axis 1)."""
    if draw(st.booleans()):
        n = draw(st.integers(0, 3))
        low = [arrays((n,)) if axis == 0 else st.one_of(arrays((n,)), arrays(()))]
        return Call(([draw(draw(st.sampled_from(low))) for _ in range(draw(st.integers(1, 3)))],))
    shape = list(draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3)))
    tensors = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(0, 3))
        tensors.append(draw(arrays(tuple(shape))))
    return Call((tensors,))


SPECS["cat"] = Spec(cats(), torch_function("cat"))
SPECS["stack"] = Spec(stacks(), torch_function("stack"))
SPECS["vstack"] = Spec(stacks_along(0), torch_function("vstack"))
SPECS["hstack"] = Spec(stacks_along(1), torch_function("hstack"))


@st.composite
def splits(draw: Any) -> Call:
    x = draw(shaped(1))
    axis = draw(axis_of(x.ndim))
    n = x.shape[axis]
    if draw(st.booleans()):
        edges = sorted([0, n, *draw(st.lists(st.integers(0, n), max_size=2))])
        return Call((x, [b - a for a, b in pairwise(edges)]), {"axis": axis})
    return Call((x, draw(st.integers(1, 5))), {"axis": axis})


@st.composite
def tensor_splits(draw: Any) -> Call:
    x = draw(shaped(1))
    given = draw(st.one_of(st.integers(1, 5), st.lists(st.integers(-3, 5), max_size=3).map(tuple)))
    return Call((x, given), {"axis": draw(axis_of(x.ndim))})


@st.composite
def chunks(draw: Any) -> Call:
    x = draw(shaped(1))
    return Call((x, draw(st.integers(1, 5))), {"axis": draw(axis_of(x.ndim))})


SPECS["split"] = Spec(splits(), torch_function("split"))
SPECS["tensor_split"] = Spec(tensor_splits(), torch_function("tensor_split"))
SPECS["chunk"] = Spec(chunks(), torch_function("chunk"))
SPECS["unbind"] = Spec(with_axis(1), torch_function("unbind"))


@st.composite
def tiles(draw: Any, every: bool = False) -> Call:
    x = draw(shaped(max_side=3))
    sizes = draw(st.lists(st.integers(0, 2), min_size=x.ndim if every else 0, max_size=4))
    return Call((x, tuple(sizes)))


@st.composite
def interleaves(draw: Any) -> Call:
    x = draw(shaped())
    axis = draw(st.one_of(st.none(), axis_of(x.ndim) if x.ndim else st.none()))  # PyTorch fails at a 0-d x with an axis
    n = x.size if axis is None else x.shape[axis]
    each = st.lists(st.integers(0, 3), min_size=n, max_size=n).map(lambda counts: np.array(counts, np.int64))
    return Call((x, draw(st.one_of(st.integers(0, 3), each))), {"axis": axis})


@st.composite
def grids(draw: Any) -> Call:
    tensors = [draw(shaped(0, 1, 0, 3)) for _ in range(draw(st.integers(1, 3)))]
    return Call(tuple(tensors), {"indexing": draw(st.sampled_from(["ij", "xy"]))})


SPECS["tile"] = Spec(tiles(), lambda x, dims: x.tile(dims))
SPECS["repeat"] = Spec(tiles(every=True), lambda x, sizes: x.repeat(sizes))
SPECS["repeat_interleave"] = Spec(interleaves(), torch_function("repeat_interleave"))
SPECS["meshgrid"] = Spec(grids(), torch_function("meshgrid"))

# ------------------------------------------------------------------------------------ rearranging


@st.composite
def flips(draw: Any) -> Call:
    x = draw(shaped())
    return Call((x, draw(axes_of(x.ndim))))


@st.composite
def turns(draw: Any) -> Call:
    x = draw(shaped(2))
    return Call((x,), {"k": draw(st.integers(-5, 5)), "axis": draw(orders(x.ndim))[:2]})


@st.composite
def rolls(draw: Any) -> Call:
    x = draw(shaped())
    axes = draw(axes_of(x.ndim))
    if not axes or draw(st.booleans()):
        return Call((x, draw(st.integers(-5, 5))), {"axis": draw(st.sampled_from([None, *axes]))})
    return Call((x, tuple(draw(st.integers(-5, 5)) for _ in axes)), {"axis": axes})


def torch_turn(x: Any, k: int, axis: tuple) -> Any:
    return x.rot90(k, axis)


def torch_roll(x: Any, shifts: Any, axis: Any) -> Any:
    return x.roll(shifts) if axis is None else x.roll(shifts, axis)


SPECS["flip"] = Spec(flips(), lambda x, dims: x.flip(dims))
SPECS["fliplr"] = Spec(shaped(2).map(lambda x: Call((x,))), lambda x: x.fliplr())
SPECS["flipud"] = Spec(shaped(1).map(lambda x: Call((x,))), lambda x: x.flipud())
SPECS["rot90"] = Spec(turns(), torch_turn)
SPECS["roll"] = Spec(rolls(), torch_roll)


@st.composite
def pads(draw: Any) -> Call:
    mode = draw(st.sampled_from(["constant", "constant", "reflect", "replicate", "circular"]))
    if mode == "constant":
        x = draw(shaped(0, 3))
        pad: list[int] = []
        for n in x.shape[::-1][: draw(st.integers(0, x.ndim))]:
            before = draw(st.integers(-n, 3))
            pad += [before, draw(st.integers(-n - min(before, 0), 3))]
        return Call((x, tuple(pad)), {"value": draw(st.sampled_from([None, 0.0, 2.5]))})
    axes = draw(st.integers(1, 2))
    x = draw(shaped(axes + 1, axes + 2, 1, 3))
    most = {"reflect": lambda n: n - 1, "circular": lambda n: n, "replicate": lambda n: 3}[mode]
    pad = []
    for n in x.shape[::-1][:axes]:
        pad += [draw(st.integers(0 if n == 1 else -1, most(n))) for _ in range(2)]
        if pad[-1] < 0 or pad[-2] < 0:
            pad[-2:] = [min(pad[-2], n - 2), min(pad[-1], n - 2)]
    return Call((x, tuple(pad)), {"mode": mode})


SPECS["pad"] = Spec(pads(), torch_function("nn.functional.pad"))


@st.composite
def diagonals(draw: Any) -> Call:
    x = draw(shaped(2))
    axis1, axis2 = draw(orders(x.ndim))[:2]
    # Past the last diagonal PyTorch raises, where NumPy and we give an empty one.
    offset = draw(st.integers(-x.shape[axis1], x.shape[axis2]))
    return Call((x, offset), {"axis1": axis1, "axis2": axis2})


@st.composite
def embeds(draw: Any) -> Call:
    x = draw(shaped(1))
    dim1, dim2 = draw(orders(x.ndim + 1))[:2]
    return Call((x, draw(st.integers(-3, 3))), {"dim1": dim1, "dim2": dim2})


@st.composite
def with_offset(draw: Any, min_dims: int, max_dims: int) -> Call:
    x = draw(shaped(min_dims, max_dims))
    n, m = x.shape[-2:] if x.ndim > 1 else (3, 3)
    return Call((x, draw(st.integers(-n, m))))


SPECS["diagonal"] = Spec(diagonals(), lambda x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2))
SPECS["diag_embed"] = Spec(embeds(), torch_function("diag_embed"))
SPECS["diag"] = Spec(with_offset(1, 2), lambda x, k: x.diag(k))
SPECS["diagflat"] = Spec(with_offset(0, 2), lambda x, k: x.diagflat(k))
SPECS["tril"] = Spec(with_offset(2, 3), lambda x, k: x.tril(k))
SPECS["triu"] = Spec(with_offset(2, 3), lambda x, k: x.triu(k))
