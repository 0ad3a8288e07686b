"""Convolutions over sentences: the exact checks, a short training, the traps."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import tinygrad_lite as tl
from examples import __main__ as program
from examples.common import Report, sentences
from examples.common.languages import ordered_topics
from examples.text import sentence_cnn as ex
from tinygrad_lite.data import Texts, TrainTest, Vocabulary

for package in ("matplotlib", "tqdm"):
    pytest.importorskip(package, reason=f"{package} is not installed")

RNG = np.random.default_rng(0)
KNOWN = ex.Pretrained(RNG.normal(size=(6, 8)).astype(np.float32), ["good", "bad", "fine", "poor", "film", "never"])


def small_task(n: int = 120, epochs: int = 3) -> sentences.Task:
    """Is there a good word or a bad one among others."""
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=n)
    texts = [[*rng.choice(["film", "the", "of"], 4), "good" if k else "bad", "film"] for k in y]
    return sentences.parted(texts, y, (texts[:20], y[:20]), epochs)


def test_every_check_holds(tmp_path):
    report = Report("sentence_cnn", tmp_path, {})
    ex.checks(report)
    assert len(report.rows) == 7
    assert [row.claim for row in report.rows if not row.passed] == []


@pytest.mark.parametrize("variant", ex.VARIANTS)
def test_a_short_training_learns(variant):
    tl.manual_seed(0)
    found = ex.fit(small_task(epochs=12), KNOWN, variant, 0, maps=8)
    assert found["accuracy"] > 0.9 and len(found["dev"]) == 12


def test_a_quick_run_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(ex, "fit", lambda task, known, variant, *rest, **more: {"accuracy": 0.9})
    assert program.main(["sentence_cnn", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert found["headline"] == "90.00% right" and (tmp_path / "figure.png").exists()


def test_a_full_run_reports_and_draws(tmp_path):
    def runs(*values):
        return [{"accuracy": value} for value in values]

    found = {
        "TREC": {v: runs(0.9, 0.88) for v in [*ex.VARIANTS, "clip 3", "neither"]},
        "1,000 labels": {"rand": runs(0.6, 0.62), "non-static": runs(0.64, 0.66)},
        "MR": {v: runs(0.75, 0.74) for v in ex.VARIANTS},
    }
    for more, failures in (({}, 0), ({"1,000 labels": {"rand": runs(0.6), "non-static": runs(0.61)}}, 1)):
        report = Report("sentence_cnn", tmp_path, {})
        ex.judge(report, {**found, **more})
        assert sum(not row.passed for row in report.rows if row.kind == "GATE") == failures
    assert len(ex.draw(found).axes) == 3


# ------------------------------------------------------------------------------------ traps


def test_the_epoch_is_chosen_on_the_dev_part_and_never_on_the_test(monkeypatch):
    asked = []

    def accuracy(net, vocabulary, texts, labels):
        asked.append(len(labels))
        return {12: 0.5, 20: 0.7}[len(labels)]

    monkeypatch.setattr(ex, "accuracy", accuracy)
    assert ex.fit(small_task(), KNOWN, "rand", 0, maps=2)["accuracy"] == 0.7
    assert asked == [12, 12, 12, 20]  # the dev part after each epoch, the test part once


def test_words_of_the_test_are_not_in_the_vocabulary():
    task = small_task()
    task = replace(task, test=([["secret", "good"]], np.array([1])))
    vocabulary, v = ex.table(task, KNOWN, "rand", np.random.default_rng(0))
    assert "secret" not in vocabulary and "poor" not in vocabulary and not v[0].any()
    vocabulary, v = ex.table(task, KNOWN, "static", np.random.default_rng(0))
    assert "secret" not in vocabulary
    np.testing.assert_array_equal(v[vocabulary.index["poor"]], KNOWN.vectors[3])


def test_static_vectors_stay_and_others_do_not(monkeypatch):
    nets = []

    def keep(*args, **options):
        nets.append(ex_net(*args, **options))
        return nets[-1]

    ex_net = ex.SentenceCNN
    monkeypatch.setattr(ex, "SentenceCNN", keep)
    for variant, stays in (("static", [True]), ("non-static", [False]), ("multichannel", [False, True])):
        task = small_task()
        vocabulary, v = ex.table(task, KNOWN, variant, np.random.default_rng(0))
        ex.fit(task, KNOWN, variant, 0, maps=2)
        row = vocabulary.index["good"]
        after = [np.asarray(channel.weight.detach())[row] for channel in nets[-1].channels]
        assert [np.array_equal(w, v[row]) for w in after] == stays, variant


def test_a_window_of_padding_never_wins():
    maps = tl.tensor(np.array([[[1.0, 2.0, 9.0, 9.0]]]))
    assert ex.largest(maps, np.array([2])).item() == 2.0
    assert ex.largest(-maps, np.array([2])).item() == 0.0


def test_the_constraint_leaves_small_norms_alone():
    head = ex.Linear(2, 3)
    with tl.no_grad():
        head.weight.copy_(tl.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 0.0]]))
    ex.limit_norm(head)
    np.testing.assert_allclose(head.weight.detach().numpy(), [[1.8, 2.4], [0.6, 0.8], [0, 0]], rtol=1e-6)


def test_folds_and_draws_share_no_sentence(monkeypatch):
    texts = Texts([f"good w{k}x" if k % 2 else f"bad w{k}x" for k in range(400)], np.arange(400) % 2, ("n", "p"))
    monkeypatch.setattr(sentences, "rt_polarity", lambda: texts)
    parts = [sentences.movie_reviews(fold) for fold in range(10)]
    tested = [text[1] for task in parts for text in task.test[0]]
    assert len(tested) == len(set(tested)) == 400
    for task in (parts[0], sentences.movie_reviews(0, 100, 1)):
        names = [text[1] for part in (task.train, task.dev, task.test) for text in part[0]]
        assert len(names) == len(set(names))
    assert len(task.train[1]) + len(task.dev[1]) == 100
    monkeypatch.setattr(sentences, "trec", lambda: TrainTest(texts, Texts(["who"], np.array([0]), texts.classes)))
    assert sentences.questions().test[0] == [["who"]]


def test_a_sentence_that_stands_in_a_text_is_found():
    texts = [list("xxabcdefgh"), list("abcdef")]
    assert sentences.occurring(texts, [list("abcdefg"), list("bcdefghi"), list("abc"), list("abcdef")]) == 2


def test_the_generated_classes_are_ordered_pairs():
    texts, classes = ordered_topics(300, np.random.default_rng(0))
    seen = {}
    for text, k in zip(texts, classes):
        seen.setdefault(k, set()).add("".join(word[0] for word in text if word[0] in "abc"))
    assert sorted("".join(pairs) for pairs in seen.values()) == ["ab", "ac", "ba", "bc", "ca", "cb"]
    assert len(Vocabulary(texts)) <= 302
