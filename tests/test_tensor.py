"""Tensor: making one, its dtype, what it hands out, and how it behaves as a Python object."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_lite as tl


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        (3, np.int64),
        ([True, False], np.bool_),
        (np.zeros(2), np.float64),
        (np.zeros(2, np.float16), np.float16),
        (np.float64(1), np.float64),
        (np.zeros(2, np.uint8), np.uint8),
        ([], np.float32),
    ],
)
def test_python_floats_become_float32_and_arrays_keep_their_dtype(data, dtype):
    assert tl.tensor(data).dtype == dtype


def test_python_numbers_are_weak_in_arithmetic():
    for dtype in (np.float16, np.float32, np.float64):
        x = tl.tensor([1, 2], dtype=dtype)
        for y in (x * 2, 2 * x, x + 0.5, 1.0 - x, x**2, 2.0 / x):
            assert y.dtype == dtype
    assert (tl.tensor([1, 2]) * 2).dtype == np.int64


def test_arrays_and_tensors_promote_as_numpy_does():
    x = tl.tensor([1.0], dtype=np.float32)
    assert (x * np.ones(1)).dtype == np.float64
    assert (np.ones(1) * x).dtype == np.float64
    assert (x + tl.tensor([1.0], dtype=np.float16)).dtype == np.float32


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1 + 2j], "complex"),
        ([[1.0], [1.0, 2.0]], "inhomogeneous|ragged|object"),
        (["a"], "not supported"),
        (None, "object"),
    ],
)
def test_data_without_derivatives_is_refused(data, words):
    with pytest.raises((TypeError, ValueError), match=words):
        tl.tensor(data)


def test_integers_can_not_require_grad():
    with pytest.raises(TypeError, match=r"int64.*t\.float\(\)"):
        tl.tensor([1, 2], requires_grad=True)


def test_an_array_is_refused_while_a_gradient_would_be_lost():
    x = tl.tensor([1.0], requires_grad=True)
    for act in (x.numpy, lambda: np.asarray(x), lambda: np.array(x)):
        with pytest.raises(tl.GradientError, match=r"detach\(\)"):
            act()
    assert np.asarray(x.detach()).tolist() == [1]


def test_asarray_and_array_take_a_dtype():
    x = tl.tensor([1.0, 2.0])
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    a = np.array(x)
    a[0] = 5
    assert x.tolist() == [1, 2]


def test_from_numpy_shares_memory_both_ways():
    a = np.zeros(2)
    t = tl.from_numpy(a)
    a[0] = 1
    t.add_(1)
    assert a.tolist() == [2, 1] and t.tolist() == [2, 1]
    t.numpy()[1] = 7
    assert a.tolist() == [2, 7]


def test_dlpack_goes_both_ways():
    t = tl.tensor([1.0, 2.0])
    a = np.from_dlpack(t)
    assert a.tolist() == [1, 2]
    assert tl.from_dlpack(np.arange(3.0)).tolist() == [0, 1, 2]
    with pytest.raises(tl.GradientError, match="detach"):
        np.from_dlpack(tl.tensor([1.0], requires_grad=True))


def test_dlpack_to_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is an optional peer")
    assert torch.from_dlpack(tl.tensor([1.0, 2.0])).tolist() == [1, 2]
    assert tl.from_dlpack(torch.arange(3.0)).tolist() == [0, 1, 2]


def test_numpy_functions_stay_in_the_graph():
    x = tl.tensor([1.0, 4.0], requires_grad=True)
    a = np.array([1.0, 2.0], np.float32)
    y = np.sum(np.sqrt(x) * a + a * x) + np.concatenate([x, x]).mean() + np.where(a > 1, x, 0).sum()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.5 + 1 + 0.5, 0.5 + 2 + 0.5 + 1])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda x: np.fft.fft(x), "np.fft.fft has no gradient rule"),
        (lambda x: np.frexp(x), "np.frexp"),
        (lambda x: np.interp(x, [0, 1], [0, 1]), "np.interp"),
        (lambda x: np.exp(x, out=np.zeros(2)), "out="),
        (lambda x: np.exp(x, where=[True, False]), "where="),
        (lambda x: np.multiply.reduceat(x, [0]), "np.multiply.reduceat"),
    ],
)
def test_a_numpy_function_without_a_rule_names_itself(act, words):
    with pytest.raises(TypeError, match=words):
        act(tl.tensor([1.0, 2.0], requires_grad=True))


def test_an_array_can_not_swallow_a_tensor():
    a, x = np.zeros(2), tl.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="out="):
        a += x
    with pytest.raises(tl.GradientError, match="detach"):
        a[:] = x


def test_item_bool_float_int_index_len_and_iteration():
    x = tl.tensor([1.0, 2.0])
    assert [float(v) for v in x] == [1, 2]
    assert len(x) == 2 and 2.0 in x and 3.0 not in x
    assert x[0].item() == 1 and int(x[1]) == 2 and bool(x[0])
    assert [10, 20, 30][tl.tensor(1)] == 20
    with pytest.raises(ValueError, match=r"any\(\) or t.all\(\)"):
        bool(x)
    with pytest.raises(ValueError, match=r"\(2,\)"):
        x.item()
    with pytest.raises(TypeError, match="0-d"):
        len(tl.tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(tl.tensor(1.0))


def test_the_reflected_operators():
    x = tl.tensor([1.0, 2.0])
    np.testing.assert_allclose((1 - x).numpy(), [0, -1])
    np.testing.assert_allclose((1 / x).numpy(), [1, 0.5])
    np.testing.assert_allclose((2**x).numpy(), [2, 4])
    np.testing.assert_allclose((np.ones((1, 2), np.float32) @ x).numpy(), [3])
    np.testing.assert_allclose((5 // x).numpy(), [5, 2])


def test_comparison_gives_bools_without_a_graph():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    assert (x > 1).tolist() == [False, True]
    assert (x == 2).dtype == np.bool_ and not (x == 2).requires_grad


def test_repr_shows_values_dtype_and_where_it_comes_from():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<multiply>)"
    assert repr(tl.tensor(1.0, dtype=np.float64)) == "tensor(1., dtype=float64)"
    assert repr(tl.zeros(0, 3)) == "tensor([], shape=(0, 3))"
    assert f"{tl.tensor(1.2345):.2f}" == "1.23"


def test_detach_shares_memory_and_clone_does_not():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    assert np.shares_memory(x.detach().numpy(), x.detach().numpy())
    y = x.clone()
    assert y.requires_grad and not np.shares_memory(y.detach().numpy(), x.detach().numpy())


def test_deepcopy_copies_values_and_gradient():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    with tl.no_grad():
        x.zero_()
    assert y.tolist() == [1, 2] and y.grad.tolist() == [2, 4] and y.requires_grad


def test_in_place_forms_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"float32\[2, 3\].*float32\[3\]"):
        tl.zeros(3).add_(tl.ones(2, 3))
    with pytest.raises(ValueError, match="int64"):
        tl.arange(3).mul_(0.5)


def test_manual_seed_repeats_random_numbers():
    tl.manual_seed(1)
    first = tl.randn(3).tolist()
    tl.manual_seed(1)
    assert tl.randn(3).tolist() == first


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: tl.zeros(2, 3), np.zeros((2, 3))),
        (lambda: tl.ones((2,)), np.ones(2)),
        (lambda: tl.full((2, 2), 3.5), np.full((2, 2), 3.5)),
        (lambda: tl.arange(1, 7, 2), np.arange(1, 7, 2)),
        (lambda: tl.arange(0.0, 1.0, 0.25), np.arange(0, 1, 0.25)),
        (lambda: tl.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        (lambda: tl.eye(2, 3), np.eye(2, 3)),
        (lambda: tl.zeros_like(tl.ones(2, dtype=np.float64)), np.zeros(2)),
        (lambda: tl.full_like(tl.ones(2), 7), np.full(2, 7.0)),
    ],
)
def test_creation(made, expected):
    np.testing.assert_array_equal(made().numpy(), expected)


def test_creation_dtypes():
    assert tl.zeros(2).dtype == np.float32
    assert tl.arange(3).dtype == np.int64 and tl.arange(3.0).dtype == np.float32
    assert tl.full((1,), 2).dtype == np.int64 and tl.full((1,), 2.0).dtype == np.float32
    assert tl.rand(2, dtype=np.float64).dtype == np.float64
    assert tl.randint(5, size=(2,)).dtype == np.int64


def test_casts_keep_the_gradient_between_floats_and_stop_it_at_integers():
    x = tl.tensor([1.5, 2.5], requires_grad=True)
    x.double().sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [1, 1]
    assert not x.long().requires_grad


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tl.where(tl.tensor([True, False]), x.max(1), 0),
        lambda x: tl.tensor([x[0, 0], x[0, 1]]),
        lambda x: tl.add([x[0, 0], x[0, 1]], 1),
    ],
    ids=["results in a tuple", "tensor of a list", "list"],
)
def test_a_list_of_tensors_never_loses_their_gradient_silently(call):
    x = tl.ones(2, 3, requires_grad=True)
    with pytest.raises(TypeError, match=r"of Tensors that require a gradient would lose it here: tl\.stack"):
        call(x)
    assert tl.tensor([x[0, 0].detach(), 2.0]).tolist() == [1.0, 2.0]
