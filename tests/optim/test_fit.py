"""fit: what a step does, what is measured, kept and shown, and what it refuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.training import line
from tinygrad_lite.data import DataLoader
from tinygrad_lite.layers import BatchNorm1d, Dropout, Linear, Sequential
from tinygrad_lite.optim import (
    LBFGS,
    SGD,
    Adam,
    EarlyStopping,
    ExponentialLR,
    ExponentialMovingAverage,
    ReduceLROnPlateau,
    accuracy,
    evaluate,
    fit,
)

ROOT = Path(__file__).parents[2]


# ------------------------------------------------------------------------------- what a step does


def data(n=20):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    return x, (x.sum(1) > 0).astype(np.int64)


def test_it_does_what_one_would_write_by_hand():
    x, y = data()

    def start():
        tl.manual_seed(2)
        model = Sequential(Linear(3, 4), BatchNorm1d(4), Dropout(0.2), Linear(4, 2)).double()
        batches = DataLoader(x, y, batch_size=8, shuffle=True)
        return model, Adam(model.parameters(), lr=0.05), batches

    ours, optimizer, batches = start()
    history = fit(ours, optimizer, tl.cross_entropy, batches, 3, metrics={"accuracy": accuracy}, progress=False)
    model, optimizer, batches = start()
    losses, right = [], []
    for _ in range(3):
        for inputs, target in batches:
            output = model(inputs)
            loss = tl.cross_entropy(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right.append((output.detach().numpy().argmax(1) == target.numpy()).mean())
    assert history.steps["loss"].tolist() == losses and history.steps["accuracy"].tolist() == right
    assert history.steps["items"].tolist() == [8, 8, 4] * 3 and history.epochs["step"].tolist() == [3, 6, 9]
    means = np.reshape(losses, (3, 3)) @ [8, 8, 4] / 20
    np.testing.assert_allclose(history.epochs["loss"], means, rtol=1e-14)
    for name, value in model.state_dict().items():
        assert np.array_equal(ours.state_dict()[name].numpy(), value.numpy()), name
    assert ours.training


def test_evaluation_is_in_inference_mode_and_weighs_batches_by_their_items():
    x, y = data()
    model = Sequential(Linear(3, 4), BatchNorm1d(4), Dropout(0.5), Linear(4, 2)).double()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    found = evaluate(model, tl.cross_entropy, DataLoader(x, y, batch_size=7), {"accuracy": accuracy})
    assert model.training
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    whole = model.eval()(tl.tensor(x, dtype="float64"))
    assert found["loss"] == pytest.approx(tl.cross_entropy(whole, y).item(), rel=1e-12)
    assert found["accuracy"] == pytest.approx((whole.detach().numpy().argmax(1) == y).mean())
    assert not model.training
    evaluate(model, tl.cross_entropy, [(x, y)])
    assert not model.training, "it was in inference mode before"


def test_a_schedule_steps_by_the_step_or_by_the_epoch():
    def halved(model, optimizer):
        return ExponentialLR(optimizer, 0.5)

    history = line(epochs=2, schedule=halved, schedule_by="step")[2]
    np.testing.assert_allclose(history.steps["lr"], 0.1 * 0.5 ** np.arange(8))
    history = line(epochs=2, schedule=halved)[2]
    np.testing.assert_allclose(history.steps["lr"], 0.1 * 0.5 ** np.repeat([0, 1], 4))


@pytest.mark.parametrize("monitor", [None, "loss", "validation_off"])
def test_plateaus_and_early_stopping_are_given_what_is_monitored(monitor):
    given, x = [], tl.ones(2, 1)

    class Plateau(ReduceLROnPlateau):
        def step(self, metrics):
            given.append(metrics)
            super().step(metrics)

    class Enough(EarlyStopping):
        def step(self, metric):
            given.append(metric)
            return super().step(metric)

    metrics = {"off": lambda output, target: float((output - target).abs().mean())}
    options = {"validate": [(x, x)], "metrics": metrics, "monitor": monitor, "early_stopping": Enough()}
    history = line(epochs=2, schedule=lambda _, optimizer: Plateau(optimizer), **options)[2]
    assert given == np.repeat(history.epochs[monitor or "validation_loss"], 2).tolist()


def test_gradients_are_clipped_to_a_norm_before_the_step():
    model, _, _ = line(epochs=1, clip=1e-6)
    start = line(epochs=0)[0]
    moved = np.hypot(*(p.item() - q.item() for p, q in zip(model.parameters(), start.parameters())))
    assert 0 < moved < 4.1 * 0.1 * 1e-6


def test_what_clips_may_be_any_function():
    def clip(model, optimizer):
        def to_nothing():
            assert model.weight.grad is not None
            model.weight.grad = tl.zeros_like(model.weight.grad)

        return to_nothing

    start, model = line(epochs=0)[0], line(epochs=1, clip=clip)[0]
    assert model.weight.item() == start.weight.item() and model.bias.item() != start.bias.item()


def test_an_average_is_updated_after_each_step_and_judged_and_kept_in_place_of_the_weights(tmp_path):
    seen = []

    class Zero(ExponentialMovingAverage):
        """An average that learns nothing, so that it is known what must be found."""

        def update(self):
            seen.append(self.parameters[0].item())

    def made(model, optimizer):
        average = Zero(model.parameters())
        average.averages = [np.zeros_like(a) for a in average.averages]
        return average

    x = tl.ones(2, 1)
    model, _, history = line(epochs=2, average=made, validate=[(x, 3 * x)], checkpoint=tmp_path / "a.npz")
    assert len(seen) == 8 and seen[-1] == model.weight.item() != 0
    assert history.epochs["validation_loss"].tolist() == [9.0, 9.0]
    best = tl.load(tmp_path / "a.best.npz")
    assert best["model"]["weight"].item() == 0 and best["epoch"] == 1 and best["validation_loss"] == 9.0


@pytest.mark.parametrize(("mode", "epoch"), [("min", 2), ("max", 4)])
def test_the_best_weights_are_kept(tmp_path, mode, epoch):
    scores, weights = iter([3.0, 1.0, 2.0, 5.0, float("nan")]), []

    class Watch(EarlyStopping):
        def step(self, value):
            weights.append(model.weight.item())

    x = tl.ones(2, 1)
    model = Linear(1, 1)
    options = {"monitor": "score", "mode": mode, "checkpoint": tmp_path / "a.npz", "progress": False}
    metrics = {"score": lambda output, target: next(scores)}
    optimizer = SGD(model.parameters(), lr=0.1)
    fit(model, optimizer, tl.mse_loss, [(x, 3 * x)], 5, metrics=metrics, early_stopping=Watch(), **options)
    best = tl.load(tmp_path / "a.best.npz")
    assert best["epoch"] == epoch and best["model"]["weight"].item() == weights[epoch - 1]
    assert len(set(weights)) == 5


def test_early_stopping_ends_the_training_and_it_stays_ended(tmp_path):
    options = {"early_stopping": EarlyStopping(patience=2), "lr": 0.0, "checkpoint": tmp_path / "a.npz"}
    assert line(epochs=9, **options)[2].epochs.rows == 3
    _, _, history = line(epochs=9, resume=True, **options)
    assert history.epochs.rows == 3 and history.stopped


def test_a_single_array_is_input_and_target():
    model = Linear(2, 2)
    fit(model, SGD(model.parameters(), lr=0.3), tl.mse_loss, [tl.randn(16, 2)], 300, progress=False)
    np.testing.assert_allclose(model.weight.detach().numpy(), np.eye(2), atol=0.05)


def test_an_optimizer_may_ask_for_the_loss_several_times():
    x = tl.linspace(-1, 1, 16).reshape(16, 1)
    model = Linear(1, 1)
    optimizer = LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history = fit(model, optimizer, tl.mse_loss, [(x, 2 * x + 1)], 3, progress=False)
    assert history.steps.rows == 3 and history.steps["loss"][2] < 1e-10


# ------------------------------------------------------------------------------------ what goes wrong


def test_a_loss_that_is_not_finite_names_the_step_and_leaves_the_weights_and_the_checkpoint(tmp_path):
    path = tmp_path / "a.npz"
    x = np.ones((12, 1), np.float32)
    x[9] = np.nan
    model = Linear(1, 1)
    fit(model, SGD(model.parameters(), lr=0.1), tl.mse_loss, [(x[:4], x[:4])], 1, checkpoint=path, progress=False)
    kept, weight = path.read_bytes(), model.weight.item()
    optimizer = SGD(model.parameters(), lr=0.0)
    batches = [(x[k : k + 4], x[k : k + 4]) for k in (0, 4, 8)]
    options = {"checkpoint": path, "progress": False}
    with pytest.raises(FloatingPointError, match=r"step 3: the loss is nan, with lr=0: the batch itself .*; .*a\.npz"):
        fit(model, optimizer, tl.mse_loss, batches, 1, **options)
    assert path.read_bytes() == kept and model.weight.item() == weight
    history = fit(model, optimizer, tl.mse_loss, batches, 1, check_finite=False, **options)
    assert np.isnan(history.steps["loss"]).tolist() == [False, False, True]


def test_a_loss_that_explodes_says_what_to_try():
    with pytest.raises(
        FloatingPointError, match=r"fit: step \d+: the loss is (inf|nan), with lr=1e\+05: the learning rate"
    ):
        line(epochs=20, lr=1e5)


def test_weights_that_are_not_finite_never_take_the_place_of_good_ones(tmp_path):
    path = tmp_path / "a.npz"
    line(epochs=1, checkpoint=path)
    kept = path.read_bytes()

    def spoil(model, optimizer):
        def clip():
            model.weight.grad = model.weight.grad * np.float32(np.inf)

        return clip

    with pytest.raises(FloatingPointError, match=r"step 2: .* a weight that is inf or nan; .*a\.npz is as it was"):
        line(epochs=1, clip=spoil, checkpoint=path, save_every=1)
    assert path.read_bytes() == kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"monitor": "accuracy"}, "monitor='accuracy' is not measured; there is loss"),
        ({"mode": "least"}, "mode is 'min' or 'max', got 'least'"),
        ({"schedule_by": "batch"}, "schedule_by is 'epoch' or 'step'"),
        ({"epochs": -1}, "epochs is a number from 0 on"),
        ({"save_every": 0, "checkpoint": "a.npz"}, "save_every from 1 on"),
        ({"resume": True}, "need checkpoint"),
        ({"save_every": 5}, "need checkpoint"),
        ({"checkpoint": "a.ckpt"}, r"must end in .npz or .safetensors"),
        ({"batches": []}, "no batches"),
        ({"batches": iter([])}, "a list_iterator, which is used up after one epoch"),
        ({"validate": [], "batches": [tl.ones(2, 1)]}, "no batches"),
    ],
    ids=lambda v: "",
)
def test_options_that_do_not_fit_are_refused(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Linear(1, 1)
    options = {"epochs": 2, "batches": [tl.ones(2, 1)], "progress": False, **options}
    with pytest.raises((ValueError, TypeError), match=words):
        fit(
            model,
            SGD(model.parameters(), lr=0.1),
            tl.mse_loss,
            options.pop("batches"),
            options.pop("epochs"),
            **options,
        )
    assert not os.listdir(tmp_path)


def test_accuracy_refuses_what_does_not_fit():
    assert accuracy(tl.tensor([[[0.0, 3.0], [1.0, 2.0]]], requires_grad=True), tl.tensor([[1, 1]])) == 0.5
    with pytest.raises(ValueError, match=r"\(N, C, ...\) .*got \(3, 2\) and \(3, 1\)"):
        accuracy(tl.zeros(3, 2), tl.zeros(3, 1))


# ------------------------------------------------------------------------------------ what is shown


def test_the_bar_shows_the_rate_and_the_metrics(capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    line(epochs=3, progress="a line")
    shown = capsys.readouterr().err
    assert "a line: 100%" in shown and "12/12" in shown and "step/s" in shown and "epoch 3/3, loss 0." in shown


def test_without_tqdm_there_is_a_line_an_epoch(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    line(epochs=3, progress=True)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 3 and shown[2].startswith("fit: epoch 3/3, loss 0.") and shown[2].endswith(" steps/s")


def test_without_progress_nothing_is_shown(capsys):
    line(epochs=1)
    assert capsys.readouterr() == ("", "")


def test_nothing_in_the_library_needs_fit():
    files = [p for folder in ("tinygrad_lite", "layers", "optim") for p in (ROOT / folder).rglob("*.py")]
    of_fit = ("fit", "progress", "evaluate")
    users = {p.name for p in files if any(f"tinygrad_lite.optim.{name} import" in p.read_text() for name in of_fit)}
    assert users == {"__init__.py", "fit.py"}
