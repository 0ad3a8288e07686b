"""What was tried for gates that fail: the command, each file shortened, and the tables in docs/RESULTS.md."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from examples import __main__ as program
from examples.common import classifying, pruning, results
from examples.common.small_images import small_images
from examples.common.trials import SEEDS, Trials
from tinygrad_lite.data import Images

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")

FILES = {path.stem: path for path in Path(program.__file__).parent.glob("trials/[a-z]*.py")}


def trials_of(name):
    return importlib.import_module(f"examples.trials.{name}")


def run(name, tmp_path, monkeypatch, **changes):
    """The trials of an example with other constants; their rows."""
    for constant, value in changes.items():
        monkeypatch.setattr(trials_of(name), constant, value)
    assert program.main(["trials", name, "--out", str(tmp_path / name)]) == 0
    found = json.loads((tmp_path / name / "results.json").read_text("utf-8"))
    assert found["example"] == name and found["settings"]["trials"] and min(found["settings"]["seeds"]) == 100
    assert all(row["kind"] == "TRIAL" and row["way"] and row["threshold"] for row in found["rows"])
    return found["rows"]


def first(ways, *names):
    """The way that is as it is, and some others."""
    return {name: ways[name] for name in ("as it is", *names)}


def pictures(n, shape):
    rng = np.random.default_rng(0)
    return Images(rng.random((n, *shape), np.float32), np.arange(n) % 10)


# ------------------------------------------------------------------------------- the house


@pytest.mark.parametrize("name", FILES)
def test_each_file_keeps_to_the_house(name):
    example = importlib.import_module(program.find_all()[name])
    assert f"python -m examples trials {name}" in trials_of(name).__doc__
    assert f"python -m examples trials {name}" in example.__doc__
    assert len(FILES[name].read_text("utf-8").splitlines()) <= 200


def test_trials_without_a_name_say_which_there_are(capsys):
    assert program.main(["trials"]) == program.main(["trials", "digits"]) == 2
    assert ", ".join(sorted(FILES)) in capsys.readouterr().err


def test_no_seed_of_a_run_can_be_asked_for(tmp_path):
    assert min(SEEDS) >= 100
    with pytest.raises(SystemExit):
        Trials("idea.py", "Text.", ["--seed", "0"])
    with pytest.raises(SystemExit):
        Trials("idea.py", "Text.", ["--seeds", "3"])


def test_a_rate_is_searched_beyond_the_end_where_the_best_is(tmp_path):
    (tmp_path / "idea.py").touch()
    tried = []
    with Trials(str(tmp_path / "idea.py"), "Text.", ["--out", str(tmp_path / "out")]) as it:
        best = it.best_rate("a", lambda rate: tried.append(rate) or abs(rate - 27), (1, 3, 9))
        assert best == 27 and tried == [1, 3, 9, 27, 81]
        assert it.best_rate("b", lambda rate: tried.append(rate), (5,)) == 5 and len(tried) == 5


def test_every_gate_that_fails_has_three_ways_tried():
    for path in results.DOCS.glob("results/*/results.json"):
        failing = {row.claim for row in results.rows_of(json.loads(path.read_text("utf-8"))) if row.verdict == "FAIL"}
        if failing:
            tried = results.rows_of(json.loads(path.with_name(results.TRIALS).read_text("utf-8")))
            for claim in failing:
                ways = {row.way for row in tried if row.claim == claim} - {"as it is"}
                assert len(ways) >= 3, f"{path.parent.name}: {claim}"


def test_trials_are_held_to_the_threshold_of_their_gate():
    for path in results.DOCS.glob(f"results/*/{results.TRIALS}"):
        run = json.loads(path.with_name("results.json").read_text("utf-8"))
        thresholds = {row.claim: row.threshold.replace("+", "") for row in results.rows_of(run) if row.kind == "GATE"}
        for row in results.rows_of(json.loads(path.read_text("utf-8"))):
            assert row.threshold.replace("+", "") == thresholds[row.claim], f"{path.parent.name}: {row.claim}"


# -------------------------------------------------------------------------- each, shortened


def test_revnet(tmp_path, monkeypatch):
    ways = first(trials_of("revnet").WAYS, "flipped and shifted", "ResNet of 14 layers")
    monkeypatch.setattr(trials_of("revnet"), "small_images", lambda quick: small_images(True))
    rows = run("revnet", tmp_path, monkeypatch, WAYS=ways, EPOCHS=1)
    assert [row["way"] for row in rows] == list(ways)


def test_pictures_are_mirrored_and_moved_and_nothing_else():
    x = pictures(64, (3, 16, 16)).images
    moved, _ = trials_of("revnet").flipped_and_shifted(x, np.arange(64), np.random.default_rng(0))
    assert moved.shape == x.shape and moved.dtype == x.dtype
    middle = {part[:, 4:12, 4:12].tobytes() for part in moved}
    found = [
        sum(view[:, a : a + 8, b : b + 8].tobytes() in middle for a in range(2, 7) for b in range(2, 7))
        for picture in x
        for view in (picture, picture[..., ::-1])
    ]
    assert sum(found) == 64 and max(found) == 1 and 20 < sum(found[::2]) < 44


def test_adaptive_vs_sgd(tmp_path, monkeypatch):
    module = trials_of("adaptive_vs_sgd")
    part = tuple(pictures(256, (3, 8, 8)))
    task = module.replace(module.example.TASKS[module.IMAGES], data=lambda: [part, part, None])  # no test data
    monkeypatch.setitem(module.example.TASKS, module.IMAGES, task)
    ways = first(module.WAYS, "batches of 32", "the rate falls along a cosine", "gradients not cut")
    rows = run("adaptive_vs_sgd", tmp_path, monkeypatch, WAYS=ways, EPOCHS=4)
    assert len(rows) == 4 and rows[0]["threshold"] == "≤ +0.50%" and len(rows[0]["values"]) == 2


def test_rates_that_follow_the_time():
    module = trials_of("adaptive_vs_sgd")
    assert [module.halves(k / 8) for k in range(8)] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert module.cosine(0) == 1 and module.cosine(0.5) == pytest.approx(0.5) and module.cosine(1) == 0


def test_batch_renorm(tmp_path, monkeypatch):
    module = trials_of("batch_renorm")
    train, held, _ = classifying.parts("digits")
    monkeypatch.setattr(module.example, "parts", lambda *_, **__: (train, held, None))
    ways = first(module.RENORM, "wider limits", "averages by 0.5")
    rows = run("batch_renorm", tmp_path, monkeypatch, RENORM=ways, ALL={"longer": {"steps": 40}}, STEPS=30)
    assert len(rows) == 8 and {row["claim"] for row in rows} == set(module.LIMITS)


def test_normalization(tmp_path, monkeypatch):
    module, few = trials_of("normalization"), pictures(256, (1, 28, 28))

    def training(net, optimizer, batches, steps, name):
        return classifying.training(net, optimizer, batches, 2 if "layer" in name else 30, name)

    monkeypatch.setattr(module.example, "parts", lambda *_, **__: (few, few, None))
    monkeypatch.setattr(module.example, "training", training)
    rows = run(
        "normalization",
        tmp_path,
        monkeypatch,
        SIGMOIDS=first(module.SIGMOIDS, "Glorot's weights", "momentum"),
        CONVOLVE=first(module.CONVOLVE, "averages by 0.02", "group norm of 4 groups"),
        ROWS=first(module.ROWS, "pixels from 0 to 1"),
    )
    claims = [row["claim"] for row in rows]
    assert claims.count(module.DRIFT) == 3 and claims.count(module.READERS) == 2
    assert [claims.count(gate) for gate in module.GROUPS] == [3, 2]


def test_taylor_pruning(tmp_path, monkeypatch):
    module = trials_of("taylor_pruning")
    read = []

    def prune(variant, seed, quick, out, lr=None, **way):
        read.append((variant, seed, lr, way))
        end = 0.05 * (variant == "random")
        return {"curve": [[n, 0.7 - end - n / 1e3, 9, 9] for n in range(0, 121, 10)], "faster": 1.3}

    monkeypatch.setattr(module.example, "pretrain", lambda *_: None)
    monkeypatch.setattr(module.example, "prepare", lambda *_: {})
    monkeypatch.setattr(module.example, "prune", prune)
    rows = run("taylor_pruning", tmp_path, monkeypatch)
    assert [row["passed"] for row in rows] == [*[True] * 8, *[True] * 4, *[False] * 4]
    assert all(lr for _, _, lr, _ in read) and {seed for _, seed, _, _ in read} == set(
        SEEDS[:2]
    )  # a rate: no test data


def test_ways_to_prune(tmp_path, monkeypatch):
    module = trials_of("taylor_pruning")
    example, load = module.example, pruning.load
    monkeypatch.setattr(pruning, "load", lambda quick, held=False: load(quick))  # of the digits there are no more
    example.pretrain(True, tmp_path)
    example.prepare("network", 100, True, tmp_path, held=True)
    found = example.prune("Taylor", 100, True, tmp_path, 0.01, at_once=3, stream=module.mirrored)
    assert [c[0] for c in found["curve"]] == [0, 6, 12] and found["shrinks"]
    worth = module.eights([np.arange(16.0)[::-1], np.arange(8.0) - 9])
    assert worth[0][8:].tolist() == [3.5] * 8 and np.isinf(worth[0][:8]).all() and np.isinf(worth[1]).all()


# ------------------------------------------------------------------------------- the page


def test_the_page_shows_what_was_tried(tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    folder = docs / "results" / "revnet"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text((results.DOCS / "results" / "revnet" / "results.json").read_text("utf-8"))
    monkeypatch.setattr(results, "DOCS", docs)
    monkeypatch.setattr(trials_of("revnet"), "accuracy", lambda way, kind, seed, data: {"right": 0.5, "weights": 9})
    monkeypatch.setattr(trials_of("revnet"), "small_images", lambda quick: None)
    rows = run("revnet", tmp_path, monkeypatch)
    assert program.main(["report", str(tmp_path / "revnet")]) == program.main(["report", "--check"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["results.json", "trials.json"]
    text = (docs / "RESULTS.md").read_text("utf-8")
    assert "Tried for the gates that fail (seeds 100 to 101, validation data; `python -m examples trials rev" in text
    for row in rows:
        assert f"| {row['claim']} | {row['way']} | 0.00% | {row['baseline']} | ≤ 2.00% |" in text
    assert text.index("Tried for") > text.index("![RevNet")
