"""The main job: a shortened training learns, keeps what it found, and reads pictures."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common.unfinished import Unfinished
from examples.vision import digits
from tinygrad_lite import optim

for package in ("sklearn", "matplotlib", "PIL", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a short training, and its exit code."""
    out = tmp_path_factory.mktemp("digits")
    return out, program.main(["digits", "--quick", "--epochs", "4", "--out", str(out)])


def test_a_short_training_learns(trained):
    out, code = trained
    found = json.loads((out / "results.json").read_text("utf-8"))
    (curve,) = found["curves"].values()
    assert len(curve) == 4
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]
    assert found["accuracy"][0] > 0.9
    assert all(row["passed"] for row in found["rows"] if row["kind"] == "CHECK")
    assert code == (0 if found["passed"] else 1)
    assert np.array(found["confusion"]).sum() == 359


def test_everything_is_kept(trained):
    out, _ = trained
    assert sorted(path.name for path in out.iterdir()) == ["figure.png", "results.json", "weights.npz"]
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    saved = tl.load(out / "weights.npz")
    assert saved["data"] == "digits" and "resnet.conv1.weight" in saved["model"]


def test_training_follows_from_the_seed(tmp_path):
    recipe = digits.RECIPES["digits"]
    data, _ = digits.load("digits", quick=False, validation=False)
    data = type(data)(data.images[:128], data.labels[:128])

    def loss(seed: int, path: str) -> float:
        tl.manual_seed(seed)
        net = digits.Network((4, 8), 1)
        return digits.train(net, data, recipe, 1, seed, tmp_path / path).epochs["loss"][0]

    assert loss(1, "a.npz") == loss(1, "b.npz") != loss(2, "c.npz")


def test_the_split_is_fixed_stratified_and_disjoint():
    train, held = digits.load("digits", quick=False, validation=False)
    again = digits.load("digits", quick=True, validation=False)[1]
    assert len(train.labels) + len(held.labels) == 1797
    np.testing.assert_array_equal(held.images, again.images)
    shares = np.bincount(held.labels) / np.bincount(np.concatenate([train.labels, held.labels]))
    np.testing.assert_allclose(shares, 0.2, atol=0.005)
    rest, validation = digits.load("digits", quick=False, validation=True)
    assert len(rest.labels) + len(validation.labels) == len(train.labels)
    seen = {image.tobytes() for image in held.images}
    assert not any(image.tobytes() in seen for image in validation.images)


def test_the_learning_rate_rises_and_falls():
    rates = [digits.one_cycle(t) for t in np.linspace(0, 1, 9)]
    assert rates[0] == 0 and rates[2] == 1 and rates[8] == pytest.approx(0)
    assert np.diff(rates[:3]).min() > 0 > np.diff(rates[2:]).max()


@pytest.mark.parametrize("inverted", [False, True])
def test_pictures_of_digits_are_read(trained, tmp_path, capsys, inverted):
    from PIL import Image

    out, _ = trained
    images, labels = digits.load("digits", quick=False, validation=False)[0]
    right = 0
    for digit in range(10):
        pixels = np.pad(images[labels == digit][0, 0], ((2, 5), (4, 1)))
        image = Image.fromarray((255 * (pixels if inverted else 1 - pixels)).astype(np.uint8))
        image.resize((300, 300), Image.Resampling.BICUBIC).save(tmp_path / "digit.png")
        assert program.main(["digits", "--predict", str(tmp_path / "digit.png"), "--out", str(out)]) == 0
        printed = capsys.readouterr().out
        shares = [float(line.split()[1].rstrip("%")) for line in printed.splitlines()[-10:]]
        assert sum(shares) == pytest.approx(100, abs=1) and shares == sorted(shares, reverse=True)
        right += f"It says {digit}." in printed
    assert right >= 8


def test_predict_says_what_is_missing(trained, tmp_path, capsys):
    out, _ = trained
    picture = tmp_path / "text.png"
    picture.write_text("no picture")
    for weights, words in ((tmp_path, "train first: python -m examples digits"), (out, "is not a picture")):
        assert program.main(["digits", "--predict", str(picture), "--out", str(weights)]) == 2
        assert words in capsys.readouterr().err
    np.savez(tmp_path / "weights.npz", x=np.ones(3))
    assert program.main(["digits", "--predict", str(picture), "--out", str(tmp_path)]) == 2
    assert "does not hold this example's weights" in capsys.readouterr().err


