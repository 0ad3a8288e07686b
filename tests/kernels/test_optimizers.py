"""The updates of optimizers: kernels against twins, with and without each running value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.test_twins import numbers, often, same

fraction = st.sampled_from([0.1, 0.9, 0.999])
decay = st.sampled_from([0.0, 0.01])
flag = st.booleans()


@st.composite
def tensors(draw, count):
    """A parameter, its gradient, and running values: all there, or each now and then left out."""
    shape = draw(st.sampled_from([(), (1,), (7,), (33, 3), (0, 2)]))
    p, g = numbers(draw, shape), numbers(draw, shape)
    p = p if p.flags.writeable else p.copy()
    running = [np.array(np.abs(numbers(draw, shape, p.dtype))) for _ in range(count)]
    return [p, g.astype(p.dtype, copy=False), *running]


def left_out(data, array):
    return array if data.draw(flag) else None


@often
@given(st.data())
def test_sgd_is_its_twin(data):
    p, g, m = data.draw(tensors(1))
    options = [data.draw(s) for s in (fraction, decay, fraction, fraction, flag, flag)]
    same("sgd", p, g, left_out(data, m), *options)


@often
@given(st.data())
def test_adam_is_its_twin(data):
    p, g, m, v, top = data.draw(tensors(3))
    options = [data.draw(s) for s in (fraction, fraction, fraction, fraction, fraction, fraction, decay, flag)]
    same("adam", p, g, m, v, left_out(data, top), *options)


@often
@given(st.data())
def test_rmsprop_is_its_twin(data):
    p, g, v, mean, m = data.draw(tensors(3))
    options = [data.draw(s) for s in (fraction, fraction, fraction, decay, fraction, flag)]
    same("rmsprop", p, g, v + 20, left_out(data, mean), left_out(data, m), *options)  # a variance is not negative


@often
@given(st.data())
def test_adagrad_is_its_twin(data):
    p, g, total = data.draw(tensors(1))
    same("adagrad", p, g, total, *[data.draw(s) for s in (fraction, fraction, decay, flag)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_or_inf_stays_where_it_is(bad):
    for name, running, options in [
        ("sgd", 1, (0.1, 0.0, 0.9, 1.0, True, False)),
        ("adam", 3, (0.1, 0.9, 0.99, 1.0, 1e-8, 1.0, 0.0, False)),
        ("rmsprop", 3, (0.1, 0.9, 1e-8, 0.0, 0.9, False)),
        ("adagrad", 1, (0.1, 1e-10, 0.0, False)),
    ]:
        arrays = [np.ones(40, np.float32) for _ in range(2 + running)]
        arrays[0][3] = arrays[1][5] = bad
        with np.errstate(invalid="ignore"):
            same(name, *arrays, *options)
        assert np.isfinite(np.delete(arrays[0], [3, 5])).all()


def test_half_precision_goes_to_the_twin():
    same("sgd", *(np.ones(3, np.float16) for _ in range(3)), 0.1, 0.0, 0.9, 1.0, False, False)
