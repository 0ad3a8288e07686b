"""The moving average of weights: its equation, swapping it in, and resuming."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.layers import Linear
from tinygrad_lite.optim import SGD, ExponentialMovingAverage

from .parity import needs_torch, torch


def path(steps, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, 3))


def write(w, value):
    with tl.no_grad():
        w.copy_(value)


def walked(points, **params):
    """An average that has followed one weight along some points, from the first one on."""
    w = tl.tensor(points[0], requires_grad=True)
    average = ExponentialMovingAverage([w], **params)
    for point in points[1:]:
        write(w, point)
        average.update()
    return w, average


def test_at_first_it_is_the_mean():
    points = path(10)
    _, average = walked(points, decay=0.99)
    np.testing.assert_allclose(average.averages[0], points.mean(0), rtol=1e-12)


def test_then_it_is_the_papers():
    """Mean Teacher's alpha = min(1 - 1 / (step + 1), decay)."""
    points = path(100)
    _, average = walked(points, decay=0.9)
    wanted = points[0]
    for step, point in enumerate(points[1:], start=1):
        alpha = min(1 - 1 / (step + 1), 0.9)
        wanted = alpha * wanted + (1 - alpha) * point
    np.testing.assert_allclose(average.averages[0], wanted, rtol=1e-12)


@needs_torch
def test_without_a_ramp_it_is_pytorchs():
    points = path(50)
    _, average = walked(points, decay=0.9, ramp=False)
    model = torch.nn.Linear(3, 1, bias=False).double()
    model.weight.data[:] = torch.tensor(points[0])
    theirs = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for point in points:  # its first update copies
        model.weight.data[:] = torch.tensor(point)
        theirs.update_parameters(model)
    np.testing.assert_allclose(average.averages[0], theirs.module.weight.detach().numpy()[0], rtol=1e-12)


def test_swapping_in_and_out():
    w, average = walked(path(5))
    before = w.detach().numpy().copy()
    with average.average_parameters():
        assert np.array_equal(w.detach().numpy(), average.averages[0]) and w.requires_grad
    assert np.array_equal(w.detach().numpy(), before)
    with pytest.raises(ZeroDivisionError), average.average_parameters():
        _ = 1 / 0
    assert np.array_equal(w.detach().numpy(), before)


def test_a_teacher_in_the_middle_of_a_step():
    """Its forward between the student's forward and backward changes no gradient."""
    tl.manual_seed(0)
    model = Linear(3, 2)
    average = ExponentialMovingAverage(model.parameters(), decay=0.5)
    with tl.no_grad():
        model.weight.mul_(2)
    average.update()
    x = tl.randn(4, 3)
    student = model(x)
    with tl.no_grad(), average.average_parameters():
        teacher = model(x)
    ((student - teacher) ** 2).sum().backward()
    expected = 2 * (student - teacher).detach().numpy().T @ x.numpy()
    assert not np.allclose(teacher.numpy(), student.detach().numpy())
    np.testing.assert_allclose(model.weight.grad.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_write_after_the_swap_is_still_seen():
    w, average = walked(path(3))
    loss = (w * w).sum()
    with average.average_parameters():
        pass
    w.grad = tl.ones(3, dtype="float64")
    SGD([w]).step()
    with pytest.raises(tl.GradientError, match="changed in place"):
        loss.backward()


def test_copying_to_another_model():
    student, teacher = Linear(3, 2), Linear(3, 2)
    average = ExponentialMovingAverage(student.parameters())
    average.copy_to(teacher.parameters())
    assert np.array_equal(student.weight.detach().numpy(), teacher.weight.detach().numpy())
    with tl.no_grad():
        teacher.weight.zero_()
    assert average.averages[0].any()
    with pytest.raises(ValueError, match="as many parameters, of the same shapes"):
        average.copy_to([teacher.weight])


def test_resuming_is_exact(tmp_path):
    points = path(20)
    _, straight = walked(points, decay=0.9)
    _, first = walked(points[:8], decay=0.9)
    tl.save(first.state_dict(), tmp_path / "average.npz")
    w, second = walked(points[:1], decay=0.1, ramp=False)
    second.load_state_dict(tl.load(tmp_path / "average.npz"))
    for point in points[8:]:
        write(w, point)
        second.update()
    assert np.array_equal(straight.averages[0], second.averages[0]) and second.num_updates == 19


def test_the_state_is_a_copy():
    w, average = walked(path(3))
    state = average.state_dict()
    before = state["averages"][0].numpy().copy()
    write(w, 100.0)
    average.update()
    assert np.array_equal(state["averages"][0].numpy(), before)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: ExponentialMovingAverage([]), ValueError, "nothing to average"),
        (lambda: ExponentialMovingAverage([np.ones(2)]), TypeError, "0 is a ndarray; only floating-point Tensors"),
        (lambda: ExponentialMovingAverage([tl.tensor([1, 2])]), TypeError, "0 is a int64"),
        (lambda: ExponentialMovingAverage([tl.ones(2)], decay=1.5), ValueError, "decay is from 0 to 1, got 1.5"),
        (lambda: walked(path(2))[1].load_state_dict({}), ValueError, "needs what state_dict"),
        (
            lambda: walked(path(2))[1].load_state_dict(ExponentialMovingAverage([tl.ones(2)]).state_dict()),
            ValueError,
            "parameters of other shapes",
        ),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
