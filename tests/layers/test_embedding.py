import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_dtypes, check, needs_torch, torch
from tinygrad_lite.layers import Embedding


@needs_torch
@both_dtypes
@pytest.mark.parametrize("padding", [None, 0, 3, -1])
def test_embedding(padding, dtype):
    tokens = np.array([[1, 2, 2], [0, 3, 6]])
    check(Embedding(7, 3, padding), torch.nn.Embedding(7, 3, padding), tokens, dtype=dtype)


def test_start():
    tl.manual_seed(0)
    layer = Embedding(500, 40, padding_idx=2)
    values = layer.weight.detach().numpy()
    assert not values[2].any()
    assert abs(values.std() - 1) < 0.02
    assert repr(layer) == "Embedding(500, 40, padding_idx=2)"


def test_from_pretrained():
    vectors = np.arange(6.0).reshape(3, 2)
    layer = Embedding.from_pretrained(vectors)
    assert not layer.weight.requires_grad
    assert np.array_equal(layer(tl.tensor([2])).numpy(), [[4, 5]])
    assert Embedding.from_pretrained(vectors, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match="rows of a matrix"):
        Embedding.from_pretrained(np.ones(3))


def test_padding_out_of_range():
    with pytest.raises(ValueError, match="padding_idx 7 is none of 7"):
        Embedding(7, 3, padding_idx=7)
