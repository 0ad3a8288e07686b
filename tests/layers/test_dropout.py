import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import Dropout


def test_training_drops_and_scales():
    tl.manual_seed(0)
    x = tl.ones(10_000, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    values = y.detach().numpy()
    assert set(np.unique(values)) == {0.0, np.float32(1 / 0.7)}
    assert abs((values == 0).mean() - 0.3) < 0.02
    assert np.array_equal(x.grad.numpy(), values)


def test_inference_and_seed():
    x = tl.randn(5, 5)
    layer = Dropout(0.5)
    assert (layer.eval()(x) == x).all()
    layer.train()
    tl.manual_seed(3)
    first = layer(x)
    tl.manual_seed(3)
    assert (layer(x) == first).all()


def test_probability():
    assert repr(Dropout(0.2)) == "Dropout(p=0.2)"
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="Dropout: p is a probability"):
            Dropout(p)
    assert (Dropout(1.0)(tl.ones(3)) == 0).all()
