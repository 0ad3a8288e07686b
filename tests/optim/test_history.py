"""The history of a training: columns that grow, and a picture of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tinygrad_lite.optim import Columns, History


def test_columns_are_arrays_by_name():
    table = Columns()
    assert table.rows == 0 and not table and repr(table) == "Columns(0 rows of nothing)"
    for k in range(3):
        table.append(loss=0.5 * k, items=k)
    assert table.rows == 3 and list(table) == ["loss", "items"] and repr(table) == "Columns(3 rows of loss, items)"
    np.testing.assert_array_equal(table["loss"], [0, 0.5, 1])
    assert table["items"].dtype == np.int64
    assert list(table.since(1)) == [{"loss": 0.5, "items": 1}, {"loss": 1.0, "items": 2}]
    with pytest.raises(KeyError, match="no column 'lr'; there is loss, items"):
        table["lr"]
    with pytest.raises(ValueError, match="a row of lr in a table of loss, items"):
        table.append(lr=0.1)


@pytest.fixture
def history():
    """Two epochs of three steps, and one step more."""
    history = History()
    for k in range(7):
        history.steps.append(loss=1 / (k + 1), accuracy=k / 10, items=4, lr=0.1)
        if k % 3 == 2:
            found = {"loss": 0.5, "accuracy": 0.5, "lr": 0.1, "validation_loss": 0.6, "validation_accuracy": 0.4}
            history.epochs.append(**found, step=k + 1)
    history.seconds = 2.5
    return history


def test_the_state_is_all_of_it(history):
    other = History()
    other.load_state_dict(history.state_dict())
    assert repr(other) == "History(7 steps, 2 epochs)" and other.begin == 6 and other.seconds == 2.5
    for mine, its in ((other.steps, history.steps), (other.epochs, history.epochs)):
        assert list(mine) == list(its) and all(np.array_equal(mine[name], its[name]) for name in its)
    other.steps.append(loss=0.1, accuracy=1.0, items=4, lr=0.1)
    assert history.steps.rows == 7, "the copy is its own"


def test_the_picture_shows_training_and_validation_with_labels(history, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "history.png"
    figure = history.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG") and list(tmp_path.iterdir()) == [path]
    loss, accuracy, lr = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    assert {axes.get_xlabel() for axes in figure.axes} == {"step"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "training, each step",
        "training, mean of the epoch",
        "validation",
    ]
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        step, epoch, validation = axes.lines
        assert step.get_xdata().tolist() == [1, 2, 3, 4, 5, 6, 7] and epoch.get_xdata().tolist() == [3, 6]
        assert np.array_equal(validation.get_ydata(), history.epochs[f"validation_{name}"])
        assert validation.get_marker() != epoch.get_marker() and validation.get_linestyle() != epoch.get_linestyle()
    assert len(lr.lines) == 1
    history.plot(tmp_path / "history.svg")
    assert b"<svg" in (tmp_path / "history.svg").read_bytes()


def test_a_picture_before_the_first_step_or_without_matplotlib_says_so(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install tinygrad_lite\[examples\]"):
        history.plot()
    monkeypatch.undo()
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(ValueError, match="before the first step"):
        History().plot()
