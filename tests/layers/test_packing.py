import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import needs_torch, normal, torch
from tinygrad_lite.layers import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)
from tinygrad_lite.testing import gradcheck, gradgradcheck


def same(ours, theirs):
    """Every field of two packed sequences."""
    for name, a, b in zip(ours._fields, ours, theirs):
        assert (a is None) == (b is None), name
        if b is not None:
            np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
            assert str(a.dtype) == str(b.dtype).removeprefix("torch."), name


@needs_torch
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (6, 4, 2, 3)], ids=str)
@pytest.mark.parametrize("lengths", [[6, 4, 3, 1], [5, 5, 5, 5], [2, 5, 1, 4]], ids=str)
def test_packing_and_padding(lengths, shape, batch_first):
    rnn, x = torch.nn.utils.rnn, normal(*shape)
    x = np.swapaxes(x, 0, 1).copy() if batch_first else x
    ordered = sorted(lengths, reverse=True) == lengths
    ours = pack_padded_sequence(tl.tensor(x), lengths, batch_first, ordered)
    theirs = rnn.pack_padded_sequence(torch.tensor(x), torch.tensor(lengths), batch_first, ordered)
    same(ours, theirs)
    for params in ({}, {"padding_value": -2.5, "total_length": 7}):
        got, want = (
            pad_packed_sequence(ours, batch_first, **params),
            rnn.pad_packed_sequence(theirs, batch_first, **params),
        )
        for a, b in zip(got, want):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@needs_torch
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_lists_of_sequences(shape):
    rnn, arrays = torch.nn.utils.rnn, [normal(n, *shape) for n in (2, 5, 1)]
    ours, theirs = [tl.tensor(a) for a in arrays], [torch.tensor(a) for a in arrays]
    for batch_first in (True, False):
        for params in ({}, {"padding_value": 3.0, "padding_side": "left"}):
            want = rnn.pad_sequence(theirs, batch_first, **params)
            np.testing.assert_array_equal(pad_sequence(ours, batch_first, **params).numpy(), want.numpy())
    same(pack_sequence(ours, enforce_sorted=False), rnn.pack_sequence(theirs, enforce_sorted=False))


def test_whole_numbers_stay_whole():
    assert pad_sequence([tl.tensor([1, 2]), tl.tensor([3])]).dtype == np.int64
    packed = pack_padded_sequence(tl.tensor([[1, 2], [3, 0]]), np.array([2, 1], np.uint8), batch_first=True)
    assert isinstance(packed, PackedSequence) and packed.data.tolist() == [1, 3, 2]
    assert pad_packed_sequence(packed)[0].dtype == np.int64


def test_gradients_of_both_orders_match_differences():
    def there_and_back(x):
        packed = pack_padded_sequence(x * x, [1, 3], enforce_sorted=False)
        return pad_packed_sequence(packed._replace(data=packed.data * packed.data))[0]

    assert gradcheck(there_and_back, normal(3, 2, 2))
    assert gradgradcheck(there_and_back, normal(3, 2, 2))
    assert gradcheck(lambda *xs: pad_sequence([x * x for x in xs]), normal(1, 2), normal(3, 2))


def test_errors_say_what_is_needed():
    x = tl.ones(4, 3, 2)
    with pytest.raises(
        ValueError, match=r"needs \(T, N, ...\) and N whole numbers.* got shape \(4, 3, 2\) and \[4 3\]"
    ):
        pack_padded_sequence(x, [4, 3])
    with pytest.raises(ValueError, match="lengths go from 1 to 4, got"):
        pack_padded_sequence(x, [4, 3, 0])
    with pytest.raises(ValueError, match="don't descend; sort the sequences, or pass enforce_sorted=False"):
        pack_padded_sequence(x, [2, 3, 1])
    packed = pack_padded_sequence(x, [4, 3, 1])
    with pytest.raises(ValueError, match="total_length is 3, but a sequence has 4"):
        pad_packed_sequence(packed, total_length=3)
    with pytest.raises(ValueError, match=r"got \(2, 3\), \(2,\) and 'right'"):
        pad_sequence([tl.ones(2, 3), tl.ones(2)])
    with pytest.raises(ValueError, match="got none"):
        pad_sequence([])
