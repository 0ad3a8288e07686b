"""A run over seeds: kept units, --resume, Ctrl-C, figures; and the results that are kept in docs/."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Experiment, Report, ResumeError, command_line, recalled, results
from examples.common.report import as_json

for package in ("tqdm", "matplotlib"):
    pytest.importorskip(package, reason=f"{package} is not installed")


class Work:
    """A unit of work that counts its calls, and is interrupted at one of them."""

    __name__ = "work"

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def __call__(self, variant, seed):
        self.calls.append((variant, seed))
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        return {"score": seed + 10 * len(variant), "draw": tl.rand(2), "curve": np.arange(2)}


def experiment(folder, *options, settings=None) -> Experiment:
    folder.mkdir(exist_ok=True)
    (folder / "idea.py").touch()
    args = command_line("idea", "Text.").parse_args(["--out", str(folder / "idea"), *options])
    return Experiment(str(folder / "idea.py"), args, settings)


def run(folder, work, *options, **more):
    """What came of a run with two variants: its result, the experiment."""
    found = None
    with experiment(folder, *options, **more) as it:
        found = it.over_seeds(work, ["a", "bb"])
    return found, it


def test_variants_are_run_over_paired_seeds(tmp_path):
    work = Work()
    found, it = run(tmp_path, work, "--seeds", "2")
    assert work.calls == [("a", 0), ("bb", 0), ("a", 1), ("bb", 1)]
    assert [r["score"] for r in found["bb"]] == [20, 21] and found["a"][0]["curve"] == [0, 1]
    assert found["a"][0]["draw"] == found["bb"][0]["draw"] != found["a"][1]["draw"]  # manual_seed before each
    kept = json.loads((tmp_path / "idea" / "results.json").read_text("utf-8"))
    assert kept["units"]["work bb seed 1"]["result"] == found["bb"][1]
    assert kept["example"] == "idea" and kept["settings"]["seeds"] == [0, 1] and it.exit_code == 0


def test_quick_runs_one_seed_and_full_three(tmp_path):
    assert experiment(tmp_path, "--quick").seeds == [0]
    assert experiment(tmp_path).seeds == [0, 1, 2]


def test_ctrl_c_keeps_complete_seeds_and_resume_goes_on(tmp_path, capsys):
    first = Work(stop_at=4)
    found, it = run(tmp_path, first)
    assert it.exit_code == 130 and len(found["a"]) == len(found["bb"]) == 1
    assert "3 finished units of work are kept; --resume goes on" in capsys.readouterr().out
    second = Work()
    found, it = run(tmp_path, second, "--resume")
    assert second.calls == [("bb", 1), ("a", 2), ("bb", 2)] and it.exit_code == 0
    assert found == json.loads(json.dumps(run(tmp_path / "whole", Work())[0], default=as_json))


def test_a_killed_run_resumes(tmp_path):
    class Killed(BaseException):
        pass

    def work(variant, seed):
        if seed == 1:
            raise Killed
        return 1.5

    with pytest.raises(Killed):
        run(tmp_path, work)
    assert not (tmp_path / "idea" / "results.json").exists()
    calls = []
    work_again = lambda variant, seed: calls.append((variant, seed)) or 2.5  # noqa: E731
    work_again.__name__ = "work"
    found, _ = run(tmp_path, work_again, "--resume")
    assert calls[0] == ("a", 1) and found["a"] == [1.5, 2.5, 2.5]


def test_what_a_unit_needs_more_is_handed_on(tmp_path):
    def work(variant, seed, steps):
        return steps

    with experiment(tmp_path, "--quick") as it:
        assert it.over_seeds(work, ["a"], 7) == {"a": [7]}


def test_more_seeds_go_on_from_fewer(tmp_path):
    run(tmp_path, Work(), "--seeds", "1")
    work = Work()
    run(tmp_path, work, "--seeds", "2", "--resume")
    assert work.calls == [("a", 1), ("bb", 1)]


def test_without_resume_the_work_is_done_again(tmp_path):
    run(tmp_path, Work(), "--seeds", "1")
    work = Work()
    run(tmp_path, work, "--seeds", "1")
    assert len(work.calls) == 2


def test_ctrl_c_before_a_seed_is_complete_ends_the_run(tmp_path):
    found, it = run(tmp_path, Work(stop_at=2))
    assert found is None and it.exit_code == 130
    kept = json.loads((tmp_path / "idea" / "results.json").read_text("utf-8"))
    assert kept["interrupted"] and list(kept["units"]) == ["work a seed 0"]


def test_after_ctrl_c_nothing_new_is_begun(tmp_path):
    later = Work()
    later.__name__ = "later"
    with experiment(tmp_path) as it:
        assert len(it.over_seeds(Work(stop_at=2), ["a"])["a"]) == 1
        it.over_seeds(later, ["a"])
    assert not later.calls and it.exit_code == 130


def test_resume_refuses_another_run(tmp_path, capsys):
    run(tmp_path, Work(), settings={"lr": 0.1})
    with pytest.raises(ResumeError, match=r"is of another run: lr 0\.1 there and 0\.2 here"):
        experiment(tmp_path, "--resume", settings={"lr": 0.2})
    with pytest.raises(ResumeError, match="quick False there and True here"):
        experiment(tmp_path, "--resume", "--quick", settings={"lr": 0.1})
    (tmp_path / "idea" / "state.json").write_text("{ damaged")
    with pytest.raises(ResumeError, match="can't be read"):
        experiment(tmp_path, "--resume")
    assert experiment(tmp_path / "new", "--resume").seeds == [0, 1, 2]
    assert "nothing is kept" in capsys.readouterr().out


def test_a_changed_source_is_noted(tmp_path, capsys):
    run(tmp_path, Work())
    (tmp_path / "idea.py").write_text("# changed")
    _, it = run(tmp_path, Work(), "--resume")
    assert it.report.numbers["resumed_after_a_change_of_the_source"]
    assert "has changed since" in capsys.readouterr().out


def test_the_time_of_kept_units_counts(tmp_path):
    run(tmp_path, Work(), "--seeds", "1")
    path = tmp_path / "idea" / "state.json"
    state = json.loads(path.read_text("utf-8"))
    state["units"]["work a seed 0"]["seconds"] = 1000.0
    path.write_text(json.dumps(state))
    run(tmp_path, Work(), "--seeds", "1", "--resume")
    assert 1000 <= json.loads((tmp_path / "idea" / "results.json").read_text("utf-8"))["seconds"] < 1010


def test_two_units_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two units of work are called 'x'"), experiment(tmp_path) as it:
        it.unit("x", lambda: 1)
        it.unit("x", lambda: 2)


def test_an_error_is_not_swallowed_and_the_units_stay(tmp_path):
    with pytest.raises(ZeroDivisionError), experiment(tmp_path) as it:
        it.unit("x", lambda: 1)
        1 / 0  # noqa: B018
    assert (tmp_path / "idea" / "state.json").exists() and not (tmp_path / "idea" / "results.json").exists()


def test_a_figure_needs_labels(tmp_path):
    from examples.common import figures

    with experiment(tmp_path) as it:
        figure, (left, right, last) = figures.panels("one", "two", "three", columns=2)
        figures.bands(left, [1, 2], {"a": [[1, 2], [3, 4]], "b": [[0, 0]]}, "steps", "loss")
        figures.bars(right, {"a": [1.0, 2.0], "b": [3.0]}, "method", "accuracy", {"paper": 2.5})
        with pytest.raises(ValueError, match="panel 'three' of curves has an axis without a label"):
            it.figure(figure, "curves", "Two panels")
        last.set(xlabel="x", ylabel="y")
        it.figure(figure, "curves", "Two panels")
    assert left.lines[0].get_ydata().tolist() == [2, 3] and len(left.collections) == 1
    kept = json.loads((tmp_path / "idea" / "results.json").read_text("utf-8"))
    assert kept["figures"] == [{"file": "curves.png", "caption": "Two panels"}]
    assert (tmp_path / "idea" / "curves.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("values", "limits", "passed", "threshold"),
    [
        ([1.0, 3.0], {"at_least": 2}, True, "≥ 2"),
        ([1.0, 2.0], {"at_most": 1.4}, False, "≤ 1.4"),
        ([1.0, 1.2], {"at_most": 1.4}, True, "≤ 1.4"),
        ([9.0, 1.0, 9.0], {"at_least": 5, "in_seeds": 2}, True, "≥ 5 in 2 of 3"),
        ([99.0, 1.0, 1.0], {"at_least": 5, "in_seeds": 2}, False, "≥ 5 in 2 of 3"),
        ([9.0], {"at_least": 5, "in_seeds": 2}, True, "≥ 5 in 1 of 1"),
        ([float("nan")], {"at_most": 5}, False, "≤ 5"),
    ],
)
def test_gates(tmp_path, values, limits, passed, threshold):
    report = Report("name", tmp_path, {})
    report.gate("claim", values, **limits)
    assert (report.rows[0].passed, report.rows[0].threshold) == (passed, threshold)
    assert report.exit_code == int(not passed)


@pytest.mark.parametrize("limits", [{}, {"at_least": 1, "at_most": 2}])
def test_a_gate_needs_one_limit(tmp_path, limits):
    with pytest.raises(ValueError, match="needs one of at_least and at_most"):
        Report("name", tmp_path, {}).gate("claim", [1.0], **limits)


# -------------------------------------------------------------------------------- docs/RESULTS.md


@pytest.fixture
def finished(tmp_path):
    """The folder of a full run of digits with every kind of row and a figure."""
    from examples.common import figures

    folder = tmp_path / "runs" / "digits"
    args = command_line("digits", "Text.").parse_args(["--out", str(folder)])
    with Experiment(program.__file__, args) as it:
        it.report.name = "digits"
        it.report.headline = "98% right"
        it.report.check("nothing leaks", True, "0 | 0")
        it.report.gate("accuracy", [0.98, 0.99], 0.97, "{:.1%}".format, paper=recalled("99%"))
        it.report.claim("faster", False, "2 s")
        figure, (axes,) = figures.panels("one")
        axes.set(xlabel="x", ylabel="y")
        it.figure(figure, "curves", "A line")
    return folder


def test_kept_results_are_rendered(finished, tmp_path):
    docs = tmp_path / "docs"
    folder = results.keep(finished, docs)
    assert sorted(path.name for path in folder.iterdir()) == ["curves.png", "results.json"]
    text = results.write(program.find_all(), docs).read_text("utf-8")
    assert "| [digits](#digits) | 98% right | 1 of 1 | 1 of 1 | 0 of 1 | 3 |" in text
    assert "| GATE | accuracy | 99% (?) | 98.5% ± 0.7% | ≥ 97.0% | pass |" in text
    assert "| CHECK | nothing leaks |  | 0 \\| 0 |  | pass |" in text
    assert "| CLAIM | faster |  | 2 s |  | not reproduced at this scale |" in text
    assert "![A line](results/digits/curves.png)" in text and "He et al. 2015" in text
    assert "`python -m examples" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found["settings"].update(quick=True), "is a quick run"),
        (lambda found: found.update(interrupted=True), "is an interrupted run"),
        (lambda found: found.pop("figures"), "holds no results"),
        (lambda found: found["figures"].append({"file": "gone.png"}), "gone.png is missing"),
    ],
)
def test_runs_that_are_not_kept(finished, tmp_path, change, words):
    found = json.loads((finished / "results.json").read_text("utf-8"))
    change(found)
    (finished / "results.json").write_text(json.dumps(found))
    with pytest.raises(results.ResultsError, match=words):
        results.keep(finished, tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_report_on_the_command_line(finished, tmp_path, monkeypatch, capsys):
    docs = tmp_path / "docs"
    monkeypatch.setattr(results, "DOCS", docs)
    assert program.main(["report", str(finished)]) == 0
    assert program.main(["report", "--check"]) == 0
    (docs / "RESULTS.md").write_text("typed by hand")
    assert program.main(["report", "--check"]) == 1
    assert program.main(["report", str(tmp_path / "nowhere")]) == 2
    assert "holds no results of a run" in capsys.readouterr().err


def test_the_committed_results_are_what_report_writes():
    assert (results.DOCS / "RESULTS.md").read_text("utf-8") == results.render(program.find_all(), results.DOCS)
    for path in results.DOCS.glob("results/*/*"):
        assert path.stat().st_size <= results.LARGEST, path
