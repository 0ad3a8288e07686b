"""Ghost batches, and what examples that classify share."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from examples.common import Experiment, command_line
from examples.common.classifying import as_trained, parts, right, search, stream, training
from examples.common.ghosts import Ghosts, small_network
from tinygrad_lite import layers as nn
from tinygrad_lite.data import Images
from tinygrad_lite.optim import SGD

FREE = {"warmup_steps": 0, "r_steps": 0, "d_steps": 0}
NORMS = {
    "1d": lambda: nn.BatchNorm1d(3, momentum=0.3),
    "2d": lambda: nn.BatchNorm2d(3, momentum=0.3),
    "renorm 1d": lambda: nn.BatchRenorm1d(3, momentum=0.3, **FREE),
    "renorm 2d": lambda: nn.BatchRenorm2d(3, momentum=0.3, **FREE),
}


@pytest.mark.parametrize("name", NORMS)
def test_each_group_is_normalised_by_itself_and_the_averages_follow_their_mean(name):
    x = np.random.default_rng(0).normal(2, 3, (12, 3) if "1d" in name else (12, 3, 2, 2))
    g = np.random.default_rng(1).normal(size=x.shape)
    ghosts = Ghosts(NORMS[name]().double(), 4)
    leaf = tl.tensor(x, requires_grad=True)
    y = ghosts(leaf)
    dx, dw = tl.grad(y, [leaf, ghosts.norm.weight], g)
    weights, buffers = 0, []
    for k in range(4):
        alone, part = NORMS[name]().double(), tl.tensor(x[k::4], requires_grad=True)
        out = alone(part)
        dpart, dweight = tl.grad(out, [part, alone.weight], g[k::4])
        np.testing.assert_allclose(y.detach().numpy()[k::4], out.detach().numpy(), atol=1e-12)
        np.testing.assert_allclose(dx.numpy()[k::4], dpart.numpy(), atol=1e-12)
        weights = weights + dweight.numpy()
        buffers.append([b.numpy().copy() for b in alone.buffers()])
    np.testing.assert_allclose(dw.numpy(), weights, atol=1e-12)
    for ours, theirs in zip(ghosts.norm.buffers(), zip(*buffers)):
        np.testing.assert_allclose(ours.numpy(), np.mean(theirs, axis=0), atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_inference_and_whole_batches_are_the_layers_own(name):
    x = tl.tensor(np.random.default_rng(0).normal(size=(4, 3) if "1d" in name else (4, 3, 2, 2)))
    one, other = Ghosts(NORMS[name]().double(), 1), NORMS[name]().double()
    assert np.array_equal(one(x).detach().numpy(), other(x).detach().numpy())
    four = Ghosts(other, 4).eval()
    assert np.array_equal(four(x[:3]).detach().numpy(), other.eval()(x[:3]).detach().numpy())  # 3 is no multiple of 4


def test_the_parts_of_the_digits_are_disjoint_and_always_the_same():
    train, held, test = parts("digits")
    assert [len(part.labels) for part in (train, held, test)] == [1150, 288, 359]
    assert np.array_equal(parts("digits")[1].images, held.images)
    few = parts("digits", 300)[0]
    assert len(few.labels) == 300 and np.bincount(few.labels).min() >= 28
    known = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in known for part in (held, test) for image in part.images)


def test_centred_images_have_the_mean_and_the_deviation_of_those_to_train_on():
    plain, centred = parts("digits"), parts("digits", centred=True)
    mean, deviation = plain[0].images.mean(), plain[0].images.std()
    assert abs(centred[0].images.mean()) < 1e-5 and abs(centred[0].images.std() - 1) < 1e-5
    for before, after in zip(plain, centred):
        np.testing.assert_allclose(after.images * deviation + mean, before.images, atol=1e-6)
        assert np.array_equal(before.labels, after.labels)


def test_as_trained_is_normalised_by_what_it_gets_and_leaves_the_averages():
    net = nn.Sequential(nn.BatchNorm1d(3))
    x = np.random.default_rng(0).normal(5, 2, (50, 3)).astype(np.float32)
    found = as_trained(net, x)
    np.testing.assert_allclose([found.mean(0), found.std(0)], [[0] * 3, [1] * 3], atol=1e-4)
    assert net[0].running_mean.numpy().max() == 0 and net[0].running_var.numpy().min() == 1
    assert int(net[0].num_batches_tracked) == 0


def test_training_makes_so_many_steps_and_learns():
    tl.manual_seed(0)
    train, held, _ = parts("digits")
    net = small_network(nn.BatchNorm2d)
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    assert list(training(net, optimizer, stream(train, 64, 0), 40, "test")) == list(range(41))  # two epochs and more
    assert net.training and right(net, held) > 0.6 and net.training  # right() puts the mode back


def test_right_counts_in_inference():
    class Net(nn.Module):
        def forward(self, x):
            assert not self.training
            return x[:, 0, 0]

    images = np.float32([[[[0, 1]]], [[[1, 0]]], [[[2, 0]]], [[[0, 3]]]])
    assert right(Net(), Images(images, np.array([1, 0, 1, 1]))) == 0.75


def test_the_search_tries_five_rates_and_goes_on_where_the_best_is_at_an_end(tmp_path):
    best = {"inside": 0.09, "above": 2.43, "below": 0.01 / 3}

    def work(name, seed, quick, lr):
        assert seed == 100
        return {"score": -abs(lr - best[name])}

    args = command_line("test", "").parse_args(["--out", str(tmp_path)])
    with Experiment(__file__, args) as run:
        search(run, work, list(best), 0.01)
    assert [row.measured for row in run.report.rows] == ["0.09", "2.43", "0.003333"]
    assert [len(row.values) for row in run.report.rows] == [5, 7, 7]
