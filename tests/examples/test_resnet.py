"""ResNet: every check, what is measured, a short training, and that none of the traps is fallen into."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report
from examples.common.small_images import Parts, small_images
from examples.vision import resnet as rn
from tinygrad_lite.data import Images
from tinygrad_lite.layers import BasicBlock, BatchNorm2d, Identity, ResNet

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.fixture
def report(tmp_path) -> Report:
    return Report("resnet", tmp_path, {})


def failing(report: Report) -> list[str]:
    """The rows that fail, by their first words."""
    return [row.claim for row in report.rows if not row.passed]


def test_every_check_holds(report):
    rn.checks(report)
    assert len(report.rows) == 10 and failing(report) == []


def test_twins_begin_with_the_same_weights():
    states = []
    for name in ("plain-20", "residual-20"):
        tl.manual_seed(0)
        states.append(rn.network(name, 3).state_dict())
    assert list(states[0]) == list(states[1])
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)


def test_shortcuts_with_parameters_are_noticed(report, monkeypatch):
    def projecting(name, channels):
        kind, depth = name.split("-")
        return ResNet((int(depth) - 2) // 6, rn.WIDTHS, channels, shortcut="B" if kind == "residual" else "none")

    monkeypatch.setattr(rn, "network", projecting)
    rn.checks(report)
    assert "as many parameters with shortcuts as without, 56 layers" in failing(report)


def test_a_plain_network_without_batch_norm_is_noticed(report, monkeypatch):
    honest = rn.network

    def crippled(name, channels):
        net = honest(name, channels)
        if name == "plain-8":
            net.layer1[0].bn2 = Identity()
        return net

    monkeypatch.setattr(rn, "network", crippled)
    rn.checks(report)
    assert "a batch norm after each convolution of both, 8 layers" in failing(report)


def test_the_extension_is_a_deep_network_whose_new_layers_count():
    net, x = rn.network("plain-8", 1), tl.randn(16, 1, 8, 8)
    net(x)  # running statistics of its own
    deep = rn.extended(net, rn.network("plain-20", 1)).eval()
    assert len(rn.of_type(deep, BasicBlock)) == 9 and len(rn.of_type(net, BasicBlock)) == 3
    np.testing.assert_allclose(deep(x).detach(), net.eval()(x).detach(), atol=1e-5)
    with tl.no_grad():
        deep.layer2[2].conv1.weight *= 0.5
    assert abs(deep(x) - net(x)).max().item() > 1e-3


def test_responses_are_the_deviations_after_batch_norm():
    net = rn.network("residual-8", 1)
    rng = np.random.default_rng(0)
    for norm in rn.of_type(net, BatchNorm2d):
        norm.load_state_dict({**norm.state_dict(), "weight": rng.normal(size=norm.num_features).astype(np.float32),
                              "bias": rng.normal(size=norm.num_features).astype(np.float32)})  # fmt: skip
    x = tl.randn(64, 1, 8, 8)
    with tl.no_grad():
        measured = float(net.bn1(net.conv1(x)).numpy().std())
    assert rn.responses(net)[0] == pytest.approx(measured, rel=1e-3) and len(rn.responses(net)) == 7


def test_gradients_fare_as_the_paper_fears():
    tl.manual_seed(0)
    assert rn.gradient_ratio("plain-32", 0) > 3 * rn.gradient_ratio("residual-32", 0)


def test_a_short_training_learns():
    train, held_out, test = small_images(quick=True)
    data = Parts(Images(train.images[:640], train.labels[:640]), held_out, test)
    tl.manual_seed(0)
    found = rn.train("residual-8", 0, data, 5, 32)
    assert found["losses"][-1] < 0.4 * found["losses"][0] and found["test error"] < 0.4
    assert [len(found[k]) for k in ("losses", "training error", "held-out error", "responses")] == [5, 5, 5, 7]


# ------------------------------------------------------------------------------------ the program


def result(loss: float, **other) -> dict:
    """What `train` returns."""
    falling = [loss + 0.3, loss + 0.2, loss]
    return {"loss": loss, "losses": falling, "training error": [0.5, 0.4, 0.3], "held-out error": [0.5, 0.4, 0.4],
            "test error": 0.4, "responses": [1.0, 1.0], "parameters": 1, "extended": [1.0, 1.0], **other}  # fmt: skip


HONEST = {"plain-20": 1.2, "plain-56": 2.0, "residual-20": 0.8, "residual-56": 0.7}
RATIOS = {"plain-20": [9.0], "plain-56": [2000.0], "residual-20": [4.0], "residual-56": [10.0]}


def judged(report: Report, **changed) -> list[str]:
    runs = {name: [result(loss)] for name, loss in HONEST.items()} | {
        k.replace("_", "-"): v for k, v in changed.items()
    }
    rn.judge(report, runs, RATIOS, quick=False)
    return [row.claim for row in report.rows if not row.passed and row.kind != "CLAIM"]


def test_the_gates_are_about_the_training_loss(report):
    """The deep plain network may overfit less: its test error decides nothing."""
    assert judged(report, plain_56=[result(2.0, **{"test error": 0.1})]) == []


def test_a_small_difference_fails(report):
    assert judged(report, plain_56=[result(1.25)]) == ["training loss, last 100 steps: plain-56 - plain-20"]


def test_divergence_is_not_degradation(report):
    (failed,) = judged(report, plain_56=[result(2.0, losses=[2.0, 1.9, 2.3])])
    assert "does not diverge" in failed


def test_an_extension_of_another_loss_is_noticed(report):
    (failed,) = judged(report, plain_20=[result(1.2, extended=[1.0, 1.001])])
    assert "identity layers" in failed


def test_a_quick_run_reports(tmp_path, monkeypatch):
    losses = {"plain-8": 0.1, "plain-32": 1.0, "residual-8": 0.1, "residual-32": 0.2}
    monkeypatch.setattr(rn, "train", lambda name, *_: result(losses[name]))
    monkeypatch.setattr(rn, "gradient_ratio", lambda name, seed: RATIOS[name][0])
    rn.train.__name__, rn.gradient_ratio.__name__ = "train", "gradient_ratio"
    assert program.main(["resnet", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["passed"] and (tmp_path / "figure.png").exists() and "plain-32 1.00" in found["headline"]
    losses["plain-32"] = 0.2
    assert program.main(["resnet", "--quick", "--out", str(tmp_path)]) == 1
