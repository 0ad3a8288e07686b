"""RevNet: every check, the measurements, a short training, and a test for each trap."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.small_images import Parts, small_images
from examples.training import revnet as rn
from tinygrad_lite.data import Images
from tinygrad_lite.layers import Sequential

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.fixture
def report(tmp_path) -> Report:
    return Report("revnet", tmp_path, {})


def failing(report: Report) -> list[str]:
    return [row.claim for row in report.rows if not row.passed]


def test_every_check_holds(report):
    rn.checks(report)
    assert len(report.rows) == 7 and failing(report) == []


def test_a_tape_that_stores_would_read_what_was_overwritten():
    """The check by NaN finds activations that are kept."""
    blocks, x = rn.row(2).double(), np.random.default_rng(0).normal(size=(2, 16, 4, 4))
    assert np.isnan(rn.gradients(rn.Stored(*blocks), x, overwrite=True)[0]).all()
    assert not any(np.isnan(g).any() for g in rn.gradients(rn.row(2).double(), x, overwrite=True))


def test_the_path_through_g_counts(report, monkeypatch):
    """Algorithm 1 without (dG/dz1)' dL/dy2 is another gradient."""

    def wrong(b, y, dy):
        """As if y1 were not an input of G."""
        (z1, y2), (dy1, dy2) = tl.chunk(y, 2, 1), tl.chunk(dy, 2, 1)
        b.g(z1).backward(dy2)
        x2 = (y2 - b.g(z1)).detach().requires_grad_()
        f = b.f(x2)
        f.backward(dy1)
        return tl.concatenate([(z1 - f).detach(), x2.detach()], 1), tl.concatenate([dy1, dy2 + x2.grad], 1)

    monkeypatch.setattr(rn, "algorithm_1", wrong)
    rn.checks(report)
    assert failing(report) == ["algorithm 1, block by block: the same gradients"]


def test_algorithm_1_undoes_a_block():
    (b,), x = rn.row(1).double(), tl.randn(3, 16, 5, 5, dtype="float64")
    back, _ = rn.algorithm_1(b, b(x), tl.ones_like(x))
    np.testing.assert_allclose(back, x, atol=1e-12)


def test_running_statistics_would_move_twice_in_a_recomputation_that_is_not_marked():
    x = np.random.default_rng(0).normal(size=(3, 16, 5, 5))
    once, twice = rn.row(2).double(), rn.row(2).double()
    rn.gradients(once, x)
    rn.by_hand(twice, x)
    counts = [[b.item() for name, b in net.named_buffers() if "num_batches" in name] for net in (once, twice)]
    assert counts[0] == [1] * 8 and counts[1] == [2] * 8


def test_memory_is_flat_only_where_nothing_is_kept():
    x, kept = tl.randn(64, 3, 8, 8), []
    few, many = ([rn.peak(rn.network(kind, 3, n, (16,)), x) for kind in rn.SIZES] for n in (2, 8))
    growth = dict(zip(rn.SIZES, np.subtract(many, few)))
    assert many[1] < 1.15 * few[1]
    assert growth["RevNet"] < 0.05 * growth["ResNet"] and growth["RevNet"] < 0.05 * growth["RevNet, stored"]
    net = rn.network("RevNet", 3, 8, (16,))
    for b in net.stages[0]:
        b.f.register_forward_hook(lambda module, args, output: kept.append(output))  # holds on to its part of the tape
    assert rn.peak(net, x) > many[1] + 500_000


def test_inverting_gets_worse_with_depth_and_better_with_digits():
    tl.manual_seed(0)
    single, double = (rn.inversion(dtype, 0) for dtype in ("float32", "float64"))
    assert single[0] < single[-1] < 1e-3 and double[-1] < 1e-10 and len(single) == len(rn.INVERTED)


def test_a_step_takes_longer_but_not_twice_as_long_by_count():
    assert 0.5 < rn.slowdown("RevNet", 0, 16, 3) < 4  # loose: the machine may be busy


def test_a_short_training_learns():
    train, held_out, test = small_images(quick=True)
    data = Parts(Images(train.images[:640], train.labels[:640]), held_out, test)
    for kind in ("RevNet", "ResNet"):
        tl.manual_seed(0)
        found = rn.train(kind, 0, data, 4, 32)
        assert found["losses"][-1] < 0.5 * found["losses"][0] and found["accuracy"] > 0.5, kind
        assert found["angle"] < 0.1 if kind == "RevNet" else found["angle"] is None


def test_the_angle_sees_another_gradient():
    train = small_images(quick=True).train
    net = rn.network("RevNet", 1, *rn.SIZES["RevNet"])
    assert rn.angle(net, train) < 0.01
    net = rn.network("RevNet", 1, *rn.SIZES["RevNet"])
    honest = rn.storing

    def another(net):
        with tl.no_grad():
            net.fc.weight *= 1.1
        return honest(net)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rn, "storing", another)
        assert rn.angle(net, train) > 0.1


def test_storing_changes_no_parameter():
    net = rn.network("RevNet", 3, *rn.SIZES["RevNet"])
    before = net.state_dict()
    after = rn.storing(net).state_dict()
    assert list(before) == list(after) and isinstance(net.stages[0], Sequential)


# ------------------------------------------------------------------------------------ the program


def test_a_quick_run_reports(tmp_path, monkeypatch):
    sizes = {"ResNet": [1, 2, 4, 8], "RevNet": [1, 1, 1, 1], "RevNet, stored": [1, 2, 4, 8]}
    right = {"ResNet": 0.97, "RevNet": 0.96, "RevNet, stored": 0.96}
    monkeypatch.setattr(rn, "memory", lambda images: sizes)
    monkeypatch.setattr(rn, "inversion", lambda dtype, seed: [1e-5] * len(rn.INVERTED))
    monkeypatch.setattr(rn, "slowdown", lambda *_: 1.3)
    monkeypatch.setattr(rn, "train", lambda kind, *_: {"accuracy": right[kind], "losses": [1, 0.5], "angle": 0.1})
    for name in ("memory", "inversion", "slowdown", "train"):
        getattr(rn, name).__name__ = name
    assert program.main(["revnet", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"].startswith("memory of 32 blocks 1.00") and (tmp_path / "figure.png").exists()
    sizes["RevNet"] = [1, 1, 1, 2]
    assert program.main(["revnet", "--quick", "--out", str(tmp_path)]) == 1
    sizes["RevNet"], right["RevNet"] = [1, 1, 1, 1], 0.9
    assert program.main(["revnet", "--quick", "--out", str(tmp_path)]) == 1