def same_result(out, trained):
    """The network, and what was measured, are those of the training that nobody disturbed."""
    assert sorted(path.name for path in out.iterdir()) == ["figure.png", "results.json", "weights.npz"]
    assert (out / "weights.npz").read_bytes() == (trained / "weights.npz").read_bytes()
    found, expected = (json.loads((folder / "results.json").read_text("utf-8")) for folder in (out, trained))
    assert all(found[what] == expected[what] for what in ("curves", "confusion", "accuracy", "passed"))


def test_an_interrupted_training_keeps_what_there_is_and_resumes(trained, tmp_path, monkeypatch, capsys):
    left = [30]

    def impatient(output, target):
        left[0] -= 1
        if not left[0]:
            signal.raise_signal(signal.SIGINT)
        return optim.accuracy(output, target)

    monkeypatch.setattr(digits, "accuracy", impatient)
    options = ["digits", "--quick", "--epochs", "4", "--out", str(tmp_path)]
    assert program.main(options) == 130
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["interrupted"] and not found["passed"] and len(found["curves"]["0"]) == 2
    assert "Interrupted: seed 0, after 30 steps" in capsys.readouterr().out
    assert tl.load(tmp_path / "weights.npz")["model"] and (tmp_path / "figure.png").exists()
    assert program.main([*options, "--resume"]) == trained[1]
    assert "seed 0: goes on after step 30, 1 of 4 epochs are done" in capsys.readouterr().err
    same_result(tmp_path, trained[0])


def test_a_killed_training_resumes_with_the_same_result(trained, tmp_path):
    command = [sys.executable, "-m", "examples", "digits", "--quick", "--epochs", "3", "--out"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    subprocess.run([*command, str(whole)], capture_output=True)
    with subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (killed / "unfinished" / "seed0.npz").exists():
            time.sleep(0.01)
        time.sleep(random.Random(0).uniform(0, 0.2))
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    resumed = subprocess.run([*command, str(killed), "--resume"], capture_output=True, text=True)
    assert "seed 0: goes on after step" in resumed.stderr
    same_result(killed, whole)


def test_resume_refuses_what_was_made_with_other_options_and_without_it_a_run_starts_afresh(tmp_path, capsys):
    settings = {"epochs": 4, "out": tmp_path, "seed": None}
    Unfinished(tmp_path, settings, resume=False).checkpoint(0).write_bytes(b"state")
    with pytest.raises(ValueError, match="epochs 4 there and 5 here"):
        Unfinished(tmp_path, {**settings, "epochs": 5}, resume=True)
    assert Unfinished(tmp_path, {**settings, "seed": 0}, resume=True).checkpoint(0).exists()
    assert not Unfinished(tmp_path, settings, resume=False).checkpoint(0).exists()
    assert program.main(["digits", "--quick", "--out", str(tmp_path), "--resume"]) == 2
    assert "is of another run: " in capsys.readouterr().err
    Unfinished(tmp_path / "new", settings, resume=True)
    assert "nothing in" in capsys.readouterr().out


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as stop:
        program.main(["digits", "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for option in (
        "--quick",
        "--seed ",
        "--seeds",
        "--epochs",
        "--out",
        "--data",
        "--predict",
        "--validation",
        "--resume",
    ):
        assert option in printed
    assert "at least 98.5%" in printed


@pytest.mark.parametrize("package", ["tqdm", "sklearn.datasets", "matplotlib"])
def test_a_missing_extra_is_named_before_any_training(package, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(digits, "train", lambda *args: pytest.fail("trained"))
    assert program.main(["digits", "--quick", "--out", str(tmp_path)]) == 2
    assert "pip install tinygrad_lite[examples]" in capsys.readouterr().err


def test_missing_data_says_where_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path))
    monkeypatch.setattr("tinygrad_lite.data.files.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert program.main(["digits", "--data", "mnist", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz is not on this machine" in error and "sha256" in error
