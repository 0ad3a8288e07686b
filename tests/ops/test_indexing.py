"""Indexing, gather and scatter, masks and embeddings: what the walk over the registry does not reach."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.ops.indexing import plain_index, scatter_index


def matrix(*shape: int) -> tl.Tensor:
    return tl.tensor(np.arange(float(np.prod(shape))).reshape(shape), requires_grad=True)


# ----------------------------------------------------------------------------------------- getitem


def test_a_basic_index_gives_a_view_also_of_a_single_element():
    x = tl.zeros(2, 3)
    x[1, 2][...] = 5.0
    x[0][1:][...] = 7.0
    assert x.tolist() == [[0.0, 7.0, 7.0], [0.0, 0.0, 5.0]]


def test_an_index_of_arrays_gives_a_copy():
    x = tl.zeros(3)
    x[[0, 1]][...] = 5.0
    assert x.sum().item() == 0.0


INDICES = [
    0, -1, (), None, ..., slice(None, None, -1), (slice(1, None), None, 2), (..., 0), [0, 1], [], [[0], [1]], range(2),
    np.array([1, 0], np.int8), np.uint64(1), np.array([True, False]), True, np.bool_(False), ([0, 1], [2, 0]),
    ([0, 1], slice(1)),
    (0, [1, 1, 2]), (slice(None), [True, False, True]), (None, [1], ..., None), (np.array(1), slice(None)),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_numpys_rules_hold(index):
    x = matrix(2, 3)
    y = x[index]
    want = x.detach().numpy()[list(index) if type(index) is range else index]
    np.testing.assert_array_equal(y.detach().numpy(), want)
    assert tl.grad(y.sum(), x).sum().item() == y.size


def test_tensors_are_indices_alone_within_tuples_lists_and_slices():
    x, i = matrix(3, 3), tl.tensor([0, 2])
    n = tl.tensor(2)
    assert x[i].shape == (2, 3)
    assert x[i, i].tolist() == [0.0, 8.0]
    assert x[n, n].item() == 8.0
    assert x[:n].shape == (2, 3)
    assert x[[n, n]].shape == (2, 3)
    assert x[x > 4].tolist() == [5.0, 6.0, 7.0, 8.0]


BAD = [
    (lambda x: x[3], "getitem: index 3 is out of bounds for axis 0 with size 3"),
    (lambda x: x[[0, 7]], "getitem: index 7 is out of bounds for axis 0 with size 3"),
    (lambda x: x[0, 0, 0], "getitem: too many indices"),
    (lambda x: x[1.0], "getitem: the index 1.0; an index is made of integers"),
    (lambda x: x[tl.tensor([0.0])], r"getitem: the index float32\[1\]; .*index.long\(\)"),
    (lambda x: x["a"], "getitem: the index 'a'"),
    (lambda x: x[:1.5], "getitem: slice.* are integers or None"),
    (lambda x: x[[True, False]], "getitem: boolean index did not match"),
    (lambda x: x[[0, 1], [0, 1, 2]], "getitem: shape mismatch"),
    (lambda x: tl.gather(x, 0, [[3]]), "gather: index 3 is out of range for axis 0 of size 3"),
    (lambda x: tl.gather(x, 1, [[0, -1]]), "gather: index -1 is out of range for axis 1 of size 2"),
    (lambda x: tl.gather(x, 0, [[0.5]]), "gather: the index is float32"),
    (lambda x: tl.gather(x, 2, [[0]]), "gather: axis 2 is out of range"),
    (lambda x: tl.scatter(x, 0, [[5]], 1.0), "scatter: index 5 is out of range for axis 0 of size 3"),
    (lambda x: tl.index_select(x, 1, [2]), "index_select: index 2 is out of range for axis 1 of size 2"),
    (lambda x: tl.index_select(x, 1, [[0]]), "index_select: the index has shape"),
    (lambda x: tl.take(x, [6]), "take: .*index 6 is out of bounds for axis 0 with size 6"),
    (lambda x: tl.take_along_axis(x, [[3]], 0), "take_along_axis: index 3 is out of bounds for axis 0 with size 3"),
    (lambda x: tl.embedding([3], x), "embedding: index 3 is out of range for a weight of size 3"),
    (lambda x: tl.embedding([-1], x), "embedding: index -1 is out of range"),
    (lambda x: tl.embedding([0.0], x), "embedding: the index is float32"),
]


@pytest.mark.parametrize("call, text", BAD)
def test_index_errors_name_the_operation_the_index_and_the_size(call, text):
    with pytest.raises(IndexError, match=f"^{text}"):
        call(matrix(3, 2))


OTHERS = [
    (lambda x: tl.gather(x, 0, [0, 1]), ValueError, "gather: the index has shape .*take_along_axis"),
    (lambda x: tl.gather(x, 0, [[0, 0, 0]]), ValueError, "gather: the index has shape"),
    (lambda x: tl.scatter(x, 0, [[0, 1]], [[1.0]]), ValueError, "scatter: src has shape"),
    (lambda x: tl.scatter(x, 0, [[0]], 1.0, reduce="mean"), ValueError, "scatter: reduce is 'mean'"),
    (lambda x: tl.index_add(x, 0, [0], tl.zeros(2, 2)), ValueError, "index_add: source has shape"),
    (lambda x: tl.index_fill(x, 0, [0], tl.zeros(2)), ValueError, "index_fill: value has shape"),
    (lambda x: tl.index_put(x, 0, tl.zeros(3)), ValueError, "index_put: "),
    (lambda x: tl.index_put(x.long(), 0, 1.5), TypeError, "index_put: float64 values don't fit into int64"),
    (lambda x: tl.masked_fill(x, [1, 0], 0.0), TypeError, "masked_fill: the mask is int64"),
    (lambda x: tl.masked_fill(x, x > 0, tl.zeros(2)), ValueError, "masked_fill: value has shape"),
    (lambda x: tl.masked_fill(x.long(), x > 0, 0.5), TypeError, "masked_fill: float64 values don't fit"),
    (lambda x: tl.masked_select(x, [1, 0]), TypeError, "masked_select: the mask is int64"),
    (lambda x: tl.one_hot(x), TypeError, "one_hot: x is float64"),
    (lambda x: tl.one_hot([0, 3], 3), ValueError, "one_hot: class 3 is out of range for 3 classes"),
    (lambda x: tl.one_hot([0, -1]), ValueError, "one_hot: class -1 is out of range"),
    (lambda x: tl.one_hot(np.zeros(0, int)), ValueError, "one_hot: x has no elements"),
    (lambda x: tl.embedding([0], x[0]), ValueError, "embedding: weight has shape"),
    (lambda x: tl.embedding([0], x, 3), ValueError, "embedding: padding_idx 3 is out of range"),
]


@pytest.mark.parametrize("call, kind, text", OTHERS)
def test_other_errors(call, kind, text):
    with pytest.raises(kind, match=f"^{text}"):
        call(matrix(3, 2))


# ------------------------------------------------------------- what the tape keeps is not the user's


CAPTURES = {
    "getitem": lambda x, i: x[i],
    "getitem in a tuple": lambda x, i: x[:, i],
    "index_put": lambda x, i: tl.index_put(x, i, x[0]),
    "take": lambda x, i: tl.take(x, i),
    "take_along_axis": lambda x, i: tl.take_along_axis(x, i.reshape(-1, 1), 0),
    "gather": lambda x, i: tl.gather(x, 1, i.reshape(-1, 1)),
    "index_select": lambda x, i: tl.index_select(x, 1, i),
    "index_add": lambda x, i: tl.index_add(x, 0, i, x[:2] * 2.0),
    "scatter_add": lambda x, i: tl.scatter_add(x, 1, i.reshape(-1, 1), x[:2, :1] * 3.0),
    "embedding": lambda x, i: tl.embedding(i, x),
    "repeat_interleave": lambda x, i: tl.repeat_interleave(x[:2], i, 0),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_later_write_to_an_index_array_does_not_change_the_gradient(name):
    x, weights = matrix(3, 3), np.arange(30.0)

    def slope(change: bool) -> tl.Tensor:
        i = np.array([2, 1])
        y = CAPTURES[name](x, i).reshape(-1)
        if change:
            i[:] = 0
        return tl.grad((y * weights[: y.size]).sum(), x)

    assert slope(change=True).tolist() == slope(change=False).tolist()


@pytest.mark.parametrize("name", CAPTURES)
def test_a_later_write_to_an_index_tensor_is_harmless_or_refused(name):
    x, weights = matrix(3, 3), np.arange(30.0)
    want = None
    for change in (False, True):
        i = tl.tensor([2, 1])
        y = CAPTURES[name](x, i).reshape(-1)
        if change:
            i[...] = 0
        try:
            got = tl.grad((y * weights[: y.size]).sum(), x).tolist()
        except tl.GradientError as error:
            assert "changed in place" in str(error)
        else:
            want = want or got
            assert got == want


# ------------------------------------------------------------------------ repeated places, and writing


def test_repeated_places_add_up_in_the_gradient_whatever_path_is_taken():
    rng = np.random.default_rng(0)
    for shape, index in [
        ((5, 70000), ([0, 0, 4],)),  # more columns than a block
        ((50, 3), (rng.integers(-50, 50, 400),)),
        ((6, 7), (rng.integers(0, 6, 90), rng.integers(-7, 7, 90))),
        ((6, 7, 2), (slice(None), rng.integers(0, 7, 30))),
        ((40, 50, 6), (slice(3, 5), [1, 1], 0)),  # few elements of a large array
        ((4, 5, 3), ([0, 0], slice(None), [1, 1])),
        ((4, 5, 3), (None, [3, 3], ..., [2, 2])),
        ((4, 5), (rng.random((4, 5)) > 0.5,)),
    ]:
        g = rng.standard_normal(np.zeros(shape)[index].shape)
        want = np.zeros(shape)
        np.add.at(want, index, g)
        np.testing.assert_allclose(scatter_index.on(g, plain_index(index), shape), want, atol=1e-12)


def test_of_repeated_places_the_last_value_stays_and_it_alone_has_a_gradient():
    x, value = tl.zeros(3, requires_grad=True), tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = tl.index_put(x, [0, 2, 0], value)
    assert y.tolist() == [3.0, 0.0, 2.0]
    gx, gv = tl.grad((y * np.float32([10, 20, 30])).sum(), [x, value])
    assert gx.tolist() == [0.0, 20.0, 0.0]
    assert gv.tolist() == [0.0, 30.0, 10.0]


def test_assignment_in_the_graph():
    x, value = matrix(3), tl.tensor(5.0, requires_grad=True)
    y = x * 2.0
    y[1:] = value
    gx, gv = tl.grad((y * y).sum(), [x, value])
    assert gx.tolist() == [0.0, 0.0, 0.0] and gv.item() == 20.0
    z = x * 1.0
    z[z > 0] = z[z > 0] ** 2
    assert tl.grad(z.sum(), x).tolist() == [1.0, 2.0, 4.0]


def test_index_put_keeps_the_dtype_of_x():
    assert tl.index_put(tl.zeros(2), 0, np.float64(1.5)).dtype == np.float32
    assert tl.index_put(tl.zeros(2), [0, 0], np.ones(2), accumulate=True).dtype == np.float32
    assert tl.index_put(tl.zeros(2), 0, True).tolist() == [1.0, 0.0]
    assert tl.index_put(tl.tensor([1, 2]), 0, 7).dtype == np.int64


def test_scatter_multiplies_as_often_as_a_place_is_named():
    x = tl.tensor([2.0, 3.0])
    assert tl.scatter(x, 0, [0, 0, 1], [5.0, 7.0, 1.0], reduce="multiply").tolist() == [70.0, 3.0]
    assert tl.scatter(x, 0, [1], value=5.0, reduce="add").tolist() == [2.0, 8.0]
    with pytest.raises(TypeError, match=r"^scatter: needs either"):
        tl.scatter(x, 0, [1])


# ------------------------------------------------------------------------------------ masks and embeddings


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype):
    x = tl.tensor(np.ones((2, 2)), dtype=dtype, requires_grad=True)
    results = [
        x[0], x[[0, 1]], tl.masked_fill(x, x > 0, -1e9), tl.masked_select(x, x > 0), tl.gather(x, 0, [[0, 1]]),
        tl.scatter_add(x, 0, [[0, 1]], x), tl.index_add(x, 0, [0], x[:1], 0.5), tl.embedding([0, 1], x),
        tl.index_put(x, 0, 1.5),
    ]  # fmt: skip
    for y in results:
        assert y.dtype == dtype
        assert tl.grad(y.sum(), x).dtype == dtype


def test_masked_fill_takes_infinity_and_keeps_integers():
    assert tl.masked_fill(tl.tensor([1.0, 2.0]), [True, False], -np.inf).tolist() == [-np.inf, 2.0]
    assert tl.masked_fill(tl.tensor([1, 2]), [True, False], 7).dtype == np.int64
    x = tl.tensor([np.inf, 1.0], requires_grad=True)
    y = tl.masked_fill(x, [True, False], 0.0)
    assert tl.grad((y * y).sum(), x).tolist() == [0.0, 2.0]


def test_the_padding_row_of_an_embedding_has_no_gradient():
    weight = matrix(3, 2)
    for padding in (1, -2):
        y = tl.embedding([[0, 1], [1, 0]], weight, padding_idx=padding)
        assert y.shape == (2, 2, 2)
        assert tl.grad(y.sum(), weight).tolist() == [[2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]


def test_embedding_takes_any_integers_and_an_empty_batch():
    weight = matrix(3, 2)
    assert tl.embedding(np.array(2, np.uint8), weight).tolist() == [4.0, 5.0]
    y = tl.embedding(np.zeros((0, 4), np.int64), weight)
    assert y.shape == (0, 4, 2)
    assert tl.grad(y.sum(), weight).tolist() == [[0.0, 0.0]] * 3


def test_one_hot_and_nonzero():
    assert tl.one_hot(tl.tensor([[1], [0]]), 3).tolist() == [[[0, 1, 0]], [[1, 0, 0]]]
    assert tl.one_hot(np.zeros((2, 0), int), 3).shape == (2, 0, 3)
    assert tl.one_hot(1).dtype == np.int64
    rows, columns = tl.nonzero(tl.tensor([[0.0, 1.0], [2.0, 0.0]]), as_tuple=True)
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
