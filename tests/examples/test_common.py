"""What the examples share: the list, the report, pictures of digits, the confusion matrix."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import __main__ as program
from examples.common import Report, command_line, need, seeds_of, spread
from examples.common.baselines import nearest_neighbour
from examples.common.pictures import Form, PictureError, as_text, read_digit
from examples.common.report import print_table, readable, replacing, without_out
from tinygrad_lite.data import Images

# -------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize("argv", [[], ["--help"], ["list"]])
def test_the_list_names_every_example(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert program.main(argv) == 0
    printed = capsys.readouterr().out
    assert "python -m examples NAME" in printed
    for name, module in program.find_all().items():
        about = sys.modules[module].ABOUT
        assert name in printed and about.summary in printed and about.paper in printed


PUBLIC = {"tinygrad_lite", "tinygrad_lite.data", "tinygrad_lite.layers", "tinygrad_lite.optim"}


def modules_imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_every_example_uses_the_public_api_alone():
    for name, module in program.find_all().items():
        found = modules_imported(Path(importlib.import_module(module).__file__))
        others = {m for m in found - PUBLIC if m.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "examples"}}
        assert not others, f"{name} imports {others}; an extra comes through need(), ours by its public name"


def test_all_runs_every_example_and_fails_with_one(monkeypatch, capsys, tmp_path):
    ran = []

    class Fake:
        def __init__(self, name):
            self.name = name

        def main(self, options):
            ran.append((self.name, options))
            return int(self.name == "b")

    monkeypatch.setattr(program, "find_all", lambda: {"a": "a", "b": "b"})
    monkeypatch.setattr(program.importlib, "import_module", Fake)
    assert program.main(["all", "--quick", "--out", str(tmp_path)]) == 1
    assert ran == [(name, ["--quick", "--out", str(tmp_path / name)]) for name in "ab"]
    assert "a     passed" in capsys.readouterr().out


def test_every_example_keeps_to_the_house():
    for name, module in program.find_all().items():
        example = importlib.import_module(module)
        assert callable(example.main) and len(example.__doc__.splitlines()) > 5, name
        assert not example.ABOUT.summary.endswith(".") and len(example.ABOUT.summary) < 80, name
        assert len(example.ABOUT.paper) <= 60 and example.ABOUT.quick_minutes <= 1, name
        assert len(Path(example.__file__).read_text("utf-8").splitlines()) <= 300, name


def test_the_list_shows_the_last_result(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = Report("digits", tmp_path / "runs" / "digits", {})
    report.headline = "98.76% right"
    report.save()
    program.main([])
    assert "98.76% right, passed, 20" in capsys.readouterr().out
    (tmp_path / "runs" / "digits" / "results.json").write_text("{ damaged")
    assert program.main([]) == 0


@pytest.mark.parametrize(("name", "hint"), [("digit", "did you mean digits?"), ("qqq", "there are: ")])
def test_an_unknown_example_is_refused(name, hint, capsys):
    assert program.main([name]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "seeds"),
    [([], [0, 1, 2]), (["--quick"], [0]), (["--seed", "7"], [7]), (["--quick", "--seeds", "2"], [0, 1])],
)
def test_the_seeds_that_are_asked_for(argv, seeds):
    parser = command_line("name", "Text.")
    assert seeds_of(parser.parse_args(argv), otherwise=3) == seeds


@pytest.mark.parametrize("words", ["--seeds 0", "--seeds x", "--seed -1", "--seed 1 --seeds 2"])
def test_bad_seeds_are_refused(words):
    with pytest.raises(SystemExit) as stop:
        command_line("name", "Text.").parse_args(words.split())
    assert stop.value.code == 2


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"needs pillow.*pip install tinygrad_lite\[examples\]"):
        need("PIL.Image")


# -------------------------------------------------------------------------------------- the report


def test_checks_and_gates_decide_the_exit_code_and_claims_do_not(tmp_path):
    report = Report("name", tmp_path / "out", {})
    report.check("exact", True)
    report.gate("accuracy", [0.9, 1.0], at_least=0.95)
    report.claim("faster", False, "70 s", "< 60 s")
    assert report.exit_code == 0
    report.gate("accuracy", [0.9, 0.98], at_least=0.95)
    assert report.exit_code == 1
    report.interrupted = True
    assert report.exit_code == 130


def test_a_gate_that_measured_nan_fails(tmp_path):
    report = Report("name", tmp_path, {})
    report.gate("accuracy", [float("nan")], at_least=0.0)
    assert report.exit_code == 1


def test_a_report_is_printed_and_kept(tmp_path, capsys):
    report = Report("name", tmp_path / "new" / "folder", {"lr": 0.1, "out": tmp_path})
    report.gate("accuracy", [0.9, 1.0], 0.95, "{:.1%}".format, baseline="80%")
    report.numbers = {"counts": np.arange(3)}
    report.print()
    printed = capsys.readouterr().out
    assert "GATE  accuracy  95.0% ± 7.1%  80%       ≥ 95.0%    pass" in printed
    assert "paper" not in printed  # an empty column
    kept = json.loads(report.save().read_text("utf-8"))
    assert kept["counts"] == [0, 1, 2] and kept["rows"][0]["values"] == [0.9, 1.0] and kept["passed"] is True
    assert kept["settings"] == {"lr": 0.1, "out": str(tmp_path)}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_json_has_a_list_of_numbers_on_one_line_and_loses_nothing():
    content = {"a": [1, 2.5, "two  [words]"], "b": [[1, 2], [], [3]], "c": {"d": [{"e": "x\ny"}]}}
    text = readable(content)
    assert json.loads(text) == content
    assert "  [1, 2],\n" in text and text.endswith("\n")


def test_the_spread_of_runs():
    assert spread([0.25]) == "0.25"
    assert spread([1, 2, 3]) == "2 ± 1"
    assert spread([1, 2, 3], "{:+.1f}".format) == "+2.0 ± 1.0"


def test_a_table_has_columns_as_wide_as_needed(capsys):
    print_table(["a", "none", "b"], [["long", "", "1"], ["s", "", "22"]])
    assert capsys.readouterr().out == "  a     b\n  long  1\n  s     22\n"


def test_nearest_neighbour():
    train = Images(np.array([[[[0.0]]], [[[1.0]]]], np.float32), np.array([4, 5]))
    test = Images(np.array([[[[0.2]]], [[[0.9]]], [[[0.1]]]], np.float32), np.array([4, 5, 5]))
    assert nearest_neighbour(train, test) == pytest.approx(2 / 3)


# -------------------------------------------------------------------------------- pictures of digits

FORM = Form(8, box=(8, 6), ink=0.1, by_mass=False)


def stroke(tmp_path: Path, ink=(0, 0, 0), paper=(255, 255, 255), shift=0, mode="RGB", suffix=".png", noise=0) -> Path:
    """A picture of an L, drawn with a broad pen."""
    pixels = np.empty((90, 70, 3))
    pixels[:] = paper
    pixels[20 + shift : 70 + shift, 20:30] = ink
    pixels[60 + shift : 70 + shift, 20:50] = ink
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape) if noise else 0
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    path = tmp_path / f"stroke{suffix}"
    image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(path)
    return path


def test_a_picture_is_read_whatever_its_colours_and_place(tmp_path):
    plain = read_digit(stroke(tmp_path), FORM)
    assert plain.shape == (1, 1, 8, 8) and plain.dtype == np.float32
    assert plain.min() == 0 and plain.max() == 1
    assert plain[0, 0, 2, 2] == 1 and plain[0, 0, 7, 5] > 0.5 and plain[0, 0, 2, 4] == 0
    for change in (
        {"ink": (255, 255, 255), "paper": (0, 0, 0)},
        {"ink": (250, 240, 200), "paper": (20, 40, 120)},
        {"shift": -18},
        {"shift": 15, "mode": "L"},
        {"mode": "P"},
        {"suffix": ".bmp"},
    ):
        np.testing.assert_allclose(read_digit(stroke(tmp_path, **change), FORM), plain, atol=0.03)
    np.testing.assert_allclose(read_digit(stroke(tmp_path, noise=6), FORM), plain, atol=0.2)


@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper(tmp_path, ink):
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[10:30, 15:25] = [ink, ink, ink, 255]
    image.fromarray(pixels).save(tmp_path / "t.png")
    read = read_digit(tmp_path / "t.png", FORM)[0, 0]
    assert (read[:, 3:5] == 1).all() and (read[:, [0, 7]] == 0).all()


def test_thin_strokes_are_thickened_and_the_mass_is_centred(tmp_path):
    form = Form(28, box=(20, 20), ink=0.12, by_mass=True)
    read = read_digit(stroke(tmp_path), form)[0, 0]
    assert 0.12 <= read.mean() < 0.2
    middle = [np.average(np.arange(28), weights=read.sum(axis)) for axis in (1, 0)]
    np.testing.assert_allclose(middle, 13.5, atol=0.2)


def test_what_is_no_picture_of_a_digit_is_refused(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    image.new("L", (30, 30), 200).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(stroke(tmp_path).read_bytes()[:80])
    for name, words in (
        ("blank.png", "shows no digit"),
        ("text.png", "is not a picture"),
        ("cut.png", "can't be read"),
        ("missing.png", "there is no file"),
        (".", "there is no file"),
    ):
        with pytest.raises(PictureError, match=words):
            read_digit(tmp_path / name, FORM)


def test_an_image_in_characters():
    assert as_text(np.array([[0.0, 1.0], [0.5, 0.0]])) == "  @@\n==  "


def test_a_figure_shows_counts_curves_and_mistakes(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from examples.common import figures

    figure = figures.pyplot().figure()
    above, below = figure.subfigures(2, 1)
    left, right = above.subplots(1, 2)
    figures.confusion(left, np.array([[5, 1], [0, 0]]), ["a", "b"])
    assert [text.get_text() for text in left.texts] == ["5", "1"]
    figures.curves(right, {"seed 0": [3.0, 2.0, 1.0]}, "loss")
    assert right.lines[0].get_xdata().tolist() == [1, 2, 3]
    said = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    figures.mistakes(below, np.zeros((3, 1, 4, 4)), np.array([0, 0, 0]), said, n=3)
    shown = [axes.get_title() for axes in below.axes]
    assert shown == ["0 taken for 1\n80% sure", "0 taken for 1\n70% sure", "0, right\n90% sure"]
    path = figures.save(figure, tmp_path / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG") and len(list(tmp_path.iterdir())) == 1


def test_the_command_that_is_kept_names_no_place_on_this_machine():
    assert without_out(["revnet", "--out", "some/where", "--seeds", "2"]) == ["revnet", "--seeds", "2"]
    assert without_out(["revnet", "--out=some/where", "--quick"]) == ["revnet", "--quick"]
