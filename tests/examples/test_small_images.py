"""The pictures that the deep networks learn, and how."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from examples.common import small_images as common
from tinygrad_lite.data import Images
from tinygrad_lite.data.parts import TrainTest
from tinygrad_lite.layers import Flatten, Linear, Sequential

for package in ("sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


def pictures(n: int, seed: int) -> Images:
    """Something in the place of CIFAR-10."""
    rng = np.random.default_rng(seed)
    return Images(rng.random((n, 3, 32, 32), np.float32) + np.float32(seed), np.arange(n) % 10)


def linear() -> Sequential:
    return Sequential(Flatten(), Linear(64, 10))


def test_pixels_are_means_over_four():
    x = np.arange(2 * 1 * 4 * 6, dtype=np.float32).reshape(2, 1, 4, 6)
    np.testing.assert_array_equal(common.halved(x), tl.avg_pool2d(tl.tensor(x), 2).numpy())


@pytest.mark.parametrize("quick", [True, False])
def test_parts_are_disjoint_and_scaled_by_what_is_trained_on(quick, monkeypatch):
    monkeypatch.setattr(common, "cifar10_subset", lambda: TrainTest(pictures(400, 0), pictures(40, 1)))
    train, held_out, test = common.small_images(quick)
    sizes = [len(part.labels) for part in (train, held_out, test)]
    assert sizes == ([1150, 288, 359] if quick else [300, 100, 40])
    assert train.images.shape[1:] == ((1, 8, 8) if quick else (3, 16, 16)) and train.images.dtype == np.float32
    np.testing.assert_allclose(train.images.mean((0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(train.images.std((0, 2, 3)), 1, atol=1e-3)
    if not quick:  # a shift of the test pictures is not scaled away: their statistics are not used
        assert test.images.mean() > 3
        seen = [{image.tobytes() for image in part.images} for part in (train, held_out)]
        assert len(seen[0] | seen[1]) == 400
    assert np.ptp(np.bincount(train.labels)) < 10


def test_the_rate_is_the_same_for_every_network_and_the_order_of_the_batches():
    images, labels = tl.data.digits()
    part = Images(images[:320], labels[:320])
    data, seen = common.Parts(part, part, part), []

    def history(seed):
        net = linear()
        order = []
        net.register_forward_pre_hook(lambda module, args: order.extend(args[0].numpy() if net.training else []))
        found = common.learn(net, data, seed, 15, 32, "test")
        seen.append(np.stack(order))
        return found

    rates = history(0).steps["lr"]
    history(0), history(1)
    np.testing.assert_allclose(rates[:100], 0.1 * np.arange(1, 101) / 100)
    np.testing.assert_allclose(rates[[100, 104, 105, -1]], [0.1, 0.1, 0.01, 0.01])
    assert np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[0], seen[2])


def test_a_network_is_measured_as_it_is_used():
    images, labels = tl.data.digits()
    net, data = linear(), Images(images[:700], labels[:700])
    said = net(data.images).detach().numpy().argmax(1)
    assert common.measured(net, data)["accuracy"] == pytest.approx((said == data.labels).mean())
