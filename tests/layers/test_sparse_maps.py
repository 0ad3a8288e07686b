import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import normal
from tinygrad_lite import layers


@pytest.mark.parametrize(
    "name, params", [("Sparsemax", {}), ("Fusedmax", {"lambd": 0.2}), ("Oscarmax", {"lambd": 0.2})]
)
def test_a_module_is_the_function_of_its_name(name, params):
    x = tl.tensor(normal(3, 4, 2))
    for dim in (-1, 1):
        module = getattr(layers, name)(dim, **params)
        np.testing.assert_array_equal(module(x).numpy(), getattr(tl, name.lower())(x, dim, **params).numpy())
        assert repr(module).startswith(f"{name}(dim={dim}")
