"""fit: what a step does, what is measured and kept, and that a training goes on as if it had never been stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.optim.training import BATCH, EPOCHS, ITEMS, train
from tinygrad_lite.data import DataLoader
from tinygrad_lite.layers import BatchNorm1d, Dropout, Linear, Sequential
from tinygrad_lite.optim import (
    LBFGS,
    SGD,
    Adam,
    Checkpoint,
    EarlyStopping,
    ExponentialLR,
    ExponentialMovingAverage,
    Interrupted,
    ReduceLROnPlateau,
    Replayed,
    accuracy,
    evaluate,
    fit,
)

ROOT = Path(__file__).parents[2]
STEPS_AN_EPOCH = -(-ITEMS // BATCH)
quick = settings(max_examples=15, deadline=None, derandomize=True)


class Killed(BaseException):
    """What ends a training in this process, as a kill does one of its own."""


def kill_at(step, error=Killed):
    """A metric that ends the training in this step, and else measures nothing."""
    seen = []

    def metric(output, target):
        seen.append(1)
        if len(seen) == step:
            raise error
        return 0.0

    return metric


def state_of(path):
    """All of a checkpoint but the time that it took."""
    state = tl.load(path)
    del state["history"]["seconds"]
    return state


def assert_same(a, b, place=""):
    """Two states are equal, bit for bit."""
    assert type(a) is type(b), place
    if isinstance(a, list):
        a, b = dict(enumerate(a)), dict(enumerate(b))
    if isinstance(a, dict):
        assert list(a) == list(b), place
        for key in a:
            assert_same(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, tl.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape, place
        assert a.numpy().tobytes() == b.numpy().tobytes(), f"{place} differs"
    else:
        assert a == b or a != a, f"{place}: {a} and {b}"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The checkpoint of a training that nobody disturbed; what comes after it finds its kernels compiled."""
    path = tmp_path_factory.mktemp("unbroken") / "state.npz"
    train(path, save_every=1)
    return path


# ------------------------------------------------------------------------------------- resumption


