"""Shapes, joining, splitting, padding and diagonals: what the walk over the registry does not reach."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


def matrix(*shape: int, dtype: type = np.float64) -> tl.Tensor:
    return tl.tensor(np.arange(np.prod(shape)).reshape(shape).astype(dtype), requires_grad=np.dtype(dtype).kind == "f")


VIEWS = {
    "reshape": lambda x: tl.reshape(x, (3, 2)),
    "view": lambda x: tl.view(x, 6),
    "permute": lambda x: tl.permute(x, (1, 0)),
    "swapaxes": lambda x: tl.swapaxes(x, 0, 1),
    "moveaxis": lambda x: tl.moveaxis(x, 0, 1),
    "transpose": lambda x: tl.transpose(x),
    "squeeze": lambda x: tl.squeeze(x),
    "unsqueeze": lambda x: tl.unsqueeze(x, 0),
    "flip": lambda x: tl.flip(x, 0),
    "rot90": lambda x: tl.rot90(x),
    "split": lambda x: tl.split(x, 1)[0],
    "chunk": lambda x: tl.chunk(x, 2)[0],
    "unbind": lambda x: tl.unbind(x)[0],
    "pad with negative numbers": lambda x: tl.pad(x, (-1, 0)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_memory_and_a_write_to_it_reaches_the_whole(name):
    x = tl.zeros(2, 3)
    y = VIEWS[name](x)
    y[...] = 1.0
    assert x.sum().item() == y.size


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_is_noticed_by_what_was_saved(name):
    x = tl.ones(2, 3)
    w = tl.ones(2, 3, requires_grad=True)
    product = w * x
    VIEWS[name](x)[...] = 5.0
    with pytest.raises(tl.GradientError, match="changed in place"):
        product.sum().backward()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.bool_])
def test_dtypes_stay(dtype):
    x = matrix(2, 3, dtype=dtype)
    results = [
        tl.cat([x, x]), tl.stack([x, x]), tl.tile(x, (2, 2)), tl.repeat_interleave(x, 2), tl.roll(x, 1, 0),
        tl.pad(x, (1, 1)),
        tl.pad(x, (1, 1), "reflect"), tl.diagonal(x), tl.diag_embed(x), tl.tril(x), tl.triu(x), tl.expand(x, (4, 2, 3)),
    ]  # fmt: skip
    assert {y.dtype for y in results} == {np.dtype(dtype)}
    for y in results:
        if y.requires_grad:
            assert tl.grad(y.sum(), x).dtype == dtype


def test_cat_promotes_and_each_gradient_returns_in_the_dtype_of_its_tensor():
    x, y = tl.ones(2, requires_grad=True), tl.tensor(np.ones(2), requires_grad=True)
    joined = tl.cat([x, y, np.array([1, 2])])
    assert joined.dtype == np.float64
    gx, gy = tl.grad(joined.sum(), [x, y])
    assert (gx.dtype, gy.dtype) == (np.float32, np.float64)


def test_cat_leaves_out_empty_1d_tensors_but_gives_them_a_gradient():
    x, none = tl.ones(2, 2, requires_grad=True), tl.zeros(0, requires_grad=True)
    joined = tl.cat([none, x], axis=1)
    assert joined.shape == (2, 2)
    gx, gnone = tl.grad(joined.sum(), [x, none])
    assert gx.shape == (2, 2) and gnone.shape == (0,)


def test_arguments_as_in_pytorch_and_as_in_numpy():
    x = matrix(2, 3, 4)
    assert tl.transpose(x, 0, 1).shape == tl.transpose(x, dim0=0, dim1=1).shape == (3, 2, 4)
    assert tl.transpose(x).shape == tl.transpose(x, None).shape == (4, 3, 2)
    assert tl.transpose(x, (2, 0, 1)).shape == x.transpose(2, 0, 1).shape == (4, 2, 3)
    assert tl.expand(tl.zeros(3, 1), 2, 3, 4).shape == tl.zeros(3, 1).expand(2, -1, 4).shape == (2, 3, 4)
    assert tl.flip(x, dims=(0,)).shape == x.flip(0, 1).shape == x.shape
    assert tl.squeeze(tl.zeros(1, 2, 1), dim=(0, 1)).shape == (2, 1)
    assert tl.diagonal(x, dim1=0, dim2=-1).shape == (3, 2)
    assert tl.cat(tensors=[x, x], dim=-1).shape == tl.concat([x, x], -1).shape == (2, 3, 8)
    assert tl.tile(x, 2).shape == (2, 3, 8)
    assert [t.shape for t in tl.split(x, (1, 2), dim=1)] == [(2, 1, 4), (2, 2, 4)]
    assert [len(t) for t in tl.tensor_split(tl.arange(5), tl.tensor([1, 3]))] == [1, 2, 2]
    assert [t.shape for t in tl.meshgrid([tl.arange(2), tl.arange(3)], indexing="xy")] == [(3, 2), (3, 2)]
    assert tl.cat([[1.0], [2.0, 3.0]]).tolist() == [1.0, 2.0, 3.0]
    assert tl.reshape(5.0, (1, 1)).tolist() == [[5.0]]


NUMPY = [
    lambda np_or_t: np.reshape(np_or_t, (3, 2)),
    lambda np_or_t: np.ravel(np_or_t),
    lambda np_or_t: np.transpose(np_or_t),
    lambda np_or_t: np.transpose(np_or_t, (1, 0)),
    lambda np_or_t: np.swapaxes(np_or_t, 0, 1),
    lambda np_or_t: np.moveaxis(np_or_t, 0, -1),
    lambda np_or_t: np.squeeze(np.expand_dims(np_or_t, (0, 2)), 0),
    lambda np_or_t: np.broadcast_to(np_or_t, (2, 2, 3)),
    lambda np_or_t: np.concatenate([np_or_t, np_or_t], axis=1),
    lambda np_or_t: np.concatenate([np_or_t, np_or_t], axis=None),
    lambda np_or_t: np.stack([np_or_t, np_or_t], axis=-1),
    lambda np_or_t: np.vstack([np_or_t, np_or_t]),
    lambda np_or_t: np.hstack([np_or_t, np_or_t]),
    lambda np_or_t: np.split(np_or_t, 3, axis=1)[2],
    lambda np_or_t: np.array_split(np_or_t, 2, axis=1)[0],
    lambda np_or_t: np.split(np_or_t, [1], axis=1)[1],
    lambda np_or_t: np.tile(np_or_t, 2),
    lambda np_or_t: np.repeat(np_or_t, 2),
    lambda np_or_t: np.repeat(np_or_t, [1, 0, 2], axis=1),
    lambda np_or_t: np.flip(np_or_t),
    lambda np_or_t: np.flip(np_or_t, 1),
    lambda np_or_t: np.roll(np_or_t, 2),
    lambda np_or_t: np.roll(np_or_t, (1, 2), (0, 1)),
    lambda np_or_t: np.pad(np_or_t, 1),
    lambda np_or_t: np.pad(np_or_t, ((0, 0), (1, 2)), "reflect"),
    lambda np_or_t: np.pad(np_or_t, ((2, 0), (1, 2)), "edge"),
    lambda np_or_t: np.pad(np_or_t, ((0, 2), (3, 1)), "wrap"),
    lambda np_or_t: np.diagonal(np_or_t, 1),
    lambda np_or_t: np.diag(np_or_t, 1),
    lambda np_or_t: np.diag(np_or_t[0], -1),
    lambda np_or_t: np.tril(np_or_t, -1),
    lambda np_or_t: np.triu(np_or_t, 1),
    lambda np_or_t: np.take_along_axis(np_or_t, np.array([[0], [2]]), 1),
    lambda np_or_t: np.take(np_or_t, [[0, 2], [1, 1]], axis=1),
    lambda np_or_t: np.take(np_or_t, [5, 0]),
]


@pytest.mark.parametrize("call", NUMPY)
def test_numpy_functions_give_numpy_results_and_stay_in_the_graph(call):
    x = matrix(2, 3)
    y = call(x)
    np.testing.assert_array_equal(y.detach().numpy(), call(x.detach().numpy()))
    assert y.requires_grad


def test_padding_order_of_numbers_and_corners():
    x = matrix(2, 2)
    want = np.pad(x.detach().numpy(), ((0, 3), (1, 2)), constant_values=9)
    np.testing.assert_array_equal(tl.pad(x, (1, 2, 0, 3), value=9).detach().numpy(), want)
    assert tl.pad(x, ()).tolist() == x.tolist()
    assert tl.pad(tl.tensor(1.0), ()).item() == 1.0
    assert tl.pad(tl.tensor([1, 2, 3]), (-1, 2), "circular").tolist() == [2, 3, 2, 3]  # around what is left


def test_triangle_indices():
    assert tl.tril_indices(3, 2, -1).tolist() == [[1, 2, 2], [0, 0, 1]]
    assert tl.triu_indices(2, 3, 1).tolist() == [[0, 0, 1], [1, 2, 2]]
    assert tl.tril_indices(0, 5).shape == (2, 0)


ERRORS = [
    (lambda: tl.reshape(tl.zeros(6), (4, 2)), ValueError, "reshape: cannot reshape array of size 6 into"),
    (lambda: tl.view(tl.zeros(2, 3).T, 6), ValueError, r"view: .*use reshape"),
    (lambda: tl.flatten(tl.zeros(2, 3), 1, 0), ValueError, "flatten: start_dim 1 comes after end_dim 0"),
    (lambda: tl.unflatten(tl.zeros(6), 0, (4, 2)), ValueError, "unflatten: sizes .* don't multiply to 6"),
    (lambda: tl.unflatten(tl.zeros(6), 0, (4, -1)), ValueError, "unflatten: sizes .* don't multiply to 6"),
    (lambda: tl.squeeze(tl.zeros(2), 2), IndexError, "squeeze: axis 2 is out of range for 1 axes"),
    (lambda: tl.squeeze(tl.zeros(1, 2), (0, -2)), ValueError, "squeeze: an axis comes twice"),
    (lambda: tl.unsqueeze(tl.zeros(2), 3), IndexError, "unsqueeze: axis 3 is out of range"),
    (lambda: tl.permute(tl.zeros(2, 3), (0, 0)), ValueError, r"permute: dims \(0, 0\) is not an order of all 2 axes"),
    (lambda: tl.swapaxes(tl.zeros(2, 3), 0, 2), IndexError, "swapaxes: axis 2 is out of range"),
    (lambda: tl.moveaxis(tl.zeros(2, 3), 0, 5), IndexError, "moveaxis: .*axis 5 is out of bounds"),
    (lambda: tl.expand(tl.zeros(2), (3,)), ValueError, "expand: .*"),
    (lambda: tl.expand(tl.zeros(2), (-1, 2)), ValueError, "expand: sizes .* -1 only for old ones"),
    (lambda: tl.broadcast_tensors(tl.zeros(2), tl.zeros(3)), ValueError, "broadcast_tensors: .* don't broadcast"),
    (lambda: tl.cat([]), ValueError, "cat: "),
    (lambda: tl.cat([tl.zeros(2, 2), tl.zeros(2, 3)]), ValueError, r"cat: .*float32\[2, 2\], float32\[2, 3\]"),
    (lambda: tl.stack([tl.zeros(2), tl.zeros(3)]), ValueError, "stack: "),
    (lambda: tl.split(tl.zeros(5), [2, 2]), ValueError, r"split: the sizes \[2, 2\] don't sum to 5"),
    (lambda: tl.split(tl.zeros(5), 0), ValueError, "split: a size of 0"),
    (lambda: tl.split(tl.tensor(1.0), 1), ValueError, "split: a 0-d tensor"),
    (lambda: tl.chunk(tl.zeros(5), 0), ValueError, "chunk: got 0 chunks"),
    (lambda: tl.tensor_split(tl.zeros(5), 0), ValueError, "tensor_split: got 0 sections"),
    (lambda: tl.repeat(tl.zeros(2, 2), (2,)), ValueError, "repeat: sizes .*See tile"),
    (lambda: tl.tile(tl.zeros(2), (-1,)), ValueError, "tile: "),
    (lambda: tl.repeat_interleave(tl.zeros(3), [1, 2]), ValueError, r"repeat_interleave: .*\[1, 2\] for 3 slices"),
    (lambda: tl.meshgrid(tl.zeros(2, 2)), ValueError, "meshgrid: .*each of one axis at most"),
    (lambda: tl.meshgrid(tl.zeros(2), indexing="yx"), ValueError, "meshgrid: indexing is 'yx'"),
    (lambda: tl.flip(tl.zeros(2), 1), IndexError, "flip: axis 1 is out of range"),
    (lambda: tl.fliplr(tl.zeros(2)), ValueError, "fliplr: .*two axes"),
    (lambda: tl.rot90(tl.zeros(2, 2), 1, (0, 0)), ValueError, "rot90: an axis comes twice"),
    (lambda: tl.roll(tl.zeros(2, 2), (1, 2), (0,)), ValueError, "roll: 2 shifts for 1 axes"),
    (lambda: tl.pad(tl.zeros(2), (1,)), ValueError, "pad: .*two numbers an axis"),
    (lambda: tl.pad(tl.zeros(2), (1, 1, 1, 1)), ValueError, "pad: .*two numbers an axis"),
    (lambda: tl.pad(tl.zeros(2), (-3, 5)), ValueError, "pad: .* cuts more than there is"),
    (lambda: tl.pad(tl.zeros(2), (2, 0), "reflect"), ValueError, "pad: .*mode 'reflect' has at most 1"),
    (lambda: tl.pad(tl.zeros(2), (3, 0), "circular"), ValueError, "pad: .*mode 'circular' has at most 2"),
    (lambda: tl.pad(tl.zeros(0), (1, 0), "replicate"), ValueError, "pad: .*mode 'replicate' has at most 0"),
    (lambda: tl.pad(tl.zeros(2), (1, 0), "edge"), ValueError, "pad: mode is 'edge'"),
    (lambda: tl.pad(tl.zeros(2), (1, 0), "reflect", 1.0), ValueError, "pad: a value is for mode 'constant'"),
    (lambda: tl.diag(tl.zeros(2, 2, 2)), ValueError, "diag: .*one axis or two"),
    (lambda: tl.diag_embed(tl.zeros(2), 0, 0, -2), ValueError, "diag_embed: dim1 and dim2"),
    (lambda: tl.diagonal(tl.zeros(2)), ValueError, "diagonal: "),
    (lambda: tl.tril(tl.zeros(2)), ValueError, "tril: .*two axes"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS)
def test_errors_name_the_operation_and_what_it_was_given(call, kind, text):
    with pytest.raises(kind, match=f"^{text}"):
        call()


def test_the_gradient_of_a_roll_along_several_axes_rolls_back():
    x = tl.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    weights = np.arange(12.0).reshape(3, 4) ** 2
    (tl.roll(x, (1, -1), (0, 1)) * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.roll(weights, (-1, 1), (0, 1)))
