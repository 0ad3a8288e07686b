"""A training that is stopped, in whatever way, goes on as if it had never been: with the same result, bit for bit."""

from __future__ import annotations

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
from tests.optim.training import BATCH, EPOCHS, ITEMS, line, train
from tinygrad_lite.data import DataLoader
from tinygrad_lite.layers import BatchNorm1d, Dropout, Linear, Sequential
from tinygrad_lite.optim import SGD, Adam, Checkpoint, EarlyStopping, Interrupted, Replayed, accuracy, fit

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


# ------------------------------------------------------------------------------------------ Ctrl-C


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


def test_the_state_of_replayed_batches_before_the_first_epoch_is_that_of_a_new_one():
    batches = Replayed(["a", "b"])
    batches.load_state_dict(Replayed([]).state_dict())
    assert list(batches) == ["a", "b"] == list(batches)