def test_killed_at_random_moments_and_resumed_equals_an_unbroken_run_bit_for_bit(unbroken, tmp_path_factory):
    path, whole = (tmp_path_factory.mktemp(name) / "state.npz" for name in ("killed", "whole"))
    program = [sys.executable, "-m", "tests.optim.training"]
    subprocess.run([*program, str(whole)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    rng, kills = random.Random(3), 0
    for _ in range(20):
        with subprocess.Popen([*program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.12))
            if kills < 3:
                process.send_signal(signal.SIGKILL)
            said = process.stdout.read()
        kills += process.returncode == -signal.SIGKILL
        if "done" in said or process.returncode == 0:
            break
    assert kills >= 2, "the training was too fast to be killed, and nothing was tested"
    assert_same(state_of(path), state_of(whole))
    best = [p.with_suffix(".best.npz").read_bytes() for p in (path, whole)]
    assert best[0] == best[1]
    assert sorted(p.name for p in path.parent.iterdir()) == ["state.best.npz", "state.npz"], "half a file is left"


@quick
@given(
    stop=st.integers(1, EPOCHS * STEPS_AN_EPOCH),
    again=st.integers(1, EPOCHS * STEPS_AN_EPOCH),
    save_every=st.none() | st.integers(1, 2 * STEPS_AN_EPOCH),
    seed=st.none() | st.just(4),
)
def test_ended_in_any_step_twice_and_resumed_equals_an_unbroken_run(tmp_path_factory, stop, again, save_every, seed):
    folder = tmp_path_factory.mktemp("run")
    options = {"epochs": 3, "save_every": save_every, "seed": seed}
    for step in (stop, again):
        try:
            train(folder / "a.npz", resume=True, metrics={"m": kill_at(step)}, **options)
        except Killed:
            tl.manual_seed(99)
    train(folder / "a.npz", resume=True, metrics={"m": kill_at(0)}, **options)
    train(folder / "b.npz", metrics={"m": kill_at(0)}, **options)
    assert_same(state_of(folder / "a.npz"), state_of(folder / "b.npz"))


class Windows:
    """Batches without a state, in an order and with noise that come from the library's generator."""

    def __iter__(self):
        for k in tl.randperm(12).tolist():
            x = tl.rand(4, 2) + k
            yield x, x.sum(axis=1, keepdims=True)


@quick
@given(stop=st.integers(1, 36), save_every=st.integers(1, 15))
def test_batches_without_a_state_are_resumed_too(tmp_path_factory, stop, save_every):
    folder = tmp_path_factory.mktemp("run")

    def run(path, step):
        tl.manual_seed(0)
        model = Sequential(Linear(2, 8), BatchNorm1d(8), Dropout(0.5), Linear(8, 1))
        options = {"checkpoint": path, "save_every": save_every, "resume": True, "progress": False}
        fit(model, Adam(model.parameters()), tl.mse_loss, Windows(), 3, metrics={"m": kill_at(step)}, **options)

    with pytest.raises(Killed):
        run(folder / "a.npz", stop)
    run(folder / "a.npz", 0)
    run(folder / "b.npz", 0)
    assert_same(state_of(folder / "a.npz"), state_of(folder / "b.npz"))


def test_more_epochs_go_on_from_a_training_that_is_done(tmp_path, unbroken):
    train(tmp_path / "a.npz", epochs=2)
    _, history = train(tmp_path / "a.npz", resume=True, epochs=2)
    assert history.epochs.rows == 2
    train(tmp_path / "a.npz", resume=True)
    assert_same(state_of(tmp_path / "a.npz"), state_of(unbroken))


def test_without_resume_a_training_starts_anew(tmp_path):
    for _ in range(2):
        _, history = train(tmp_path / "a.npz", epochs=1)
        assert history.epochs.rows == 1


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    train(path, epochs=1)
    model = Linear(2, 1)
    options = {"checkpoint": path, "resume": True, "progress": False}
    with pytest.raises(ValueError, match=r"a\.npz holds average, .*, and not batches, .*other options"):
        fit(model, SGD(model.parameters(), lr=0.1), tl.mse_loss, [], 1, **options)
    with pytest.raises(ValueError, match="DataLoader: .*batch_size=8 and not 4"):
        DataLoader(np.zeros(ITEMS), batch_size=4, shuffle=True).load_state_dict(tl.load(path)["batches"])


def test_a_part_that_does_not_fit_is_named_and_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "new" / "a.npz"
    Checkpoint(path, net=Linear(2, 1)).save()
    with pytest.raises(RuntimeError) as caught:
        Checkpoint(path, net=Linear(3, 1)).restore()
    assert f"'net' of {path}" in caught.value.__notes__[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint(path, net=Linear(2, 1)).restore()
    assert not Checkpoint(tmp_path / "none.npz", net=Linear(2, 1)).restore()


def test_what_has_no_state_can_not_be_part_of_a_checkpoint(tmp_path):
    class Plain:
        def step(self):
            pass

    with pytest.raises(TypeError, match="schedule is a Plain without state_dict and load_state_dict"):
        line(epochs=1, schedule=lambda *_: Plain(), checkpoint=tmp_path / "a.npz")
    assert line(epochs=1, schedule=lambda *_: Plain())[2].epochs.rows == 1


def test_what_a_process_left_that_was_killed_while_it_wrote_is_cleared_away(tmp_path):
    checkpoint = Checkpoint(tmp_path / "a.npz", net=Linear(2, 1))
    checkpoint.save()
    others = [".b.npz.0f.part", "a.npz.part"]
    for name in [".a.npz.0f.part", ".a.best.npz.1e.part", *others]:
        (tmp_path / name).write_bytes(b"half")
    assert checkpoint.restore()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.npz", *others])


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


def line(**options):
    """A line is fitted, four batches an epoch; returns model, optimizer, history."""
    tl.manual_seed(0)
    x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    model = Linear(1, 1)
    optimizer = options.pop("optimizer", SGD)(model.parameters(), lr=options.pop("lr", 0.1))
    for key in {"schedule", "clip", "average"} & options.keys():
        if callable(options[key]):
            options[key] = options[key](model, optimizer)
    history = fit(
        model, optimizer, tl.mse_loss, DataLoader(x, 2 * x + 1, batch_size=4), **{"progress": False, **options}
    )
    return model, optimizer, history


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


def test_ctrl_c_waits_for_the_end_of_the_step_saves_and_hands_over_the_history(tmp_path, unbroken):
    path = tmp_path / "a.npz"
    seen = []

    def press(output, target):
        seen.append(1)
        if len(seen) == 13 + 3:  # with three of validation
            signal.raise_signal(signal.SIGINT)
        return accuracy(output, target)

    with pytest.raises(Interrupted, match=r"after step 13, in epoch 2 of 6; .*a\.npz goes on") as caught:
        train(path, metrics={"accuracy": press})
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.history.steps.rows == 13
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(path, resume=True)
    assert_same(state_of(path), state_of(unbroken))


def test_ctrl_c_in_the_evaluation_lets_it_end(tmp_path):
    class Press(EarlyStopping):
        def step(self, value):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        line(epochs=3, early_stopping=Press(), checkpoint=tmp_path / "a.npz")
    assert caught.value.history.epochs.rows == 1
    assert len(tl.load(tmp_path / "a.npz")["history"]["epochs"]["loss"]) == 1


def test_ctrl_c_twice_stops_at_once():
    def press(output, target):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        line(epochs=1, metrics={"m": press})
    assert not isinstance(caught.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_program_is_left_alone():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        line(epochs=1, metrics={"m": lambda *_: signal.raise_signal(signal.SIGINT) or 0.0})
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(pressed) == 4


def test_another_thread_than_the_main_one_may_train():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(line, epochs=2).result()[2].epochs.rows == 2


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


def test_the_state_of_replayed_batches_before_the_first_epoch_is_that_of_a_new_one():
    batches = Replayed(["a", "b"])
    batches.load_state_dict(Replayed([]).state_dict())
    assert list(batches) == ["a", "b"] == list(batches)
